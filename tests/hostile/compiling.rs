//! Components that pass every check and are hard to compile: small ones for which the compiler takes long, or much memory.
//! What bounds it is the process that it has to itself.

use std::fmt::Write as _;
use std::time::Duration;

use stagegate::wasm::{Engine, Program, Settings};

use super::attack::{Attack, Must};
use super::shapes::{component, in_module, with};

/// A limit of the compiler that is tighter than usual, so that it is soon reached.
#[derive(Clone, Copy)]
pub enum Within {
    /// The time for one component.
    Time(Duration),
    /// The memory, in bytes.
    Memory(u64),
}

/// Long enough for any component of an honest author, and short enough to wait for.
const TIME: Within = Within::Time(Duration::from_millis(500));
/// Less than what any of these takes.
const MEMORY: Within = Within::Memory(64 << 20);

const TOO_LONG: Must = Must::BeRefused("takes longer than 500ms to be compiled");
const TOO_MUCH: Must = Must::BeRefused("needs more than 64 MiB of memory to be compiled");

pub(super) const ATTACKS: &[Attack] = &[
    Attack::made(
        "loops_in_loops",
        "nests 2,000 loops over 2,000 variables, and takes the compiler longer than its time",
        compile_bomb,
        TOO_LONG,
    )
    .within(TIME),
    Attack::made(
        "loops_of_memory",
        "nests them, and takes the compiler more than its memory",
        compile_bomb,
        TOO_MUCH,
    )
    .within(MEMORY),
    Attack::made(
        "thousands_of_functions",
        "has 290,000 functions, each as small as can be",
        || with(&in_module(&NOTHING, 290_000)),
        TOO_LONG,
    )
    .within(TIME),
];

/// The body of a function that does nothing: no locals, and its end.
const NOTHING: [u8; 2] = [0, 0x0b];

/// The engine that an attack is loaded by: the common one, or one with a tighter limit of `compiler`.
///
/// # Panics
///
/// If it cannot be made.
#[must_use]
pub fn engine_for(attack: &Attack, common: &Engine, compiler: &Program) -> Engine {
    let Some(within) = attack.within else { return common.clone() };
    let mut settings = Settings::default();
    settings.limits.clone_from(&common.settings().limits);
    // Nothing that is refused ever runs, and the sandboxes would be addresses.
    settings.concurrency = 1;
    settings.compiler.program = Some(compiler.clone());
    match within {
        Within::Time(time) => settings.compiler.time = time,
        Within::Memory(bytes) => settings.compiler.memory_bytes = bytes,
    }
    Engine::new(settings).expect("an engine")
}

/// A plugin with a module that nothing uses and that is small and takes very long to compile: loops in loops, in each of
/// which every variable may be another one.
#[must_use]
pub fn compile_bomb() -> Vec<u8> {
    const VARIABLES: usize = 2_000;
    const LOOPS: usize = 2_000;
    let mut body = "loop ".repeat(LOOPS);
    for variable in 0..VARIABLES {
        let next = (variable + 1) % VARIABLES;
        let _ = write!(body, "local.get {next} local.set {variable} ");
    }
    for depth in 0..LOOPS {
        let _ = write!(body, "local.get {depth} br_if 0 end ");
    }
    with(&component(&format!("(core module (func (local {}) {body}))", "i32 ".repeat(VARIABLES))))
}
