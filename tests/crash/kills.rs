//! The process is killed (SIGKILL) with a thousand jobs at hand. Whoever opens the database next finds each of them, runs
//! again only those that were locked, and each has its effect once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stagegate::model::JobState;
use stagegate::model::job::{CRASHES_MAX, Suspension};
use stagegate::store::JobSelect;
use stagegate::{Host, Job, JobStatus, NativeStep, Query, Request};
use stagegate_tests::{PATIENCE, text};
use uuid::Uuid;

use super::child::{Child, EndsAt, JOBS, Step, describe};
use super::support::{jobs, open, write_effect};

/// What a dead process left in its database.
struct Left {
    locked: BTreeSet<Uuid>,
    done: usize,
    /// Whether there is more of it than the done jobs account for.
    has_more_effects: bool,
}

impl Left {
    /// Reads the database as it is: without workers a host takes nothing over.
    async fn read(path: &Path, step: Step) -> Self {
        let host = host(path, step, NativeStep::new(|_| async { Ok(()) }), 0).await;
        let jobs = jobs(&host).await;
        let in_state = |state| jobs.iter().filter(move |job| job.status.state() == state);
        let done = in_state(JobState::Completed).count();
        let locked = in_state(JobState::Locked).map(|job| job.id).collect();
        let has_more_effects = effects(&host, step).await.len() > done;
        host.shutdown().await;
        Self { locked, done, has_more_effects }
    }
}

async fn host(path: &Path, step: Step, works: NativeStep, workers: u32) -> Host {
    let builder = describe(Host::builder().store(open(path)).workers(workers), step, works).await;
    builder.build().await.unwrap()
}

/// What each effect is of: the job, or for the plugin the record whose creation it keeps.
async fn effects(host: &Host, step: Step) -> Vec<String> {
    let entity = if step == Step::Guest { "auditentry" } else { "inner" };
    let found = host.execute(Request::retrieve_multiple(Query::new(entity))).await.unwrap();
    let mut effects: Vec<String> = match step {
        Step::Guest => found.entities().iter().map(|entry| text(entry, "recordid")).collect(),
        _ => found.entities().iter().map(|record| record.id.unwrap().to_string()).collect(),
    };
    effects.sort();
    effects
}

fn expected_effects(jobs: &[Job], step: Step) -> Vec<String> {
    let mut expected: Vec<String> = match step {
        Step::Guest => {
            let regarding = jobs.iter().filter_map(|job| job.regarding.as_ref());
            regarding.filter(|record| record.entity == "probe").map(|record| record.id.to_string()).collect()
        }
        _ => jobs.iter().map(|job| job.id.to_string()).collect(),
    };
    expected.sort();
    expected
}

/// Whether what was left, and how many runs had begun, is as it has to be where the child was killed.
type IsThere = fn(&Left, usize) -> bool;

/// Kills a child at each of these places, one after another, and has this process do the rest.
async fn check(step: Step, ends: &[(EndsAt, IsThere)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.db");
    let mut crashes: BTreeMap<Uuid, u32> = BTreeMap::new();
    let mut runs = 0;
    for (ends_at, is_there) in ends {
        let mut child = Child::start(step, *ends_at, &path);
        let reached = match ends_at {
            EndsAt::Nowhere => child.hear("run", 200),
            _ => child.hear("here", 1),
        };
        assert!(reached, "the child ended before it came to {ends_at:?}");
        let begun = child.kill();
        runs += begun;
        let left = Left::read(&path, step).await;
        assert!(
            is_there(&left, begun),
            "{ends_at:?}: {} done, {} locked, {begun} begun",
            left.done,
            left.locked.len()
        );
        for id in left.locked {
            *crashes.entry(id).or_default() += 1;
        }
    }

    let last = Arc::new(AtomicUsize::new(0));
    let works = {
        let runs = Arc::clone(&last);
        NativeStep::new(move |cx| {
            runs.fetch_add(1, Ordering::Relaxed);
            async move { write_effect(&cx).await }
        })
    };
    let host = host(&path, step, works, 4).await;
    tokio::time::timeout(PATIENCE, host.idle()).await.expect("it ends").unwrap();
    let jobs = jobs(&host).await;
    let expected = expected_effects(&jobs, step);
    assert_eq!(expected.len(), JOBS);
    assert_eq!(effects(&host, step).await, expected, "each effect is there once");
    for job in &jobs {
        let crashed = crashes.get(&job.id).copied().unwrap_or(0);
        assert_eq!(job.status, JobStatus::Succeeded, "{job:?}");
        assert_eq!(
            (job.attempt, job.crash_count),
            (1 + crashed, crashed),
            "only what was locked was begun again: {job:?}"
        );
    }
    runs += last.load(Ordering::Relaxed);
    if step == Step::Native {
        let again = runs.checked_sub(JOBS).expect("each has run");
        assert!(again <= crashes.values().sum::<u32>() as usize, "{again} ran twice");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_commit_and_before_any_claim() {
    let is_there = |left: &Left, begun| left.locked.is_empty() && left.done == 0 && begun == 0;
    check(Step::Native, &[(EndsAt::Queued, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_claim_and_before_the_run() {
    let is_there = |left: &Left, begun| !left.locked.is_empty() && left.done == 0 && begun == 0;
    check(Step::Native, &[(EndsAt::Claimed, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_jobs_run() {
    let is_there = |left: &Left, begun| !left.locked.is_empty() && left.done > 0 && begun > left.done;
    check(Step::Native, &[(EndsAt::Running, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_the_effect_and_the_settlement() {
    let is_there = |left: &Left, _| !left.locked.is_empty() && left.done > 0 && left.has_more_effects;
    check(Step::Native, &[(EndsAt::Effect, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_settling_before_the_commit() {
    let is_there = |left: &Left, _| !left.locked.is_empty() && left.done > 0 && left.has_more_effects;
    check(Step::Native, &[(EndsAt::Settling, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_settling_after_the_commit() {
    check(Step::Native, &[(EndsAt::Settled, |left, begun| left.done > 0 && begun > 0)]).await;
}

/// Twice, without waiting for anything in particular. A third time could be one too many for a job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_moment() {
    let somewhere: (EndsAt, IsThere) = (EndsAt::Nowhere, |_, begun| begun > 0);
    check(Step::Native, &[somewhere, somewhere]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_jobs_of_a_guest() {
    let is_there = |left: &Left, _| !left.locked.is_empty() && left.done > 0 && left.has_more_effects;
    check(Step::Guest, &[(EndsAt::Settling, is_there)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_living_keep_others_out_and_the_dead_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken.db");
    let mut child = Child::start(Step::Native, EndsAt::Claimed, &path);
    assert!(child.hear("here", 1));
    let error = Host::builder().sqlite(&path).build().await.map(drop).unwrap_err();
    assert!(error.message().contains("is in use by another host"), "{error}");
    child.kill();
    Host::builder().sqlite(&path).build().await.expect("it takes over").shutdown().await;
}

/// A job that takes its process down is put aside, and none of those that happened to be beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_job_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poisoned.db");
    let mut deaths = 0;
    loop {
        let mut child = Child::start(Step::Poison, EndsAt::Nowhere, &path);
        if child.hear("idle", 1) {
            child.kill();
            break;
        }
        deaths += 1;
        assert!(deaths <= CRASHES_MAX, "the job is not put aside");
    }
    assert_eq!(deaths, CRASHES_MAX);
    let host = host(&path, Step::Poison, NativeStep::new(|_| async { Ok(()) }), 0).await;
    let suspended = JobSelect::Filter(stagegate::store::JobFilter::newest(9).in_status([JobStatus::Waiting]));
    let [poison] = host.jobs(suspended).await.unwrap().try_into().expect("one is suspended");
    assert_eq!((poison.suspension, poison.crash_count), (Some(Suspension::Crashed), CRASHES_MAX));
    let error = poison.error.unwrap();
    assert!(error.message.contains("the host died 3 times while it ran this job"), "{error:?}");
    assert!(error.message.contains("resume or cancel it"), "the way out: {error:?}");
    let all = jobs(&host).await;
    let good: Vec<&Job> = all.iter().filter(|job| job.id != poison.id).collect();
    assert_eq!(good.len(), 200);
    assert!(good.iter().all(|job| job.status == JobStatus::Succeeded), "{good:?}");
    assert_eq!(effects(&host, Step::Poison).await.len(), 200);
    host.shutdown().await;
}
