//! What a run of a guest may use, summed over everything that it owns.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::model::cause::{Exhausted, Resource};
use crate::pipeline::supervision::MemoryMeter;
use crate::wasm::http::HttpLimits;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The bounds of one run of a guest. Each is a maximum for the whole run, however many memories, tables or calls it is
/// spread over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of linear memory. The default, 128 MiB, admits Python and JavaScript guests, and bounds what one bulk
    /// memory instruction, which nothing can interrupt, takes to about 10 ms.
    pub memory_bytes: usize,
    /// Elements of tables. 50,000 admits the runtimes of interpreted languages.
    pub table_elements: usize,
    /// Bytes of the guest's own stack. wasmtime's default.
    pub stack_bytes: usize,
    /// Resource handles that the guest holds at once.
    pub handles: usize,
    /// Bytes that cross in one call between guest and host.
    pub call_bytes: usize,
    /// Bytes of trace lines that are kept, the newest; 10 KB on the platform.
    pub trace_bytes: usize,
    /// Bytes of standard output and standard error that are kept, the newest.
    pub output_bytes: usize,
    /// Calls by HTTP, where they are granted.
    pub http: HttpLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 * MIB,
            table_elements: 50_000,
            stack_bytes: 512 * KIB,
            handles: 10_000,
            call_bytes: 8 * MIB,
            trace_bytes: 10 * KIB,
            output_bytes: 4 * KIB,
            http: HttpLimits::default(),
        }
    }
}

/// Counts what a store holds and refuses what is too much. wasmtime's own limiter counts each memory by itself.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    /// The most memory that there was: memories never shrink.
    pub(super) memory_bytes_peak: usize,
    /// The first refusal. The guest only sees a failed growth and aborts in its own way, so the cause is kept here.
    pub(super) refusal: Option<Refusal>,
    /// Counts the memory of all sandboxes of the plugin.
    plugin: Option<Arc<MemoryMeter>>,
}

/// What a growth was refused for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// A limit of the run.
    Limit(Exhausted),
    /// The quota of the plugin, in bytes.
    Quota(u64),
}

impl Limiter {
    pub(super) fn new(limits: &Limits, plugin: Option<Arc<MemoryMeter>>) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes,
            table_elements_max: limits.table_elements,
            plugin,
            memory_bytes: 0,
            table_elements: 0,
            memory_bytes_peak: 0,
            refusal: None,
        }
    }

    /// Lets it have more memory.
    pub(super) fn with_more_memory(mut self, bytes: usize) -> Self {
        self.memory_bytes_max = self.memory_bytes_max.saturating_add(bytes);
        self
    }

    fn refuse(
        &mut self,
        resource: Resource,
        limit: usize,
        peak: usize,
        asked: usize,
    ) -> wasmtime::Result<bool> {
        let refusal =
            Exhausted { resource, limit: wide(limit), peak: Some(wide(peak)), asked: Some(wide(asked)) };
        self.refusal.get_or_insert(Refusal::Limit(refusal));
        Ok(false)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            return self.refuse(Resource::Memory, self.memory_bytes_max, self.memory_bytes_peak, total);
        }
        if let Some(Err(quota)) =
            self.plugin.as_ref().map(|plugin| plugin.grow(wide(total - self.memory_bytes)))
        {
            self.refusal.get_or_insert(Refusal::Quota(quota));
            return Ok(false);
        }
        self.memory_bytes = total;
        self.memory_bytes_peak = self.memory_bytes_peak.max(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.table_elements_max {
            let (limit, peak) = (self.table_elements_max, self.table_elements);
            return self.refuse(Resource::TableElements, limit, peak, total);
        }
        self.table_elements = total;
        Ok(true)
    }
}

/// The sandbox goes, and its memory with it.
impl Drop for Limiter {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.shrink(wide(self.memory_bytes));
        }
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The newest lines within a number of bytes.
#[derive(Debug)]
pub(super) struct Lines {
    lines: std::collections::VecDeque<String>,
    bytes: usize,
    bytes_max: usize,
    dropped: usize,
}

impl Lines {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { lines: std::collections::VecDeque::new(), bytes: 0, bytes_max, dropped: 0 }
    }

    pub(super) fn push(&mut self, mut line: String) {
        if line.len() > self.bytes_max {
            let end = (0..=self.bytes_max).rev().find(|&end| line.is_char_boundary(end)).unwrap_or(0);
            line.truncate(end);
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        let note = (self.dropped > 0).then(|| format!("({} older lines were dropped)", self.dropped));
        note.into_iter().chain(self.lines).collect()
    }
}
