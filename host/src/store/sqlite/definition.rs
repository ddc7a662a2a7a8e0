//! Entity definitions: their rows, and the tables that they make.
//!
//! A table is an ordinary one, with a row number, and its identifier is an index beside it. `WITHOUT ROWID` would save
//! the second tree, but such a table is itself an index: pages hold fewer rows as soon as they are wide, rows of more
//! than about 1000 bytes spill where an ordinary table takes 4000, and every lookup's index would repeat 16 bytes of
//! identifier instead of a small number. Records are wide and have lookups. Identifiers of version 7 grow with time, so
//! the index is appended to at its end.

use rusqlite::Connection;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeDefinition, AttributeType, EntityDefinition, Schema};

use super::error::failed;
use super::sql;
use super::value::{Column, Place};

/// Columns of a table at most, in SQLite as it is built by default.
const COLUMNS_MAX: usize = 2000;

/// The definitions as they are kept.
pub(super) fn load(connection: &Connection) -> Result<Schema> {
    let read = |error| failed(connection, "read the entity definitions", error);
    let version: i64 =
        connection.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).map_err(read)?;
    let mut schema = Schema { version: version.unsigned_abs(), ..Schema::default() };
    let mut statement =
        connection.prepare("SELECT logical_name, definition FROM entity_definition").map_err(read)?;
    let mut rows = statement.query([]).map_err(read)?;
    while let Some(row) = rows.next().map_err(read)? {
        let (name, json): (String, String) = (row.get(0).map_err(read)?, row.get(1).map_err(read)?);
        let definition: EntityDefinition = serde_json::from_str(&json).map_err(|error| {
            Error::new(
                ErrorKind::UnusableDatabase,
                format!(
                    "the definition of the entity `{name}` in the database `{}` cannot be read: {error}; restore a \
                     backup, or use the version of the host that wrote it",
                    connection.path().unwrap_or_default()
                ),
            )
        })?;
        schema.entities.insert(name, definition.into());
    }
    Ok(schema)
}

/// Makes the tables and rows of `schema` out of those of `current`, in the transaction that is open.
pub(super) fn migrate(connection: &Connection, current: &Schema, schema: &Schema) -> Result<()> {
    for (name, definition) in &schema.entities {
        let existing = current.entities.get(name);
        if existing == Some(definition) {
            continue;
        }
        check_columns(definition)?;
        let ddl = match existing {
            Some(existing) => extend(definition, existing.attributes.len()),
            None => create(definition),
        };
        connection.execute_batch(&ddl).map_err(|error| {
            failed(connection, &format!("change the table of the entity `{name}`"), error)
        })?;
        let json = serde_json::to_string(definition).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("could not write the definition of `{name}`: {error}"))
        })?;
        connection
            .execute(
                "INSERT INTO entity_definition (logical_name, definition) VALUES (?, ?)
                 ON CONFLICT (logical_name) DO UPDATE SET definition = excluded.definition",
                (name, json),
            )
            .map_err(|error| failed(connection, &format!("write the definition of `{name}`"), error))?;
    }
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    connection
        .execute("UPDATE schema_version SET version = ?", [version])
        .map_err(|error| failed(connection, "write the schema's version", error))?;
    Ok(())
}

fn create(definition: &EntityDefinition) -> String {
    let mut ddl = String::from("CREATE TABLE ");
    sql::push_table(&mut ddl, definition);
    ddl.push_str(
        " (id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16), createdon INTEGER, modifiedon INTEGER, \
         versionnumber INTEGER NOT NULL DEFAULT 1",
    );
    for attribute in &definition.attributes {
        let column = own(attribute);
        ddl.push(',');
        push_declaration(&mut ddl, &column);
        if column.has_entity() {
            ddl.push(',');
            push_entity_declaration(&mut ddl, &column);
        }
    }
    ddl.push_str(") STRICT;");
    push_indexes(&mut ddl, definition, 0);
    ddl
}

/// Adds the attributes from number `known` on: definitions only ever grow at their end.
fn extend(definition: &EntityDefinition, known: usize) -> String {
    let mut ddl = String::new();
    for attribute in definition.attributes.iter().skip(known) {
        let column = own(attribute);
        push_alter(&mut ddl, definition);
        push_declaration(&mut ddl, &column);
        ddl.push(';');
        if column.has_entity() {
            push_alter(&mut ddl, definition);
            push_entity_declaration(&mut ddl, &column);
            ddl.push(';');
        }
    }
    push_indexes(&mut ddl, definition, known);
    ddl
}

/// An index on every lookup: deleting a record looks for those that point to it. Numbered, since two names might be
/// longer than a database takes.
fn push_indexes(ddl: &mut String, definition: &EntityDefinition, known: usize) {
    for (number, attribute) in definition.attributes.iter().enumerate().skip(known) {
        if !matches!(attribute.attribute_type, AttributeType::Lookup { .. }) {
            continue;
        }
        let column = own(attribute);
        ddl.push_str(&format!("CREATE INDEX i_{}_{number} ON ", definition.logical_name));
        sql::push_table(ddl, definition);
        ddl.push_str(" (");
        sql::push_column(ddl, &column);
        // Most lookups are empty, and an empty one is never looked for.
        ddl.push_str(") WHERE ");
        sql::push_column(ddl, &column);
        ddl.push_str(" IS NOT NULL;");
    }
}

fn push_alter(ddl: &mut String, definition: &EntityDefinition) {
    ddl.push_str("ALTER TABLE ");
    sql::push_table(ddl, definition);
    ddl.push_str(" ADD COLUMN ");
}

fn push_declaration(ddl: &mut String, column: &Column<'_>) {
    sql::push_column(ddl, column);
    ddl.push_str(match column.attribute_type {
        AttributeType::Boolean
        | AttributeType::Integer
        | AttributeType::BigInteger
        | AttributeType::Decimal { .. }
        | AttributeType::Money { .. }
        | AttributeType::DateTime
        | AttributeType::Choice { .. } => " INTEGER",
        AttributeType::Double => " REAL",
        AttributeType::String { .. } => " TEXT COLLATE NOCASE",
        AttributeType::Choices { .. } => " TEXT",
        AttributeType::UniqueIdentifier | AttributeType::Lookup { .. } => " BLOB",
    });
}

fn push_entity_declaration(ddl: &mut String, column: &Column<'_>) {
    sql::push_entity_column(ddl, column);
    ddl.push_str(" TEXT");
}

fn own(attribute: &AttributeDefinition) -> Column<'_> {
    Column { attribute: &attribute.name, attribute_type: &attribute.attribute_type, place: Place::Own }
}

fn check_columns(definition: &EntityDefinition) -> Result<()> {
    let own: usize =
        definition.attributes.iter().map(|attribute| if own(attribute).has_entity() { 2 } else { 1 }).sum();
    let columns = own + 4;
    if columns <= COLUMNS_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidDefinition,
        format!(
            "the entity `{}` would need {columns} columns; {COLUMNS_MAX} is the most, and a lookup with several \
             targets takes two",
            definition.logical_name
        ),
    ))
}
