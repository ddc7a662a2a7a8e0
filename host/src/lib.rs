//! A plugin host: WebAssembly components as steps of a transactional message pipeline.

pub mod message;
pub mod model;
pub mod pipeline;
pub mod store;
pub mod wasm;

pub use model::{Fault, Value};
pub use pipeline::native::{NativeStep, StepContext};
