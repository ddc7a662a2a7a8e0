//! Filtering attributes: presence in the target at each stage, not a changed value.

use stagegate::{NativeStep, Request, Stage, Value};
use stagegate_tests::{Log, World, on_update, probe, string};

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
