//! The asynchronous service: claims the jobs that commits left behind, runs their steps, settles them.
//!
//! A job that is claimed is Locked by this run of the host, and every settlement says which attempt of whom it is about:
//! a host that has lost a job cannot end it. A host that dies leaves its jobs Locked. The next one on the database takes
//! them over at once or, where several share it, another does when the dead one's lease is over.

mod dispatcher;
mod lease;
mod limits;
mod outcome;
mod pace;
mod pool;
mod run;
mod runs;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use crate::model::Job;
use crate::model::trace::StepRun;
use crate::pipeline::Pipeline;
use dispatcher::Dispatcher;
pub use tally::{JobTotals, Tally};

/// Jobs that run at once where the embedder does not say.
pub const WORKERS_DEFAULT: u32 = 4;
/// Jobs of background steps that run at once where the embedder does not say.
pub const BACKGROUND_WORKERS_DEFAULT: u32 = 1;
/// How long a host that shuts down waits for running jobs where the embedder does not say: as orchestrators do.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// How long jobs that succeeded or were canceled are kept where the embedder does not say: 30 days.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Is told of every run of an asynchronous step: the job as it was claimed, and what happened.
pub type Observer = Arc<dyn Fn(&Job, StepRun) + Send + Sync>;

/// How the service runs.
pub struct Settings {
    /// What every message request from outside passes: an asynchronous step holds a place in it like any other.
    pub admission: Arc<Semaphore>,
    /// Jobs that run at once.
    pub workers: u32,
    /// Jobs of background steps that run at once, besides.
    pub background_workers: u32,
    /// How long running jobs have to end when the service stops. Then they are stopped and handed back.
    pub grace: Duration,
    /// How long jobs that succeeded or were canceled are kept; none for ever.
    pub retention: Option<Duration>,
    /// Who is told of their runs; without one, no traces are made.
    pub observer: Option<Observer>,
    /// Counts what it does.
    pub tally: Arc<Tally>,
}

#[derive(Default)]
struct Signals {
    stop: Notify,
    settled: Arc<Notify>,
}

/// The running service.
pub struct Service {
    signals: Arc<Signals>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts the service on the current runtime.
    pub fn start(pipeline: Arc<Pipeline>, settings: Settings) -> Self {
        let signals = Arc::new(Signals::default());
        let task = tokio::spawn(Dispatcher::new(pipeline, settings, Arc::clone(&signals)).run());
        Self { signals, task }
    }

    /// Rung whenever jobs were settled.
    #[must_use]
    pub fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.signals.settled)
    }

    /// Stops claiming, lets what runs end within [`Settings::grace`], hands back what does not, and settles all of it.
    pub async fn stop(mut self) {
        self.signals.stop.notify_one();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the asynchronous service broke down");
        }
    }
}

impl Drop for Service {
    /// Without [`Service::stop`] the running jobs are dropped where they are: the next host on the database runs them
    /// again.
    fn drop(&mut self) {
        self.task.abort();
    }
}
