//! The trace of a request: complete whether it succeeds or fails.

use stagegate::model::trace::{Event, Trace};
use stagegate::{Entity, Fault, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::{Log, World, on_create, on_update, probe, string};

/// A trace as lines: indented by depth, without times and identifiers.
fn render(trace: &Trace, indent: usize, lines: &mut Vec<String>) {
    let pad = "  ".repeat(indent);
    let entity = trace.entity.as_deref().unwrap_or("none");
    let end = trace.error.as_ref().map_or("done", |error| error.kind().name());
    lines.push(format!("{pad}{} {entity} {end}", trace.message));
    for event in &trace.events {
        let line = match event {
            Event::Admitted { .. } => "admitted".into(),
            Event::Began { .. } => "began".into(),
            Event::Skipped { step, reason, .. } => format!("skipped {step}: {reason}"),
            Event::Step(run) => format!("{} {}", run.stage, run.step),
            Event::Operation(run) => {
                let changes = run.changes.iter().map(|change| {
                    let show = |value: &Option<_>| match value {
                        Some(value) => format!("{value}"),
                        None::<stagegate::Value> => "-".into(),
                    };
                    format!(" {} {} -> {}", change.attribute, show(&change.old), show(&change.new))
                });
                format!("operation{}", changes.collect::<String>())
            }
            Event::Queued { step, .. } => format!("queued {step}"),
            Event::Committed { .. } => "committed".into(),
            Event::RolledBack { .. } => "rolled back".into(),
            _ => "?".into(),
        };
        lines.push(format!("{pad}  {line}"));
        if let Event::Step(run) = event {
            for change in &run.changes {
                lines.push(format!("{pad}    sets {}", change.attribute));
            }
            for line in &run.lines {
                lines.push(format!("{pad}    says {line}"));
            }
            if let Some(error) = &run.error {
                lines.push(format!("{pad}    fails {}", error.message()));
            }
            run.requests.iter().for_each(|nested| render(nested, indent + 2, lines));
        }
    }
}

async fn lines(world: &World, request: Request) -> Vec<String> {
    let traced = world.host.trace(request).await;
    let mut lines = Vec::new();
    render(&traced.trace.expect("a trace"), 0, &mut lines);
    lines
}

#[tokio::test]
async fn a_trace_shows_stages_changes_nested_requests_and_jobs() {
    let log = Log::default();
    let world = World::new(|host| {
        let sets = NativeStep::new(|cx| async move {
            cx.trace("hello");
            Ok(cx.set_target([("note", string("n"))])?)
        });
        let nests = NativeStep::new(|cx| async move {
            cx.create(Entity::new("inner").with("name", string("i"))).await?;
            Ok(())
        });
        host.native_step("p", on_update("sets", Stage::PreOperation), sets)
            .native_step("p", on_update("nests", Stage::PostOperation), nests)
            .native_step("p", on_update("filtered", Stage::PostOperation).filter(["amount"]), log.step("x"))
            .native_step("p", on_update("later", Stage::PostOperation).asynchronous(), log.step("y"))
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    let expected = [
        "Update probe done",
        "  admitted",
        "  began",
        "  PreOperation p/sets",
        "    sets note",
        "    says hello",
        "  operation name \"a\" -> \"b\" note - -> \"n\"",
        "  PostOperation p/nests",
        "    Create inner done",
        "      operation name - -> \"i\"",
        "  skipped p/filtered: the target carries none of amount",
        "  queued p/later",
        "  committed",
    ];
    assert_eq!(lines(&world, Request::update(probe("b").with_id(id))).await, expected);
}

#[tokio::test]
async fn a_trace_survives_the_rollback() {
    let world = World::new(|host| {
        let refuses = NativeStep::new(|cx| async move {
            cx.trace("last words");
            Err(Fault::new("no"))
        });
        host.native_step("p", on_create("refuses", Stage::PostOperation), refuses)
    })
    .await;
    let expected = [
        "Create probe rejected",
        "  admitted",
        "  began",
        "  operation name - -> \"a\"",
        "  PostOperation p/refuses",
        "    says last words",
        "    fails no",
        "  rolled back",
    ];
    assert_eq!(lines(&world, Request::create(probe("a"))).await, expected);
}

#[tokio::test]
async fn the_ledger_counts_every_moment_once_and_names_the_steps() {
    let world = World::new(|host| {
        let nests = NativeStep::new(|cx| async move {
            cx.create(Entity::new("inner").with("name", string("n"))).await?;
            Ok(())
        });
        host.native_step("p", on_create("nests", Stage::PreOperation), nests).native_step(
            "p",
            StepDefinition::new("inside", "Create", Stage::PostOperation).on("inner"),
            NativeStep::new(|_| async { Ok(()) }),
        )
    })
    .await;
    let traced = world.host.trace(Request::create(probe("a"))).await;
    let ledger = traced.trace.unwrap().ledger();
    let sum: std::time::Duration = ledger.shares().iter().map(|(_, share)| *share).sum();
    assert_eq!(sum, ledger.total);
    assert!(!ledger.operations.is_zero() && !ledger.transaction_ends.is_zero(), "{ledger:?}");
    let mut steps: Vec<_> = ledger.steps.iter().map(|time| (time.step.to_string(), time.runs)).collect();
    steps.sort();
    assert_eq!(steps, [("p/inside".to_owned(), 1), ("p/nests".to_owned(), 1)]);
    let own: std::time::Duration = ledger.steps.iter().map(|time| time.own).sum();
    assert_eq!(own, ledger.native_steps);
}
