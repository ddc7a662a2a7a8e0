//! WebAssembly components as plugins: the only part that knows wasmtime.

mod admission;
mod ambient;
mod cache;
mod compiler;
mod core_dump;
mod engine;
mod failure;
pub(crate) mod granted;
pub mod http;
mod limits;
mod load;
mod output;
mod place;
mod plugin;
mod profile;
mod run;
mod trust;
mod usage;
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
pub use profile::Profiler;
pub use trust::{Signature, Trust, TrustedKey};
pub use usage::Usage;
