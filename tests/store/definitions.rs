//! Entities are made and extended at run time, all or none.

use std::sync::Arc;

use stagegate::model::error::ErrorKind;
use stagegate::model::{
    AttributeDefinition, AttributeType, Attributes, Binding, Cascade, Definitions, EntityDefinition, Filter,
    MessageDefinition, Operator, Query, RelationshipDefinition, Schema, Value, code,
};
use stagegate::store::Store;

use super::support::*;

fn same(left: &Schema, right: &Schema) -> bool {
    left.version == right.version && left.defines_same(right)
}

pub(super) async fn a_new_database_is_empty(database: Database) {
    let store = database.open();
    let schema = store.schema();
    assert_eq!(schema.entities.keys().collect::<Vec<_>>(), ["asyncoperation"], "the host's own");
    assert_eq!(schema.version, 0);
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
    assert_eq!(store.schema().entities.len(), 8 + 1);
    assert_eq!(store.schema().version, 8);
}

pub(super) async fn every_kind_of_definition_survives_a_reopening(database: Database) {
    let store = database.with_samples().await;
    let definitions = Definitions {
        entities: vec![owned()],
        relationships: vec![
            RelationshipDefinition::one_to_many("account_deals", "account", "deal", "accountid")
                .on_delete(Cascade::Restrict),
            RelationshipDefinition::many_to_many("deal_tasks", "deal", "task"),
        ],
        messages: vec![MessageDefinition::new("new_Check").bound(Binding::Entity("deal".into()))],
    };
    let before = store.define(definitions.clone()).await.expect("valid");
    assert_eq!(before.version, 2);
    assert!(same(&before, &store.define(definitions).await.expect("the same again")));
    store.close().await;
    drop(store);
    let store = database.open();
    assert!(same(&before, &store.schema()));
    assert_eq!((store.schema().relationships.len(), store.schema().messages.len()), (2, 1));
}

pub(super) async fn ownership_and_states_are_attributes_as_any(database: Database) {
    let store = database.with_samples().await;
    store.define(vec![owned()].into()).await.expect("valid");
    let written = attributes([
        ("ownerid", reference("team", id(7))),
        ("statecode", Value::Choice(1)),
        ("statuscode", Value::Choice(3)),
        ("createdby", reference("systemuser", id(8))),
    ]);
    insert(&store, "deal", id(1), written.clone()).await;
    let record = retrieve(&store, "deal", id(1)).await.expect("it exists");
    for (name, value) in &written {
        assert_eq!(record.get(name), Some(value), "{name}");
    }
    let condition = Filter::condition("ownerid", Operator::Eq, reference("team", id(7)));
    let query = Query { filter: Some(condition), ..Query::new("deal") };
    let schema = store.schema();
    let found = read(&store, move |tx| async move { tx.query(&schema, &query).await }).await;
    assert_eq!(found.entities.len(), 1);
}

pub(super) async fn records_that_were_there_get_the_first_state(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    let states =
        EntityDefinition::new("account").user_owned().with_state(3, "Open", [(30, "New"), (31, "Old")]);
    store.define(vec![states].into()).await.expect("valid");
    insert(&store, "account", id(2), attributes([("statecode", Value::Choice(3))])).await;
    // Another state is no reason to touch records.
    let more = EntityDefinition::new("account").with_state(4, "Closed", [(40, "Closed")]);
    store.define(vec![more].into()).await.expect("valid");
    assert_eq!(value(&store, "account", id(1), "statecode").await, Value::Choice(3));
    assert_eq!(value(&store, "account", id(1), "statuscode").await, Value::Choice(30));
    assert_eq!(value(&store, "account", id(1), "ownerid").await, Value::Null);
    assert_eq!(value(&store, "account", id(1), "versionnumber").await, Value::BigInteger(1));
    assert_eq!(value(&store, "account", id(2), "statuscode").await, Value::Null);
}

pub(super) async fn what_is_wider_takes_more(database: Database) {
    let store = database.with_samples().await;
    let definition_of = |max_length, options: &[i32], maximum: i32| {
        EntityDefinition::new("fresh")
            .with("name", text(max_length))
            .with("size", AttributeType::Choice { options: options.to_vec() })
            .with_attribute(AttributeDefinition::new("rank", AttributeType::Integer).at_most(maximum))
    };
    store.define(vec![definition_of(3, &[1], 5)].into()).await.expect("valid");
    let values =
        attributes([("name", string("abcd")), ("size", Value::Choice(2)), ("rank", Value::Integer(6))]);
    let refused = |store: &Arc<dyn Store>| {
        let definition = definition(store, "fresh");
        let one = |(name, value): (&String, &Value)| Attributes::from([(name.clone(), value.clone())]);
        values.iter().filter(|&pair| definition.check_values(&one(pair)).is_err()).count()
    };
    assert_eq!(refused(&store), 3);
    store.define(vec![definition_of(4, &[1, 2], 6)].into()).await.expect("it is wider");
    assert_eq!(refused(&store), 0);
    insert(&store, "fresh", id(1), values).await;
}

pub(super) async fn pairs_are_records_with_a_key(database: Database) {
    let store = database.with_samples().await;
    let friends = RelationshipDefinition::many_to_many("friends", "account", "account");
    store
        .define(Definitions { relationships: vec![friends], ..Definitions::default() })
        .await
        .expect("valid");
    let pair = |one, two| {
        attributes([
            ("accountid_one", reference("account", id(one))),
            ("accountid_two", reference("account", id(two))),
        ])
    };
    insert(&store, "friends", id(11), pair(1, 2)).await;
    insert(&store, "friends", id(12), pair(2, 1)).await;
    let error = insert_fails(&store, "friends", id(13), pair(1, 2)).await;
    assert_eq!(error.code(), code::DUPLICATE_KEY, "{error}");
}
