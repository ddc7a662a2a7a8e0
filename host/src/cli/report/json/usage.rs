//! What plugins used, and which steps are disabled, in the report for machines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::us;
use crate::model::{DateTime, OpenBreaker, PluginUsage, Quota};

#[derive(Serialize)]
pub(super) struct UsageJson<'a> {
    plugin: &'a str,
    runs: u64,
    failures: BTreeMap<&'static str, u64>,
    held_back: u64,
    guest_time_us: u64,
    memory_peak_bytes: u64,
    quota: Quota,
    open_breakers: Vec<BreakerJson<'a>>,
}

#[derive(Serialize)]
struct BreakerJson<'a> {
    step: &'a str,
    since: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime>,
    failures: u32,
    last: &'static str,
}

impl<'a> From<&'a PluginUsage> for UsageJson<'a> {
    fn from(usage: &'a PluginUsage) -> Self {
        Self {
            plugin: &usage.plugin,
            runs: usage.runs,
            failures: usage.failures.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
            held_back: usage.held_back,
            guest_time_us: us(usage.guest_time),
            memory_peak_bytes: usage.memory_peak_bytes,
            quota: usage.quota,
            open_breakers: usage.open_breakers.iter().map(BreakerJson::from).collect(),
        }
    }
}

impl<'a> From<&'a OpenBreaker> for BreakerJson<'a> {
    fn from(breaker: &'a OpenBreaker) -> Self {
        let OpenBreaker { step, since, until, failures, last } = breaker;
        Self { step: &step.step, since: *since, until: *until, failures: *failures, last: last.kind().name() }
    }
}
