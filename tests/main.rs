//! One binary with all tests across crates: it links wasmtime once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod cli;
mod contract;
mod crash;
mod fuzzed;
mod pipeline;
mod postgres;
mod registration;
mod rules;
mod samples;
mod sandbox;
mod scenarios;
mod store;
mod tidy;
