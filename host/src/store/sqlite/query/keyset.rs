//! The order of a query's records, as positions that a page can begin behind.
//!
//! The keys are what the query sorts by and then what makes a row unique: the identifier and, where a join has several rows
//! for one, the identifier of what is joined; for a distinct query all of its columns. A position is the values of the
//! keys in the last record of a page.

use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Query;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::cookie;

use super::{Field, Sql, Tables};
use crate::store::sqlite::value::{Column, Place};

/// What rows are sorted by.
pub(super) struct Key<'q> {
    pub(super) field: Field<'q>,
    pub(super) descending: bool,
    nullable: bool,
}

/// A value of a position, as the database has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Part {
    #[serde(rename = "n")]
    Null,
    #[serde(rename = "i")]
    Integer(i64),
    /// The bits of a floating point number.
    #[serde(rename = "r")]
    Real(u64),
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "u")]
    Id(Uuid),
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

impl<'q> Key<'q> {
    /// `comparison` with the part; `sign` stands before the column.
    fn push_comparison(&self, sql: &mut Sql<'q>, sign: &str, comparison: &str, part: &'q Part) {
        sql.push(sign);
        self.field.push(sql);
        match part {
            Part::Null => sql.push(" IS NULL"),
            _ => {
                sql.push(comparison);
                sql.push("?");
                sql.parameters.push(part.parameter());
            }
        }
    }

    /// Whether the key of a row comes after the part. Null is the smallest.
    fn push_later(&self, sql: &mut Sql<'q>, sign: &str, part: &'q Part) {
        match (part, self.descending) {
            (Part::Null, true) => sql.push("0"),
            (Part::Null, false) => {
                sql.push(sign);
                self.field.push(sql);
                sql.push(" IS NOT NULL");
            }
            (_, false) => self.push_comparison(sql, sign, ">", part),
            (_, true) if !self.nullable => self.push_comparison(sql, sign, "<", part),
            (_, true) => {
                sql.push("(");
                self.push_comparison(sql, sign, "<", part);
                sql.push(" OR ");
                self.push_comparison(sql, sign, "", &Part::Null);
                sql.push(")");
            }
        }
    }

    /// What holds for its rows from the part on, where that is one range of an index.
    fn push_range(&self, sql: &mut Sql<'q>, part: &'q Part) {
        if *part != Part::Null && !(self.descending && self.nullable) {
            self.push_comparison(sql, "", if self.descending { "<=" } else { ">=" }, part);
            sql.push(" AND ");
        }
    }
}

/// What holds for the rows after a position: `a > ? OR (a = ? AND (b > ? OR ...))`.
///
/// What the first key alone says is put before it, since an index serves `a >= ?` and then has the rows in order. A `+`
/// keeps SQLite from searching an index for each of the alternatives, after which it would have to sort.
pub(super) fn push_after<'q>(sql: &mut Sql<'q>, keys: &[Key<'q>], position: &'q [Part]) {
    if let ([key], [part]) = (keys, position) {
        return key.push_later(sql, "", part);
    }
    if let (Some(first), Some(part)) = (keys.first(), position.first()) {
        first.push_range(sql, part);
    }
    sql.push("(");
    let mut open = 1;
    let mut before: Option<(&Key<'q>, &'q Part)> = None;
    for (key, part) in keys.iter().zip(position) {
        if let Some((equal, part)) = before.replace((key, part)) {
            sql.push(" OR (");
            equal.push_comparison(sql, "+", "=", part);
            sql.push(" AND (");
            open += 2;
        }
        key.push_later(sql, "+", part);
    }
    sql.push(&")".repeat(open));
}

/// The cookie of the page that ends at `position`.
pub(super) fn seal(query: &Query, position: &[Part]) -> Result<String> {
    let bytes = serde_json::to_vec(position).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("could not write a position of `{}`: {error}", query.entity))
    })?;
    cookie::seal(query, &bytes)
}

/// The position of a cookie, with as many parts as there are keys.
pub(super) fn open(query: &Query, cookie: &str, keys: usize) -> Result<Vec<Part>> {
    let parts: Option<Vec<Part>> = serde_json::from_slice(&cookie::open(query, cookie)?).ok();
    parts
        .filter(|parts| parts.len() == keys)
        .ok_or_else(|| cookie::refusal(query, "was made for other definitions"))
}

impl Part {
    pub(super) fn of(value: ValueRef<'_>) -> Result<Self> {
        let part = match value {
            ValueRef::Null => Some(Self::Null),
            ValueRef::Integer(number) => Some(Self::Integer(number)),
            ValueRef::Real(number) => Some(Self::Real(number.to_bits())),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(|text| Self::Text(text.to_owned())),
            ValueRef::Blob(bytes) => Uuid::from_slice(bytes).ok().map(Self::Id),
        };
        part.ok_or_else(|| {
            Error::new(
                ErrorKind::Store,
                "a record has a value that the host did not write; repair it".to_owned(),
            )
        })
    }

    fn parameter(&self) -> ToSqlOutput<'_> {
        match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Integer(number) => (*number).into(),
            Self::Real(bits) => f64::from_bits(*bits).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
        }
    }
}
