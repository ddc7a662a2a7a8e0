//! Bulk messages, in cases that are less than plain.

use stagegate::model::code;
use stagegate::{
    AttributeType, ColumnSet, Entity, EntityCollection, EntityDefinition, EntityReference, ErrorKind,
    NativeStep, Query, Request, Stage, Value,
};
use stagegate_tests::{Log, World, probe, string, tells, text};
use uuid::Uuid;

use super::{creates, on, probes, refuses};

#[tokio::test]
async fn a_bulk_message_with_an_empty_collection_is_refused() {
    let world = World::new(|host| host).await;
    let none = || EntityCollection::new("probe", vec![]);
    for request in
        [Request::create_multiple(none()), Request::update_multiple(none()), Request::upsert_multiple(none())]
    {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, code::INVALID_ARGUMENT));
        assert!(error.message().contains("name at least one"), "{error}");
    }
}

#[tokio::test]
async fn an_upsert_of_one_record_twice_is_refused() {
    let product = EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 9 })
        .with("name", AttributeType::String { max_length: 9 })
        .with_key("by_number", ["number"]);
    let world = World::with(vec![product], |host| host).await;
    let named = |name: &str| Entity::new("product").with("name", string(name));
    let by_id = |name: &str| named(name).with_id(Uuid::from_u128(1));
    let by_key = |name: &str| named(name).with_key("number", string("7"));
    for targets in [vec![by_id("a"), by_id("b")], vec![by_key("a"), by_key("b")]] {
        let targets = EntityCollection::new("product", targets);
        let error = world.host.execute(Request::upsert_multiple(targets)).await.unwrap_err();
        assert!([ErrorKind::InvalidRequest, ErrorKind::Duplicate].contains(&error.kind()), "{error}");
        assert_eq!(world.names("product").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_twice_in_a_create_or_a_delete_fails_and_leaves_all() {
    let world = World::new(|host| host).await;
    let twice = ["a", "b"].map(|name| probe(name).with_id(Uuid::from_u128(1))).to_vec();
    let request = Request::create_multiple(EntityCollection::new("probe", twice));
    let error = world.host.execute(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate, "{error}");
    let record = world.add(probe("a")).await;
    let error = world.host.execute(Request::delete_multiple(vec![record.clone(), record])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn retrieve_and_retrieve_multiple_are_not_merged() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on("Retrieve", "probe", Stage::PostOperation), log.step("one")).native_step(
            "p",
            on("RetrieveMultiple", "probe", Stage::PostOperation),
            log.step("many"),
        )
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::retrieve_multiple(Query::new("probe"))).await;
    world.run(Request::retrieve(record, ColumnSet::All)).await;
    assert_eq!(log.all(), ["many", "one"]);
}

#[tokio::test]
async fn an_asynchronous_step_of_the_bulk_message_is_one_job() {
    let log = Log::default();
    let world = World::new(|host| {
        let later = on("CreateMultiple", "probe", Stage::PostOperation).asynchronous();
        host.native_step("p", later, log.step("ran"))
    })
    .await;
    world.run(Request::create_multiple(probes(&["a", "b", "c"]))).await;
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["ran"]);
}

#[tokio::test]
async fn identifiers_are_returned_in_the_order_of_the_targets() {
    let world = World::new(|host| host).await;
    let names = ["c", "a", "b"];
    let ids = world.run(Request::create_multiple(probes(&names))).await.ids().to_vec();
    for (id, name) in ids.into_iter().zip(names) {
        assert_eq!(text(&world.get(&EntityReference::new("probe", id)).await.unwrap(), "name"), name);
    }
}

#[tokio::test]
async fn steps_of_single_messages_have_the_context_of_single_messages() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let input = cx.input()?.into_keys().collect::<Vec<_>>().join(" ");
        let output = cx.output()?.into_keys().collect::<Vec<_>>().join(" ");
        let (message, stage, depth) = (cx.message()?, cx.stage()?.number(), cx.depth()?);
        let record = cx.record()?.is_some();
        Ok(format!("{message} {stage} depth {depth} record {record}: {input} / {output}"))
    });
    let world = World::new(|host| {
        host.native_step("p", on("Create", "probe", Stage::PreOperation), sees.clone())
            .native_step("p", on("Create", "probe", Stage::PostOperation), sees.clone())
            .native_step("p", on("CreateMultiple", "probe", Stage::PostOperation), sees.clone())
    })
    .await;
    world.run(Request::create_multiple(probes(&["a"]))).await;
    let bulk = log.all();
    assert!(bulk.contains(&"Create 20 depth 1 record false: Target / ".to_owned()), "{bulk:?}");
    assert!(bulk.contains(&"Create 40 depth 1 record true: Target / id".to_owned()), "{bulk:?}");
    assert!(bulk.contains(&"CreateMultiple 40 depth 1 record false: Targets / Ids".to_owned()), "{bulk:?}");
    world.create("b").await.unwrap();
    let mut single = log.all().split_off(bulk.len());
    let mut bulk = bulk;
    single.sort();
    bulk.sort();
    assert!(single.contains(&"Create 40 depth 1 record true: Target / id".to_owned()), "{single:?}");
    assert_eq!(single.len(), bulk.len());
}

#[tokio::test]
async fn a_bulk_update_can_name_records_by_key_and_wants_all_of_them() {
    let product = EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 9 })
        .with("name", AttributeType::String { max_length: 9 })
        .with_key("by_number", ["number"]);
    let world = World::with(vec![product], |host| host).await;
    let keyed = |number: &str, name: &str| {
        Entity::new("product").with_key("number", string(number)).with("name", string(name))
    };
    for (number, name) in [("1", "a"), ("2", "b")] {
        world.run(Request::upsert(keyed(number, name))).await;
    }
    let update = |targets| Request::update_multiple(EntityCollection::new("product", targets));
    world.run(update(vec![keyed("1", "A"), keyed("2", "B")])).await;
    assert_eq!(world.names("product").await, ["A", "B"]);
    let error = world.host.execute(update(vec![keyed("1", "x"), keyed("3", "x")])).await.unwrap_err();
    assert_eq!(error.code(), code::RECORD_NOT_FOUND_BY_KEY, "{error}");
    assert_eq!(world.names("product").await, ["A", "B"]);
}

#[tokio::test]
async fn one_target_that_is_not_there_leaves_all_as_they_were() {
    let world = World::new(|host| {
        host.native_step("p", on("Update", "probe", Stage::PreOperation), creates("on the way"))
    })
    .await;
    let record = world.add(probe("a")).await;
    let targets = vec![probe("b").with_id(record.id), probe("c").with_id(Uuid::from_u128(404))];
    let request = Request::update_multiple(EntityCollection::new("probe", targets));
    let error = world.host.execute(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains(&Uuid::from_u128(404).to_string()), "it says which: {error}");
    assert_eq!(world.names("probe").await, ["a"]);
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_single_message_is_refused_by_a_step_of_the_bulk_one() {
    let world = World::new(|host| {
        host.native_step("p", on("UpdateMultiple", "probe", Stage::PreValidation), refuses("no"))
    })
    .await;
    let record = world.add(probe("a")).await;
    let error = world.host.execute(Request::update(probe("b").with_id(record.id))).await.unwrap_err();
    assert_eq!(error.message(), "no");
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_change_by_a_bulk_step_is_seen_by_the_single_steps_after_it() {
    let log = Log::default();
    let marks = NativeStep::new(|cx| async move {
        let Some(stagegate::Parameter::Entities(targets)) = cx.input()?.remove("Targets") else {
            return Ok(());
        };
        let mut targets = (*targets).clone();
        for target in &mut targets.entities {
            target.attributes.insert("amount".into(), Value::Integer(7));
        }
        Ok(cx.set_input("Targets", targets)?)
    });
    let sees =
        tells(&log, |cx| Ok(format!("{:?}", cx.target()?.and_then(|target| target.get("amount").cloned()))));
    let world = World::new(|host| {
        host.native_step("p", on("CreateMultiple", "probe", Stage::PreValidation), marks).native_step(
            "p",
            on("Create", "probe", Stage::PreOperation),
            sees,
        )
    })
    .await;
    world.run(Request::create_multiple(probes(&["a", "b"]))).await;
    assert_eq!(log.all(), ["Some(Integer(7))", "Some(Integer(7))"]);
}
