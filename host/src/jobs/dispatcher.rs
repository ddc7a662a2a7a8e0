//! The dispatcher: one task that trades ends of jobs for jobs, and starts each in a task of its own.
//!
//! Whatever has ended while the last exchange was on its way is settled with the next, together with the claim of new
//! jobs: one transaction for all of it. So the batches grow with the load, and a job that comes alone waits for nobody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::limits::Limits;
use super::pool::Pool;
use super::run::{self, Handle};
use super::{Settings, Signals};
use crate::model::error::Result;
use crate::model::job::{JobError, JobKind, Outcome, Settlement};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job, JobStatus};
use crate::pipeline::Pipeline;
use crate::store::{BoxFuture, Claim, Exchange, Exchanged, JobAttempt, Lane};

/// The longest that a job waits to be seen when nobody rang for it, and that an operator's wish waits to be heard which
/// another process has written.
const POLL: Duration = Duration::from_secs(1);
/// The pause after the store failed.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How often old jobs are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Old jobs that are deleted in one transaction: the writer is held for a few milliseconds.
const PRUNE_BATCH: u32 = 1000;

type Trade = BoxFuture<'static, (Vec<Settlement>, Result<Exchanged>)>;

/// Jobs of background steps have places of their own, or they would keep the others waiting for hours.
const ORDINARY: usize = 0;
const BACKGROUND: usize = 1;

pub(super) struct Dispatcher {
    worker: Uuid,
    host: String,
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    signals: Arc<Signals>,
    pools: [Pool; 2],
    background: Vec<StepKey>,
    limits: Limits,
    tasks: JoinSet<Settlement>,
    runs: HashMap<Uuid, Run>,
    jobs: HashMap<Id, Uuid>,
    finished: Vec<Settlement>,
    pruned: Instant,
}

/// A job that runs.
struct Run {
    attempt: JobAttempt,
    step: StepKey,
    pool: usize,
    was_suspect: bool,
    handle: Arc<Handle>,
    abort: AbortHandle,
}

impl Dispatcher {
    pub(super) fn new(pipeline: Arc<Pipeline>, settings: Settings, signals: Arc<Signals>) -> Self {
        let background = pipeline.registry.iter().filter(|step| step.definition.jobs.background);
        // A cascade is worked through for as long as it takes.
        let cascades = [JobKind::CascadeAssign, JobKind::CascadeDelete].into_iter().filter_map(JobKind::lane);
        Self {
            worker: Uuid::now_v7(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pools: [Pool::new(settings.workers), Pool::new(settings.background_workers)],
            background: background.map(|step| step.key.clone()).chain(cascades).collect(),
            limits: Limits::new(&pipeline.registry),
            settings: Arc::new(settings),
            signals,
            pipeline,
            tasks: JoinSet::new(),
            runs: HashMap::new(),
            jobs: HashMap::new(),
            finished: Vec::new(),
            pruned: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        self.recover().await;
        let pipeline = Arc::clone(&self.pipeline);
        let signals = Arc::clone(&self.signals);
        let mut trade: Option<Trade> = None;
        // Whether there may be jobs to claim, and whether an operator may want something.
        let (mut look, mut listen) = (true, false);
        let mut next = Instant::now() + POLL;
        let mut not_before = Instant::now();
        loop {
            self.start_waiting();
            let now = Instant::now();
            // What ends makes room, and may let the next of its key or its step go.
            look |= !self.finished.is_empty();
            let wanted = listen || !self.finished.is_empty() || (look && self.has_room());
            if trade.is_none() && wanted && now >= not_before {
                trade = Some(self.exchange(look));
                (look, listen) = (false, false);
            }
            tokio::select! {
                () = pipeline.doorbell.queued.notified() => look = true,
                () = pipeline.doorbell.controlled.notified() => listen = true,
                Some(ended) = self.tasks.join_next_with_id() => self.collect(ended),
                (settlements, result) = arrival(&mut trade) => {
                    trade = None;
                    let now = Instant::now();
                    match self.apply(settlements, result) {
                        Ok(arrived) => {
                            look |= arrived.may_have_more;
                            next = arrived.next;
                        }
                        // With what has ended still at hand.
                        Err(()) => (look, not_before, next) = (true, now + BACK_OFF, now + BACK_OFF),
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    (look, listen) = (true, true);
                    next = Instant::now() + POLL;
                    self.prune();
                }
                () = signals.stop.notified() => break,
            }
        }
        self.stop(trade).await;
    }

    async fn recover(&self) {
        loop {
            match self.pipeline.store.recover_jobs(self.worker, self.pipeline.clock.now()).await {
                Ok(0) => return,
                Ok(count) => {
                    tracing::warn!(count, "took over jobs whose host had died");
                    return;
                }
                Err(error) => tracing::error!(%error, "cannot take over the jobs of earlier runs"),
            }
            tokio::select! {
                () = tokio::time::sleep(BACK_OFF) => {}
                () = self.signals.stop.notified() => {
                    // For the loop that comes, which has nothing to wait for then.
                    self.signals.stop.notify_one();
                    return;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.pools.iter().any(|pool| pool.room() > 0)
    }

    fn exchange(&mut self, look: bool) -> Trade {
        for run in self.runs.values_mut().filter(|run| run.was_suspect && !run.handle.is_suspect()) {
            run.was_suspect = false;
            if let Some(pool) = self.pools.get_mut(run.pool) {
                pool.suspects = pool.suspects.saturating_sub(1);
            }
        }
        let settlements = std::mem::take(&mut self.finished);
        let limits = if look { self.limits.now() } else { Vec::new() };
        let mut claims = Vec::new();
        for (index, pool) in self.pools.iter_mut().enumerate() {
            let lane = match index {
                BACKGROUND => Lane::Only(self.background.clone()),
                _ => Lane::AllBut(self.background.clone()),
            };
            pool.look();
            let limit = if look { pool.room() } else { 0 };
            claims.push(Claim { limit, lane, limits: limits.clone(), suspect: pool.suspects == 0 });
        }
        let exchange = Exchange {
            settlements: settlements.clone(),
            claims,
            worker: self.worker,
            host: self.host.clone(),
            now: self.pipeline.clock.now(),
        };
        let store = Arc::clone(&self.pipeline.store);
        Box::pin(async move { (settlements, store.exchange_jobs(exchange).await) })
    }

    /// Takes what an exchange has brought. If it failed, what was to be settled is kept for the next one.
    fn apply(
        &mut self,
        settlements: Vec<Settlement>,
        result: Result<Exchanged>,
    ) -> std::result::Result<Arrived, ()> {
        let exchanged = match result {
            Ok(exchanged) => exchanged,
            Err(error) => {
                tracing::error!(%error, "cannot settle and claim jobs");
                self.finished.splice(0..0, settlements);
                return Err(());
            }
        };
        if exchanged.settled.len() != settlements.len() {
            let lost = settlements.iter().filter(|settlement| !exchanged.settled.contains(&settlement.id));
            for lost in lost {
                tracing::warn!(job = %lost.id, attempt = lost.attempt, "somebody else has taken this job over");
            }
        }
        if !settlements.is_empty() {
            self.signals.settled.notify_waiters();
        }
        let mut may_have_more = false;
        for (pool, jobs) in self.pools.iter_mut().zip(exchanged.claimed) {
            may_have_more |= !jobs.is_empty();
            for job in jobs {
                self.limits.began(&job.step);
                pool.suspects += u32::from(job.crash_count > 0);
                pool.waiting.push_back(job);
            }
        }
        for (id, status) in exchanged.stopping {
            self.interrupt(id, status);
        }
        let now = Instant::now();
        let due = exchanged.next_due.map(|due| now + until(self.pipeline.clock.now(), due));
        let next = [due, self.limits.next()].into_iter().flatten().fold(now + POLL, Instant::min);
        Ok(Arrived { may_have_more, next })
    }

    fn start_waiting(&mut self) {
        for index in [ORDINARY, BACKGROUND] {
            while let Some(job) = self.pools.get_mut(index).filter(|pool| pool.has_place()).and_then(|pool| {
                let job = pool.waiting.pop_front()?;
                pool.running += 1;
                Some(job)
            }) {
                self.start(index, job);
            }
        }
    }

    fn start(&mut self, pool: usize, job: Job) {
        let attempt = JobAttempt { id: job.id, attempt: job.attempt, worker: self.worker };
        let handle = Handle::new(&self.pipeline, attempt, &job);
        let (step, was_suspect) = (job.step.clone(), job.crash_count > 0);
        let run = run::run(Arc::clone(&self.pipeline), Arc::clone(&self.settings), Arc::clone(&handle), job);
        let abort = self.tasks.spawn(run);
        self.jobs.insert(abort.id(), attempt.id);
        self.runs.insert(attempt.id, Run { attempt, step, pool, was_suspect, handle, abort });
    }

    /// Notes the end of a run, and of all others that have ended.
    fn collect(&mut self, ended: std::result::Result<(Id, Settlement), JoinError>) {
        self.note(ended);
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: std::result::Result<(Id, Settlement), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let Some(run) = self.jobs.remove(&task).and_then(|id| self.runs.remove(&id)) else { return };
        self.limits.ended(&run.step);
        if let Some(pool) = self.pools.get_mut(run.pool) {
            pool.ended();
            pool.suspects = pool.suspects.saturating_sub(u32::from(run.was_suspect));
        }
        self.finished.push(match ended {
            Ok((_, settlement)) => settlement,
            Err(error) => {
                let mut settlement = run::settlement(run.attempt, Outcome::Released);
                settlement.ended_on = self.pipeline.clock.now();
                if !error.is_cancelled() {
                    let failure = run::broke_down(&error);
                    settlement.outcome = Outcome::Failed;
                    settlement.error = Some(JobError { code: failure.code(), message: failure.to_string() });
                }
                settlement
            }
        });
    }

    /// An operator wants a job to stop.
    fn interrupt(&mut self, id: Uuid, status: JobStatus) {
        for pool in &mut self.pools {
            if let Some(place) = pool.waiting.iter().position(|job| job.id == id)
                && let Some(job) = pool.waiting.remove(place)
            {
                self.limits.ended(&job.step);
                pool.suspects = pool.suspects.saturating_sub(u32::from(job.crash_count > 0));
                self.finished.push(release(&job, self.worker, self.pipeline.clock.now()));
            }
        }
        if let Some(run) = self.runs.get(&id) {
            match status {
                JobStatus::Canceling => run.abort.abort(),
                _ => run.handle.stop_at_checkpoint(),
            }
        }
    }

    /// Deletes old jobs, beside everything else.
    fn prune(&mut self) {
        let Some(retention) = self.settings.retention.filter(|_| self.pruned.elapsed() >= PRUNE_EVERY) else {
            return;
        };
        self.pruned = Instant::now();
        let age = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let before = DateTime(self.pipeline.clock.now().0.saturating_sub(age));
        let store = Arc::clone(&self.pipeline.store);
        tokio::spawn(async move {
            match store.prune_jobs(before, PRUNE_BATCH).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "deleted old jobs"),
                Err(error) => tracing::warn!(%error, "cannot delete old jobs"),
            }
        });
    }

    /// Claims nothing more, hands back what has not begun, lets what runs end within the grace, stops the rest, and
    /// settles all of it.
    async fn stop(mut self, mut trade: Option<Trade>) {
        let mut deadline = Instant::now() + self.settings.grace;
        let mut stopped = false;
        loop {
            let now = self.pipeline.clock.now();
            for pool in &mut self.pools {
                let handed_back = pool.waiting.drain(..).map(|job| release(&job, self.worker, now));
                self.finished.extend(handed_back);
            }
            for run in self.runs.values() {
                run.handle.stop_at_checkpoint();
            }
            if trade.is_none() && !self.finished.is_empty() {
                trade = Some(self.exchange(false));
            }
            if trade.is_none() && self.tasks.is_empty() {
                return;
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.collect(ended),
                (settlements, result) = arrival(&mut trade) => {
                    trade = None;
                    if self.apply(settlements, result).is_err() {
                        if stopped {
                            tracing::error!("jobs stay locked until the next host on the database takes them over");
                            return;
                        }
                        tokio::time::sleep_until(deadline.min(Instant::now() + BACK_OFF)).await;
                    }
                }
                () = tokio::time::sleep_until(deadline), if !stopped => {
                    stopped = true;
                    self.tasks.abort_all();
                    deadline = Instant::now();
                }
            }
        }
    }
}

/// What came with an exchange.
struct Arrived {
    may_have_more: bool,
    /// When to look at the latest.
    next: Instant,
}

async fn arrival(trade: &mut Option<Trade>) -> (Vec<Settlement>, Result<Exchanged>) {
    match trade {
        Some(trade) => trade.await,
        None => std::future::pending().await,
    }
}

fn release(job: &Job, worker: Uuid, now: DateTime) -> Settlement {
    let attempt = JobAttempt { id: job.id, attempt: job.attempt, worker };
    Settlement { ended_on: now, ..run::settlement(attempt, Outcome::Released) }
}

/// The time from one moment to a later one.
fn until(now: DateTime, moment: DateTime) -> Duration {
    Duration::from_millis(u64::try_from(moment.0.saturating_sub(now.0)).unwrap_or(0))
}
