//! Message requests as jobs: run later, or again and again.

use serde::Serialize;
use uuid::Uuid;

use super::{Job, JobKind, Recurrence};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::SYSTEM_USER;
use crate::model::{DateTime, Request};

/// When a message request runs as a job.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Schedule {
    /// Of the jobs with a name the newest waits: scheduling it again takes the place of the one before, so that a service
    /// may do so at each start. None for a job that stands by itself.
    pub name: Option<String>,
    /// Not before this moment; at once if none, or when the recurrence says.
    pub at: Option<DateTime>,
    /// When it runs again. A run that fails is retried like any job and then waits for its next moment all the same;
    /// moments that pass while it runs, or while no host does, are passed over.
    pub recurrence: Option<Recurrence>,
    /// Jobs with a smaller number run first.
    pub priority: i32,
}

impl Schedule {
    /// As soon as the commit is done.
    pub fn now() -> Self {
        Self::default()
    }

    /// At a moment.
    pub fn at(moment: DateTime) -> Self {
        Self { at: Some(moment), ..Self::default() }
    }

    /// Again and again.
    pub fn recurring(recurrence: Recurrence) -> Self {
        Self { recurrence: Some(recurrence), ..Self::default() }
    }

    /// Gives it a name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl Job {
    /// A job of the host's own, which works with `work`.
    pub(crate) fn of_host(kind: JobKind, work: &impl Serialize, now: DateTime) -> Result<Self> {
        let lane =
            kind.lane().ok_or_else(|| Error::new(ErrorKind::Internal, "a step is no work of the host"))?;
        let mut job = Self::new(Uuid::now_v7(), lane, now);
        job.kind = kind;
        job.correlation_id = job.id;
        job.context = rmp_serde::to_vec_named(work).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot write what a job of `{}` works with", job.step))
                .with_source(error)
        })?;
        Ok(job)
    }

    /// A job that runs `request`.
    pub(crate) fn for_request(request: &Request, schedule: &Schedule, now: DateTime) -> Result<Self> {
        let mut job = Self::of_host(JobKind::Request, request, now)?;
        job.message.clone_from(&request.message);
        job.owner = request.user.unwrap_or(SYSTEM_USER);
        job.priority = schedule.priority;
        job.unique_key = schedule.name.as_ref().map(|name| format!("schedule {name}"));
        job.recurrence.clone_from(&schedule.recurrence);
        let first = match (&schedule.at, &schedule.recurrence) {
            (Some(at), _) => Some(*at),
            (None, Some(recurrence)) => {
                let before = DateTime(now.0.max(recurrence.start().0).saturating_sub(1));
                recurrence.next(before)?
            }
            (None, None) => None,
        };
        Ok(match first {
            Some(moment) if moment > now => job.postponed(moment),
            _ => job,
        })
    }
}
