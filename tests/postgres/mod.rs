//! What the tests on PostgreSQL stand on: the server, its databases, and the proxy that breaks connections.

#[cfg(unix)]
mod ends;
mod proxy;
mod server;

use stagegate_tests::postgres::binaries::{VARIABLE, find, find_pooler};
use tokio_postgres::{Client, NoTls};

/// Set where a build must not pass without PostgreSQL.
const REQUIRED: &str = "STAGEGATE_REQUIRE_POSTGRES";

/// Runs everywhere, as it tells why the others do not.
#[test]
fn postgresql_is_known_of_if_it_is_here_and_is_here_if_it_is_required() {
    let found = find().unwrap();
    let is_here = found.url.is_some() || found.programs.is_some();
    let [postgres, pooler] =
        [(cfg!(postgres), is_here), (cfg!(pgbouncer), is_here && find_pooler().is_some())];
    for (known, is_here) in [postgres, pooler] {
        assert_eq!(
            known, is_here,
            "PostgreSQL or PgBouncer was installed or removed after the tests were built: `touch tests/build.rs` and test \
             again"
        );
    }
    let is_required = std::env::var(REQUIRED).is_ok_and(|value| !["", "0"].contains(&value.as_str()));
    // A server by URL is enough for most tests, not for those that kill one.
    assert!(
        !is_required || cfg!(postgres_programs),
        "{REQUIRED} is set and PostgreSQL's programs are not here: apt-get install postgresql, or set {VARIABLE} to \
         the folder of `initdb` and `postgres`"
    );
    assert!(
        !is_required || cfg!(pgbouncer),
        "{REQUIRED} is set and PgBouncer is not here: apt-get install pgbouncer"
    );
}

pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // The client hears of it too.
        let _ = connection.await;
    });
    Ok(client)
}

/// The first value that a query yields.
pub(crate) async fn ask(client: &Client, query: &str) -> String {
    let row = client.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get(0)
}
