//! Filtering attributes.

use stagegate::{
    AttributeType, Cascade, Entity, EntityDefinition, NativeStep, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, on_update, probe, string, tells};

use super::{folder, folders, on, user};

#[tokio::test]
async fn what_a_step_takes_out_of_the_target_triggers_nothing_later() {
    let log = Log::default();
    let takes = || NativeStep::new(|cx| async move { Ok(cx.unset_target(&["note".to_owned()])?) });
    let world = World::new(|host| {
        host.native_step("p", on_update("takes", Stage::PreOperation), takes())
            .native_step(
                "p",
                on_update("same", Stage::PreOperation).rank(2).filter(["note"]),
                log.step("same"),
            )
            .native_step("p", on_update("after", Stage::PostOperation).filter(["note"]), log.step("after"))
    })
    .await;
    let record = world.add(probe("a")).await;
    let update = probe("b").with_id(record.id).with("note", string("n"));
    world.run(Request::update(update)).await;
    // The steps of a stage are chosen when it begins.
    assert_eq!(log.all(), ["same"]);
}

#[tokio::test]
async fn what_pre_validation_adds_triggers_the_stages_after_it_and_jobs() {
    let log = Log::default();
    let adds = NativeStep::new(|cx| async move { Ok(cx.set_target([("note", string("n"))])?) });
    let world = World::new(|host| {
        let later = on_update("later", Stage::PostOperation).asynchronous().filter(["note"]);
        host.native_step("p", on_update("adds", Stage::PreValidation), adds)
            .native_step("p", on_update("before", Stage::PreOperation).filter(["note"]), log.step("before"))
            .native_step("p", later, log.step("later"))
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["before", "later"]);
}

#[tokio::test]
async fn assign_and_set_state_trigger_steps_on_update_with_the_filter_of_what_they_write() {
    for (attribute, assign, state) in [
        ("ownerid", true, false),
        ("statecode", false, true),
        ("statuscode", false, true),
        ("name", false, false),
    ] {
        let log = Log::default();
        let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            let step = on("Update", "folder", Stage::PostOperation).filter([attribute]);
            host.native_step("p", step, log.step("ran"))
        })
        .await;
        let record = world.add(folder("a")).await;
        world.run(Request::assign(record.clone(), user(2))).await;
        assert_eq!(log.all().len(), usize::from(assign), "Assign and {attribute}");
        world.run(Request::set_state(record, 1, None)).await;
        assert_eq!(log.all().len(), usize::from(assign) + usize::from(state), "SetState and {attribute}");
    }
}

#[tokio::test]
async fn the_key_of_an_upsert_is_not_in_the_target_of_its_update() {
    let log = Log::default();
    let product = EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 9 })
        .with("name", AttributeType::String { max_length: 9 })
        .with_key("by_number", ["number"]);
    let sees = tells(&log, |cx| {
        let target = cx.target()?.unwrap_or_else(|| Entity::new("none"));
        Ok(format!("{} {:?} {}", cx.message()?, target.get("number"), target.key_attributes.len()))
    });
    let world = World::with(vec![product], |host| {
        let step = |message: &str| StepDefinition::new(message, message, Stage::PreOperation).on("product");
        let filtered = StepDefinition::new("filtered", "Update", Stage::PreOperation);
        host.native_step("p", step("Create"), sees.clone())
            .native_step("p", step("Update"), sees.clone())
            .native_step("p", filtered.on("product").filter(["number"]), log.step("filtered"))
    })
    .await;
    for name in ["new", "old"] {
        let product = Entity::new("product").with_key("number", string("7")).with("name", string(name));
        world.run(Request::upsert(product)).await;
    }
    assert_eq!(log.all(), ["Create Some(String(\"7\")) 0", "Update None 0"]);
}

#[tokio::test]
async fn changed_only_asks_for_another_value_than_before() {
    let cases = [
        ("the same", ("note", string("n")), false),
        ("another", ("note", string("m")), true),
        ("cleared", ("note", Value::Null), true),
        ("null before and after", ("amount", Value::Null), false),
        ("not in the filter", ("name", string("other")), false),
    ];
    for (case, (attribute, value), expected) in cases {
        let log = Log::default();
        let world = World::new(|host| {
            let step = on_update("s", Stage::PostOperation).filter(["note", "amount"]).changed_only();
            host.native_step("p", step, log.step("ran"))
        })
        .await;
        let record = world.add(probe("a").with("note", string("n"))).await;
        let update = Entity::new("probe").with_id(record.id).with(attribute, value);
        world.run(Request::update(update)).await;
        assert_eq!(log.all().len(), usize::from(expected), "{case}");
    }
}

#[tokio::test]
async fn the_identifier_as_a_filter_is_in_every_target() {
    let log = Log::default();
    let world = World::new(|host| {
        let step = on_update("s", Stage::PreOperation).filter(["probeid"]);
        host.native_step("p", step, log.step("ran"))
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    assert_eq!(log.all(), ["ran"]);
}
