//! From the end of a run to what becomes of its job.

use std::time::Duration;

use uuid::Uuid;

use crate::model::job::{JobError, JobPolicy, Outcome, POSTPONE_MIN, backoff};
use crate::model::{DateTime, Error, ErrorKind, Job, OperationStatus};

/// How a run that succeeded ends, where its step may have put it off.
pub(super) fn of_success(postponed: Option<DateTime>, now: DateTime) -> Outcome {
    match postponed {
        None => Outcome::Succeeded,
        Some(moment) => Outcome::Postponed(moment.max(later(now, POSTPONE_MIN))),
    }
}

/// How a run that failed ends, and the error to keep.
pub(super) fn of(error: &Error, job: &Job, policy: &JobPolicy, now: DateTime) -> (Outcome, Option<JobError>) {
    let kept = |text: String| Some(JobError { code: error.code(), message: text });
    let outcome = match error.status() {
        OperationStatus::Succeeded => return (Outcome::Succeeded, None),
        OperationStatus::Canceled => Outcome::Canceled,
        OperationStatus::Suspended => Outcome::Suspended,
        // A host that goes down hands its jobs back.
        _ if error.kind() == ErrorKind::ShuttingDown => return (Outcome::Released, None),
        _ if !may_be_retried(error) => Outcome::Failed,
        _ if job.retries >= policy.retries => {
            let text = format!("{error}; given up after {} retries", job.retries);
            return (Outcome::Failed, kept(text));
        }
        _ => {
            let random = Uuid::new_v4().as_u64_pair().0;
            Outcome::Retry(later(now, backoff(policy.retry_delay, job.retries, random)))
        }
    };
    (outcome, kept(error.to_string()))
}

/// Whether the step asks for it, or what failed may work a moment later.
fn may_be_retried(error: &Error) -> bool {
    // Whether a lost commit was done, the next run finds out, as after a crash.
    error.is_retryable() || matches!(error.kind(), ErrorKind::Store | ErrorKind::OutcomeUnknown)
}

fn later(now: DateTime, wait: Duration) -> DateTime {
    DateTime(now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fault;
    use crate::model::step::StepKey;

    #[test]
    fn what_may_work_a_moment_later_is_run_again_as_often_as_it_may() {
        let step = StepKey { plugin: "p".into(), step: "s".into() };
        let policy = JobPolicy { retry_delay: Duration::ZERO, ..JobPolicy::default() };
        let now = DateTime(7);
        let again = Outcome::Retry(now);
        let error = |kind| Error::new(kind, "down");
        let asks = |status| Error::rejected(Fault { status, ..Fault::new("down") });
        for (error, retries, expected) in [
            (error(ErrorKind::Store), 0, again),
            (error(ErrorKind::Contention), 0, again),
            (error(ErrorKind::OutcomeUnknown), 0, again),
            (error(ErrorKind::Saturated), 3, again),
            (error(ErrorKind::Saturated), 4, Outcome::Failed),
            (error(ErrorKind::ShuttingDown), 9, Outcome::Released),
            (error(ErrorKind::Timeout), 0, Outcome::Failed),
            (error(ErrorKind::Trapped), 0, Outcome::Failed),
            (error(ErrorKind::InvalidRegistration), 0, Outcome::Failed),
            (asks(OperationStatus::Retry), 0, again),
            (asks(OperationStatus::Retry), 4, Outcome::Failed),
            (asks(OperationStatus::Failed), 0, Outcome::Failed),
            (asks(OperationStatus::Canceled), 0, Outcome::Canceled),
            (asks(OperationStatus::Suspended), 0, Outcome::Suspended),
            (asks(OperationStatus::Succeeded), 0, Outcome::Succeeded),
        ] {
            let mut job = Job::new(Uuid::nil(), step.clone(), now);
            job.retries = retries;
            let (outcome, kept) = of(&error, &job, &policy, now);
            assert_eq!(outcome, expected, "{error:?} after {retries}");
            let tells = !matches!(outcome, Outcome::Succeeded | Outcome::Released);
            assert_eq!(kept.is_some(), tells, "{error:?}");
        }
    }

    #[test]
    fn a_job_that_puts_itself_off_is_not_run_again_at_once() {
        let (now, soonest) = (DateTime(7), DateTime(1007));
        for (moment, expected) in [(DateTime::MIN, soonest), (now, soonest), (DateTime(1008), DateTime(1008))]
        {
            assert_eq!(of_success(Some(moment), now), Outcome::Postponed(expected));
        }
        assert_eq!(of_success(None, now), Outcome::Succeeded);
    }
}
