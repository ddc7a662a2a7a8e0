//! The store behind a pooler that gives each transaction another session.

use stagegate_tests::postgres::{Pooler, Server};

use super::super::support::Database;

crate::store::conformance!(
    suite,
    crate::store::postgres::pooled::database,
    #[cfg_attr(not(pgbouncer), ignore = "no PgBouncer: apt-get install pgbouncer")]
);

/// As every store of the suite has it, behind PgBouncer.
pub(super) fn database() -> Database {
    let database = Server::shared().database();
    let url = format!("{}?pooler=transaction", database.url_behind(Pooler::shared()));
    super::on(url, database.url(), Box::new(database))
}
