//! Queries: running their statements.

#[cfg(test)]
mod tests;

use rusqlite::{Connection, params_from_iter};

use crate::model::error::Result;
use crate::model::{EntityCollection, Query, Schema};
use crate::store::sql::query::Page;
use crate::store::sql::query::selection::Selection;

use super::DIALECT;
use super::session::SqliteTransaction;

impl SqliteTransaction {
    /// What a query selects, after it was resolved.
    pub(super) fn select(
        &self,
        connection: &Connection,
        schema: &Schema,
        query: &Query,
    ) -> Result<EntityCollection> {
        let entity = &query.entity;
        let fail = |error| self.error(connection, &format!("read records of `{entity}`"), error);
        let selection = Selection::of(DIALECT, schema, query)?;
        let count = if query.count { Some(self.count(connection, query, &selection)?) } else { None };
        let position = selection.position()?;
        let sql = selection.records(position.as_ref())?;
        let mut statement = connection.prepare_cached(&sql.text).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(&sql.parameters)).map_err(fail)?;
        let mut page = Page::new(&selection);
        while let Some(row) = rows.next().map_err(fail)? {
            if !page.take(row)? {
                break;
            }
        }
        page.finish(count)
    }

    fn count(&self, connection: &Connection, query: &Query, selection: &Selection<'_>) -> Result<u64> {
        let sql = selection.count()?;
        let count: i64 = connection
            .prepare_cached(&sql.text)
            .and_then(|mut statement| {
                statement.query_row(params_from_iter(&sql.parameters), |row| row.get(0))
            })
            .map_err(|error| {
                self.error(connection, &format!("count records of `{}`", query.entity), error)
            })?;
        Ok(count.unsigned_abs())
    }
}
