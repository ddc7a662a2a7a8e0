//! Connections are cut while jobs run: those of the asynchronous service, and those of what the jobs do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stagegate::{Host, NativeStep};
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::{Proxy, Server, Speaker, TestDatabase};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::support::{describe, each_has_its_effect_once, idle, open, write_effect};
use crate::crash::support::{jobs, queue};

const JOBS: usize = 200;

/// A host behind a proxy whose jobs run as far as they are let, and how often they have.
struct World {
    host: Host,
    proxy: Proxy,
    let_run: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
    _database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let server = Server::shared();
        let database = server.database();
        let proxy = Proxy::to(&server.address());
        let store = open(&proxy.url(&database), |_| ()).await;
        let (let_run, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (places, count) = (Arc::clone(&let_run), Arc::clone(&runs));
        let works = NativeStep::new(move |cx| {
            let (places, count) = (Arc::clone(&places), Arc::clone(&count));
            async move {
                places.acquire().await.unwrap().forget();
                count.fetch_add(1, Ordering::Relaxed);
                write_effect(&cx).await
            }
        });
        let host = describe(store, works).build().await.unwrap();
        queue(&host, JOBS).await;
        Self { host, proxy, let_run, runs, _database: database }
    }

    /// Lets so many more run, and waits until they have begun.
    async fn go_on(&self, count: usize) {
        let enough = self.runs.load(Ordering::Relaxed) + count;
        self.let_run.add_permits(count);
        let run = async {
            while self.runs.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, run).await.expect("jobs go on");
    }

    async fn check(self) {
        self.let_run.add_permits(100 * JOBS);
        idle(&self.host).await;
        let jobs = each_has_its_effect_once(&self.host).await;
        assert_eq!(jobs.len(), JOBS);
        assert!(jobs.iter().all(|job| job.crash_count == 0), "no host has died");
        self.host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn jobs_go_on_when_all_connections_are_cut() {
    let world = World::new().await;
    for _ in 0..6 {
        world.go_on(20).await;
        world.proxy.cut();
    }
    world.check().await;
}

/// Whichever transaction comes first: an effect, or an exchange that settles and claims.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn jobs_go_on_when_nobody_knows_what_was_committed() {
    let world = World::new().await;
    for speaker in [Speaker::Client, Speaker::Server].repeat(3) {
        let cut = world.proxy.cut_at(speaker, "COMMIT\0");
        world.go_on(10).await;
        cut.made().await;
    }
    world.check().await;
}

/// Only the exchanges commit: no job runs yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn an_exchange_that_nobody_knows_of_costs_no_attempt() {
    let world = World::new().await;
    for speaker in [Speaker::Client, Speaker::Server].repeat(2) {
        world.proxy.cut_at(speaker, "COMMIT\0").made().await;
    }
    world.let_run.add_permits(100 * JOBS);
    idle(&world.host).await;
    assert_eq!(world.runs.load(Ordering::Relaxed), JOBS, "each has run once");
    assert!(jobs(&world.host).await.iter().all(|job| job.attempt == 1), "in its first attempt");
    world.check().await;
}
