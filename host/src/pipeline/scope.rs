//! What all executions of one transaction share: the transaction, its effects as data, and whether it can still be saved.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::model::{EntityReference, Job};
use crate::pipeline::gauge::Counted;
use crate::store::Transaction;

/// Bytes of the contexts of all jobs that a transaction queues. Each job has its own, shared variables included, and they are
/// in memory until the commit, which writes all of them while others wait: without a bound, five thousand records and a
/// MiB of shared variables would be 5 GiB. With it, as many records have 13 KiB for each job.
pub const QUEUED_BYTES_MAX: usize = 64 << 20;

/// What all executions of one transaction share.
pub struct Scope {
    /// The open transaction.
    pub transaction: Arc<dyn Transaction>,
    /// Effects as data: the jobs that exist if it commits.
    jobs: Mutex<Jobs>,
    fate: Arc<Fate>,
    /// The records whose Delete has begun: a cascade that comes back to one of them ends there.
    deleting: Mutex<BTreeSet<EntityReference>>,
    /// Whether a system job was written, which the asynchronous service may be running.
    controls: AtomicBool,
    /// Among the open transactions, until nobody has a part in this one any more.
    _counted: Counted,
}

/// Jobs, and the bytes of their contexts.
#[derive(Default)]
struct Jobs {
    queued: Vec<Job>,
    bytes: usize,
}

/// What is to be known of a transaction when it is over.
#[derive(Default)]
pub struct Fate {
    /// The failure after which nothing can be saved, although a plugin may have caught it.
    doom: OnceLock<Error>,
    /// The first step that has reached out of it.
    left: OnceLock<Left>,
    /// Whether it never commits.
    dry: AtomicBool,
}

/// What has left the host from inside of a transaction, and cannot be undone with it.
#[derive(Clone, Debug)]
pub(crate) enum Left {
    /// Whatever a native step did.
    Native(StepKey),
    /// A call by HTTP of a plugin's step.
    Call(StepKey),
}

impl Fate {
    /// The failure that doomed it.
    pub(crate) fn doom(&self) -> Option<&Error> {
        self.doom.get()
    }

    /// What has left the host from inside of it, the first of it.
    pub(crate) fn left(&self) -> Option<&Left> {
        self.left.get()
    }

    /// Notes that it is a dry run's, and never commits.
    pub(crate) fn note_dry(&self) {
        self.dry.store(true, Ordering::Relaxed);
    }

    /// Whether it is a dry run's.
    pub(crate) fn is_dry(&self) -> bool {
        self.dry.load(Ordering::Relaxed)
    }

    /// Notes that a step calls another service.
    pub(crate) fn note_call(&self, step: &StepKey) {
        self.left.get_or_init(|| Left::Call(step.clone()));
    }
}

impl Scope {
    /// A fresh scope over an open transaction, which leaves its fate there.
    pub fn new(transaction: Arc<dyn Transaction>, fate: Arc<Fate>, counted: Counted) -> Self {
        Self {
            transaction,
            jobs: Mutex::default(),
            fate,
            deleting: Mutex::default(),
            controls: AtomicBool::new(false),
            _counted: counted,
        }
    }

    /// Notes a job to be written at the end. Fails with [`ErrorKind::InvalidRequest`] if all of them have more than
    /// [`QUEUED_BYTES_MAX`]; then this one is not there.
    pub fn queue(&self, job: Job) -> Result<()> {
        let mut jobs = self.jobs();
        let bytes = jobs.bytes.saturating_add(job.context.len());
        if bytes > QUEUED_BYTES_MAX {
            let (count, most) = (jobs.queued.len(), QUEUED_BYTES_MAX >> 20);
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the transaction cannot queue a job for the step {} beside {count} others: their contexts would have \
                     more than {most} MiB; write fewer records at once, or keep what is large out of shared variables and \
                     parameters",
                    job.step
                ),
            ));
        }
        jobs.bytes = bytes;
        jobs.queued.push(job);
        Ok(())
    }

    /// The jobs noted so far.
    pub fn take_jobs(&self) -> Vec<Job> {
        std::mem::take(&mut *self.jobs()).queued
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a system job is written.
    pub(crate) fn note_control(&self) {
        self.controls.store(true, Ordering::Relaxed);
    }

    /// Whether a system job was written.
    pub(crate) fn has_control(&self) -> bool {
        self.controls.load(Ordering::Relaxed)
    }

    /// What is to be known of the transaction when it is over.
    pub(crate) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    /// Notes that a native step begins.
    pub(crate) fn note_native(&self, step: &StepKey) {
        self.fate.left.get_or_init(|| Left::Native(step.clone()));
    }

    /// Notes that the Delete of a record has begun.
    pub(crate) fn begin_delete(&self, record: EntityReference) {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner).insert(record);
    }

    /// Whether the Delete of a record has begun.
    pub(crate) fn is_deleting(&self, record: &EntityReference) -> bool {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner).contains(record)
    }

    /// Notes a failure. The first one counts.
    pub fn doom(&self, error: &Error) {
        let _ = self.fate.doom.set(error.clone());
    }

    /// An error if an earlier failure doomed the transaction.
    pub fn check(&self) -> Result<()> {
        match self.fate.doom.get() {
            None => Ok(()),
            Some(cause) => Err(Error::new(
                ErrorKind::Doomed,
                format!(
                    "the transaction cannot go on, since a request in it failed ({cause}); a plugin that catches such \
                     a failure cannot save it, so let it pass or check first"
                ),
            )
            .with_source(cause.clone())),
        }
    }
}
