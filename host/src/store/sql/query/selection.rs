//! A query taken apart: its tables, what it returns, and by what it is sorted.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::RECORDS_MAX;
use crate::model::{Entity, Query, Schema, Value};

use super::keyset::{self, Key};
use super::position::{Part, Position};
use super::tables::Tables;
use crate::store::sql::column::{Column, Place};
use crate::store::sql::parameter::{Kind, Parameter};
use crate::store::sql::{Dialect, Row, Sql, statement};

/// The parts of a query.
pub(in crate::store) struct Selection<'q> {
    pub(super) query: &'q Query,
    dialect: Dialect,
    tables: Tables<'q>,
    /// What the records have, in the order of the first fields.
    outputs: Vec<Output<'q>>,
    /// What the records are sorted by.
    pub(in crate::store) keys: Vec<Key<'q>>,
    /// What a row has: the outputs, and whatever else it takes for the identifier and the keys.
    fields: Vec<Field<'q>>,
    /// Where a row has the identifier; none for a distinct query.
    identifier: Option<usize>,
    /// Where a row has the keys.
    positions: Vec<usize>,
}

/// A value that the records have.
struct Output<'q> {
    /// What the record calls it.
    name: String,
    table: usize,
    column: Column<'q>,
}

/// A column of one of the tables.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Field<'q> {
    pub(super) table: usize,
    /// The column.
    pub(in crate::store) column: Column<'q>,
    /// The second column of a lookup with several targets.
    pub(in crate::store) entity: bool,
}

impl Dialect {
    /// Columns that a statement returns at most, in SQLite as it is built by default. PostgreSQL counts those too that it
    /// only sorts by.
    fn fields_max(self) -> usize {
        match self {
            Self::Sqlite => 2000,
            Self::Postgres => 1664,
        }
    }
}

impl<'q> Selection<'q> {
    /// The parts of a query, after it was resolved. An error unless it fits the definitions.
    pub(in crate::store) fn of(dialect: Dialect, schema: &'q Schema, query: &'q Query) -> Result<Self> {
        query.check(schema)?;
        if query.is_relative() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the query over `{}` reached the store without a time and a user", query.entity),
            ));
        }
        let tables = Tables::of(schema, query)?;
        let outputs = outputs(query, &tables)?;
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
        let selection = Self { query, dialect, tables, outputs, keys, fields, identifier, positions };
        selection.check_fields()?;
        Ok(selection)
    }

    fn check_fields(&self) -> Result<()> {
        let sorted = self.keys.iter().filter(|key| self.dialect.folds(&key.field.column)).count();
        let (count, most) = (self.fields.len() + sorted, self.dialect.fields_max());
        if count <= most {
            return Ok(());
        }
        let entity = &self.query.entity;
        Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the query over `{entity}` reads {count} columns; name fewer, {most} is the most"),
        ))
    }

    /// The position behind which the query's page begins; none for the first page.
    pub(in crate::store) fn position(&self) -> Result<Option<Position>> {
        let cookie = self.query.page.as_ref().and_then(|page| page.cookie.as_deref());
        cookie.map(|cookie| Position::open(self.dialect, self.query, cookie, &self.keys)).transpose()
    }

    /// Records in a page at most.
    pub(super) fn limit(&self) -> u32 {
        let limit = self.query.page.as_ref().map_or(RECORDS_MAX, |page| page.size);
        self.query.top.map_or(limit, |top| limit.min(top))
    }

    /// The statement that reads a page, and one record more, which tells whether there is more.
    pub(in crate::store) fn records<'p>(&self, after: Option<&'p Position>) -> Result<Sql<'p>>
    where
        'q: 'p,
    {
        let mut sql: Sql<'p> = Sql::new(self.dialect, 8 + 2 * self.fields.len(), 1);
        sql.push("SELECT ");
        if self.query.distinct {
            self.push_distinct(&mut sql);
        }
        push_list(&mut sql, &self.fields, |sql, field| field.push(sql));
        self.tables.push_from(&mut sql)?;
        let filtered = self.tables.push_where(&mut sql, self.query.filter.as_ref())?;
        if let Some(position) = after {
            sql.push(if filtered { " AND (" } else { " WHERE (" });
            keyset::push_after(&mut sql, &self.keys, &position.0);
            sql.push(")");
        }
        sql.push(" ORDER BY ");
        push_list(&mut sql, &self.keys, |sql, key| key.push_order(sql));
        sql.push(" LIMIT ");
        sql.push_parameter(Parameter::Integer(i64::from(self.limit()) + 1));
        Ok(sql)
    }

    /// Each combination once. Texts that differ in case alone are one, of which SQLite takes any by itself.
    fn push_distinct(&self, sql: &mut Sql<'_>) {
        sql.push("DISTINCT ");
        if self.dialect == Dialect::Postgres {
            // The keys of a distinct query are all of its fields.
            sql.push("ON (");
            push_list(sql, &self.keys, |sql, key| key.field.push_compared(sql));
            sql.push(") ");
        }
    }

    /// The statement that counts what all pages have: one row with a number.
    pub(in crate::store) fn count(&self) -> Result<Sql<'q>> {
        let mut sql = Sql::new(self.dialect, 8, 0);
        sql.push("SELECT count(*)");
        if self.query.distinct {
            sql.push(" FROM (SELECT DISTINCT ");
            push_list(&mut sql, &self.fields, |sql, field| field.push_compared(sql));
        }
        self.tables.push_from(&mut sql)?;
        self.tables.push_where(&mut sql, self.query.filter.as_ref())?;
        if self.query.distinct {
            sql.push(") AS d");
        }
        Ok(sql)
    }

    /// The record of a row of [`records`](Self::records).
    pub(super) fn record(&self, row: &impl Row) -> Result<Entity> {
        let mut record = Entity::new(self.query.entity.as_str());
        let mut index = 0;
        for output in &self.outputs {
            let value = row.value(&output.column, &mut index)?;
            if let (0, Place::Id, Value::UniqueIdentifier(id)) = (output.table, output.column.place, &value) {
                record.id = Some(*id);
            }
            record.attributes.insert(output.name.clone(), value);
        }
        if let Some(place) = self.identifier {
            record.id = Some(statement::identifier(row, &self.query.entity, place)?);
        }
        Ok(record)
    }

    /// The position of such a row.
    pub(super) fn parts(&self, row: &impl Row) -> Result<Vec<Part>> {
        self.keys.iter().zip(&self.positions).map(|(key, place)| row.part(&key.field, *place)).collect()
    }
}

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
        Self { table, column: Column::identifier(), entity: false }
    }

    /// The kind of its values.
    pub(in crate::store) fn kind(&self) -> Kind {
        if self.entity { Kind::Text } else { self.column.kind() }
    }

    /// Which one it is. An identifier is called differently in each entity, and not at all here.
    pub(super) fn name(&self) -> (usize, bool, &'q str) {
        let attribute = if self.column.place == Place::Id { "" } else { self.column.attribute };
        (self.table, self.entity, attribute)
    }

    /// As it is read.
    fn push(&self, sql: &mut Sql<'_>) {
        if self.entity {
            sql.push_entity_column(self.table, &self.column);
        } else {
            sql.push_column(self.table, &self.column);
        }
    }

    /// As it is compared and sorted.
    pub(super) fn push_compared(&self, sql: &mut Sql<'_>) {
        if self.entity {
            sql.push_entity_column(self.table, &self.column);
        } else {
            sql.push_compared(self.table, &self.column);
        }
    }
}

/// Each item, with commas between.
pub(super) fn push_list<'v, T>(
    sql: &mut Sql<'v>,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Sql<'v>, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        sql.push(if index > 0 { "," } else { "" });
        push(sql, item);
    }
}
