//! Pools: jobs that run at once, and those that are claimed ahead of their turn.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Job;

/// Jobs are claimed ahead as far as they will be started within this time, going by how fast the last ones ended. A
/// commit costs as much for hundreds of jobs as for one, so short jobs come in hundreds; of those that take longer none
/// is claimed before there is somebody to run it.
const AHEAD: Duration = Duration::from_millis(20);
/// Jobs that are claimed ahead at most: so many are suspected if the host dies.
const AHEAD_MAX: u32 = 256;

/// Jobs that share a number of places.
pub(super) struct Pool {
    /// Jobs that run at once.
    size: u32,
    /// Jobs that run.
    pub(super) running: u32,
    /// Jobs that are claimed and wait for a place.
    pub(super) waiting: VecDeque<Job>,
    /// Whether there may be jobs to claim.
    pub(super) looks: bool,
    ahead: u32,
    ended: u32,
    looked: Instant,
}

impl Pool {
    pub(super) fn new(size: u32) -> Self {
        Self {
            size,
            running: 0,
            waiting: VecDeque::new(),
            looks: true,
            ahead: 0,
            ended: 0,
            looked: Instant::now(),
        }
    }

    /// Whether a job could be started at once.
    pub(super) fn has_place(&self) -> bool {
        self.running < self.size
    }

    /// Whether a job waits for a place under which a host has died.
    pub(super) fn has_suspect(&self) -> bool {
        self.waiting.iter().any(|job| job.crash_count > 0)
    }

    /// How many jobs to claim.
    pub(super) fn room(&self) -> u32 {
        let held = self.running + u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let room = (self.size + self.ahead).saturating_sub(held);
        // Refilled by halves: one at a time would be a commit for each.
        if room >= self.ahead / 2 { room } else { 0 }
    }

    pub(super) fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.ended = self.ended.saturating_add(1);
    }

    /// Goes by what has ended since the last look.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let since = now.duration_since(self.looked).max(Duration::from_micros(100)).as_secs_f64();
        let soon = f64::from(self.ended) / since * AHEAD.as_secs_f64();
        // At most twice as many at a time, so that one lucky moment does not claim a hoard. The cast saturates.
        self.ahead = (soon as u32).min(self.ahead * 2 + self.size).min(AHEAD_MAX);
        if soon < 1.0 {
            self.ahead = 0;
        }
        self.ended = 0;
        self.looked = now;
    }
}
