//! The traits by which the pipeline reaches what it does not know: how a step is run, how a step reaches back, and how it
//! reaches the system job that it runs in.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::model::error::Result;
use crate::model::job::{Progress, Schedule};
use crate::model::{DateTime, Request, Response};
use crate::pipeline::execution::{Execution, Origin};
use crate::pipeline::registry::Step;
pub use crate::store::BoxFuture;

/// Runs steps: one for WebAssembly components, one for native closures.
pub trait Runner: Send + Sync {
    /// Runs `step` once. The execution moves in and, if the step succeeds, comes back with what the step changed:
    /// there is one owner at a time, so nothing else touches the message meanwhile. Called at most once per execution
    /// and step. Dropping the future stops the step.
    fn run<'a>(
        &'a self,
        step: &'a Arc<Step>,
        execution: Execution,
        organization: Arc<dyn Organization>,
    ) -> BoxFuture<'a, Ran>;

    /// Whether the steps are native code of the embedding service.
    fn is_native(&self) -> bool;

    /// What identifies the plugin's content: its hash, where it has one.
    fn content_hash(&self) -> Option<&Arc<str>> {
        None
    }

    /// The longest time of one run of a background step that is granted; none if none is.
    fn background(&self) -> Option<Duration> {
        None
    }
}

/// How a run of a step ended.
pub struct Ran {
    /// The execution as the step left it, or why it failed.
    pub result: Result<Execution>,
    /// What it traced.
    pub lines: Vec<String>,
    /// Time spent in calls to the host.
    pub host_calls: Duration,
    /// The last of these calls, which is the one that it waited for if it ran out of time there.
    pub last_call: Duration,
    /// The guest's memory at its largest.
    pub memory_bytes: u64,
}

/// Serves the requests that a running step issues.
pub trait Organization: Send + Sync {
    /// Runs a request through the whole pipeline, one deeper than the step that issues it. Dropping the future stops
    /// it; what it wrote is then rolled back with the transaction that it was part of.
    fn execute(self: Arc<Self>, origin: Origin, request: Request) -> BoxFuture<'static, Result<Response>>;

    /// Queues a request to be run as a system job, in the step's transaction where it has one, and returns the job's
    /// identifier.
    fn schedule(
        self: Arc<Self>,
        origin: Origin,
        request: Request,
        schedule: Schedule,
    ) -> BoxFuture<'static, Result<Uuid>>;
}

/// The system job that an asynchronous step runs in, as far as the step may touch it.
pub trait SystemJob: Send + Sync {
    /// How often the job was started, this run included.
    fn attempt(&self) -> u32;

    /// What the step saved last, in this run or an earlier one.
    fn checkpoint(&self) -> Option<Vec<u8>>;

    /// Saves where the step is, at most [`CHECKPOINT_BYTES_MAX`](crate::model::job::CHECKPOINT_BYTES_MAX): when it
    /// returns, that is on the disk. A job that is paused, canceled or handed to another host is stopped here: then the
    /// future is never ready, and whoever runs the step drops it.
    fn save_checkpoint(self: Arc<Self>, data: Vec<u8>) -> BoxFuture<'static, Result<()>>;

    /// Shows how far the step is.
    fn report_progress(self: Arc<Self>, progress: Progress) -> BoxFuture<'static, Result<()>>;

    /// Has the job run again at that moment if the step succeeds: it is not over then.
    fn postpone_until(&self, moment: DateTime) -> Result<()>;
}
