//! The system jobs of a fake organization.

use std::collections::BTreeMap;

use super::Fake;
use super::services::FakeServices;
use crate::system_job::SystemJob;
use crate::value::{DateTime, UniqueIdentifier};
use crate::{Fault, Result, code};

/// How far a step said that it is: see [`SystemJob::report_progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// From 0 to 100; none where the step cannot tell.
    pub percent: Option<u8>,
    /// What it is at.
    pub note: String,
}

/// What happened in the system jobs.
#[derive(Clone, Default)]
pub(super) struct Jobs {
    by_id: BTreeMap<UniqueIdentifier, Job>,
    checkpoints: Vec<Vec<u8>>,
    progress: Vec<Progress>,
    postponed_until: Option<DateTime>,
}

#[derive(Clone, Default)]
struct Job {
    attempt: u32,
    checkpoint: Option<Vec<u8>>,
}

impl Jobs {
    pub(super) fn begin(&mut self, id: UniqueIdentifier) {
        self.by_id.entry(id).or_default().attempt += 1;
        self.postponed_until = None;
    }

    /// A step that fails postpones nothing.
    pub(super) fn failed(&mut self) {
        self.postponed_until = None;
    }
}

/// System jobs. The clock does not start them: a run is a run of the step by one of the methods above, and in a view
/// [`as_job`](Fake::as_job) the next one goes on from the checkpoint of the one before.
///
/// ```
/// use std::time::Duration;
///
/// use stagegate_sdk::prelude::*;
/// use stagegate_sdk::testing::Fake;
///
/// /// Asks again in an hour, once.
/// #[step(PostOperation, async)]
/// fn ask_twice(ctx: &mut Create<Record>) -> Result {
///     let job = ctx.job();
///     if job.checkpoint().is_none() {
///         job.save_checkpoint("asked")?;
///         job.report_progress(50, "asked once")?;
///         job.postpone_until(ctx.now() + Duration::from_hours(1))?;
///     }
///     Ok(())
/// }
///
/// let org = Fake::new();
/// let job = org.as_job(UniqueIdentifier::from_u128(1), org.now());
/// job.run_create::<ask_twice>(Record::new("lead")).unwrap();
/// assert_eq!(org.checkpoints(), [b"asked"]);
/// assert_eq!(org.progress()[0].percent, Some(50));
/// assert_eq!(org.postponed_until(), Some(org.now() + Duration::from_hours(1)));
///
/// job.run_create::<ask_twice>(Record::new("lead")).unwrap();
/// assert_eq!(org.postponed_until(), None);
/// ```
impl Fake {
    /// The same organization, where every run of an asynchronous step is this attempt of its system job. In any other
    /// view attempts count up from 1 with the runs of the job.
    #[must_use]
    pub fn at_attempt(&self, attempt: u32) -> Self {
        Self { attempt: Some(attempt), ..self.clone() }
    }

    /// The same organization, where an earlier attempt of a system job has saved this checkpoint.
    #[must_use]
    pub fn with_checkpoint(&self, data: impl Into<Vec<u8>>) -> Self {
        Self { checkpoint: Some(data.into()), ..self.clone() }
    }

    /// The checkpoints that steps saved, oldest first, those of failed steps included.
    pub fn checkpoints(&self) -> Vec<Vec<u8>> {
        self.world.borrow().jobs.checkpoints.clone()
    }

    /// The progress that steps reported, oldest first, that of failed steps included.
    pub fn progress(&self) -> Vec<Progress> {
        self.world.borrow().jobs.progress.clone()
    }

    /// When the asynchronous step that ran last is to run again; none if its job is over, or the step failed.
    pub fn postponed_until(&self) -> Option<DateTime> {
        self.world.borrow().jobs.postponed_until
    }
}

/// What a host does for the running step's job, with a host's rules.
impl FakeServices {
    pub(super) fn job_attempt(&self) -> u32 {
        let Some(id) = self.job() else { return 0 };
        let counted = || self.fake.world.borrow().jobs.by_id.get(&id).map_or(0, |job| job.attempt);
        self.fake.attempt.unwrap_or_else(counted)
    }

    pub(super) fn job_checkpoint(&self) -> Option<Vec<u8>> {
        let id = self.job()?;
        let own = self.fake.world.borrow().jobs.by_id.get(&id).and_then(|job| job.checkpoint.clone());
        own.or_else(|| self.fake.checkpoint.clone())
    }

    pub(super) fn save_job_checkpoint(&self, data: &[u8]) -> Result {
        let id = self.job_to("save a checkpoint")?;
        if data.len() > SystemJob::CHECKPOINT_BYTES_MAX {
            let (bytes, most) = (data.len(), SystemJob::CHECKPOINT_BYTES_MAX);
            return refused(format!("A checkpoint of {bytes} bytes is too large: it has {most} at most."));
        }
        let jobs = &mut self.fake.world.borrow_mut().jobs;
        jobs.checkpoints.push(data.to_vec());
        jobs.by_id.entry(id).or_default().checkpoint = Some(data.to_vec());
        Ok(())
    }

    pub(super) fn report_job_progress(&self, percent: Option<u8>, note: &str) -> Result {
        self.job_to("report progress")?;
        if let Some(percent) = percent.filter(|percent| *percent > 100) {
            return refused(format!("The progress cannot be {percent} percent: it goes from 0 to 100."));
        }
        if note.len() > SystemJob::NOTE_BYTES_MAX {
            let (bytes, most) = (note.len(), SystemJob::NOTE_BYTES_MAX);
            return refused(format!("A progress note of {bytes} bytes is too long: it has {most} at most."));
        }
        self.fake.world.borrow_mut().jobs.progress.push(Progress { percent, note: note.to_owned() });
        Ok(())
    }

    pub(super) fn postpone_job_until(&self, moment: DateTime) -> Result {
        self.job_to("postpone itself")?;
        if !(-9999..=9999).contains(&moment.ymd().0) {
            let text = "The step cannot postpone itself so far: a moment is in the years -9999 to 9999.";
            return refused(text.to_owned());
        }
        self.fake.world.borrow_mut().jobs.postponed_until = Some(moment);
        Ok(())
    }

    fn job(&self) -> Option<UniqueIdentifier> {
        self.execution.borrow().operation_id
    }

    fn job_to(&self, action: &str) -> Result<UniqueIdentifier> {
        self.job().ok_or_else(|| {
            let text = format!("The step cannot {action}: only an asynchronous step has a system job.");
            Fault::new(text).with_code(code::INVALID_ARGUMENT)
        })
    }
}

fn refused(text: String) -> Result {
    Err(Fault::new(text).with_code(code::INVALID_ARGUMENT))
}
