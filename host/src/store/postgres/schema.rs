//! A schema of its own in a database: a fresh organization for whoever may not, or does not want to, make databases.

use uuid::Uuid;

use super::Options;
use super::connection::{Connection, Purpose};
use super::error::failed;
use crate::model::error::{Error, ErrorKind, Result};

impl Options {
    /// A name for a schema that there is not yet, and the options for a store in it.
    pub(crate) fn in_new_schema(&self, prefix: &str) -> (String, Self) {
        let name = format!("{prefix}_{}", Uuid::now_v7().simple());
        let mut options = self.clone();
        // Whatever the address says of the path, the last counts.
        let before = options.config.get_options().unwrap_or_default();
        let path = format!("{before} -c search_path={name}");
        options.config.options(path.trim_start());
        (name, options)
    }

    /// Makes the schema of that name, in which these options are. `UnusableDatabase` if the user may not, or if what is
    /// between here and the server drops the search path.
    pub(crate) async fn create_schema(&self, name: &str) -> Result<()> {
        let fail = |error| failed(&self.database, "make a schema", error);
        let connection = Connection::open(self, Purpose::Requests).await.map_err(fail)?;
        connection.batch(&format!("CREATE SCHEMA {name}")).await.map_err(fail)?;
        // The name of a schema has a type of its own.
        let current = connection.rows("SELECT current_schema()::text", &[]).await.map_err(fail)?;
        let current: Option<String> = match current.first() {
            Some(row) => row.try_get(0).map_err(fail)?,
            None => None,
        };
        if current.as_deref() == Some(name) {
            return Ok(());
        }
        connection.batch(&drop_schema(name)).await.map_err(fail)?;
        let message = format!(
            "could not use a schema of the database `{}`: the connection does not keep to its search_path; give the \
             address of the server itself and not of a pooler",
            self.database
        );
        Err(Error::new(ErrorKind::UnusableDatabase, message))
    }

    /// Drops such a schema with all that is in it.
    pub(crate) async fn drop_schema(&self, name: &str) -> Result<()> {
        let fail = |error| failed(&self.database, &format!("drop the schema `{name}`"), error);
        let connection = Connection::open(self, Purpose::Requests).await.map_err(fail)?;
        connection.batch(&drop_schema(name)).await.map_err(fail)
    }
}

fn drop_schema(name: &str) -> String {
    format!("DROP SCHEMA IF EXISTS {name} CASCADE")
}
