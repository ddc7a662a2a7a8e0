//! A query taken apart: its tables, what it returns, and by what it is sorted.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, Query, Schema};

use super::keyset::{self, Key, Part};
use super::{Sql, Tables};
use crate::store::sqlite::value::{Column, Place};

/// Columns that a statement returns at most, in SQLite as it is built by default.
const FIELDS_MAX: usize = 2000;

pub(super) struct Selection<'q> {
    pub(super) query: &'q Query,
    pub(super) tables: Tables<'q>,
    /// What the records have, in the order of the first fields.
    pub(super) outputs: Vec<Output<'q>>,
    /// What the records are sorted by.
    pub(super) keys: Vec<Key<'q>>,
    /// What a row has: the outputs, and whatever else it takes for the identifier and the keys.
    fields: Vec<Field<'q>>,
    /// Where a row has the identifier; none for a distinct query.
    pub(super) identifier: Option<usize>,
    /// Where a row has the keys.
    pub(super) positions: Vec<usize>,
}

/// A value that the records have.
pub(super) struct Output<'q> {
    /// What the record calls it.
    pub(super) name: String,
    pub(super) table: usize,
    pub(super) column: Column<'q>,
}

/// A column of one of the tables.
#[derive(Clone, Copy)]
pub(super) struct Field<'q> {
    pub(super) table: usize,
    pub(super) column: Column<'q>,
    /// The second column of a lookup with several targets.
    pub(super) entity: bool,
}

impl<'q> Selection<'q> {
    /// The parts of a query that fits the definitions.
    pub(super) fn of(schema: &'q Schema, query: &'q Query) -> Result<Self> {
        let tables = Tables::of(schema, query)?;
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
        let mut fields: Vec<Field<'q>> = outputs.iter().flat_map(Output::fields).collect();
        let keys = keyset::keys(query, &tables, &fields)?;
        let mut place = |field: Field<'q>| {
            let known = fields.iter().position(|known| known.name() == field.name());
            known.unwrap_or_else(|| {
                fields.push(field);
                fields.len() - 1
            })
        };
        let identifier = (!query.distinct).then(|| place(Field::identifier(0)));
        let positions = keys.iter().map(|key| place(key.field)).collect();
        if fields.len() > FIELDS_MAX {
            let (entity, count) = (&query.entity, fields.len());
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the query over `{entity}` reads {count} columns; name fewer, {FIELDS_MAX} is the most"
                ),
            ));
        }
        Ok(Self { query, tables, outputs, keys, fields, identifier, positions })
    }

    /// The statement that reads the records, up to its limit.
    pub(super) fn records(&self, after: Option<&'q [Part]>) -> Result<Sql<'q>> {
        let mut sql = Sql { text: String::with_capacity(256 + 32 * self.fields.len()), ..Sql::default() };
        sql.push(if self.query.distinct { "SELECT DISTINCT " } else { "SELECT " });
        push_fields(&mut sql, &self.fields);
        self.tables.push_from(&mut sql)?;
        let filtered = self.tables.push_where(&mut sql, self.query.filter.as_ref())?;
        if let Some(position) = after {
            sql.push(if filtered { " AND (" } else { " WHERE (" });
            keyset::push_after(&mut sql, &self.keys, position);
            sql.push(")");
        }
        sql.push(" ORDER BY ");
        for key in &self.keys {
            key.field.push(&mut sql);
            sql.push(if key.descending { " DESC," } else { "," });
        }
        sql.text.pop();
        Ok(sql)
    }

    /// The statement that counts what all pages have.
    pub(super) fn count(&self) -> Result<Sql<'q>> {
        let mut sql = Sql::default();
        sql.push("SELECT count(*)");
        if self.query.distinct {
            sql.push(" FROM (SELECT DISTINCT ");
            push_fields(&mut sql, &self.fields);
        }
        self.tables.push_from(&mut sql)?;
        self.tables.push_where(&mut sql, self.query.filter.as_ref())?;
        if self.query.distinct {
            sql.push(")");
        }
        Ok(sql)
    }
}

impl<'q> Output<'q> {
    fn fields(&self) -> impl Iterator<Item = Field<'q>> + use<'q> {
        let first = Field { table: self.table, column: self.column, entity: false };
        let second = self.column.has_entity().then_some(Field { entity: true, ..first });
        std::iter::once(first).chain(second)
    }
}

impl<'q> Field<'q> {
    /// The identifier of a table's records.
    pub(super) fn identifier(table: usize) -> Self {
        let column =
            Column { attribute: "", attribute_type: &AttributeType::UniqueIdentifier, place: Place::Id };
        Self { table, column, entity: false }
    }

    /// Which one it is. An identifier is called differently in each entity, and not at all here.
    pub(super) fn name(&self) -> (usize, bool, &'q str) {
        let attribute = if self.column.place == Place::Id { "" } else { self.column.attribute };
        (self.table, self.entity, attribute)
    }

    pub(super) fn push(&self, sql: &mut Sql<'_>) {
        if self.entity {
            sql.push_entity_column(self.table, &self.column);
        } else {
            sql.push_column(self.table, &self.column);
        }
    }
}

fn push_fields(sql: &mut Sql<'_>, fields: &[Field<'_>]) {
    for field in fields {
        field.push(sql);
        sql.push(",");
    }
    sql.text.pop();
}
