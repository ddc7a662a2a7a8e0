//! What the asynchronous service promises when something breaks: the process, a step, the store, the clock. Each test
//! really breaks it.

mod child;
mod clock;
mod guests;
mod kills;
mod leases;
#[cfg(unix)]
mod postgres;
mod shutdown;
mod store;
mod support;
mod updates;
