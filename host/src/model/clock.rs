//! Time as the host tells it. Records, jobs and guests see this clock; deadlines use the monotonic one of the runtime.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::DateTime;

/// Tells the time. Passed in, so that tests and replays can set it.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> DateTime;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        DateTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub DateTime);

impl Clock for FixedClock {
    fn now(&self) -> DateTime {
        self.0
    }
}
