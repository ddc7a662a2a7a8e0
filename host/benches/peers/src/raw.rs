//! The floor: what the statements alone cost. Two connections claim batches and end them, with nothing around them: no
//! wake-up, no retry, no fence, no handler.

use anyhow::Result;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::{JOBS, Runs, TEXT, WORKERS};

/// Jobs in a claim.
const BATCH: i64 = 100;

/// Ends a batch by keeping it, as a host does that shows what has run.
pub(crate) const UPDATE: &str = "UPDATE peers_raw.job SET state = 2 WHERE id = ANY($1)";
/// Ends a batch by forgetting it.
pub(crate) const DELETE: &str = "DELETE FROM peers_raw.job WHERE id = ANY($1)";

const CLAIM: &str = "
    WITH ready AS MATERIALIZED (
        SELECT id FROM peers_raw.job WHERE state = 0 AND run_at <= now()
        ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
    UPDATE peers_raw.job SET state = 1, attempt = attempt + 1 FROM ready WHERE job.id = ready.id
    RETURNING job.id, job.payload";

const SETUP: &str = "
    DROP SCHEMA IF EXISTS peers_raw CASCADE;
    CREATE SCHEMA peers_raw;
    CREATE TABLE peers_raw.job (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        state smallint NOT NULL DEFAULT 0,
        attempt integer NOT NULL DEFAULT 0,
        run_at timestamptz NOT NULL DEFAULT now(),
        payload jsonb NOT NULL);
    CREATE INDEX job_ready ON peers_raw.job (run_at, id) WHERE state = 0;";

/// Jobs per second of the bare loop, ending batches by `end`.
pub(crate) async fn measure(url: &str, end: &'static str) -> Result<f64> {
    let client = connect(url).await?;
    client.batch_execute(SETUP).await?;
    let payload = serde_json::json!({ "text": "x".repeat(TEXT) });
    client
        .execute(
            "INSERT INTO peers_raw.job (payload) SELECT $1 FROM generate_series(1, $2::bigint)",
            &[&payload, &i64::try_from(JOBS)?],
        )
        .await?;
    client.batch_execute("VACUUM ANALYZE peers_raw.job").await?;

    let runs = Runs::default();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let client = connect(url).await?;
        workers.spawn(work(client, end, runs.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    let rate = runs.per_second()?;
    client.batch_execute("DROP SCHEMA peers_raw CASCADE").await?;
    Ok(rate)
}

async fn work(client: Client, end: &'static str, runs: Runs) -> Result<()> {
    let (claim, end) = (client.prepare(CLAIM).await?, client.prepare(end).await?);
    loop {
        let rows = client.query(&claim, &[&BATCH]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        runs.add(rows.len());
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            // Read like a handler would: the peers do.
            row.try_get::<_, serde_json::Value>(1)?;
            ids.push(row.try_get::<_, i64>(0)?);
        }
        client.execute(&end, &[&ids]).await?;
    }
}

/// A connection whose driver ends with it.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // A lost connection shows in the client's next call.
    tokio::spawn(connection);
    Ok(client)
}
