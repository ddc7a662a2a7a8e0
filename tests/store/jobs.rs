//! System jobs: written with a transaction, claimed once, settled by who holds them.

use std::collections::BTreeSet;
use std::sync::Arc;

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::job::{JobError, Settlement};
use stagegate::model::step::StepKey;
use stagegate::model::{EntityReference, Job, JobStatus};
use stagegate::store::{Access, JobSelect, PendingJobs, Store, Verdict};
use uuid::Uuid;

use super::support::*;

const NONE: [Uuid; 0] = [];

fn job(number: u128, run_at: i64) -> Job {
    let step = StepKey { plugin: "billing".into(), step: "invoice".into() };
    let mut job = Job::new(id(number), step, at(100));
    job.run_at = at(run_at);
    job
}

async fn enqueue(store: &Arc<dyn Store>, jobs: Vec<Job>) {
    write(store, move |tx| async move { tx.enqueue(&jobs).await }).await;
}

fn settlement(job: &Job, status: JobStatus) -> Settlement {
    Settlement {
        id: job.id,
        attempt: job.attempt,
        worker: job.worker.expect("it is locked"),
        status,
        error: None,
        trace: Vec::new(),
        completed_on: at(900),
    }
}

async fn one(store: &Arc<dyn Store>, number: u128) -> Job {
    store.jobs(JobSelect::Ids(vec![id(number)])).await.expect("jobs are read").remove(0)
}

fn numbers(jobs: &[Job]) -> Vec<u128> {
    jobs.iter().map(|job| job.id.as_u128()).collect()
}

pub(super) async fn every_field_round_trips(database: Database) {
    let store = database.open();
    let mut full = job(1, i64::MAX);
    full.message = "Update".into();
    full.regarding = Some(EntityReference::new("account", id(7)));
    full.owner = id(8);
    full.correlation_id = id(9);
    full.depth = 8;
    full.context = (0..=255).collect();
    full.status = JobStatus::Waiting;
    full.attempt = u32::MAX;
    full.crash_count = 3;
    full.worker = Some(id(10));
    full.error = Some(JobError { code: i32::MIN, message: "no ' \" \n".into() });
    full.trace = vec!["a \"line\"".into(), String::new(), "日本".into()];
    full.started_on = Some(at(-5));
    full.completed_on = Some(at(i64::MIN));
    enqueue(&store, vec![full.clone(), job(2, 0)]).await;
    assert_eq!(one(&store, 1).await, full);
    assert_eq!(one(&store, 2).await, job(2, 0));
}

pub(super) async fn a_rollback_leaves_no_job(database: Database) {
    let store = database.open();
    let work = |verdict| {
        store.run(
            begin(Access::Write, "a write"),
            Box::new(move |tx| {
                Box::pin(async move {
                    tx.enqueue(&[job(1, 0), job(2, 0)]).await.expect("it is queued");
                    verdict
                })
            }),
        )
    };
    work(Verdict::Rollback).await.expect("it rolls back");
    assert_eq!(store.pending_jobs().await.expect("counted"), PendingJobs::default());
    work(Verdict::Commit).await.expect("it commits");
    assert_eq!(store.pending_jobs().await.expect("counted").ready, 2);
}

pub(super) async fn a_job_is_queued_once(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0)]).await;
    let again = attempt(&store, begin(Access::Write, "a write"), |tx| async move {
        tx.enqueue(&[job(2, 0), job(1, 0)]).await
    });
    expect_error(again.await, ErrorKind::Duplicate);
    assert_eq!(store.pending_jobs().await.expect("counted").ready, 1);
}

pub(super) async fn claims_take_the_oldest_that_may_start(database: Database) {
    let store = database.open();
    let mut suspended = job(6, 0);
    suspended.status = JobStatus::Waiting;
    enqueue(&store, vec![job(1, 50), job(3, 10), job(2, 10), job(4, 20), job(5, 999), suspended]).await;
    let first = store.claim_jobs(id(70), 3, at(50)).await.expect("claimed");
    assert_eq!(numbers(&first), [2, 3, 4]);
    for job in &first {
        assert_eq!(job.status, JobStatus::InProgress);
        assert_eq!((job.attempt, job.worker, job.started_on), (1, Some(id(70)), Some(at(50))));
        assert_eq!(one(&store, job.id.as_u128()).await, *job, "what is returned is what is kept");
    }
    let pending = store.pending_jobs().await.expect("counted");
    assert_eq!(pending, PendingJobs { ready: 2, locked: 3, next_run_at: Some(at(50)) });
    assert_eq!(numbers(&store.claim_jobs(id(71), 3, at(50)).await.expect("claimed")), [1]);
    assert_eq!(numbers(&store.claim_jobs(id(71), 3, at(998)).await.expect("claimed")), [] as [u128; 0]);
    assert_eq!(numbers(&store.claim_jobs(id(71), 0, at(999)).await.expect("claimed")), [] as [u128; 0]);
    assert_eq!(numbers(&store.claim_jobs(id(71), 3, at(999)).await.expect("claimed")), [5]);
}

pub(super) async fn claims_at_once_share_the_jobs(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=100).map(|number| job(number, 0)).collect()).await;
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = store.claim_jobs(id(200 + worker), 7, at(0)).await.expect("claimed");
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(numbers(&claimed));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("it ends"));
    }
    assert_eq!(all.len(), 100, "no job twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (1..=100).collect());
}

pub(super) async fn settlements_end_an_attempt(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0), job(3, 0)]).await;
    let claimed = store.claim_jobs(id(70), 9, at(5)).await.expect("claimed");
    let mut failed = settlement(&claimed[1], JobStatus::Failed);
    failed.error = Some(JobError { code: 7, message: "refused".into() });
    failed.trace = vec!["tried".into()];
    let settlements = vec![
        settlement(&claimed[0], JobStatus::Succeeded),
        failed,
        settlement(&claimed[2], JobStatus::WaitingForResources),
    ];
    let counted = store.settle_jobs(settlements).await.expect("settled");
    assert_eq!(counted, [id(1), id(2), id(3)]);
    let done = one(&store, 1).await;
    assert_eq!((done.status, done.completed_on, done.worker), (JobStatus::Succeeded, Some(at(900)), None));
    let failed = one(&store, 2).await;
    assert_eq!(failed.status, JobStatus::Failed);
    assert_eq!(failed.error, Some(JobError { code: 7, message: "refused".into() }));
    assert_eq!(failed.trace, ["tried"]);
    // Handed back, it is ready again, and its next attempt is the second.
    let back = one(&store, 3).await;
    assert_eq!((back.status, back.completed_on, back.worker), (JobStatus::WaitingForResources, None, None));
    let again = store.claim_jobs(id(71), 9, at(6)).await.expect("claimed");
    assert_eq!((numbers(&again), again[0].attempt), (vec![3], 2));
}

pub(super) async fn settlements_of_others_are_dropped(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    let claimed = store.claim_jobs(id(70), 1, at(0)).await.expect("claimed");
    let good = settlement(&claimed[0], JobStatus::Succeeded);
    let stale = Settlement { attempt: 0, ..good.clone() };
    let stranger = Settlement { worker: id(71), ..good.clone() };
    let unclaimed = Settlement { id: id(2), ..good.clone() };
    let unknown = Settlement { id: id(99), ..good.clone() };
    let dropped = vec![stale, stranger, unclaimed, unknown];
    assert_eq!(store.settle_jobs(dropped.clone()).await.expect("settled"), NONE);
    assert_eq!(one(&store, 1).await.status, JobStatus::InProgress);
    // Beside one that counts, and then once more: it is over.
    let mut all = dropped;
    all.insert(2, good.clone());
    assert_eq!(store.settle_jobs(all).await.expect("settled"), [id(1)]);
    let late = Settlement { status: JobStatus::Failed, ..good };
    assert_eq!(store.settle_jobs(vec![late]).await.expect("settled"), NONE);
    assert_eq!(one(&store, 1).await.status, JobStatus::Succeeded);
}

pub(super) async fn a_settlement_must_end_the_attempt(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    let claimed = store.claim_jobs(id(70), 2, at(0)).await.expect("claimed");
    let settlements =
        vec![settlement(&claimed[0], JobStatus::Succeeded), settlement(&claimed[1], JobStatus::Pausing)];
    expect_error(store.settle_jobs(settlements).await, ErrorKind::Internal);
    assert_eq!(one(&store, 1).await.status, JobStatus::InProgress, "all in one transaction");
}

pub(super) async fn recovery_hands_back_what_dead_hosts_held(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0), job(3, 0), job(4, 30)]).await;
    let lost = store.claim_jobs(id(70), 1, at(5)).await.expect("claimed");
    store.claim_jobs(id(71), 1, at(5)).await.expect("claimed");
    assert_eq!(store.recover_jobs(id(71), at(40)).await.expect("recovered"), 1);
    let back = one(&store, 1).await;
    assert_eq!((back.status, back.worker), (JobStatus::WaitingForResources, None));
    assert_eq!((back.crash_count, back.attempt), (1, 1));
    assert_eq!(one(&store, 2).await.status, JobStatus::InProgress, "the living keep theirs");
    // The dead one was merely slow: its result comes too late.
    let late = settlement(&lost[0], JobStatus::Succeeded);
    assert_eq!(store.settle_jobs(vec![late]).await.expect("settled"), NONE);
    // A job that may kill its host again is not the first to run.
    let next = store.claim_jobs(id(71), 9, at(40)).await.expect("claimed");
    assert_eq!(numbers(&next), [3, 4, 1]);
    assert_eq!(next[2].attempt, 2);
    assert_eq!(store.recover_jobs(id(71), at(40)).await.expect("recovered"), 0);
}

pub(super) async fn jobs_are_read_oldest_first(database: Database) {
    let store = database.open();
    let made = |number: u128, created_on: i64, correlation: u128| {
        let mut job = job(number, 0);
        job.created_on = at(created_on);
        job.correlation_id = id(correlation);
        job
    };
    enqueue(&store, vec![made(1, 30, 1), made(2, 10, 2), made(3, 20, 1), made(4, 20, 2)]).await;
    for (select, expected) in [
        (JobSelect::Newest(99), vec![2, 3, 4, 1]),
        (JobSelect::Newest(2), vec![4, 1]),
        (JobSelect::Newest(0), vec![]),
        (JobSelect::Correlation(id(1)), vec![3, 1]),
        (JobSelect::Correlation(id(9)), vec![]),
        (JobSelect::Ids(vec![id(1), id(9), id(2), id(1)]), vec![2, 1]),
        (JobSelect::Ids(vec![]), vec![]),
    ] {
        let jobs: Result<Vec<Job>, Error> = store.jobs(select.clone()).await;
        assert_eq!(numbers(&jobs.expect("jobs are read")), expected, "{select:?}");
    }
}

pub(super) async fn jobs_survive_a_reopening(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    store.claim_jobs(id(70), 1, at(0)).await.expect("claimed");
    store.close().await;
    drop(store);
    let store = database.open();
    let pending = store.pending_jobs().await.expect("counted");
    assert_eq!((pending.ready, pending.locked), (1, 1));
    assert_eq!(store.recover_jobs(id(71), at(1)).await.expect("recovered"), 1);
}
