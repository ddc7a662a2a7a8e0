//! A database for one test.

use std::sync::Arc;

use uuid::Uuid;

#[cfg(unix)]
use super::Pooler;
use super::url::Url;
use super::{Drops, Proxy, Server};

/// A fresh database. Dropped, it is gone, whoever is still connected.
pub struct TestDatabase {
    name: String,
    url: Url,
    admin_url: Url,
    drops: Arc<Drops>,
    is_removed: bool,
}

impl TestDatabase {
    pub(super) fn on(server: &Server, clauses: &str) -> Self {
        let name = format!("stagegate_test_{}", Uuid::new_v4().simple());
        server.execute(&format!("CREATE DATABASE {name} {clauses}"));
        Self {
            url: server.tests.database(&name),
            admin_url: server.superuser.database(&name),
            drops: Arc::clone(&server.drops),
            is_removed: false,
            name,
        }
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, for its owner, who is no superuser: `postgres://user:password@host:port/name`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// Where it is behind a proxy.
    #[must_use]
    pub fn url_through(&self, proxy: &Proxy) -> String {
        self.url.at(proxy.address()).to_string()
    }

    /// Where it is behind a pooler, which has to be before its server.
    #[cfg(unix)]
    #[must_use]
    pub fn url_behind(&self, pooler: &Pooler) -> String {
        self.url.at(pooler.address()).to_string()
    }

    /// Where it is, for the superuser. On a server of somebody else's, for the same user as [`TestDatabase::url`].
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.admin_url.to_string()
    }

    /// Removes it, and those that were dropped before, and waits until they are gone.
    ///
    /// # Panics
    ///
    /// If it cannot be removed.
    pub fn remove(mut self) {
        self.is_removed = true;
        self.drops.drop_database_now(&self.name).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !self.is_removed {
            self.drops.drop_database(&self.name);
        }
    }
}
