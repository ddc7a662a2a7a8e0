//! Requests at once: on different records they do not know of each other, on the same one they wait, and what cannot be
//! waited for ends.

use std::sync::Arc;

use stagegate::store::{Access, Store, Verdict};
use stagegate::{
    AttributeType, Definitions, Entity, EntityCollection, EntityDefinition, EntityReference, ErrorKind, Host,
    RelationshipDefinition, Request, Value,
};
use stagegate_tests::postgres::{Server, TestDatabase};
use uuid::Uuid;

use super::support::*;
use crate::store::support::*;

async fn two_accounts() -> (TestDatabase, Arc<dyn Store>) {
    let database = Server::shared().database();
    let store = open(&database.url(), |_| ()).await;
    for number in 1..=2 {
        insert(&store, "account", id(number), attributes([("number", Value::Integer(0))])).await;
    }
    (database, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn different_records_are_written_at_once() {
    let (database, store) = two_accounts().await;
    let (one, other) = (Open::on_account(&store, 1).await, Open::on_account(&store, 2).await);
    other.end(Verdict::Commit).await.unwrap();
    one.end(Verdict::Commit).await.unwrap();
    for number in 1..=2 {
        assert_eq!(value(&store, "account", id(number), "versionnumber").await, Value::BigInteger(2));
    }
    nothing_is_left(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn who_waits_for_a_record_sees_what_became_of_it() {
    let (database, store) = two_accounts().await;
    for (verdict, version) in [(Verdict::Commit, 2), (Verdict::Rollback, 3)] {
        let open = Open::on_account(&store, 1).await;
        let (reads, account) = (Arc::clone(&store), definition(&store, "account"));
        let waits = tokio::spawn(async move {
            let work = move |tx: Arc<dyn stagegate::store::Transaction>| async move {
                let all = stagegate::ColumnSet::All;
                let record = tx.retrieve(&account, id(1), &all, Lock::Update).await?.unwrap();
                tx.update(&account, id(1), &attributes([("number", Value::Integer(9))])).await?;
                Ok(record.get("versionnumber").cloned())
            };
            attempt(&reads, begin(Access::Write, "the second"), work).await
        });
        until_waiting(&database, 1).await;
        open.end(verdict).await.unwrap();
        assert_eq!(ended(waits).await.unwrap(), Some(Value::BigInteger(version)), "{verdict:?}");
    }
    nothing_is_left(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn of_a_deadlock_one_goes_on_and_one_may_try_again() {
    let (database, store) = two_accounts().await;
    let (first, second) = (Open::on_account(&store, 1).await, Open::on_account(&store, 2).await);
    drop((first, second));
    nothing_is_left(&database).await;
    // Each has one, and then wants the other's.
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let crossed = [(1, 2, 11), (2, 1, 12)].map(|(has, wants, made)| {
        let (store, inner, barrier) = (Arc::clone(&store), Arc::clone(&store), Arc::clone(&barrier));
        let account = definition(&store, "account");
        tokio::spawn(async move {
            attempt(&store, begin(Access::Write, "a crossed one"), move |tx| async move {
                add(&inner, &tx, made).await?;
                tx.update(&account, id(has), &attributes([("number", Value::Integer(1))])).await?;
                barrier.wait().await;
                tx.update(&account, id(wants), &attributes([("number", Value::Integer(1))])).await
            })
            .await
        })
    });
    let [one, other] = crossed;
    let results = [ended(one).await, ended(other).await];
    let [error] = results.iter().filter_map(|result| result.as_ref().err()).collect::<Vec<_>>()[..] else {
        panic!("one of them fails: {results:?}")
    };
    check(error, ErrorKind::Contention, &["deadlock", "rolled back, so try again"], true);
    let made = if results[0].is_ok() { 11 } else { 12 };
    assert_eq!(accounts(&database).await, [1, 2, made]);
    nothing_is_left(&database).await;
}

async fn family(url: &str) -> Host {
    let lookup = AttributeType::Lookup { targets: vec!["parent".into()] };
    let name = || AttributeType::String { max_length: 100 };
    let definitions = Definitions {
        entities: vec![
            EntityDefinition::new("parent").with("name", name()),
            EntityDefinition::new("child").with("name", name()).with("parent", lookup),
        ],
        relationships: vec![
            RelationshipDefinition::one_to_many("parent_children", "parent", "child", "parent")
                .on_delete(stagegate::Cascade::Cascade),
        ],
        messages: vec![],
    };
    Host::builder().store(open(url, |_| ()).await).define(definitions).build().await.unwrap()
}

async fn create(host: &Host, record: Entity) -> Uuid {
    host.execute(Request::create(record)).await.unwrap().id().unwrap()
}

fn child_of(parent: Uuid) -> Entity {
    Entity::new("child").with("parent", Value::EntityReference(EntityReference::new("parent", parent)))
}

/// Whichever comes first, no child is left that points to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn parents_go_with_children_that_come_meanwhile() {
    let database = Server::shared().database();
    let host = family(&database.url()).await;
    for _ in 0..30 {
        let parent = create(&host, Entity::new("parent")).await;
        let children: Vec<_> = (0..3)
            .map(|_| {
                let host = host.clone();
                tokio::spawn(async move { host.execute(Request::create(child_of(parent))).await })
            })
            .collect();
        let deletes = host.execute(Request::delete(EntityReference::new("parent", parent)));
        deletes.await.unwrap();
        for child in children {
            if let Err(error) = ended(child).await {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            }
        }
    }
    assert_eq!(say(&database, "SELECT count(*) FROM e_child").await, "0");
    nothing_is_left(&database).await;
    host.shutdown().await;
}

/// Bulk requests name the same records in opposite orders, and lock them in one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn bulk_updates_in_opposite_orders_both_succeed() {
    let database = Server::shared().database();
    let host = family(&database.url()).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(create(&host, Entity::new("parent")).await);
    }
    let updates = |name: String, backwards: bool| {
        let mut records: Vec<Entity> =
            ids.iter().map(|id| Entity::new("parent").with_id(*id).with("name", string(&name))).collect();
        if backwards {
            records.reverse();
        }
        let request = Request::update_multiple(EntityCollection::new("parent", records));
        let host = host.clone();
        tokio::spawn(async move { host.execute(request).await })
    };
    for round in 0..20 {
        let (one, other) = (updates(format!("{round} up"), false), updates(format!("{round} down"), true));
        ended(one).await.unwrap();
        ended(other).await.unwrap();
        let names = say(&database, "SELECT count(DISTINCT c_name) FROM e_parent").await;
        assert_eq!(names, "1", "one was after the other");
    }
    nothing_is_left(&database).await;
    host.shutdown().await;
}
