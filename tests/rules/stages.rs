//! The stages of each message.

use stagegate::model::trace::Event;
use stagegate::{
    Cascade, ColumnSet, Entity, EntityCollection, EntityReference, Query, Request, Stage, StepDefinition,
};
use stagegate_tests::{Log, World, on_create, probe, string};

use super::{folder, folders, on_any, refuses, user};

const STAGES: [Stage; 3] = [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation];

#[tokio::test]
async fn every_message_with_steps_passes_10_20_and_40() {
    let id = |record: &EntityReference| folder("x").with_id(record.id);
    type Make<'a> = &'a dyn Fn(&EntityReference) -> Request;
    let cases: [(&str, Make<'_>); 12] = [
        ("Create", &|_| Request::create(folder("x"))),
        ("Update", &|one| Request::update(id(one))),
        ("Delete", &|one| Request::delete(one.clone())),
        ("Retrieve", &|one| Request::retrieve(one.clone(), ColumnSet::All)),
        ("RetrieveMultiple", &|_| Request::retrieve_multiple(Query::new("folder"))),
        ("Assign", &|one| Request::assign(one.clone(), user(2))),
        ("SetState", &|one| Request::set_state(one.clone(), 1, None)),
        ("Associate", &|one| Request::associate(one.clone(), "near", vec![one.clone()])),
        ("Disassociate", &|one| Request::disassociate(one.clone(), "near", vec![one.clone()])),
        ("CreateMultiple", &|_| Request::create_multiple(EntityCollection::new("folder", vec![folder("x")]))),
        ("UpdateMultiple", &|one| Request::update_multiple(EntityCollection::new("folder", vec![id(one)]))),
        ("DeleteMultiple", &|one| Request::delete_multiple(vec![one.clone()])),
    ];
    for (message, make) in cases {
        let log = Log::default();
        let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            host.native_step("p", on_any(message, STAGES[2]), log.step("40"))
                .native_step("p", on_any(message, STAGES[1]), log.step("20"))
                .native_step("p", on_any(message, STAGES[0]), log.step("10"))
        })
        .await;
        let record = world.add(folder("a")).await;
        let before = log.all().len();
        world.run(make(&record)).await;
        assert_eq!(log.all()[before..], ["10", "20", "40"], "{message}");
    }
}

#[tokio::test]
async fn a_refusal_in_pre_validation_comes_before_the_transaction() {
    for (stage, began) in [(STAGES[0], false), (STAGES[1], true), (STAGES[2], true)] {
        let world = World::new(|host| host.native_step("p", on_create("no", stage), refuses("no"))).await;
        let traced = world.host.trace(Request::create(probe("a"))).await;
        traced.result.unwrap_err();
        let events = traced.trace.unwrap().events;
        let begins = events.iter().any(|event| matches!(event, Event::Began { .. }));
        assert_eq!(begins, began, "{stage}: {events:?}");
    }
}

#[tokio::test]
async fn a_disabled_step_does_not_run() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("off", Stage::PreOperation).disabled(), log.step("off"))
            .native_step(
                "p",
                on_create("later", Stage::PostOperation).asynchronous().disabled(),
                log.step("later"),
            )
            .native_step("p", on_create("on", Stage::PreOperation), log.step("on"))
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["on"]);
}

#[tokio::test]
async fn steps_without_an_entity_run_for_each_of_them() {
    let log = Log::default();
    let any = StepDefinition::new("any", "Create", Stage::PreValidation);
    let world = World::new(|host| host.native_step("p", any, log.step("any"))).await;
    world.create("a").await.unwrap();
    world.add(Entity::new("inner").with("name", string("b"))).await;
    assert_eq!(log.all(), ["any", "any"]);
}
