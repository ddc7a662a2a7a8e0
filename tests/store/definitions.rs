//! Entities are made and extended at run time, all or none.

use std::sync::Arc;

use stagegate::model::error::ErrorKind;
use stagegate::model::{AttributeType, EntityDefinition, Operator, Query, Value};
use stagegate::model::{Filter, Schema};

use super::support::*;

fn same(left: &Schema, right: &Schema) -> bool {
    left.version == right.version && left.defines_same(right)
}

pub(super) async fn a_new_database_is_empty(database: Database) {
    let store = database.open();
    assert!(store.schema().entities.is_empty());
    assert_eq!(store.schema().version, 0);
}

pub(super) async fn define_returns_and_publishes_the_schema(database: Database) {
    let store = database.open();
    let schema = store.define(vec![account(), task(), sample()].into()).await.expect("valid");
    assert!(same(&schema, &store.schema()));
    assert_eq!(schema.version, 1);
    assert_eq!(**schema.entity("sample").expect("defined"), sample());
}

pub(super) async fn definitions_and_records_survive_a_reopening(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "task", id(1), attributes([("regarding", reference("account", id(2)))])).await;
    let more = EntityDefinition::new("task").with("due", AttributeType::DateTime);
    let before = store.define(vec![more].into()).await.expect("valid");
    let record = retrieve(&store, "task", id(1)).await;
    store.close().await;
    drop(store);
    let store = database.open();
    assert!(same(&before, &store.schema()));
    assert_eq!(before.version, 2);
    assert_eq!(retrieve(&store, "task", id(1)).await, record);
}

pub(super) async fn define_extends_an_entity_with_records(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    let more = EntityDefinition::new("account")
        .with("name", text(100))
        .with("revenue", AttributeType::Money { precision: 2 })
        .with("parent", lookup(["account"]))
        .with("owner", lookup(["account", "task"]));
    let schema = store.define(vec![more].into()).await.expect("valid");
    let names: Vec<_> =
        schema.entity("account").expect("defined").attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["name", "number", "revenue", "parent", "owner"]);
    assert_eq!(value(&store, "account", id(1), "owner").await, Value::Null);
    assert_eq!(value(&store, "account", id(1), "name").await, string("a"));
    let full = attributes([
        ("revenue", money("0.01")),
        ("parent", reference("account", id(1))),
        ("owner", reference("task", id(3))),
    ]);
    insert(&store, "account", id(2), full).await;
    assert_eq!(value(&store, "account", id(2), "owner").await, reference("task", id(3)));
    assert_eq!(value(&store, "account", id(2), "revenue").await, money("0.01"));
}

pub(super) async fn statements_follow_the_definition(database: Database) {
    let store = database.with_samples().await;
    let query = || Query {
        filter: Some(Filter::condition("accountid", Operator::Eq, Value::UniqueIdentifier(id(1)))),
        ..Query::new("account")
    };
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    for round in 0..3 {
        let schema = store.schema();
        let found = read(&store, move |tx| async move { tx.query(&schema, &query()).await }).await;
        assert_eq!(found.entities[0].attributes.len(), 7 + round);
        let more = EntityDefinition::new("account").with(format!("extra{round}"), AttributeType::Integer);
        store.define(vec![more].into()).await.expect("valid");
    }
}

pub(super) async fn defining_the_same_again_changes_nothing(database: Database) {
    let store = database.with_samples().await;
    let before = store.schema();
    let after = store.define(vec![account(), task(), sample()].into()).await.expect("valid");
    assert!(same(&before, &after));
}

pub(super) async fn refused_definitions_leave_all_as_it_was(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    let before = store.schema();
    let record = retrieve(&store, "account", id(1)).await;
    let good = || EntityDefinition::new("fresh").with("name", text(10));
    for refused in [
        EntityDefinition::new("account").with("name", AttributeType::Integer),
        EntityDefinition::new("account").with_required("code", AttributeType::Integer),
        EntityDefinition::new("task").with("owner", lookup(["nobody"])),
        EntityDefinition::new("Bad Name"),
        EntityDefinition::new("bad").with("badid", AttributeType::Integer),
    ] {
        let result = store.define(vec![good(), refused].into()).await;
        expect_error(result, ErrorKind::InvalidDefinition);
        assert!(same(&before, &store.schema()));
    }
    assert_eq!(retrieve(&store, "account", id(1)).await, record);
    // The entity beside the refused ones was not made either: it can be made now, with another shape.
    let fresh = EntityDefinition::new("fresh").with("name", AttributeType::Integer);
    let after = store.define(vec![fresh].into()).await.expect("valid");
    assert_eq!(after.version, before.version + 1);
    insert(&store, "fresh", id(1), attributes([("name", Value::Integer(1))])).await;
}

pub(super) async fn wide_entities_and_long_names(database: Database) {
    let store = database.open();
    let name = |prefix: &str, number: usize| format!("{prefix}{}{number:04}", "x".repeat(56 - 5));
    let mut wide = EntityDefinition::new(name("e", 0));
    for number in 0..1000 {
        wide = wide.with(name("a", number), AttributeType::Integer);
    }
    let mut lookups = EntityDefinition::new(name("e", 1));
    for number in 0..20 {
        lookups = lookups.with(name("l", number), lookup([name("e", 0).as_str(), name("e", 1).as_str()]));
    }
    let entity = wide.logical_name.clone();
    store.define(vec![wide, lookups].into()).await.expect("valid");
    let last = name("a", 999);
    let all = (0..1000).map(|number| (name("a", number), Value::Integer(number as i32))).collect();
    insert(&store, &entity, id(1), all).await;
    assert_eq!(value(&store, &entity, id(1), &last).await, Value::Integer(999));
}

pub(super) async fn definitions_made_at_once_all_count(database: Database) {
    let store = database.open();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let fresh = EntityDefinition::new(format!("fresh{number}"));
                store.define(vec![fresh].into()).await.expect("valid");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends");
    }
    assert_eq!(store.schema().entities.len(), 8);
    assert_eq!(store.schema().version, 8);
}
