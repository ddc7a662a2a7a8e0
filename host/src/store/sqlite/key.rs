//! Alternate keys: unique indexes, and the errors of what they refuse.
//!
//! An index is partial, since a record with a null among a key's values is outside of the key: SQLite would allow any
//! number of those by itself, but would keep an entry of each.

use rusqlite::Connection;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::code;
use crate::model::{Attributes, Entity, EntityDefinition, KeyDefinition, Value};

use super::error::{failed, unique_violation};
use super::sql;
use super::value::Column;

/// Makes the indexes of the keys from number `known` on.
pub(super) fn create(connection: &Connection, definition: &EntityDefinition, known: usize) -> Result<()> {
    for (number, key) in definition.keys.iter().enumerate().skip(known) {
        let columns = columns(definition, key)?;
        let mut ddl = format!("CREATE UNIQUE INDEX k_{}_{number} ON ", definition.logical_name);
        sql::push_table(&mut ddl, definition);
        ddl.push_str(&format!(" ({}) WHERE {}", names(&columns).join(","), complete(&columns)));
        connection.execute_batch(&ddl).map_err(|error| {
            if unique_violation(&error).is_some() {
                return has_duplicates(connection, definition, key, &columns).with_source(error);
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
        let Ok(columns) = columns(definition, key) else { return false };
        let mut table = String::new();
        sql::push_table(&mut table, definition);
        let wanted: Vec<_> = names(&columns).iter().map(|name| format!("{table}.{name}")).collect();
        told == wanted.join(", ")
    })
}

/// The error of a record that has the values of another. `stored` is what the record had before, if it existed.
pub(super) fn duplicate(
    definition: &EntityDefinition,
    key: &KeyDefinition,
    attributes: &Attributes,
    stored: Option<&Entity>,
) -> Error {
    let value = |name: &String| {
        attributes.get(name).or_else(|| stored.and_then(|record| record.get(name))).unwrap_or(&Value::Null)
    };
    let values: Vec<String> = key.attributes.iter().map(|name| format!("{name} = {}", value(name))).collect();
    Error::new(
        ErrorKind::Duplicate,
        format!(
            "another record of `{}` has these values of the alternate key `{}` already: {}; update that record, or choose \
             other values",
            definition.logical_name,
            key.name,
            values.join(", ")
        ),
    )
    .with_code(code::DUPLICATE_KEY)
}

fn has_duplicates(
    connection: &Connection,
    definition: &EntityDefinition,
    key: &KeyDefinition,
    columns: &[Column<'_>],
) -> Error {
    let entity = &definition.logical_name;
    let mut select = String::from("SELECT min(id), max(id) FROM ");
    sql::push_table(&mut select, definition);
    select.push_str(&format!(
        " WHERE {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
        complete(columns),
        names(columns).join(",")
    ));
    let pair = connection.query_row(&select, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let example = pair.map_or_else(
        |_| String::new(),
        |(one, other)| {
            let (one, other) = (Uuid::from_bytes(one), Uuid::from_bytes(other));
            format!(", for example {one} and {other}")
        },
    );
    Error::new(
        ErrorKind::InvalidDefinition,
        format!(
            "the key {key} of `{entity}` cannot be made: there are records with the same values{example}; change or delete \
             those, then define the key again"
        ),
    )
}

fn columns<'a>(definition: &'a EntityDefinition, key: &'a KeyDefinition) -> Result<Vec<Column<'a>>> {
    key.attributes.iter().map(|name| Column::of(definition, name)).collect()
}

fn names(columns: &[Column<'_>]) -> Vec<String> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = String::new();
        sql::push_column(&mut name, column);
        names.push(name);
        if column.has_entity() {
            let mut name = String::new();
            sql::push_entity_column(&mut name, column);
            names.push(name);
        }
    }
    names
}

/// The condition that no value is null.
fn complete(columns: &[Column<'_>]) -> String {
    let mut conditions = Vec::with_capacity(columns.len());
    for column in columns {
        let mut condition = String::new();
        sql::push_column(&mut condition, column);
        condition.push_str(" IS NOT NULL");
        conditions.push(condition);
    }
    conditions.join(" AND ")
}
