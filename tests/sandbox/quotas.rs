//! What a plugin may use on a host, all of its steps together, and what it has used.

use std::time::Duration;

use stagegate::model::{QuotaOf, code};
use stagegate::store::JobSelect;
use stagegate::{
    Cause, Entity, ErrorKind, JobStatus, Manifest, NativeStep, PluginUsage, Quota, Request, Stage,
    StepDefinition,
};
use stagegate_tests::{GUEST_MISBEHAVING, PATIENCE, World, load, on_create, string};

use super::with;

const HOUR: Duration = Duration::from_secs(3600);

fn usage(world: &World) -> PluginUsage {
    let [usage] = world.host.plugin_usage().try_into().expect("one plugin");
    usage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_uses_is_counted() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, "obey", "probe", Stage::PreOperation)).await;
    assert!(world.host.plugin_usage().is_empty(), "nothing has run");
    for name in ["good", "panic", "refuse", "refuse", "good"] {
        let _ = world.create(name).await;
    }
    let found = usage(&world);
    assert_eq!((found.plugin.as_str(), found.runs, found.held_back), ("guest-misbehaving", 5, 0));
    assert_eq!(found.failures, [(ErrorKind::Panicked, 1), (ErrorKind::Rejected, 2)]);
    assert!(found.guest_time > Duration::ZERO, "{found:?}");
    assert_eq!(found.memory_bytes, 0, "no sandbox is left");
    assert!(found.memory_peak_bytes >= plugin.report().initial_memory_bytes, "{found:?}");
    assert_eq!((found.quota, found.open_breakers.len()), (Quota::default(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_has_used_up_its_time_waits_for_it_to_come_back() {
    let plugin = load(GUEST_MISBEHAVING).await;
    // Less than any run takes: the first one may take more than there is.
    let quota = Quota::default().guest_time(Duration::from_micros(1), HOUR);
    let world = World::new(|host| {
        with(host.quota("guest-misbehaving", quota), &plugin, "pass", "probe", Stage::PreOperation)
    })
    .await;
    world.create("a").await.unwrap();
    let error = world.create("b").await.unwrap_err();
    let expected = (ErrorKind::Saturated, code::EXECUTION_TIME_EXCEEDED);
    assert_eq!((error.kind(), error.code()), expected, "{error:?}");
    assert_eq!(error.cause(), Some(&Cause::OverQuota(QuotaOf::GuestTime)));
    assert!(error.retry_after().is_some_and(|wait| wait > Duration::ZERO), "{error:?}");
    assert!(error.message().contains("guest-misbehaving") && error.message().contains("/1h"), "{error}");
    assert_eq!(error.location().unwrap().step.step, "pass");
    assert_eq!((usage(&world).held_back, usage(&world).quota), (1, quota));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_plugin_that_has_used_up_its_time_wait() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let quota = Quota::default().guest_time(Duration::from_micros(1), HOUR);
    let (ran, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let world = World::new(|host| {
        let nothing = NativeStep::new(|_| async { Ok(()) });
        host.quota("guest-misbehaving", quota)
            .workers(1)
            .observe_jobs(move |job, _| ran.send(job.step.step.clone()).unwrap())
            .plugin_step(plugin.clone(), on_create("pass", Stage::PostOperation).asynchronous(), None)
            .native_step(
                "service",
                StepDefinition::new("next", "Create", Stage::PostOperation).on("inner").asynchronous(),
                nothing,
            )
    })
    .await;
    let mut next = async || tokio::time::timeout(PATIENCE, runs.recv()).await.expect("a run").unwrap();
    world.create("a").await.unwrap();
    assert_eq!(next().await, "pass");
    world.create("b").await.unwrap();
    // The jobs of others go on, and pass it by.
    world.host.execute(Request::create(Entity::new("inner").with("name", string("c")))).await.unwrap();
    assert_eq!(next().await, "next");
    let jobs = world.host.jobs(JobSelect::Newest(9)).await.unwrap();
    let waiting: Vec<_> = jobs.iter().filter(|job| job.status == JobStatus::WaitingForResources).collect();
    assert_eq!(waiting.len(), 1, "{jobs:?}");
    assert_eq!((waiting[0].attempt, waiting[0].retries, waiting[0].step.step.as_str()), (0, 0, "pass"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_all_sandboxes_of_a_plugin_is_one_sum() {
    let plugin = load(GUEST_MISBEHAVING).await;
    // Room for one sandbox, and not for the one of a nested request beside it.
    let one = plugin.report().initial_memory_bytes;
    let quota = Quota::default().memory_bytes(one + one / 2);
    let world = World::new(|host| {
        let host =
            with(host.quota("guest-misbehaving", quota), &plugin, "nest", "probe", Stage::PreOperation);
        with(host, &plugin, "pass", "inner", Stage::PreOperation)
    })
    .await;
    let inner = || Request::create(Entity::new("inner").with("name", string("a")));
    world.host.execute(inner()).await.unwrap();
    let error = world.create("a").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.cause()),
        (ErrorKind::Saturated, Some(&Cause::OverQuota(QuotaOf::Memory))),
        "{error:?}"
    );
    assert!(error.retry_after().is_some(), "{error:?}");
    assert_eq!(error.location().unwrap().step.step, "pass", "{error:?}");
    let found = usage(&world);
    assert_eq!((found.memory_bytes, found.quota.memory_bytes), (0, Some(one + one / 2)));
    assert!(found.memory_peak_bytes >= one && found.memory_peak_bytes <= one + one / 2, "{found:?}");
    world.host.execute(inner()).await.expect("all of it was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_for_a_plugin_that_there_is_not_is_refused() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let built = World::attempt(vec![stagegate_tests::entity("probe")], |host| {
        with(host.quota("mispelt", Quota::default()), &plugin, "pass", "probe", Stage::PreOperation)
    });
    let error = built.await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
    assert!(error.message().contains("`mispelt`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_manifest_counts_more_than_the_builder() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let manifest =
        "enabled = false\nquota = { memory_bytes = 65_536 }\n[[step]]\nname = \"pass\"\nenabled = true";
    let built = Quota::default().guest_time(HOUR, HOUR).memory_bytes(u64::MAX);
    let world = World::new(|host| {
        let host = host.quota("guest-misbehaving", built).plugin(plugin.clone());
        host.manifest(Manifest::parse("operator.toml", manifest).unwrap())
    })
    .await;
    assert_eq!(usage(&world).quota, Quota::default().guest_time(HOUR, HOUR).memory_bytes(65_536));
    // Less than what the guest begins with.
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.cause(), Some(&Cause::OverQuota(QuotaOf::Memory)), "{error:?}");
}
