//! A profile of guests: where they compute, sampled whenever the epoch interrupts one, in the format of the Firefox
//! Profiler, which other viewers read too.
//!
//! A plugin is a process in it and a step a thread; runs of one step that overlap have threads of their own. Only
//! guests that run are interrupted, so what waits for the host is no sample: calls to the host are markers instead, and
//! so is each run, since most are over before the first tick.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, MarkerTiming, ProcessHandle,
    Profile, SamplingInterval, StaticSchemaMarker, StaticSchemaMarkerField, StringHandle, ThreadHandle,
    Timestamp,
};
use wasmtime::{AsContext, WasmBacktrace};

use crate::model::step::StepKey;
use crate::wasm::failure::{is_machinery, readable};

/// How often a guest is sampled: ten times as often as guests are interrupted without a profiler, for 1.5 % of a core.
pub(super) const INTERVAL: Duration = Duration::from_millis(1);
/// Frames of one sample: the outermost of a deeper stack are left out.
pub(super) const FRAMES_MAX: usize = 256;
/// Samples and markers at most, about 100 MB in the file: a program that runs on is not to fill its memory with them.
const ENTRIES_MAX: usize = 1_000_000;

/// Collects samples of guests: of all plugins of the engines that [have it](crate::wasm::Settings::profiler). Cheap to
/// clone; the clones are one.
///
/// The file has the names of the plugins' functions and steps, and no data of records.
#[derive(Clone)]
pub struct Profiler(Arc<Mutex<Collected>>);

struct Collected {
    profile: Profile,
    started: Instant,
    processes: HashMap<String, ProcessHandle>,
    threads: HashMap<StepKey, Vec<Thread>>,
    categories: Categories,
    entries: usize,
    dropped: usize,
}

struct Categories {
    plugin: CategoryHandle,
    machinery: CategoryHandle,
    host: CategoryHandle,
}

struct Thread {
    handle: ThreadHandle,
    taken: bool,
}

impl Default for Profiler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiler").field("entries", &self.lock().entries).finish_non_exhaustive()
    }
}

impl Profiler {
    /// An empty profile, whose time begins now.
    #[must_use]
    pub fn new() -> Self {
        let mut profile = Profile::new(
            "Stagegate",
            SystemTime::now().into(),
            SamplingInterval::from_nanos(nanos(INTERVAL)),
        );
        // The functions have their names: no viewer has to look for symbols.
        profile.set_symbolicated(true);
        let categories = Categories {
            plugin: profile.add_category("Plugin", CategoryColor::Blue),
            machinery: profile.add_category("Libraries and bindings", CategoryColor::Gray),
            host: profile.add_category("Host", CategoryColor::Orange),
        };
        let collected = Collected {
            profile,
            started: Instant::now(),
            processes: HashMap::new(),
            threads: HashMap::new(),
            categories,
            entries: 0,
            dropped: 0,
        };
        Self(Arc::new(Mutex::new(collected)))
    }

    /// Writes what was collected so far, as JSON. Runs that are not over are in it with their samples.
    pub fn write(&self, output: impl Write) -> io::Result<()> {
        let mut collected = self.lock();
        let collected = &mut *collected;
        let now = collected.timestamp(Instant::now());
        for process in collected.processes.values() {
            collected.profile.set_process_end_time(*process, now);
        }
        for thread in collected.threads.values().flatten() {
            collected.profile.set_thread_end_time(thread.handle, now);
        }
        if collected.dropped > 0 {
            let dropped = collected.dropped;
            tracing::warn!(
                dropped,
                "the profile is full: it has the first {ENTRIES_MAX} samples and markers"
            );
        }
        Ok(serde_json::to_writer(output, &collected.profile)?)
    }

    /// Begins a run of a step.
    pub(super) fn track(&self, step: &StepKey) -> Track {
        let thread = self.lock().take_thread(step);
        let now = Instant::now();
        Track { profiler: self.clone(), step: step.clone(), thread, started: now, sampled: now }
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collected {
    /// A thread of the step that no run has now.
    fn take_thread(&mut self, step: &StepKey) -> ThreadHandle {
        let start = self.timestamp(Instant::now());
        let threads = self.threads.entry(step.clone()).or_default();
        if let Some(free) = threads.iter_mut().find(|thread| !thread.taken) {
            free.taken = true;
            return free.handle;
        }
        let number = u32::try_from(self.processes.len() + 1).unwrap_or(u32::MAX);
        let process = *self
            .processes
            .entry(step.plugin.clone())
            .or_insert_with(|| self.profile.add_process(&step.plugin, number, start));
        // None is the main thread: viewers call that one by its process.
        let handle = self.profile.add_thread(process, number, start, false);
        let name = match threads.len() {
            0 => step.step.clone(),
            others => format!("{} ({})", step.step, others + 1),
        };
        self.profile.set_thread_name(handle, &name);
        threads.push(Thread { handle, taken: true });
        handle
    }

    fn give_back(&mut self, step: &StepKey, handle: ThreadHandle) {
        let mut threads = self.threads.get_mut(step).into_iter().flatten();
        if let Some(thread) = threads.find(|thread| thread.handle == handle) {
            thread.taken = false;
        }
    }

    /// Whether there is room for another entry, which is counted.
    fn has_room(&mut self) -> bool {
        let room = self.entries < ENTRIES_MAX;
        if room {
            self.entries += 1;
        } else {
            self.dropped += 1;
        }
        room
    }

    fn sample(&mut self, thread: ThreadHandle, backtrace: &WasmBacktrace, at: Instant, computed: Duration) {
        if !self.has_room() {
            return;
        }
        let mut frames = Vec::new();
        // The caller first.
        for frame in backtrace.frames().iter().rev() {
            let name = match frame.func_name() {
                Some(name) => readable(name),
                None => format!("function {}", frame.func_index()),
            };
            let category =
                if is_machinery(&name, None) { self.categories.machinery } else { self.categories.plugin };
            let label = self.profile.intern_string(&name);
            let (category_pair, flags) = (category.into(), FrameFlags::empty());
            frames.push(FrameInfo { frame: Frame::Label(label), category_pair, flags });
        }
        let stack = self.profile.intern_stack_frames(thread, frames.into_iter());
        let at = self.timestamp(at);
        self.profile.add_sample(thread, at, stack, CpuDelta::from_nanos(nanos(computed)), 1);
    }

    fn mark(&mut self, thread: ThreadHandle, name: &str, category: CategoryHandle, since: Instant) {
        if !self.has_room() {
            return;
        }
        let timing = MarkerTiming::Interval(self.timestamp(since), self.timestamp(Instant::now()));
        let name = self.profile.intern_string(name);
        self.profile.add_marker(thread, timing, Interval { name, category });
    }

    fn timestamp(&self, at: Instant) -> Timestamp {
        Timestamp::from_nanos_since_reference(nanos(at.saturating_duration_since(self.started)))
    }
}

/// One run of a step in the profile.
pub(super) struct Track {
    profiler: Profiler,
    step: StepKey,
    thread: ThreadHandle,
    started: Instant,
    sampled: Instant,
}

impl Track {
    /// Notes where the guest of that store is. To be called while it runs.
    pub(super) fn sample(&mut self, store: impl AsContext) {
        let backtrace = WasmBacktrace::force_capture(store);
        let now = Instant::now();
        // What went before the last tick may have been a call to the host.
        let computed = now.duration_since(self.sampled).min(INTERVAL);
        self.sampled = now;
        self.profiler.lock().sample(self.thread, &backtrace, now, computed);
    }

    /// Notes a call to the host that is over.
    pub(super) fn call(&self, name: &str, since: Instant) {
        let mut collected = self.profiler.lock();
        let category = collected.categories.host;
        collected.mark(self.thread, name, category, since);
    }
}

/// The run is over, however it ended.
impl Drop for Track {
    fn drop(&mut self) {
        let mut collected = self.profiler.lock();
        let category = collected.categories.plugin;
        collected.mark(self.thread, "run", category, self.started);
        collected.give_back(&self.step, self.thread);
    }
}

/// A piece of time with a name.
struct Interval {
    name: StringHandle,
    category: CategoryHandle,
}

impl StaticSchemaMarker for Interval {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "interval";
    const CHART_LABEL: Option<&'static str> = Some("{marker.name}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[];

    fn name(&self, _profile: &mut Profile) -> StringHandle {
        self.name
    }

    fn category(&self, _profile: &mut Profile) -> CategoryHandle {
        self.category
    }

    /// Never called: there are no fields.
    fn string_field_value(&self, _field_index: u32) -> StringHandle {
        self.name
    }

    /// Never called: there are no fields.
    fn number_field_value(&self, _field_index: u32) -> f64 {
        0.0
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
