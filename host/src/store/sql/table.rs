//! The tables that entity definitions make.

use crate::model::definition::{STATE_CODE, STATUS_CODE, SYSTEM_ATTRIBUTES};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, EntityDefinition};

use super::column::Column;
use super::{Dialect, push_table};

impl Dialect {
    /// Columns of a table at most, in SQLite as it is built by default.
    fn columns_max(self) -> usize {
        match self {
            Self::Sqlite => 2000,
            Self::Postgres => 1600,
        }
    }
}

/// The statements that make the table of an entity, without its [keys](super::key).
pub(in crate::store) fn create(dialect: Dialect, definition: &EntityDefinition) -> Result<String> {
    check_columns(dialect, definition)?;
    let mut ddl = String::from("CREATE TABLE ");
    push_table(&mut ddl, definition);
    match dialect {
        Dialect::Sqlite => ddl.push_str(" (id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16)"),
        // With a name, by which the error of a taken identifier is told from that of a key.
        Dialect::Postgres => {
            ddl.push_str(&format!(" (id uuid CONSTRAINT p_{} PRIMARY KEY", definition.logical_name));
        }
    }
    for column in system_columns() {
        ddl.push(',');
        push_declaration(&mut ddl, dialect, &column);
    }
    for column in definition.attributes.iter().map(Column::own) {
        ddl.push(',');
        push_declaration(&mut ddl, dialect, &column);
        if column.has_entity() {
            ddl.push(',');
            push_entity_declaration(&mut ddl, dialect, &column);
        }
    }
    ddl.push_str(if dialect == Dialect::Sqlite { ") STRICT;" } else { ");" });
    push_indexes(&mut ddl, definition, 0);
    Ok(ddl)
}

/// The statements that add what `definition` has beyond `existing`, without its [keys](super::key): definitions only
/// ever grow, at their end.
pub(in crate::store) fn extend(
    dialect: Dialect,
    existing: &EntityDefinition,
    definition: &EntityDefinition,
) -> Result<String> {
    check_columns(dialect, definition)?;
    let known = existing.attributes.len();
    let mut ddl = String::new();
    for column in definition.attributes.iter().skip(known).map(Column::own) {
        push_add_column(&mut ddl, dialect, definition, &column);
    }
    push_indexes(&mut ddl, definition, known);
    if existing.states.is_empty() {
        push_first_state(&mut ddl, definition);
    }
    Ok(ddl)
}

/// The columns of the system attributes, which every table has.
pub(in crate::store) fn system_columns() -> impl Iterator<Item = Column<'static>> {
    SYSTEM_ATTRIBUTES.iter().filter_map(|(name, _)| Column::system(name))
}

/// Appends the statements that add a column to a table, two for a lookup with several targets.
pub(in crate::store) fn push_add_column(
    ddl: &mut String,
    dialect: Dialect,
    definition: &EntityDefinition,
    column: &Column<'_>,
) {
    push_alter(ddl, definition);
    push_declaration(ddl, dialect, column);
    ddl.push(';');
    if column.has_entity() {
        push_alter(ddl, definition);
        push_entity_declaration(ddl, dialect, column);
        ddl.push(';');
    }
}

/// Records that were there before their entity had states are in the first one.
fn push_first_state(ddl: &mut String, definition: &EntityDefinition) {
    let columns = [STATE_CODE, STATUS_CODE].map(|name| Column::of(definition, name));
    let (Some(first), [Ok(state), Ok(status)]) = (definition.states.first(), columns) else { return };
    let Some(reason) = first.statuses.first() else { return };
    ddl.push_str("UPDATE ");
    push_table(ddl, definition);
    ddl.push_str(" SET ");
    state.push_name(ddl);
    ddl.push_str(&format!("={},", first.value));
    status.push_name(ddl);
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
        push_table(ddl, definition);
        ddl.push_str(" (");
        column.push_name(ddl);
        // Most lookups are empty, and an empty one is never looked for.
        ddl.push_str(") WHERE ");
        column.push_name(ddl);
        ddl.push_str(" IS NOT NULL;");
    }
}

fn push_alter(ddl: &mut String, definition: &EntityDefinition) {
    ddl.push_str("ALTER TABLE ");
    push_table(ddl, definition);
    ddl.push_str(" ADD COLUMN ");
}

fn push_declaration(ddl: &mut String, dialect: Dialect, column: &Column<'_>) {
    column.push_name(ddl);
    match (dialect, column.precision()) {
        (Dialect::Sqlite, _) => ddl.push_str(sqlite_type(column.attribute_type)),
        // 64 bits have 19 digits.
        (Dialect::Postgres, Some(precision)) => ddl.push_str(&format!(" numeric(19, {precision})")),
        (Dialect::Postgres, None) => ddl.push_str(postgres_type(column.attribute_type)),
    }
    if column.is_version() {
        ddl.push_str(" NOT NULL DEFAULT 1");
    }
}

fn push_entity_declaration(ddl: &mut String, dialect: Dialect, column: &Column<'_>) {
    column.push_entity_name(ddl);
    ddl.push_str(match dialect {
        Dialect::Sqlite => " TEXT",
        Dialect::Postgres => POSTGRES_TEXT,
    });
}

fn sqlite_type(attribute_type: &AttributeType) -> &'static str {
    match attribute_type {
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
    }
}

/// Sorted by its bytes, whatever the language of the database.
const POSTGRES_TEXT: &str = " text COLLATE \"C\"";

fn postgres_type(attribute_type: &AttributeType) -> &'static str {
    match attribute_type {
        AttributeType::Boolean => " boolean",
        AttributeType::Integer | AttributeType::Choice { .. } => " int4",
        AttributeType::BigInteger => " int8",
        AttributeType::Double => " double precision",
        AttributeType::Decimal { .. } | AttributeType::Money { .. } => " numeric",
        AttributeType::String { .. } | AttributeType::Choices { .. } => POSTGRES_TEXT,
        AttributeType::DateTime => " timestamptz",
        AttributeType::UniqueIdentifier | AttributeType::Lookup { .. } => " uuid",
    }
}

fn check_columns(dialect: Dialect, definition: &EntityDefinition) -> Result<()> {
    let own: usize = definition
        .attributes
        .iter()
        .map(|attribute| if Column::own(attribute).has_entity() { 2 } else { 1 })
        .sum();
    let columns = own + 1 + SYSTEM_ATTRIBUTES.len();
    let most = dialect.columns_max();
    if columns <= most {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidDefinition,
        format!(
            "the entity `{}` would need {columns} columns; {most} is the most, and a lookup with several targets takes \
             two",
            definition.logical_name
        ),
    ))
}
