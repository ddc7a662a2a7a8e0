//! What the asynchronous service has done since its host started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::job::{Outcome, Settlement};

/// What the asynchronous service of one host has done since the host started: attempts at system jobs, counted by how they
/// ended, once that is in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobTotals {
    /// Jobs that did what they were to do, recurring ones each time.
    pub succeeded: u64,
    /// Jobs that failed for good, and recurring ones each time that they failed.
    pub failed: u64,
    /// Attempts that failed, after which the job is to be tried again.
    pub retried: u64,
    /// Jobs that their step has put off, suspended or called off.
    pub set_aside: u64,
    /// Jobs that were begun and stopped before their end, and handed back.
    pub handed_back: u64,
}

/// The totals while they are counted.
#[derive(Default)]
pub struct Tally {
    succeeded: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    set_aside: AtomicU64,
    handed_back: AtomicU64,
}

impl Tally {
    /// Counts an end that is in the database. Of a job that was not even begun there is nothing to count.
    pub(super) fn count(&self, settlement: &Settlement) {
        let counter = match settlement.outcome {
            Outcome::Recurs(_) if settlement.error.is_some() => &self.failed,
            Outcome::Succeeded | Outcome::Recurs(_) => &self.succeeded,
            Outcome::Failed => &self.failed,
            Outcome::Retry(_) => &self.retried,
            Outcome::Postponed(_) | Outcome::Suspended | Outcome::Canceled => &self.set_aside,
            Outcome::Released => &self.handed_back,
            Outcome::Unclaimed => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn totals(&self) -> JobTotals {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JobTotals {
            succeeded: of(&self.succeeded),
            failed: of(&self.failed),
            retried: of(&self.retried),
            set_aside: of(&self.set_aside),
            handed_back: of(&self.handed_back),
        }
    }
}
