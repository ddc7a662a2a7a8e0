//! Queries: the statement, the page, the count.
//!
//! Strings are kept in columns `COLLATE NOCASE`, so that every comparison, order and distinction of them is without regard
//! to ASCII case; `LIKE` is so in SQLite by itself. Null is the smallest in both directions, which is SQLite's own order.
//!
//! A page begins behind a position, the values by which the records are sorted, and not behind a number of records: see
//! [`keyset`]. So records that come and go between two pages neither repeat others nor hide them.

mod condition;
mod keyset;
mod selection;
mod tables;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, Row, params_from_iter};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::RECORDS_MAX;
use crate::model::{Entity, EntityCollection, Query, Schema, Value};

use super::session::SqliteTransaction;
use super::value::{Column, Parameter, Place};
use keyset::Part;
use selection::{Field, Selection};
use tables::{Table, Tables};

/// A part of a statement's text and its parameters, in the order of their `?`.
#[derive(Default)]
struct Sql<'q> {
    text: String,
    parameters: Vec<Parameter<'q>>,
}

impl Sql<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The name of a column, or of the first of two.
    fn push_column(&mut self, table: usize, column: &Column<'_>) {
        self.push_table(table);
        super::sql::push_column(&mut self.text, column);
    }

    /// The name of the second column of a lookup with several targets.
    fn push_entity_column(&mut self, table: usize, column: &Column<'_>) {
        self.push_table(table);
        super::sql::push_entity_column(&mut self.text, column);
    }

    /// `q0.`: a number and no alias, since an alias is the user's word.
    fn push_table(&mut self, table: usize) {
        self.push("q");
        self.push(&table.to_string());
        self.push(".");
    }
}

impl SqliteTransaction {
    /// What a query selects, after it was resolved.
    pub(super) fn select(
        &self,
        connection: &Connection,
        schema: &Schema,
        query: &Query,
    ) -> Result<EntityCollection> {
        query.check(schema)?;
        if query.is_relative() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the query over `{}` reached the store without a time and a user", query.entity),
            ));
        }
        let selection = Selection::of(schema, query)?;
        let mut collection = EntityCollection::new(&query.entity, Vec::new());
        if query.count {
            collection.total_record_count = Some(self.count(connection, &selection)?);
        }
        let position = match query.page.as_ref().and_then(|page| page.cookie.as_deref()) {
            Some(cookie) => Some(keyset::open(query, cookie, selection.keys.len())?),
            None => None,
        };
        let limit = query.page.as_ref().map_or(RECORDS_MAX, |page| page.size);
        let limit = query.top.map_or(limit, |top| limit.min(top));
        let mut sql = selection.records(position.as_deref())?;
        sql.push(" LIMIT ?");
        // One more tells whether there is more.
        sql.parameters.push((i64::from(limit) + 1).into());
        let last = self.read_page(connection, &selection, &sql, limit, &mut collection.entities)?;
        // What `top` leaves out, the query does not select.
        collection.more_records = last.is_some() && query.top.is_none_or(|top| top > limit);
        if let (Some(position), None) = (last, query.top) {
            collection.paging_cookie = Some(keyset::seal(query, &position)?);
        }
        Ok(collection)
    }

    /// Reads up to `limit` records, and returns the position of the last one if another follows.
    fn read_page(
        &self,
        connection: &Connection,
        selection: &Selection<'_>,
        sql: &Sql<'_>,
        limit: u32,
        records: &mut Vec<Entity>,
    ) -> Result<Option<Vec<Part>>> {
        let entity = &selection.query.entity;
        let fail = |error| self.error(connection, &format!("read records of `{entity}`"), error);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut statement = connection.prepare_cached(&sql.text).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(&sql.parameters)).map_err(fail)?;
        let mut last = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            if records.len() == limit {
                return Ok(Some(last));
            }
            records.push(selection.record(row)?);
            if records.len() == limit {
                let part = |place: &usize| row.get_ref(*place).map_err(fail).and_then(Part::of);
                last = selection.positions.iter().map(part).collect::<Result<_>>()?;
            }
        }
        Ok(None)
    }

    fn count(&self, connection: &Connection, selection: &Selection<'_>) -> Result<u64> {
        let sql = selection.count()?;
        let count: i64 = connection
            .prepare_cached(&sql.text)
            .and_then(|mut statement| {
                statement.query_row(params_from_iter(&sql.parameters), |row| row.get(0))
            })
            .map_err(|error| {
                self.error(connection, &format!("count records of `{}`", selection.query.entity), error)
            })?;
        Ok(count.unsigned_abs())
    }
}

impl Selection<'_> {
    fn record(&self, row: &Row<'_>) -> Result<Entity> {
        let mut record = Entity::new(self.query.entity.as_str());
        let mut index = 0;
        for output in &self.outputs {
            let value = output.column.decode(row, &mut index)?;
            if let (0, Place::Id, Value::UniqueIdentifier(id)) = (output.table, output.column.place, &value) {
                record.id = Some(*id);
            }
            record.attributes.insert(output.name.clone(), value);
        }
        if let Some(place) = self.identifier {
            let bytes = row.get(place).map_err(|error| {
                let message = format!("a record of `{}` has no identifier; repair it", self.query.entity);
                Error::new(ErrorKind::Store, message).with_source(error)
            })?;
            record.id = Some(Uuid::from_bytes(bytes));
        }
        Ok(record)
    }
}
