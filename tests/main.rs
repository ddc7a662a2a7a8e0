//! One binary with all tests across crates: it links wasmtime once.

mod store;
