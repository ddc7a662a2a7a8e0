//! One run of a job, and what its step may do with the job meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tracing::Instrument as _;

use super::pace::Pace;
use super::{Settings, outcome};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{Outcome, Progress, Report, Settlement};
use crate::model::{DateTime, Job, JobStatus};
use crate::pipeline::Pipeline;
use crate::pipeline::runner::SystemJob;
use crate::pipeline::supervision::Supervisor;
use crate::store::{BoxFuture, JobAttempt};

/// The job of a running step, as the step and the dispatcher see it.
pub(super) struct Handle {
    pipeline: Arc<Pipeline>,
    run: JobAttempt,
    checkpoint: Mutex<Option<Vec<u8>>>,
    postponed: Mutex<Option<DateTime>>,
    pace: Pace,
    /// Whether the run is to end at its next checkpoint.
    stops: AtomicBool,
    /// Rung when it has come to it.
    stopped: Notify,
    /// Whether a host has died under the job and it has not got anywhere since.
    suspect: AtomicBool,
}

impl Handle {
    pub(super) fn new(pipeline: &Arc<Pipeline>, run: JobAttempt, job: &Job) -> Arc<Self> {
        Arc::new(Self {
            pipeline: Arc::clone(pipeline),
            run,
            checkpoint: Mutex::new(job.checkpoint.clone()),
            postponed: Mutex::default(),
            pace: Pace::default(),
            stops: AtomicBool::new(false),
            stopped: Notify::new(),
            suspect: AtomicBool::new(job.crash_count > 0),
        })
    }

    /// Ends the run at its next checkpoint.
    pub(super) fn stop_at_checkpoint(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    async fn report(&self, report: Report) -> Result<Option<JobStatus>> {
        let report = async {
            let now = self.pipeline.clock.now();
            self.pipeline.store.report_job(self.run, report, now).await
        };
        self.pace.keep(report).await
    }

    /// The run is over here: whoever awaits this is dropped.
    async fn stop(&self) -> ! {
        self.stopped.notify_one();
        std::future::pending().await
    }
}

impl SystemJob for Handle {
    fn attempt(&self) -> u32 {
        self.run.attempt
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn save_checkpoint(self: Arc<Self>, data: Vec<u8>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let status = self.report(Report::Checkpoint(data.clone())).await?;
            *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(data);
            self.suspect.store(false, Ordering::Relaxed);
            // None: somebody else has the job, and this run counts for nothing any more.
            if status != Some(JobStatus::InProgress) || self.stops.load(Ordering::Relaxed) {
                self.stop().await;
            }
            Ok(())
        })
    }

    fn report_progress(self: Arc<Self>, progress: Progress) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.report(Report::Progress(progress)).await.map(drop) })
    }

    fn postpone_until(&self, moment: DateTime) -> Result<()> {
        *self.postponed.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
        Ok(())
    }
}

/// Runs a job to its end, and says how it ended.
pub(super) async fn run(
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    handle: Arc<Handle>,
    job: Job,
) -> Settlement {
    let span = tracing::info_span!(
        "job",
        id = %job.id,
        plugin = job.step.plugin,
        step = job.step.step,
        attempt = job.attempt,
        message = job.message,
        // Those of the request that queued it: the link between the two.
        correlation_id = %job.correlation_id,
    );
    let started = Instant::now();
    let settlement = attempt(&pipeline, &settings, &handle, &job).instrument(span).await;
    Settlement { execution_time: started.elapsed(), ended_on: pipeline.clock.now(), ..settlement }
}

async fn attempt(
    pipeline: &Arc<Pipeline>,
    settings: &Settings,
    handle: &Arc<Handle>,
    job: &Job,
) -> Settlement {
    let released = settlement(handle.run, Outcome::Released, pipeline.clock.now());
    let released = Settlement { auto_delete: job.auto_delete, ..released };
    // Only a host that is going down closes the admission; its jobs are handed back.
    let Ok(_place) = settings.admission.acquire().await else {
        return Settlement { outcome: Outcome::Unclaimed, ..released };
    };
    let system_job: Arc<dyn SystemJob> = Arc::clone(handle) as _;
    let run = tokio::select! {
        biased;
        () = handle.stopped.notified() => return released,
        // Boxed, since it is large and the task that it is in is moved.
        run = Box::pin(pipeline.run_job(job, settings.observer.is_some(), system_job)) => run,
    };
    let held_back = run.result.as_ref().err().and_then(|error| Supervisor::held_back(&job.step, error));
    if let Some(outcome) = held_back {
        return Settlement { outcome, ..released };
    }
    if let (Some(observer), Some(trace)) = (&settings.observer, run.trace) {
        observer(job, trace);
    }
    let (outcome, error) = match &run.result {
        Ok(()) => {
            let postponed = *handle.postponed.lock().unwrap_or_else(PoisonError::into_inner);
            (outcome::of_success(postponed, pipeline.clock.now()), None)
        }
        Err(error) => {
            tracing::warn!(%error, "an asynchronous step failed");
            let registry = pipeline.registry.get();
            let step = registry.find(&job.step);
            let policy = step.map(|step| step.definition.jobs.clone()).unwrap_or_default();
            outcome::of(error, job, &policy, pipeline.clock.now())
        }
    };
    let outcome = recurring(job, outcome, pipeline.clock.now());
    let memory_bytes = run.memory_bytes;
    Settlement { outcome, error, trace: run.lines, memory_bytes, ..released }
}

/// A recurring job that has ended, in whichever way, waits for its next moment.
fn recurring(job: &Job, outcome: Outcome, now: DateTime) -> Outcome {
    let Some(recurrence) = &job.recurrence else { return outcome };
    if !matches!(outcome, Outcome::Succeeded | Outcome::Failed) {
        return outcome;
    }
    match recurrence.next(now) {
        Ok(Some(next)) => Outcome::Recurs(next),
        Ok(None) => outcome,
        Err(error) => {
            tracing::error!(job = %job.id, %error, "a job does not recur any more");
            outcome
        }
    }
}

/// An end without anything to tell.
pub(super) fn settlement(run: JobAttempt, outcome: Outcome, ended_on: DateTime) -> Settlement {
    Settlement::new(run.id, run.attempt, run.worker, outcome, ended_on)
}

/// The error of a run that broke down in the host's own code.
pub(super) fn broke_down(error: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, format!("the host broke down while it ran the job: {error}"))
}
