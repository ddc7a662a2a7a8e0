//! The statements on records by their identifiers.
//!
//! Building a text takes about as long as finding its prepared statement by it, a tenth of running it: so there is no
//! cache of texts. The text has every column's name and never `*`, so a statement prepared for an older definition is
//! simply another statement.

use std::borrow::Cow;

use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, Entity, EntityDefinition, EntityReference, Value};
use crate::store::Lock;

use super::column::{Column, Place};
use super::parameter::Parameter;
use super::{Dialect, Row, Sql, push_table};

const RAISE_VERSION: &str = "versionnumber=versionnumber+1";

/// Inserts a record with exactly these attributes.
pub(in crate::store) fn insert<'v>(
    dialect: Dialect,
    definition: &'v EntityDefinition,
    id: Uuid,
    attributes: &'v Attributes,
) -> Result<Sql<'v>> {
    let mut sql = begin(dialect, "INSERT INTO ", definition, attributes.len());
    sql.push(" (id");
    sql.parameters.push(Parameter::Id(id));
    for (name, value) in attributes {
        let column = written(definition, name)?;
        column.encode(value, &mut sql.parameters)?;
        sql.push(",");
        column.push_name(&mut sql.text);
        if column.has_entity() {
            sql.push(",");
            column.push_entity_name(&mut sql.text);
        }
    }
    sql.push(") VALUES (");
    for number in 1..=sql.parameters.len() {
        sql.push(if number > 1 { "," } else { "" });
        sql.push_mark(number);
    }
    sql.push(")");
    Ok(sql)
}

/// Writes these attributes of a record. Raises the version, unless it is among them.
pub(in crate::store) fn update<'v>(
    dialect: Dialect,
    definition: &'v EntityDefinition,
    id: Uuid,
    attributes: &'v Attributes,
) -> Result<Sql<'v>> {
    let mut sql = begin(dialect, "UPDATE ", definition, attributes.len());
    sql.push(" SET ");
    let mut raises = true;
    for (name, value) in attributes {
        let column = written(definition, name)?;
        raises &= !column.is_version();
        column.encode(value, &mut sql.parameters)?;
        let last = sql.parameters.len();
        if column.has_entity() {
            column.push_name(&mut sql.text);
            push_assigned(&mut sql, last - 1);
            column.push_entity_name(&mut sql.text);
        } else {
            column.push_name(&mut sql.text);
        }
        push_assigned(&mut sql, last);
    }
    if raises {
        sql.push(RAISE_VERSION);
    } else {
        sql.text.pop();
    }
    push_where_id(&mut sql, id);
    Ok(sql)
}

/// Deletes a record.
pub(in crate::store) fn delete(dialect: Dialect, definition: &EntityDefinition, id: Uuid) -> Sql<'static> {
    let mut sql = begin(dialect, "DELETE FROM ", definition, 0);
    push_where_id(&mut sql, id);
    sql
}

/// Selects a record: the columns, then the identifier.
pub(in crate::store) fn find(
    dialect: Dialect,
    definition: &EntityDefinition,
    columns: &[Column<'_>],
    id: Uuid,
    lock: Lock,
) -> Sql<'static> {
    let mut sql = Sql::new(dialect, columns.len(), 1);
    sql.push("SELECT ");
    for column in columns {
        column.push_name(&mut sql.text);
        sql.push(",");
        if column.has_entity() {
            column.push_entity_name(&mut sql.text);
            sql.push(",");
        }
    }
    sql.push("id FROM ");
    sql.push_table(definition);
    push_where_id(&mut sql, id);
    sql.push(dialect.locking(lock));
    sql
}

/// Selects records in order to lock them. Its one parameter is the array of their identifiers.
pub(in crate::store) fn lock(definition: &EntityDefinition, lock: Lock) -> String {
    let mut text = String::from("SELECT id FROM ");
    push_table(&mut text, definition);
    text.push_str(" WHERE id=ANY($1) ORDER BY id");
    text.push_str(Dialect::Postgres.locking(lock));
    text
}

impl Dialect {
    /// What a query ends with that locks its records. In SQLite whoever writes is alone.
    fn locking(self, lock: Lock) -> &'static str {
        match (self, lock) {
            (Self::Sqlite, _) | (Self::Postgres, Lock::None) => "",
            (Self::Postgres, Lock::Keep) => " FOR KEY SHARE",
            (Self::Postgres, Lock::Update) => " FOR NO KEY UPDATE",
            (Self::Postgres, Lock::Delete) => " FOR UPDATE",
        }
    }
}

/// The record of a row that [`find`] selects.
pub(in crate::store) fn record(
    row: &impl Row,
    definition: &EntityDefinition,
    columns: &[Column<'_>],
) -> Result<Entity> {
    let mut record = Entity::new(definition.logical_name.as_str());
    let mut index = 0;
    for column in columns {
        let value = row.value(column, &mut index)?;
        record.attributes.insert(column.attribute.to_owned(), value);
    }
    record.id = Some(identifier(row, &definition.logical_name, index)?);
    Ok(record)
}

/// The identifier of a record of `entity` that a row has at `place`.
pub(super) fn identifier(row: &impl Row, entity: &str, mut place: usize) -> Result<Uuid> {
    match row.value(&Column::identifier(), &mut place)? {
        Value::UniqueIdentifier(id) => Ok(id),
        _ => {
            Err(Error::new(ErrorKind::Store, format!("a record of `{entity}` has no identifier; repair it")))
        }
    }
}

/// Selects whether a lookup points to `target` in any record: one row with a boolean, in SQLite 0 or 1.
pub(in crate::store) fn is_referenced<'v>(
    dialect: Dialect,
    definition: &EntityDefinition,
    lookup: &str,
    target: &'v EntityReference,
) -> Result<Sql<'v>> {
    let column = lookup_column(definition, lookup)?;
    if !column.targets().contains(&target.entity) {
        return Err(column.refusal(&Value::EntityReference(target.clone())));
    }
    let mut sql = begin(dialect, "SELECT EXISTS (SELECT 1 FROM ", definition, 2);
    sql.push(" WHERE ");
    column.push_name(&mut sql.text);
    sql.push("=");
    sql.push_parameter(Parameter::Id(target.id));
    if column.has_entity() {
        sql.push(" AND ");
        column.push_entity_name(&mut sql.text);
        sql.push("=");
        sql.push_parameter(Parameter::Text(Cow::Borrowed(&target.entity)));
    }
    sql.push(")");
    Ok(sql)
}

/// The error of an insert whose identifier another record has.
pub(in crate::store) fn taken(definition: &EntityDefinition, id: Uuid) -> Error {
    Error::new(
        ErrorKind::Duplicate,
        format!(
            "a record of `{}` with the identifier {id} exists already; update it, or create one with another identifier",
            definition.logical_name
        ),
    )
}

fn begin<'v>(dialect: Dialect, verb: &str, definition: &EntityDefinition, attributes: usize) -> Sql<'v> {
    let mut sql = Sql::new(dialect, attributes, attributes + 1);
    sql.push(verb);
    sql.push_table(definition);
    sql
}

fn push_assigned(sql: &mut Sql<'_>, number: usize) {
    sql.push("=");
    sql.push_mark(number);
    sql.push(",");
}

fn push_where_id(sql: &mut Sql<'_>, id: Uuid) {
    sql.push(" WHERE id=");
    sql.push_parameter(Parameter::Id(id));
}

fn written<'a>(definition: &'a EntityDefinition, name: &'a str) -> Result<Column<'a>> {
    let column = Column::of(definition, name)?;
    if column.place == Place::Id {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("`{name}` is the identifier and not an attribute to write; leave it out"),
        ));
    }
    Ok(column)
}

fn lookup_column<'a>(definition: &'a EntityDefinition, lookup: &'a str) -> Result<Column<'a>> {
    let column = Column::of(definition, lookup)?;
    if column.targets().is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("`{lookup}` of `{}` is not a lookup", definition.logical_name),
        ));
    }
    Ok(column)
}
