//! Compiling, bounded in time and memory and out of the way of the requests that are served meanwhile.
//!
//! Cranelift cannot be interrupted, and what it takes is not proportional to what it is given. So it runs in a process of
//! its own where the host has a program for that: the component goes in, machine code or an error comes out, and the
//! operating system holds the limits. The child has neither the cache nor its key: what is kept is written by the host.

mod child;
mod parent;

use std::ffi::OsString;
use std::hash::Hash as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::admission::{Problem, ProblemKind};
use super::cache::HashToBytes;
use super::engine::Settings;

pub use child::compile_child;

/// The time that one component has to be compiled, unless somebody says otherwise. The largest that embed a language's
/// runtime take some seconds, and some ten times that in a debug build of the host.
pub const COMPILE_TIME_DEFAULT: Duration = Duration::from_secs(120);
/// The memory for that: several times what a component of 20 MB takes.
pub const COMPILE_MEMORY_DEFAULT: u64 = 4 << 30;
/// Threads that compile at once: more make one component faster, and what runs beside it slower.
pub const COMPILE_THREADS_DEFAULT: u32 = 4;
/// Bytes of machine code of one component at most: some ten times the largest component.
const CODE_BYTES_MAX: u64 = 1 << 30;

/// How components are compiled. One at a time, whatever is said here, so that a host that loads many has its processors
/// for its requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compiler {
    /// The program that compiles, in a process of its own with a low priority. None: this process does, where nothing
    /// bounds its time and its memory; then load nothing whose author you do not know.
    pub program: Option<Program>,
    /// The time for one component. Only of a program.
    pub time: Duration,
    /// The memory for one component, in bytes. Only of a program, and not on Windows.
    pub memory_bytes: u64,
    /// The threads for one component. Only of a program.
    pub threads: u32,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            program: None,
            time: COMPILE_TIME_DEFAULT,
            memory_bytes: COMPILE_MEMORY_DEFAULT,
            threads: COMPILE_THREADS_DEFAULT,
        }
    }
}

/// A program that calls [`compile_child`] with its standard input and output: `stagegate compile-child`, or one of the
/// embedder's own, its own executable for one. It must be built with this version of this crate, and what it answers is
/// executed, so it is to be as safe from others' hands as the host itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its path.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// What the host asks of a child, in a line before the component.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// All of the engine that the code depends on, hashed: another one's code could not be loaded.
    compatibility: String,
    /// Whether frames of guests are to have files and lines, which is kept with the code.
    has_places: bool,
    /// Processor time, of all threads together.
    seconds: u64,
    memory_bytes: u64,
}

/// Machine code for a component, or why there is none. Blocks.
pub(super) fn compile(
    engine: &wasmtime::Engine,
    settings: &Settings,
    component: &[u8],
) -> Result<Vec<u8>, Problem> {
    match &settings.compiler.program {
        Some(program) => parent::compile(engine, settings, program, component),
        None => engine.precompile_component(component).map_err(|error| invalid(&format!("{error:#}"))),
    }
}

fn compatibility(engine: &wasmtime::Engine) -> String {
    let mut hasher = HashToBytes(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex().to_string()
}

fn invalid(reason: &str) -> Problem {
    problem(&format!("cannot be compiled: {reason}"), "build it again")
}

fn problem(message: &str, way_out: &str) -> Problem {
    Problem::new(ProblemKind::Compilation, message, way_out)
}
