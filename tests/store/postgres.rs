//! The PostgreSQL store: the suite.

use std::sync::Arc;

use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use uuid::Uuid;

use super::support::*;

super::conformance!(suite, crate::store::postgres::database);

struct Guard(String);
impl Drop for Guard {
    fn drop(&mut self) {
        psql(&format!("DROP DATABASE {} WITH (FORCE)", self.0));
    }
}

fn psql(sql: &str) {
    let status = std::process::Command::new("psql").args(["-q", "postgres://postgres@127.0.0.1:5544/postgres", "-c", sql]).status().unwrap();
    assert!(status.success());
}

pub(super) fn database() -> Database {
    let name = format!("t{}", Uuid::new_v4().simple());
    psql(&format!("CREATE DATABASE {name}"));
    let url = format!("postgres://postgres@127.0.0.1:5544/{name}");
    let open = move || {
        let mut options = Options::new(&url).unwrap();
        options.connections = 4;
        let open = PostgresStore::open(options);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open)).expect("it opens") as Arc<dyn Store>
    };
    Database { open: Box::new(open), _guard: Box::new(Guard(name)) }
}
