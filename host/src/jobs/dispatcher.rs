//! The dispatcher: one task that trades ends of jobs for jobs, and starts each in a task of its own.
//!
//! Whatever has ended while the last exchange was on its way is settled with the next, together with the claim of new
//! jobs: one transaction for all of it. So the batches grow with the load, and a job that comes alone waits for nobody.

mod trade;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::lease::Lease;
use super::limits::Limits;
use super::pool::{self, Pool};
use super::runs::{Run, Runs};
use super::{Settings, Signals};
use crate::model::DateTime;
use crate::model::error::Result;
use crate::model::job::{JobKind, Settlement};
use crate::model::step::StepKey;
use crate::pipeline::Pipeline;
use crate::pipeline::registry::Registry;
use crate::store::{Exchanged, Lane};
use trade::{Sent, Trade};

/// How long the first job that has ended waits for others, while there are jobs at hand that have not begun, and fewer have
/// ended than half of what is claimed ahead at most.
const SETTLE_WITHIN: Duration = Duration::from_millis(5);
/// How often old jobs are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Old jobs that are deleted in one transaction: the writer is held for a few milliseconds.
const PRUNE_BATCH: u32 = 1000;

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
    /// Ends that are settled at the latest when there are so many.
    settle_max: usize,
    /// The steps as they were when it last looked.
    registry: Arc<Registry>,
    lanes: Lanes,
    limits: Limits,
    runs: Runs,
    finished: Vec<Settlement>,
    /// When the first of them had ended.
    ended_since: Option<Instant>,
    /// Whether the store may have another idea than this worker of what it holds: the next exchange says it. After one
    /// that failed nobody knows what it claimed, and after the lease was over what others took.
    in_doubt: bool,
    lease: Lease,
    /// When old jobs were last looked for.
    pruned: Option<Instant>,
}

impl Dispatcher {
    pub(super) fn new(pipeline: Arc<Pipeline>, settings: Settings, signals: Arc<Signals>) -> Self {
        let (worker, settings, registry) = (Uuid::now_v7(), Arc::new(settings), pipeline.registry.get());
        let is_shared = pipeline.store.lease().is_some();
        let ahead_max = if is_shared { pool::AHEAD_MAX_SHARED } else { pool::AHEAD_MAX };
        Self {
            worker,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pools: [settings.workers, settings.background_workers].map(|size| Pool::new(size, ahead_max)),
            settle_max: usize::try_from(ahead_max / 2).unwrap_or(usize::MAX),
            lanes: Lanes::new(&registry, is_shared),
            limits: Limits::new(&registry),
            registry,
            runs: Runs::new(worker, &pipeline, &settings),
            settings,
            signals,
            finished: Vec::new(),
            ended_since: None,
            in_doubt: false,
            lease: Lease::new(pipeline.store.lease()),
            pruned: None,
            pipeline,
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
        let mut next = self.lease.next();
        let mut not_before = next;
        loop {
            self.stop_if_lease_ran_out();
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
                (sent, result) = arrival(&mut trade) => {
                    trade = None;
                    match self.apply(&sent, result) {
                        Ok(latest) => {
                            if std::mem::take(&mut listened) {
                                signals.settled.notify_waiters();
                            }
                            next = latest;
                            // Others may have taken over what runs here.
                            listen |= self.in_doubt;
                        }
                        // With what has ended still at hand.
                        Err(()) => {
                            self.look();
                            not_before = Instant::now() + self.lease.back_off();
                            next = not_before;
                        }
                    }
                }
                () = end_of(&self.lease) => {}
                () = tokio::time::sleep_until(wake) => {
                    if wake < next {
                        continue;
                    }
                    self.look();
                    listen = true;
                    // Unless an exchange is still on its way, the next one says when.
                    next = Instant::now() + self.lease.beat();
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
                () = tokio::time::sleep(self.lease.back_off()) => {}
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
        let more =
            self.pools.iter().any(|pool| !pool.waiting.is_empty()) && self.finished.len() < self.settle_max;
        Some(if more { first + SETTLE_WITHIN } else { first })
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
    fn note(&mut self, ended: Vec<(Run, Option<Settlement>)>) {
        for (run, settlement) in ended {
            self.limits.ended(&run.step);
            if let Some(pool) = self.pools.get_mut(run.pool) {
                pool.ended(settlement.as_ref().map_or(Duration::ZERO, |ended| ended.execution_time));
                // It makes room, and may let the next of its key or its step go, which are of the same pool.
                pool.looks = true;
            }
            if let Some(settlement) = settlement {
                self.settle(settlement);
            }
        }
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
    /// settles all of it. The lease is renewed meanwhile.
    async fn stop(mut self, mut trade: Option<Trade>) {
        let deadline = Instant::now() + self.settings.grace;
        let mut stopped = false;
        let mut not_before = Instant::now();
        loop {
            self.stop_if_lease_ran_out();
            self.hand_back_waiting();
            self.runs.stop_at_checkpoints();
            let now = Instant::now();
            let wanted = !self.finished.is_empty() || self.in_doubt || self.lease.next() <= now;
            let is_done = self.runs.is_empty() && self.finished.is_empty();
            if trade.is_none() && is_done {
                return;
            }
            if trade.is_none() && wanted && now >= not_before {
                trade = Some(self.exchange(Vec::new()));
            }
            let wake = if wanted { not_before } else { self.lease.next() };
            tokio::select! {
                Some(ended) = self.runs.ended() => self.note(ended),
                (sent, result) = arrival(&mut trade) => {
                    trade = None;
                    if self.apply(&sent, result).is_err() {
                        if stopped {
                            tracing::error!("jobs stay locked until the next host on the database takes them over");
                            return;
                        }
                        not_before = deadline.min(Instant::now() + self.lease.back_off());
                    }
                }
                () = end_of(&self.lease) => {}
                () = tokio::time::sleep_until(wake), if trade.is_none() => {}
                () = tokio::time::sleep_until(deadline), if !stopped => {
                    stopped = true;
                    self.runs.abort();
                    not_before = Instant::now();
                }
            }
        }
    }
}

/// The steps whose jobs have places of their own.
/// Of which steps the pools claim jobs.
struct Lanes {
    background: Vec<StepKey>,
    /// Where hosts share the database, those that this one has: another may have other plugins. None for all but the
    /// background steps: jobs of a step that no host can have any more are to fail.
    ordinary: Option<Vec<StepKey>>,
}

impl Lanes {
    fn new(registry: &Registry, is_shared: bool) -> Self {
        let steps = |background| {
            let steps = registry.iter().filter(move |step| step.definition.jobs.background == background);
            steps.map(|step| step.key.clone())
        };
        // A cascade is worked through for as long as it takes.
        let cascades = [JobKind::CascadeAssign, JobKind::CascadeDelete].into_iter().filter_map(JobKind::lane);
        let own = || steps(false).chain(JobKind::Request.lane()).collect();
        Self { background: steps(true).chain(cascades).collect(), ordinary: is_shared.then(own) }
    }

    fn of(&self, pool: usize) -> Lane {
        match &self.ordinary {
            _ if pool == BACKGROUND => Lane::Only(self.background.clone()),
            Some(steps) => Lane::Only(steps.clone()),
            None => Lane::AllBut(self.background.clone()),
        }
    }
}

async fn arrival(trade: &mut Option<Trade>) -> (Sent, Result<Exchanged>) {
    match trade {
        Some(trade) => trade.await,
        None => std::future::pending().await,
    }
}

/// Waits until the lease runs out.
async fn end_of(lease: &Lease) {
    match lease.ends() {
        Some(ends) => tokio::time::sleep_until(ends).await,
        None => std::future::pending().await,
    }
}
