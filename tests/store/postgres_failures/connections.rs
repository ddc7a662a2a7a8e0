//! Connections are cut: in a transaction, before its end, while they rest, while they listen. And none goes back in the
//! middle of a transaction, whatever becomes of that.

use std::sync::Arc;

use stagegate::ErrorKind;
use stagegate::store::{Access, Change, Store, Verdict, Work};
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::Server;
use tokio::time::timeout;

use super::support::*;
use crate::store::jobs::{enqueue, job};
use crate::store::support::*;

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_cut_in_the_middle_rolls_back_and_says_so() {
    let Behind { store, proxy, database } = Behind::a_proxy().await;
    let proxy = Arc::new(proxy);
    let (inner, cuts) = (Arc::clone(&store), Arc::clone(&proxy));
    let result = attempt(&store, begin(Access::Write, "Create account"), move |tx| async move {
        add(&inner, &tx, 1).await?;
        cuts.cut();
        add(&inner, &tx, 2).await
    });
    let error = result.await.unwrap_err();
    check(&error, ErrorKind::Store, &["insert a record of `account`", "rolled back", "try again"], true);
    nothing_is_left(&database).await;
    assert!(accounts(&database).await.is_empty());
    insert(&store, "account", id(3), Default::default()).await;
    assert_eq!(accounts(&database).await, [3]);
    store.close().await;
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_cut_before_the_commit_is_known_to_undo_it() {
    let Behind { store, proxy, database } = Behind::a_proxy().await;
    let database = Arc::new(database);
    let (inner, server) = (Arc::clone(&store), Arc::clone(&database));
    let result = attempt(&store, begin(Access::Write, "Create account"), move |tx| async move {
        add(&inner, &tx, 1).await?;
        proxy.cut();
        // What comes from elsewhere after the cut comes to this runtime after the cut, too.
        nothing_is_left(&server).await;
        Ok(())
    });
    let error = result.await.unwrap_err();
    check(&error, ErrorKind::Store, &["before `Create account` was committed", "rolled back"], true);
    assert!(accounts(&database).await.is_empty());
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn connections_that_rest_are_replaced_unnoticed() {
    let Behind { store, proxy, database } = Behind::a_proxy().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Open::start(&store, |_| async {}).await);
    }
    for one in open {
        one.end(Verdict::Commit).await.unwrap();
    }
    proxy.cut();
    nothing_is_left(&database).await;
    for number in 1..=4 {
        insert(&store, "account", id(number), Default::default()).await;
        assert!(retrieve(&store, "account", id(number)).await.is_some());
        assert!(store.is_idle().await.unwrap());
    }
    assert_eq!(accounts(&database).await, [1, 2, 3, 4]);
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn changes_are_heard_again_after_a_cut() {
    let Behind { store, proxy, database } = Behind::a_proxy().await;
    let other = open(&database.url(), |_| ()).await;
    // Whoever begins to listen is told of all that may have been said before.
    let begins_to_listen = async |store: &Arc<dyn Store>| {
        for expected in [Change::Jobs, Change::Control] {
            let heard = timeout(PATIENCE, store.changed()).await.expect("it hears");
            assert_eq!(heard, expected);
        }
    };
    begins_to_listen(&store).await;
    proxy.cut();
    begins_to_listen(&store).await;
    enqueue(&other, vec![job(1, 100)]).await;
    assert_eq!(timeout(PATIENCE, store.changed()).await.expect("it hears"), Change::Jobs);
    proxy.cut();
    other.define(vec![owned()].into()).await.unwrap();
    let learns = async {
        while store.schema().entity("deal").is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, learns).await.expect("definitions are seen too");
}

/// One connection, so that whoever comes next has the one that is to be clean.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn none_goes_back_in_the_middle_of_a_transaction() {
    let database = Server::shared().database();
    let store = open(&database.url(), |options| options.connections = 1).await;
    let holder = open_with_account(&database.url()).await;
    insert(&store, "account", id(10), Default::default()).await;
    let before = processes(&database).await;

    let (inner, verdict) = (Arc::clone(&store), Verdict::Commit);
    let panics: Work = Box::new(move |tx| {
        Box::pin(async move {
            add(&inner, &tx, 11).await.unwrap();
            assert_ne!(verdict, Verdict::Commit, "it panics here");
            verdict
        })
    });
    let error = store.run(begin(Access::Write, "a write"), panics).await.unwrap_err();
    check(&error, ErrorKind::Internal, &["it panics here"], false);
    assert_eq!(processes(&database).await, before, "a panic costs no connection");

    let (inner, account) = (Arc::clone(&store), definition(&store, "account"));
    let late = attempt(&store, within(200), move |tx| async move {
        add(&inner, &tx, 12).await?;
        tx.update(&account, id(1), &named("late")).await.map(drop)
    });
    check(&late.await.unwrap_err(), ErrorKind::Timeout, &["its transaction is rolled back"], false);

    let (inner, account) = (Arc::clone(&store), definition(&store, "account"));
    let drops = attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
        add(&inner, &tx, 13).await?;
        let change = attributes([("name", string("dropped"))]);
        let mut update = Box::pin(tx.update(&account, id(1), &change));
        assert!(waits(&mut update).await, "another transaction has it");
        Ok(())
    });
    check(&drops.await.unwrap_err(), ErrorKind::Doomed, &["given up in the middle"], false);

    insert(&store, "account", id(14), Default::default()).await;
    holder.end(Verdict::Rollback).await.unwrap();
    nothing_is_left(&database).await;
    assert_eq!(accounts(&database).await, [1, 10, 14]);
    let count = |said: &str| said.split(' ').count();
    // The holder's store has its own.
    assert!(count(&processes(&database).await) <= count(&before) + 1);
}

/// Polls once, and says whether it waits.
async fn waits<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T> + ?Sized>>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// Another store's transaction that has the account 1.
async fn open_with_account(url: &str) -> Open {
    let store = open(url, |_| ()).await;
    insert(&store, "account", id(1), Default::default()).await;
    Open::on_account(&store, 1).await
}
