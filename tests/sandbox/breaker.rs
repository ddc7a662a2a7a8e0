//! A step that breaks down again and again is disabled for a while, and nothing else is.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::Value as Json;
use stagegate::model::code;
use stagegate::model::step::StepKey;
use stagegate::store::JobSelect;
use stagegate::wasm::Plugin;
use stagegate::{
    BreakerSettings, Cause, Clock, DateTime, Entity, Error, ErrorKind, HostBuilder, Job, JobStatus,
    NativeStep, Request, Response, Stage,
};
use stagegate_tests::{GUEST_MISBEHAVING, PATIENCE, World, load, on_create, probe, string};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::with;
use crate::cli::program::Program;

/// A clock that a test moves.
#[derive(Clone, Debug)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }

    fn move_on(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> DateTime {
        DateTime(self.0.load(Ordering::SeqCst))
    }
}

const PAUSE: Duration = Duration::from_secs(10);

fn after(failures: u32) -> BreakerSettings {
    BreakerSettings::default().failures(failures).pause(PAUSE, 2, PAUSE * 100)
}

fn obey() -> StepKey {
    StepKey { plugin: "guest-misbehaving".into(), step: "obey".into() }
}

async fn world(hands: &Hands, plugin: &Plugin, settings: Option<BreakerSettings>) -> World {
    World::new(|host| {
        let host = host.clock(hands.clone()).breaker(settings);
        let host = with(host, plugin, "obey", "probe", Stage::PreOperation);
        with(host, plugin, "pass", "inner", Stage::PreOperation)
    })
    .await
}

fn kind(result: Result<Response, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_breaks_down_again_and_again_is_disabled_and_tried_after_a_while() {
    let (hands, plugin) = (Hands::new(), load(GUEST_MISBEHAVING).await);
    let world = world(&hands, &plugin, Some(after(3))).await;
    for _ in 0..3 {
        assert_eq!(kind(world.create("panic").await), Some(ErrorKind::Panicked));
    }
    let error = world.create("good").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Disabled, code::WORKER_THROTTLED), "{error:?}");
    let shown = error.to_string();
    let until = "2027-01-15T08:00:10";
    for part in ["`obey`", "`guest-misbehaving`", "PreOperation", "3 times in a row", "as it was told", until]
    {
        assert!(shown.contains(part), "{shown} does not say {part}");
    }
    assert_eq!((error.retry_after(), error.is_retryable()), (Some(PAUSE), true));
    let Some(Cause::Disabled(found)) = error.cause() else { panic!("{error:?}") };
    let ten_seconds_on = DateTime(hands.now().0 + 10_000);
    assert_eq!((found.until, found.failures, found.last), (Some(ten_seconds_on), 3, ErrorKind::Panicked));
    assert!(error.source().unwrap().to_string().contains("as it was told"), "why it was disabled");

    // It is listed, and the plugin's other steps go on.
    let open = world.host.open_breakers();
    assert_eq!((open.len(), &open[0].step, open[0].failures), (1, &obey(), 3));
    world.host.execute(Request::create(Entity::new("inner").with("name", string("a")))).await.unwrap();

    // One run is tried when the pause is over; it grows if that fails.
    hands.move_on(PAUSE);
    assert_eq!(kind(world.create("panic").await), Some(ErrorKind::Panicked));
    assert_eq!(world.create("good").await.unwrap_err().retry_after(), Some(PAUSE * 2));
    hands.move_on(PAUSE * 2);
    for name in ["a", "b"] {
        world.create(name).await.unwrap();
    }
    assert!(world.host.open_breakers().is_empty());
    assert_eq!(world.names("probe").await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_breakdown_of_the_step_disables_nothing() {
    let (hands, plugin) = (Hands::new(), load(GUEST_MISBEHAVING).await);
    let world = world(&hands, &plugin, Some(after(2))).await;
    for (name, expected) in [
        ("refuse", ErrorKind::Rejected),
        ("refuse", ErrorKind::Rejected),
        ("refuse", ErrorKind::Rejected),
        // A run that works, or refuses, ends the row.
        ("panic", ErrorKind::Panicked),
        ("refuse", ErrorKind::Rejected),
        ("panic", ErrorKind::Panicked),
    ] {
        assert_eq!(kind(world.create(name).await), Some(expected), "{name}");
    }
    // A caller with little time cannot disable a step for all.
    world.create("good").await.unwrap();
    for _ in 0..3 {
        let hasty = Request::create(probe("spin")).within(Duration::from_millis(30));
        assert_eq!(kind(world.host.execute(hasty).await), Some(ErrorKind::Timeout));
    }
    assert!(world.host.open_breakers().is_empty());

    // A native step is the service's own code.
    let world = World::new(|host: HostBuilder| {
        let panics = NativeStep::new(|_| async { panic!("the service's own") });
        host.breaker(Some(after(2))).native_step("service", on_create("panics", Stage::PreOperation), panics)
    })
    .await;
    for _ in 0..4 {
        assert_eq!(kind(world.create("a").await), Some(ErrorKind::Panicked));
    }
    // Nobody is disabled where nobody is to be.
    let world = self::world(&hands, &plugin, None).await;
    for _ in 0..8 {
        assert_eq!(kind(world.create("panic").await), Some(ErrorKind::Panicked));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_takes_the_whole_time_again_and_again_is_disabled_too() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        let host = host.time_limit(Duration::from_secs(1)).breaker(Some(after(2)));
        // The outer step only waits for the one that spins.
        let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
        with(host, &plugin, "spin", "inner", Stage::PreOperation)
    })
    .await;
    for _ in 0..2 {
        assert_eq!(kind(world.create("a").await), Some(ErrorKind::Timeout));
    }
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disabled, "{error:?}");
    let path: Vec<&str> = error.path().iter().map(|place| place.step.step.as_str()).collect();
    assert_eq!(path, ["spin", "nest"]);
    assert_eq!(world.host.open_breakers().len(), 1);
}

/// In each call the time is the host's, or that of the step there; that there is no end to them is the caller's doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_calls_without_end_is_disabled_and_not_what_it_calls() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for has_inner in [false, true] {
        let world = World::new(|host| {
            let host = host.time_limit(Duration::from_millis(500)).breaker(Some(after(2)));
            let host = with(host, &plugin, "flood", "probe", Stage::PreOperation);
            if has_inner { with(host, &plugin, "pass", "inner", Stage::PreOperation) } else { host }
        })
        .await;
        for _ in 0..2 {
            assert_eq!(kind(world.create("a").await), Some(ErrorKind::Timeout));
        }
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disabled, "{error:?}");
        let open = world.host.open_breakers();
        assert_eq!((open.len(), open[0].step.step.as_str()), (1, "flood"), "{open:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_that_takes_for_ever_is_not_the_steps_doing() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        let host = host.time_limit(Duration::from_secs(1)).breaker(Some(after(1)));
        let waits = NativeStep::new(|_| std::future::pending());
        let waits_on = on_create("waits", Stage::PreOperation).on("inner");
        with(host, &plugin, "nest", "probe", Stage::PreOperation).native_step("service", waits_on, waits)
    })
    .await;
    for _ in 0..2 {
        assert_eq!(kind(world.create("a").await), Some(ErrorKind::Timeout));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_enables_a_step_again() {
    let (hands, plugin) = (Hands::new(), load(GUEST_MISBEHAVING).await);
    let world = world(&hands, &plugin, Some(after(1))).await;
    assert_eq!(kind(world.create("panic").await), Some(ErrorKind::Panicked));
    assert_eq!(kind(world.create("good").await), Some(ErrorKind::Disabled));
    assert!(world.host.close_breaker(&obey()));
    world.create("good").await.unwrap();
    assert!(!world.host.close_breaker(&obey()));
}

/// A world with an asynchronous step that obeys, and what tells of its runs by whether they failed.
async fn asynchronous(hands: &Hands, plugin: &Plugin) -> (World, UnboundedReceiver<Option<ErrorKind>>) {
    let (ran, runs) = unbounded_channel();
    let world = World::new(|host| {
        host.clock(hands.clone())
            .breaker(Some(after(2)))
            .workers(1)
            .observe_jobs(move |_, run| ran.send(run.error.map(|error| error.kind())).unwrap())
            .plugin_step(plugin.clone(), on_create("obey", Stage::PostOperation).asynchronous(), None)
    })
    .await;
    (world, runs)
}

async fn next(runs: &mut UnboundedReceiver<Option<ErrorKind>>) -> Option<ErrorKind> {
    tokio::time::timeout(PATIENCE, runs.recv()).await.expect("a run").unwrap()
}

async fn jobs(world: &World) -> Vec<Job> {
    world.host.jobs(JobSelect::Newest(9)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_disabled_step_wait_and_nothing_of_them_is_used_up() {
    let (hands, plugin) = (Hands::new(), load(GUEST_MISBEHAVING).await);
    let (world, mut runs) = asynchronous(&hands, &plugin).await;
    for name in ["panic", "panic", "panic", "good", "good"] {
        world.create(name).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(next(&mut runs).await, Some(ErrorKind::Panicked));
    }
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("nobody waits for those").unwrap();
    let waiting =
        |jobs: &[Job]| jobs.iter().filter(|job| job.status == JobStatus::WaitingForResources).count();
    let now = jobs(&world).await;
    assert_eq!(waiting(&now), 3, "{now:?}");
    for job in now.iter().filter(|job| job.status == JobStatus::WaitingForResources) {
        assert_eq!((job.attempt, job.retries, job.crash_count), (0, 0, 0), "{job:?}");
    }

    // One is tried, which fails; then another, which works: then all go.
    hands.move_on(PAUSE);
    assert_eq!(next(&mut runs).await, Some(ErrorKind::Panicked));
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it waits again").unwrap();
    assert_eq!(waiting(&jobs(&world).await), 2);
    hands.move_on(PAUSE * 2);
    for _ in 0..2 {
        assert_eq!(next(&mut runs).await, None);
    }
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("they end").unwrap();
    let ended = jobs(&world).await;
    let succeeded = ended.iter().filter(|job| job.status == JobStatus::Succeeded);
    assert!(succeeded.clone().all(|job| job.attempt == 1), "{ended:?}");
    assert_eq!((succeeded.count(), ended.len()), (2, 5));
    assert!(world.host.open_breakers().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_when_an_operator_enables_their_step() {
    let (hands, plugin) = (Hands::new(), load(GUEST_MISBEHAVING).await);
    let (world, mut runs) = asynchronous(&hands, &plugin).await;
    for name in ["panic", "panic", "good"] {
        world.create(name).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(next(&mut runs).await, Some(ErrorKind::Panicked));
    }
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("nobody waits for it").unwrap();
    assert!(world.host.close_breaker(&obey()));
    assert_eq!(next(&mut runs).await, None);
}

#[test]
fn the_program_says_which_steps_are_disabled() {
    let program = Program::new();
    let create = r#"{"message": "Create", "target": {"entity": "probe", "attributes": {"name": "panic"}}}"#;
    let requests = program.file(
        "requests.json",
        format!(
            r#"{{"entities": [{{"logical_name": "probe", "attributes": [{{"name": "name", "type": "string"}}]}}],
                "requests": [{}]}}"#,
            [create; 6].join(",")
        ),
    );
    let manifest =
        program.file("operator.toml", "enabled = false\n[[step]]\nname = \"obey\"\nenabled = true\n");
    let run = |format: &str| {
        program.run([
            "--plugin".as_ref(),
            GUEST_MISBEHAVING.as_ref(),
            "--manifest".as_ref(),
            manifest.as_path(),
            "--requests".as_ref(),
            requests.as_path(),
            "--format".as_ref(),
            format.as_ref(),
        ])
    };
    let report: Json = serde_json::from_str(&run("json").output).unwrap();
    let error = &report["requests"][5]["error"];
    assert_eq!(error["kind"], "disabled", "{error:#}");
    assert_eq!(error["disabled"]["failures"], 5);
    assert_eq!(error["disabled"]["last"], "panicked");
    assert!(
        error["retry_after_us"].as_u64().unwrap() > 0 && error["disabled"]["until"].is_string(),
        "{error:#}"
    );
    let usage = &report["plugin_usage"][0];
    assert_eq!(usage["plugin"], "guest-misbehaving");
    assert_eq!((&usage["runs"], &usage["held_back"]), (&5.into(), &1.into()), "{usage:#}");
    assert_eq!(usage["failures"]["panicked"], 5, "{usage:#}");
    assert_eq!(usage["open_breakers"][0]["step"], "obey", "{usage:#}");
    let text = run("text").output;
    assert!(text.contains("disabled for a while") && text.contains("broke down 5 times in a row"), "{text}");
}
