//! Handles: leaked, dropped twice, misused.

use stagegate_sdk::prelude::*;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::{Pollable, poll};

/// Makes timers and keeps their handles, without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn leak_pollables(_: &mut Create<Record>) -> Result {
    loop {
        std::mem::forget(subscribe_duration(1));
    }
}

/// Takes the standard output and keeps its handle, without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn leak_streams(_: &mut Create<Record>) -> Result {
    loop {
        std::mem::forget(wasip2::cli::stdout::get_stdout());
    }
}

/// Drops a handle that it has no more.
#[step(PreOperation, entity = "probe")]
#[expect(unsafe_code, reason = "to forge a handle has no safe form")]
pub(crate) fn drop_twice(_: &mut Create<Record>) -> Result {
    let timer = subscribe_duration(1);
    let handle = timer.handle();
    drop(timer);
    // SAFETY: there is none; that the host refuses it is the test.
    drop(unsafe { Pollable::from_handle(handle) });
    Ok(())
}

/// Polls an empty list, which WASI forbids.
#[step(PreOperation, entity = "probe")]
pub(crate) fn poll_nothing(_: &mut Create<Record>) -> Result {
    poll(&[]);
    Ok(())
}
