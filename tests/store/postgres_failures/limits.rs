//! The server has no connection left: requests wait for one that ends.

use std::sync::Arc;

use stagegate::ErrorKind;
use stagegate::store::{Access, Store, Verdict};
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::{Server, TestDatabase};
use tokio::time::timeout;

use super::support::*;
use crate::store::support::*;

/// What the server lets in, of which the asynchronous service and the notifications have one each.
const LIMIT: usize = 7;
const WRITERS: usize = LIMIT - 2;

/// A full database, and the transactions that fill it.
async fn full() -> (TestDatabase, Arc<dyn Store>, Vec<Open>) {
    let database = Server::shared().database_with(&format!("CONNECTION LIMIT {LIMIT}"));
    let store = open(&database.url(), |_| ()).await;
    let mut held = Vec::new();
    for _ in 0..WRITERS {
        held.push(Open::start(&store, |_| async {}).await);
    }
    let count =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'stagegate'";
    until_it_says(&database, count, &LIMIT.to_string()).await;
    (database, store, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn requests_wait_for_room_and_go_on() {
    let (database, store, held) = full().await;
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let (store, inner) = (Arc::clone(&store), Arc::clone(&store));
            tokio::spawn(async move {
                attempt(&store, within(60_000), move |tx| async move { add(&inner, &tx, number).await }).await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished));
    for one in held {
        one.end(Verdict::Commit).await.unwrap();
    }
    for one in waiting {
        ended(one).await.expect("it had its turn");
    }
    assert_eq!(accounts(&database).await, (0..20).collect::<Vec<u128>>());
    nothing_is_left(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn who_has_waited_to_his_deadline_is_told_the_way_out() {
    let (database, store, held) = full().await;
    let late = attempt(&store, within(1000), |_| async { Ok(()) });
    let error = timeout(PATIENCE, late).await.expect("it ends").unwrap_err();
    let words = ["too many connections", "max_connections", "fewer connections each"];
    check(&error, ErrorKind::Store, &words, true);
    for one in held {
        one.end(Verdict::Rollback).await.unwrap();
    }
    insert(&store, "account", id(1), Default::default()).await;
    assert_eq!(accounts(&database).await, [1]);
    nothing_is_left(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn a_pool_that_is_all_taken_names_who_has_it() {
    let database = Server::shared().database();
    let store = open(&database.url(), |options| options.connections = 2).await;
    let (one, other) = (Open::start(&store, |_| async {}).await, Open::start(&store, |_| async {}).await);
    let late = attempt(&store, within(100), |_| async { Ok(()) });
    let error = timeout(PATIENCE, late).await.expect("it ends").unwrap_err();
    check(&error, ErrorKind::Timeout, &["2 connections", "`one that stands open`"], false);
    for open in [one, other] {
        open.end(Verdict::Commit).await.unwrap();
    }
    let reads = attempt(&store, begin(Access::Read, "a read"), |_| async { Ok(()) });
    reads.await.unwrap();
}
