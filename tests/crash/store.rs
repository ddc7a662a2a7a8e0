//! The store fails while jobs are settled: what has ended is kept until it works again, and nothing runs twice.
//!
//! A disk that is really full is not among these tests, since it takes a file system of its own, and that privileges; nor
//! can SQLite be told of one from another connection. To the service it is what the first test does: an exchange that
//! fails as a whole and changes nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use stagegate::model::JobPolicy;
use stagegate::store::Store;
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::{Error, ErrorKind, Host, JobStatus, NativeStep, Request, Stage};
use stagegate_tests::interposed::Interposed;
use stagegate_tests::{Log, PATIENCE, entity, on_update, probe, text};
use tokio::sync::mpsc::unbounded_channel;

use super::support::{jobs, open};

const JOBS: usize = 20;

/// A host with a step on Update of a probe whose jobs run in order and note what they see, once `first` has been called
/// with the number of the run.
async fn host(store: Arc<dyn Store>, log: &Log, first: impl Fn(u32) + Send + Sync + 'static) -> Host {
    let (log, runs) = (log.clone(), AtomicU32::new(0));
    let notes = NativeStep::new(move |cx| {
        first(runs.fetch_add(1, Ordering::Relaxed));
        let log = log.clone();
        async move {
            log.note(text(&cx.target()?.unwrap(), "name"));
            Ok(())
        }
    });
    let policy = JobPolicy { ordered: true, ..JobPolicy::default() };
    let on = on_update("notes", Stage::PostOperation).asynchronous().jobs(policy);
    let builder = Host::builder().store(store).define(vec![entity("probe")]).native_step("p", on, notes);
    builder.build().await.unwrap()
}

/// Changes one record many times, and queues the jobs of all of it in one transaction.
async fn queue_in_order(host: &Host) {
    let id = host.execute(Request::create(probe("new"))).await.unwrap().id().unwrap();
    let updates = (0..JOBS).map(|number| Request::update(probe(&number.to_string()).with_id(id)));
    host.execute(Request::execute_transaction(updates.collect())).await.unwrap();
}

async fn check_that_each_ran_once(host: &Host, log: &Log) {
    tokio::time::timeout(PATIENCE, host.idle()).await.expect("it ends").unwrap();
    let expected: Vec<String> = (0..JOBS).map(|number| number.to_string()).collect();
    assert_eq!(log.all(), expected, "each once, in their order");
    for job in jobs(host).await {
        assert_eq!((job.status, job.attempt, job.error.clone()), (JobStatus::Succeeded, 1, None), "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settlements_that_the_store_refuses_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let failures = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&failures);
    let store = Interposed::new(open(&folder.path().join("full.db")))
        .exchange(move |store, given| {
            let fails = !given.settlements.is_empty() && count.fetch_add(1, Ordering::Relaxed) < 2;
            async move {
                if fails {
                    return Err(Error::new(ErrorKind::Store, "the database or disk is full"));
                }
                store.exchange_jobs(given).await
            }
        })
        .done();
    let log = Log::default();
    let host = host(store, &log, |_| ()).await;
    queue_in_order(&host).await;
    check_that_each_ran_once(&host, &log).await;
    assert!(failures.load(Ordering::Relaxed) > 2, "it has failed");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settlements_wait_for_another_program_that_holds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let mut options = Options::new(&path);
    options.busy_timeout = Duration::from_millis(20);
    let (failed, mut failures) = unbounded_channel();
    let store = Interposed::new(SqliteStore::open(options).unwrap())
        .exchange(move |store, given| {
            let failed = failed.clone();
            async move {
                let exchanged = store.exchange_jobs(given).await;
                if let Err(error) = &exchanged {
                    failed.send(error.clone()).unwrap();
                }
                exchanged
            }
        })
        .done();
    let other = Arc::new(Mutex::new(Connection::open(&path).unwrap()));
    let holder = Arc::clone(&other);
    let log = Log::default();
    // From within the first run on, so that its settlement is the first to find the file held.
    let host = host(store, &log, move |run| {
        if run == 0 {
            holder.lock().unwrap().execute_batch("BEGIN IMMEDIATE").unwrap();
        }
    });
    let host = host.await;
    queue_in_order(&host).await;
    let error = tokio::time::timeout(PATIENCE, failures.recv()).await.expect("it fails").unwrap();
    assert_eq!(error.kind(), ErrorKind::Store, "{error:?}");
    assert!(error.message().contains("another program holds a lock on the file"), "{error}");
    other.lock().unwrap().execute_batch("ROLLBACK").unwrap();
    check_that_each_ran_once(&host, &log).await;
    host.shutdown().await;
}
