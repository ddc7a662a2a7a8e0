//! Background steps: longer than a message may take, stopped at a checkpoint and resumed there.

use std::sync::Arc;
use std::time::Duration;

use stagegate::model::job::{Control, JobPolicy, Suspension};
use stagegate::store::JobSelect;
use stagegate::{Host, HostBuilder, Job, JobStatus, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::{Database, GUEST_BACKGROUND, entity, load, on_create, probe, text};
use tokio::sync::{Notify, Semaphore};

/// Holds up the creation of the third `inner`, before its transaction.
#[derive(Clone)]
struct Gate {
    reached: Arc<Semaphore>,
    open: Arc<Notify>,
}

impl Gate {
    fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), open: Arc::default() }
    }

    fn step(&self) -> NativeStep {
        let gate = self.clone();
        NativeStep::new(move |cx| {
            let gate = gate.clone();
            async move {
                if cx.target()?.is_some_and(|target| text(&target, "name").ends_with("/3")) {
                    gate.reached.add_permits(1);
                    gate.open.notified().await;
                }
                Ok(())
            }
        })
    }

    async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }
}

/// The guest's step of that name, as a background step with that budget.
async fn background(host: HostBuilder, step: &str, budget: Option<Duration>) -> HostBuilder {
    let plugin = load(GUEST_BACKGROUND).await;
    let declared = plugin.declaration().steps.iter().find(|declared| declared.name == step).unwrap().clone();
    let jobs = JobPolicy { background: true, budget, ..declared.jobs.clone() };
    host.plugin_step(plugin, declared.jobs(jobs), None)
}

fn builder(database: &Database) -> HostBuilder {
    database.host().define(vec![entity("probe"), entity("inner")])
}

/// A host with the counting step and a gate in its way.
async fn counting(database: &Database, gate: &Gate) -> Host {
    let waits = StepDefinition::new("waits", "Create", Stage::PreValidation).on("inner");
    let host = builder(database).native_step("gate", waits, gate.step());
    background(host, "count", Some(Duration::from_secs(600))).await.build().await.unwrap()
}

async fn only(host: &Host) -> Job {
    host.jobs(JobSelect::Newest(1)).await.unwrap().remove(0)
}

async fn inner(host: &Host) -> Vec<String> {
    let query = stagegate::Query::new("inner").select(["name"]).order_by("name");
    let found = host.execute(Request::retrieve_multiple(query)).await.unwrap();
    let names = found.entities().iter().map(|record| text(record, "name"));
    names.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_background_step_has_the_time_that_an_operator_grants() {
    for (budget, limit) in [(None, "50ms"), (Some(Duration::from_millis(300)), "300ms")] {
        let database = Database::fresh();
        // The limit is the job's alone: the request may have to connect first.
        let queues = background(builder(&database).workers(0), "spins", budget).await.build().await.unwrap();
        queues.execute(Request::create(probe("a"))).await.unwrap();
        queues.shutdown().await;
        let host = builder(&database).time_limit(Duration::from_millis(50));
        let host = background(host, "spins", budget).await.build().await.unwrap();
        host.idle().await.unwrap();
        let job = only(&host).await;
        assert_eq!(job.status, JobStatus::Failed);
        let error = job.error.unwrap();
        assert!(error.message.contains(&format!("ran past its time limit of {limit}")), "{error:?}");
    }
}

#[tokio::test]
async fn a_step_that_is_paused_stops_at_its_checkpoint_and_goes_on_there() {
    let (database, gate) = (Database::fresh(), Gate::new());
    let host = counting(&database, &gate).await;
    host.execute(Request::create(probe("a"))).await.unwrap();
    gate.reached().await;
    let id = only(&host).await.id;
    let controlled = host.control_jobs(&[id], Control::Pause).await.unwrap();
    assert_eq!(controlled[0].result.as_ref().unwrap(), &JobStatus::Pausing);
    gate.open.notify_one();
    host.idle().await.unwrap();
    let paused = only(&host).await;
    assert_eq!((paused.status, paused.suspension), (JobStatus::Waiting, Some(Suspension::Paused)));
    assert_eq!(paused.checkpoint, Some(3_u32.to_le_bytes().to_vec()));
    assert_eq!(inner(&host).await, ["1", "2", "3"]);

    host.control_jobs(&[id], Control::Resume).await.unwrap();
    host.idle().await.unwrap();
    let done = only(&host).await;
    assert_eq!((done.status, done.checkpoint), (JobStatus::Succeeded, None));
    assert_eq!(done.trace, ["attempt 2 goes on from 3"]);
    assert_eq!(inner(&host).await, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_host_that_shuts_down_hands_the_job_on_at_its_checkpoint() {
    let (database, gate) = (Database::fresh(), Gate::new());
    let first = counting(&database, &gate).await;
    first.execute(Request::create(probe("a"))).await.unwrap();
    gate.reached().await;
    let closing = tokio::spawn({
        let first = first.clone();
        async move { first.shutdown().await }
    });
    gate.open.notify_one();
    closing.await.unwrap();
    drop(first);

    let second = counting(&database, &gate).await;
    second.idle().await.unwrap();
    let done = only(&second).await;
    assert_eq!((done.status, done.attempt, done.crash_count), (JobStatus::Succeeded, 2, 0));
    assert_eq!(inner(&second).await, ["1", "2", "3", "4", "5"]);
}

/// The guest computes without end: there is nothing that it would have to call to be stopped.
#[tokio::test]
async fn a_step_that_never_returns_is_canceled() {
    let database = Database::fresh();
    let host = background(builder(&database), "spins", Some(Duration::from_secs(600))).await;
    let host = host.build().await.unwrap();
    host.execute(Request::create(probe("a"))).await.unwrap();
    while only(&host).await.checkpoint.is_none() {
        tokio::task::yield_now().await;
    }
    host.control_jobs(&[only(&host).await.id], Control::Cancel).await.unwrap();
    host.idle().await.unwrap();
    let canceled = only(&host).await;
    assert_eq!((canceled.status, canceled.checkpoint), (JobStatus::Canceled, Some(b"spinning".to_vec())));
}

#[tokio::test]
async fn background_steps_keep_no_other_waiting() {
    let database = Database::fresh();
    let release = Arc::new(Notify::new());
    let (began, gate) = (Arc::new(Semaphore::new(0)), Arc::clone(&release));
    let begins = Arc::clone(&began);
    let long = NativeStep::new(move |_| {
        let gate = Arc::clone(&gate);
        begins.add_permits(1);
        async move {
            gate.notified().await;
            Ok(())
        }
    });
    let short = Arc::new(Semaphore::new(0));
    let runs = Arc::clone(&short);
    let brief = NativeStep::new(move |_| {
        runs.add_permits(1);
        async { Ok(()) }
    });
    let on = |name: &str| on_create(name, Stage::PostOperation).asynchronous();
    let policy = JobPolicy { background: true, ..JobPolicy::default() };
    let host = builder(&database)
        .workers(1)
        .native_step("p", on("long").jobs(policy), long)
        .native_step("p", on("brief"), brief)
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        host.execute(Request::create(probe("a"))).await.unwrap();
    }
    began.acquire().await.unwrap().forget();
    short.acquire_many(3).await.unwrap().forget();
    assert_eq!(began.available_permits(), 0, "one at a time");
    for _ in 0..3 {
        release.notify_one();
        tokio::task::yield_now().await;
    }
    began.acquire_many(2).await.unwrap().forget();
    release.notify_waiters();
}
