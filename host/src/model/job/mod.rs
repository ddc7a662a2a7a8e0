//! System jobs: asynchronous steps, written in the transaction that caused them.

mod policy;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::step::StepKey;
use crate::model::{DateTime, EntityReference};

pub use policy::{JobPolicy, JobPolicyOverride, RETRIES_DEFAULT, RETRY_DELAY_DEFAULT, Rate};

/// The platform's states of a system job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// 0: may be claimed.
    Ready,
    /// 1: waits for a time or for somebody.
    Suspended,
    /// 2: a host runs it.
    Locked,
    /// 3: over.
    Completed,
}

/// The platform's statuses of a system job; each belongs to one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobStatus {
    /// 0
    WaitingForResources,
    /// 10
    Waiting,
    /// 20
    InProgress,
    /// 21
    Pausing,
    /// 22
    Canceling,
    /// 30
    Succeeded,
    /// 31
    Failed,
    /// 32
    Canceled,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::WaitingForResources,
        Self::Waiting,
        Self::InProgress,
        Self::Pausing,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// The platform's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::WaitingForResources => 0,
            Self::Waiting => 10,
            Self::InProgress => 20,
            Self::Pausing => 21,
            Self::Canceling => 22,
            Self::Succeeded => 30,
            Self::Failed => 31,
            Self::Canceled => 32,
        }
    }

    /// The status with that number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The state that the status belongs to.
    #[must_use]
    pub fn state(self) -> JobState {
        match self {
            Self::WaitingForResources => JobState::Ready,
            Self::Waiting => JobState::Suspended,
            Self::InProgress | Self::Pausing | Self::Canceling => JobState::Locked,
            Self::Succeeded | Self::Failed | Self::Canceled => JobState::Completed,
        }
    }
}

impl JobState {
    /// The platform's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Ready => 0,
            Self::Suspended => 1,
            Self::Locked => 2,
            Self::Completed => 3,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitingForResources => "waiting for resources",
            Self::Waiting => "waiting",
            Self::InProgress => "in progress",
            Self::Pausing => "pausing",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        })
    }
}

/// A system job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Job {
    /// Its identifier, made by the host; what the step sees as `operation-id`.
    pub id: Uuid,
    /// The step that it runs.
    pub step: StepKey,
    /// The message that queued it.
    pub message: String,
    /// The record that the message was about.
    pub regarding: Option<EntityReference>,
    /// Who it runs as.
    pub owner: Uuid,
    /// The correlation id of the request that queued it.
    pub correlation_id: Uuid,
    /// The depth of that request.
    pub depth: u32,
    /// The execution context at the time of queueing, serialized by the pipeline.
    pub context: Vec<u8>,
    /// Where it stands.
    pub status: JobStatus,
    /// How often it was started.
    pub attempt: u32,
    /// How often its host died while it ran. Apart from `attempt`: a job that kills its host is not merely unlucky.
    pub crash_count: u32,
    /// The run of the host that has it locked.
    pub worker: Option<Uuid>,
    /// The error of the last attempt.
    pub error: Option<JobError>,
    /// The lines that the last attempt traced.
    pub trace: Vec<String>,
    /// When it was queued.
    pub created_on: DateTime,
    /// It does not start before this moment.
    pub run_at: DateTime,
    /// When the last attempt started.
    pub started_on: Option<DateTime>,
    /// When it ended.
    pub completed_on: Option<DateTime>,
}

impl Job {
    /// A job that is ready at once.
    pub fn new(id: Uuid, step: StepKey, created_on: DateTime) -> Self {
        Self {
            id,
            step,
            message: String::new(),
            regarding: None,
            owner: Uuid::nil(),
            correlation_id: Uuid::nil(),
            depth: 1,
            context: Vec::new(),
            status: JobStatus::WaitingForResources,
            attempt: 0,
            crash_count: 0,
            worker: None,
            error: None,
            trace: Vec::new(),
            created_on,
            run_at: created_on,
            started_on: None,
            completed_on: None,
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// The fault code.
    pub code: i32,
    /// What happened.
    pub message: String,
}

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
    /// A status of the state Completed, or `WaitingForResources` to hand the job back.
    pub status: JobStatus,
    /// Why it failed.
    pub error: Option<JobError>,
    /// What it traced.
    pub trace: Vec<String>,
    /// When it ended.
    pub completed_on: DateTime,
}

/// The bytes of a checkpoint at most: it is written anew each time, in a commit of its own.
pub const CHECKPOINT_BYTES_MAX: usize = 1 << 20;

/// How far a job is, as its step reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 100; none where the step cannot tell.
    pub percent: Option<u8>,
    /// What it is at.
    pub note: String,
}

/// The bytes of a progress note at most: it is for one line of a list.
pub const NOTE_BYTES_MAX: usize = 1000;
