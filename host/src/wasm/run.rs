//! One run of a step in a fresh sandbox: a store, an instance, one call, all thrown away.
//!
//! Nothing survives a run, because a trap or a dropped call poisons the whole store, and because what one run leaves
//! in memory is nothing that another may see. The deadline is wall clock and held by four nets: the epoch callback
//! stops a guest that computes, a bound on each call to the host one that waits there, a bound on the whole call one
//! that sleeps in WASI, and a look at the clock afterwards one that comes back late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::Declaration;
use crate::model::{Clock, SystemClock};
use crate::pipeline::execution::{Deadline, Execution};
use crate::pipeline::registry::Step;
use crate::pipeline::runner::{Organization, Ran};
use crate::pipeline::supervision::MemoryMeter;
use crate::pipeline::{rejection, timed_out};
use crate::wasm::ambient::{self, Seed};
use crate::wasm::core_dump::CoreDumps;
use crate::wasm::failure;
use crate::wasm::granted::Granted;
use crate::wasm::http::{HttpLimits, Outgoing};
use crate::wasm::limits::{Limiter, Limits, Lines};
use crate::wasm::output::Tail;
use crate::wasm::place::Place;
use crate::wasm::profile::{Profiler, Track};
use crate::wasm::v0_1::{WorldPre, convert};

/// The bounds on waiting guests are staggered by this much for each level of nesting, innermost first, so that the
/// guest that really waits is the one that reports.
const STAGGER: Duration = Duration::from_millis(1);
/// Levels beyond this share the outermost bound: a timeout must still come within a few milliseconds.
const STAGGER_LEVELS: u32 = 4;

/// What a store holds for its guest.
pub(super) struct State {
    /// The message that the guest runs for; none while it only declares its steps.
    pub(super) active: Option<Active>,
    pub(super) clock: Arc<dyn Clock>,
    /// When the message request is over.
    pub(super) deadline: Deadline,
    /// When a call to the host is given up: a little later, see [`STAGGER`].
    pub(super) call_bound: Instant,
    pub(super) lines: Lines,
    pub(super) place: Place,
    pub(super) last_refusal: Option<Error>,
    pub(super) granted: Arc<Granted>,
    pub(super) sandbox: Sandbox,
    /// Where samples of the guest go, if it is profiled.
    pub(super) track: Option<Track>,
}

/// The message that a guest runs for, which it owns meanwhile.
pub(super) struct Active {
    pub(super) execution: Execution,
    pub(super) step: Arc<Step>,
    pub(super) organization: Arc<dyn Organization>,
}

impl State {
    pub(super) fn active(&mut self) -> wasmtime::Result<&mut Active> {
        self.active.as_mut().ok_or_else(|| {
            wasmtime::Error::msg(
                "the execution context and the organization service are there only while a step runs",
            )
        })
    }

    /// Why the run makes no call by HTTP any more.
    pub(super) fn calls_spent(&self) -> Option<String> {
        self.sandbox.outgoing.as_ref().and_then(Outgoing::spent)
    }
}

/// The part of a store that is the same for every call into a guest.
pub(super) struct Sandbox {
    pub(super) limiter: Limiter,
    pub(super) output: Tail,
    /// Made when the guest first comes to WASI: many a run never does.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    http_limits: HttpLimits,
    /// Made when the guest first comes to HTTP: most never do.
    outgoing: Option<Outgoing>,
    table: ResourceTable,
}

impl Sandbox {
    /// A sandbox with what is granted. `memory` counts what all sandboxes of the plugin have.
    fn new(limits: &Limits, memory: Option<Arc<MemoryMeter>>, granted: &Granted) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            limiter: Limiter::new(limits, memory).with_more_memory(granted.memory_bytes),
            output: Tail::new(limits.output_bytes),
            wasi: None,
            http: WasiHttpCtx::new(),
            http_limits: limits.http.clone(),
            outgoing: None,
            table,
        }
    }
}

/// No files, no environment, no arguments and no sockets, and what is granted of the rest.
fn wasi(output: &Tail, seed: Seed, clock: &Arc<dyn Clock>, granted: &Granted, began: Instant) -> WasiCtx {
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(output.clone())
        .stderr(output.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    ambient::give(&mut wasi, seed, clock, granted, began);
    wasi.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { active, clock, granted, place, sandbox, .. } = self;
        let Sandbox { wasi: made, output, table, .. } = sandbox;
        let ctx = made.get_or_insert_with(|| {
            let seed = active.as_ref().map(|active| Seed::of(&active.execution, &active.step));
            wasi(output, seed.unwrap_or_else(Seed::of_declaration), clock, granted, place.began())
        });
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Self { active, granted, deadline, sandbox, .. } = self;
        let Sandbox { http, http_limits, outgoing, table, .. } = sandbox;
        let hooks = outgoing.get_or_insert_with(|| {
            let step = active.as_ref().map(|active| Arc::clone(&active.step));
            let scope = active.as_ref().and_then(|active| active.execution.scope.as_ref());
            let fate = scope.map(|scope| scope.fate());
            Outgoing::new(Arc::clone(granted), http_limits, *deadline, step, fate)
        });
        WasiHttpCtxView { ctx: http, table, hooks }
    }
}

/// What a run takes besides the execution.
pub(super) struct Run<'a> {
    pub(super) world: &'a WorldPre<State>,
    pub(super) limits: &'a Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) granted: Arc<Granted>,
    pub(super) step: &'a Arc<Step>,
    pub(super) organization: Arc<dyn Organization>,
    pub(super) profiler: Option<&'a Profiler>,
    pub(super) core_dumps: Option<&'a CoreDumps>,
}

impl Run<'_> {
    /// Runs the step. Dropping the future stops the guest: its store goes, and with it all that it had.
    pub(super) async fn step(self, mut execution: Execution) -> Ran {
        let began = Instant::now();
        let deadline = execution.deadline.unwrap_or_else(far_future);
        let memory = execution.memory.take();
        let levels = STAGGER_LEVELS.saturating_sub(execution.context.depth);
        let (limits, granted) = (self.limits, self.granted);
        let sandbox = Sandbox::new(limits, memory, &granted);
        let state = State {
            active: Some(Active { execution, step: Arc::clone(self.step), organization: self.organization }),
            clock: self.clock,
            deadline,
            call_bound: deadline.at + STAGGER * (levels + 1),
            lines: Lines::new(self.limits.trace_bytes),
            place: Place::new(began),
            last_refusal: None,
            granted,
            sandbox,
            track: self.profiler.map(|profiler| profiler.track(&self.step.key)),
        };
        let mut store = new_store(self.world, state, self.limits, deadline);
        let call = async {
            let plugin = self.world.instantiate_async(&mut store).await?;
            store.data_mut().place.started();
            plugin.stagegate_plugin_steps().call_execute(&mut store, &self.step.key.step).await
        };
        let outcome = tokio::time::timeout_at((deadline.at + STAGGER * levels).into(), call).await;
        let late = deadline.is_past();

        let core_dump = match &outcome {
            Ok(Err(trap)) => self.core_dumps.and_then(|dumps| dumps.keep(trap, &mut store, &self.step.key)),
            _ => None,
        };
        let state = store.into_data();
        let memory_bytes = u64::try_from(state.sandbox.limiter.memory_bytes_peak).unwrap_or(u64::MAX);
        let http_calls = state.sandbox.outgoing.as_ref().map(Outgoing::waited).unwrap_or_default();
        let host_calls = state.place.host_calls + http_calls;
        let last_call = state.place.last_call();
        let result = match outcome {
            Err(_elapsed) => Err(timed_out(deadline, state.place.waiting())),
            // A guest that comes back without a loop or a call after its deadline is not interrupted: it is late.
            Ok(Ok(_)) if late => Err(timed_out(deadline, state.place.computing())),
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(fault))) => Err(rejection(convert::fault_in(fault), state.last_refusal)),
            Ok(Err(trap)) => {
                let error = failure::of(&trap, &state, self.limits, deadline);
                Err(match core_dump {
                    Some(path) => error.with_core_dump(path),
                    None => error,
                })
            }
        };
        let result =
            result.and_then(|()| state.active.map(|active| active.execution).ok_or_else(no_execution));
        Ran { result, lines: state.lines.into_vec(), host_calls, last_call, memory_bytes }
    }
}

/// Asks a plugin that has no custom section what it declares, in a sandbox like any other.
pub(super) async fn declare(world: &WorldPre<State>, limits: &Limits, time: Duration) -> Result<Declaration> {
    let began = Instant::now();
    let deadline = Deadline { at: began + time, limit: time };
    let (granted, clock): (Arc<Granted>, Arc<dyn Clock>) = (Arc::default(), Arc::new(SystemClock));
    let sandbox = Sandbox::new(limits, None, &granted);
    let state = State {
        active: None,
        clock,
        deadline,
        call_bound: deadline.at,
        lines: Lines::new(limits.trace_bytes),
        place: Place::new(began),
        last_refusal: None,
        granted,
        sandbox,
        track: None,
    };
    let mut store = new_store(world, state, limits, deadline);
    let call = async {
        let plugin = world.instantiate_async(&mut store).await?;
        store.data_mut().place.started();
        plugin.stagegate_plugin_steps().call_declare(&mut store).await
    };
    let outcome = tokio::time::timeout_at(deadline.at.into(), call).await;
    match outcome {
        Err(_elapsed) => Err(timed_out(deadline, store.into_data().place.waiting())),
        Ok(Ok(declaration)) => convert::declaration_in(declaration),
        Ok(Err(trap)) => Err(failure::of(&trap, &store.into_data(), limits, deadline)),
    }
}

/// A store with the limits and the deadline set: before anything of the guest runs, since instantiating runs its start
/// function.
fn new_store(world: &WorldPre<State>, state: State, limits: &Limits, deadline: Deadline) -> Store<State> {
    let mut store = Store::new(world.engine(), state);
    store.limiter(|state| &mut state.sandbox.limiter);
    store.set_hostcall_fuel(limits.call_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        if let Some(mut track) = store.data_mut().track.take() {
            track.sample(&store);
            store.data_mut().track = Some(track);
        }
        if deadline.is_past() {
            Err(timed_out(deadline, store.data().place.computing()).into())
        } else {
            // Lets other tasks of the runtime run, once in a tick.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        }
    });
    store
}

fn no_execution() -> Error {
    Error::new(ErrorKind::Internal, "a run came back without its execution")
}

fn far_future() -> Deadline {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Deadline { at: Instant::now() + YEAR, limit: YEAR }
}
