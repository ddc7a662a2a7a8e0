//! Stores that are opened at once, and databases that are not to be used: they stay as they are.

use std::sync::Arc;

use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{Error, ErrorKind};
use stagegate_tests::postgres::{Proxy, Server, TestDatabase};

use super::support::*;
use crate::store::support::*;

/// All that a database has, and all that says of which version it is.
const TABLES: &str = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')";
const VERSIONS: &str = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM stagegate_migration";

/// The error of a database that cannot be opened.
async fn refusal(url: &str) -> Error {
    let error = PostgresStore::open(Options::new(url).unwrap()).await.map(drop).unwrap_err();
    let shown = format!("{error} {error:?}");
    let secret = password(url).trim_start_matches("not");
    assert!(secret.len() > 8 && !shown.contains(secret), "{shown}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn ten_hosts_start_at_once_on_an_empty_database() {
    let database = Server::shared().database();
    let opening: Vec<_> = (0..10)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { open(&url, |_| ()).await })
        })
        .collect();
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for one in opening {
        stores.push(ended(one).await);
    }
    assert_eq!(say(&database, VERSIONS).await, "1");
    for (number, store) in (0..).zip(&stores) {
        insert(store, "account", id(number), Default::default()).await;
    }
    assert_eq!(accounts(&database).await, (0..10).collect::<Vec<u128>>());
    for store in &stores {
        store.close().await;
    }
    nothing_is_left(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_newer_database_is_refused_and_left_alone() {
    let database = Server::shared().database();
    open(&database.url(), |_| ()).await.close().await;
    run(&database, "INSERT INTO stagegate_migration (version) VALUES (99)").await;
    let (tables, versions) = (say(&database, TABLES).await, say(&database, VERSIONS).await);
    let error = refusal(&database.url()).await;
    check(&error, ErrorKind::UnusableDatabase, &["newer version", "version 99", "use that version"], false);
    assert_eq!((say(&database, TABLES).await, say(&database, VERSIONS).await), (tables, versions));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn tables_of_another_program_are_left_alone() {
    let database = Server::shared().database();
    run(&database, "CREATE TABLE system_job (id int); INSERT INTO system_job VALUES (7)").await;
    let error = refusal(&database.url()).await;
    check(&error, ErrorKind::UnusableDatabase, &["another program", "of its own"], false);
    assert_eq!(say(&database, TABLES).await, "system_job");
    assert_eq!(say(&database, "SELECT max(id) FROM system_job").await, "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_read_only_database_is_refused_with_tables_and_without() {
    let database = Server::shared().database();
    let read_only = |on: &str| {
        let name = database.name();
        format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}")
    };
    for tables in [false, true] {
        if tables {
            open(&database.url(), |_| ()).await.close().await;
        }
        run(&database, &read_only("on")).await;
        let error = refusal(&database.url()).await;
        check(&error, ErrorKind::UnusableDatabase, &["is read-only", "default_transaction_read_only"], false);
        Server::shared().execute(&read_only("off"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn who_is_not_let_in_is_told_why_without_the_password() {
    let database = Server::shared().database();
    let url = database.url();
    let wrong = url.replacen("stagegate:", "stagegate:not", 1);
    let error = refusal(&wrong).await;
    let words = ["password authentication failed", "correct the user, the password", database.name()];
    check(&error, ErrorKind::UnusableDatabase, &words, false);

    let error = refusal(&format!("{url}_not")).await;
    check(&error, ErrorKind::UnusableDatabase, &["does not exist", "createdb"], false);

    let without = url.replace(password(&url), "");
    let error = PostgresStore::open(Options::new(&without.replacen(":@", "@", 1)).unwrap()).await.map(drop);
    check(&error.unwrap_err(), ErrorKind::UnusableDatabase, &["password"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn where_nobody_listens_it_says_so() {
    let database = Server::shared().database();
    let proxy = Proxy::to(&Server::shared().address());
    proxy.refuse(true);
    let url = proxy.url(&database);
    let error = refusal(&url).await;
    let words = ["Connection refused", "see that the server runs, and that the address is right"];
    check(&error, ErrorKind::Store, &words, true);
    let error = refusal(&nowhere(&database)).await;
    check(&error, ErrorKind::Store, &["nowhere.invalid", "that the address is right"], true);
    proxy.refuse(false);
    open(&url, |_| ()).await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn where_nothing_answers_it_says_so() {
    let Behind { proxy, database, store } = Behind::a_proxy().await;
    store.close().await;
    proxy.freeze();
    let error = refusal(&format!("{}?connect_timeout=1", proxy.url(&database))).await;
    check(&error, ErrorKind::Store, &["nothing answers"], true);
}

fn password(url: &str) -> &str {
    url.split([':', '@']).nth(2).unwrap()
}

fn nowhere(database: &TestDatabase) -> String {
    let url = database.url();
    let (start, rest) = url.split_once('@').unwrap();
    let (_, name) = rest.split_once('/').unwrap();
    format!("{start}@nowhere.invalid/{name}")
}
