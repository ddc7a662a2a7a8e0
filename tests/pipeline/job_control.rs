//! What operators do to jobs while they run.

use std::sync::Arc;

use stagegate::model::job::{Control, Suspension};
use stagegate::store::{JobFilter, JobSelect};
use stagegate::{DateTime, Job, JobStatus, NativeStep, Stage, Uuid};
use stagegate_tests::{Log, World, on_create};
use tokio::sync::{Notify, Semaphore};

/// A step that says when it has begun, waits, and says whether it was dropped meanwhile.
struct Waiting {
    began: Arc<Semaphore>,
    go: Arc<Notify>,
    log: Log,
}

impl Waiting {
    fn new() -> Self {
        Self { began: Arc::new(Semaphore::new(0)), go: Arc::default(), log: Log::default() }
    }

    fn step(&self) -> NativeStep {
        let (began, go, log) = (Arc::clone(&self.began), Arc::clone(&self.go), self.log.clone());
        NativeStep::new(move |_| {
            let (began, go, log) = (Arc::clone(&began), Arc::clone(&go), log.clone());
            async move {
                let mut guard = Guard { log, ended: false };
                began.add_permits(1);
                go.notified().await;
                guard.ended = true;
                Ok(())
            }
        })
    }

    async fn began(&self) {
        self.began.acquire().await.unwrap().forget();
    }
}

struct Guard {
    log: Log,
    ended: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.log.note(if self.ended { "ended" } else { "stopped" });
    }
}

async fn world(waiting: &Waiting) -> World {
    World::new(|host| {
        let step = on_create("waits", Stage::PostOperation).asynchronous();
        host.native_step("p", step, waiting.step()).workers(1)
    })
    .await
}

async fn job(world: &World, id: Uuid) -> Job {
    world.host.jobs(JobSelect::Ids(vec![id])).await.unwrap().remove(0)
}

async fn only(world: &World) -> Uuid {
    world.host.jobs(JobSelect::Newest(1)).await.unwrap().remove(0).id
}

async fn control(world: &World, id: Uuid, control: Control) -> JobStatus {
    *world.host.control_jobs(&[id], control).await.unwrap().remove(0).result.as_ref().unwrap()
}

#[tokio::test]
async fn a_job_that_runs_is_stopped_when_it_is_canceled() {
    let waiting = Waiting::new();
    let world = world(&waiting).await;
    world.create("a").await.unwrap();
    waiting.began().await;
    let id = only(&world).await;
    assert_eq!(control(&world, id, Control::Cancel).await, JobStatus::Canceling);
    world.host.idle().await.unwrap();
    assert_eq!(waiting.log.all(), ["stopped"]);
    let canceled = job(&world, id).await;
    assert_eq!((canceled.status, canceled.worker), (JobStatus::Canceled, None));
    // And may be run again.
    assert_eq!(control(&world, id, Control::Retry).await, JobStatus::WaitingForResources);
    waiting.began().await;
    waiting.go.notify_one();
    world.host.idle().await.unwrap();
    assert_eq!(job(&world, id).await.status, JobStatus::Succeeded);
}

#[tokio::test]
async fn a_job_that_runs_comes_to_its_end_though_it_is_paused() {
    let waiting = Waiting::new();
    let world = world(&waiting).await;
    world.create("a").await.unwrap();
    waiting.began().await;
    let id = only(&world).await;
    assert_eq!(control(&world, id, Control::Pause).await, JobStatus::Pausing);
    waiting.go.notify_one();
    world.host.idle().await.unwrap();
    assert_eq!(waiting.log.all(), ["ended"]);
    assert_eq!(job(&world, id).await.status, JobStatus::Succeeded, "the work is done");
}

#[tokio::test]
async fn jobs_that_wait_are_paused_resumed_postponed_and_canceled() {
    let waiting = Waiting::new();
    let world = world(&waiting).await;
    for name in ["a", "b", "c", "d"] {
        world.create(name).await.unwrap();
    }
    waiting.began().await;
    let ids: Vec<Uuid> =
        world.host.jobs(JobSelect::Newest(9)).await.unwrap().iter().map(|job| job.id).collect();
    assert_eq!(control(&world, ids[1], Control::Pause).await, JobStatus::Waiting);
    let never = DateTime(i64::MAX);
    assert_eq!(control(&world, ids[2], Control::Postpone(never)).await, JobStatus::Waiting);
    assert_eq!(control(&world, ids[3], Control::Cancel).await, JobStatus::Canceled);
    waiting.go.notify_one();
    world.host.idle().await.unwrap();
    assert_eq!(waiting.log.all(), ["ended"], "one ran");
    let postponed = job(&world, ids[2]).await;
    assert_eq!((postponed.suspension, postponed.postpone_until), (Some(Suspension::Postponed), Some(never)));
    for id in [ids[1], ids[2]] {
        control(&world, id, Control::Resume).await;
        waiting.began().await;
        waiting.go.notify_one();
        world.host.idle().await.unwrap();
        assert_eq!(job(&world, id).await.status, JobStatus::Succeeded);
    }
}

#[tokio::test]
async fn all_that_failed_of_a_step_are_run_again_together() {
    let log = Log::default();
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (seen, is_broken) = (log.clone(), Arc::clone(&broken));
    let world = World::new(|host| {
        let calls = NativeStep::new(move |_| {
            seen.note("called");
            let broken = is_broken.load(std::sync::atomic::Ordering::SeqCst);
            async move { if broken { Err(stagegate::Fault::new("down")) } else { Ok(()) } }
        });
        host.native_step("p", on_create("calls", Stage::PostOperation).asynchronous(), calls)
    })
    .await;
    for _ in 0..5 {
        world.create("a").await.unwrap();
    }
    world.host.idle().await.unwrap();
    let failed = JobSelect::Filter(JobFilter::newest(99).in_status([JobStatus::Failed]));
    let ids: Vec<Uuid> = world.host.jobs(failed.clone()).await.unwrap().iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), 5);
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    world.host.control_jobs(&ids, Control::Retry).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(world.host.jobs(failed).await.unwrap(), []);
    assert_eq!(log.all().len(), 10);
}

#[tokio::test]
async fn counts_are_by_step_and_status() {
    let waiting = Waiting::new();
    let world = world(&waiting).await;
    for name in ["a", "b", "c"] {
        world.create(name).await.unwrap();
    }
    waiting.began().await;
    let counts = world.host.job_counts().await.unwrap();
    let shown: Vec<_> =
        counts.iter().map(|count| (count.step.to_string(), count.status, count.count)).collect();
    let expected = [
        ("p/waits".to_owned(), JobStatus::WaitingForResources, 2),
        ("p/waits".to_owned(), JobStatus::InProgress, 1),
    ];
    assert_eq!(shown, expected);
}
