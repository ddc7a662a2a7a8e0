//! Pools: jobs that run at once, and those that are claimed ahead of their turn.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Job;

/// Jobs are claimed ahead as far as they will be started within this time, going by how long the last ones ran. A commit
/// costs as much for hundreds of jobs as for one, so short jobs come in hundreds; of those that take longer none is claimed
/// before there is somebody to run it.
const AHEAD: Duration = Duration::from_millis(20);
/// Jobs that are claimed ahead at most where the store has one writer: an exchange of so many holds it for milliseconds.
pub(super) const AHEAD_MAX: u32 = 256;
/// The same where hosts share the store, and an exchange keeps nobody from writing. So many are suspected if the host dies,
/// but only jobs of some microseconds come to this. An exchange with PostgreSQL takes two milliseconds and then some for each
/// job, so that 2048 have two fifths more jobs run than 256.
pub(super) const AHEAD_MAX_SHARED: u32 = 2048;

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
    ahead_max: u32,
    /// Jobs that have ended since the last look, and the time that they took, one after another.
    ended: u32,
    took: Duration,
    looked: Instant,
}

impl Pool {
    pub(super) fn new(size: u32, ahead_max: u32) -> Self {
        Self {
            size,
            running: 0,
            waiting: VecDeque::new(),
            looks: true,
            ahead: 0,
            ahead_max,
            ended: 0,
            took: Duration::ZERO,
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

    /// A job has ended that ran for so long.
    pub(super) fn ended(&mut self, took: Duration) {
        self.running = self.running.saturating_sub(1);
        self.ended = self.ended.saturating_add(1);
        self.took = self.took.saturating_add(took);
    }

    /// Goes by what has ended since the last look; where nothing has, by how long that is.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if self.ended == 0 && now.duration_since(self.looked) < AHEAD {
            return;
        }
        let each = self.took.as_secs_f64().max(1e-6) / f64::from(self.ended);
        let soon = AHEAD.as_secs_f64() / each * f64::from(self.size);
        // At most four times as many at a time, so that one lucky moment does not claim a hoard. The cast saturates.
        self.ahead = (soon as u32).min(self.ahead * 4 + self.size).min(self.ahead_max);
        (self.ended, self.took, self.looked) = (0, Duration::ZERO, now);
    }
}
