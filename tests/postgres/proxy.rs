//! Each way in which the proxy breaks a connection, seen by the client and by the server.

use std::io::{self, ErrorKind, Read as _};

use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::{Proxy, Server, Speaker, TestDatabase};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{ask, connect};

/// A database behind a proxy with a table, and a client that goes through the proxy.
async fn behind_a_proxy() -> (TestDatabase, Proxy, Client) {
    let server = Server::shared();
    let database = server.database();
    let proxy = Proxy::to(&server.address());
    let client = connect(&proxy.url(&database)).await.unwrap();
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    (database, proxy, client)
}

/// A proxy, and what stands on both sides of it.
async fn between_sockets() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::to(&listener.local_addr().unwrap().to_string());
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, client, server)
}

/// What the table holds, once no other connection is on the database: the server has noticed that they are gone.
async fn rows(database: &TestDatabase) -> String {
    let client = connect(&database.url()).await.unwrap();
    let others = "SELECT count(*)::text FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let alone = async {
        while ask(&client, others).await != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, alone).await.expect("the server notices");
    ask(&client, "SELECT count(*)::text FROM t").await
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn it_passes_on_what_is_said() {
    let (database, proxy, client) = behind_a_proxy().await;
    let long = "x".repeat(1 << 20);
    assert_eq!(ask(&client, &format!("SELECT '{long}'::text")).await, long);
    assert_eq!(proxy.connections(), 1);
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    drop(client);
    assert_eq!(rows(&database).await, "1");
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_cut_ends_what_there_is() {
    let (database, proxy, client) = behind_a_proxy().await;
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let mut idle = TcpStream::connect(proxy.address()).await.unwrap();
    while proxy.connections() < 2 {
        tokio::task::yield_now().await;
    }
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    let reset = timeout(PATIENCE, idle.read(&mut [0])).await.unwrap();
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    client.batch_execute("COMMIT").await.expect_err("its connection is gone");
    assert_eq!(rows(&database).await, "0");
    connect(&proxy.url(&database)).await.expect("a new one is let through");
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn who_is_refused_is_so_until_the_proxy_listens_again() {
    let (database, proxy, client) = behind_a_proxy().await;
    proxy.refuse(true);
    // A process that another test is starting has the listener too, until it runs its program: then it takes connections, and
    // resets those that come as it closes.
    let refused = async {
        let kind = |tried: io::Result<TcpStream>| tried.err().map(|error| error.kind());
        while kind(TcpStream::connect(proxy.address()).await) != Some(ErrorKind::ConnectionRefused) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("it is refused");
    client.batch_execute("INSERT INTO t VALUES (1)").await.expect("what there was goes on");
    proxy.refuse(false);
    connect(&proxy.url(&database)).await.expect("it listens again");
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn what_is_said_to_a_frozen_proxy_comes_when_it_thaws() {
    let (database, proxy, client) = behind_a_proxy().await;
    proxy.freeze();
    let writes = tokio::spawn(async move {
        client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
        client
    });
    let url = proxy.url(&database);
    let joins = tokio::spawn(async move { connect(&url).await.unwrap() });
    while proxy.connections() < 2 {
        tokio::task::yield_now().await;
    }
    let direct = connect(&database.url()).await.unwrap();
    assert_eq!(ask(&direct, "SELECT count(*)::text FROM t").await, "0");
    assert!(!writes.is_finished() && !joins.is_finished());
    proxy.thaw();
    let client = timeout(PATIENCE, writes).await.expect("it goes on").unwrap();
    assert_eq!(ask(&client, "SELECT count(*)::text FROM t").await, "1");
    timeout(PATIENCE, joins).await.expect("it is let through").unwrap();
}

#[tokio::test]
async fn nothing_comes_through_a_frozen_proxy() {
    let (proxy, mut client, mut server) = between_sockets().await;
    client.write_all(b"before").await.unwrap();
    server.read_exact(&mut [0; 6]).await.unwrap();
    proxy.freeze();
    client.write_all(b"up").await.unwrap();
    server.write_all(b"down").await.unwrap();
    // Each of these is a round of the proxy's thread, in which it had passed something on if it ever would.
    for _ in 0..100 {
        proxy.refuse(true);
        proxy.refuse(false);
    }
    for side in [client, server] {
        let silent = side.into_std().unwrap().read(&mut [0]).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::WouldBlock);
    }
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_commit_that_the_server_never_hears_is_none() {
    check_a_cut(Speaker::Client, "COMMIT", "0").await;
}

#[tokio::test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn a_commit_that_the_client_never_hears_of_is_one() {
    check_a_cut(Speaker::Server, "COMMIT\0", "1").await;
}

async fn check_a_cut(speaker: Speaker, bytes: &str, committed: &str) {
    let (database, proxy, mut client) = behind_a_proxy().await;
    let cut = proxy.cut_at(speaker, bytes);
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let unknown = transaction.commit().await.unwrap_err();
    assert_eq!(unknown.code(), None, "the server says nothing: {unknown:?}");
    cut.made().await;
    assert_eq!(rows(&database).await, committed);
    let again = connect(&proxy.url(&database)).await.unwrap();
    again.batch_execute("BEGIN; INSERT INTO t VALUES (2); COMMIT").await.expect("it is cut once");
}

#[tokio::test]
async fn bytes_that_come_in_parts_are_seen() {
    let (proxy, mut client, mut server) = between_sockets().await;
    let cut = proxy.cut_at(Speaker::Client, "COMMIT");
    for part in ["CO", "MM", "CO", "MMI"] {
        client.write_all(part.as_bytes()).await.unwrap();
        let mut heard = vec![0; part.len()];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, part.as_bytes());
    }
    client.write_all(b"T").await.unwrap();
    cut.made().await;
    assert_eq!(server.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
