//! What each plugin uses, and whether it may use more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::MemoryMeter;
use crate::model::cause::{Cause, QuotaOf};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::code;
use crate::model::usage::{GuestTime, PluginUsage, Quota, TimeLeft};

/// The meters of a host's plugins.
pub(super) struct Meters {
    started: Instant,
    quotas: HashMap<String, Quota>,
    meters: RwLock<HashMap<String, Arc<Meter>>>,
}

/// The meter of a step's plugin, which the step keeps: a step is registered with one host, and its runs need not look it up.
#[derive(Default)]
pub struct HeldMeter(OnceLock<Arc<Meter>>);

impl HeldMeter {
    pub(super) fn of(&self, meters: &Meters, plugin: &str) -> &Arc<Meter> {
        self.0.get_or_init(|| meters.of(plugin))
    }
}

/// The meter of one plugin.
pub(super) struct Meter {
    started: Instant,
    quota: Quota,
    runs: AtomicU64,
    held_back: AtomicU64,
    guest_nanos: AtomicU64,
    failures: Mutex<HashMap<ErrorKind, u64>>,
    time: Option<Mutex<TimeLeft>>,
    memory: Arc<MemoryMeter>,
}

impl Meters {
    pub(super) fn new(quotas: impl IntoIterator<Item = (String, Quota)>) -> Self {
        let meters =
            Self { started: Instant::now(), quotas: quotas.into_iter().collect(), meters: RwLock::default() };
        // One with a quota is reported before it has run.
        meters.quotas.keys().for_each(|plugin| drop(meters.of(plugin)));
        meters
    }

    pub(super) fn of(&self, plugin: &str) -> Arc<Meter> {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = meters.get(plugin) {
            return Arc::clone(meter);
        }
        drop(meters);
        let mut meters = self.meters.write().unwrap_or_else(PoisonError::into_inner);
        let quota = self.quotas.get(plugin).copied().unwrap_or_default();
        let meter = meters.entry(plugin.to_owned());
        Arc::clone(meter.or_insert_with(|| Arc::new(Meter::new(quota, self.started))))
    }

    /// The plugins that have used up a quota.
    pub(super) fn full(&self) -> Vec<String> {
        if self.quotas.is_empty() {
            return Vec::new();
        }
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        let full = meters.iter().filter(|(_, meter)| meter.wait().is_some() || meter.memory.is_full());
        full.map(|(plugin, _)| plugin.clone()).collect()
    }

    pub(super) fn usage(&self) -> Vec<PluginUsage> {
        let meters = self.meters.read().unwrap_or_else(PoisonError::into_inner);
        let mut usage: Vec<PluginUsage> = meters.iter().map(|(plugin, meter)| meter.usage(plugin)).collect();
        usage.sort_by(|a, b| a.plugin.cmp(&b.plugin));
        usage
    }
}

impl Meter {
    fn new(quota: Quota, started: Instant) -> Self {
        let left = |quota: GuestTime| Mutex::new(TimeLeft::new(quota, started.elapsed()));
        Self {
            started,
            quota,
            runs: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            guest_nanos: AtomicU64::new(0),
            failures: Mutex::default(),
            time: quota.guest_time.map(left),
            memory: Arc::new(MemoryMeter::new(quota.memory_bytes)),
        }
    }

    /// A run wants to begin.
    pub(super) fn enter(&self, plugin: &str) -> Result<()> {
        match (self.wait(), self.quota.guest_time) {
            (Some(wait), Some(quota)) => Err(out_of_time(plugin, quota, wait)),
            _ => Ok(()),
        }
    }

    /// How long there is no time left for it.
    fn wait(&self) -> Option<Duration> {
        let time = self.time.as_ref()?;
        time.lock().unwrap_or_else(PoisonError::into_inner).wait(self.started.elapsed())
    }

    pub(super) fn memory(&self) -> Arc<MemoryMeter> {
        Arc::clone(&self.memory)
    }

    pub(super) fn note_held_back(&self) {
        self.held_back.fetch_add(1, Ordering::Relaxed);
    }

    /// A run has ended, and failed with that.
    pub(super) fn note(&self, failure: Option<ErrorKind>, guest_time: Duration) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.note_time(guest_time);
        if let Some(kind) = failure {
            *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
        }
    }

    pub(super) fn note_time(&self, guest_time: Duration) {
        let nanos = u64::try_from(guest_time.as_nanos()).unwrap_or(u64::MAX);
        self.guest_nanos.fetch_add(nanos, Ordering::Relaxed);
        if let Some(time) = &self.time {
            time.lock().unwrap_or_else(PoisonError::into_inner).take(guest_time, self.started.elapsed());
        }
    }

    fn usage(&self, plugin: &str) -> PluginUsage {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failures: Vec<(ErrorKind, u64)> =
            failures.iter().map(|(kind, count)| (*kind, *count)).collect();
        failures.sort_by_key(|(kind, _)| kind.name());
        PluginUsage {
            plugin: plugin.to_owned(),
            runs: self.runs.load(Ordering::Relaxed),
            failures,
            held_back: self.held_back.load(Ordering::Relaxed),
            guest_time: Duration::from_nanos(self.guest_nanos.load(Ordering::Relaxed)),
            memory_bytes: self.memory.bytes(),
            memory_peak_bytes: self.memory.peak(),
            quota: self.quota,
            open_breakers: Vec::new(),
        }
    }
}

fn out_of_time(plugin: &str, quota: GuestTime, wait: Duration) -> Error {
    let message = format!(
        "the plugin `{plugin}` has used up its quota of {quota} in guests; try again in {} ms, or raise `guest_time` of \
         its quota",
        wait.as_millis()
    );
    Error::new(ErrorKind::Saturated, message)
        .with_code(code::EXECUTION_TIME_EXCEEDED)
        .with_cause(Cause::OverQuota(QuotaOf::GuestTime))
        .with_retry_after(wait)
}
