//! Filtering attributes: presence in the target at each stage, not a changed value.

use stagegate::{Condition, NativeStep, Request, Stage, Value};
use stagegate_tests::{Log, World, on_create, on_update, probe, string};

async fn world(log: &Log) -> World {
    World::new(|host| {
        let adds = NativeStep::new(|cx| async move { Ok(cx.set_target([("note", string("added"))])?) });
        host.native_step(
            "p",
            on_update("on note, before", Stage::PreOperation).filter(["note"]),
            log.step("before"),
        )
        .native_step("p", on_update("adds", Stage::PreOperation).rank(2).filter(["amount"]), adds)
        .native_step(
            "p",
            on_update("on note, after", Stage::PostOperation).filter(["note"]),
            log.step("after"),
        )
        .native_step("p", on_update("on all", Stage::PostOperation).rank(2), log.step("all"))
        .native_step(
            "p",
            on_update("on either", Stage::PostOperation).filter(["name", "note"]),
            log.step("either"),
        )
    })
    .await
}

#[tokio::test]
async fn presence_in_the_target_counts_at_each_stage() {
    let amount = ("amount", Value::Integer(1));
    let cases: [(&str, (&str, Value), &[&str]); 4] = [
        ("absent", ("name", string("b")), &["either", "all"]),
        ("present", ("note", string("n")), &["before", "after", "either", "all"]),
        ("present as null", ("note", Value::Null), &["before", "after", "either", "all"]),
        ("added by a step in PreOperation", amount, &["after", "either", "all"]),
    ];
    for (case, (attribute, value), expected) in cases {
        let log = Log::default();
        let world = world(&log).await;
        let id = world.create("a").await.unwrap().id().unwrap();
        let update = stagegate::Entity::new("probe").with_id(id).with(attribute, value);
        world.host.execute(Request::update(update)).await.unwrap();
        assert_eq!(log.all(), expected, "{case}");
    }
}

#[tokio::test]
async fn an_unchanged_value_still_triggers() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_update("on name", Stage::PostOperation).filter(["name"]), log.step("ran"))
    })
    .await;
    let id = world.create("same").await.unwrap().id().unwrap();
    world.host.execute(Request::update(probe("same").with_id(id))).await.unwrap();
    assert_eq!(log.all(), ["ran"]);
}

#[tokio::test]
async fn the_identifier_in_a_filter_lets_every_update_pass() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_update("s", Stage::PreOperation).filter(["probeid"]), log.step("ran"))
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    assert_eq!(log.all(), ["ran"]);
}

#[tokio::test]
async fn changed_only_compares_with_the_record_before() {
    type Case<'a> = (&'a str, &'a [(&'a str, Value)], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        ("the same", &[("name", Value::String(String::new()))], &[]),
        ("another", &[("amount", Value::Integer(2))], &["any"]),
        ("one that is filtered", &[("note", Value::String("n".into()))], &["note", "any"]),
        ("null as before", &[("note", Value::Null)], &[]),
        ("the same and another", &[("note", Value::Null), ("amount", Value::Integer(3))], &["any"]),
    ];
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        for (case, attributes, expected) in &cases {
            let log = Log::default();
            let world = World::new(|host| {
                host.native_step(
                    "p",
                    on_update("on note", stage).filter(["note"]).changed_only(),
                    log.step("note"),
                )
                .native_step(
                    "p",
                    on_update("on any", stage).rank(2).changed_only(),
                    log.step("any"),
                )
            })
            .await;
            let record = world.add(probe("").with("amount", Value::Integer(1))).await;
            let update = stagegate::Entity::new("probe").with_id(record.id);
            let update =
                attributes.iter().fold(update, |update, (name, value)| update.with(*name, value.clone()));
            world.run(Request::update(update)).await;
            assert_eq!(log.all(), *expected, "{case} at {stage}");
        }
    }
}

#[tokio::test]
async fn a_step_runs_only_if_its_condition_holds_for_the_record_as_it_becomes() {
    let when = |text: &str| -> Condition { serde_json::from_str(text).unwrap() };
    let large = || when(r#"{"attribute": "amount", "operator": "gt", "value": 10}"#);
    let named = || {
        when(
            r#"{"all": [{"attribute": "name", "operator": "begins-with", "value": "VIP"},
                                   {"any": [{"attribute": "amount", "operator": "not-null"},
                                            {"attribute": "note", "operator": "eq", "value": "x"}]}]}"#,
        )
    };
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        let log = Log::default();
        let world = World::new(|host| {
            host.native_step("p", on_update("large", stage).when(large()), log.step("large"))
                .native_step("p", on_update("named", stage).when(named()).rank(2), log.step("named"))
                .native_step("p", on_create("new", stage).when(large()), log.step("new"))
        })
        .await;
        let record = world.add(probe("vip a").with("amount", Value::Integer(5))).await;
        let update = |name: &str, value: Value| {
            Request::update(stagegate::Entity::new("probe").with_id(record.id).with(name, value))
        };
        world.run(update("note", string("n"))).await;
        assert_eq!(log.all(), ["named"], "{stage}: by what the record has already");
        world.run(update("amount", Value::Integer(11))).await;
        assert_eq!(log.all()[1..], ["large", "named"], "{stage}: by what the target brings");
        world.run(update("name", string("other"))).await;
        assert_eq!(log.all()[3..], ["large"], "{stage}");
        world.add(probe("b").with("amount", Value::Integer(12))).await;
        assert_eq!(log.all()[4..], ["new"], "{stage}");
    }
}

#[tokio::test]
async fn a_condition_that_does_not_fit_the_entity_fails_the_message_and_names_it() {
    let condition: Condition =
        serde_json::from_str(r#"{"attribute": "amuont", "operator": "gt", "value": 10}"#).unwrap();
    let world = World::new(|host| {
        host.native_step("p", on_create("s", Stage::PreOperation).when(condition), Log::default().step("s"))
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), stagegate::ErrorKind::InvalidRegistration);
    assert!(error.message().contains("did you mean `amount`"), "{error}");
    assert_eq!(error.location().unwrap().step.to_string(), "p/s");
}

#[tokio::test]
async fn a_disabled_step_does_not_run() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("off", Stage::PreOperation).disabled(), log.step("off"))
            .native_step("p", on_create("on", Stage::PreOperation), log.step("on"))
            .native_step(
                "p",
                on_create("later", Stage::PostOperation).asynchronous().disabled(),
                log.step("later"),
            )
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["on"]);
}
