//! The tables that entity definitions make.
//!
//! A table is an ordinary one, with a row number, and its identifier is an index beside it. `WITHOUT ROWID` would save
//! the second tree, but such a table is itself an index: pages hold fewer rows as soon as they are wide, rows of more
//! than about 1000 bytes spill where an ordinary table takes 4000, and every lookup's index would repeat 16 bytes of
//! identifier instead of a small number. Records are wide and have lookups. Identifiers of version 7 grow with time, so
//! the index is appended to at its end.

use rusqlite::Connection;

use crate::model::EntityDefinition;
use crate::model::error::Result;
use crate::store::sql::{push_table, table};

use super::error::failed;
use super::{DIALECT, key};

/// Makes the table of an entity.
pub(super) fn create(connection: &Connection, definition: &EntityDefinition) -> Result<()> {
    run(connection, definition, &table::create(DIALECT, definition)?)?;
    key::create(connection, definition, 0)
}

/// Adds what `definition` has beyond `existing`: definitions only ever grow, at their end.
pub(super) fn extend(
    connection: &Connection,
    existing: &EntityDefinition,
    definition: &EntityDefinition,
) -> Result<()> {
    run(connection, definition, &table::extend(DIALECT, existing, definition)?)?;
    key::create(connection, definition, existing.keys.len())
}

/// Adds the system attributes that a table of an older version of the host lacks.
pub(super) fn add_system_columns(connection: &Connection, definition: &EntityDefinition) -> Result<()> {
    let mut ddl = String::new();
    for column in table::system_columns() {
        let mut table = String::new();
        push_table(&mut table, definition);
        let present = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE name = ?)",
                (table, column.attribute),
                |row| row.get::<_, bool>(0),
            )
            .map_err(|error| failed(connection, "read the columns of a table", error))?;
        if !present {
            table::push_add_column(&mut ddl, DIALECT, definition, &column);
        }
    }
    run(connection, definition, &ddl)
}

fn run(connection: &Connection, definition: &EntityDefinition, ddl: &str) -> Result<()> {
    let what = || format!("change the table of the entity `{}`", definition.logical_name);
    connection.execute_batch(ddl).map_err(|error| failed(connection, &what(), error))
}
