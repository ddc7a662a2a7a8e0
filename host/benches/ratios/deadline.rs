//! How late a guest is stopped after its deadline, in the write transaction of a Create on SQLite; rolled back included.

use std::time::{Duration, Instant};

use stagegate::wasm::{Allocation, TICK};
use stagegate::{ErrorKind, Host, Request};
use stagegate_tests::GUEST_MISBEHAVING;

use crate::harness::{Effort, Goal, Report, Samples};
use crate::world::{engine, entities, folder, probe, threads, with_step};

/// What the guest gets.
const LIMIT: Duration = Duration::from_millis(40);
/// What a stop may take beyond the tick that it waits for.
const SLACK: Duration = Duration::from_millis(5);

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let runtime = threads(2);
    let plugin = runtime.block_on(engine(Allocation::Pool).load(GUEST_MISBEHAVING)).unwrap();
    let most = (TICK + SLACK).as_secs_f64() * 1e9;
    for (step, name) in [("spin", "a guest that computes"), ("sleep", "a guest that sleeps in WASI")] {
        let folder = folder();
        let late = runtime.block_on(async {
            let host = Host::builder().sqlite(folder.path().join("late.db")).workers(0);
            let host = with_step(host, &plugin, step).build().await.unwrap();
            host.define(entities()).await.unwrap();
            let mut late = Samples(Vec::new());
            for _ in 0..effort.rounds(50) {
                let started = Instant::now();
                let request = Request::create(probe(1)).within(LIMIT);
                let error = host.execute(request).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
                late.0.push(started.elapsed().saturating_sub(LIMIT).as_secs_f64() * 1e9);
            }
            late
        });
        report.time(&format!("{name}: stopped late by (p98)"), &late, 98, Goal::AtMost(most));
    }
}
