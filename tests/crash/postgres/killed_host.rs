//! A host is killed while it holds jobs and a transaction, or drained; the others on the database take over.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;
use std::time::Duration;

use stagegate::{Entity, Host, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::Server;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use uuid::Uuid;

use super::support::{describe, each_has_its_effect_once, idle, open, write_effect};
use crate::crash::child::{Child, end_with_the_parent, say};
use crate::crash::support::queue;
use crate::postgres::{ask, connect};

const DATABASE: &str = "STAGEGATE_CHILD_POSTGRES";
const JOBS: usize = 4;
const LEASE: Duration = Duration::from_secs(5);

/// Transactions and locks of hosts.
const OPEN: &str = "SELECT ((SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction')
     + (SELECT count(*) FROM pg_locks WHERE relation = 'e_inner'::regclass))::text";

/// A host whose jobs wait, and one whose steps in a transaction do.
#[test]
#[ignore = "the process that another test starts, and kills"]
fn process() {
    let Ok(url) = env::var(DATABASE) else { return };
    end_with_the_parent();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&url, |options| options.lease = LEASE).await;
        let waits = |what: &'static str| {
            NativeStep::new(move |_| async move {
                say(what);
                std::future::pending().await
            })
        };
        let in_transaction = StepDefinition::new("holds", "Create", Stage::PostOperation).on("inner");
        let host = describe(store, waits("run")).native_step("p", in_transaction, waits("open"));
        let host = host.build().await.unwrap();
        queue(&host, JOBS).await;
        host.execute(Request::create(Entity::new("inner"))).await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn its_locks_go_and_its_jobs_run_once_more() {
    let database = Server::shared().database();
    let url = database.url();
    let child = tokio::task::spawn_blocking(move || {
        let mut child = Child::run("crash::postgres::killed_host::process", &[(DATABASE, &url)]);
        assert!(child.hear("run", JOBS) && child.hear("open", 1), "the child ended");
        child
    });
    let child = child.await.unwrap();
    let client = connect(&database.admin_url()).await.unwrap();
    assert_ne!(ask(&client, OPEN).await, "0", "it holds something");

    // Another host lives beside it, and has nothing to do as long as it does.
    let (ran, mut runs) = unbounded_channel();
    let works = NativeStep::new(move |cx| {
        let ran = ran.clone();
        async move {
            ran.send(cx.operation_id()?.unwrap()).unwrap();
            write_effect(&cx).await
        }
    });
    let store = open(&database.url(), |options| options.lease = LEASE).await;
    let host = describe(store, works).build().await.unwrap();
    assert!(runs.try_recv().is_err(), "they are the other's");
    child.kill();
    let released = async {
        while ask(&client, OPEN).await != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, released).await.expect("its transaction is gone");
    let mut seen = BTreeSet::new();
    for _ in 0..JOBS {
        let job: Uuid = timeout(PATIENCE, runs.recv()).await.expect("they are taken over").unwrap();
        assert!(seen.insert(job), "once each");
    }
    idle(&host).await;
    let jobs = each_has_its_effect_once(&host).await;
    assert_eq!(jobs.len(), JOBS);
    for job in &jobs {
        assert_eq!((job.attempt, job.crash_count), (2, 1), "{job:?}");
    }
    assert!(runs.try_recv().is_err(), "once each");
    host.shutdown().await;
}

/// A host that is drained hands back what it has, and what it runs when the grace is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_drained_host_leaves_its_jobs_to_others() {
    let database = Server::shared().database();
    let (ran, mut runs) = unbounded_channel();
    let waits = NativeStep::new(move |_| {
        ran.send(()).unwrap();
        std::future::pending()
    });
    let drained = host_on(&database.url(), waits).await;
    queue(&drained, 10 * JOBS).await;
    timeout(PATIENCE, runs.recv()).await.expect("it runs").unwrap();
    let works = NativeStep::new(|cx| async move { write_effect(&cx).await });
    let other = host_on(&database.url(), works).await;
    drained.shutdown().await;
    idle(&other).await;
    let jobs = each_has_its_effect_once(&other).await;
    assert_eq!(jobs.len(), 10 * JOBS);
    assert!(jobs.iter().all(|job| job.crash_count == 0), "nobody has died");
    other.shutdown().await;
}

async fn host_on(url: &str, works: NativeStep) -> Host {
    let store: Arc<dyn stagegate::store::Store> = open(url, |_| ()).await;
    describe(store, works).shutdown_grace(Duration::ZERO).build().await.unwrap()
}
