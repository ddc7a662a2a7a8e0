//! The random numbers and the clocks of a guest that is not granted the real ones. WASI's functions for them cannot
//! refuse, and the standard library calls them for every hash map, so they answer what is worth nothing to an attacker.
//!
//! Random numbers follow from the execution alone: the same execution has the same ones. Clocks go in steps of a
//! millisecond, which is too coarse to tell what a neighbour does to a cache; WASI's timers are as coarse, since those of
//! the runtime are.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rand_core::TryRng;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

use crate::model::Clock;
use crate::pipeline::execution::Execution;
use crate::pipeline::registry::Step;
use crate::wasm::granted::Granted;

/// The step of the clocks.
const RESOLUTION: Duration = Duration::from_millis(1);
/// Keeps the stream apart from whatever else is derived by the same function.
const PURPOSE: &str = "stagegate 2026-11-28 the random numbers of a guest without the grant";

/// The same for what is derived for [`PURPOSE`].
static KEY: LazyLock<[u8; blake3::KEY_LEN]> = LazyLock::new(|| blake3::derive_key(PURPOSE, &[]));
/// What a run's random numbers follow from. Most runs ask for none, so nothing but this is made ahead.
#[derive(Clone, Copy)]
pub(super) struct Seed([u8; blake3::KEY_LEN]);

impl Seed {
    /// Of a step in a message.
    pub(super) fn of(execution: &Execution, step: &Step) -> Self {
        let (context, key) = (&execution.context, &step.key);
        let mut from = Vec::with_capacity(64);
        from.extend_from_slice(context.request_id.as_bytes());
        from.push(step.definition.stage.number());
        from.extend_from_slice(&execution.attempt().to_le_bytes());
        from.extend_from_slice(key.plugin.as_bytes());
        from.push(0);
        from.extend_from_slice(key.step.as_bytes());
        Self(*blake3::keyed_hash(&KEY, &from).as_bytes())
    }

    /// Of a plugin that declares its steps.
    pub(super) fn of_declaration() -> Self {
        Self(*blake3::keyed_hash(&KEY, &[]).as_bytes())
    }

    fn stream(self, number: u8) -> Stream {
        Stream { seed: self, number, bytes: None }
    }

    /// A number that nobody takes for a secret.
    fn number(self) -> u128 {
        self.0.first_chunk().copied().map_or(0, u128::from_le_bytes)
    }
}

/// Gives a guest whose run began at `began` what it has of random numbers and clocks.
pub(super) fn give(
    wasi: &mut WasiCtxBuilder,
    seed: Seed,
    clock: &Arc<dyn Clock>,
    granted: &Granted,
    began: Instant,
) {
    if !granted.random {
        wasi.secure_random(seed.stream(1))
            .insecure_random(seed.stream(2))
            .insecure_random_seed(seed.number());
    }
    if !granted.clocks {
        wasi.wall_clock(CoarseWall(Arc::clone(clock))).monotonic_clock(CoarseMonotonic(began));
    }
}

/// Bytes that follow from a seed alone, one of several such.
struct Stream {
    seed: Seed,
    number: u8,
    bytes: Option<blake3::OutputReader>,
}

impl Stream {
    fn fill(&mut self, bytes: &mut [u8]) {
        let Self { seed, number, bytes: reader } = self;
        let from = || blake3::Hasher::new_keyed(&seed.0).update(&[*number]).finalize_xof();
        reader.get_or_insert_with(from).fill(bytes);
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

/// The time that the contract's `now` tells.
struct CoarseWall(Arc<dyn Clock>);

impl HostWallClock for CoarseWall {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        // WASI has no moments before 1970.
        Duration::from_millis(u64::try_from(self.0.now().0).unwrap_or(0))
    }
}

/// Whole milliseconds since the run began.
struct CoarseMonotonic(Instant);

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        u64::try_from(RESOLUTION.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        let steps = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        steps.saturating_mul(self.resolution())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_are_the_same_again_and_differ_from_each_other() {
        let number = |number| Seed::of_declaration().stream(number).try_next_u64().unwrap();
        assert_eq!(number(1), number(1));
        assert_ne!(number(1), number(2));
        let other = Seed(*blake3::keyed_hash(&KEY, b"x").as_bytes());
        assert_ne!(other.stream(1).try_next_u64().unwrap(), number(1));
    }

    #[test]
    fn coarse_clocks_go_in_whole_milliseconds() {
        let clock = CoarseMonotonic(Instant::now());
        assert_eq!(clock.now() % 1_000_000, 0);
        let wall = CoarseWall(Arc::new(crate::model::FixedClock(crate::model::DateTime(-5))));
        assert_eq!(wall.now(), Duration::ZERO);
    }
}
