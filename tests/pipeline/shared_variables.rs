//! Shared variables and the parent context.

use stagegate::{NativeStep, Stage, Value};
use stagegate_tests::{Log, World, on_create, string};

fn sets(name: &'static str, value: &'static str) -> NativeStep {
    NativeStep::new(move |cx| async move { Ok(cx.set_shared_variable(name, string(value))?) })
}

fn reads(log: &Log, name: &'static str) -> NativeStep {
    let log = log.clone();
    NativeStep::new(move |cx| {
        let log = log.clone();
        async move {
            let show =
                |value: Option<Value>| value.map_or_else(|| "absent".into(), |value| value.to_string());
            let own = show(cx.shared_variable(name)?);
            let parent = show(cx.parent_shared_variable(1, name)?);
            log.note(format!("own {own}, parent {parent}"));
            Ok(())
        }
    })
}

#[tokio::test]
async fn later_steps_of_a_message_see_them() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("sets", Stage::PreOperation), sets("x", "1"))
            .native_step("p", on_create("same stage", Stage::PreOperation).rank(2), reads(&log, "x"))
            .native_step("p", on_create("later stage", Stage::PostOperation), reads(&log, "x"))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["own \"1\", parent absent", "own \"1\", parent absent"]);
}

#[tokio::test]
async fn what_pre_validation_sets_is_in_the_parent_context() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("sets", Stage::PreValidation), sets("x", "1"))
            .native_step("p", on_create("same stage", Stage::PreValidation).rank(2), reads(&log, "x"))
            .native_step("p", on_create("in the transaction", Stage::PreOperation), reads(&log, "x"))
            .native_step("p", on_create("after", Stage::PostOperation), reads(&log, "x"))
    })
    .await;
    world.create("a").await.unwrap();
    let hopped = "own absent, parent \"1\"";
    assert_eq!(log.all(), ["own \"1\", parent absent", hopped, hopped]);
}

#[tokio::test]
async fn a_nested_message_finds_its_callers_in_the_parent_context() {
    let log = Log::default();
    let world = World::new(|host| {
        let nests = NativeStep::new(|cx| async move {
            cx.set_shared_variable("x", string("outer"))?;
            cx.create(stagegate::Entity::new("inner").with("name", string("n"))).await?;
            Ok(())
        });
        let inner = |name: &str, stage| stagegate::StepDefinition::new(name, "Create", stage).on("inner");
        host.native_step("p", on_create("nests", Stage::PreOperation), nests).native_step(
            "p",
            inner("validation", Stage::PreValidation),
            reads(&log, "x"),
        )
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["own absent, parent \"outer\""]);
}

#[tokio::test]
async fn there_is_an_end_to_them() {
    let world = World::new(|host| {
        let floods = NativeStep::new(|cx| async move {
            let megabyte = "x".repeat(1 << 20);
            let error = cx.set_shared_variable("large", string(&megabyte)).unwrap_err();
            assert!(error.message().contains("`large` does not fit"), "{error}");
            for index in 0..1000 {
                cx.set_shared_variable(format!("v{index}"), Value::Integer(index))?;
            }
            let error = cx.set_shared_variable("one too many", Value::Null).unwrap_err();
            assert!(error.message().contains("1000"), "{error}");
            // One that is there can still change.
            Ok(cx.set_shared_variable("v7", Value::Integer(8))?)
        });
        host.native_step("p", on_create("floods", Stage::PreOperation), floods)
    })
    .await;
    world.create("a").await.unwrap();
}
