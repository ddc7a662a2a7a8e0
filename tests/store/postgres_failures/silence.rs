//! The network swallows all: nothing waits for ever, and what stood open on the server ends.

use std::sync::Arc;
use std::time::Duration;

use stagegate::ErrorKind;
use stagegate::store::{Access, Exchange};
use stagegate_tests::PATIENCE;
use tokio::time::timeout;

use super::support::*;
use crate::store::jobs::{any, enqueue, exchange, job, numbers, trade};
use crate::store::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_request_ends_at_its_deadline() {
    let Behind { store, proxy, database } = Behind::a_proxy_with(|options| options.connections = 1).await;
    insert(&store, "account", id(1), Default::default()).await;
    let proxy = Arc::new(proxy);
    let (freezes, account) = (Arc::clone(&proxy), definition(&store, "account"));
    let inner = Arc::clone(&store);
    let silent = attempt(&store, within(300), move |tx| async move {
        tx.update(&account, id(1), &named("lost")).await?;
        freezes.freeze();
        add(&inner, &tx, 2).await
    });
    let error = timeout(PATIENCE, silent).await.expect("it ends").unwrap_err();
    check(&error, ErrorKind::Timeout, &["its transaction is rolled back"], false);
    // The next one gets another connection, or would, if it were let through.
    let inner = Arc::clone(&store);
    let next = attempt(&store, within(300), move |tx| async move { add(&inner, &tx, 3).await });
    let error = timeout(PATIENCE, next).await.expect("it ends").unwrap_err();
    check(&error, ErrorKind::Timeout, &["a write"], false);
    proxy.thaw();
    nothing_is_left(&database).await;
    insert(&store, "account", id(4), Default::default()).await;
    assert_eq!(accounts(&database).await, [1, 4]);
    assert_eq!(value(&store, "account", id(1), "name").await, stagegate::Value::Null);
}

/// What has rested is asked whether it is there, so that nobody has to wait for his deadline to find out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn the_asynchronous_service_is_told_and_goes_on() {
    let Behind { store, proxy, database } =
        Behind::a_proxy_with(|options| options.lease = Duration::from_secs(1)).await;
    enqueue(&store, vec![job(1, 100), job(2, 100)]).await;
    let asks = || Exchange { claims: vec![any(1)], ..exchange(70, 900) };
    assert_eq!(numbers(&trade(&store, asks()).await.claimed.concat()), [1]);
    proxy.freeze();
    let told = timeout(PATIENCE, store.exchange_jobs(Arc::new(asks()))).await.expect("it ends");
    let error = told.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Store), "{error}");
    proxy.thaw();
    nothing_is_left(&database).await;
    let again = trade(&store, Exchange { held: Some(vec![id(1)]), ..asks() }).await;
    assert_eq!(numbers(&again.claimed.concat()), [2]);
    assert!(again.lost.is_empty(), "{:?}", again.lost);
}

/// A reader that is dropped while nothing answers costs its connection, and none that is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn who_is_dropped_meanwhile_leaves_nothing() {
    let Behind { store, proxy, database } = Behind::a_proxy_with(|options| options.connections = 2).await;
    insert(&store, "account", id(1), Default::default()).await;
    let open = Open::on_account(&store, 1).await;
    proxy.freeze();
    drop(open);
    let waits = tokio::spawn({
        let store = Arc::clone(&store);
        async move { insert(&store, "account", id(2), Default::default()).await }
    });
    tokio::task::yield_now().await;
    waits.abort();
    let _ = waits.await;
    proxy.thaw();
    nothing_is_left(&database).await;
    for number in 3..6 {
        insert(&store, "account", id(number), Default::default()).await;
    }
    assert_eq!(accounts(&database).await, [1, 3, 4, 5]);
    let reads = attempt(&store, begin(Access::Read, "a read"), |_| async { Ok(()) });
    timeout(PATIENCE, reads).await.expect("it ends").unwrap();
}
