//! Requests are dropped at random points, ten thousand times: between any two polls, with statements under way, in COMMIT, in
//! ROLLBACK, while they wait for a lock or a connection.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use stagegate::model::Query;
use stagegate::store::{Access, Begin, BoxFuture, Store, Timing, Transaction, Verdict, Work};
use stagegate::{ColumnSet, Error, ErrorKind, Value};
use stagegate_tests::postgres::{Server, TestDatabase};
use uuid::Uuid;

use super::support::*;
use crate::store::jobs::job_of;
use crate::store::support::*;

const TASKS: usize = 5;
const BATCHES: usize = 10;
/// Requests of a task in a batch: ten thousand of all tasks in all batches.
const REQUESTS: usize = 200;
/// Fewer connections than tasks, so that some wait for one.
const CONNECTIONS: usize = 4;
/// Accounts that the requests contend for.
const SHARED: u128 = 3;
/// Polls after which a request is dropped, at most: more than one that waits for nobody takes.
const POLLS_MAX: u64 = 24;

/// What became of requests, by the records that they made.
#[derive(Default)]
struct Ends {
    committed: BTreeSet<u128>,
    rolled_back: BTreeSet<u128>,
    dropped: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn at_random_points_ten_thousand_times() {
    let database = Server::shared().database();
    let store = open(&database.url(), |options| options.connections = CONNECTIONS).await;
    for number in 1..=SHARED {
        insert(&store, "account", id(number), named("shared")).await;
    }
    let sessions = sessions(&database).await;
    let mut ends = Ends::default();
    for batch in 0..BATCHES {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let first = (batch * TASKS + task) * REQUESTS + 100;
                tokio::spawn(requests(Arc::clone(&store), first as u128))
            })
            .collect();
        for task in tasks {
            let Ends { committed, rolled_back, dropped } = task.await.unwrap();
            ends.committed.extend(committed);
            ends.rolled_back.extend(rolled_back);
            ends.dropped += dropped;
        }
        nothing_is_left(&database).await;
        check_all_or_nothing(&database, &ends).await;
    }
    let new = sessions_since(&database, sessions).await;
    println!(
        "{} committed, {} rolled back, {} dropped; {new} connections",
        ends.committed.len(),
        ends.rolled_back.len(),
        ends.dropped
    );
    assert_eq!(ends.committed.len() + ends.rolled_back.len() + ends.dropped, TASKS * BATCHES * REQUESTS);
    assert!(ends.committed.len() > 1000 && ends.dropped > 1000, "both happen a lot");
    assert!(new < ends.dropped / 10, "{new} new connections for {} that were dropped", ends.dropped);
    store.close().await;
}

async fn requests(store: Arc<dyn Store>, first: u128) -> Ends {
    let mut random = Random(first as u64 * 2_654_435_761 + 1);
    let mut ends = Ends::default();
    for number in first..first + REQUESTS as u128 {
        let verdict = if random.below(8) == 0 { Verdict::Rollback } else { Verdict::Commit };
        let deadline = (random.below(8) == 0)
            .then(|| std::time::Instant::now() + std::time::Duration::from_micros(random.below(3000)));
        let begin = Begin { deadline, ..begin(Access::Write, "a request") };
        let run = store.run(begin, work(&store, number, random.below(3), verdict));
        match dropped_after(random.below(POLLS_MAX), run).await {
            None => ends.dropped += 1,
            Some(Ok(_)) if verdict == Verdict::Commit => drop(ends.committed.insert(number)),
            Some(Ok(_)) => drop(ends.rolled_back.insert(number)),
            Some(Err(error)) => {
                let expected = [ErrorKind::Timeout, ErrorKind::Doomed, ErrorKind::Contention];
                assert!(deadline.is_some() && expected.contains(&error.kind()), "{error}");
                ends.rolled_back.insert(number);
            }
        }
    }
    ends
}

/// A record and its job, with other verbs between them. A failure of any is the transaction's.
fn work(store: &Arc<dyn Store>, number: u128, verbs: u64, verdict: Verdict) -> Work {
    let (store, account) = (Arc::clone(store), definition(store, "account"));
    Box::new(move |tx: Arc<dyn Transaction>| {
        Box::pin(async move {
            let all = async {
                add(&store, &tx, number).await?;
                if verbs > 0 {
                    let shared = id(number % SHARED + 1);
                    tx.retrieve(&account, shared, &ColumnSet::All, Lock::Update).await?;
                    tx.update(&account, shared, &attributes([("number", Value::Integer(1))])).await?;
                }
                if verbs > 1 {
                    tx.query(&store.schema(), &Query::new("account")).await?;
                }
                tx.enqueue(&[job_of("invoice", number, 100)]).await
            };
            if all.await.is_ok() { verdict } else { Verdict::Commit }
        })
    })
}

/// Polls at most so often, and then drops it.
async fn dropped_after(
    mut polls: u64,
    mut run: BoxFuture<'_, Result<Timing, Error>>,
) -> Option<Result<Timing, Error>> {
    poll_fn(move |context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        run.as_mut().poll(context).map(Some)
    })
    .await
}

async fn check_all_or_nothing(database: &TestDatabase, ends: &Ends) {
    let records: BTreeSet<u128> = accounts(database).await.into_iter().filter(|id| *id > SHARED).collect();
    let client = crate::postgres::connect(&database.admin_url()).await.unwrap();
    let jobs = client.query("SELECT id FROM system_job", &[]).await.unwrap();
    let jobs: BTreeSet<u128> = jobs.iter().map(|row| row.get::<_, Uuid>(0).as_u128()).collect();
    assert_eq!(records, jobs, "each with its job");
    assert!(ends.committed.is_subset(&records), "{:?} are lost", ends.committed.difference(&records));
    assert!(
        ends.rolled_back.is_disjoint(&records),
        "{:?} were kept",
        ends.rolled_back.intersection(&records)
    );
}

/// How many connections there have been to the database, once all have told.
async fn sessions(database: &TestDatabase) -> usize {
    let sql = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    say(database, sql).await.parse().unwrap()
}

async fn sessions_since(database: &TestDatabase, before: usize) -> usize {
    sessions(database).await - before
}

/// Numbers that are different enough.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
