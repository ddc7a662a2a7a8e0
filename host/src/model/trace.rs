//! What happened in a message request: the tree that a report shows. It outlives a rollback.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::model::step::StepKey;
use crate::model::{Error, Mode, Stage, Value};

/// One message request, with everything that it led to while its caller waited.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trace {
    /// The message.
    pub message: String,
    /// The entity, where the message has one.
    pub entity: Option<String>,
    /// The record; known at the end for a Create.
    pub record: Option<Uuid>,
    /// Who asked.
    pub user: Uuid,
    /// 1 for a request from outside.
    pub depth: u32,
    /// The same for everything that one request leads to.
    pub correlation_id: Uuid,
    /// From its arrival to its end.
    pub duration: Duration,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// A moment of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The host gave the request a place among those that run at once.
    Admitted {
        /// How long that took.
        waited: Duration,
    },
    /// The transaction was opened.
    Began {
        /// The time until the database let it in.
        waited: Duration,
    },
    /// Before PreOperation of a Delete, a lookup was cleared wherever it pointed to the record.
    Unlinked {
        /// The entity that has the lookup.
        entity: String,
        /// The lookup.
        attribute: String,
        /// In how many records it was cleared.
        records: u64,
    },
    /// A step did not run.
    Skipped {
        /// Which.
        step: StepKey,
        /// Its stage.
        stage: Stage,
        /// Why, for people.
        reason: String,
    },
    /// A step ran.
    Step(StepRun),
    /// The core operation ran.
    Operation(OperationRun),
    /// A request that the message itself issued: a cascade, or what an Upsert, an Assign or a batch runs as.
    Request(Box<Trace>),
    /// An asynchronous step was queued.
    Queued {
        /// The system job.
        job: Uuid,
        /// The step that it will run.
        step: StepKey,
    },
    /// The transaction was committed.
    Committed {
        /// How long that took.
        took: Duration,
    },
    /// Requests got in each other's way in the database: nothing of the run before is left, and the transaction runs
    /// again.
    Repeated {
        /// How often it has run.
        runs: u32,
        /// The pause after that.
        waited: Duration,
        /// What the database said.
        reason: String,
    },
    /// The transaction was rolled back: nothing of it is left.
    RolledBack {
        /// How long that took.
        took: Duration,
    },
}

/// A run of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepRun {
    /// Which.
    pub step: StepKey,
    /// Its stage.
    pub stage: Stage,
    /// Whether it is native code of the embedding service, and no guest.
    pub native: bool,
    /// SHA-256 of the plugin's content, in hex: which version of it ran. None for a native step.
    pub plugin_hash: Option<Arc<str>>,
    /// How it ran.
    pub mode: Mode,
    /// Its execution order within the stage.
    pub rank: i32,
    /// From its start to its end, with everything in between.
    pub duration: Duration,
    /// The part of it that the guest spent in calls to the host, or waiting for those by HTTP.
    pub host_calls: Duration,
    /// The guest's memory at its largest, in bytes; 0 for a native step.
    pub memory_bytes: u64,
    /// What it changed in the message.
    pub changes: Vec<Change>,
    /// What it traced.
    pub lines: Vec<String>,
    /// The requests that it issued.
    pub requests: Vec<Trace>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// A run of the core operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationRun {
    /// How long it took.
    pub duration: Duration,
    /// What it changed in the record.
    pub changes: Vec<Change>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// A changed attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The attribute.
    pub attribute: String,
    /// Its value before; none if it was absent.
    pub old: Option<Value>,
    /// Its value after; none if it was taken out.
    pub new: Option<Value>,
}
