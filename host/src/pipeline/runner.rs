//! The two traits by which the pipeline reaches what it does not know: how a step is run, and how a step reaches back.

use std::sync::Arc;
use std::time::Duration;

use crate::model::error::Result;
use crate::model::{Request, Response};
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
}

/// How a run of a step ended.
pub struct Ran {
    /// The execution as the step left it, or why it failed.
    pub result: Result<Execution>,
    /// What it traced.
    pub lines: Vec<String>,
    /// Time spent in calls to the host.
    pub host_calls: Duration,
    /// The guest's memory at its largest.
    pub memory_bytes: u64,
}

/// Serves the requests that a running step issues.
pub trait Organization: Send + Sync {
    /// Runs a request through the whole pipeline, one deeper than the step that issues it. Dropping the future stops
    /// it; what it wrote is then rolled back with the transaction that it was part of.
    fn execute(self: Arc<Self>, origin: Origin, request: Request) -> BoxFuture<'static, Result<Response>>;
}
