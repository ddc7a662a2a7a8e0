//! The total order: stage, then rank, then registration.

use stagegate::Stage;
use stagegate_tests::{Database, Log, World, on_create};

#[tokio::test]
async fn steps_run_by_stage_then_rank_then_registration() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("post", Stage::PostOperation), log.step("post"))
            .native_step("p", on_create("pre second", Stage::PreOperation).rank(1), log.step("pre second"))
            .native_step("p", on_create("pre third", Stage::PreOperation).rank(1), log.step("pre third"))
            .native_step("p", on_create("pre first", Stage::PreOperation).rank(-5), log.step("pre first"))
            .native_step("p", on_create("pre last", Stage::PreOperation).rank(i32::MAX), log.step("pre last"))
            .native_step("p", on_create("validation", Stage::PreValidation).rank(99), log.step("validation"))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["validation", "pre first", "pre second", "pre third", "pre last", "post"]);

    let plan: Vec<String> = world.host.plan().into_iter().map(|step| step.key.step).collect();
    assert_eq!(plan, log.all(), "the plan says what happens");
}

#[tokio::test]
async fn a_step_runs_for_its_message_and_entity_alone() {
    let log = Log::default();
    let any = stagegate::StepDefinition::new("any", "Create", Stage::PreOperation);
    let world = World::new(|host| {
        host.native_step("p", on_create("probe", Stage::PreOperation), log.step("probe"))
            .native_step("p", any, log.step("any"))
            .native_step("p", on_create("inner", Stage::PreOperation).on("inner"), log.step("inner"))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["probe", "any"]);
}

#[tokio::test]
async fn two_steps_of_a_plugin_cannot_have_one_name() {
    let database = Database::fresh();
    let log = Log::default();
    let error = database
        .host()
        .native_step("p", on_create("same", Stage::PreOperation), log.step("a"))
        .native_step("p", on_create("same", Stage::PostOperation), log.step("b"))
        .build()
        .await
        .err()
        .unwrap();
    assert!(error.message().contains("has the name of another step"), "{error}");
}
