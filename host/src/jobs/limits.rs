//! How many jobs of each step may be begun: where its policy sets a concurrency or a rate.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::model::job::Rate;
use crate::model::step::StepKey;
use crate::pipeline::registry::Registry;

/// What the policies of the steps allow, on this host.
pub(super) struct Limits {
    steps: HashMap<StepKey, Limit>,
}

struct Limit {
    concurrency: Option<u32>,
    /// Claimed, and not over.
    taken: u32,
    bucket: Option<Bucket>,
}

/// A rate as a bucket of tokens: full at first, and filled evenly.
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Limits {
    pub(super) fn new(registry: &Registry) -> Self {
        let limited = registry.iter().filter_map(|step| {
            let policy = &step.definition.jobs;
            let bucket = policy.rate.map(|rate| Bucket {
                rate,
                tokens: f64::from(rate.count),
                filled: Instant::now(),
            });
            let limit = Limit { concurrency: policy.concurrency, taken: 0, bucket };
            (policy.concurrency.is_some() || policy.rate.is_some()).then(|| (step.key.clone(), limit))
        });
        Self { steps: limited.collect() }
    }

    /// Goes by other policies from now on. `taken` has the step of each job that is claimed and not over. What a rate has
    /// left is kept.
    pub(super) fn follow<'a>(&mut self, registry: &Registry, taken: impl Iterator<Item = &'a StepKey>) {
        let before = std::mem::replace(self, Self::new(registry));
        for step in taken {
            if let Some(limit) = self.steps.get_mut(step) {
                limit.taken += 1;
            }
        }
        for (step, limit) in before.steps {
            let now = self.steps.get_mut(&step).and_then(|limit| limit.bucket.as_mut());
            if let Some((now, before)) = now.zip(limit.bucket) {
                now.tokens = now.tokens.min(before.tokens);
                now.filled = before.filled;
            }
        }
    }

    /// How many more of each step may be begun now.
    pub(super) fn now(&mut self) -> Vec<(StepKey, u32)> {
        let now = Instant::now();
        self.steps.iter_mut().map(|(step, limit)| (step.clone(), limit.now(now))).collect()
    }

    /// When a step that has used up its rate may begin another.
    pub(super) fn next(&self) -> Option<Instant> {
        self.steps.values().filter_map(|limit| limit.bucket.as_ref()?.next()).min()
    }

    pub(super) fn began(&mut self, step: &StepKey) {
        if let Some(limit) = self.steps.get_mut(step) {
            limit.taken += 1;
            if let Some(bucket) = &mut limit.bucket {
                bucket.tokens -= 1.0;
            }
        }
    }

    pub(super) fn ended(&mut self, step: &StepKey) {
        if let Some(limit) = self.steps.get_mut(step) {
            limit.taken = limit.taken.saturating_sub(1);
        }
    }
}

impl Limit {
    fn now(&mut self, now: Instant) -> u32 {
        let room = self.concurrency.map_or(u32::MAX, |concurrency| concurrency.saturating_sub(self.taken));
        let tokens = self.bucket.as_mut().map_or(u32::MAX, |bucket| bucket.fill(now));
        room.min(tokens)
    }
}

impl Bucket {
    fn per_second(&self) -> f64 {
        f64::from(self.rate.count) / self.rate.per.as_secs_f64()
    }

    /// The whole tokens that there are.
    fn fill(&mut self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + since * self.per_second()).min(f64::from(self.rate.count));
        // The bucket holds at most a u32, and a negative number becomes 0.
        self.tokens as u32
    }

    fn next(&self) -> Option<Instant> {
        let lacking = 1.0 - self.tokens;
        (lacking > 0.0).then(|| {
            let wait = std::time::Duration::try_from_secs_f64(lacking / self.per_second());
            self.filled + wait.unwrap_or(self.rate.per)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::{JobPolicy, Schema, Stage, StepDefinition};
    use crate::pipeline::native::NativeStep;

    fn registry(jobs: JobPolicy) -> Registry {
        let mut registry = Registry::default();
        let definition = StepDefinition::new("s", "Create", Stage::PostOperation).asynchronous().jobs(jobs);
        let runner = Arc::new(NativeStep::new(|_| async { Ok(()) }));
        registry.register(&Schema::default(), "p", definition, None, runner).unwrap();
        registry
    }

    fn left(limits: &mut Limits) -> Vec<u32> {
        limits.now().into_iter().map(|(_, left)| left).collect()
    }

    #[test]
    fn limits_that_change_know_what_runs() {
        let step = StepKey { plugin: "p".into(), step: "s".into() };
        let at_once = |count| registry(JobPolicy { concurrency: Some(count), ..JobPolicy::default() });
        let mut limits = Limits::new(&registry(JobPolicy::default()));
        limits.began(&step);
        assert!(left(&mut limits).is_empty());
        limits.follow(&at_once(3), [&step].into_iter());
        assert_eq!(left(&mut limits), [2]);
        limits.follow(&at_once(1), [&step].into_iter());
        assert_eq!(left(&mut limits), [0]);
        limits.ended(&step);
        assert_eq!(left(&mut limits), [1]);
    }

    #[test]
    fn a_rate_that_changes_gives_nothing_back() {
        let step = StepKey { plugin: "p".into(), step: "s".into() };
        let rate = |count| {
            let rate = Rate { count, per: Duration::from_hours(1) };
            registry(JobPolicy { rate: Some(rate), ..JobPolicy::default() })
        };
        let mut limits = Limits::new(&rate(3));
        limits.began(&step);
        limits.began(&step);
        limits.follow(&rate(9), [&step].into_iter());
        assert_eq!(left(&mut limits), [1]);
        limits.follow(&registry(JobPolicy::default()), [&step].into_iter());
        limits.follow(&rate(2), [&step].into_iter());
        assert_eq!(left(&mut limits), [2], "it was without a rate in between");
    }
}
