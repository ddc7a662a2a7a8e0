//! How many of something there are now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count that those who are counted keep up to date by being there.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicUsize>);

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Gauge {
    /// Counts one more.
    pub fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
