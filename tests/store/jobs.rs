//! System jobs: written with a transaction, claimed once, settled by who holds them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::job::{Control, JobError, Outcome, Progress, Report, Settlement, Suspension};
use stagegate::model::step::StepKey;
use stagegate::model::{DateTime, EntityReference, Job, JobStatus};
use stagegate::store::{
    Access, Claim, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, Lane, PausedStep, Store, Verdict,
};
use uuid::Uuid;

use super::support::*;

pub(super) const NONE: [Uuid; 0] = [];

pub(super) fn step(name: &str) -> StepKey {
    StepKey { plugin: "billing".into(), step: name.into() }
}

pub(super) fn job(number: u128, run_at: i64) -> Job {
    job_of("invoice", number, run_at)
}

pub(super) fn job_of(name: &str, number: u128, run_at: i64) -> Job {
    let mut job = Job::new(id(number), step(name), at(100));
    job.run_at = at(run_at);
    job
}

pub(super) async fn enqueue(store: &Arc<dyn Store>, jobs: Vec<Job>) {
    write(store, move |tx| async move { tx.enqueue(&jobs).await }).await;
}

/// Hands back what all but `worker` hold, which have died.
pub(super) async fn recover(database: &Database, store: &Arc<dyn Store>, worker: u128, now: i64) -> u64 {
    (database.bury)();
    store.recover_jobs(id(worker), at(now)).await.expect("recovered")
}

pub(super) fn any(limit: u32) -> Claim {
    Claim { limit, lane: Lane::AllBut(Vec::new()), limits: Vec::new(), suspect: true }
}

pub(super) fn exchange(worker: u128, now: i64) -> Exchange {
    Exchange {
        settlements: Vec::new(),
        claims: Vec::new(),
        worker: id(worker),
        held: None,
        host: "ares".into(),
        now: at(now),
    }
}

pub(super) async fn trade(store: &Arc<dyn Store>, exchange: Exchange) -> Exchanged {
    store.exchange_jobs(Arc::new(exchange)).await.expect("exchanged")
}

pub(super) async fn claim(store: &Arc<dyn Store>, worker: u128, limit: u32, now: i64) -> Vec<Job> {
    claim_as(store, worker, any(limit), now).await
}

pub(super) async fn claim_as(store: &Arc<dyn Store>, worker: u128, claim: Claim, now: i64) -> Vec<Job> {
    trade(store, Exchange { claims: vec![claim], ..exchange(worker, now) }).await.claimed.concat()
}

pub(super) async fn settle(store: &Arc<dyn Store>, settlements: Vec<Settlement>) -> Vec<Uuid> {
    trade(store, Exchange { settlements, ..exchange(70, 900) }).await.settled
}

pub(super) fn settlement(job: &Job, outcome: Outcome) -> Settlement {
    Settlement {
        id: job.id,
        attempt: job.attempt,
        worker: job.worker.expect("it is locked"),
        outcome,
        auto_delete: job.auto_delete,
        error: None,
        trace: Vec::new(),
        ended_on: at(900),
        execution_time: Duration::from_micros(1500),
        memory_bytes: 65_536,
    }
}

/// What became of each job: its status, or the code of the refusal.
pub(super) async fn control(store: &Arc<dyn Store>, ids: &[u128], control: Control, now: i64) -> Vec<String> {
    let ids: Vec<Uuid> = ids.iter().map(|number| id(*number)).collect();
    let controlled =
        write(store, move |tx| async move { tx.control_jobs(&ids, control, at(now)).await }).await;
    let shown = controlled.into_iter().map(|controlled| match controlled.result {
        Ok(status) => status.to_string(),
        Err(error) => format!("{:#010x}", error.code()),
    });
    shown.collect()
}

pub(super) async fn one(store: &Arc<dyn Store>, number: u128) -> Job {
    store.jobs(JobSelect::Ids(vec![id(number)])).await.expect("jobs are read").remove(0)
}

pub(super) async fn all(store: &Arc<dyn Store>) -> Vec<Job> {
    store.jobs(JobSelect::Newest(1000)).await.expect("jobs are read")
}

pub(super) fn numbers(jobs: &[Job]) -> Vec<u128> {
    jobs.iter().map(|job| job.id.as_u128()).collect()
}

pub(super) async fn every_field_round_trips(database: Database) {
    let store = database.open();
    let mut full = job(1, DateTime::MAX.0);
    full.message = "Update".into();
    full.regarding = Some(EntityReference::new("account", id(7)));
    full.owner = id(8);
    full.correlation_id = id(9);
    full.depth = 8;
    full.context = (0..=255).collect();
    full.status = JobStatus::Waiting;
    full.suspension = Some(Suspension::Retry);
    full.postpone_until = Some(at(-3));
    full.priority = i32::MIN;
    full.order_key = Some("a".into());
    full.unique_key = Some("b".into());
    full.auto_delete = true;
    full.attempt = u32::MAX;
    full.retries = 3;
    full.crash_count = 3;
    full.worker = Some(id(10));
    full.host = Some("ares".into());
    full.error = Some(JobError { code: i32::MIN, message: "no ' \" \n".into() });
    full.trace = vec!["a \"line\"".into(), String::new(), "日本".into()];
    full.progress = Some(Progress { percent: Some(100), note: "\"done\"".into() });
    full.checkpoint = Some((0..=255).rev().collect());
    full.started_on = Some(at(-5));
    full.completed_on = Some(DateTime::MIN);
    full.execution_time = Duration::from_micros(7);
    full.memory_bytes = 1 << 40;
    full.plugin_hash = Some("a".repeat(64));
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
    assert!(store.is_idle().await.expect("looked"));
    assert_eq!(all(&store).await, []);
    work(Verdict::Commit).await.expect("it commits");
    assert!(!store.is_idle().await.expect("looked"));
    assert_eq!(all(&store).await.len(), 2);
}

pub(super) async fn a_job_is_queued_once(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0)]).await;
    let again = attempt(&store, begin(Access::Write, "a write"), |tx| async move {
        tx.enqueue(&[job(2, 0), job(1, 0)]).await
    });
    expect_error(again.await, ErrorKind::Duplicate);
    assert_eq!(numbers(&all(&store).await), [1]);
}

pub(super) async fn claims_take_the_oldest_of_the_first_priority(database: Database) {
    let store = database.open();
    let urgent = |number, run_at| {
        let mut job = job_of("urgent", number, run_at);
        job.priority = -1;
        job
    };
    let postponed = job(6, 0).postponed(at(60));
    let jobs = vec![job(1, 50), job(3, 10), job_of("other", 2, 10), job(4, 20), urgent(5, 999), postponed];
    enqueue(&store, jobs).await;
    let first = claim(&store, 70, 3, 50).await;
    assert_eq!(numbers(&first), [5, 2, 3], "the priority, then the age, whatever the step");
    for job in &first {
        assert_eq!(job.status, JobStatus::InProgress);
        assert_eq!((job.attempt, job.worker, job.started_on), (1, Some(id(70)), Some(at(50))));
        assert_eq!(job.host.as_deref(), Some("ares"));
        assert_eq!(one(&store, job.id.as_u128()).await, *job, "what is returned is what is kept");
    }
    let second = trade(&store, Exchange { claims: vec![any(9)], ..exchange(71, 59) }).await;
    assert_eq!(numbers(&second.claimed.concat()), [4, 1]);
    assert_eq!(second.next_due, Some(at(60)));
    assert_eq!(claim(&store, 71, 0, 60).await, []);
    let due = claim(&store, 71, 9, 60).await;
    assert_eq!(numbers(&due), [6]);
    assert_eq!((due[0].suspension, due[0].postpone_until, due[0].run_at), (None, None, at(60)));
}

pub(super) async fn claims_keep_to_their_lane_and_limits(database: Database) {
    let store = database.open();
    let jobs = (1..=9).map(|number| job_of(["a", "b", "c"][number as usize % 3], number, number as i64));
    enqueue(&store, jobs.collect()).await;
    let limits = vec![(step("a"), 1), (step("b"), 0)];
    let limited = Claim { limits, ..any(3) };
    assert_eq!(numbers(&claim_as(&store, 70, limited, 99).await), [2, 3, 5]);
    let apart = Exchange {
        claims: vec![
            Claim { lane: Lane::AllBut(vec![step("c")]), ..any(2) },
            Claim { lane: Lane::Only(vec![step("c")]), ..any(9) },
        ],
        ..exchange(70, 99)
    };
    let claimed = trade(&store, apart).await.claimed;
    assert_eq!(claimed.iter().map(|jobs| numbers(jobs)).collect::<Vec<_>>(), [vec![1, 4], vec![8]]);
}

pub(super) async fn steps_that_are_paused_are_passed_over(database: Database) {
    let store = database.open();
    let mut foreign = job(4, 0);
    foreign.step.plugin = "other".into();
    enqueue(&store, vec![job_of("a", 1, 0), job_of("b", 2, 0), job_of("c", 3, 0), foreign]).await;
    let paused = |step: Option<&str>| PausedStep { plugin: "billing".into(), step: step.map(Into::into) };
    let set = async |step, is_paused| store.pause_step(paused(step), is_paused, at(1)).await.expect("paused");
    assert!(set(Some("a"), true).await);
    assert!(!set(Some("a"), true).await, "it is paused already");
    assert_eq!(numbers(&claim(&store, 70, 1, 0).await), [2]);
    assert!(set(None, true).await);
    assert_eq!(store.paused_steps().await.expect("read"), [paused(None), paused(Some("a"))]);
    let claimed = claim(&store, 70, 9, 0).await;
    assert_eq!(numbers(&claimed), [4], "of the other plugin");
    settle(&store, vec![settlement(&claimed[0], Outcome::Succeeded)]).await;
    assert!(!store.is_idle().await.expect("looked"), "2 runs");
    let two = one(&store, 2).await;
    settle(&store, vec![settlement(&two, Outcome::Succeeded)]).await;
    assert!(store.is_idle().await.expect("looked"), "what is paused is not to be waited for");
    assert!(set(None, false).await);
    assert_eq!(numbers(&claim(&store, 70, 9, 0).await), [3]);
    assert!(set(Some("a"), false).await);
    assert_eq!(numbers(&claim(&store, 70, 9, 0).await), [1]);
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
                    let claimed = claim(&store, 200 + worker, 7, 0).await;
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
    let mut fleeting = job(4, 0);
    fleeting.auto_delete = true;
    let mut stubborn = job(5, 0);
    stubborn.auto_delete = true;
    let jobs = vec![job(1, 0), job(2, 0), job(3, 0), fleeting, stubborn, job(6, 0), job(7, 0), job(8, 0)];
    enqueue(&store, jobs).await;
    let claimed = claim(&store, 70, 9, 5).await;
    let mut failed = settlement(&claimed[1], Outcome::Failed);
    failed.error = Some(JobError { code: 7, message: "refused".into() });
    failed.trace = vec!["tried".into()];
    let settlements = vec![
        settlement(&claimed[0], Outcome::Succeeded),
        failed,
        settlement(&claimed[2], Outcome::Released),
        settlement(&claimed[3], Outcome::Succeeded),
        settlement(&claimed[4], Outcome::Failed),
        settlement(&claimed[5], Outcome::Canceled),
        settlement(&claimed[6], Outcome::Suspended),
        settlement(&claimed[7], Outcome::Unclaimed),
    ];
    // In the same transaction as the next claim: what is handed back can be had again at once.
    let both = Exchange { settlements, claims: vec![any(9)], ..exchange(70, 900) };
    let exchanged = trade(&store, both).await;
    assert_eq!(exchanged.settled, [1, 2, 3, 4, 5, 6, 7, 8].map(id));
    let again = exchanged.claimed.concat();
    assert_eq!(numbers(&again), [3, 8]);
    assert_eq!(again[1].attempt, 1, "as if it had not been claimed");
    let done = one(&store, 1).await;
    assert_eq!((done.status, done.completed_on, done.worker), (JobStatus::Succeeded, Some(at(900)), None));
    assert_eq!((done.execution_time, done.memory_bytes), (Duration::from_micros(1500), 65_536));
    let failed = one(&store, 2).await;
    assert_eq!(failed.status, JobStatus::Failed);
    assert_eq!(failed.error, Some(JobError { code: 7, message: "refused".into() }));
    assert_eq!(failed.trace, ["tried"]);
    let back = one(&store, 3).await;
    assert_eq!((back.attempt, back.retries, back.run_at), (2, 0, at(0)), "it keeps its turn");
    assert_eq!(
        numbers(&all(&store).await),
        [1, 2, 3, 5, 6, 7, 8],
        "what succeeds is deleted where it is to be"
    );
    assert_eq!(one(&store, 6).await.status, JobStatus::Canceled);
    assert_eq!(one(&store, 7).await.suspension, Some(Suspension::Paused));
}

pub(super) async fn a_retry_waits_for_its_moment(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    let claimed = claim(&store, 70, 9, 5).await;
    let mut again = settlement(&claimed[0], Outcome::Retry(at(1500)));
    again.error = Some(JobError { code: 7, message: "not yet".into() });
    settle(&store, vec![again, settlement(&claimed[1], Outcome::Postponed(at(1400)))]).await;
    let waiting = one(&store, 1).await;
    assert_eq!((waiting.status, waiting.suspension), (JobStatus::Waiting, Some(Suspension::Retry)));
    assert_eq!((waiting.retries, waiting.postpone_until), (1, Some(at(1500))));
    assert_eq!(waiting.error.map(|error| error.message).as_deref(), Some("not yet"));
    assert_eq!(one(&store, 2).await.retries, 0);
    let nothing = trade(&store, Exchange { claims: vec![any(9)], ..exchange(70, 1399) }).await;
    assert_eq!((nothing.claimed.concat(), nothing.next_due), (vec![], Some(at(1400))));
    assert_eq!(numbers(&claim(&store, 70, 9, 1400).await), [2]);
    let last = trade(&store, Exchange { claims: vec![any(9)], ..exchange(70, 1500) }).await;
    assert_eq!((numbers(&last.claimed.concat()), last.next_due), (vec![1], None));
}

/// A retry is never further away than the longest there is: if it seems so, the clock went back. What an operator put off
/// stays where it is.
pub(super) async fn a_clock_that_goes_back_keeps_no_retry_waiting(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0)]).await;
    let claimed = claim(&store, 70, 9, 5).await;
    let day = 24 * 3_600_000;
    settle(&store, vec![settlement(&claimed[0], Outcome::Retry(at(day)))]).await;
    enqueue(&store, vec![job(2, 0).postponed(at(day))]).await;
    let exchanged = trade(&store, Exchange { claims: vec![any(9)], ..exchange(70, 0) }).await;
    assert_eq!(numbers(&exchanged.claimed.concat()), [1]);
    assert_eq!(exchanged.next_due, Some(at(day)));
    // A job that is ready is ready, whatever the clock says.
    enqueue(&store, vec![job(3, day)]).await;
    assert_eq!(numbers(&claim(&store, 70, 9, -day).await), [3]);
}

pub(super) async fn settlements_of_others_are_dropped(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    let claimed = claim(&store, 70, 1, 0).await;
    for outcome in [Outcome::Succeeded, Outcome::Failed, Outcome::Retry(at(5)), Outcome::Released] {
        let good = settlement(&claimed[0], outcome);
        let stale = Settlement { attempt: 0, ..good.clone() };
        let stranger = Settlement { worker: id(71), ..good.clone() };
        let unclaimed = Settlement { id: id(2), ..good.clone() };
        let unknown = Settlement { id: id(99), ..good.clone() };
        assert_eq!(settle(&store, vec![stale, stranger, unclaimed, unknown]).await, NONE, "{outcome:?}");
        assert_eq!(one(&store, 1).await.status, JobStatus::InProgress);
    }
    let good = settlement(&claimed[0], Outcome::Succeeded);
    assert_eq!(settle(&store, vec![good.clone(), good.clone()]).await, [id(1)], "once");
    let late = Settlement { outcome: Outcome::Failed, ..good };
    assert_eq!(settle(&store, vec![late]).await, NONE);
    assert_eq!(one(&store, 1).await.status, JobStatus::Succeeded);
}

pub(super) async fn reports_are_kept_for_who_runs_the_job(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0)]).await;
    let [claimed] = claim(&store, 70, 1, 0).await.try_into().expect("one");
    let run = JobAttempt { id: claimed.id, attempt: claimed.attempt, worker: id(70) };
    let report = async |run, report| store.report_job(run, report, at(7)).await.expect("reported");
    let checkpoint = || Report::Checkpoint(vec![0, 255]);
    assert_eq!(report(run, checkpoint()).await, Some(JobStatus::InProgress));
    let progress = Progress { percent: None, note: "half".into() };
    assert_eq!(report(run, Report::Progress(progress.clone())).await, Some(JobStatus::InProgress));
    for other in [JobAttempt { attempt: 2, ..run }, JobAttempt { worker: id(71), ..run }] {
        assert_eq!(report(other, Report::Checkpoint(vec![])).await, None);
    }
    control(&store, &[1], Control::Cancel, 8).await;
    assert_eq!(report(run, checkpoint()).await, Some(JobStatus::Canceling));
    let kept = one(&store, 1).await;
    assert_eq!((kept.checkpoint, kept.progress), (Some(vec![0, 255]), Some(progress)));
    // Whoever gets somewhere is not what kills the host.
    recover(&database, &store, 71, 9).await;
    control(&store, &[1], Control::Retry, 9).await;
    claim(&store, 71, 1, 9).await;
    recover(&database, &store, 72, 10).await;
    let [again] = claim(&store, 72, 1, 10).await.try_into().expect("one");
    assert_eq!((again.crash_count, again.checkpoint.as_deref()), (1, Some(&[0, 255][..])));
    report(JobAttempt { id: id(1), attempt: again.attempt, worker: id(72) }, checkpoint()).await;
    assert_eq!(one(&store, 1).await.crash_count, 0);
}

pub(super) async fn jobs_that_are_over_are_deleted(database: Database) {
    let store = database.open();
    enqueue(&store, (1..=5).map(|number| job(number, 0)).collect()).await;
    let claimed = claim(&store, 70, 3, 5).await;
    let ended =
        |index: usize, outcome, on| Settlement { ended_on: at(on), ..settlement(&claimed[index], outcome) };
    let settlements = vec![
        ended(0, Outcome::Succeeded, 10),
        ended(1, Outcome::Failed, 10),
        ended(2, Outcome::Canceled, 20),
    ];
    settle(&store, settlements).await;
    assert_eq!(store.prune_jobs(at(10), 9).await.expect("pruned"), 0);
    assert_eq!(store.prune_jobs(at(30), 1).await.expect("pruned"), 1);
    assert_eq!(store.prune_jobs(at(30), 9).await.expect("pruned"), 1);
    assert_eq!(numbers(&all(&store).await), [2, 4, 5], "a dead letter stays");
    let deleted = write(&store, |tx| async move { tx.delete_jobs(&[id(2), id(4), id(9)]).await }).await;
    let codes: Vec<_> =
        deleted.iter().map(|deleted| deleted.result.as_ref().map_err(Error::code).copied()).collect();
    assert_eq!(codes, [Ok(JobStatus::Failed), Err(-2_147_204_758), Err(-2_147_220_969)]);
    assert_eq!(numbers(&all(&store).await), [4, 5]);
}

pub(super) async fn jobs_are_counted_by_step_and_status(database: Database) {
    let store = database.open();
    let mut old = job_of("a", 1, 0);
    old.created_on = at(-7);
    let waits = job_of("b", 3, 0).postponed(at(9));
    enqueue(&store, vec![old, job_of("a", 2, 0), waits, job_of("b", 4, 0)]).await;
    claim_as(&store, 70, Claim { lane: Lane::Only(vec![step("b")]), ..any(9) }, 0).await;
    let counts = store.job_counts().await.expect("counted");
    let shown: Vec<_> = counts
        .iter()
        .map(|count| (count.step.step.as_str(), count.status, count.suspension, count.count, count.oldest.0))
        .collect();
    assert_eq!(
        shown,
        [
            ("a", JobStatus::WaitingForResources, None, 2, -7),
            ("b", JobStatus::Waiting, Some(Suspension::Postponed), 1, 100),
            ("b", JobStatus::InProgress, None, 1, 100),
        ]
    );
}

pub(super) async fn jobs_are_read_oldest_first(database: Database) {
    let store = database.open();
    let made = |number: u128, correlation: u128, name: &str| {
        let mut job = job_of(name, number, 0);
        job.correlation_id = id(correlation);
        job.regarding = Some(EntityReference::new("account", id(correlation)));
        job
    };
    enqueue(&store, vec![made(1, 1, "a"), made(2, 2, "b"), made(3, 1, "a"), made(4, 2, "a")]).await;
    claim(&store, 70, 1, 0).await;
    let newest = JobFilter::newest;
    for (select, expected) in [
        (JobSelect::Newest(99), vec![1, 2, 3, 4]),
        (JobSelect::Newest(2), vec![3, 4]),
        (JobSelect::Newest(0), vec![]),
        (JobSelect::Correlation(id(1)), vec![1, 3]),
        (JobSelect::Correlation(id(9)), vec![]),
        (JobSelect::Ids(vec![id(1), id(9), id(2), id(1)]), vec![1, 2]),
        (JobSelect::Ids(vec![]), vec![]),
        (JobSelect::Filter(newest(9).of(&step("a"))), vec![1, 3, 4]),
        (JobSelect::Filter(newest(2).of(&step("a"))), vec![3, 4]),
        (JobSelect::Filter(newest(9).of(&step("c"))), vec![]),
        (JobSelect::Filter(newest(9).in_status([JobStatus::InProgress, JobStatus::Failed])), vec![1]),
        (JobSelect::Filter(JobFilter { before: Some(id(3)), ..newest(9) }), vec![1, 2]),
        (JobSelect::Filter(JobFilter { ids: Some(id(2)..=id(3)), ..newest(9) }), vec![2, 3]),
        (
            JobSelect::Filter(JobFilter {
                regarding: Some(EntityReference::new("account", id(2))),
                ..newest(9)
            }),
            vec![2, 4],
        ),
    ] {
        let jobs: Result<Vec<Job>, Error> = store.jobs(select.clone()).await;
        assert_eq!(numbers(&jobs.expect("jobs are read")), expected, "{select:?}");
        if let JobSelect::Filter(filter) = select {
            let expected: Vec<Uuid> = expected.into_iter().map(id).collect();
            assert_eq!(store.job_ids(filter.clone()).await.expect("they are read"), expected, "{filter:?}");
        }
    }
}

pub(super) async fn jobs_survive_a_reopening(database: Database) {
    let store = database.open();
    enqueue(&store, vec![job(1, 0), job(2, 0)]).await;
    claim(&store, 70, 1, 0).await;
    let before = all(&store).await;
    store.close().await;
    drop(store);
    let store = database.open();
    assert_eq!(all(&store).await, before);
    assert_eq!(recover(&database, &store, 71, 1).await, 1);
}
