//! The tables that entity definitions make.
//!
//! A table is an ordinary one, with a row number, and its identifier is an index beside it. `WITHOUT ROWID` would save
//! the second tree, but such a table is itself an index: pages hold fewer rows as soon as they are wide, rows of more
//! than about 1000 bytes spill where an ordinary table takes 4000, and every lookup's index would repeat 16 bytes of
//! identifier instead of a small number. Records are wide and have lookups. Identifiers of version 7 grow with time, so
//! the index is appended to at its end.

use rusqlite::Connection;

use crate::model::definition::{STATE_CODE, STATUS_CODE, SYSTEM_ATTRIBUTES};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, EntityDefinition};

use super::error::failed;
use super::value::Column;
use super::{key, sql};

/// Columns of a table at most, in SQLite as it is built by default.
const COLUMNS_MAX: usize = 2000;

/// Makes the table of an entity.
pub(super) fn create(connection: &Connection, definition: &EntityDefinition) -> Result<()> {
    check_columns(definition)?;
    let mut ddl = String::from("CREATE TABLE ");
    sql::push_table(&mut ddl, definition);
    ddl.push_str(" (id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16)");
    for column in SYSTEM_ATTRIBUTES.iter().filter_map(|(name, _)| Column::system(name)) {
        ddl.push(',');
        push_declaration(&mut ddl, &column);
    }
    for column in definition.attributes.iter().map(Column::own) {
        ddl.push(',');
        push_declaration(&mut ddl, &column);
        if column.has_entity() {
            ddl.push(',');
            push_entity_declaration(&mut ddl, &column);
        }
    }
    ddl.push_str(") STRICT;");
    push_indexes(&mut ddl, definition, 0);
    run(connection, definition, &ddl)?;
    key::create(connection, definition, 0)
}

/// Adds what `definition` has beyond `existing`: definitions only ever grow, at their end.
pub(super) fn extend(
    connection: &Connection,
    existing: &EntityDefinition,
    definition: &EntityDefinition,
) -> Result<()> {
    check_columns(definition)?;
    let known = existing.attributes.len();
    let mut ddl = String::new();
    for column in definition.attributes.iter().skip(known).map(Column::own) {
        push_add_column(&mut ddl, definition, &column);
    }
    push_indexes(&mut ddl, definition, known);
    if existing.states.is_empty() {
        push_first_state(&mut ddl, definition);
    }
    run(connection, definition, &ddl)?;
    key::create(connection, definition, existing.keys.len())
}

/// Adds the system attributes that a table of an older version of the host lacks.
pub(super) fn add_system_columns(connection: &Connection, definition: &EntityDefinition) -> Result<()> {
    let mut ddl = String::new();
    for column in SYSTEM_ATTRIBUTES.iter().filter_map(|(name, _)| Column::system(name)) {
        let mut table = String::new();
        sql::push_table(&mut table, definition);
        let present = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE name = ?)",
                (table, column.attribute),
                |row| row.get::<_, bool>(0),
            )
            .map_err(|error| failed(connection, "read the columns of a table", error))?;
        if !present {
            push_add_column(&mut ddl, definition, &column);
        }
    }
    run(connection, definition, &ddl)
}

fn run(connection: &Connection, definition: &EntityDefinition, ddl: &str) -> Result<()> {
    let what = || format!("change the table of the entity `{}`", definition.logical_name);
    connection.execute_batch(ddl).map_err(|error| failed(connection, &what(), error))
}

/// Records that were there before their entity had states are in the first one.
fn push_first_state(ddl: &mut String, definition: &EntityDefinition) {
    let columns = [STATE_CODE, STATUS_CODE].map(|name| Column::of(definition, name));
    let (Some(first), [Ok(state), Ok(status)]) = (definition.states.first(), columns) else { return };
    let Some(reason) = first.statuses.first() else { return };
    ddl.push_str("UPDATE ");
    sql::push_table(ddl, definition);
    ddl.push_str(" SET ");
    sql::push_column(ddl, &state);
    ddl.push_str(&format!("={},", first.value));
    sql::push_column(ddl, &status);
    ddl.push_str(&format!("={};", reason.value));
}

/// An index on every lookup: deleting a record looks for those that point to it. Numbered, since two names might be
/// longer than a database takes.
fn push_indexes(ddl: &mut String, definition: &EntityDefinition, known: usize) {
    for (number, attribute) in definition.attributes.iter().enumerate().skip(known) {
        if !matches!(attribute.attribute_type, AttributeType::Lookup { .. }) {
            continue;
        }
        let column = Column::own(attribute);
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

fn push_add_column(ddl: &mut String, definition: &EntityDefinition, column: &Column<'_>) {
    push_alter(ddl, definition);
    push_declaration(ddl, column);
    ddl.push(';');
    if column.has_entity() {
        push_alter(ddl, definition);
        push_entity_declaration(ddl, column);
        ddl.push(';');
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
    if column.is_version() {
        ddl.push_str(" NOT NULL DEFAULT 1");
    }
}

fn push_entity_declaration(ddl: &mut String, column: &Column<'_>) {
    sql::push_entity_column(ddl, column);
    ddl.push_str(" TEXT");
}

fn check_columns(definition: &EntityDefinition) -> Result<()> {
    let own: usize = definition
        .attributes
        .iter()
        .map(|attribute| if Column::own(attribute).has_entity() { 2 } else { 1 })
        .sum();
    let columns = own + 1 + SYSTEM_ATTRIBUTES.len();
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
