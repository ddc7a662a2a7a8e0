//! Each way to break down has its own error, rolls back, and leaves the host as it was.

use stagegate::pipeline::CASCADE_LEVELS_MAX;
use stagegate::{
    AttributeType, Cascade, Definitions, Entity, EntityDefinition, ErrorKind, RelationshipDefinition, Stage,
};
use stagegate_tests::{GUEST_MISBEHAVING, World, entity, load, probe, string};

use super::with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_breakdown_says_what_it_was() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let cases = [
        ("refuse", ErrorKind::Rejected, "not today", None),
        ("panic", ErrorKind::Panicked, "the plugin panicked: the answer is not 42", Some("src/lib.rs:")),
        ("abort", ErrorKind::Trapped, "it aborted", None),
        ("exit", ErrorKind::Exited, "ended its process with a failure", None),
        (
            "overflow",
            ErrorKind::StackOverflow,
            "stack overflowed",
            Some("guest_misbehaving::overflow::deeper"),
        ),
        ("allocate", ErrorKind::OutOfMemory, "32 MiB is the limit", None),
        ("set_unknown", ErrorKind::InvalidRequest, "no attribute `nmae`; did you mean `name`?", None),
        ("recurse_through_the_host", ErrorKind::DepthExceeded, "nest more than 8 deep", None),
    ];
    for stage in [Stage::PreValidation, Stage::PreOperation] {
        for (step, kind, message, diagnostic) in &cases {
            let world = World::new(|host| with(host, &plugin, step, "probe", stage)).await;
            let error = world.create("a").await.expect_err(step);
            assert_eq!(error.kind(), *kind, "{step}: {error:?}");
            assert!(error.message().contains(message), "{step}: {error} does not say {message:?}");
            let location = error.location().unwrap();
            assert_eq!(
                (location.step.plugin.as_str(), location.stage),
                ("guest-misbehaving", stage),
                "{step}"
            );
            if let Some(wanted) = diagnostic {
                let shown = format!("{error}\n{}", error.diagnostic().unwrap_or_default());
                assert!(shown.contains(wanted), "{step}: {shown} does not show {wanted:?}");
            }
            assert_eq!(world.names("probe").await, Vec::<String>::new(), "{step} was rolled back");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_step_that_panics_is_kept() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, "panic", "probe", Stage::PreOperation)).await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.trace(), ["about to panic"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_goes_on_after_every_breakdown() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        // Without the breaker, which would keep it from breaking down so often.
        let host = with(host.breaker(None), &plugin, "panic", "inner", Stage::PreOperation);
        with(host, &plugin, "pass", "probe", Stage::PreOperation)
    })
    .await;
    for round in 0..50 {
        let inner = Entity::new("inner").with("name", string("x"));
        world.host.execute(stagegate::Request::create(inner)).await.unwrap_err();
        world.create(&format!("probe {round}")).await.unwrap();
    }
    assert_eq!(world.names("probe").await.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_catches_a_failure_cannot_save_the_transaction() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        let host = with(host, &plugin, "nest_and_catch", "probe", Stage::PreOperation);
        with(host, &plugin, "refuse", "inner", Stage::PreOperation)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Doomed);
    assert!(error.message().contains("not today"), "{error}");
    assert_eq!(error.location().unwrap().step.step, "nest_and_catch");
    assert_eq!(error.trace(), ["caught: not today"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_a_guest_passes_on_keeps_its_place() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
        with(host, &plugin, "refuse", "inner", Stage::PostOperation)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    let path: Vec<&str> = error.path().iter().map(|location| location.step.step.as_str()).collect();
    assert_eq!((error.message(), path.as_slice()), ("not today", ["refuse", "nest"].as_slice()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_costs_its_oldest_lines_alone() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, "chatter", "probe", Stage::PreOperation)).await;
    let traced = world.host.trace(stagegate::Request::create(probe("a"))).await;
    traced.result.unwrap();
    let trace = traced.trace.unwrap();
    let run = trace.events.iter().find_map(|event| match event {
        stagegate::model::trace::Event::Step(run) => Some(run),
        _ => None,
    });
    let run = run.unwrap();
    assert!(run.lines.first().unwrap().contains("older lines were dropped"), "{:?}", run.lines.first());
    assert_eq!(run.lines.last().unwrap(), "trace line 9999");
    assert!(run.lines.iter().map(String::len).sum::<usize>() < 11_000, "10 KB are kept, as on the platform");
    assert!(run.memory_bytes > 0);
}

/// The pipelines of a cascade stand on one another: on the host's part of the guest's stack, where an overflow would end
/// the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_can_begin_the_longest_cascade() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let lookup = AttributeType::Lookup { targets: vec!["link".into()] };
    let definitions = Definitions {
        entities: vec![entity("probe"), EntityDefinition::new("link").with("up", lookup)],
        relationships: vec![
            RelationshipDefinition::one_to_many("links", "link", "link", "up").on_delete(Cascade::Cascade),
        ],
        messages: vec![],
    };
    let world =
        World::with(definitions, |host| with(host, &plugin, "delete_link", "probe", Stage::PreOperation))
            .await;
    let first = world.add(Entity::new("link")).await;
    let mut last = first.clone();
    for _ in 0..CASCADE_LEVELS_MAX {
        last = world.add(Entity::new("link").with("up", last)).await;
    }
    world.add(probe("a").with("note", string(&first.id.to_string()))).await;
    assert!(world.get(&last).await.is_none());
}
