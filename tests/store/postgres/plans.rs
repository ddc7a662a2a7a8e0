//! How the server goes about the jobs: by their indexes, however many there are. It counts what it reads otherwise.

use std::sync::Arc;

use stagegate::Job;
use stagegate::model::job::{Control, Outcome};
use stagegate::store::{Exchange, JobFilter, JobSelect, Store};
use stagegate_tests::postgres::{Server, TestDatabase};
use tokio::task::block_in_place;
use tokio_postgres::NoTls;

use super::on;
use crate::store::jobs::*;
use crate::store::support::*;

/// So many that the planner reads the whole table only by mistake.
const JOBS: u128 = 4000;
/// The rows that were read in passing over the whole table.
const READ: &str = "seq_tup_read";
/// Jobs of one transaction.
const BULK: u128 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn what_is_done_to_jobs_does_not_read_them_all() {
    let server = Server::shared().database();
    let database = on(server.url(), server.url(), Box::new(()));
    // The plans of these connections are made while there is no job, and used when there are many.
    let store = database.open();
    work(&store, 0).await;
    for number in (0..JOBS).step_by(BULK as usize) {
        let jobs = (number..number + BULK).map(|number| {
            let mut job = job(1000 + number, 0);
            job.order_key = (number % 50 == 0).then(|| format!("order {}", number % 7));
            job.unique_key = (number % 60 == 1).then(|| format!("unique {}", number % 5));
            job
        });
        enqueue(&store, jobs.collect()).await;
    }
    close(&server, store).await;
    let before = count(&server, READ).await;
    let store = database.open();
    for turn in 1..=3 {
        work(&store, turn).await;
        (database.bury)();
        store.recover_jobs(id(90 + turn), at(950)).await.expect("recovered");
    }
    close(&server, store).await;
    assert_eq!(count(&server, READ).await, before, "rows that were read without an index");
}

/// That is most of what a job costs: see the migration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_claim_writes_to_no_index() {
    let server = Server::shared().database();
    let database = on(server.url(), server.url(), Box::new(()));
    let store = database.open();
    enqueue(&store, (0..BULK).map(|number| job(number, 0)).collect()).await;
    let claimed = claim(&store, 70, 300, 900).await;
    assert_eq!(claimed.len(), 300);
    close(&server, store).await;
    assert_eq!(count(&server, "n_tup_upd").await, 300);
    assert_eq!(count(&server, "n_tup_hot_upd").await, 300);
}

/// Others find a dead host's jobs by this, and every claim writes it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_worker_is_noted_to_hold_what_it_holds() {
    let server = Server::shared().database();
    let database = on(server.url(), server.url(), Box::new(()));
    let store = database.open();
    enqueue(&store, (0..10).map(|number| job(number, 0)).collect()).await;
    let first = claim(&store, 70, 4, 900).await;
    assert_eq!(held(&server).await, [1, 2, 3, 4]);
    let ends = |jobs: &[Job]| jobs.iter().map(|job| settlement(job, Outcome::Succeeded)).collect::<Vec<_>>();
    // With the claim of others, and without one.
    trade(&store, Exchange { settlements: ends(&first[..3]), claims: vec![any(2)], ..exchange(70, 900) })
        .await;
    assert_eq!(held(&server).await, [4, 5, 6]);
    trade(&store, Exchange { settlements: ends(&first[3..]), ..exchange(70, 900) }).await;
    assert_eq!(held(&server).await, [5, 6]);
    // Who does not know what was noted adds to it, and does know then.
    close(&server, store).await;
    let store = database.open();
    let last = claim(&store, 70, 1, 900).await;
    assert_eq!(held(&server).await, [5, 6, 7]);
    trade(&store, Exchange { settlements: ends(&last), claims: vec![any(1)], ..exchange(70, 900) }).await;
    assert_eq!(held(&server).await, [5, 6, 8]);
}

async fn held(server: &TestDatabase) -> Vec<i64> {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("it connects");
    tokio::spawn(connection);
    let sql = "SELECT held FROM worker";
    let mut held: Vec<i64> = client.query_one(sql, &[]).await.expect("there is one").get(0);
    held.sort_unstable();
    held
}

/// Everything that the service and its operators do, on some jobs.
async fn work(store: &Arc<dyn Store>, turn: u128) {
    let claimed = claim(store, 70, 40, 900).await;
    let outcomes = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Retry(at(899)),
        Outcome::Postponed(at(5000)),
        Outcome::Released,
    ];
    let ends = claimed.iter().take(30).zip(outcomes.iter().cycle());
    let settlements = ends.map(|(job, outcome)| settlement(job, *outcome)).collect();
    let held = claimed.iter().skip(35).map(|job| job.id).collect();
    let all = Exchange { settlements, claims: vec![any(5)], held: Some(held), ..exchange(70, 900) };
    trade(store, all).await;
    let some: Vec<u128> = (0..20).map(|number| 1000 + JOBS / 2 + 20 * turn + number).collect();
    for what in [Control::Pause, Control::Resume, Control::Cancel, Control::Retry] {
        control(store, &some, what, 901).await;
    }
    store.jobs(JobSelect::Correlation(id(7))).await.expect("jobs are read");
    store
        .job_ids(JobFilter { before: Some(id(1000)), ..JobFilter::newest(10) })
        .await
        .expect("jobs are read");
    store.prune_jobs(at(1000), 10).await.expect("pruned");
    store.is_idle().await.expect("looked");
}

/// Closes the store, and waits until its sessions have reported what they read.
async fn close(server: &TestDatabase, store: Arc<dyn Store>) {
    store.close().await;
    drop(store);
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'stagegate'",
        server.name()
    );
    while block_in_place(|| Server::shared().execute(&sessions)) != "0" {}
}

/// What the server counts of the table of the jobs.
async fn count(server: &TestDatabase, what: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.expect("it connects");
    tokio::spawn(connection);
    let sql = format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 'system_job'");
    client.query_one(&sql, &[]).await.expect("it is counted").get(0)
}
