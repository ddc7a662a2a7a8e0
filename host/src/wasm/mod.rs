//! WebAssembly components as plugins: the only part that knows wasmtime.

mod admission;
mod cache;
mod compiler;
mod engine;
mod failure;
mod limits;
mod load;
mod output;
mod plugin;
mod run;
mod trust;
mod v0_1;

pub use admission::{
    Admission, CheckedStep, Compilation, Complexity, Import, Inspection, Package, Problem, ProblemKind,
    Provenance, Resources, Tool, Validity, inspect,
};
pub use compiler::{
    COMPILE_MEMORY_DEFAULT, COMPILE_THREADS_DEFAULT, COMPILE_TIME_DEFAULT, Compiler, Program, compile_child,
};
pub use engine::{Allocation, Engine, Settings, TICK};
pub use limits::Limits;
pub use plugin::{Admitted, DeclaredBy, LoadReport, Plugin, Source};
pub use trust::{Signature, Trust, TrustedKey};
