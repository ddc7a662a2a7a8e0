//! Nothing leaks: whatever plugins did, alone or nested, stopped or cancelled, what they held is free again; and what one
//! run left in memory no other sees.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stagegate::wasm::{Engine, Plugin, Settings};
use stagegate::{Host, Request, Stage};
use stagegate_tests::{GUEST_HOSTILE, World, on_create, probe, string};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// The time of each request: some of them wait for its end.
const LIMIT: Duration = Duration::from_millis(50);
/// Cases: each is a handful of requests at once.
const CASES: u32 = 60;
/// Places of the host, fewer than there are requests at once.
const PLACES: u32 = 3;

/// A request from outside: what its steps do, and when its caller goes away.
#[derive(Clone, Debug)]
struct Caller {
    script: String,
    leaves_after: Option<Duration>,
}

/// Scripts as the step `follow` reads them, at most as deep as requests nest.
fn script() -> impl Strategy<Value = String> {
    let letters = || proptest::sample::select(vec!["m", "m", "h", "w", "w", "s", "l", "f", "e", "t"]);
    let leaf = proptest::collection::vec(letters(), 0..3).prop_map(|letters| letters.concat());
    leaf.prop_recursive(6, 24, 3, move |inner| {
        let nested =
            (any::<bool>(), inner, letters(), any::<bool>()).prop_map(|(caught, inner, letter, last)| {
                let nested = if caught { format!("[{inner}]") } else { format!("({inner})") };
                if last { format!("{nested}{letter}") } else { nested }
            });
        proptest::collection::vec(nested, 1..3).prop_map(|parts| parts.concat())
    })
    // The note has room for a thousand characters.
    .prop_filter("too long", |script| script.len() <= 1000)
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let leaves_after = proptest::option::of((0_u64..20_000).prop_map(Duration::from_micros));
    let caller = (script(), leaves_after).prop_map(|(script, leaves_after)| Caller { script, leaves_after });
    proptest::collection::vec(caller, 1..6)
}

/// An engine of the test's own: what others hold of theirs is not to be counted.
fn engine() -> Engine {
    let mut settings = Settings::default();
    settings.concurrency = PLACES;
    settings.cache = Some(std::env::temp_dir().join("stagegate-tests-cache"));
    Engine::new(settings).unwrap()
}

async fn world(plugin: &Plugin, stage: Stage) -> World {
    World::new(|host| host.workers(0).plugin_step(plugin.clone(), on_create("follow", stage), None)).await
}

async fn call(host: Host, caller: Caller) {
    let record = probe("from outside").with("note", string(&caller.script));
    let request = host.execute(Request::create(record).within(LIMIT));
    // Whether it succeeds is not the question.
    match caller.leaves_after {
        Some(after) => drop(tokio::time::timeout(after, request).await),
        None => drop(request.await),
    }
}

#[test]
fn whatever_plugins_do_all_is_free_again() {
    let runtime = Runtime::new().unwrap();
    let engine = engine();
    let (outside, inside) = runtime.block_on(async {
        let plugin = engine.load(GUEST_HOSTILE).await.unwrap();
        (world(&plugin, Stage::PreValidation).await, world(&plugin, Stage::PreOperation).await)
    });
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(callers(), any::<bool>()), |(callers, in_transaction)| {
        let world = if in_transaction { &inside } else { &outside };
        runtime.block_on(async {
            let running = callers.into_iter().map(|caller| call(world.host.clone(), caller));
            running.collect::<JoinSet<()>>().join_all().await;
            // The writer of SQLite undoes what callers left behind before it takes the next.
            world.create("").await.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            let (host, held) = (world.host.usage(), engine.usage().unwrap());
            prop_assert_eq!((host.running, host.transactions), (0, 0));
            let held = (held.sandboxes, held.core_instances, held.memories, held.tables, held.stacks);
            prop_assert_eq!(held, (0, 0, 0, 0, 0));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gauges_show_what_is_held() {
    let engine = engine();
    let plugin = engine.load(GUEST_HOSTILE).await.unwrap();
    let world = world(&plugin, Stage::PreOperation).await;
    let record = probe("outer").with("note", string("([s])"));
    let request = Request::create(record).within(Duration::from_secs(60));
    let mut request = Box::pin(world.host.execute(request));
    // Until all three sandboxes are there; the innermost sleeps.
    let held = loop {
        let progress = tokio::time::timeout(Duration::from_millis(1), &mut request).await;
        assert!(progress.is_err(), "{progress:?}");
        let held = engine.usage().unwrap();
        if held.sandboxes == 3 && held.stacks == 3 {
            break held;
        }
    };
    assert!(held.memories >= 3 && held.core_instances >= 3, "{held:?}");
    let busy = world.host.usage();
    assert_eq!((busy.running, busy.transactions), (1, 1));
    drop(request);
    world.create("next").await.unwrap();
    assert_eq!((world.host.usage().running, world.host.usage().transactions), (0, 0));
    assert_eq!(engine.usage().unwrap().sandboxes, 0);
    assert!(engine.usage().unwrap().kept_bytes > 0, "free slots are kept warm");
}

/// The pool gives the next run the slot of the last one: the same memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_left_in_memory_no_other_sees() {
    let mut settings = Settings::default();
    settings.concurrency = 1;
    let engine = Engine::new(settings).unwrap();
    let plugin = engine.load(GUEST_HOSTILE).await.unwrap();
    let world = World::new(|host| {
        let on = |step: &str, entity: &str| on_create(step, Stage::PreOperation).on(entity);
        let host = host.plugin_step(plugin.clone(), on("stain", "inner"), None);
        let host = host.plugin_step(plugin.clone(), on("look_for_stains", "probe"), None);
        host.plugin_step(plugin.clone(), on("look_for_globals", "probe"), None)
    })
    .await;
    for round in 0..5 {
        let inner = stagegate::Entity::new("inner").with("name", string("stains"));
        world.run(Request::create(inner)).await;
        world.create(&format!("looks {round}")).await.unwrap();
    }
}
