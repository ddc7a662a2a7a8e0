//! Queries: the statement, the page, the count.
//!
//! Strings are kept in columns `COLLATE NOCASE`, so that every comparison, order and distinction of them is without regard
//! to ASCII case; `LIKE` is so in SQLite by itself. Null is the smallest in both directions, which is SQLite's own order.
//!
//! A page begins behind a position, the values by which the records are sorted, and not behind a number of records: see
//! [`keyset`]. So records that come and go between two pages neither repeat others nor hide them.

mod condition;
mod keyset;
mod tables;
#[cfg(test)]
mod tests;

use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::RECORDS_MAX;
use crate::model::{Entity, EntityCollection, Query, Schema, Value};

use super::session::SqliteTransaction;
use super::value::{Column, Parameter, Place};
use keyset::Key;
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

/// A value that the query returns.
struct Output<'q> {
    /// What the record calls it.
    name: String,
    table: usize,
    column: Column<'q>,
}

impl SqliteTransaction {
    /// What a query selects, after it was checked and resolved.
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
        let tables = Tables::of(schema, query)?;
        let outputs = outputs(query, &tables)?;
        let keys = keyset::keys(query, &tables, &outputs)?;
        let mut collection = EntityCollection::new(&query.entity, Vec::new());
        if query.count {
            let sql = count(query, &tables, &outputs)?;
            collection.total_record_count = Some(self.count(connection, query, &sql)?);
        }
        let position = match query.page.as_ref().and_then(|page| page.cookie.as_deref()) {
            Some(cookie) => Some(keyset::open(query, cookie, keys.len())?),
            None => None,
        };
        let limit = query.page.as_ref().map_or(RECORDS_MAX, |page| page.size);
        let limit = query.top.map_or(limit, |top| limit.min(top));
        let mut sql = records(query, &tables, &outputs, &keys, position.as_deref())?;
        sql.push(" LIMIT ?");
        // One more tells whether there is more.
        sql.parameters.push((i64::from(limit) + 1).into());
        let last = self.read_page(connection, query, &outputs, keys.len(), limit, &sql, &mut collection)?;
        // What `top` leaves out, the query does not select.
        collection.more_records = last.is_some() && query.top.is_none_or(|top| top > limit);
        if let (Some(position), None) = (last, query.top) {
            collection.paging_cookie = Some(keyset::seal(query, &position)?);
        }
        Ok(collection)
    }

    /// Reads up to `limit` records, and returns the position of the last one if another follows.
    #[expect(clippy::too_many_arguments, reason = "all of them are parts of one statement")]
    fn read_page(
        &self,
        connection: &Connection,
        query: &Query,
        outputs: &[Output<'_>],
        keys: usize,
        limit: u32,
        sql: &Sql<'_>,
        collection: &mut EntityCollection,
    ) -> Result<Option<Vec<keyset::Part>>> {
        let fail = |error| self.error(connection, &format!("read records of `{}`", query.entity), error);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut statement = connection.prepare_cached(&sql.text).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(&sql.parameters)).map_err(fail)?;
        let mut last = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            if collection.entities.len() == limit {
                return Ok(Some(last));
            }
            let mut record = Entity::new(query.entity.as_str());
            let mut index = 0;
            for output in outputs {
                let value = output.column.decode(row, &mut index)?;
                if let (0, Place::Id, Value::UniqueIdentifier(id)) =
                    (output.table, output.column.place, &value)
                {
                    record.id = Some(*id);
                }
                record.attributes.insert(output.name.clone(), value);
            }
            if !query.distinct {
                record.id = Some(Uuid::from_bytes(row.get(index).map_err(fail)?));
                index += 1;
            }
            collection.entities.push(record);
            if collection.entities.len() == limit {
                last = (index..index + keys)
                    .map(|index| row.get_ref(index).map_err(fail).and_then(keyset::Part::of))
                    .collect::<Result<_>>()?;
            }
        }
        Ok(None)
    }

    fn count(&self, connection: &Connection, query: &Query, sql: &Sql<'_>) -> Result<u64> {
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

/// The columns of the query, then those of its joins.
fn outputs<'q>(query: &'q Query, tables: &Tables<'q>) -> Result<Vec<Output<'q>>> {
    let mut outputs = Vec::new();
    for table in tables.joined() {
        let columns = table.link.map_or(&query.columns, |link| &link.columns);
        for column in Column::select(table.definition, columns)? {
            let name = match table.link {
                Some(link) => format!("{}.{}", link.alias, column.attribute),
                None => column.attribute.to_owned(),
            };
            outputs.push(Output { name, table: table.number, column });
        }
    }
    Ok(outputs)
}

/// SELECT up to ORDER BY: the outputs, the identifier unless the query is distinct, and the position.
fn records<'q>(
    query: &'q Query,
    tables: &Tables<'q>,
    outputs: &[Output<'q>],
    keys: &[Key<'q>],
    after: Option<&'q [keyset::Part]>,
) -> Result<Sql<'q>> {
    let mut sql = Sql { text: String::with_capacity(256 + 32 * outputs.len()), ..Sql::default() };
    sql.push("SELECT ");
    if query.distinct {
        sql.push("DISTINCT ");
    }
    push_outputs(&mut sql, outputs);
    if !query.distinct {
        sql.push("q0.id,");
    }
    keys.iter().for_each(|key| {
        key.push(&mut sql);
        sql.push(",");
    });
    sql.text.pop();
    tables.push_from(&mut sql)?;
    let filtered = tables.push_where(&mut sql, query.filter.as_ref())?;
    if let Some(position) = after {
        sql.push(if filtered { " AND (" } else { " WHERE (" });
        keyset::push_after(&mut sql, keys, position);
        sql.push(")");
    }
    sql.push(" ORDER BY ");
    for key in keys {
        key.push(&mut sql);
        sql.push(if key.descending { " DESC," } else { "," });
    }
    sql.text.pop();
    Ok(sql)
}

fn count<'q>(query: &'q Query, tables: &Tables<'q>, outputs: &[Output<'q>]) -> Result<Sql<'q>> {
    let mut sql = Sql::default();
    sql.push("SELECT count(*)");
    if query.distinct {
        sql.push(" FROM (SELECT DISTINCT ");
        push_outputs(&mut sql, outputs);
        sql.text.pop();
    }
    tables.push_from(&mut sql)?;
    tables.push_where(&mut sql, query.filter.as_ref())?;
    if query.distinct {
        sql.push(")");
    }
    Ok(sql)
}

fn push_outputs(sql: &mut Sql<'_>, outputs: &[Output<'_>]) {
    for output in outputs {
        sql.push_column(output.table, &output.column);
        sql.push(",");
        if output.column.has_entity() {
            sql.push_entity_column(output.table, &output.column);
            sql.push(",");
        }
    }
}
