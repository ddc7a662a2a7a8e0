//! The asynchronous service: claims the jobs that commits left behind, runs their steps, settles them.
//!
//! One task claims and settles in batches, since a transaction costs the same for one job as for a hundred; each claimed
//! job runs in a task of its own. The doorbell after a commit wakes it; polling is the floor beneath lost rings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::model::job::{JobError, Settlement};
use crate::model::trace::StepRun;
use crate::model::{Error, ErrorKind, Job, JobStatus};
use crate::pipeline::Pipeline;

/// Jobs that run at once where the embedder does not say.
pub const WORKERS_DEFAULT: u32 = 4;
/// The longest that a job waits to be seen when no doorbell rang for it.
const POLL: Duration = Duration::from_secs(1);
/// The pause after the store failed.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Is told of every run of an asynchronous step: the job as it was claimed, and what happened.
pub type Observer = Arc<dyn Fn(&Job, StepRun) + Send + Sync>;

/// How the service runs.
pub struct Settings {
    /// What every message request from outside passes: an asynchronous step holds a place in it like any other.
    pub admission: Arc<Semaphore>,
    /// Asynchronous steps that run at once.
    pub workers: u32,
    /// Who is told of their runs; without one, no traces are made.
    pub observer: Option<Observer>,
}

/// The running service.
pub struct Service {
    stop: Arc<Notify>,
    settled: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts the service on the current runtime.
    pub fn start(pipeline: Arc<Pipeline>, settings: Settings) -> Self {
        let stop = Arc::new(Notify::new());
        let settled = Arc::new(Notify::new());
        let worker = Worker {
            id: Uuid::now_v7(),
            pipeline,
            settings: Arc::new(settings),
            running: JoinSet::new(),
            claimed: HashMap::new(),
            finished: Vec::new(),
            settled: Arc::clone(&settled),
        };
        let task = tokio::spawn(worker.run(Arc::clone(&stop)));
        Self { stop, settled, task }
    }

    /// Rung whenever jobs were settled.
    #[must_use]
    pub fn settled(&self) -> Arc<Notify> {
        Arc::clone(&self.settled)
    }

    /// Stops claiming, lets what runs end, and settles it.
    pub async fn stop(mut self) {
        self.stop.notify_one();
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

struct Worker {
    id: Uuid,
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    running: JoinSet<Settlement>,
    /// What a task runs, for the case that it breaks down without saying.
    claimed: HashMap<Id, (Uuid, u32)>,
    finished: Vec<Settlement>,
    settled: Arc<Notify>,
}

impl Worker {
    async fn run(mut self, stop: Arc<Notify>) {
        let store = Arc::clone(&self.pipeline.store);
        if let Err(error) = store.recover_jobs(self.id, self.pipeline.clock.now()).await {
            tracing::error!(%error, "cannot take over the jobs of earlier runs");
        }
        let doorbell = Arc::clone(&self.pipeline.doorbell);
        loop {
            let next = self.turn().await;
            tokio::select! {
                () = doorbell.notified() => {}
                Some(result) = self.running.join_next_with_id() => self.collect(result),
                () = tokio::time::sleep_until(next) => {}
                () = stop.notified() => break,
            }
        }
        while let Some(result) = self.running.join_next_with_id().await {
            self.collect(result);
        }
        self.settle().await;
    }

    /// Settles what has ended, claims as much as there are free workers, and says when to look again at the latest.
    async fn turn(&mut self) -> Instant {
        while let Some(result) = self.running.try_join_next_with_id() {
            self.collect(result);
        }
        if !self.settle().await {
            return Instant::now() + BACK_OFF;
        }
        let busy = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        let free = self.settings.workers.saturating_sub(busy);
        if free == 0 {
            return Instant::now() + POLL;
        }
        let now = self.pipeline.clock.now();
        match self.pipeline.store.claim_jobs(self.id, free, now).await {
            Ok(jobs) => {
                for job in jobs {
                    self.start(job);
                }
                Instant::now() + POLL
            }
            Err(error) if error.kind() == ErrorKind::ShuttingDown => Instant::now() + POLL,
            Err(error) => {
                tracing::error!(%error, "cannot claim jobs");
                Instant::now() + BACK_OFF
            }
        }
    }

    fn start(&mut self, job: Job) {
        let claimed = (job.id, job.attempt);
        let run = attempt(Arc::clone(&self.pipeline), Arc::clone(&self.settings), self.id, job);
        let task = self.running.spawn(run);
        self.claimed.insert(task.id(), claimed);
    }

    fn collect(&mut self, result: Result<(Id, Settlement), JoinError>) {
        match result {
            Ok((task, settlement)) => {
                self.claimed.remove(&task);
                self.finished.push(settlement);
            }
            Err(error) => {
                let Some((id, attempt)) = self.claimed.remove(&error.id()) else { return };
                let message = format!("the host broke down while it ran the job: {error}");
                let failure = Error::new(ErrorKind::Internal, message);
                let now = self.pipeline.clock.now();
                let settlement = Settlement {
                    id,
                    attempt,
                    worker: self.id,
                    status: JobStatus::Failed,
                    error: Some(JobError { code: failure.code(), message: failure.to_string() }),
                    trace: Vec::new(),
                    completed_on: now,
                };
                self.finished.push(settlement);
            }
        }
    }

    /// Writes the ends of attempts in one transaction. What cannot be written now is kept for the next turn.
    async fn settle(&mut self) -> bool {
        if self.finished.is_empty() {
            return true;
        }
        match self.pipeline.store.settle_jobs(self.finished.clone()).await {
            Ok(counted) => {
                for lost in self.finished.drain(..).filter(|settlement| !counted.contains(&settlement.id)) {
                    tracing::warn!(job = %lost.id, attempt = lost.attempt, "somebody else has taken this job over");
                }
                self.settled.notify_waiters();
                true
            }
            Err(error) => {
                tracing::error!(%error, "cannot settle jobs");
                false
            }
        }
    }
}

/// One attempt at a job.
async fn attempt(pipeline: Arc<Pipeline>, settings: Arc<Settings>, worker: Uuid, job: Job) -> Settlement {
    // Only a host that is going down closes the admission; its jobs are handed back.
    let place = settings.admission.acquire().await;
    let (status, error, trace) = if place.is_err() {
        (JobStatus::WaitingForResources, None, Vec::new())
    } else {
        let run = pipeline.run_job(&job, settings.observer.is_some()).await;
        if let (Some(observer), Some(trace)) = (&settings.observer, run.trace) {
            observer(&job, trace);
        }
        match run.result {
            Ok(()) => (JobStatus::Succeeded, None, run.lines),
            Err(error) => {
                tracing::warn!(job = %job.id, step = %job.step, %error, "an asynchronous step failed");
                let error = JobError { code: error.code(), message: error.to_string() };
                (JobStatus::Failed, Some(error), run.lines)
            }
        }
    };
    let completed_on = pipeline.clock.now();
    Settlement { id: job.id, attempt: job.attempt, worker, status, error, trace, completed_on }
}
