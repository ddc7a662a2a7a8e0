//! A transaction that stands open for long keeps the server from cleaning up, and is reported.

use std::time::Duration;

use stagegate::store::Store as _;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate_tests::postgres::Server;

use crate::postgres::{ask, connect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn it_is_named_while_it_is_open() {
    let database = Server::shared().database();
    let open = async |long: Duration| {
        let mut options = Options::new(&database.url()).unwrap();
        options.long_transaction = long;
        PostgresStore::open(options).await.unwrap()
    };
    let (store, patient) = (open(Duration::ZERO).await, open(Duration::from_secs(300)).await);
    let client = connect(&format!("{}?application_name=report", database.url())).await.unwrap();
    // The stores have some of their own, which are over in an instant.
    let found = async |store: &PostgresStore| {
        let mut found = store.long_transactions().await.unwrap();
        found.retain(|long| long.application == "report");
        found
    };
    // One that has neither read nor written keeps nobody from anything.
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    assert!(found(&store).await.is_empty());
    let pid = ask(&client, "SELECT pg_backend_pid()::text").await;
    let [long] = found(&store).await.try_into().unwrap();
    assert_eq!(long.pid.to_string(), pid);
    assert_eq!((long.user.as_str(), long.state.as_str()), ("stagegate", "idle in transaction"));
    assert!(long.age < Duration::from_secs(300));
    assert!(found(&patient).await.is_empty(), "it is not that old");
    client.batch_execute("COMMIT").await.unwrap();
    assert!(found(&store).await.is_empty());
    store.close().await;
    patient.close().await;
}
