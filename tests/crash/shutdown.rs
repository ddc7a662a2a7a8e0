//! A graceful stop: what runs ends within the grace, and whatever does not is ready for the next host.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stagegate::{Host, HostBuilder, Job, JobStatus, NativeStep, Stage, StepDefinition};
use stagegate_tests::{GUEST_MISBEHAVING, PATIENCE, entity, load, on_create};
use tokio::sync::{Semaphore, mpsc::unbounded_channel};

use super::support::{jobs, open, queue};

const JOBS: usize = 200;
/// Runs that pass at once, so that the service has seen short jobs and claims ahead.
const SHORT: usize = 100;

fn host(path: &Path) -> HostBuilder {
    Host::builder().store(open(path)).define(vec![entity("probe")])
}

fn waits() -> StepDefinition {
    on_create("waits", Stage::PostOperation).asynchronous()
}

/// Opens the database anew, checks that nothing is locked and nobody is suspected, and has every job run to its end.
async fn check_the_next(path: &Path, ended: RangeInclusive<usize>) {
    let fine = || NativeStep::new(|_| async { Ok(()) });
    let reader = host(path).native_step("p", waits(), fine()).workers(0).build().await.unwrap();
    let left = jobs(&reader).await;
    let count = |status| left.iter().filter(|job: &&Job| job.status == status).count();
    let done = count(JobStatus::Succeeded);
    assert!(ended.contains(&done), "{done} have ended");
    assert_eq!(count(JobStatus::WaitingForResources), JOBS - done, "the others are ready: {left:?}");
    assert!(
        left.iter().all(|job| job.crash_count == 0 && job.worker.is_none() && job.retries == 0),
        "{left:?}"
    );
    reader.shutdown().await;

    let next = host(path).native_step("p", waits(), fine()).build().await.unwrap();
    tokio::time::timeout(PATIENCE, next.idle()).await.expect("it ends").unwrap();
    assert!(jobs(&next).await.iter().all(|job| job.status == JobStatus::Succeeded));
    next.shutdown().await;
}

/// Queues the jobs on a host whose step lets the first of them pass, and stops it when two others run. Those two end if
/// `ends` says so.
async fn stop_in_the_midst(path: &Path, grace: Duration, ends: bool) {
    let (began, mut begun) = unbounded_channel();
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let closed = Arc::clone(&gate);
    let step = NativeStep::new(move |_| {
        let (began, gate) = (began.clone(), Arc::clone(&closed));
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            if run >= SHORT {
                began.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
            }
            Ok(())
        }
    });
    let host =
        host(path).native_step("p", waits(), step).workers(2).shutdown_grace(grace).build().await.unwrap();
    queue(&host, JOBS).await;
    for _ in 0..2 {
        tokio::time::timeout(PATIENCE, begun.recv()).await.expect("it runs").unwrap();
    }
    let stops = host.shutdown();
    tokio::pin!(stops);
    tokio::select! {
        biased;
        () = &mut stops => panic!("two jobs run"),
        () = std::future::ready(()) => {}
    }
    if ends {
        // For all: the service may begin another one before it hears that it is to stop.
        gate.add_permits(JOBS);
    }
    tokio::time::timeout(PATIENCE, stops).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_jobs_end_and_the_others_are_handed_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stopped.db");
    stop_in_the_midst(&path, PATIENCE, true).await;
    check_the_next(&path, SHORT + 2..=JOBS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_outlast_the_grace_are_handed_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stopped.db");
    stop_in_the_midst(&path, Duration::from_millis(50), false).await;
    check_the_next(&path, SHORT..=SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_spins_is_handed_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spun.db");
    let plugin = load(GUEST_MISBEHAVING).await;
    let on = StepDefinition::new("spin", "Create", Stage::PostOperation).on("probe").asynchronous();
    let build = |workers| {
        let host = host(&path).plugin_step(plugin.clone(), on.clone(), None).workers(workers);
        host.shutdown_grace(Duration::from_millis(50)).build()
    };
    let first = build(1).await.unwrap();
    queue(&first, 1).await;
    first.shutdown().await;
    let next = build(0).await.unwrap();
    let [job] = jobs(&next).await.try_into().unwrap();
    assert_eq!((job.status, job.crash_count, job.worker), (JobStatus::WaitingForResources, 0, None));
    next.shutdown().await;
}
