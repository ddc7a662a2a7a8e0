//! The PostgreSQL store: the suite, and what only a server can do.

#[cfg(unix)]
mod tls;

use std::sync::Arc;

use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate_tests::postgres::Server;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::support::*;

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

async fn execute(url: &str, sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("it connects");
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.expect("it runs");
    drop(client);
    driver.await.expect("it ends").expect("it ends well");
}
