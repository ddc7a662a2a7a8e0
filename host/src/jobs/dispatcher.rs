//! The dispatcher: one task that trades ends of jobs for jobs, and starts each in a task of its own.
//!
//! Whatever has ended while the last exchange was on its way is settled with the next, together with the claim of new
//! jobs: one transaction for all of it. So the batches grow with the load, and a job that comes alone waits for nobody.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::limits::Limits;
use super::pool::Pool;
use super::runs::{Run, Runs};
use super::{Settings, Signals};
use crate::model::error::Result;
use crate::model::job::{JobKind, Outcome, Settlement};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job, JobStatus};
use crate::pipeline::Pipeline;
use crate::store::{BoxFuture, Claim, Exchange, Exchanged, Lane};

/// The longest that a job waits to be seen when nobody rang for it, and that an operator's wish waits to be heard which
/// another process has written.
const POLL: Duration = Duration::from_secs(1);
/// Ends that are settled at the latest when there are so many, and how long the first of them waits for others to come,
/// while there are jobs at hand that have not begun.
const SETTLE_MAX: usize = 128;
const SETTLE_WITHIN: Duration = Duration::from_millis(5);
/// The pause after the store failed.
const BACK_OFF: Duration = Duration::from_secs(1);
/// How often old jobs are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Old jobs that are deleted in one transaction: the writer is held for a few milliseconds.
const PRUNE_BATCH: u32 = 1000;

type Trade = BoxFuture<'static, (Arc<Exchange>, Result<Exchanged>)>;

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
    runs: Runs,
    finished: Vec<Settlement>,
    /// When the first of them had ended.
    ended_since: Option<Instant>,
    /// Whether the last exchange failed: what it claimed, if it did, nobody knows of.
    in_doubt: bool,
    /// When old jobs were last looked for.
    pruned: Option<Instant>,
}

impl Dispatcher {
    pub(super) fn new(pipeline: Arc<Pipeline>, settings: Settings, signals: Arc<Signals>) -> Self {
        let background = pipeline.registry.iter().filter(|step| step.definition.jobs.background);
        // A cascade is worked through for as long as it takes.
        let cascades = [JobKind::CascadeAssign, JobKind::CascadeDelete].into_iter().filter_map(JobKind::lane);
        let (worker, settings) = (Uuid::now_v7(), Arc::new(settings));
        Self {
            worker,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pools: [Pool::new(settings.workers), Pool::new(settings.background_workers)],
            background: background.map(|step| step.key.clone()).chain(cascades).collect(),
            limits: Limits::new(&pipeline.registry),
            runs: Runs::new(worker, &pipeline, &settings),
            settings,
            signals,
            pipeline,
            finished: Vec::new(),
            ended_since: None,
            in_doubt: false,
            pruned: None,
        }
    }

    pub(super) async fn run(mut self) {
        self.recover().await;
        let pipeline = Arc::clone(&self.pipeline);
        let signals = Arc::clone(&self.signals);
        let mut trade: Option<Trade> = None;
        // Whether an operator may want something.
        let mut listen = false;
        // What an operator did may leave nothing to wait for.
        let mut listened = false;
        let mut next = Instant::now() + POLL;
        let mut not_before = Instant::now();
        loop {
            self.start_waiting();
            let now = Instant::now();
            let looks = self.pools.iter().any(|pool| pool.looks && pool.room() > 0);
            let settle_at = self.settle_at();
            let wanted = listen || looks || settle_at.is_some_and(|at| at <= now);
            if trade.is_none() && wanted && now >= not_before {
                let claims = self.claims();
                trade = Some(self.exchange(claims));
                listened |= listen;
                listen = false;
            }
            let wake = settle_at.filter(|_| trade.is_none()).map_or(next, |at| at.max(not_before).min(next));
            tokio::select! {
                () = pipeline.doorbell.queued.notified() => self.look(),
                () = pipeline.doorbell.controlled.notified() => listen = true,
                Some(ended) = self.runs.ended() => self.note(ended),
                (exchange, result) = arrival(&mut trade) => {
                    trade = None;
                    let now = Instant::now();
                    match self.apply(&exchange.settlements, result) {
                        Ok(latest) => {
                            if std::mem::take(&mut listened) {
                                signals.settled.notify_waiters();
                            }
                            next = latest;
                        }
                        // With what has ended still at hand.
                        Err(()) => {
                            self.look();
                            (not_before, next) = (now + BACK_OFF, now + BACK_OFF);
                        }
                    }
                }
                () = tokio::time::sleep_until(wake) => {
                    if wake < next {
                        continue;
                    }
                    self.look();
                    listen = true;
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

    fn look(&mut self) {
        self.pools.iter_mut().for_each(|pool| pool.looks = true);
    }

    /// When to settle what has ended: at once, unless jobs are at hand that will soon have ended too.
    fn settle_at(&self) -> Option<Instant> {
        let first = self.ended_since.filter(|_| !self.finished.is_empty())?;
        let more = self.pools.iter().any(|pool| !pool.waiting.is_empty()) && self.finished.len() < SETTLE_MAX;
        Some(if more { first + SETTLE_WITHIN } else { first })
    }

    /// What to claim next.
    fn claims(&mut self) -> Vec<Claim> {
        // What ends makes room, and may let the next of its key or its step go.
        if !self.finished.is_empty() {
            self.look();
        }
        let limits = self.limits.now();
        let mut claims = Vec::with_capacity(self.pools.len());
        for (index, pool) in self.pools.iter_mut().enumerate() {
            let lane = match index {
                BACKGROUND => Lane::Only(self.background.clone()),
                _ => Lane::AllBut(self.background.clone()),
            };
            pool.look();
            let limit = if pool.looks { pool.room() } else { 0 };
            pool.looks &= limit == 0;
            // One at a time, so that whoever kills the host is known.
            let suspect = !pool.has_suspect() && !self.runs.has_suspect(index);
            claims.push(Claim { limit, lane, limits: limits.clone(), suspect });
        }
        claims
    }

    fn exchange(&mut self, claims: Vec<Claim>) -> Trade {
        self.ended_since = None;
        let exchange = Arc::new(Exchange {
            settlements: std::mem::take(&mut self.finished),
            claims,
            worker: self.worker,
            held: self.in_doubt.then(|| self.held()),
            host: self.host.clone(),
            now: self.pipeline.clock.now(),
        });
        let store = Arc::clone(&self.pipeline.store);
        Box::pin(async move {
            let result = store.exchange_jobs(Arc::clone(&exchange)).await;
            (exchange, result)
        })
    }

    /// The jobs that run or wait for a place.
    fn held(&self) -> Vec<Uuid> {
        let waiting = self.pools.iter().flat_map(|pool| &pool.waiting).map(|job| job.id);
        self.runs.ids().chain(waiting).collect()
    }

    /// Takes what an exchange has brought, and says when to look again at the latest. If it failed, what was to be settled is
    /// kept for the next one.
    fn apply(
        &mut self,
        settlements: &[Settlement],
        result: Result<Exchanged>,
    ) -> std::result::Result<Instant, ()> {
        let exchanged = match result {
            Ok(exchanged) => exchanged,
            Err(error) => {
                tracing::error!(%error, "cannot settle and claim jobs");
                self.ended_since.get_or_insert_with(Instant::now);
                self.in_doubt = true;
                self.finished.splice(0..0, settlements.iter().cloned());
                return Err(());
            }
        };
        self.in_doubt = false;
        if exchanged.settled.len() != settlements.len() {
            for lost in settlements.iter().filter(|settlement| !exchanged.settled.contains(&settlement.id)) {
                tracing::warn!(job = %lost.id, attempt = lost.attempt, "somebody else has taken this job over");
            }
        }
        if !settlements.is_empty() {
            self.signals.settled.notify_waiters();
        }
        for (pool, jobs) in self.pools.iter_mut().zip(exchanged.claimed) {
            pool.looks |= !jobs.is_empty();
            for job in jobs {
                self.limits.began(&job.step);
                pool.waiting.push_back(job);
            }
        }
        for (id, status) in exchanged.stopping {
            self.interrupt(id, status);
        }
        let now = Instant::now();
        let due = exchanged.next_due.map(|due| now + until(self.pipeline.clock.now(), due));
        Ok([due, self.limits.next()].into_iter().flatten().fold(now + POLL, Instant::min))
    }

    fn start_waiting(&mut self) {
        for index in [ORDINARY, BACKGROUND] {
            while let Some(job) = self.pools.get_mut(index).filter(|pool| pool.has_place()).and_then(|pool| {
                let job = pool.waiting.pop_front()?;
                pool.running += 1;
                Some(job)
            }) {
                self.runs.start(index, job);
            }
        }
    }

    /// Notes runs that have ended.
    fn note(&mut self, ended: Vec<(Run, Settlement)>) {
        for (run, settlement) in ended {
            self.limits.ended(&run.step);
            if let Some(pool) = self.pools.get_mut(run.pool) {
                pool.ended();
            }
            self.ended_since.get_or_insert_with(Instant::now);
            self.finished.push(settlement);
        }
    }

    /// An operator wants a job to stop.
    fn interrupt(&mut self, id: Uuid, status: JobStatus) {
        for pool in &mut self.pools {
            if let Some(place) = pool.waiting.iter().position(|job| job.id == id)
                && let Some(job) = pool.waiting.remove(place)
            {
                self.limits.ended(&job.step);
                self.ended_since.get_or_insert_with(Instant::now);
                self.finished.push(release(&job, self.worker, self.pipeline.clock.now()));
            }
        }
        self.runs.interrupt(id, status);
    }

    /// Deletes old jobs, beside everything else.
    fn prune(&mut self) {
        let is_time = self.pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNE_EVERY);
        let Some(retention) = self.settings.retention.filter(|_| is_time) else { return };
        self.pruned = Some(Instant::now());
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
            self.runs.stop_at_checkpoints();
            if trade.is_none() && !self.finished.is_empty() {
                trade = Some(self.exchange(Vec::new()));
            }
            if trade.is_none() && self.runs.is_empty() {
                return;
            }
            tokio::select! {
                Some(ended) = self.runs.ended() => self.note(ended),
                (exchange, result) = arrival(&mut trade) => {
                    trade = None;
                    if self.apply(&exchange.settlements, result).is_err() {
                        if stopped {
                            tracing::error!("jobs stay locked until the next host on the database takes them over");
                            return;
                        }
                        tokio::time::sleep_until(deadline.min(Instant::now() + BACK_OFF)).await;
                    }
                }
                () = tokio::time::sleep_until(deadline), if !stopped => {
                    stopped = true;
                    self.runs.abort();
                    deadline = Instant::now();
                }
            }
        }
    }
}

async fn arrival(trade: &mut Option<Trade>) -> (Arc<Exchange>, Result<Exchanged>) {
    match trade {
        Some(trade) => trade.await,
        None => std::future::pending().await,
    }
}

/// Hands back a job that has not begun.
fn release(job: &Job, worker: Uuid, now: DateTime) -> Settlement {
    Settlement::new(job.id, job.attempt, worker, Outcome::Unclaimed, now)
}

/// The time from one moment to a later one.
fn until(now: DateTime, moment: DateTime) -> Duration {
    Duration::from_millis(u64::try_from(moment.0.saturating_sub(now.0)).unwrap_or(0))
}
