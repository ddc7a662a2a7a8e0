//! How long a run waited for others: each moment once, however many calls are under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts the time in which at least one call is waited for.
#[derive(Default)]
pub(super) struct Busy(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: u32,
    since: Option<Instant>,
    total: Duration,
}

/// While it lives, a call is waited for.
pub(super) struct Waiting(Arc<Busy>);

impl Busy {
    pub(super) fn enter(self: &Arc<Self>) -> Waiting {
        let mut state = self.lock();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Waiting(Arc::clone(self))
    }

    pub(super) fn total(&self) -> Duration {
        let state = self.lock();
        state.total + state.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0
            && let Some(since) = state.since.take()
        {
            state.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_counts_once() {
        let busy = Arc::new(Busy::default());
        assert_eq!(busy.total(), Duration::ZERO);
        let (one, two) = (busy.enter(), busy.enter());
        drop(one);
        assert!(busy.lock().since.is_some(), "the other one is still waited for");
        drop(two);
        let total = busy.total();
        assert!(busy.lock().since.is_none());
        assert_eq!(busy.total(), total, "nobody waits any more");
    }
}
