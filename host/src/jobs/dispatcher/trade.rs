//! What the dispatcher gives the store and takes from it, and the jobs that it gives up since they may be others' by now.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Dispatcher, Lanes};
use crate::model::error::Result;
use crate::model::job::{Outcome, Settlement};
use crate::model::{DateTime, Job, JobStatus};
use crate::store::{BoxFuture, Claim, Exchange, Exchanged};

/// An exchange that is on its way.
pub(super) type Trade = BoxFuture<'static, (Sent, Result<Exchanged>)>;

/// An exchange that was sent.
pub(super) struct Sent {
    exchange: Arc<Exchange>,
    at: Instant,
}

impl Dispatcher {
    /// What to claim next: nothing while the lease is over, since the store has yet to be told what is held.
    pub(super) fn claims(&mut self) -> Vec<Claim> {
        if self.lease.is_over() {
            return Vec::new();
        }
        self.follow_registry();
        let mut limits = self.limits.now();
        for (step, room) in self.pipeline.supervisor.room(self.registry.iter()) {
            // Jobs of a step that is disabled, or whose plugin has used up its quota, wait where they are.
            match limits.iter_mut().find(|(limited, _)| *limited == step) {
                Some((_, most)) => *most = room.min(*most),
                None => limits.push((step, room)),
            }
        }
        let mut claims = Vec::with_capacity(self.pools.len());
        for (index, pool) in self.pools.iter_mut().enumerate() {
            let lane = self.lanes.of(index);
            pool.look();
            let limit = if pool.looks { pool.room() } else { 0 };
            pool.looks &= limit == 0;
            // One at a time, so that whoever kills the host is known.
            let suspect = !pool.has_suspect() && !self.runs.has_suspect(index);
            claims.push(Claim { limit, lane, limits: limits.clone(), suspect });
        }
        claims
    }

    /// Goes by the steps that are registered now.
    fn follow_registry(&mut self) {
        let registry = self.pipeline.registry.get();
        if Arc::ptr_eq(&registry, &self.registry) {
            return;
        }
        let waiting = self.pools.iter().flat_map(|pool| &pool.waiting).map(|job| &job.step);
        self.limits.follow(&registry, waiting.chain(self.runs.steps()));
        self.lanes = Lanes::new(&registry, self.pipeline.store.lease().is_some());
        self.registry = registry;
    }

    pub(super) fn exchange(&mut self, claims: Vec<Claim>) -> Trade {
        self.ended_since = None;
        let in_doubt = std::mem::take(&mut self.in_doubt);
        let exchange = Arc::new(Exchange {
            settlements: std::mem::take(&mut self.finished),
            claims,
            worker: self.worker,
            held: in_doubt.then(|| self.held()),
            host: self.host.clone(),
            now: self.pipeline.clock.now(),
        });
        let store = Arc::clone(&self.pipeline.store);
        let sent = Sent { exchange, at: Instant::now() };
        Box::pin(async move {
            let result = store.exchange_jobs(Arc::clone(&sent.exchange)).await;
            (sent, result)
        })
    }

    /// The jobs that run or wait for a place.
    fn held(&self) -> Vec<Uuid> {
        let waiting = self.pools.iter().flat_map(|pool| &pool.waiting).map(|job| job.id);
        self.runs.ids().chain(waiting).collect()
    }

    /// Takes what an exchange has brought, and says when to make the next at the latest. If it failed, what was to be
    /// settled is kept for the next one.
    pub(super) fn apply(
        &mut self,
        sent: &Sent,
        result: Result<Exchanged>,
    ) -> std::result::Result<Instant, ()> {
        let settlements = &sent.exchange.settlements;
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
        if self.lease.is_over() {
            self.look();
        }
        self.lease.renew(sent.at);
        self.in_doubt |= exchanged.lapsed && sent.exchange.held.is_none();
        if exchanged.settled.len() != settlements.len() {
            for lost in settlements.iter().filter(|settlement| !exchanged.settled.contains(&settlement.id)) {
                tracing::warn!(job = %lost.id, attempt = lost.attempt, "somebody else has taken this job over");
            }
        }
        let all = exchanged.settled.len() == settlements.len();
        let settled =
            settlements.iter().filter(|settlement| all || exchanged.settled.contains(&settlement.id));
        settled.for_each(|settlement| self.settings.tally.count(settlement));
        if !settlements.is_empty() {
            self.signals.settled.notify_waiters();
        }
        // Before the claims: what was lost may have come back with them.
        exchanged.lost.into_iter().for_each(|id| self.lose(id));
        for (pool, jobs) in self.pools.iter_mut().zip(exchanged.claimed) {
            pool.looks |= !jobs.is_empty();
            for job in jobs {
                let (plugin, step) = (&job.step.plugin, &job.step.step);
                tracing::debug!(job = %job.id, plugin, step, attempt = job.attempt, "claimed a job");
                self.limits.began(&job.step);
                pool.waiting.push_back(job);
            }
        }
        for (id, status) in exchanged.stopping {
            self.interrupt(id, status);
        }
        let now = Instant::now();
        let due = exchanged.next_due.map(|due| now + until(self.pipeline.clock.now(), due));
        Ok([due, self.limits.next()].into_iter().flatten().fold(self.lease.next(), Instant::min))
    }

    /// Notes how a run ended, for the next exchange.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        self.ended_since.get_or_insert_with(Instant::now);
        self.finished.push(settlement);
    }

    /// Hands back what has not begun.
    pub(super) fn hand_back_waiting(&mut self) {
        let now = self.pipeline.clock.now();
        for job in self.pools.iter_mut().flat_map(|pool| pool.waiting.drain(..)) {
            self.finished.push(release(&job, self.worker, now));
        }
    }

    /// An operator wants a job to stop.
    fn interrupt(&mut self, id: Uuid, status: JobStatus) {
        if let Some(job) = self.take_waiting(id) {
            self.settle(release(&job, self.worker, self.pipeline.clock.now()));
        }
        self.runs.interrupt(id, status);
    }

    /// A job is another host's by now: its run must not go on beside that.
    fn lose(&mut self, id: Uuid) {
        let waiting = self.take_waiting(id).map(|job| job.step);
        if let Some(step) = waiting.or_else(|| self.runs.give_up(id)) {
            let problem = "the job is not this host's any more, and is stopped here";
            tracing::warn!(job = %id, plugin = step.plugin, step = step.step, problem);
        }
    }

    /// Stops everything once the lease is over: other hosts may begin it again at any moment now.
    pub(super) fn stop_if_lease_ran_out(&mut self) {
        if !self.lease.runs_out(Instant::now()) {
            return;
        }
        let waiting: Vec<Job> = self.pools.iter_mut().flat_map(|pool| pool.waiting.drain(..)).collect();
        waiting.iter().for_each(|job| self.limits.ended(&job.step));
        let jobs = self.runs.give_up_all() + waiting.len();
        self.in_doubt = true;
        tracing::error!(
            jobs,
            "the database has not answered for so long that other hosts may take over the jobs of this one: they are \
             stopped, and none is begun until it answers"
        );
    }

    fn take_waiting(&mut self, id: Uuid) -> Option<Job> {
        let job = self.pools.iter_mut().find_map(|pool| {
            let place = pool.waiting.iter().position(|job| job.id == id)?;
            pool.looks = true;
            pool.waiting.remove(place)
        })?;
        self.limits.ended(&job.step);
        Some(job)
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
