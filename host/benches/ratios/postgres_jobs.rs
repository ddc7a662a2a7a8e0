//! Jobs per second on PostgreSQL: against a loop of bare statements that claims by a hundred with SKIP LOCKED and ends a
//! hundred with one statement, on the same table; and of two hosts against one.

use std::time::{Duration, SystemTime};

use stagegate::store::PausedStep;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{EntityCollection, Fault, Host, HostBuilder, NativeStep, Request};
use stagegate_tests::postgres::{Server, TestDatabase};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::harness::{Effort, Goal, Lap, Prepared, Report, Samples, take_turns};
use crate::jobs_queue::{asynchronous, nothing};
use crate::postgres::with_commit;
use crate::world::{entities, probe};

/// The least that the service must do of what the statements alone do.
const NATIVE_MIN: f64 = 0.6;
/// The least that two hosts must do of what one does, where the server has time to spare.
const TWO_HOSTS_MIN: f64 = 1.5;
/// Jobs of a run.
const JOBS: u32 = 10_000;
/// Jobs of a run in which each takes a while.
const SLOW_JOBS: u32 = 1000;
const ATTRIBUTES: u32 = 10;
/// Records of a request that queues: a job for each.
const BULK: usize = 500;
/// Jobs of a claim, of the statements alone.
const BATCH: i64 = 100;

const CLAIM: &str = "UPDATE system_job AS job SET status = 20, attempt = attempt + 1, worker_id = $1,
         host = 'floor', started_on = $2, modified_on = $2, version = version + 1
     FROM (SELECT sequence FROM system_job
         WHERE state = 0 AND NOT blocked AND crash_count = 0 AND worker_id IS NULL
         ORDER BY plugin, step, priority, run_at, sequence LIMIT $3 FOR UPDATE SKIP LOCKED) AS claimed
     WHERE job.sequence = claimed.sequence
     RETURNING id, attempt, context, status, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id,
         depth, crash_count, created_on, started_on, priority, order_key, unique_key, auto_delete, retries";

const SETTLE: &str =
    "UPDATE system_job AS job SET state = 3, status = 30, completed_on = $4, modified_on = $4,
         worker_id = NULL, execution_us = execution_us + 1, version = version + 1
     FROM unnest($1::uuid[], $2::int8[]) AS done (id, attempt)
     WHERE job.id = done.id AND job.attempt = done.attempt AND job.worker_id = $3";

pub(crate) fn measure(effort: Effort, report: &mut Report, runtime: &Runtime, server: &Server) {
    for commit in ["on", "off"] {
        let queue = Queue::make(runtime, server, commit, JOBS);
        let native = |host: HostBuilder| host.native_step("bench", asynchronous(), nothing());
        let [sql, native] = take_turns(effort.rounds(9), [queue.floor(), queue.runs(1, &native)]);
        let rate = |samples: &Samples| format!("{:.1} k/s", 1e6 / samples.median());
        report.row(
            &format!("commit {commit}: jobs/s, native / two loops of SQL"),
            &rate(&native.wall),
            &rate(&sql.wall),
            &sql.wall.over(&native.wall),
            Goal::AtLeast(NATIVE_MIN),
        );
    }
    // Jobs that wait for something else, as most do: four at a time and host.
    let queue = Queue::make(runtime, server, "on", SLOW_JOBS);
    let slow = |host: HostBuilder| host.workers(4).native_step("bench", asynchronous(), waits());
    let [one, two] = take_turns(effort.rounds(5), [queue.runs(1, &slow), queue.runs(2, &slow)]);
    let rate = |samples: &Samples| format!("{:.2} k/s", 1e6 / samples.median());
    report.row(
        "jobs/s of 2 ms, two hosts / one",
        &rate(&two.wall),
        &rate(&one.wall),
        &one.wall.over(&two.wall),
        Goal::AtLeast(TWO_HOSTS_MIN),
    );
}

fn waits() -> NativeStep {
    NativeStep::new(|_| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok::<(), Fault>(())
    })
}

/// A database with jobs that are ready to run, of a step that is paused.
struct Queue<'a> {
    runtime: &'a Runtime,
    database: TestDatabase,
    url: String,
    jobs: u32,
}

impl<'a> Queue<'a> {
    fn make(runtime: &'a Runtime, server: &Server, commit: &str, jobs: u32) -> Self {
        let database = server.database();
        let url = with_commit(&database.url(), commit);
        let queue = Self { runtime, database, url, jobs };
        runtime.block_on(async {
            let step = |host: HostBuilder| host.native_step("bench", asynchronous(), nothing());
            let host = queue.host(&|host| step(host).define(entities()).workers(0)).await;
            host.pause_step(paused()).await.unwrap();
            let records = vec![probe(ATTRIBUTES); usize::try_from(jobs).unwrap()];
            for records in records.chunks(BULK) {
                let records = EntityCollection::new("probe", records.to_vec());
                host.execute(Request::create_multiple(records)).await.unwrap();
            }
            host.shutdown().await;
            let script = "CREATE TABLE template_job AS SELECT * FROM system_job";
            queue.client().await.batch_execute(script).await.unwrap();
        });
        queue
    }

    async fn host(&self, describe: &dyn Fn(HostBuilder) -> HostBuilder) -> Host {
        let store = PostgresStore::open(Options::new(&self.url).unwrap()).await.unwrap();
        describe(Host::builder().store(store)).build().await.unwrap()
    }

    async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Puts the jobs back to where they were.
    async fn reset(&self) {
        let client = self.client().await;
        // All but those that the server makes.
        let columns = "SELECT string_agg(column_name::text, ', ') FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = 'system_job' AND is_generated = 'NEVER'";
        let columns: String = client.query_one(columns, &[]).await.unwrap().get(0);
        let script = format!(
            "TRUNCATE system_job; TRUNCATE worker;
             INSERT INTO system_job ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM template_job"
        );
        client.batch_execute(&script).await.unwrap();
        client.batch_execute("VACUUM ANALYZE system_job").await.unwrap();
        client.batch_execute("CHECKPOINT").await.ok();
    }

    async fn check(&self) {
        let sql = "SELECT count(*) FROM system_job WHERE status = 30";
        let row = self.client().await.query_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), i64::from(self.jobs), "{}", self.database.name());
    }

    /// Two loops of statements run all jobs.
    fn floor(&self) -> Prepared<'_> {
        Box::new(|| {
            let clients = self.runtime.block_on(async {
                self.reset().await;
                (self.client().await, self.client().await)
            });
            let lap = Lap::of(self.jobs, || {
                self.runtime.block_on(async {
                    let one = tokio::spawn(async move { alone(&clients.0).await });
                    let two = tokio::spawn(async move { alone(&clients.1).await });
                    one.await.unwrap();
                    two.await.unwrap();
                });
            });
            self.runtime.block_on(self.check());
            lap
        })
    }

    /// Hosts run all jobs.
    fn runs<'b>(&'b self, hosts: usize, describe: &'b dyn Fn(HostBuilder) -> HostBuilder) -> Prepared<'b> {
        Box::new(move || {
            let started = self.runtime.block_on(async {
                self.reset().await;
                let mut started = Vec::new();
                for _ in 0..hosts {
                    started.push(self.host(describe).await);
                }
                started
            });
            let lap = Lap::of(self.jobs, || {
                self.runtime.block_on(async {
                    assert!(started[0].resume_step(paused()).await.unwrap());
                    for host in &started {
                        host.idle().await.unwrap();
                    }
                });
            });
            self.runtime.block_on(async {
                for host in &started {
                    host.shutdown().await;
                }
                self.check().await;
                self.client()
                    .await
                    .batch_execute("INSERT INTO paused_step VALUES ('bench', '', now())")
                    .await
                    .unwrap();
            });
            lap
        })
    }
}

async fn alone(client: &Client) {
    let (claim, settle) = tokio::join!(client.prepare(CLAIM), client.prepare(SETTLE));
    let (claim, settle, worker) = (claim.unwrap(), settle.unwrap(), Uuid::now_v7());
    loop {
        let claimed = client.query(&claim, &[&worker, &SystemTime::now(), &BATCH]).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        let ids: Vec<Uuid> = claimed.iter().map(|row| row.get(0)).collect();
        let attempts: Vec<i64> = claimed.iter().map(|row| row.get(1)).collect();
        for row in &claimed {
            std::hint::black_box(row.get::<_, Vec<u8>>(2));
        }
        let settled = client.execute(&settle, &[&ids, &attempts, &worker, &SystemTime::now()]).await.unwrap();
        assert_eq!(settled, ids.len() as u64);
    }
}

fn paused() -> PausedStep {
    PausedStep { plugin: "bench".into(), step: None }
}
