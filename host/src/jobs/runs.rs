//! The jobs that run: each in a task of its own, so that it can be stopped, and so that its breakdown is its own.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use uuid::Uuid;

use super::Settings;
use super::run::{self, Handle};
use crate::model::job::{JobError, Outcome, Settlement};
use crate::model::step::StepKey;
use crate::model::{Job, JobStatus};
use crate::pipeline::Pipeline;
use crate::store::JobAttempt;

pub(super) struct Runs {
    worker: Uuid,
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    tasks: JoinSet<Settlement>,
    /// By task: a job that was lost may be claimed again while its run here has not come to its end.
    runs: HashMap<Id, Run>,
}

/// A job that runs.
pub(super) struct Run {
    pub(super) step: StepKey,
    /// The pool in whose place it runs.
    pub(super) pool: usize,
    attempt: JobAttempt,
    handle: Arc<Handle>,
    abort: AbortHandle,
    /// Whether the job is not this worker's any more, or may not be.
    given_up: bool,
}

type Joined = Result<(Id, Settlement), JoinError>;

impl Runs {
    pub(super) fn new(worker: Uuid, pipeline: &Arc<Pipeline>, settings: &Arc<Settings>) -> Self {
        Self {
            worker,
            pipeline: Arc::clone(pipeline),
            settings: Arc::clone(settings),
            tasks: JoinSet::new(),
            runs: HashMap::new(),
        }
    }

    pub(super) fn start(&mut self, pool: usize, job: Job) {
        let attempt = JobAttempt { id: job.id, attempt: job.attempt, worker: self.worker };
        let handle = Handle::new(&self.pipeline, attempt, &job);
        let step = job.step.clone();
        let run = run::run(Arc::clone(&self.pipeline), Arc::clone(&self.settings), Arc::clone(&handle), job);
        let abort = self.tasks.spawn(run);
        self.runs.insert(abort.id(), Run { step, pool, attempt, handle, abort, given_up: false });
    }

    /// Waits for the end of a run, and returns it with all others that have ended. None if nothing runs. Of a run that was
    /// given up and stopped there is nothing to settle; one that came to its end before is settled if nobody else has it.
    pub(super) async fn ended(&mut self) -> Option<Vec<(Run, Option<Settlement>)>> {
        let first = self.tasks.join_next_with_id().await?;
        let mut ended = Vec::new();
        let mut next = Some(first);
        while let Some(joined) = next {
            ended.extend(self.end(joined));
            next = self.tasks.try_join_next_with_id();
        }
        Some(ended)
    }

    fn end(&mut self, joined: Joined) -> Option<(Run, Option<Settlement>)> {
        let task = joined.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let run = self.runs.remove(&task)?;
        let settlement = match joined {
            Ok((_, settlement)) => settlement,
            Err(_) if run.given_up => return Some((run, None)),
            Err(error) => {
                let now = self.pipeline.clock.now();
                let mut settlement = run::settlement(run.attempt, Outcome::Released, now);
                if !error.is_cancelled() {
                    let failure = run::broke_down(&error);
                    settlement.outcome = Outcome::Failed;
                    settlement.error = Some(JobError { code: failure.code(), message: failure.to_string() });
                }
                settlement
            }
        };
        Some((run, Some(settlement)))
    }

    /// An operator wants a job to stop.
    pub(super) fn interrupt(&self, id: Uuid, status: JobStatus) {
        if let Some(run) = self.runs.values().find(|run| run.holds(id)) {
            match status {
                JobStatus::Canceling => run.abort.abort(),
                _ => run.handle.stop_at_checkpoint(),
            }
        }
    }

    /// Stops the run of a job that is not this worker's any more. Its step, if there is one.
    pub(super) fn give_up(&mut self, id: Uuid) -> Option<StepKey> {
        let run = self.runs.values_mut().find(|run| run.holds(id))?;
        run.give_up();
        Some(run.step.clone())
    }

    /// Stops every run, since its job may not be this worker's any more. How many there were.
    pub(super) fn give_up_all(&mut self) -> usize {
        let held = self.runs.values_mut().filter(|run| !run.given_up);
        held.map(Run::give_up).count()
    }

    /// Every run ends at its next checkpoint.
    pub(super) fn stop_at_checkpoints(&self) {
        self.runs.values().for_each(|run| run.handle.stop_at_checkpoint());
    }

    /// Every run ends where it is.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }

    /// Whether a job runs in the place of that pool under which a host has died, and that has not got anywhere since.
    pub(super) fn has_suspect(&self, pool: usize) -> bool {
        self.runs.values().any(|run| run.pool == pool && run.handle.is_suspect())
    }

    /// The jobs that run and are this worker's.
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.runs.values().filter(|run| !run.given_up).map(|run| run.attempt.id)
    }

    /// The steps that run, each as often as it does.
    pub(super) fn steps(&self) -> impl Iterator<Item = &StepKey> {
        self.runs.values().map(|run| &run.step)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl Run {
    fn holds(&self, id: Uuid) -> bool {
        self.attempt.id == id && !self.given_up
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.abort.abort();
    }
}
