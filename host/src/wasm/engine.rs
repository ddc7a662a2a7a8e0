//! The engine: how guests are compiled, where their memory comes from, and what makes their time pass.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::model::error::{Error, ErrorKind, Result};
use crate::wasm::cache::{CACHE_BYTES_DEFAULT, Cache};
use crate::wasm::compiler::Compiler;
use crate::wasm::core_dump::CoreDumps;
use crate::wasm::limits::Limits;
use crate::wasm::plugin::{Admitted, Plugin};
use crate::wasm::profile::{self, Profiler};
use crate::wasm::run::State;
use crate::wasm::trust::Trust;
use crate::wasm::v0_1::World;

/// How often a computing guest is interrupted: the accuracy of the deadline. Ticks of 10 ms cost 0.2 % of a core, ticks
/// of 1 ms 1.5 % and drift.
pub const TICK: Duration = Duration::from_millis(10);
/// Memory mappings of one live instance, as measured; the kernel bounds them per process.
const MAPPINGS_PER_INSTANCE: u64 = 6;
/// Bytes of one linear memory in the pool: all that 32 bits can name. Each slot has addresses for it anyway, and what a run
/// may use of it is what its limits and grants say.
const MEMORY_BYTES_MAX: usize = if usize::BITS > 32 { 1 << (usize::BITS / 2) } else { usize::MAX };
/// Core instances, memories and tables of one component at most: what components of interpreted languages need.
pub(super) const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
pub(super) const MEMORIES_PER_COMPONENT: u32 = 4;
pub(super) const TABLES_PER_COMPONENT: u32 = 40;

/// How an engine is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Message requests from outside that run at once, asynchronous steps included. More wait for a place, bounded by
    /// their deadline. Each has room for as many sandboxes as requests may nest, and one to spare.
    pub concurrency: u32,
    /// How deep requests may nest.
    pub depth_limit: u32,
    /// What one run of a guest may use.
    pub limits: Limits,
    /// Where compiled components are kept; none compiles each at every start. The folder is made with access for its
    /// owner alone, since what is in it is machine code.
    pub cache: Option<PathBuf>,
    /// Bytes of compiled code that are kept there; those that were not used for the longest time make room. Default:
    /// 1 GiB.
    pub cache_bytes: u64,
    /// Whose plugins are loaded. Default: everybody's.
    pub trust: Trust,
    /// What compiles, and within which limits.
    pub compiler: Compiler,
    /// Where the memory of guests comes from.
    pub allocation: Allocation,
    /// Takes samples of all guests. Guests are interrupted ten times as often then, and the frames of errors have no file
    /// and line, since looking them up takes longer than a sample may.
    pub profiler: Option<Profiler>,
    /// A folder for core dumps of guests that trap, made if it is not there. They hold whatever the guest had in memory,
    /// data of records and secure configurations too; a file can be read by its user alone. The first 16 of an engine
    /// are written.
    pub core_dumps: Option<PathBuf>,
}

/// Where the memory of guests comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// A pool of slots that are reused: ten microseconds for a step.
    Pool,
    /// The pool with wasmtime's defaults: three times slower, and slower still on a second thread. For comparison.
    DefaultPool,
    /// Mapped and unmapped for every run: four times slower. For systems that cannot reserve the pool's addresses.
    OnDemand,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            depth_limit: crate::pipeline::DEPTH_LIMIT_DEFAULT,
            limits: Limits::default(),
            cache: None,
            cache_bytes: CACHE_BYTES_DEFAULT,
            trust: Trust::default(),
            compiler: Compiler::default(),
            allocation: Allocation::Pool,
            profiler: None,
            core_dumps: None,
        }
    }
}

/// Compiles and runs guests. Cheap to clone; its ticker ends with the last clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) linker: Arc<Linker<State>>,
    /// With outgoing HTTP, for those who import it.
    pub(super) http_linker: Arc<Linker<State>>,
    pub(super) cache: Option<Arc<Cache>>,
    /// Held while a component is compiled.
    pub(super) compiling: Arc<Mutex<()>>,
    pub(super) core_dumps: Option<Arc<CoreDumps>>,
    settings: Arc<Settings>,
}

impl Engine {
    /// Makes an engine and starts its ticker, a thread of the operating system: a task of the runtime would starve
    /// behind the very guests that it is to stop.
    ///
    /// Fails if the pool's addresses cannot be reserved, if the kernel allows too few mappings for it, or if a folder cannot be
    /// used.
    pub fn new(settings: Settings) -> Result<Self> {
        check_mappings(&settings)?;
        settings.trust.check()?;
        let wasmtime = wasmtime::Engine::new(&config(&settings)).map_err(|error| {
            let slots = slots(&settings);
            cannot(format!(
                "cannot set the engine up with {slots} sandboxes: {error:#}; lower the concurrency, or use \
                     Allocation::OnDemand where addresses are scarce"
            ))
        })?;
        let mut linker = Linker::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| World::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state))
            .map_err(|error| cannot(format!("cannot define the host's interfaces: {error:#}")))?;
        let mut http_linker = linker.clone();
        super::http::add_to_linker(&mut http_linker)
            .map_err(|error| cannot(format!("cannot define outgoing HTTP: {error:#}")))?;
        let cache = settings.cache.as_deref().map(|folder| Cache::open(folder, settings.cache_bytes));
        let cache = cache.transpose()?.map(Arc::new);
        let core_dumps = settings.core_dumps.as_deref().map(CoreDumps::open).transpose()?.map(Arc::new);
        start_ticker(&wasmtime, if settings.profiler.is_some() { profile::INTERVAL } else { TICK })?;
        Ok(Self {
            wasmtime,
            linker: Arc::new(linker),
            http_linker: Arc::new(http_linker),
            cache,
            compiling: Arc::default(),
            core_dumps,
            settings: Arc::new(settings),
        })
    }

    /// Loads a component as a plugin: reads it, checks it, and compiles it unless it is cached. The blocking work runs off
    /// the runtime's workers; if the caller goes away, what has begun of it is still done.
    ///
    /// Fails with [`ErrorKind::InvalidPlugin`] and a message that says what the file is instead of a plugin for this host,
    /// each problem with its way out. [`Engine::admit`] has them as data.
    pub async fn load(&self, path: impl AsRef<Path>) -> Result<Plugin> {
        self.admit(path).await?.plugin
    }

    /// Loads a component as a plugin, and says all that there is to say about it, also where it is refused.
    ///
    /// Fails only where there is nothing to judge: the file cannot be read, is no component, or has a function that is too
    /// large, which is found before the rest of the file is read.
    pub async fn admit(&self, path: impl AsRef<Path>) -> Result<Admitted> {
        Plugin::admit(self, path.as_ref()).await
    }

    /// How it was made.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The sandboxes that may live at once: a root request holds one at each depth, and a nested one never waits for a
/// slot, since a pool that is full is an error and a permit for each level would be a deadlock.
fn slots(settings: &Settings) -> u32 {
    settings.concurrency.saturating_mul(settings.depth_limit.saturating_add(1))
}

fn check_mappings(settings: &Settings) -> Result<()> {
    let Ok(text) = std::fs::read_to_string("/proc/sys/vm/max_map_count") else { return Ok(()) };
    let Ok(most) = text.trim().parse::<u64>() else { return Ok(()) };
    let wanted = u64::from(slots(settings)) * MAPPINGS_PER_INSTANCE;
    // Half is left to the rest of the process: past the limit, allocations that have nothing to do with us fail.
    if wanted > most / 2 {
        let Settings { concurrency, depth_limit, .. } = settings;
        return Err(cannot(format!(
            "a concurrency of {concurrency} at depth {depth_limit} needs {wanted} memory mappings, and \
             vm.max_map_count is {most}; raise it with sysctl or lower the concurrency"
        )));
    }
    Ok(())
}

fn config(settings: &Settings) -> Config {
    let mut config = code_config(has_places(settings));
    config
        .max_wasm_stack(settings.limits.stack_bytes)
        .async_stack_size(settings.limits.stack_bytes + HOST_STACK_BYTES)
        .coredump_on_trap(settings.core_dumps.is_some())
        .allocation_strategy(match settings.allocation {
            Allocation::OnDemand => InstanceAllocationStrategy::OnDemand,
            Allocation::Pool => InstanceAllocationStrategy::Pooling(tuned(pool(settings))),
            Allocation::DefaultPool => InstanceAllocationStrategy::Pooling(pool(settings)),
        });
    if settings.profiler.is_some() {
        config.wasm_backtrace_max_frames(NonZeroUsize::new(profile::FRAMES_MAX));
    }
    config
}

/// Whether frames of guests are to have files and lines. Samples of a profiler find theirs in another way.
pub(super) fn has_places(settings: &Settings) -> bool {
    settings.profiler.is_none()
}

/// What compiled code depends on: the same for every host with such frames, so that one process can compile for another.
pub(super) fn code_config(has_places: bool) -> Config {
    let details = if has_places { WasmBacktraceDetails::Enable } else { WasmBacktraceDetails::Disable };
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Only WASI 0.3 guests need it; it triples the cost of a call and makes nesting grow faster than linearly.
        .concurrency_support(false)
        .wasm_backtrace_details(details);
    config
}

/// The part of a guest's stack that host functions run on: room for the longest cascade in a debug build, since an
/// overflow there aborts the process. What is not touched is address space and no memory.
const HOST_STACK_BYTES: usize = 4 << 20;

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let slots = slots(settings);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(slots.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_tables(slots.saturating_mul(TABLES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .table_elements(settings.limits.table_elements)
        .max_memory_size(MEMORY_BYTES_MAX);
    pool
}

/// With these a slot is reset without a page fault or a mapping call, which makes a step three times cheaper, and is
/// the only way in which a second thread makes it faster: the others queue for the process's memory map.
fn tuned(mut pool: PoolingAllocationConfig) -> PoolingAllocationConfig {
    pool.linear_memory_keep_resident(2 << 20).table_keep_resident(64 << 10).pagemap_scan(Enabled::Auto);
    pool
}

fn start_ticker(engine: &wasmtime::Engine, tick: Duration) -> Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("stagegate-ticker".into())
        .spawn(move || {
            // Against absolute time, so that the ticks do not drift.
            let mut next = Instant::now() + tick;
            loop {
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                next = (next + tick).max(Instant::now());
            }
        })
        .map(drop)
        .map_err(|error| {
            cannot("cannot start the thread that makes guests' time pass".into()).with_source(error)
        })
}

fn cannot(message: String) -> Error {
    Error::new(ErrorKind::Internal, message)
}
