//! What a host is busy with, as gauges for the service's metrics.

use crate::host::Host;

/// What a host is busy with now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Message requests and system jobs that run at once at most.
    pub places: usize,
    /// Those of the places that are taken.
    pub running: usize,
    /// Transactions of messages that are open, those of readers included.
    pub transactions: usize,
}

impl Host {
    /// What the host is busy with now. Costs nothing to ask. When nothing runs, no place is taken and no transaction is
    /// open, whatever plugins did: a service may watch for that. What plugins hold is in
    /// [`Engine::usage`](crate::wasm::Engine::usage).
    #[must_use]
    pub fn usage(&self) -> Usage {
        let places = usize::try_from(self.inner.concurrency).unwrap_or(usize::MAX);
        Usage {
            places,
            running: places.saturating_sub(self.inner.admission.available_permits()),
            transactions: self.inner.pipeline.transactions.now(),
        }
    }
}
