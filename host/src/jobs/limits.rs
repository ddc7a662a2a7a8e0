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
