//! WebAssembly components as plugins: the only part that knows wasmtime.

mod admission;
mod ambient;
mod cache;
mod core_dump;
mod engine;
mod failure;
pub(crate) mod granted;
pub mod http;
mod limits;
mod output;
mod place;
mod plugin;
mod profile;
mod run;
mod usage;
mod v0_1;

pub use admission::{Import, Inspection, inspect};
pub use engine::{Allocation, Engine, Settings, TICK};
pub use limits::Limits;
pub use plugin::{DeclaredBy, LoadReport, Plugin, Source};
pub use profile::Profiler;
pub use usage::Usage;
