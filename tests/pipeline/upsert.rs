//! Upsert, alternate keys, and what happens when two want the same.

use std::sync::Arc;

use stagegate::model::code;
use stagegate::{
    AttributeType, ColumnSet, Entity, EntityCollection, EntityDefinition, EntityReference, ErrorKind,
    NativeStep, Parameter, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, string, text};
use tokio::sync::Barrier;
use uuid::Uuid;

fn product() -> EntityDefinition {
    EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 20 })
        .with("name", AttributeType::String { max_length: 100 })
        .with_key("by_number", ["number"])
}

fn named(name: &str) -> Entity {
    Entity::new("product").with("name", string(name))
}

fn numbered(number: &str, name: &str) -> Entity {
    named(name).with_key("number", string(number))
}

async fn world(log: &Log) -> World {
    World::with(vec![product()], |host| {
        let mut host = host;
        for message in ["Create", "Update", "CreateMultiple", "UpdateMultiple"] {
            let step = StepDefinition::new(message, message, Stage::PreOperation).on("product");
            host = host.native_step("p", step, log.step(message));
        }
        host
    })
    .await
}

#[tokio::test]
async fn an_upsert_runs_as_a_create_or_as_an_update() {
    let log = Log::default();
    let world = world(&log).await;
    let id = Uuid::from_u128(5);
    let first = world.run(Request::upsert(named("a").with_id(id))).await;
    assert_eq!(
        (first.record_created(), first.target()),
        (Some(true), Some(&EntityReference::new("product", id)))
    );
    let second = world.run(Request::upsert(named("b").with_id(id))).await;
    assert_eq!((second.record_created(), second.target()), (Some(false), first.target()));
    assert_eq!(log.all(), ["Create", "CreateMultiple", "Update", "UpdateMultiple"]);
    assert_eq!(world.names("product").await, ["b"]);
}

#[tokio::test]
async fn an_upsert_by_key_copies_the_key_into_a_new_record() {
    let world = world(&Log::default()).await;
    let first = world.run(Request::upsert(numbered("A-1", "a"))).await;
    assert_eq!(first.record_created(), Some(true));
    let record = world.get(first.target().unwrap()).await.unwrap();
    assert_eq!(record.get("number"), Some(&string("A-1")));
    let second = world.run(Request::upsert(numbered("a-1", "b"))).await;
    assert_eq!((second.record_created(), second.target()), (Some(false), first.target()));
    assert_eq!(world.names("product").await, ["b"]);
}

#[tokio::test]
async fn upsert_multiple_creates_and_updates_in_one_transaction() {
    let log = Log::default();
    let world = world(&log).await;
    let old = world.add(named("old").with("number", string("1"))).await;
    log.note("--");
    let targets = vec![numbered("1", "changed"), numbered("2", "new")];
    let response = world.run(Request::upsert_multiple(EntityCollection::new("product", targets))).await;
    let Some(Parameter::Upserts(results)) = response.parameters.get("Results") else {
        panic!("{response:?}")
    };
    assert_eq!(results[0].target, old);
    assert_eq!(results.iter().map(|result| result.record_created).collect::<Vec<_>>(), [false, true]);
    assert_eq!(log.all()[3..], ["CreateMultiple", "Create", "UpdateMultiple", "Update"]);
    assert_eq!(world.names("product").await, ["changed", "new"]);

    let targets =
        vec![numbered("3", "three"), named("x").with("number", string("1")).with_id(Uuid::from_u128(9))];
    let error = world
        .host
        .execute(Request::upsert_multiple(EntityCollection::new("product", targets)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), code::DUPLICATE_KEY, "{error}");
    assert_eq!(world.names("product").await, ["changed", "new"], "nothing of it stays");
}

#[tokio::test]
async fn an_error_of_upsert_multiple_says_which_of_its_targets() {
    let world = world(&Log::default()).await;
    world.add(named("a").with("number", string("1"))).await;
    world.add(named("b").with("number", string("2"))).await;
    let clash = named("x").with("number", string("2"));
    let targets = vec![numbered("1", "changed"), numbered("3", "new"), clash.with_id(Uuid::from_u128(9))];
    let request = |targets| Request::upsert_multiple(EntityCollection::new("product", targets));
    let error = world.host.execute(request(targets)).await.unwrap_err();
    assert_eq!(error.code(), code::DUPLICATE_KEY);
    assert_eq!(error.details(), [("TargetIndex".to_owned(), "2".to_owned())]);
    let twice = vec![numbered("1", "one"), numbered("1", "two")];
    let error = world.host.execute(request(twice)).await.unwrap_err();
    assert!(error.message().contains("the same record"), "{error}");
    assert_eq!(world.names("product").await, ["a", "b"]);
}

#[tokio::test]
async fn create_multiple_writes_key_values_like_any_other() {
    let world = world(&Log::default()).await;
    let targets = vec![numbered("1", "a"), numbered("2", "b")];
    let created = world.run(Request::create_multiple(EntityCollection::new("product", targets))).await;
    let second = EntityReference::new("product", created.ids()[1]);
    assert_eq!(world.get(&second).await.unwrap().get("number"), Some(&string("2")));
}

#[tokio::test]
async fn a_record_can_be_named_by_its_alternate_key() {
    let world = world(&Log::default()).await;
    let record = world.add(named("a").with("number", string("7"))).await;
    world.run(Request::update(numbered("7", "b"))).await;
    let by_key = |message: &str| {
        Request::new(message, Default::default())
            .with("Target", Entity::new("product").with_key("number", string("7")))
    };
    let read = by_key("Retrieve").with("ColumnSet", Parameter::Columns(ColumnSet::named(["name"])));
    let read = world.run(read).await;
    assert_eq!(text(read.entity().unwrap(), "name"), "b");
    assert_eq!(read.entity().unwrap().id, Some(record.id));
    world.run(by_key("Delete")).await;
    assert_eq!(world.names("product").await, Vec::<String>::new());
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused_with_the_platforms_code() {
    let world = world(&Log::default()).await;
    world.add(named("a").with("number", string("7"))).await;
    let second = world.add(named("b").with("number", string("8"))).await;
    let cases = [
        (Request::update(numbered("9", "x")), ErrorKind::NotFound, code::RECORD_NOT_FOUND_BY_KEY),
        (
            Request::update(named("x").with_key("name", string("a"))),
            ErrorKind::InvalidRequest,
            code::KEY_NOT_DEFINED,
        ),
        (
            Request::upsert(named("x").with_key("name", string("a"))),
            ErrorKind::InvalidRequest,
            code::KEY_NOT_DEFINED,
        ),
        (Request::create(named("x").with("number", string("7"))), ErrorKind::Duplicate, code::DUPLICATE_KEY),
        (
            Request::update(named("x").with_id(second.id).with("number", string("7"))),
            ErrorKind::Duplicate,
            code::DUPLICATE_KEY,
        ),
        (Request::create(named("x").with_id(second.id)), ErrorKind::Duplicate, code::DUPLICATE_RECORD),
        (Request::upsert(named("x")), ErrorKind::InvalidRequest, code::INVALID_ARGUMENT),
    ];
    for (request, kind, code) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{error}: {:#x}", error.code());
    }
    assert_eq!(world.names("product").await, ["a", "b"]);
}

/// Many at once, all of them held in PreValidation until each has decided that there is no such record.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn upserts_of_one_key_at_once_leave_one_record_and_lose_none() {
    const CALLERS: usize = 8;
    let barrier = Arc::new(Barrier::new(CALLERS));
    let waits = NativeStep::new(move |cx| {
        let barrier = Arc::clone(&barrier);
        async move {
            if cx.message()? == "Create" {
                barrier.wait().await;
            }
            Ok(())
        }
    });
    let world = World::with(vec![product()], |host| {
        let step = StepDefinition::new("wait", "Create", Stage::PreValidation).on("product");
        host.native_step("p", step, waits)
    })
    .await;
    let requests = (0..CALLERS).map(|number| {
        let host = world.host.clone();
        tokio::spawn(async move { host.execute(Request::upsert(numbered("1", &number.to_string()))).await })
    });
    let mut created = 0;
    for request in requests.collect::<Vec<_>>() {
        created += usize::from(request.await.unwrap().unwrap().record_created() == Some(true));
    }
    assert_eq!(created, 1);
    assert_eq!(world.names("product").await.len(), 1);
}

#[tokio::test]
async fn an_update_or_delete_can_ask_for_a_version() {
    let world = world(&Log::default()).await;
    let record = world.add(named("a")).await;
    let update = |name: &str| Request::update(named(name).with_id(record.id));
    world.run(update("b").if_row_version(1)).await;
    let error = world.host.execute(update("c").if_row_version(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, code::CONCURRENCY_VERSION_MISMATCH));
    assert!(error.message().contains("has the version 2, not 1"), "{error}");
    let demands = |request: Request| request.with("ConcurrencyBehavior", Value::Choice(1));
    let error = world.host.execute(demands(update("c"))).await.unwrap_err();
    assert_eq!(error.code(), code::CONCURRENCY_VERSION_NOT_PROVIDED);
    world.run(update("d").if_row_version(1).with("ConcurrencyBehavior", Value::Choice(2))).await;
    let error = world.host.execute(Request::delete(record.clone()).if_row_version(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    world.run(demands(Request::delete(record).if_row_version(3))).await;
    assert_eq!(world.names("product").await, Vec::<String>::new());
}

/// Each reads the record in its transaction and writes what it read plus one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_on_one_record_at_once_lose_no_update() {
    let counter = EntityDefinition::new("counter").with("count", AttributeType::Integer);
    let adds = NativeStep::new(|cx| async move {
        let record = cx.record()?.ok_or_else(|| stagegate::Fault::new("no record"))?;
        let read = cx.retrieve(record, ColumnSet::named(["count"])).await?;
        let Some(Value::Integer(count)) = read.get("count") else { return Ok(()) };
        Ok(cx.set_target([("count", Value::Integer(count + 1))])?)
    });
    let world = World::with(vec![counter], |host| {
        let step = StepDefinition::new("add", "Update", Stage::PreOperation).on("counter");
        host.native_step("p", step, adds)
    })
    .await;
    let record = world.add(Entity::new("counter").with("count", Value::Integer(0))).await;
    let requests = (0..20).map(|_| {
        let (host, update) = (world.host.clone(), Entity::new("counter").with_id(record.id));
        tokio::spawn(async move { host.execute(Request::update(update)).await })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap().unwrap();
    }
    assert_eq!(world.get(&record).await.unwrap().get("count"), Some(&Value::Integer(20)));
}
