//! Sleeping, in every way in which WASI lets a guest wait.

use std::time::Duration;

use stagegate_sdk::prelude::*;
use wasip2::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use wasip2::io::poll::poll;

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_NS: u64 = 3_600_000_000_000;

/// Sleeps as the standard library does.
#[step(PreOperation, entity = "probe")]
pub(crate) fn sleep(_: &mut Create<Record>) -> Result {
    std::thread::sleep(HOUR);
    Ok(())
}

/// Polls a timer that is an hour away.
#[step(PreOperation, entity = "probe")]
pub(crate) fn sleep_in_poll(_: &mut Create<Record>) -> Result {
    poll(&[&subscribe_duration(HOUR_NS)]);
    Ok(())
}

/// Blocks on a timer that no clock reaches.
#[step(PreOperation, entity = "probe")]
pub(crate) fn sleep_until_the_end_of_time(_: &mut Create<Record>) -> Result {
    subscribe_instant(u64::MAX).block();
    Ok(())
}

/// Polls thousands of timers at once.
#[step(PreOperation, entity = "probe")]
pub(crate) fn sleep_in_many_polls(_: &mut Create<Record>) -> Result {
    let timers: Vec<_> = (0..5000).map(|more| subscribe_duration(HOUR_NS + more)).collect();
    poll(&timers.iter().collect::<Vec<_>>());
    Ok(())
}

/// Sleeps for so short a time, again and again, that a deadline of the sleep would never come.
#[step(PreOperation, entity = "probe")]
pub(crate) fn sleep_and_wake(_: &mut Create<Record>) -> Result {
    loop {
        subscribe_duration(1).block();
    }
}
