//! What is granted is there, and nothing else is.

use std::fs;
use std::time::Duration;

use stagegate::model::capability::{Grants, SecretSource};
use stagegate::model::registration::Secret;
use stagegate::model::trace::Event;
use stagegate::store::JobSelect;
use stagegate::{
    DateTime, Entity, Error, ErrorKind, FixedClock, HostBuilder, Manifest, Request, Stage, StepDefinition,
    Value,
};
use stagegate_tests::{
    GUEST_CAPABILITIES, GUEST_KEEPER, GUEST_MISBEHAVING, PATIENCE, World, entity, load, probe, string, text,
};

use super::with;

const PLUGIN: &str = "guest-capabilities";

/// A world in which one step of the guest runs, with grants.
async fn world(step: &str, describe: impl FnOnce(HostBuilder) -> HostBuilder) -> World {
    let plugin = load(GUEST_CAPABILITIES).await;
    World::new(|host| describe(with(host, &plugin, step, "probe", Stage::PreOperation))).await
}

/// What the step makes of a note.
async fn told(world: &World, note: &str) -> String {
    let record = world.add(probe("a").with("note", string(note))).await;
    text(&world.get(&record).await.unwrap(), "note")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_there_that_is_not_granted() {
    let world = world("reach", |host| host).await;
    for (note, expected) in [
        ("environment PATH", "is not granted the environment variable `PATH`; it asks for it"),
        ("environment HOME", "it does not ask for it either: add it to `asks(..)`"),
        ("secret key", "is not granted the secret `key`; it asks for it, so its operator can grant it"),
        ("configuration region", "`configuration.region = \"..\"` in `[grants]`"),
    ] {
        let told = told(&world, note).await;
        assert!(told.starts_with("denied: the plugin `guest-capabilities` is not granted"), "{note}: {told}");
        assert!(told.contains(expected), "{note}: {told}");
    }
    let all = world.host.capabilities();
    assert_eq!(all.len(), 1);
    assert!(all[0].capabilities.iter().all(|one| one.granted.is_none() && one.lacking.is_some()), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_granted_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "hush\n").unwrap();
    let grants = Grants::new()
        .environment("PATH")
        .environment("STAGEGATE_IS_NOT_SET")
        .secret("key", SecretSource::File(file))
        .configuration("region", "eu")
        .configuration("rounds", "many");
    let world = world("reach", |host| host.grant(PLUGIN, grants)).await;
    for (note, expected) in [
        ("environment STAGEGATE_IS_NOT_SET", "not set"),
        ("secret key", "hush"),
        ("configuration region", "eu"),
        ("number rounds", "Failed: The configuration value `rounds` is \"many\", which is no u32"),
    ] {
        assert!(told(&world, note).await.starts_with(expected), "{note}");
    }
    assert!(std::env::var("PATH").unwrap().starts_with(&told(&world, "environment PATH").await));
    assert!(told(&world, "secret theirs").await.starts_with("denied: "), "one grant is not another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_its_own_plugins_and_is_never_shown() {
    let (plugin, other) = (load(GUEST_CAPABILITIES).await, load(GUEST_KEEPER).await);
    let theirs = || Grants::new().secret("theirs", SecretSource::Text(Secret::new("hush")));
    let world = World::new(|host| {
        let host = with(host, &plugin, "reach", "probe", Stage::PreOperation);
        with(host, &other, "tell_secret", "inner", Stage::PreOperation).grant("guest-keeper", theirs())
    })
    .await;
    let inner = world.add(Entity::new("inner").with("name", string("b"))).await;
    assert_eq!(text(&world.get(&inner).await.unwrap(), "note"), "hush", "who is granted it has it");
    let told = told(&world, "secret theirs").await;
    assert!(told.starts_with("denied: "), "{told}");
    let shown = format!("{:?} {:?} {told}", theirs(), world.host.capabilities());
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_passes_the_fault_on_fails_with_the_grant() {
    let world = world("need", |host| host).await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::CapabilityDenied, -1_610_350_591), "{error:?}");
    let details: Vec<_> = error.details().iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(details, [("capability", "secret"), ("name", "key")]);
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_host_does_not_start_with_what_cannot_be_granted() {
    let plugin = load(GUEST_CAPABILITIES).await;
    let start = async |grants: Grants| {
        let described = |host: HostBuilder| {
            with(host, &plugin, "reach", "probe", Stage::PreOperation).grant(PLUGIN, grants)
        };
        World::attempt(vec![entity("probe")], described).await.err().unwrap()
    };
    for (grants, expected) in [
        (
            Grants::new().environment("HOME"),
            "grants `guest-capabilities` the environment variable `HOME`, which it",
        ),
        (
            Grants::new().memory(65),
            "65 MiB of memory, which it does not ask for; it asks for HTTP GET, POST http://*.",
        ),
        (
            Grants::new().secret("key", SecretSource::File("/no/such/file".into())),
            "the secret `key`, which is granted to the plugin `guest-capabilities`, cannot be read from `/no/such/file`",
        ),
        (
            Grants::new().secret("key", SecretSource::Environment("STAGEGATE_IS_NOT_SET".into())),
            "is to come from the environment variable `STAGEGATE_IS_NOT_SET`, which is not set",
        ),
    ] {
        let error = start(grants).await;
        assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
        assert!(error.message().contains(expected), "{error}");
    }
    let stranger = |host: HostBuilder| host.plugin(plugin.clone()).grant("guest-capability", Grants::new());
    let error = World::attempt(vec![entity("probe")], stranger).await.err().unwrap();
    assert!(error.message().contains("`guest-capability`, which is not loaded; there are guest-"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_grant_too() {
    let plugin = load(GUEST_CAPABILITIES).await;
    let text = "plugin = 'guest-capabilities'\nenabled = false\n[[step]]\nname = 'reach'\nenabled = true\n\
                [grants.configuration]\nregion = 'eu'";
    let manifest = Manifest::parse("operator.toml", text).unwrap();
    let world = World::new(|host| host.plugin(plugin).manifest(manifest)).await;
    assert_eq!(told(&world, "configuration region").await, "eu");
}

/// The traced lines of one request, whatever ran.
async fn lines(world: &World) -> Vec<String> {
    let trace = world.host.trace(Request::create(probe("a"))).await.trace.unwrap();
    let runs = trace.events.into_iter().filter_map(|event| match event {
        Event::Step(run) => Some(run.lines),
        _ => None,
    });
    runs.flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_numbers_differ_from_request_to_request() {
    for grants in [Grants::new(), Grants::new().random()] {
        let world = world("lucky", |host| host.grant(PLUGIN, grants)).await;
        let (one, other) = (lines(&world).await, lines(&world).await);
        assert_eq!((one.len(), other.len()), (1, 1));
        assert_ne!(one, other);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_are_coarse_unless_granted() {
    let start = DateTime(1_767_225_600_123);
    for (grants, is_coarse) in [(Grants::new(), true), (Grants::new().clocks(), false)] {
        let plugin = load(GUEST_CAPABILITIES).await;
        let world = World::new(|host| {
            let host = host.clock(FixedClock(start));
            with(host, &plugin, "timed", "probe", Stage::PreOperation).grant(PLUGIN, grants)
        })
        .await;
        let told = told(&world, "").await;
        let (wall, coarse) = told.split_once(' ').unwrap();
        assert_eq!(coarse, is_coarse.to_string());
        let is_contracts = wall == format!("{}000000", start.0);
        assert_eq!(is_contracts, is_coarse, "{wall}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_by_the_limit_and_the_grant() {
    // The tests' limit is 32 MiB.
    for (grants, mebibytes, way_out) in [
        (Grants::new(), 24, None),
        (
            Grants::new(),
            48,
            Some(
                "asks for 64 MiB above the limit of every plugin, of which none is granted; its operator can grant",
            ),
        ),
        (Grants::new().memory(16), 48, Some("of which 16 MiB is granted; its operator can grant all of it")),
        (Grants::new().memory(64), 48, None),
        (
            Grants::new().memory(64),
            100,
            Some("and all of it is granted; let it ask for more, or raise the limit"),
        ),
    ] {
        let world = world("large", |host| host.grant(PLUGIN, grants)).await;
        let request = Request::create(probe("a").with("amount", Value::Integer(mebibytes)));
        let error = world.host.execute(request).await.err();
        let kind = error.as_ref().map(Error::kind);
        assert_eq!(kind, way_out.map(|_| ErrorKind::OutOfMemory), "{mebibytes} MiB");
        let message = error.map(|error| error.message().to_owned()).unwrap_or_default();
        assert!(message.contains(way_out.unwrap_or_default()), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_asks_for_no_more_memory_is_told_how_to() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, "allocate", "probe", Stage::PreOperation)).await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    for part in [
        "32 MiB is the limit",
        "its declaration asks for none above the limit of every plugin: add `memory(MIB)` to `asks(..)`",
        "(`memory = MIB` in `[grants]` of a manifest)",
        "(`--memory`, `Limits::memory_bytes`)",
    ] {
        assert!(error.message().contains(part), "{part:?} is not in {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_background_step_has_the_time_that_is_granted() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (budget, grants, expected) in [
        (None, Grants::new(), "2 minutes"),
        (None, Grants::new().background(minutes(90)), "90 minutes"),
        (Some(minutes(120)), Grants::new().background(minutes(90)), "90 minutes"),
        (Some(minutes(30)), Grants::new().background(minutes(90)), "30 minutes"),
    ] {
        let plugin = load(GUEST_CAPABILITIES).await;
        let declared = plugin.declaration().steps.iter().find(|step| step.name == "long").unwrap();
        let mut step: StepDefinition = declared.clone();
        step.jobs.budget = budget;
        let world = World::new(|host| host.plugin_step(plugin, step, None).grant(PLUGIN, grants)).await;
        world.create("a").await.unwrap();
        tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
        let [job] = world.host.jobs(JobSelect::Newest(9)).await.unwrap().try_into().unwrap();
        assert_eq!(job.trace, [expected]);
    }
}
