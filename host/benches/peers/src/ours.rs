//! Stagegate itself, as its documentation builds it: the jobs of an asynchronous step, with the record that was created as
//! their target.

use std::time::Duration;

use anyhow::Result;
use stagegate::store::PausedStep;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{
    AttributeType, Entity, EntityCollection, EntityDefinition, Fault, Host, NativeStep, Request, Stage,
    StepDefinition, Value,
};
use tokio::time;

use crate::{JOBS, Runs, TEXT, WORKERS, raw};

const SCHEMA: &str = "peers_stagegate";
/// Jobs that a worker runs at once, as of the crate.
const CONCURRENCY: u32 = 24;
/// Records of a request that queues: a job for each.
const BULK: usize = 500;

/// What becomes of a job that has succeeded.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It is kept, to be asked for.
    Kept,
    /// It is deleted, as the peers do.
    Deleted,
}

/// Jobs per second of two hosts.
pub(crate) async fn measure(url: &str, end: End) -> Result<f64> {
    let client = raw::connect(url).await?;
    let drop = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    client.batch_execute(&format!("{drop}; CREATE SCHEMA {SCHEMA}")).await?;
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options=-csearch_path%3D{SCHEMA}");

    let queueing = host(&url, end, 0, &Runs::default()).await?;
    queueing.pause_step(paused()).await?;
    let note = Entity::new("note").with("text", Value::String("x".repeat(TEXT)));
    for first in (0..JOBS).step_by(BULK) {
        let records = vec![note.clone(); BULK.min(JOBS - first)];
        queueing.execute(Request::create_multiple(EntityCollection::new("note", records))).await?;
    }
    client.batch_execute(&format!("VACUUM ANALYZE {SCHEMA}.system_job")).await?;

    let runs = Runs::default();
    let mut hosts = Vec::new();
    for _ in 0..WORKERS {
        hosts.push(host(&url, end, CONCURRENCY, &runs).await?);
    }
    queueing.resume_step(paused()).await?;
    while runs.count() < JOBS {
        time::sleep(Duration::from_millis(1)).await;
    }
    for host in &hosts {
        host.idle().await?;
    }
    let rate = runs.per_second()?;

    for host in hosts.iter().chain([&queueing]) {
        host.shutdown().await;
    }
    client.batch_execute(&drop).await?;
    Ok(rate)
}

async fn host(url: &str, end: End, workers: u32, runs: &Runs) -> Result<Host> {
    let mut step = StepDefinition::new("no_op", "Create", Stage::PostOperation).on("note").asynchronous();
    step.jobs.auto_delete = matches!(end, End::Deleted);
    let runs = runs.clone();
    let no_op = NativeStep::new(move |_| {
        runs.add(1);
        async { Ok::<(), Fault>(()) }
    });
    let note = EntityDefinition::new("note").with("text", AttributeType::String { max_length: 200 });
    let store = PostgresStore::open(Options::new(url)?).await?;
    let host =
        Host::builder().store(store).define(vec![note]).native_step("peers", step, no_op).workers(workers);
    Ok(host.build().await?)
}

fn paused() -> PausedStep {
    PausedStep { plugin: "peers".into(), step: None }
}
