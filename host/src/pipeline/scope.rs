//! What all executions of one transaction share: the transaction, its effects as data, and whether it can still be saved.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::model::{EntityReference, Job};
use crate::pipeline::gauge::Counted;
use crate::store::Transaction;

/// What all executions of one transaction share.
pub struct Scope {
    /// The open transaction.
    pub transaction: Arc<dyn Transaction>,
    /// Effects as data: the jobs that exist if it commits.
    jobs: Mutex<Vec<Job>>,
    fate: Arc<Fate>,
    /// The records whose Delete has begun: a cascade that comes back to one of them ends there.
    deleting: Mutex<BTreeSet<EntityReference>>,
    /// Whether a system job was written, which the asynchronous service may be running.
    controls: AtomicBool,
    /// Among the open transactions, until nobody has a part in this one any more.
    _counted: Counted,
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

    /// Notes a job to be written at the end.
    pub fn queue(&self, job: Job) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(job);
    }

    /// The jobs noted so far.
    pub fn take_jobs(&self) -> Vec<Job> {
        std::mem::take(&mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner))
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
