//! The order of a query's records, as positions that a page can begin behind.
//!
//! The keys are what the query sorts by and then what makes a row unique: the identifier and, where a join has several rows
//! for one, the identifier of what is joined; for a distinct query all of its columns. A position is the values of the
//! keys in the last record of a page.

use crate::model::Query;
use crate::model::error::Result;

use super::selection::Field;
use super::tables::Tables;
use crate::store::sql::column::{Column, Place};
use crate::store::sql::parameter::Parameter;
use crate::store::sql::{Dialect, Sql};

/// What rows are sorted by.
#[derive(Debug)]
pub(in crate::store) struct Key<'q> {
    /// The field.
    pub(in crate::store) field: Field<'q>,
    descending: bool,
    nullable: bool,
}

/// The keys of a query, most significant first, each once. `fields` are those of its columns.
pub(super) fn keys<'q>(query: &'q Query, tables: &Tables<'q>, fields: &[Field<'q>]) -> Result<Vec<Key<'q>>> {
    let mut keys: Vec<Key<'q>> = Vec::new();
    let mut add = |field: Field<'q>, optional: bool, descending: bool| {
        if !keys.iter().any(|key| key.field.name() == field.name()) {
            let nullable = optional || field.column.place != Place::Id;
            keys.push(Key { field, descending, nullable });
        }
    };
    for order in &query.orders {
        let table = tables.named(order.link.as_deref())?;
        let column = Column::of(table.definition, &order.attribute)?;
        add(Field { table: table.number, column, entity: false }, table.optional, order.descending);
    }
    if query.distinct {
        fields.iter().for_each(|field| add(*field, true, false));
        return Ok(keys);
    }
    for table in tables.joined() {
        if table.link.is_none() || table.multiplies() {
            add(Field::identifier(table.number), table.optional, false);
        }
    }
    Ok(keys)
}

impl Key<'_> {
    /// How it sorts. Nulls are the smallest in SQLite, and the largest in PostgreSQL unless it is told; an index gives the
    /// order of a key without nulls only if it is told nothing.
    pub(super) fn push_order(&self, sql: &mut Sql<'_>) {
        self.field.push_compared(sql);
        sql.push(if self.descending { " DESC" } else { "" });
        if self.nullable && sql.dialect() == Dialect::Postgres {
            sql.push(if self.descending { " NULLS LAST" } else { " NULLS FIRST" });
        }
    }

    /// `comparison` with the part; `sign` stands before the column.
    fn push_comparison<'p>(
        &self,
        sql: &mut Sql<'p>,
        sign: &str,
        comparison: &str,
        part: &'p Parameter<'static>,
    ) {
        if matches!(part, Parameter::Null(_)) {
            return self.push_null(sql, sign, " IS NULL");
        }
        sql.push(sign);
        self.field.push_compared(sql);
        sql.push(comparison);
        sql.push_parameter(part.borrowed());
    }

    fn push_null(&self, sql: &mut Sql<'_>, sign: &str, test: &str) {
        sql.push(sign);
        self.field.push_compared(sql);
        sql.push(test);
    }

    /// Whether the key of a row comes after the part. Null is the smallest.
    fn push_later<'p>(&self, sql: &mut Sql<'p>, sign: &str, part: &'p Parameter<'static>) {
        match (part, self.descending) {
            (Parameter::Null(_), true) => sql.push("FALSE"),
            (Parameter::Null(_), false) => self.push_null(sql, sign, " IS NOT NULL"),
            (_, false) => self.push_comparison(sql, sign, ">", part),
            (_, true) if !self.nullable => self.push_comparison(sql, sign, "<", part),
            (_, true) => {
                sql.push("(");
                self.push_comparison(sql, sign, "<", part);
                sql.push(" OR ");
                self.push_null(sql, sign, " IS NULL");
                sql.push(")");
            }
        }
    }

    /// What holds for its rows from the part on, where that is one range of an index.
    fn push_range<'p>(&self, sql: &mut Sql<'p>, part: &'p Parameter<'static>) {
        // Nulls come last in a descending order, as a second range.
        if matches!(part, Parameter::Null(_)) || self.descending && self.nullable {
            return;
        }
        self.push_comparison(sql, "", if self.descending { "<=" } else { ">=" }, part);
        sql.push(" AND ");
    }
}

/// What holds for the rows after a position: `a > ? OR (a = ? AND (b > ? OR ...))`.
///
/// What the first key alone says is put before it, since an index serves `a >= ?` and then has the rows in order. A `+`
/// keeps SQLite from searching an index for each of the alternatives, after which it would have to sort.
pub(super) fn push_after<'p>(sql: &mut Sql<'p>, keys: &[Key<'_>], position: &'p [Parameter<'static>]) {
    if let ([key], [part]) = (keys, position) {
        return key.push_later(sql, "", part);
    }
    if let (Some(first), Some(part)) = (keys.first(), position.first()) {
        first.push_range(sql, part);
    }
    let sign = if sql.dialect() == Dialect::Sqlite { "+" } else { "" };
    sql.push("(");
    let mut open = 1;
    let mut before: Option<(&Key<'_>, &'p Parameter<'static>)> = None;
    for (key, part) in keys.iter().zip(position) {
        if let Some((equal, part)) = before.replace((key, part)) {
            sql.push(" OR (");
            equal.push_comparison(sql, sign, "=", part);
            sql.push(" AND (");
            open += 2;
        }
        key.push_later(sql, sign, part);
    }
    sql.push(&")".repeat(open));
}
