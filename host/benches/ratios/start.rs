//! How soon a new process has run its first step, with the plugin's code in the cache and the database there.
//!
//! The process is this one again, told to be the child: what a service that embeds the host does at its start.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use stagegate::wasm::{Allocation, Source};
use stagegate::{Host, Request};
use stagegate_tests::GUEST_TOUCH;

use crate::harness::{Effort, Goal, Report, Samples};
use crate::world::{engine, entities, folder, probe, threads, with_step};

/// The first argument of the child.
pub(crate) const CHILD: &str = "first-step";
/// What the child reports, in nanoseconds, in this order.
const PARTS: [&str; 4] =
    ["make the engine", "load the plugin, cached", "open the database", "the first request"];
/// The longest that loading from the cache may take.
const LOAD_MAX_NS: f64 = 1e6;
/// The longest from the start of the process to the end of the first request.
const FIRST_MAX_NS: f64 = 10e6;

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let folder = folder();
    let database = folder.path().join("start.db");
    // The cache and the tables are there afterwards; what is measured is every start but the first.
    run_first(&database);

    let mut total = Samples(Vec::new());
    let mut parts: [Samples; PARTS.len()] = [const { Samples(Vec::new()) }; PARTS.len()];
    for _ in 0..effort.rounds(41) {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(CHILD)
            .arg(&database)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        total.0.push(started.elapsed().as_secs_f64() * 1e9);
        assert!(child.wait().unwrap().success(), "the child process failed");
        for (part, text) in parts.iter_mut().zip(line.split_whitespace()) {
            part.0.push(text.parse().unwrap());
        }
    }
    for (name, part) in PARTS.iter().zip(&parts) {
        let goal = if name.contains("cached") { Goal::AtMost(LOAD_MAX_NS) } else { Goal::None };
        report.time(name, part, 50, goal);
    }
    report.time("process start to the end of the first request", &total, 50, Goal::AtMost(FIRST_MAX_NS));
}

fn run_first(database: &Path) {
    let runtime = threads(2);
    runtime.block_on(async {
        engine(Allocation::Pool).load(GUEST_TOUCH).await.unwrap();
        let host = Host::builder().sqlite(database).build().await.unwrap();
        host.define(entities()).await.unwrap();
        host.shutdown().await;
    });
}

/// Starts as a service does, runs one request and says what took how long.
pub(crate) fn child(arguments: &[String]) {
    let runtime = threads(2);
    runtime.block_on(async {
        let mut since = Instant::now();
        let mut lap = || {
            let took = since.elapsed().as_nanos();
            since = Instant::now();
            took
        };
        let engine = engine(Allocation::Pool);
        let made = lap();
        let plugin = engine.load(GUEST_TOUCH).await.unwrap();
        let loaded = lap();
        assert_eq!(plugin.report().source, Source::Cached);
        let host = with_step(Host::builder().sqlite(&arguments[0]), &plugin, "touch");
        let host = host.build().await.unwrap();
        let opened = lap();
        host.execute(Request::create(probe(10))).await.unwrap();
        let executed = lap();
        println!("{made} {loaded} {opened} {executed}");
        host.shutdown().await;
    });
}
