//! How an attempt at a job ends, and what becomes of the job.

use std::time::Duration;

use uuid::Uuid;

use super::{JobError, JobStatus, Suspension};
use crate::model::DateTime;

/// The longest time before a retry: a job that has failed for long is still looked at within the hour.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(3600);

/// The end of one attempt. It counts only if the job is still locked by `worker` in this `attempt`; otherwise somebody
/// else has taken the job over and this result is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The job.
    pub id: Uuid,
    /// The attempt that ended.
    pub attempt: u32,
    /// Who ran it.
    pub worker: Uuid,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the job is deleted if it has succeeded: its own [`auto_delete`](super::Job::auto_delete).
    pub auto_delete: bool,
    /// Why it failed.
    pub error: Option<JobError>,
    /// What it traced.
    pub trace: Vec<String>,
    /// When it ended.
    pub ended_on: DateTime,
    /// The time that it took.
    pub execution_time: Duration,
    /// The guest's memory at its largest.
    pub memory_bytes: u64,
}

impl Settlement {
    /// An end without anything to tell.
    #[must_use]
    pub fn new(id: Uuid, attempt: u32, worker: Uuid, outcome: Outcome, ended_on: DateTime) -> Self {
        Self {
            id,
            attempt,
            worker,
            outcome,
            auto_delete: false,
            error: None,
            trace: Vec::new(),
            ended_on,
            execution_time: Duration::ZERO,
            memory_bytes: 0,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Succeeded,
    /// It failed for good: a dead letter, which stays until somebody acts.
    Failed,
    /// The step called it off.
    Canceled,
    /// It failed, and is to be run again at that moment.
    Retry(DateTime),
    /// The step put it off to that moment.
    Postponed(DateTime),
    /// It ended, and runs again at its next moment.
    Recurs(DateTime),
    /// The step wants it to wait for somebody.
    Suspended,
    /// It was stopped before its end: it is handed back.
    Released,
    /// It was not even begun: it is handed back as if it had not been claimed.
    Unclaimed,
}

/// Where a job stands after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) status: JobStatus,
    pub(crate) suspension: Option<Suspension>,
    pub(crate) postpone_until: Option<DateTime>,
}

impl Place {
    pub(crate) const READY: Self =
        Self { status: JobStatus::WaitingForResources, suspension: None, postpone_until: None };

    pub(crate) fn completed(status: JobStatus) -> Self {
        Self { status, suspension: None, postpone_until: None }
    }

    pub(crate) fn suspended(suspension: Suspension, until: Option<DateTime>) -> Self {
        Self { status: JobStatus::Waiting, suspension: Some(suspension), postpone_until: until }
    }
}

impl Outcome {
    /// What becomes of a job that was locked with `status`: an operator may meanwhile have asked for it to be paused,
    /// postponed to `asked` or canceled. Work that is done is done all the same.
    pub(crate) fn settle(self, status: JobStatus, asked: Option<DateTime>) -> Place {
        match (self, status) {
            (Self::Succeeded, _) => Place::completed(JobStatus::Succeeded),
            (Self::Failed, _) => Place::completed(JobStatus::Failed),
            (Self::Canceled, _) | (_, JobStatus::Canceling) => Place::completed(JobStatus::Canceled),
            (_, JobStatus::Pausing) => match asked {
                Some(until) => Place::suspended(Suspension::Postponed, Some(until)),
                None => Place::suspended(Suspension::Paused, None),
            },
            (Self::Retry(at), _) => Place::suspended(Suspension::Retry, Some(at)),
            (Self::Postponed(until) | Self::Recurs(until), _) => {
                Place::suspended(Suspension::Postponed, Some(until))
            }
            (Self::Suspended, _) => Place::suspended(Suspension::Paused, None),
            (Self::Released | Self::Unclaimed, _) => Place::READY,
        }
    }
}

/// The time before the retry that follows `retries` earlier ones: twice as long each time, at most
/// [`RETRY_DELAY_MAX`], and by a random part of up to half shorter, so that jobs which failed together do not come back
/// together. `random` is any number.
#[must_use]
pub fn backoff(delay: Duration, retries: u32, random: u64) -> Duration {
    let longest = delay.saturating_mul(2_u32.saturating_pow(retries)).min(RETRY_DELAY_MAX);
    let half = longest / 2;
    let part = half.as_nanos() * u128::from(random) / (u128::from(u64::MAX) + 1);
    longest - Duration::from_nanos(u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_who_acts_meanwhile_is_heard_unless_the_work_is_done() {
        use JobStatus::{Canceled, Canceling, Failed, InProgress, Pausing, Succeeded};
        let until = DateTime(9);
        let paused = Place::suspended(Suspension::Paused, None);
        for (outcome, status, asked, expected) in [
            (Outcome::Succeeded, InProgress, None, Place::completed(Succeeded)),
            (Outcome::Succeeded, Canceling, None, Place::completed(Succeeded)),
            (Outcome::Succeeded, Pausing, None, Place::completed(Succeeded)),
            (Outcome::Failed, Canceling, None, Place::completed(Failed)),
            (Outcome::Canceled, InProgress, None, Place::completed(Canceled)),
            (Outcome::Retry(until), InProgress, None, Place::suspended(Suspension::Retry, Some(until))),
            (Outcome::Retry(until), Canceling, None, Place::completed(Canceled)),
            (Outcome::Retry(until), Pausing, None, paused),
            (
                Outcome::Postponed(until),
                InProgress,
                None,
                Place::suspended(Suspension::Postponed, Some(until)),
            ),
            (
                Outcome::Postponed(DateTime(5)),
                Pausing,
                Some(until),
                Place::suspended(Suspension::Postponed, Some(until)),
            ),
            (Outcome::Suspended, InProgress, None, paused),
            (Outcome::Released, InProgress, None, Place::READY),
            (Outcome::Released, Pausing, None, paused),
            (Outcome::Released, Canceling, None, Place::completed(Canceled)),
            (Outcome::Unclaimed, InProgress, None, Place::READY),
            (Outcome::Unclaimed, Canceling, None, Place::completed(Canceled)),
        ] {
            assert_eq!(outcome.settle(status, asked), expected, "{outcome:?} {status}");
        }
    }

    #[test]
    fn each_retry_waits_twice_as_long_within_bounds() {
        let second = Duration::from_secs(1);
        for (retries, random, expected) in [
            (0, 0, second),
            (1, 0, second * 2),
            (3, 0, second * 8),
            (40, 0, RETRY_DELAY_MAX),
            (u32::MAX, 0, RETRY_DELAY_MAX),
            (0, 1 << 63, second * 3 / 4),
        ] {
            assert_eq!(backoff(second, retries, random), expected, "{retries} {random}");
        }
        assert!(backoff(second, 0, u64::MAX) >= second / 2);
        assert_eq!(backoff(Duration::ZERO, 3, 7), Duration::ZERO);
    }
}
