//! The crate `graphile_worker` as its documentation configures it for throughput: jobs are fetched into a local queue
//! and their ends written in batches. The sizes are those that the original, in JavaScript, gives for its benchmark.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time;

use crate::{JOBS, Runs, TEXT, WORKERS, raw};

const SCHEMA: &str = "peers_graphile_rust";
/// Jobs that a worker runs at once.
const CONCURRENCY: usize = 24;
/// Jobs that a worker fetches at once.
const LOCAL_QUEUE: usize = 500;
/// How long an end waits for others: the least of the 1 to 5 ms that the crate recommends.
const COMPLETE_DELAY: Duration = Duration::from_millis(1);

#[derive(Deserialize, Serialize)]
struct NoOp {
    text: String,
}

impl TaskHandler for NoOp {
    const IDENTIFIER: &'static str = "no_op";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let runs = context.get_ext::<Runs>().ok_or("the worker has no counter")?;
        runs.add(1);
        Ok::<(), &'static str>(())
    }
}

/// Jobs per second of two workers of `graphile_worker`.
pub(crate) async fn measure(url: &str) -> Result<f64> {
    let client = raw::connect(url).await?;
    let drop = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    client.batch_execute(&drop).await?;

    let runs = Runs::default();
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let options = WorkerOptions::default()
            .database_url(url)
            .max_pg_conn(u32::try_from(CONCURRENCY)? + 1)
            .schema(SCHEMA)
            .concurrency(CONCURRENCY)
            .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
            .complete_job_batch_delay(COMPLETE_DELAY)
            .fail_job_batch_delay(COMPLETE_DELAY)
            .listen_os_shutdown_signals(false)
            .add_extension(runs.clone())
            .define_job::<NoOp>();
        workers.push(Arc::new(options.init().await?));
    }

    let payload = serde_json::to_value(NoOp { text: "x".repeat(TEXT) })?;
    let job = RawJobSpec { identifier: NoOp::IDENTIFIER.into(), payload, spec: JobSpec::default() };
    if let Some(worker) = workers.first() {
        worker.create_utils().add_raw_jobs(&vec![job; JOBS]).await?;
    }
    client.batch_execute(&format!("VACUUM ANALYZE {SCHEMA}._private_jobs")).await?;

    let mut running = JoinSet::new();
    for worker in workers.clone() {
        running.spawn(async move { worker.run().await });
    }
    let left = client.prepare(&format!("SELECT 1 FROM {SCHEMA}._private_jobs LIMIT 1")).await?;
    while runs.count() < JOBS || !client.query(&left, &[]).await?.is_empty() {
        time::sleep(Duration::from_millis(1)).await;
    }
    let rate = runs.per_second()?;

    for worker in &workers {
        worker.request_shutdown();
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    client.batch_execute(&drop).await?;
    Ok(rate)
}
