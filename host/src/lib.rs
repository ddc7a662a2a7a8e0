//! A plugin host: WebAssembly components as steps of a transactional message pipeline.

pub mod model;
pub mod store;
