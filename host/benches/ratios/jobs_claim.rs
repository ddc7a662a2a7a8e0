//! Whether a claim costs the same however many jobs wait that cannot be claimed.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use stagegate::DateTime;
use stagegate::model::Job;
use stagegate::model::job::{Outcome, Settlement};
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::store::{Claim, Exchange, Lane, Store};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::harness::{Alternative, Effort, Goal, Report, interleave};
use crate::world::folder;

/// The most that a claim among many that wait may cost, in one without them.
const FLAT_MAX: f64 = 2.0;
/// Jobs that can be claimed.
const READY: u32 = 1000;
/// Jobs of a claim.
const BATCH: u32 = 100;
/// The moment of all claims, in milliseconds, and one that lies after it.
const NOW: i64 = 1_700_000_000_000;
const LATER: i64 = NOW + 86_400_000;

pub(crate) fn measure(effort: Effort, report: &mut Report, runtime: &Runtime) {
    let (blocked, postponed) = match effort {
        Effort::Full => (100_000, 1_000_000),
        Effort::Smoke => (1_000, 10_000),
    };
    let folder = folder();
    // Not to the disk: a commit would be most of the time, and it is the same for both.
    let open = |name: &str| {
        let mut options = Options::new(folder.path().join(name));
        options.synchronous = Synchronous::Normal;
        SqliteStore::open(options).unwrap()
    };
    let filled = |name: &str, blocked: u32, postponed: u32| {
        runtime.block_on(open(name).close());
        fill(&Connection::open(folder.path().join(name)).unwrap(), blocked, postponed);
        open(name)
    };
    let (few, many) = (filled("few.db", 0, 0), filled("many.db", blocked, postponed));
    let [few, many] = interleave(effort.rounds(51), [exchanges(runtime, few), exchanges(runtime, many)]);
    let name = format!("claim {BATCH} beside {} k that wait / none", (blocked + postponed) / 1000);
    report.ratio(&name, &many.wall, &few.wall, Goal::AtMost(FLAT_MAX));
    report.ratio(&format!("{name}, processor time"), &many.cpu, &few.cpu, Goal::None);
}

/// Each exchange hands the hundred back that the one before has claimed, and claims a hundred.
fn exchanges(runtime: &Runtime, store: Arc<SqliteStore>) -> Alternative<'_> {
    let worker = Uuid::now_v7();
    let claimed: Mutex<Vec<Job>> = Mutex::default();
    Box::new(move |count| {
        let mut claimed = claimed.lock().unwrap();
        for _ in 0..count {
            let exchange = Exchange {
                settlements: claimed.iter().map(|job| released(job, worker)).collect(),
                claims: vec![Claim {
                    limit: BATCH,
                    lane: Lane::AllBut(Vec::new()),
                    limits: Vec::new(),
                    suspect: true,
                }],
                worker,
                held: None,
                host: "bench".into(),
                now: DateTime(NOW),
            };
            let exchanged = runtime.block_on(store.exchange_jobs(Arc::new(exchange))).unwrap();
            assert_eq!(exchanged.settled.len(), claimed.len());
            *claimed = exchanged.claimed.into_iter().flatten().collect();
            assert_eq!(claimed.len(), BATCH as usize);
        }
    })
}

fn released(job: &Job, worker: Uuid) -> Settlement {
    Settlement::new(job.id, job.attempt, worker, Outcome::Released, DateTime(NOW))
}

/// Jobs of one step: ready ones, others behind one key, and others that are put off. The first of the key is put off too,
/// or it could be claimed.
fn fill(connection: &Connection, blocked: u32, postponed: u32) {
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    insert(connection, 'p', postponed, &format!("1, 10, 2, {LATER} + n, 0, NULL"));
    insert(connection, 'h', u32::from(blocked > 0), &format!("1, 10, 2, {LATER}, 0, 'key'"));
    insert(connection, 'b', blocked, "0, 0, NULL, NULL, 1, 'key'");
    insert(connection, 'r', READY, "0, 0, NULL, NULL, 0, NULL");
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Inserts that many jobs in the state that the values say.
fn insert(connection: &Connection, family: char, count: u32, values: &str) {
    let sql = format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
         INSERT INTO system_job (
             state, status, suspension, postpone_until, blocked, order_key, id, run_at, plugin, step, message,
             owner_id, correlation_id, depth, attempt, crash_count, created_on, modified_on, context)
         SELECT {values}, CAST(printf('%s%015d', ?2, n) AS BLOB), {NOW}, 'service', 'pass', 'Create', zeroblob(16),
             CAST(printf('%016d', n) AS BLOB), 1, 0, 0, {NOW}, {NOW}, CAST('{{}}' AS BLOB)
         FROM number"
    );
    connection.execute(&sql, (count, family.to_string())).unwrap();
}
