//! Contention in the database: what is run again, and what is not. A store that fails as a database with several writers
//! does stands in for one; the outcome is that of a request which met nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stagegate::model::job::Schedule;
use stagegate::model::trace::{Event, Trace};
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::store::{JobSelect, Store};
use stagegate::wasm::Plugin;
use stagegate::{
    ColumnSet, Entity, EntityCollection, EntityReference, Error, ErrorKind, Fault, HostBuilder, JobStatus,
    NativeStep, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::interposed::{Interposed, Moment};
use stagegate_tests::{
    GUEST_CAPABILITIES, GUEST_MISBEHAVING, Log, PATIENCE, World, load, on_create, probe, string, tells,
};

/// A world on a store that fails as `faults` says.
async fn world(
    faults: impl Fn(&Moment) -> Option<Error> + Send + Sync + 'static,
    describe: impl FnOnce(HostBuilder) -> HostBuilder,
) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(Options::new(folder.path().join("contended.db"))).unwrap();
    let store: Arc<dyn Store> = Interposed::new(store).faults(faults).done();
    (World::new(|host| describe(host.store(store))).await, folder)
}

fn contention() -> Error {
    Error::new(ErrorKind::Contention, "two requests waited for each other")
}

/// Fails the first run of each transaction with that label at its verb of that number; notes that it did.
fn once(label: &'static str, verb: u32, hits: &Arc<AtomicU32>) -> impl Fn(&Moment) -> Option<Error> + use<> {
    let hits = Arc::clone(hits);
    move |moment| {
        let meets = moment.label == label && moment.run == 1 && moment.verb == verb;
        meets.then(|| {
            hits.fetch_add(1, Ordering::Relaxed);
            contention()
        })
    }
}

/// Fails every run of a transaction with that label at its first verb of that name.
fn always(
    label: &'static str,
    name: &'static str,
    hits: &Arc<AtomicU32>,
) -> impl Fn(&Moment) -> Option<Error> + use<> {
    let hits = Arc::clone(hits);
    move |moment| {
        let meets = moment.label == label && moment.name == name;
        meets.then(|| {
            hits.fetch_add(1, Ordering::Relaxed);
            contention()
        })
    }
}

fn guest(host: HostBuilder, plugin: &Plugin, step: &str) -> HostBuilder {
    host.plugin_step(plugin.clone(), on_create(step, Stage::PreOperation), None)
}

/// Does `check` for a fault at each verb of the transaction with that label, the commit included, one after another.
async fn at_each_verb<T: Future<Output = ()>>(mut check: impl FnMut(u32, Arc<AtomicU32>) -> T) -> u32 {
    for verb in 1.. {
        let hits = Arc::new(AtomicU32::new(0));
        check(verb, Arc::clone(&hits)).await;
        if hits.load(Ordering::Relaxed) == 0 {
            return verb - 1;
        }
        assert_eq!(hits.load(Ordering::Relaxed), 1);
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_met_another_is_as_one_that_met_nobody() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let verbs = at_each_verb(async |verb, hits| {
        let log = Log::default();
        let (world, _folder) = world(once("Create probe", verb, &hits), |host| {
            let shares = NativeStep::new(|cx| async move {
                cx.create(Entity::new("inner").with("name", string("before the transaction"))).await?;
                cx.set_shared_variable("before", Value::Integer(7))?;
                Ok(cx.set_target([("note", string("from PreValidation"))])?)
            });
            let queued = tells(&log, |cx| {
                let before = cx.parent_shared_variable(1, "before")?;
                Ok(format!("{:?} {before:?}", cx.shared_variable("runs")?))
            });
            guest(host, &plugin, "nest_and_count")
                .native_step("p", on_create("shares", Stage::PreValidation), shares)
                .native_step("p", on_create("queued", Stage::PostOperation).asynchronous(), queued)
        })
        .await;
        let traced = world.host.trace(Request::create(probe("a"))).await;
        let id = traced.result.unwrap().id().unwrap();
        let record = world.get(&EntityReference::new("probe", id)).await.unwrap();
        assert_eq!(record.get("amount"), Some(&Value::Integer(1)), "the target as if it ran once");
        assert_eq!(record.get("note"), Some(&string("from PreValidation")));
        assert_eq!(record.get("versionnumber"), Some(&Value::BigInteger(1)));
        assert_eq!(world.names("probe").await, ["a"]);
        assert_eq!(world.names("inner").await, ["before the transaction", "nested"]);
        tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
        assert_eq!(
            log.all(),
            ["Some(Integer(1)) Some(Integer(7))"],
            "one job, and shared variables of one run"
        );
        check_trace(&traced.trace.unwrap(), hits.load(Ordering::Relaxed));
        world.host.shutdown().await;
    })
    .await;
    assert!(verbs >= 4, "two inserts, the job and the commit at least: {verbs}");
}

/// What a guest draws by lot follows from the request, so that the second run does what the first did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_run_has_the_random_numbers_of_the_first() {
    let plugin = load(GUEST_CAPABILITIES).await;
    let hits = Arc::new(AtomicU32::new(0));
    let faults = move |moment: &Moment| {
        let meets = moment.label == "Create probe" && moment.run == 1 && moment.name == "commit";
        meets.then(|| {
            hits.fetch_add(1, Ordering::Relaxed);
            contention()
        })
    };
    let (world, _folder) = world(faults, |host| guest(host, &plugin, "lucky")).await;
    let trace = world.host.trace(Request::create(probe("a"))).await.trace.unwrap();
    let runs = trace.events.into_iter().filter_map(|event| match event {
        Event::Step(run) => Some(run.lines),
        _ => None,
    });
    let [first, second] = runs.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((first.len(), &first), (1, &second));
}

/// The trace has both runs, and between them what undid the first.
fn check_trace(trace: &Trace, repeats: u32) {
    let count = |is: fn(&Event) -> bool| trace.events.iter().filter(|event| is(event)).count();
    let began = count(|event| matches!(event, Event::Began { .. }));
    assert_eq!(began, 1 + repeats as usize, "{trace:?}");
    assert_eq!(count(|event| matches!(event, Event::Committed { .. })), 1, "{trace:?}");
    let repeated = trace.events.iter().filter_map(|event| match event {
        Event::Repeated { runs, reason, .. } => Some((*runs, reason.contains("waited for each other"))),
        _ => None,
    });
    assert_eq!(repeated.collect::<Vec<_>>(), vec![(1, true); repeats as usize], "{trace:?}");
}

#[tokio::test]
async fn a_request_without_plugins_is_run_again() {
    let verbs = at_each_verb(async |verb, hits| {
        let (world, _folder) = world(once("Update probe", verb, &hits), |host| host).await;
        let id = world.create("a").await.unwrap().id().unwrap();
        world.run(Request::update(probe("b").with_id(id))).await;
        let record = world.get(&EntityReference::new("probe", id)).await.unwrap();
        assert_eq!(record.get("versionnumber"), Some(&Value::BigInteger(2)));
        assert_eq!(world.names("probe").await, ["b"]);
    })
    .await;
    assert!(verbs >= 2, "the update and the commit at least: {verbs}");
}

#[tokio::test]
async fn after_a_native_step_nothing_is_run_again() {
    for (label, name) in [("outermost", "insert"), ("commit", "commit")] {
        let log = Log::default();
        let hits = Arc::default();
        let (world, _folder) = world(always("Create probe", name, &hits), |host| {
            host.native_step("p", on_create("reaches out", Stage::PreOperation), log.step(label))
        })
        .await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contention);
        assert!(error.is_retryable());
        assert_eq!(
            error.message(),
            "two requests waited for each other; the transaction ran once and is not run again, since what its native \
             step p/reaches out did outside of the database would be done twice"
        );
        assert_eq!(log.all(), [label]);
        assert_eq!(world.names("probe").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_native_step_of_a_nested_request_counts_too_and_the_error_names_the_place() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let hits = Arc::new(AtomicU32::new(0));
    let log = Log::default();
    let (world, _folder) = world(always("Create probe", "insert", &hits), |host| {
        let on = StepDefinition::new("inner", "Create", Stage::PreOperation).on("inner");
        guest(host, &plugin, "nest").native_step("p", on, log.step("inner"))
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert!(error.message().contains("its native step p/inner"), "{error}");
    let place = error.location().unwrap();
    assert_eq!((place.step.step.as_str(), place.stage), ("nest", Stage::PreOperation));
    assert_eq!((log.all().len(), hits.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn native_steps_before_the_transaction_and_after_it_do_no_harm() {
    let hits = Arc::new(AtomicU32::new(0));
    let log = Log::default();
    let (world, _folder) = world(once("Create probe", 1, &hits), |host| {
        host.native_step("p", on_create("before", Stage::PreValidation), log.step("before")).native_step(
            "p",
            on_create("after", Stage::PostOperation).asynchronous(),
            log.step("after"),
        )
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["before", "after"]);
    assert_eq!(hits.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_always_fails_is_given_up() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for step in ["nest", "nest_and_catch", "nest_and_refuse"] {
        let hits = Arc::new(AtomicU32::new(0));
        let (world, _folder) =
            world(always("Create probe", "insert", &hits), |host| guest(host, &plugin, step)).await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contention, "{step}: {error:?}");
        assert!(error.is_retryable(), "{step}");
        assert_eq!(
            error.message(),
            "two requests waited for each other; the transaction ran 5 times, which is the most",
            "{step}"
        );
        let place = error.location().unwrap();
        assert_eq!((place.step.plugin.as_str(), place.step.step.as_str()), ("guest-misbehaving", step));
        assert_eq!(hits.load(Ordering::Relaxed), 5, "{step}");
        assert_eq!(world.names("probe").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_plugin_that_hides_the_contention_is_run_again_all_the_same() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for step in ["nest_and_catch", "nest_and_refuse"] {
        let hits = Arc::new(AtomicU32::new(0));
        let (world, _folder) = world(once("Create probe", 1, &hits), |host| guest(host, &plugin, step)).await;
        let traced = world.host.trace(Request::create(probe("a"))).await;
        assert!(traced.result.is_ok(), "{step}: {:?}", traced.result);
        check_trace(&traced.trace.unwrap(), 1);
        assert_eq!(hits.load(Ordering::Relaxed), 1, "{step}");
        assert_eq!(world.names("inner").await, ["nested"], "{step}");
    }
}

#[tokio::test]
async fn a_refusal_that_has_nothing_to_do_with_it_is_no_reason() {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let plugin = load(GUEST_MISBEHAVING).await;
    let watch = move |moment: &Moment| {
        count.fetch_max(if moment.label == "Create probe" { moment.run } else { 0 }, Ordering::Relaxed);
        None
    };
    let (world, _folder) = world(watch, |host| {
        let refuses = NativeStep::new(|_| async { Err(Fault::new("never")) });
        let on = StepDefinition::new("refuses", "Create", Stage::PreValidation).on("inner");
        guest(host, &plugin, "nest_and_catch").native_step("p", on, refuses)
    })
    .await;
    assert_eq!(world.create("a").await.unwrap_err().kind(), ErrorKind::Doomed);
    assert!(runs.load(Ordering::Relaxed) <= 1);
}

#[tokio::test]
async fn a_lost_connection_and_an_unknown_outcome_are_not_tried_again() {
    for (kind, name) in [(ErrorKind::Store, "insert"), (ErrorKind::OutcomeUnknown, "commit")] {
        let hits = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&hits);
        let fails = move |moment: &Moment| {
            (moment.label == "Create probe" && moment.name == name).then(|| {
                count.fetch_add(1, Ordering::Relaxed);
                Error::new(kind, "gone")
            })
        };
        let (world, _folder) = world(fails, |host| host).await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, "gone"));
        assert_eq!(hits.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn there_is_no_pause_past_the_deadline() {
    let hits = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&hits);
    let limit = Duration::from_millis(200);
    let started = Arc::new(std::sync::OnceLock::new());
    // The first run is over when the request's time is nearly: less is left than any pause takes.
    let fails = move |moment: &Moment| {
        (moment.label == "Create probe" && moment.name == "insert").then(|| {
            count.fetch_add(1, Ordering::Relaxed);
            let started = started.get_or_init(Instant::now);
            std::thread::sleep((limit - Duration::from_millis(1)).saturating_sub(started.elapsed()));
            contention()
        })
    };
    let (world, _folder) = world(fails, |host| host).await;
    let error = world.host.execute(Request::create(probe("a")).within(limit)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert_eq!(
        error.message(),
        "two requests waited for each other; the transaction ran once, and the time limit leaves no room for another run"
    );
    assert_eq!(hits.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn requests_of_an_asynchronous_step_are_run_again() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let verbs = at_each_verb(async |verb, hits| {
        let (world, _folder) = world(once("Create inner", verb, &hits), |host| {
            let on = StepDefinition::new("nest", "Create", Stage::PostOperation).on("probe").asynchronous();
            host.plugin_step(plugin.clone(), on, None)
        })
        .await;
        world.create("a").await.unwrap();
        tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
        let [job] = world.host.jobs(JobSelect::Newest(9)).await.unwrap().try_into().unwrap();
        assert_eq!((job.status, job.attempt), (JobStatus::Succeeded, 1), "{job:?}");
        assert_eq!(world.names("inner").await, ["nested"]);
        world.host.shutdown().await;
    })
    .await;
    assert!(verbs >= 2, "{verbs}");
}

#[tokio::test]
async fn a_job_whose_requests_are_given_up_is_run_again_later() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let hits = Arc::new(AtomicU32::new(0));
    let (world, _folder) = world(always("Create inner", "insert", &hits), |host| {
        let on = StepDefinition::new("nest", "Create", Stage::PostOperation).on("probe").asynchronous();
        host.plugin_step(plugin.clone(), on, None)
    })
    .await;
    world.create("a").await.unwrap();
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
    let [job] = world.host.jobs(JobSelect::Newest(9)).await.unwrap().try_into().unwrap();
    assert_eq!((job.status, job.retries), (JobStatus::Waiting, 1), "{job:?}");
    assert!(job.error.unwrap().message.contains("ran 5 times"));
    world.host.shutdown().await;
}

#[tokio::test]
async fn messages_that_run_as_others_are_run_again_as_a_whole() {
    let with_id = |name, id| probe(name).with_id(uuid::Uuid::from_u128(id));
    let probes = || EntityCollection::new("probe", vec![with_id("a", 1), with_id("b", 2)]);
    type Make = fn(EntityCollection) -> Request;
    let cases: [(&str, Make, &[&str]); 4] = [
        (
            "ExecuteTransaction",
            |all| Request::execute_transaction(all.entities.into_iter().map(Request::create).collect()),
            &["a", "b"],
        ),
        ("UpsertMultiple probe", Request::upsert_multiple, &["a", "b"]),
        ("CreateMultiple probe", Request::create_multiple, &["a", "b"]),
        ("Create probe", |all| Request::upsert(all.entities[0].clone()), &["a"]),
    ];
    for (label, request, names) in cases {
        let verbs = at_each_verb(async |verb, hits| {
            let (world, _folder) = world(once(label, verb, &hits), |host| host).await;
            let request = request(probes());
            world.run(request).await;
            assert_eq!(world.names("probe").await, names, "{label} {verb}");
        })
        .await;
        assert!(verbs >= 2, "{label}: {verbs}");
    }
}

#[tokio::test]
async fn reads_dry_runs_and_what_is_asked_of_jobs_are_run_again() {
    let key = || EntityReference::new("probe", uuid::Uuid::from_u128(7));
    let verbs = at_each_verb(async |verb, hits| {
        let (world, _folder) = world(once("Retrieve probe", verb, &hits), |host| host).await;
        world.run(Request::create(probe("a").with_id(key().id))).await;
        world.run(Request::retrieve(key(), ColumnSet::All)).await;
    });
    assert!(verbs.await >= 1);
    let verbs = at_each_verb(async |verb, hits| {
        let (world, _folder) = world(once("the dry run of Create probe", verb, &hits), |host| host).await;
        let run = world.host.dry_run(Request::create(probe("a"))).await;
        assert!(run.result.is_ok(), "{:?}", run.result);
        assert_eq!(run.changes.len(), 1);
        assert_eq!(world.names("probe").await, Vec::<String>::new());
    });
    assert!(verbs.await >= 1);
    let verbs = at_each_verb(async |verb, hits| {
        let (world, _folder) = world(once("schedule Create", verb, &hits), |host| host).await;
        world.host.schedule(Request::create(probe("a")), Schedule::default()).await.unwrap();
        tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
        assert_eq!(world.names("probe").await, ["a"]);
        world.host.shutdown().await;
    });
    assert!(verbs.await >= 1);
}
