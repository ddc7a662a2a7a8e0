//! What an operator does to a job, and when the platform refuses it.

use std::fmt;

use uuid::Uuid;

use super::settlement::Place;
use super::{CRASHES_MAX, JobStatus, Suspension};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{DateTime, code};

/// What an operator asks of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Let it wait until it is resumed. One that runs goes on to its next checkpoint, or to its end.
    Pause,
    /// Let one that waits run now, whatever it waits for.
    Resume,
    /// Call it off. One that runs is stopped.
    Cancel,
    /// Put it off to a moment. One that runs goes on to its next checkpoint, or to its end.
    Postpone(DateTime),
    /// Run one again that failed or was canceled, with all its retries. The platform has no such thing.
    Retry,
}

/// What became of a job that an operator asked something of.
#[derive(Clone, Debug)]
pub struct Controlled {
    /// The job.
    pub id: Uuid,
    /// Its status afterwards, or why it was refused.
    pub result: Result<JobStatus>,
}

/// Where a job stands, as far as a control depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its status.
    pub status: JobStatus,
    /// Why it is Suspended.
    pub suspension: Option<Suspension>,
    /// The moment that it is put off to.
    pub postpone_until: Option<DateTime>,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Cancel => f.write_str("cancel"),
            Self::Postpone(_) => f.write_str("postpone"),
            Self::Retry => f.write_str("retry"),
        }
    }
}

impl Control {
    /// Where the job is to stand; none if it stays where it is, since it is there already. Refused, with the platform's
    /// code, if the job cannot go there.
    pub(crate) fn apply(self, id: Uuid, standing: Standing) -> Result<Option<Place>> {
        use JobStatus::{
            Canceled, Canceling, Failed, InProgress, Pausing, Succeeded, Waiting, WaitingForResources,
        };
        let Standing { status, suspension, postpone_until } = standing;
        let locked = |status| Place { status, suspension: None, postpone_until: None };
        let place = match (self, status) {
            (Self::Cancel, WaitingForResources | Waiting) => Place::completed(Canceled),
            (Self::Cancel, InProgress | Pausing) => locked(Canceling),
            (Self::Cancel, Canceling | Canceled) => return Ok(None),
            (Self::Cancel, Succeeded | Failed) => {
                return Err(self.refusal(
                    id,
                    status,
                    code::CANNOT_CANCEL_JOB,
                    "it is over; nothing is left to cancel",
                ));
            }
            (Self::Pause, Waiting) if suspension == Some(Suspension::Paused) => return Ok(None),
            (Self::Pause, WaitingForResources | Waiting) => Place::suspended(Suspension::Paused, None),
            (Self::Pause, InProgress | Pausing) => locked(Pausing),
            (Self::Postpone(until), WaitingForResources | Waiting) => {
                Place::suspended(Suspension::Postponed, Some(until))
            }
            (Self::Postpone(until), InProgress | Pausing) => {
                Place { status: Pausing, suspension: None, postpone_until: Some(until) }
            }
            (Self::Pause | Self::Postpone(_), Canceling) => {
                return Err(self.refusal(
                    id,
                    status,
                    code::CANNOT_PAUSE_JOB,
                    "wait until it is canceled, then retry it",
                ));
            }
            (Self::Pause, Succeeded | Failed | Canceled) => {
                return Err(self.refusal(id, status, code::CANNOT_PAUSE_JOB, "it is over"));
            }
            (Self::Postpone(_), Succeeded | Failed | Canceled) => {
                return Err(self.refusal(
                    id,
                    status,
                    code::JOB_NOT_TO_SUSPENDED,
                    "it is over; retry it first",
                ));
            }
            (Self::Resume | Self::Retry, WaitingForResources | InProgress) => return Ok(None),
            (Self::Resume | Self::Retry, Waiting) => Place::READY,
            (Self::Resume, Pausing) => locked(InProgress),
            (Self::Resume, Canceling | Succeeded | Failed | Canceled) => {
                let way_out = "only one that waits can be; retry one that failed or was canceled";
                return Err(self.refusal(id, status, code::JOB_NOT_TO_READY, way_out));
            }
            (Self::Retry, Failed | Canceled) => Place::READY,
            (Self::Retry, Pausing | Canceling | Succeeded) => {
                let way_out = "only one that failed or was canceled can be";
                return Err(self.refusal(id, status, code::JOB_NOT_TO_READY, way_out));
            }
        };
        let same = Place { status, suspension, postpone_until };
        Ok((place != same).then_some(place))
    }

    fn refusal(self, id: Uuid, status: JobStatus, code: i32, way_out: &str) -> Error {
        let message = format!("cannot {self} the system job {id}, which is {status}: {way_out}");
        Error::new(ErrorKind::InvalidRequest, message).with_code(code)
    }
}

/// The error of a job that there is not.
pub(crate) fn unknown(id: Uuid) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no system job {id}"))
}

/// Why a job is called off of whose unique key a newer one waits.
pub(crate) fn superseded(newer: Uuid) -> String {
    format!("the newer system job {newer} of the same step takes its place")
}

/// The refusal to run a job again of whose unique key a newer one waits.
pub(crate) fn is_superseded(id: Uuid, newer: Uuid) -> Error {
    let message = format!("cannot retry the system job {id}: {}", superseded(newer));
    Error::new(ErrorKind::InvalidRequest, message).with_code(code::JOB_NOT_TO_READY)
}

/// The refusal to delete a job that is not over.
pub(crate) fn is_not_over(id: Uuid, status: JobStatus) -> Error {
    let message = format!(
        "cannot delete the system job {id}, which is {status}: only one that is over can be; cancel it first"
    );
    Error::new(ErrorKind::InvalidRequest, message).with_code(code::CANNOT_DELETE_JOB)
}

/// Why a job is suspended under which the host has died again and again.
pub(crate) fn crashed() -> String {
    format!(
        "the host died {CRASHES_MAX} times while it ran this job, which may be the cause; look at its step, then resume or \
         cancel it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every control on every status, as the operators' page has it.
    #[test]
    fn every_move_is_made_or_refused_as_on_the_platform() {
        use JobStatus::*;
        let until = DateTime(7);
        let table = [
            (
                Control::Pause,
                [
                    "waiting",
                    "waiting",
                    "pausing",
                    "pausing",
                    "0x80044f01",
                    "0x80044f01",
                    "0x80044f01",
                    "0x80044f01",
                ],
            ),
            (
                Control::Resume,
                [
                    "-",
                    "waiting for resources",
                    "-",
                    "in progress",
                    "0x80044166",
                    "0x80044166",
                    "0x80044166",
                    "0x80044166",
                ],
            ),
            (
                Control::Cancel,
                ["canceled", "canceled", "canceling", "canceling", "-", "0x80044f00", "0x80044f00", "-"],
            ),
            (
                Control::Postpone(until),
                [
                    "waiting",
                    "waiting",
                    "pausing",
                    "pausing",
                    "0x80044f01",
                    "0x80044167",
                    "0x80044167",
                    "0x80044167",
                ],
            ),
            (
                Control::Retry,
                [
                    "-",
                    "waiting for resources",
                    "-",
                    "0x80044166",
                    "0x80044166",
                    "0x80044166",
                    "waiting for resources",
                    "waiting for resources",
                ],
            ),
        ];
        let statuses =
            [WaitingForResources, Waiting, InProgress, Pausing, Canceling, Succeeded, Failed, Canceled];
        for (control, expected) in table {
            for (status, expected) in statuses.into_iter().zip(expected) {
                let suspension = (status == Waiting).then_some(Suspension::Retry);
                let standing = Standing { status, suspension, postpone_until: Some(DateTime(1)) };
                let shown = match control.apply(Uuid::nil(), standing) {
                    Ok(None) => "-".to_owned(),
                    Ok(Some(place)) => place.status.to_string(),
                    Err(error) => format!("{:#010x}", error.code()),
                };
                assert_eq!(shown, expected, "{control} {status}");
            }
        }
    }

    #[test]
    fn what_is_there_already_changes_nothing() {
        let postponed = Standing {
            status: JobStatus::Waiting,
            suspension: Some(Suspension::Postponed),
            postpone_until: Some(DateTime(7)),
        };
        assert_eq!(Control::Postpone(DateTime(7)).apply(Uuid::nil(), postponed).unwrap(), None);
        assert!(Control::Postpone(DateTime(8)).apply(Uuid::nil(), postponed).unwrap().is_some());
        let paused = Standing {
            status: JobStatus::Waiting,
            suspension: Some(Suspension::Paused),
            postpone_until: None,
        };
        assert_eq!(Control::Pause.apply(Uuid::nil(), paused).unwrap(), None);
    }
}
