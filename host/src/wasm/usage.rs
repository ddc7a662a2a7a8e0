//! What the plugins of an engine hold, as gauges for the service's metrics.

use crate::wasm::engine::Engine;

/// What the plugins of an engine hold of its pool now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Sandboxes: one for each step that runs.
    pub sandboxes: u64,
    /// Core instances in them: a component is made of several.
    pub core_instances: u64,
    /// Linear memories.
    pub memories: usize,
    /// Tables.
    pub tables: usize,
    /// Stacks.
    pub stacks: usize,
    /// Bytes that free slots keep in memory for the next run, zeroed.
    pub kept_bytes: usize,
}

impl Engine {
    /// What its plugins hold now. All is zero when no step runs, but for the bytes that are kept for the next run. None
    /// without a pool ([`Allocation::OnDemand`](crate::wasm::Allocation::OnDemand)), where nothing is counted.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let pool = self.wasmtime.pooling_allocator_metrics()?;
        Some(Usage {
            sandboxes: pool.component_instances(),
            core_instances: pool.core_instances(),
            memories: pool.memories(),
            tables: pool.tables(),
            stacks: pool.stacks(),
            kept_bytes: pool.unused_memory_bytes_resident() + pool.unused_table_bytes_resident(),
        })
    }
}
