//! System jobs: work that is queued in a transaction and run after its commit.

mod control;
mod entity;
mod policy;
mod recurrence;
mod schedule;
mod settlement;
mod status;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::step::StepKey;
use crate::model::{DateTime, EntityReference};

pub use control::{Control, Controlled};
pub(crate) use control::{Standing, crashed, is_not_over, is_superseded, superseded, unknown};
pub use entity::{POSTPONE_UNTIL, SYSTEM_JOB_ENTITY};
pub(crate) use policy::duration;
pub use policy::{JobPolicy, JobPolicyOverride, RETRIES_DEFAULT, RETRY_DELAY_DEFAULT, Rate};
pub use recurrence::Recurrence;
pub use schedule::Schedule;
pub(crate) use settlement::Place;
pub use settlement::{Outcome, RETRY_DELAY_MAX, Settlement, backoff};
pub use status::{JobKind, JobState, JobStatus, Suspension};

/// The bytes of a checkpoint at most: it is written anew each time, in a commit of its own.
pub const CHECKPOINT_BYTES_MAX: usize = 1 << 20;
/// The bytes of a progress note at most: it is for one line of a list.
pub const NOTE_BYTES_MAX: usize = 1000;
/// How soon a job is run again that its step has put off, at the soonest: a step that does so each time and asks for no
/// time in between would be a loop, of a place and of commits, for as long as there is a host.
pub const POSTPONE_MIN: Duration = Duration::from_secs(1);
/// How often the host may die under a job: after that the job waits for somebody to look, since it may be the cause.
pub const CRASHES_MAX: u32 = 3;

/// The plugin that the host's own work goes by, in place of a step's.
pub const HOST_PLUGIN: &str = "stagegate";

/// A system job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Job {
    /// Its identifier, made by the host; what the step sees as `operation-id`.
    pub id: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// The step that it runs; for the host's own work a name under [`HOST_PLUGIN`].
    pub step: StepKey,
    /// SHA-256 of the plugin's content when it was queued, in hex: another version may run it. None for native steps and
    /// the host's own work.
    pub plugin_hash: Option<String>,
    /// The message that queued it, or that it runs.
    pub message: String,
    /// The record that the message was about.
    pub regarding: Option<EntityReference>,
    /// Who it runs as.
    pub owner: Uuid,
    /// The correlation id of the request that queued it.
    pub correlation_id: Uuid,
    /// The depth of that request.
    pub depth: u32,
    /// What it works with, in MessagePack: for a step the execution context at the time of queueing. Every write of the row
    /// carries it along, and it is a quarter shorter than as JSON.
    pub context: Vec<u8>,
    /// Where it stands.
    pub status: JobStatus,
    /// Why it is Suspended, if it is.
    pub suspension: Option<Suspension>,
    /// Whether it waits for an earlier job with the same `order_key`.
    pub blocked: bool,
    /// Smaller runs first.
    pub priority: i32,
    /// Jobs with the same key run one after another, in the order of queueing.
    pub order_key: Option<String>,
    /// Of the jobs with the same key only the newest waits; it takes the place of the one before.
    pub unique_key: Option<String>,
    /// Whether it is deleted when it has succeeded.
    pub auto_delete: bool,
    /// How often it was started.
    pub attempt: u32,
    /// How often it was put off to be run again after a failure, since it was queued or an operator had it retried.
    pub retries: u32,
    /// How often its host died while it ran, since it was queued, saved a checkpoint, or an operator had it go on. Apart
    /// from `attempt`: a job that kills its host is not merely unlucky.
    pub crash_count: u32,
    /// The run of the host that has it locked.
    pub worker: Option<Uuid>,
    /// The name of the machine that ran it last.
    pub host: Option<String>,
    /// The error of the last attempt.
    pub error: Option<JobError>,
    /// The lines that the last attempt traced.
    pub trace: Vec<String>,
    /// How far it is, as its step said last.
    pub progress: Option<Progress>,
    /// What its step saved last.
    pub checkpoint: Option<Vec<u8>>,
    /// When it was queued.
    pub created_on: DateTime,
    /// Since when it may run: the oldest runs first.
    pub run_at: DateTime,
    /// It is put off to this moment.
    pub postpone_until: Option<DateTime>,
    /// When the last attempt started.
    pub started_on: Option<DateTime>,
    /// When it ended.
    pub completed_on: Option<DateTime>,
    /// When it runs again after its end.
    pub recurrence: Option<Recurrence>,
    /// The time that all its attempts took.
    pub execution_time: Duration,
    /// The guest's memory at its largest, over all its attempts.
    pub memory_bytes: u64,
}

impl Job {
    /// A job that is ready at once.
    pub fn new(id: Uuid, step: StepKey, created_on: DateTime) -> Self {
        Self {
            id,
            kind: JobKind::Step,
            step,
            plugin_hash: None,
            message: String::new(),
            regarding: None,
            owner: Uuid::nil(),
            correlation_id: Uuid::nil(),
            depth: 1,
            context: Vec::new(),
            status: JobStatus::WaitingForResources,
            suspension: None,
            blocked: false,
            priority: 0,
            order_key: None,
            unique_key: None,
            auto_delete: false,
            attempt: 0,
            retries: 0,
            crash_count: 0,
            worker: None,
            host: None,
            error: None,
            trace: Vec::new(),
            progress: None,
            checkpoint: None,
            created_on,
            run_at: created_on,
            postpone_until: None,
            started_on: None,
            completed_on: None,
            recurrence: None,
            execution_time: Duration::ZERO,
            memory_bytes: 0,
        }
    }

    /// The job at the place of the one with its unique key that waits: no job is put back by newer work, and what an
    /// operator has put off stays so.
    pub(crate) fn in_place_of(
        mut self,
        run_at: DateTime,
        suspension: Option<Suspension>,
        postpone_until: Option<DateTime>,
    ) -> Self {
        self.run_at = run_at;
        // A moment of its own counts more than the one that the other was put off to.
        let keeps = match suspension {
            Some(Suspension::Paused | Suspension::Crashed) => true,
            Some(Suspension::Postponed) => self.suspension.is_none(),
            Some(Suspension::Retry) | None => false,
        };
        if keeps {
            self.status = JobStatus::Waiting;
            self.suspension = suspension;
            self.postpone_until = postpone_until;
        }
        self
    }

    /// Puts the job off to a moment.
    #[must_use]
    pub fn postponed(mut self, until: DateTime) -> Self {
        self.status = JobStatus::Waiting;
        self.suspension = Some(Suspension::Postponed);
        self.postpone_until = Some(until);
        self
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

/// How far a job is, as its step reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 100; none where the step cannot tell.
    pub percent: Option<u8>,
    /// What it is at.
    pub note: String,
}

/// What a running step tells of its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Where it is, to go on from there.
    Checkpoint(Vec<u8>),
    /// How far it is.
    Progress(Progress),
}

/// How many jobs of a step are in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobCount {
    /// The step.
    pub step: StepKey,
    /// The status.
    pub status: JobStatus,
    /// Why they are Suspended, if they are.
    pub suspension: Option<Suspension>,
    /// How many.
    pub count: u64,
    /// When the oldest of them was queued.
    pub oldest: DateTime,
}

impl JobCount {
    /// A count.
    #[must_use]
    pub fn new(
        step: StepKey,
        status: JobStatus,
        suspension: Option<Suspension>,
        count: u64,
        oldest: DateTime,
    ) -> Self {
        Self { step, status, suspension, count, oldest }
    }
}
