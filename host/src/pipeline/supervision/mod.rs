//! What watches over the steps of plugins: the breaker that disables one for a while that breaks down again and again, the
//! quotas of plugins, and the figures of what they use.
//!
//! All of it is this host's own and in its memory: each host judges what it saw. A breaker that a database shared would let one
//! host that is sick, with too little memory for one, take a step from all.

mod breakers;
mod memory;
mod meters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use breakers::{Breakers, Ticket};
pub use memory::MemoryMeter;
pub use meters::HeldMeter;
use meters::{Meter, Meters};

use crate::model::breaker::{BreakerSettings, End, OpenBreaker};
use crate::model::cause::{Cause, QuotaOf};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::Outcome;
use crate::model::step::StepKey;
use crate::model::usage::{PluginUsage, Quota};
use crate::model::{Clock, DateTime};
use crate::pipeline::registry::Step;
use crate::pipeline::runner::Ran;

/// Watches over the steps of plugins. Native steps are the service's own code, and nothing is said of them here.
pub struct Supervisor {
    breakers: Breakers,
    meters: Meters,
    /// The least that a step must have had itself for its timeout to count, without the call to the host that it waited for
    /// at the end: half of a request's time. A step that a slow neighbour left a moment has done nothing wrong, and neither
    /// has one whose caller gave it little.
    own_time_min: Duration,
}

impl Supervisor {
    /// A supervisor for a host with that time limit. Without settings no step is ever disabled.
    pub(crate) fn new(
        breaker: Option<BreakerSettings>,
        quotas: impl IntoIterator<Item = (String, Quota)>,
        clock: Arc<dyn Clock>,
        time_limit: Duration,
    ) -> Self {
        Self {
            breakers: Breakers::new(breaker, clock),
            meters: Meters::new(quotas),
            own_time_min: time_limit / 2,
        }
    }

    /// A run of a step wants to begin now. Fails at once if the step is disabled, or its plugin has used up its time.
    pub(super) fn enter<'a>(&'a self, step: &'a Step, now: Instant) -> Result<Watched<'a>> {
        if step.runner.is_native() {
            return Ok(Watched { supervisor: self, watch: None });
        }
        let meter = step.meter.of(&self.meters, &step.key.plugin);
        // The quota first: a trial is not to be wasted on it.
        let entered = meter.enter(&step.key.plugin).and_then(|()| self.breakers.enter(step));
        match entered {
            Ok(ticket) => {
                let watch = Watch { step, meter, ticket, began: now };
                Ok(Watched { supervisor: self, watch: Some(watch) })
            }
            Err(error) => {
                meter.note_held_back();
                Err(error)
            }
        }
    }

    /// How many jobs of each step may be begun now, where that is not as many as like.
    pub(crate) fn room<'a>(&self, steps: impl Iterator<Item = &'a Arc<Step>>) -> Vec<(StepKey, u32)> {
        let mut room = self.breakers.room();
        let full = self.meters.full();
        if !full.is_empty() {
            let steps = steps.filter(|step| !step.runner.is_native() && full.contains(&step.key.plugin));
            room.extend(steps.map(|step| (step.key.clone(), 0)));
        }
        room
    }

    /// How a job of that step ends that was held back; none if it was not. It is handed back and waits, and neither its
    /// retries nor anything else is used up.
    pub(crate) fn held_back(step: &StepKey, error: &Error) -> Option<Outcome> {
        // What a step further in ran into is the failure of that one's request.
        let own = error.path().len() == 1 && error.location().is_some_and(|place| place.step == *step);
        match error.cause().filter(|_| own)? {
            Cause::Disabled(_) | Cause::OverQuota(QuotaOf::GuestTime) => Some(Outcome::Unclaimed),
            // Its guest had begun.
            Cause::OverQuota(QuotaOf::Memory) => Some(Outcome::Released),
            Cause::Timeout(_) | Cause::Exhausted(_) | Cause::Trap(_) => None,
        }
    }

    /// The steps that are disabled for a while.
    pub(crate) fn open(&self) -> Vec<OpenBreaker> {
        self.breakers.open()
    }

    /// Enables a step again. False if it was not disabled.
    pub(crate) fn close(&self, step: &StepKey) -> bool {
        self.breakers.close(step)
    }

    /// What each plugin that has run, or has a quota, has used.
    pub(crate) fn usage(&self) -> Vec<PluginUsage> {
        let open = self.open();
        let mut usage = self.meters.usage();
        for plugin in &mut usage {
            let own = open.iter().filter(|breaker| breaker.step.plugin == plugin.plugin);
            plugin.open_breakers = own.cloned().collect();
        }
        usage
    }

    /// What an end says about the guest, of a run that took that long.
    fn judge(&self, ran: &Ran, took: Duration) -> End {
        let Err(error) = &ran.result else { return End::Worked };
        if let (ErrorKind::Timeout, Some(Cause::Timeout(timeout))) = (error.kind(), error.cause()) {
            let own = match (error.path().is_empty(), timeout.host_call) {
                (true, None) if timeout.phase.is_guest() => took.saturating_sub(ran.host_calls),
                // One call that takes for ever is not the guest's doing, and calls without end are.
                (true, Some(_)) | (false, _) => took.saturating_sub(ran.last_call),
                (true, None) => Duration::ZERO,
            };
            return if own >= self.own_time_min { End::Broke } else { End::Unknown };
        }
        match error.kind() {
            // It passed on what a step further in failed with.
            _ if !error.path().is_empty() => End::Unknown,
            ErrorKind::Timeout | ErrorKind::Saturated => End::Unknown,
            _ if error.is_breakdown() => End::Broke,
            // It refused, or did what it may not: it works.
            _ => End::Worked,
        }
    }
}

/// A run of a step that has begun.
pub(super) struct Watched<'a> {
    supervisor: &'a Supervisor,
    watch: Option<Watch<'a>>,
}

struct Watch<'a> {
    step: &'a Step,
    meter: &'a Meter,
    ticket: Ticket,
    began: Instant,
}

impl Watched<'_> {
    /// Counts the memory of the run's sandbox; none where nobody counts.
    pub(super) fn memory(&self) -> Option<Arc<MemoryMeter>> {
        self.watch.as_ref().map(|watch| watch.meter.memory())
    }

    /// The run has ended. Whether its step is enabled again by that, so that its jobs go on.
    pub(super) fn end(mut self, ran: &Ran) -> bool {
        let Some(Watch { step, meter, ticket, began }) = self.watch.take() else { return false };
        let took = began.elapsed();
        meter.note(ran.result.as_ref().err().map(Error::kind), took.saturating_sub(ran.host_calls));
        let end = self.supervisor.judge(ran, took);
        self.supervisor.breakers.end(step, ticket, end, ran.result.as_ref().err())
    }
}

/// A run whose future was dropped says nothing about its step, but it has used time.
impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(Watch { step, meter, ticket, began }) = self.watch.take() {
            meter.note_time(began.elapsed());
            self.supervisor.breakers.end(step, ticket, End::Unknown, None);
        }
    }
}

/// A moment as the host's clock tells it, for messages.
fn shown(moment: DateTime) -> String {
    crate::model::Value::DateTime(moment).to_string()
}
