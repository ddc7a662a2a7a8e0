//! The server is made a replica, which only reads, while a store is open; and a primary again.

use std::fs;

use stagegate::ErrorKind;
use stagegate::store::Access;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate_tests::postgres::{Options as ServerOptions, Server};

use super::support::*;
use crate::store::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn it_is_refused_and_an_open_store_outlives_it() {
    let server = Server::start(&ServerOptions::default());
    let (used, empty) = (server.database(), server.database());
    let store = open(&used.url(), |_| ()).await;
    insert(&store, "account", id(1), Default::default()).await;
    // A server with this file follows another one, or waits for it to come.
    let signal = server.folder().join("data").join("standby.signal");
    let restart = || {
        tokio::task::block_in_place(|| {
            server.stop_immediately();
            match signal.exists() {
                true => fs::remove_file(&signal).unwrap(),
                false => fs::write(&signal, "").unwrap(),
            }
            server.start_again();
        });
    };
    restart();
    for database in [&used, &empty] {
        let error = PostgresStore::open(Options::new(&database.url()).unwrap()).await.map(drop).unwrap_err();
        check(
            &error,
            ErrorKind::UnusableDatabase,
            &["is a replica that only reads", "primary's address"],
            false,
        );
    }
    assert!(retrieve(&store, "account", id(1)).await.is_some(), "it reads");
    let account = definition(&store, "account");
    let writes = attempt(&store, begin(Access::Write, "a write"), move |tx| async move {
        tx.insert(&account, id(2), &named("2")).await
    });
    check(&writes.await.unwrap_err(), ErrorKind::UnusableDatabase, &["replica", "primary's address"], false);
    restart();
    insert(&store, "account", id(3), Default::default()).await;
    assert_eq!(accounts(&used).await, [1, 3]);
    store.close().await;
}
