//! The server is there, and a test's database is its own.

use stagegate_tests::postgres::Server;

use super::{ask, connect};

const TABLES: &str = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn databases_are_fresh_and_apart() {
    let server = Server::shared();
    let (one, other) = (server.database(), server.database());
    let first = connect(&one.url()).await.unwrap();
    let second = connect(&other.url()).await.unwrap();
    assert_eq!(ask(&first, "SELECT current_database()::text").await, one.name());
    assert_eq!(ask(&first, TABLES).await, "0");
    first.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    assert_eq!((ask(&first, TABLES).await, ask(&second, TABLES).await), ("1".into(), "0".into()));
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_dropped_database_is_gone_whoever_is_connected() {
    let server = Server::shared();
    let (database, last) = (server.database(), server.database());
    let client = connect(&database.url()).await.unwrap();
    let names = format!("('{}', '{}')", database.name(), last.name());
    let left = format!("SELECT count(*) FROM pg_database WHERE datname IN {names}");
    assert_eq!(server.execute(&left), "2");
    drop(database);
    last.remove();
    assert_eq!(server.execute(&left), "0");
    client.batch_execute("SELECT 1").await.expect_err("its connection was ended");
}

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn it_takes_no_runtime_and_more_clauses() {
    let server = Server::shared();
    let database = server.database_with("CONNECTION LIMIT 7");
    let limit = format!("SELECT datconnlimit FROM pg_database WHERE datname = '{}'", database.name());
    assert_eq!(server.execute(&limit), "7");
}

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn threads_that_begin_together_share_one_server() {
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| Server::shared().database())).collect();
    let databases: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let place = |url: &str| url.rsplit_once('/').unwrap().0.to_owned();
    let first = place(&databases[0].url());
    assert!(databases.iter().all(|database| place(&database.url()) == first));
}
