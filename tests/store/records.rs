//! Insert, update, delete, retrieve, and what points to a record.

use std::sync::Arc;

use stagegate::model::error::ErrorKind;
use stagegate::model::{
    AttributeType, Attributes, ColumnSet, Entity, EntityDefinition, EntityReference, Value, code,
};
use stagegate::store::{Access, Store};

use super::support::*;

pub(super) async fn insert_writes_exactly_what_is_given(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("Contoso"))])).await;
    let expected = Entity::new("account")
        .with_id(id(1))
        .with("name", string("Contoso"))
        .with("number", Value::Null)
        .with("createdby", Value::Null)
        .with("createdon", Value::DateTime(at(1_000)))
        .with("modifiedby", Value::Null)
        .with("modifiedon", Value::DateTime(at(1_000)))
        .with("versionnumber", Value::BigInteger(1));
    assert_eq!(retrieve(&store, "account", id(1)).await, Some(expected));
}

pub(super) async fn insert_of_a_taken_identifier_is_a_duplicate(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("first"))])).await;
    let account = definition(&store, "account");
    let result = attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
        tx.insert(&account, id(1), &attributes([("name", string("second"))])).await
    });
    let error = expect_error(result.await, ErrorKind::Duplicate);
    assert!(error.message().contains("account") && error.message().contains(&id(1).to_string()), "{error}");
    assert_eq!(value(&store, "account", id(1), "name").await, string("first"));
    // The same identifier in another entity is another record.
    insert(&store, "task", id(1), Attributes::new()).await;
}

pub(super) async fn update_writes_the_given_and_raises_the_version(database: Database) {
    let store = database.with_samples().await;
    let both = attributes([("name", string("a")), ("number", Value::Integer(1))]);
    insert(&store, "account", id(1), both.clone()).await;
    insert(&store, "account", id(2), both).await;
    let account = definition(&store, "account");
    let found = write(&store, move |tx| async move {
        let change = attributes([("name", string("b"))]);
        let found = tx.update(&account, id(1), &change).await?;
        assert!(tx.update(&account, id(1), &Attributes::new()).await?, "no attribute is a write too");
        assert!(!tx.update(&account, id(3), &change).await?, "a record that does not exist");
        Ok(found)
    });
    assert!(found.await);
    let record = retrieve(&store, "account", id(1)).await.expect("it exists");
    assert_eq!(record.get("name"), Some(&string("b")));
    assert_eq!(record.get("number"), Some(&Value::Integer(1)));
    assert_eq!(record.get("versionnumber"), Some(&Value::BigInteger(3)));
    assert_eq!(value(&store, "account", id(2), "name").await, string("a"), "others stay");
    assert_eq!(retrieve(&store, "account", id(3)).await, None);
}

pub(super) async fn update_can_set_the_version(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), Attributes::new()).await;
    let account = definition(&store, "account");
    let change =
        attributes([("versionnumber", Value::BigInteger(41)), ("modifiedon", Value::DateTime(at(7)))]);
    write(&store, move |tx| async move { tx.update(&account, id(1), &change).await }).await;
    let record = retrieve(&store, "account", id(1)).await.expect("it exists");
    assert_eq!(record.get("versionnumber"), Some(&Value::BigInteger(41)));
    assert_eq!(record.get("modifiedon"), Some(&Value::DateTime(at(7))));
    assert_eq!(record.get("createdon"), Some(&Value::DateTime(at(1_000))));
}

pub(super) async fn delete_takes_one_record(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), Attributes::new()).await;
    insert(&store, "account", id(2), Attributes::new()).await;
    let account = definition(&store, "account");
    let (first, again) = write(&store, move |tx| async move {
        Ok((tx.delete(&account, id(1)).await?, tx.delete(&account, id(1)).await?))
    })
    .await;
    assert!(first && !again);
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
    assert!(retrieve(&store, "account", id(2)).await.is_some());
}

pub(super) async fn retrieve_reads_the_columns_asked_for(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    let account = definition(&store, "account");
    let (few, none, missing) = read(&store, move |tx| async move {
        let few = ColumnSet::named(["number", "accountid", "versionnumber", "name", "name"]);
        let none = ColumnSet::Named(Vec::new());
        Ok((
            tx.retrieve(&account, id(1), &few, Lock::None).await?,
            tx.retrieve(&account, id(1), &none, Lock::None).await?,
            tx.retrieve(&account, id(2), &none, Lock::None).await?,
        ))
    })
    .await;
    let expected = Entity::new("account")
        .with_id(id(1))
        .with("number", Value::Null)
        .with("accountid", Value::UniqueIdentifier(id(1)))
        .with("versionnumber", Value::BigInteger(1))
        .with("name", string("a"));
    assert_eq!(few, Some(expected));
    assert_eq!(none, Some(Entity::new("account").with_id(id(1))));
    assert_eq!(missing, None);
}

pub(super) async fn retrieve_of_an_unknown_column_is_refused(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let result = attempt(&store, begin(Access::Read, "a read"), move |tx| async move {
        tx.retrieve(&account, id(1), &ColumnSet::named(["nam"]), Lock::None).await
    });
    let error = expect_error(result.await, ErrorKind::InvalidRequest);
    assert!(error.message().contains("`name`"), "it names the attribute that is meant: {error}");
}

pub(super) async fn a_transaction_reads_what_it_wrote(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let name = write(&store, move |tx| async move {
        tx.insert(&account, id(1), &with_system(attributes([("name", string("a"))]))).await?;
        tx.update(&account, id(1), &attributes([("name", string("b"))])).await?;
        Ok(tx.retrieve(&account, id(1), &ColumnSet::All, Lock::None).await?.expect("it exists"))
    });
    assert_eq!(name.await.get("name"), Some(&string("b")));
}

pub(super) async fn a_record_is_referenced_by_what_points_to_it(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), Attributes::new()).await;
    // Points with one lookup; with the other; to the same identifier of another entity; elsewhere; nowhere.
    insert(&store, "task", id(11), attributes([("accountid", reference("account", id(1)))])).await;
    insert(&store, "task", id(12), attributes([("regarding", reference("account", id(1)))])).await;
    insert(&store, "task", id(13), attributes([("regarding", reference("task", id(1)))])).await;
    insert(&store, "task", id(14), attributes([("accountid", reference("account", id(2)))])).await;
    insert(&store, "task", id(15), Attributes::new()).await;
    let task = definition(&store, "task");
    let target = EntityReference::new("account", id(1));
    write(&store, move |tx| async move {
        assert!(tx.is_referenced(&task, "accountid", &target).await?);
        assert!(tx.is_referenced(&task, "regarding", &target).await?);
        assert!(!tx.is_referenced(&task, "accountid", &EntityReference::new("account", id(3))).await?);
        tx.update(&task, id(12), &attributes([("regarding", Value::Null)])).await?;
        assert!(!tx.is_referenced(&task, "regarding", &target).await?);
        assert!(tx.is_referenced(&task, "regarding", &EntityReference::new("task", id(1))).await?);
        Ok(())
    })
    .await;
}

pub(super) async fn a_reference_by_what_is_no_lookup_is_refused(database: Database) {
    let store = database.with_samples().await;
    for (lookup, entity) in [("subject", "account"), ("accountid", "task"), ("nothing", "account")] {
        let task = definition(&store, "task");
        let result = attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
            tx.is_referenced(&task, lookup, &EntityReference::new(entity, id(1))).await
        });
        expect_error(result.await, ErrorKind::InvalidRequest);
    }
}

/// A key of a string and a number, one of a lookup with several targets, and records.
async fn with_keys(database: &Database) -> Arc<dyn Store> {
    let store = database.with_samples().await;
    let keys = [
        EntityDefinition::new("account").with_key("by_name", ["name", "number"]),
        EntityDefinition::new("task").with_key("by_regarding", ["regarding"]),
    ];
    store.define(keys.to_vec().into()).await.expect("valid");
    let first = attributes([("name", string("Contoso")), ("number", Value::Integer(1))]);
    insert(&store, "account", id(1), first).await;
    insert(&store, "task", id(1), attributes([("regarding", reference("account", id(1)))])).await;
    store
}

pub(super) async fn a_key_allows_its_values_once(database: Database) {
    let store = with_keys(&database).await;
    let account = |name: &str, number: Value| attributes([("name", string(name)), ("number", number)]);
    // Letters are compared as everywhere: without regard to the case of ASCII.
    let error = insert_fails(&store, "account", id(2), account("CONTOSO", Value::Integer(1))).await;
    assert_eq!(error.code(), code::DUPLICATE_KEY);
    for part in ["`account`", "`by_name`", "name = \"CONTOSO\"", "number = 1"] {
        assert!(error.message().contains(part), "it says {part}: {error}");
    }
    assert_eq!(retrieve(&store, "account", id(2)).await, None);
    // Another value, or none: a record with a null is outside of the key.
    insert(&store, "account", id(2), account("Contoso", Value::Integer(2))).await;
    insert(&store, "account", id(3), account("Contoso", Value::Null)).await;
    insert(&store, "account", id(4), account("Contoso", Value::Null)).await;
    // The same identifier of another entity is another value.
    insert(&store, "task", id(2), attributes([("regarding", reference("task", id(1)))])).await;
    let same = attributes([("regarding", reference("account", id(1)))]);
    let error = insert_fails(&store, "task", id(3), same).await;
    assert!(error.message().contains(&format!("regarding = account {}", id(1))), "{error}");
    // The identifier's own duplicate keeps its code.
    let error = insert_fails(&store, "account", id(1), account("Fabrikam", Value::Null)).await;
    assert_eq!(error.code(), code::DUPLICATE_RECORD);
}

pub(super) async fn an_update_onto_a_taken_key_is_a_duplicate(database: Database) {
    let store = with_keys(&database).await;
    let other = attributes([("name", string("Contoso")), ("number", Value::Integer(2))]);
    insert(&store, "account", id(2), other).await;
    let account = definition(&store, "account");
    let result = attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
        tx.update(&account, id(2), &attributes([("number", Value::Integer(1))])).await
    });
    let error = expect_error(result.await, ErrorKind::Duplicate);
    assert_eq!(error.code(), code::DUPLICATE_KEY);
    assert!(error.message().contains("name = \"Contoso\", number = 1"), "also what is not written: {error}");
    assert_eq!(value(&store, "account", id(2), "number").await, Value::Integer(2));
    // A record is no duplicate of itself, and what is free again can be taken.
    let account = definition(&store, "account");
    write(&store, move |tx| async move {
        tx.update(&account, id(1), &attributes([("name", string("CONTOSO"))])).await?;
        tx.delete(&account, id(1)).await?;
        tx.update(&account, id(2), &attributes([("number", Value::Integer(1))])).await
    })
    .await;
}

pub(super) async fn a_key_is_made_on_records_that_have_none_twice(database: Database) {
    let store = database.with_samples().await;
    let named = |name: &str| attributes([("name", string(name)), ("number", Value::Integer(1))]);
    insert(&store, "account", id(1), named("Contoso")).await;
    insert(&store, "account", id(2), named("contoso")).await;
    let keys = || EntityDefinition::new("account").with_key("by_name", ["name"]);
    let before = store.schema();
    let more = EntityDefinition::new("task").with("more", AttributeType::Integer);
    let result = store.define(vec![more.clone(), keys()].into()).await;
    let error = expect_error(result, ErrorKind::InvalidDefinition);
    for part in
        ["`by_name` (name)", "`account`", &id(1).to_string(), &id(2).to_string(), "define the key again"]
    {
        assert!(error.message().contains(part), "it says {part}: {error}");
    }
    assert!(before.defines_same(&store.schema()));
    let account = definition(&store, "account");
    write(&store, move |tx| async move { tx.delete(&account, id(2)).await }).await;
    store.define(vec![more, keys()].into()).await.expect("the values differ now");
    insert_fails(&store, "account", id(2), named("CONTOSO")).await;
    // A further key is numbered behind the first.
    store.define(vec![keys().with_key("by_both", ["number", "name"])].into()).await.expect("valid");
    let other = attributes([("name", string("Fabrikam")), ("number", Value::Integer(1))]);
    insert(&store, "account", id(2), other).await;
}
