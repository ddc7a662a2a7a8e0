//! What is fuzzed: each target takes any bytes, and panics where the host does what it must not.
//!
//! libFuzzer drives them (tests/fuzz/libfuzzer), and so does a test, with the corpus beside this file: what once found something
//! is tried again by every `cargo test`. docs/security.md says how to run more.

mod component;
mod queries;
mod texts;
mod values;

use std::sync::OnceLock;

use stagegate::{Error, ErrorKind};
use tokio::runtime::Runtime;

/// Something that takes bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the folder of its corpus.
    pub name: &'static str,
    /// What it does with them.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "component", run: component::run },
    Target { name: "queries", run: queries::run },
    Target { name: "requests", run: texts::requests },
    Target { name: "scenarios", run: texts::scenarios },
    Target { name: "values", run: values::run },
];

/// Runs a target.
///
/// # Panics
///
/// If the host does what it must not, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(bytes);
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// Panics if an error is not one that says that the input is refused.
fn is_refusal(error: &Error, kinds: &[ErrorKind]) {
    assert!(kinds.contains(&error.kind()), "{:?}, where only {kinds:?} may come: {error}", error.kind());
}
