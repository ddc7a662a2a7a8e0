//! The host's clock jumps, forward and back, while jobs wait.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stagegate::model::JobPolicy;
use stagegate::model::job::{Control, Suspension};
use stagegate::{Clock, DateTime, Fault, Job, JobStatus, NativeStep, OperationStatus, Request, Stage};
use stagegate_tests::{Log, PATIENCE, World, on_create, on_update, probe, text};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::support::jobs;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A clock that goes where it is told to.
#[derive(Clone, Debug)]
struct Jumping(Arc<AtomicI64>);

impl Jumping {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }

    fn jump(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Jumping {
    fn now(&self) -> DateTime {
        DateTime(self.0.load(Ordering::Relaxed))
    }
}

/// A world whose step on Create of a probe asks for a retry in the first run for each name, and what tells of the runs.
async fn world(clock: &Jumping) -> (World, UnboundedReceiver<String>) {
    let (ran, runs) = unbounded_channel();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let hesitates = NativeStep::new(move |cx| {
        let (ran, seen) = (ran.clone(), Arc::clone(&seen));
        async move {
            let name = text(&cx.target()?.unwrap(), "name");
            ran.send(name.clone()).unwrap();
            match seen.lock().unwrap().insert(name) {
                true => Err(Fault { status: OperationStatus::Retry, ..Fault::new("not yet") }),
                false => Ok(()),
            }
        }
    });
    let policy = JobPolicy { retry_delay: Duration::from_secs(600), ..JobPolicy::default() };
    let on = on_create("hesitates", Stage::PostOperation).asynchronous().jobs(policy);
    let world = World::new(|host| host.clock(clock.clone()).native_step("p", on, hesitates)).await;
    (world, runs)
}

/// Creates a probe, and returns when its job has failed once and waits for its retry.
async fn fail_once(world: &World, runs: &mut UnboundedReceiver<String>, name: &str) -> Job {
    world.create(name).await.unwrap();
    run(world, runs, &[name]).await;
    let job = jobs(&world.host).await.pop().unwrap();
    assert_eq!((job.status, job.suspension), (JobStatus::Waiting, Some(Suspension::Retry)));
    job
}

/// Waits for runs of these names, in any order, and for their settlements.
async fn run(world: &World, runs: &mut UnboundedReceiver<String>, names: &[&str]) {
    let mut ran = Vec::new();
    for _ in names {
        ran.push(tokio::time::timeout(PATIENCE, runs.recv()).await.expect("it runs").unwrap());
    }
    ran.sort();
    assert_eq!(ran, names);
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
}

async fn statuses(world: &World) -> Vec<JobStatus> {
    jobs(&world.host).await.iter().map(|job| job.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_forward_starts_what_was_put_off() {
    let clock = Jumping::new();
    let (world, mut runs) = world(&clock).await;
    fail_once(&world, &mut runs, "retried").await;
    let job = fail_once(&world, &mut runs, "postponed").await;
    let until = DateTime(clock.now().0 + 12 * HOUR);
    world.host.control_jobs(&[job.id], Control::Postpone(until)).await.unwrap();
    clock.jump(DAY);
    run(&world, &mut runs, &["postponed", "retried"]).await;
    assert_eq!(statuses(&world).await, [JobStatus::Succeeded; 2]);
}

/// What an operator has put off to a moment waits for it. A retry would wait for two days, which no retry does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_days_back_keep_no_retry_waiting() {
    let clock = Jumping::new();
    let (world, mut runs) = world(&clock).await;
    fail_once(&world, &mut runs, "retried").await;
    let job = fail_once(&world, &mut runs, "postponed").await;
    let until = DateTime(clock.now().0 + HOUR);
    world.host.control_jobs(&[job.id], Control::Postpone(until)).await.unwrap();
    clock.jump(-2 * DAY);
    run(&world, &mut runs, &["retried"]).await;
    assert_eq!(statuses(&world).await, [JobStatus::Succeeded, JobStatus::Waiting]);
    // And what is queued now is run now, beside what seems to come from the future.
    fail_once(&world, &mut runs, "new").await;
    clock.jump(HOUR);
    run(&world, &mut runs, &["new"]).await;
    clock.jump(2 * DAY);
    run(&world, &mut runs, &["postponed"]).await;
    assert_eq!(statuses(&world).await, [JobStatus::Succeeded; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_jobs_keep_their_order_whatever_the_clock_does() {
    let clock = Jumping::new();
    let log = Log::default();
    let (gate, notes) = (Arc::new(Semaphore::new(0)), log.clone());
    let step = {
        let gate = Arc::clone(&gate);
        NativeStep::new(move |cx| {
            let (gate, notes) = (Arc::clone(&gate), notes.clone());
            async move {
                let _open = gate.acquire().await.unwrap();
                notes.note(text(&cx.target()?.unwrap(), "name"));
                Ok(())
            }
        })
    };
    let policy = JobPolicy { ordered: true, ..JobPolicy::default() };
    let on = on_update("ordered", Stage::PostOperation).asynchronous().jobs(policy);
    let world = World::new(|host| host.clock(clock.clone()).native_step("p", on, step)).await;
    let record = world.add(probe("new")).await;
    // The first runs, and the others are queued behind it, each in another time.
    for (name, jump) in [("1", -2 * DAY), ("2", 3 * DAY), ("3", -DAY), ("4", 0)] {
        world.run(Request::update(probe(name).with_id(record.id))).await;
        clock.jump(jump);
    }
    gate.add_permits(1);
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("they end").unwrap();
    assert_eq!(log.all(), ["1", "2", "3", "4"]);
    assert_eq!(statuses(&world).await, [JobStatus::Succeeded; 4]);
}
