//! The connection is lost in a COMMIT: whether it was done nobody knows, and both is coped with.

use stagegate::ErrorKind;
use stagegate::JobStatus;
use stagegate::model::job::Outcome;
use stagegate::store::{Access, Exchange};
use stagegate_tests::postgres::Speaker;

use super::support::*;
use crate::store::jobs::{any, enqueue, exchange, job, numbers, one, settlement, trade};
use crate::store::support::*;

/// What the proxy cuts at, so that the COMMIT is not done, or done. With the byte that ends it, since READ COMMITTED is another.
const LOST: (Speaker, &str) = (Speaker::Client, "COMMIT\0");
const DONE: (Speaker, &str) = (Speaker::Server, "COMMIT\0");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn of_a_record_and_its_job_both_are_there_or_none() {
    for ((speaker, bytes), expected) in [(LOST, 0), (DONE, 1)] {
        let Behind { store, proxy, database } = Behind::a_proxy().await;
        let cut = proxy.cut_at(speaker, bytes);
        let inner = std::sync::Arc::clone(&store);
        let result = attempt(&store, begin(Access::Write, "Create account"), move |tx| async move {
            add(&inner, &tx, 1).await?;
            tx.enqueue(&[job(1, 100)]).await
        });
        let error = result.await.unwrap_err();
        cut.made().await;
        check(
            &error,
            ErrorKind::OutcomeUnknown,
            &["`Create account`", "look before it is tried again"],
            false,
        );
        nothing_is_left(&database).await;
        assert_eq!(accounts(&database).await.len(), expected, "{speaker:?}");
        assert_eq!(say(&database, "SELECT count(*) FROM system_job").await, expected.to_string());
        insert(&store, "account", id(2), Default::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn jobs_that_nobody_knows_to_be_claimed_are_handed_back() {
    for (speaker, bytes) in [LOST, DONE] {
        let Behind { store, proxy, database } = Behind::a_proxy().await;
        enqueue(&store, vec![job(1, 100)]).await;
        let claims = || Exchange { claims: vec![any(9)], ..exchange(70, 900) };
        let cut = proxy.cut_at(speaker, bytes);
        let error = store.exchange_jobs(claims().into()).await.unwrap_err();
        cut.made().await;
        check(&error, ErrorKind::OutcomeUnknown, &["the asynchronous service"], false);
        nothing_is_left(&database).await;
        let after = trade(&store, Exchange { held: Some(Vec::new()), ..claims() }).await;
        assert_eq!(numbers(&after.claimed.concat()), [1], "{speaker:?}");
        let claimed = one(&store, 1).await;
        assert_eq!((claimed.attempt, claimed.crash_count), (1, 0), "it has not run before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn ends_that_nobody_knows_to_be_settled_count_once() {
    for ((speaker, bytes), counts) in [(LOST, vec![id(1)]), (DONE, Vec::new())] {
        let Behind { store, proxy, database } = Behind::a_proxy().await;
        enqueue(&store, vec![job(1, 100), job(2, 100)]).await;
        let claims = Exchange { claims: vec![any(9)], ..exchange(70, 900) };
        let claimed = trade(&store, claims).await.claimed.concat();
        let ends = || Exchange {
            settlements: vec![settlement(&claimed[0], Outcome::Succeeded)],
            ..exchange(70, 900)
        };
        let cut = proxy.cut_at(speaker, bytes);
        let error = store.exchange_jobs(ends().into()).await.unwrap_err();
        cut.made().await;
        check(&error, ErrorKind::OutcomeUnknown, &["the asynchronous service"], false);
        nothing_is_left(&database).await;
        let after = trade(&store, Exchange { held: Some(vec![id(2)]), claims: vec![any(9)], ..ends() }).await;
        assert_eq!(after.settled, counts, "{speaker:?}");
        assert!(after.claimed.concat().is_empty() && after.lost.is_empty(), "{after:?}");
        let (ended, held) = (one(&store, 1).await, one(&store, 2).await);
        assert_eq!((ended.status, ended.attempt), (JobStatus::Succeeded, 1));
        assert_eq!((held.status, held.attempt), (JobStatus::InProgress, 1));
    }
}
