//! What a system job costs on SQLite: against the same table by rusqlite alone, and for a component against the sum of
//! that and the bare call.
//!
//! A run is timed from the call that resumes the step to [`Host::idle`]. So what is measured begins with a commit, the
//! wake-up of the service and its first, small claims, and ends with the look that finds nothing more. Opening the
//! database, loading the plugin and starting the service are not in it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use stagegate::store::sqlite::Synchronous;
use stagegate::wasm::Allocation;
use stagegate::{Host, HostBuilder, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::GUEST_TOUCH;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::bare::Bare;
use crate::harness::{Effort, Goal, Lap, Report, Samples, take_turns};
use crate::jobs_claim;
use crate::jobs_floor::Table;
use crate::jobs_queue::{Queue, asynchronous, nothing};
use crate::world::{engine, entities, folder, probe, threads};

/// The least that the service must do of what the statements alone do.
const NATIVE_MIN: f64 = 0.6;
/// The most that a job with a step in a component may cost, in the sum of its statements and the bare call.
const WASM_MAX: f64 = 1.3;
/// The longest from the commit of a request to the start of its job, at the median, when nothing else runs.
const LATENCY_MAX_NS: f64 = 5e6;
/// Jobs of a run: so many that the first small claims count for little.
const JOBS: u32 = 3000;
const ATTRIBUTES: u32 = 10;

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let runtime = &threads(2);
    let plugin = &runtime.block_on(engine(Allocation::Pool).load(GUEST_TOUCH)).unwrap();
    let queue = |synchronous| Queue::make(runtime, plugin, synchronous, JOBS, &probe(ATTRIBUTES));
    throughput(effort, report, &queue(Synchronous::Full), "FULL");
    let normal = queue(Synchronous::Normal);
    throughput(effort, report, &normal, "NORMAL");
    worker_counts(effort, report, &normal);
    latency(effort, report, runtime);
    jobs_claim::measure(effort, report, runtime);
}

fn throughput(effort: Effort, report: &mut Report, queue: &Queue<'_>, word: &str) {
    let bare = Bare::new(Path::new(GUEST_TOUCH), &probe(ATTRIBUTES));
    let calls = || {
        queue.runtime.block_on(async {
            for _ in 0..JOBS {
                bare.call("pass").await;
            }
        });
    };
    let native = |host: HostBuilder| host.native_step(queue.plugin.name(), asynchronous(), nothing());
    let wasm = |host: HostBuilder| host.plugin_step(queue.plugin.clone(), asynchronous(), None);
    let [table, lean, bare, native, wasm] = take_turns(
        effort.rounds(15),
        [
            queue.floor(Table::SystemJob),
            queue.floor(Table::Lean),
            Box::new(|| Lap::of(JOBS, calls)),
            queue.runs(&native),
            queue.runs(&wasm),
        ],
    );
    let title = |what: &str| format!("{word}: jobs/s, {what}");
    rates(report, &title("native / SQL alone"), &native.wall, &table.wall, Goal::AtLeast(NATIVE_MIN));
    rates(report, &title("native / SQL alone, lean table"), &native.wall, &lean.wall, Goal::None);
    let title = |what: &str| format!("{word}: a job, {what}");
    let goal = Goal::AtMost(WASM_MAX);
    report.ratio(&title("Wasm / SQL + bare call"), &wasm.wall, &table.wall.plus(&bare.wall), goal);
    let title = |what: &str| title(&format!("{what}, processor time"));
    report.ratio(&title("native / SQL"), &native.cpu, &table.cpu, Goal::None);
    report.ratio(&title("Wasm / SQL + bare"), &wasm.cpu, &table.cpu.plus(&bare.cpu), Goal::None);
}

fn worker_counts(effort: Effort, report: &mut Report, queue: &Queue<'_>) {
    let native = |workers| {
        move |host: HostBuilder| {
            host.workers(workers).native_step(queue.plugin.name(), asynchronous(), nothing())
        }
    };
    let (one, four, sixteen) = (native(1), native(4), native(16));
    let [one, four, sixteen] =
        take_turns(effort.rounds(5), [queue.runs(&one), queue.runs(&four), queue.runs(&sixteen)]);
    rates(report, "jobs/s, 1 worker / 4", &one.wall, &four.wall, Goal::None);
    rates(report, "jobs/s, 16 workers / 4", &sixteen.wall, &four.wall, Goal::None);
}

/// How many jobs a second, against how many.
fn rates(report: &mut Report, name: &str, measured: &Samples, against: &Samples, goal: Goal) {
    let rate = |samples: &Samples| format!("{:.1} k/s", 1e6 / samples.median());
    report.row(name, &rate(measured), &rate(against), &against.over(measured), goal);
}

/// One request after another, each when the job of the one before has ended. Timed from the request's last synchronous
/// step, so its own commit is in it, and so is that of the claim.
fn latency(effort: Effort, report: &mut Report, runtime: &Runtime) {
    let folder = folder();
    let clock: Arc<Mutex<Instant>> = Arc::new(Mutex::new(Instant::now()));
    let took: Arc<Mutex<Vec<f64>>> = Arc::default();
    let started = Arc::new(Notify::new());
    let stamp = {
        let clock = Arc::clone(&clock);
        NativeStep::new(move |_| {
            *clock.lock().unwrap() = Instant::now();
            async { Ok(()) }
        })
    };
    let job = {
        let (took, started) = (Arc::clone(&took), Arc::clone(&started));
        NativeStep::new(move |_| {
            took.lock().unwrap().push(clock.lock().unwrap().elapsed().as_secs_f64() * 1e9);
            started.notify_one();
            async { Ok(()) }
        })
    };
    let synchronous = StepDefinition::new("stamp", "Create", Stage::PostOperation).on("probe");
    runtime.block_on(async {
        let host = Host::builder()
            .sqlite(folder.path().join("latency.db"))
            .define(entities())
            .native_step("service", synchronous, stamp)
            .native_step("service", asynchronous(), job)
            .build()
            .await
            .unwrap();
        for _ in 0..effort.rounds(400) {
            host.execute(Request::create(probe(ATTRIBUTES))).await.unwrap();
            started.notified().await;
            host.idle().await.unwrap();
        }
        host.shutdown().await;
    });
    let took = Samples(std::mem::take(&mut *took.lock().unwrap()));
    let name = "FULL: from the commit to the start of the job";
    report.time(name, &took, 50, Goal::AtMost(LATENCY_MAX_NS));
    let one = |value| Samples(vec![value]);
    report.ratio(&format!("{name}, p99 / p50"), &one(took.percentile(99)), &one(took.median()), Goal::None);
}
