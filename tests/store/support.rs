//! What the exercises share: a database to open again and again, transactions in one line, samples.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::{
    AttributeType, Attributes, ColumnSet, DateTime, Entity, EntityDefinition, EntityReference, Value,
};
pub(super) use stagegate::store::Lock;
use stagegate::store::{Access, Begin, Store, Timing, Transaction, transact};
use uuid::Uuid;

/// A database that a store opens, and opens again after it was closed.
pub(super) struct Database {
    pub(super) open: Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
    /// Has the hosts be taken for dead that run jobs.
    pub(super) bury: Box<dyn Fn() + Send + Sync>,
    /// Keeps what the store is on.
    pub(super) _guard: Box<dyn Send + Sync>,
}

impl Database {
    pub(super) fn open(&self) -> Arc<dyn Store> {
        (self.open)()
    }

    /// An open store with the sample definitions.
    pub(super) async fn with_samples(&self) -> Arc<dyn Store> {
        let store = self.open();
        store.define(vec![account(), task(), sample()].into()).await.expect("the samples are valid");
        store
    }
}

pub(super) fn account() -> EntityDefinition {
    EntityDefinition::new("account").with("name", text(100)).with("number", AttributeType::Integer)
}

pub(super) fn task() -> EntityDefinition {
    EntityDefinition::new("task")
        .with("subject", text(100))
        .with("accountid", lookup(["account"]))
        .with("regarding", lookup(["account", "task"]))
}

/// An entity whose records have an owner and states.
pub(super) fn owned() -> EntityDefinition {
    EntityDefinition::new("deal")
        .with("accountid", lookup(["account"]))
        .user_owned()
        .with_state(0, "Open", [(1, "New"), (2, "On hold")])
        .with_state(1, "Closed", [(3, "Won")])
}

/// An entity with an attribute of every type, some named like words of SQL.
pub(super) fn sample() -> EntityDefinition {
    let options = || vec![1, 2, -3];
    EntityDefinition::new("sample")
        .with("boolean", AttributeType::Boolean)
        .with("integer", AttributeType::Integer)
        .with("biginteger", AttributeType::BigInteger)
        .with("double", AttributeType::Double)
        .with("decimal", AttributeType::Decimal { precision: 10 })
        .with("decimal0", AttributeType::Decimal { precision: 0 })
        .with("money", AttributeType::Money { precision: 4 })
        .with("select", text(1_048_576))
        .with("datetime", AttributeType::DateTime)
        .with("uniqueidentifier", AttributeType::UniqueIdentifier)
        .with("choice", AttributeType::Choice { options: options() })
        .with("choices", AttributeType::Choices { options: Vec::new() })
        .with("where", lookup(["account"]))
        .with("order", lookup(["account", "task", "sample"]))
}

pub(super) fn text(max_length: u32) -> AttributeType {
    AttributeType::String { max_length }
}

pub(super) fn lookup<const N: usize>(targets: [&str; N]) -> AttributeType {
    AttributeType::Lookup { targets: targets.map(str::to_owned).to_vec() }
}

pub(super) fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn string(text: &str) -> Value {
    Value::String(text.into())
}

pub(super) fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().expect("a number"))
}

pub(super) fn money(text: &str) -> Value {
    Value::Money(text.parse().expect("a number"))
}

pub(super) fn reference(entity: &str, id: Uuid) -> Value {
    Value::EntityReference(EntityReference::new(entity, id))
}

/// Identifiers that sort as their numbers.
pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn at(milliseconds: i64) -> DateTime {
    DateTime(milliseconds)
}

pub(super) fn begin(access: Access, label: &str) -> Begin {
    Begin { access, deadline: None, label: label.into() }
}

pub(super) fn until(access: Access, label: &str, deadline: Instant) -> Begin {
    Begin { access, deadline: Some(deadline), label: label.into() }
}

pub(super) fn definition(store: &Arc<dyn Store>, entity: &str) -> Arc<EntityDefinition> {
    Arc::clone(store.schema().entity(entity).expect("defined"))
}

/// Runs `work` in a transaction that writes and commits if it returns `Ok`.
pub(super) async fn attempt<T, F, Fut>(store: &Arc<dyn Store>, begin: Begin, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Transaction>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    let (value, timing): (_, Result<Timing, Error>) =
        transact(store.as_ref(), begin, Result::is_ok, |tx| Box::pin(work(tx))).await;
    match (value, timing) {
        (Some(Err(error)), _) | (_, Err(error)) => Err(error),
        (Some(value), Ok(_)) => value,
        (None, Ok(_)) => panic!("the transaction ended well without having run"),
    }
}

/// As [`attempt`], where it has to succeed.
pub(super) async fn write<T, F, Fut>(store: &Arc<dyn Store>, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Transaction>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    attempt(store, begin(Access::Write, "a write"), work).await.expect("the transaction commits")
}

/// As [`write`], to read.
pub(super) async fn read<T, F, Fut>(store: &Arc<dyn Store>, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Transaction>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    attempt(store, begin(Access::Read, "a read"), work).await.expect("the transaction reads")
}

/// Inserts a record as the pipeline does, with the system attributes.
pub(super) async fn insert(store: &Arc<dyn Store>, entity: &str, id: Uuid, attributes: Attributes) {
    let definition = definition(store, entity);
    let attributes = with_system(attributes);
    write(store, move |tx| async move { tx.insert(&definition, id, &attributes).await }).await;
}

/// As [`insert`], where it has to fail as a duplicate.
pub(super) async fn insert_fails(
    store: &Arc<dyn Store>,
    entity: &str,
    id: Uuid,
    attributes: Attributes,
) -> Error {
    let definition = definition(store, entity);
    let attributes = with_system(attributes);
    let inserted = attempt(store, begin(Access::Write, "a write"), move |tx| async move {
        tx.insert(&definition, id, &attributes).await
    });
    expect_error(inserted.await, ErrorKind::Duplicate)
}

pub(super) fn with_system(mut attributes: Attributes) -> Attributes {
    attributes.insert("createdon".into(), Value::DateTime(at(1_000)));
    attributes.insert("modifiedon".into(), Value::DateTime(at(1_000)));
    attributes.insert("versionnumber".into(), Value::BigInteger(1));
    attributes
}

/// Reads a record outside of any other transaction.
pub(super) async fn retrieve(store: &Arc<dyn Store>, entity: &str, id: Uuid) -> Option<Entity> {
    let definition = definition(store, entity);
    read(store, move |tx| async move { tx.retrieve(&definition, id, &ColumnSet::All, Lock::None).await })
        .await
}

/// The value of an attribute of a record that is there.
pub(super) async fn value(store: &Arc<dyn Store>, entity: &str, id: Uuid, attribute: &str) -> Value {
    let record = retrieve(store, entity, id).await.expect("the record exists");
    record.get(attribute).expect("the attribute is read").clone()
}

/// The error, which must be of that kind.
#[track_caller]
pub(super) fn expect_error<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    let error = result.expect_err("this has to fail");
    assert_eq!(error.kind(), kind, "{error}");
    error
}
