//! The PostgreSQL store: the suite, and what only a server can do.

mod plans;
#[cfg(unix)]
mod pooled;
#[cfg(unix)]
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::{AttributeType, EntityDefinition, Query, Value};
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::store::{Access, Store};
use stagegate_tests::postgres::Server;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use uuid::Uuid;

use super::support::*;
use super::transactions::slow_query;

super::conformance!(
    suite,
    crate::store::postgres::database,
    #[cfg_attr(
        not(postgres),
        ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
    )]
);

/// A database of its own, on the server that the tests share. One connection, so that writers take turns as in every store:
/// what they do at once, the tests below are about.
pub(super) fn database() -> Database {
    let database = Server::shared().database();
    let url = database.url();
    on(url.clone(), url, Box::new(database))
}

/// The database at an address, which `direct` leads to without what stands in between.
fn on(url: String, direct: String, guard: Box<dyn Send + Sync>) -> Database {
    let bury = move || {
        block_in_place(|| {
            Handle::current().block_on(execute(&direct, "UPDATE worker SET lease_until = '-infinity'"));
        });
    };
    let open = move || {
        let mut options = Options::new(&url).expect("an address");
        options.connections = 1;
        let store = block_in_place(|| Handle::current().block_on(PostgresStore::open(options)));
        store.expect("it opens") as Arc<dyn Store>
    };
    Database { open: Box::new(open), bury: Box::new(bury), _guard: guard }
}

/// A row has to fit into a page of 8 kB, but for what of it is text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_record_with_more_values_than_a_page_holds_is_refused() {
    let database = database();
    let store = database.open();
    let names = (0..600).map(|number| format!("a{number}"));
    let wide = EntityDefinition::new("wide");
    let wide = names.fold(wide, |wide, name| wide.with(name, AttributeType::UniqueIdentifier));
    let schema = store.define(vec![wide].into()).await.expect("it has few enough columns");
    let wide = Arc::clone(schema.entity("wide").expect("it is defined"));
    let insert = |values: usize| {
        let wide = Arc::clone(&wide);
        let attributes =
            (0..values).map(|number| (format!("a{number}"), Value::UniqueIdentifier(id(7)))).collect();
        attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
            tx.insert(&wide, Uuid::new_v4(), &with_system(attributes)).await
        })
    };
    insert(490).await.expect("so many have room");
    let error = expect_error(insert(600).await, ErrorKind::InvalidRequest);
    assert!(error.message().contains("more than PostgreSQL takes"), "{error}");
}

/// How often it is tried.
const TURNS: usize = 5;

/// The request is acted on before the connection goes back, so there is no need to close it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_connection_whose_statement_was_ended_is_used_again() {
    let database = Server::shared().database();
    let url = database.url();
    let store = on(url.clone(), url, Box::new(())).with_samples().await;
    let query = slow_query(&store).await;
    let writer = || async {
        let condition = format!("datname = '{}' AND query LIKE '%COMMIT%'", database.name());
        let sql =
            format!("SELECT pid FROM pg_stat_activity WHERE {condition} ORDER BY state_change DESC LIMIT 1");
        let account = definition(&store, "account");
        let attributes = with_system(Default::default());
        write(&store, move |tx| async move { tx.insert(&account, Uuid::new_v4(), &attributes).await }).await;
        block_in_place(|| Server::shared().execute(&sql))
    };
    // A server that others keep busy may answer too late, and then the connection goes: that is not to happen each time.
    for _ in 0..TURNS {
        let first = writer().await;
        is_ended_by_its_deadline(&store, &query).await;
        let second = writer().await;
        is_dropped(&store, &query, &second, database.name()).await;
        if [second, writer().await] == [first.clone(), first] {
            return;
        }
    }
    panic!("another connection each time");
}

async fn is_ended_by_its_deadline(store: &Arc<dyn Store>, query: &Query) {
    let (schema, late) = (store.schema(), query.clone());
    let deadline = Instant::now() + Duration::from_millis(100);
    let begin = until(Access::Write, "a query", deadline);
    let result = attempt(store, begin, move |tx| async move { tx.query(&schema, &late).await });
    expect_error(result.await, ErrorKind::Timeout);
}

async fn is_dropped(store: &Arc<dyn Store>, query: &Query, connection: &str, database: &str) {
    let (starts, started) = oneshot::channel();
    let (other, schema, query) = (Arc::clone(store), store.schema(), query.clone());
    let caller = tokio::spawn(async move {
        write(&other, move |tx| async move {
            tokio::select! {
                biased;
                _ = tx.query(&schema, &query) => panic!("it takes a minute"),
                () = async { starts.send(()).expect("the test waits") } => std::future::pending::<Result<(), Error>>().await,
            }
        })
        .await;
    });
    started.await.expect("it starts");
    // A request that comes before its statement ends nothing, and then the connection goes.
    let runs = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = '{database}' AND pid = {connection} AND state = 'active' AND query NOT LIKE 'BEGIN%'"
    );
    while block_in_place(|| Server::shared().execute(&runs)) == "0" {}
    caller.abort();
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it connects");
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.expect("it runs");
    drop(client);
    driver.await.expect("it ends").expect("it ends well");
}
