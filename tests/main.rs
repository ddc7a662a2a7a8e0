//! One binary with all tests across crates: it links wasmtime once.

mod cli;
mod pipeline;
mod samples;
mod sandbox;
mod store;
mod tidy;
