//! The linear memory of all sandboxes of one plugin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long jobs of a plugin wait after its memory was refused: about what a run takes, after which there may be room.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts the linear memory of all sandboxes of one plugin, and refuses what is more than its quota.
#[derive(Debug)]
pub struct MemoryMeter {
    quota: Option<u64>,
    bytes: AtomicU64,
    peak: AtomicU64,
    refused: Mutex<Option<Instant>>,
}

impl MemoryMeter {
    pub(super) fn new(quota: Option<u64>) -> Self {
        Self { quota, bytes: AtomicU64::new(0), peak: AtomicU64::new(0), refused: Mutex::default() }
    }

    /// Takes so many bytes more, or returns the quota that they would be too much for.
    pub(crate) fn grow(&self, bytes: u64) -> Result<(), u64> {
        let quota = self.quota.unwrap_or(u64::MAX);
        let more = |now: u64| now.checked_add(bytes).filter(|total| *total <= quota);
        match self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(before) => {
                self.peak.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
                Ok(())
            }
            Err(_) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                Err(quota)
            }
        }
    }

    /// Gives so many bytes back.
    pub(crate) fn shrink(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whether memory was refused a moment ago.
    pub(super) fn is_full(&self) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|refused| refused.elapsed() < PAUSE)
    }
}
