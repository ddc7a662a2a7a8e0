//! Alternate keys, as SQLite makes and tells them.

use rusqlite::Connection;
use uuid::Uuid;

use crate::model::error::Result;
use crate::model::{EntityDefinition, KeyDefinition};
use crate::store::sql::{key, push_table};

use super::DIALECT;
use super::error::{failed, unique_violation};

/// Makes the indexes of the keys from number `known` on.
pub(super) fn create(connection: &Connection, definition: &EntityDefinition, known: usize) -> Result<()> {
    for (number, key) in definition.keys.iter().enumerate().skip(known) {
        let ddl = key::index(DIALECT, definition, number, key)?;
        connection.execute_batch(&ddl).map_err(|error| {
            if unique_violation(&error).is_some() {
                let example = same_values(connection, definition, key);
                return key::has_duplicates(definition, key, example).with_source(error);
            }
            let what = format!("make the key {key} of the entity `{}`", definition.logical_name);
            failed(connection, &what, error)
        })?;
    }
    Ok(())
}

/// The key whose index refused a statement.
pub(super) fn violated<'a>(
    definition: &'a EntityDefinition,
    error: &rusqlite::Error,
) -> Option<&'a KeyDefinition> {
    // SQLite tells the columns, as `table.column, table.column`. Two keys never have the same.
    let told = unique_violation(error)?;
    definition.keys.iter().find(|key| {
        let Ok(columns) = key::columns(definition, key) else { return false };
        let mut table = String::new();
        push_table(&mut table, definition);
        let names = key::names(DIALECT, &columns);
        let wanted: Vec<_> = names.iter().map(|name| format!("{table}.{name}")).collect();
        told == wanted.join(", ")
    })
}

fn same_values(
    connection: &Connection,
    definition: &EntityDefinition,
    key: &KeyDefinition,
) -> Option<(Uuid, Uuid)> {
    let select = key::same_values(DIALECT, definition, key).ok()?;
    let pair = connection.query_row(&select, [], |row| Ok((row.get(0)?, row.get(1)?)));
    pair.ok().map(|(one, other)| (Uuid::from_bytes(one), Uuid::from_bytes(other)))
}
