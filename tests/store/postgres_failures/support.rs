//! What these tests share: a store on a database of its own, transactions that stand open, and what the server says.

use std::sync::Arc;

use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::store::{Access, Begin, Store, Timing, Transaction, Verdict, Work};
use stagegate::{Error, ErrorKind, Value};
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::{Proxy, Server, TestDatabase};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::postgres::{ask, connect};
use crate::store::support::{account, attributes, begin, definition, id, sample, string, task, with_system};

/// Transactions and locks of others on the database.
const OPEN: &str = "SELECT (SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
             AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%'))
     + (SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
             AND locktype <> 'virtualxid')";
/// Those that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A store on a database of its own, which a proxy stands before.
pub(super) struct Behind {
    pub(super) store: Arc<dyn Store>,
    pub(super) proxy: Proxy,
    pub(super) database: TestDatabase,
}

impl Behind {
    pub(super) async fn a_proxy() -> Self {
        Self::a_proxy_with(|_| ()).await
    }

    pub(super) async fn a_proxy_with(change: impl FnOnce(&mut Options)) -> Self {
        let server = Server::shared();
        let database = server.database();
        let proxy = Proxy::to(&server.address());
        let store = open(&proxy.url(&database), change).await;
        Self { store, proxy, database }
    }
}

/// An open store with the sample definitions.
pub(super) async fn open(url: &str, change: impl FnOnce(&mut Options)) -> Arc<dyn Store> {
    let mut options = Options::new(url).unwrap();
    change(&mut options);
    let store = PostgresStore::open(options).await.unwrap();
    store.define(vec![account(), task(), sample()].into()).await.unwrap();
    store
}

/// What the server says to the superuser.
pub(super) async fn say(database: &TestDatabase, sql: &str) -> String {
    let client = connect(&database.admin_url()).await.unwrap();
    ask(&client, &format!("SELECT ({sql})::text")).await
}

/// Runs statements as the superuser.
pub(super) async fn run(database: &TestDatabase, sql: &str) {
    connect(&database.admin_url()).await.unwrap().batch_execute(sql).await.unwrap();
}

/// Waits until the server says that.
pub(super) async fn until_it_says(database: &TestDatabase, sql: &str, expected: &str) {
    let client = connect(&database.admin_url()).await.unwrap();
    let sql = format!("SELECT ({sql})::text");
    let mut said = String::new();
    let comes = async {
        while said != expected {
            said = ask(&client, &sql).await;
            tokio::task::yield_now().await;
        }
    };
    let came = timeout(PATIENCE, comes).await.is_ok();
    assert!(came, "{sql}: {said}, not {expected}");
}

/// Waits until no transaction is open and no lock is held by anybody.
pub(super) async fn nothing_is_left(database: &TestDatabase) {
    until_it_says(database, OPEN, "0").await;
}

/// Waits until that many transactions wait for locks.
pub(super) async fn until_waiting(database: &TestDatabase, count: usize) {
    until_it_says(database, WAITING, &count.to_string()).await;
}

/// The processes of the server that serve the store's transactions.
pub(super) async fn processes(database: &TestDatabase) -> String {
    let of_stores = "datname = current_database() AND application_name = 'stagegate'";
    say(
        database,
        &format!("SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE {of_stores}"),
    )
    .await
}

/// A transaction that stands open until it is told how to end.
pub(super) struct Open {
    verdict: oneshot::Sender<Verdict>,
    end: JoinHandle<Result<Timing, Error>>,
}

impl Open {
    /// Opens it, calls `first` in it, and returns once that is done.
    pub(super) async fn start<F, Fut>(store: &Arc<dyn Store>, first: F) -> Self
    where
        F: FnOnce(Arc<dyn Transaction>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (verdict, end) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let store = Arc::clone(store);
        let work: Work = Box::new(move |tx| {
            Box::pin(async move {
                first(tx).await;
                started.send(()).unwrap();
                end.await.unwrap_or(Verdict::Rollback)
            })
        });
        let run =
            tokio::spawn(async move { store.run(begin(Access::Write, "one that stands open"), work).await });
        timeout(PATIENCE, starting).await.expect("it opens").expect("it does what is first");
        Self { verdict, end: run }
    }

    /// Opens one that has locked an account by a write.
    pub(super) async fn on_account(store: &Arc<dyn Store>, number: u128) -> Self {
        let account = definition(store, "account");
        let change = attributes([("name", string("held"))]);
        Self::start(store, move |tx| async move {
            assert!(tx.update(&account, id(number), &change).await.unwrap());
        })
        .await
    }

    pub(super) async fn end(self, verdict: Verdict) -> Result<Timing, Error> {
        self.verdict.send(verdict).unwrap();
        ended(self.end).await
    }
}

/// What a task ends with, which it has to do.
pub(super) async fn ended<T>(task: JoinHandle<T>) -> T {
    timeout(PATIENCE, task).await.expect("it ends").unwrap()
}

/// Inserts an account in a transaction.
pub(super) async fn add(
    store: &Arc<dyn Store>,
    tx: &Arc<dyn Transaction>,
    number: u128,
) -> Result<(), Error> {
    tx.insert(&definition(store, "account"), id(number), &named(&number.to_string())).await
}

/// Attributes of a record with a name.
pub(super) fn named(name: &str) -> std::collections::BTreeMap<String, Value> {
    with_system(attributes([("name", string(name))]))
}

/// The identifiers of accounts, as numbers.
pub(super) async fn accounts(database: &TestDatabase) -> Vec<u128> {
    let client = connect(&database.admin_url()).await.unwrap();
    let rows = client.query("SELECT id FROM e_account ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, Uuid>(0).as_u128()).collect()
}

/// A transaction that writes within so many milliseconds.
pub(super) fn within(milliseconds: u64) -> Begin {
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(milliseconds);
    Begin { deadline: Some(deadline), ..begin(Access::Write, "a write") }
}

/// The error is of that kind, says these words, and says whether to try again.
#[track_caller]
pub(super) fn check(error: &Error, kind: ErrorKind, words: &[&str], is_retryable: bool) {
    assert_eq!((error.kind(), error.is_retryable()), (kind, is_retryable), "{error}");
    for word in words {
        assert!(error.message().contains(word), "`{word}` is not in: {error}");
    }
}
