//! The breakers of a host's steps: who may run, and what is told of those that may not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::shown;
use crate::model::breaker::{Breaker, BreakerSettings, End, Entry, OpenBreaker, Pass, Turn};
use crate::model::cause::{Cause, Disabled};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::model::{Clock, DateTime};
use crate::pipeline::SATURATED_RETRY_AFTER;
use crate::pipeline::registry::Step;

pub(super) struct Breakers {
    settings: Option<BreakerSettings>,
    clock: Arc<dyn Clock>,
    /// Those of steps that have failed and not worked since.
    steps: Mutex<HashMap<StepKey, Kept>>,
    /// How many these are: on a host where all is well, that is all that a run looks at.
    count: AtomicUsize,
}

struct Kept {
    breaker: Breaker,
    last: Error,
}

/// What a run was let in with.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    /// None if its step had no breaker then.
    pass: Option<Pass>,
    began: DateTime,
}

impl Ticket {
    /// Of a step without a breaker. Whatever failure there is when it ends came after it began, so nobody needs to know when
    /// that was.
    const NEW: Self = Self { pass: None, began: DateTime(i64::MIN) };
}

impl Breakers {
    pub(super) fn new(settings: Option<BreakerSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, steps: Mutex::default(), count: AtomicUsize::new(0) }
    }

    pub(super) fn enter(&self, step: &Step) -> Result<Ticket> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(Ticket::NEW);
        }
        let mut steps = self.lock();
        let Some(kept) = steps.get_mut(&step.key) else { return Ok(Ticket::NEW) };
        let began = self.clock.now();
        match kept.breaker.enter(began) {
            Entry::Goes(pass) => Ok(Ticket { pass: Some(pass), began }),
            Entry::Disabled { until } => Err(disabled(kept, until, began)),
        }
    }

    /// Whether the step is enabled again by this end.
    pub(super) fn end(&self, step: &Step, ticket: Ticket, end: End, error: Option<&Error>) -> bool {
        let Some(settings) = &self.settings else { return false };
        if end != End::Broke && self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut steps = self.lock();
        let kept = match (steps.get_mut(&step.key), end, error) {
            (Some(kept), _, _) => kept,
            (None, End::Broke, Some(error)) => {
                let kept = Kept { breaker: Breaker::default(), last: error.clone() };
                steps.entry(step.key.clone()).or_insert(kept)
            }
            (None, _, _) => return false,
        };
        if let (End::Broke, Some(error)) = (end, error) {
            kept.last = error.clone();
        }
        let now = self.clock.now();
        // One that came when there was no breaker is as one that came when it was new.
        let pass = ticket.pass.unwrap_or_default();
        let turn = kept.breaker.end(settings, pass, end, ticket.began, now);
        match turn {
            Turn::Stays => {}
            Turn::Opened(pause) => tell_opened(&step.key, kept, pause),
            Turn::Closed => tell_closed(&step.key, "a run of it has worked"),
        }
        if kept.breaker.is_idle() {
            steps.remove(&step.key);
        }
        self.count.store(steps.len(), Ordering::Release);
        turn == Turn::Closed
    }

    pub(super) fn close(&self, step: &StepKey) -> bool {
        let mut steps = self.lock();
        let closed = steps.remove(step).is_some_and(|mut kept| kept.breaker.close() == Turn::Closed);
        self.count.store(steps.len(), Ordering::Release);
        if closed {
            tell_closed(step, "an operator has said so");
        }
        closed
    }

    /// How many runs of each step that is disabled would be let in now.
    pub(super) fn room(&self) -> Vec<(StepKey, u32)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let now = self.clock.now();
        let steps = self.lock();
        steps.iter().filter_map(|(step, kept)| Some((step.clone(), kept.breaker.room(now)?))).collect()
    }

    pub(super) fn open(&self) -> Vec<OpenBreaker> {
        let steps = self.lock();
        let open = steps.iter().filter_map(|(step, kept)| {
            let (since, until, failures) = kept.breaker.opened()?;
            Some(OpenBreaker { step: step.clone(), since, until, failures, last: kept.last.clone() })
        });
        let mut open: Vec<OpenBreaker> = open.collect();
        open.sort_by_key(|breaker| (breaker.since.0, breaker.step.to_string()));
        open
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StepKey, Kept>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn disabled(kept: &Kept, until: Option<DateTime>, now: DateTime) -> Error {
    let failures = kept.breaker.opened().map_or(0, |(_, _, failures)| failures);
    let when = until.map_or_else(
        || "while one run of it is tried".to_owned(),
        |until| format!("until {}, when one run of it is tried", shown(until)),
    );
    let message = format!(
        "the step is disabled {when}, since it broke down {failures} times in a row, the last time so: {} ({}); repair the \
         plugin, or enable the step with `Host::close_breaker`",
        kept.last.message(),
        kept.last.kind().name()
    );
    let wait = until.map_or(SATURATED_RETRY_AFTER, |until| {
        Duration::from_millis(u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0))
    });
    let cause = Disabled::new(until, failures, kept.last.kind());
    Error::new(ErrorKind::Disabled, message)
        .with_cause(Cause::Disabled(cause))
        .with_retry_after(wait)
        .with_source(kept.last.clone())
}

fn tell_opened(step: &StepKey, kept: &Kept, pause: Duration) {
    let (plugin, step) = (&step.plugin, &step.step);
    let failures = kept.breaker.opened().map_or(0, |(_, _, failures)| failures);
    let (kind, last) = (kept.last.kind().name(), kept.last.message());
    tracing::warn!(plugin, step, failures, kind, last, ?pause, "a step is disabled for a while");
}

fn tell_closed(step: &StepKey, reason: &str) {
    let (plugin, step) = (&step.plugin, &step.step);
    tracing::info!(plugin, step, reason, "a step is enabled again");
}
