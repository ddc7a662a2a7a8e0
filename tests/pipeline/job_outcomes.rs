//! How asynchronous runs end, and what becomes of their jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stagegate::model::job::{Control, JobPolicy, RETRIES_DEFAULT, Suspension};
use stagegate::store::JobSelect;
use stagegate::{Fault, HostBuilder, Job, JobStatus, NativeStep, OperationStatus, Stage};
use stagegate_tests::{World, on_create};

fn at_once() -> JobPolicy {
    JobPolicy { retry_delay: Duration::ZERO, ..JobPolicy::default() }
}

fn asks(status: OperationStatus) -> Fault {
    Fault { status, ..Fault::new("the other side does not answer") }
}

/// A host with an asynchronous step that fails its first `failures` runs with `status`.
async fn failing(failures: u32, status: OperationStatus, policy: JobPolicy) -> World {
    let runs = Arc::new(AtomicU32::new(0));
    let step = NativeStep::new(move |_| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move { if run < failures { Err(asks(status)) } else { Ok(()) } }
    });
    World::new(|host: HostBuilder| {
        host.native_step("p", on_create("fails", Stage::PostOperation).asynchronous().jobs(policy), step)
    })
    .await
}

async fn only_job(world: &World) -> Job {
    world.host.idle().await.unwrap();
    world.host.jobs(JobSelect::Newest(2)).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_step_that_asks_for_it_is_run_again() {
    let world = failing(2, OperationStatus::Retry, at_once()).await;
    world.create("a").await.unwrap();
    let job = only_job(&world).await;
    assert_eq!((job.status, job.attempt, job.retries), (JobStatus::Succeeded, 3, 2));
    assert_eq!(job.error, None, "of the last run");
}

/// As the platform does: "attempted four times".
#[tokio::test]
async fn a_job_is_given_up_after_its_retries_and_stays_until_somebody_acts() {
    let world = failing(5, OperationStatus::Retry, at_once()).await;
    world.create("a").await.unwrap();
    let job = only_job(&world).await;
    assert_eq!((job.status, job.attempt, job.retries), (JobStatus::Failed, 5, RETRIES_DEFAULT));
    let error = job.error.unwrap();
    assert!(error.message.ends_with("the other side does not answer; given up after 4 retries"), "{error:?}");
    assert!(error.message.starts_with("step `fails` of plugin `p` at PostOperation"), "{error:?}");

    let controlled = world.host.control_jobs(&[job.id], Control::Retry).await.unwrap();
    assert_eq!(controlled[0].result.as_ref().unwrap(), &JobStatus::WaitingForResources);
    let job = only_job(&world).await;
    assert_eq!((job.status, job.attempt, job.retries), (JobStatus::Succeeded, 6, 0));
}

#[tokio::test]
async fn a_retry_waits_for_its_moment() {
    let world = failing(1, OperationStatus::Retry, JobPolicy::default()).await;
    world.create("a").await.unwrap();
    // The host is idle: nothing is to be done now.
    let job = only_job(&world).await;
    assert_eq!((job.status, job.suspension), (JobStatus::Waiting, Some(Suspension::Retry)));
    let waits = job.postpone_until.unwrap().0 - job.started_on.unwrap().0;
    assert!((500..=1100).contains(&waits), "{waits} ms: a second, and up to half of it less");
    // Nobody rings for it when it is due.
    while world.host.jobs(JobSelect::Ids(vec![job.id])).await.unwrap()[0].status != JobStatus::Succeeded {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_fault_says_how_the_work_stands() {
    for (status, expected, suspension) in [
        (OperationStatus::Failed, JobStatus::Failed, None),
        (OperationStatus::Canceled, JobStatus::Canceled, None),
        (OperationStatus::Succeeded, JobStatus::Succeeded, None),
        (OperationStatus::Suspended, JobStatus::Waiting, Some(Suspension::Paused)),
    ] {
        let world = failing(1, status, at_once()).await;
        world.create("a").await.unwrap();
        let job = only_job(&world).await;
        assert_eq!((job.status, job.suspension, job.attempt), (expected, suspension, 1), "{status:?}");
        assert_eq!(job.error.is_some(), status != OperationStatus::Succeeded);
    }
}

#[tokio::test]
async fn retries_are_the_steps_or_the_operators() {
    let none = JobPolicy { retries: 0, ..at_once() };
    let world = failing(1, OperationStatus::Retry, none).await;
    world.create("a").await.unwrap();
    assert_eq!(only_job(&world).await.status, JobStatus::Failed);

    let many = JobPolicy { retries: 9, ..at_once() };
    let world = failing(9, OperationStatus::Retry, many).await;
    world.create("a").await.unwrap();
    assert_eq!(only_job(&world).await.attempt, 10);
}

#[tokio::test]
async fn what_succeeds_is_deleted_where_it_is_to_be() {
    let policy = JobPolicy { auto_delete: true, retries: 0, ..at_once() };
    let world = failing(1, OperationStatus::Failed, policy).await;
    for name in ["a", "b"] {
        world.create(name).await.unwrap();
    }
    assert_eq!(only_job(&world).await.status, JobStatus::Failed);
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap().len(), 1, "the one that failed");
}

#[tokio::test]
async fn a_policy_must_make_sense() {
    let refused = async |policy: JobPolicy, asynchronous: bool, expected: &str| {
        let step = on_create("a", Stage::PostOperation).jobs(policy);
        let step = if asynchronous { step.asynchronous() } else { step };
        let idle = NativeStep::new(|_| async { Ok(()) });
        let result = World::attempt(Vec::new(), |host| host.native_step("p", step, idle)).await;
        let error = result.err().expect("it is refused");
        assert!(error.message().contains(expected), "{error}");
    };
    let policy = JobPolicy { ordered: true, ..JobPolicy::default() };
    refused(policy, false, "is synchronous and says how its jobs run").await;
    let policy = JobPolicy { budget: Some(Duration::from_secs(1)), ..JobPolicy::default() };
    refused(policy.clone(), true, "has a `budget`, which only background steps have").await;
    refused(
        JobPolicy { background: true, budget: Some(Duration::ZERO), ..policy },
        true,
        "`budget` of no time",
    )
    .await;
    refused(JobPolicy { concurrency: Some(0), ..JobPolicy::default() }, true, "pause the step instead").await;
}
