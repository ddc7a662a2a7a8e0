//! Definitions: the rows in which they are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::Schema;
use crate::model::error::Result;
use crate::store::sql::failure::{from_json, to_json};

use super::error::failed;
use super::table;

/// The tables of the definitions, each of a name and JSON, and what they are called.
const ENTITIES: (&str, &str) = ("entity_definition", "entity");
const RELATIONSHIPS: (&str, &str) = ("relationship_definition", "relationship");
const MESSAGES: (&str, &str) = ("message_definition", "message");

/// The definitions as they are kept.
pub(super) fn load(connection: &Connection) -> Result<Schema> {
    let version: i64 = connection
        .query_row("SELECT version FROM schema_version", [], |row| row.get(0))
        .map_err(|error| failed(connection, "read the definitions", error))?;
    let schema = Schema {
        version: version.unsigned_abs(),
        entities: read(connection, ENTITIES)?,
        relationships: read(connection, RELATIONSHIPS)?,
        messages: read(connection, MESSAGES)?,
    };
    // Its table is a view of the jobs: see the migration that makes it.
    Ok(schema.with_host_entities())
}

/// Makes the tables and rows of `schema` out of those of `current`, in the transaction that is open.
pub(super) fn migrate(connection: &Connection, current: &Schema, schema: &Schema) -> Result<()> {
    for (name, definition) in &schema.entities {
        match current.entities.get(name) {
            Some(existing) if existing == definition => continue,
            Some(existing) => table::extend(connection, existing, definition)?,
            None => table::create(connection, definition)?,
        }
    }
    write(connection, ENTITIES, &current.entities, &schema.entities)?;
    write(connection, RELATIONSHIPS, &current.relationships, &schema.relationships)?;
    write(connection, MESSAGES, &current.messages, &schema.messages)?;
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    connection
        .execute("UPDATE schema_version SET version = ?", [version])
        .map_err(|error| failed(connection, "write the schema's version", error))?;
    Ok(())
}

fn read<T: DeserializeOwned>(
    connection: &Connection,
    (table, what): (&str, &str),
) -> Result<BTreeMap<String, Arc<T>>> {
    let fail = |error| failed(connection, &format!("read the {what} definitions"), error);
    let mut statement = connection.prepare(&format!("SELECT name, definition FROM {table}")).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    let mut definitions = BTreeMap::new();
    while let Some(row) = rows.next().map_err(fail)? {
        let (name, json): (String, String) = (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?);
        let what = format!("the definition of the {what} `{name}`");
        let definition: T = from_json(connection.path().unwrap_or_default(), &what, &json)?;
        definitions.insert(name, Arc::new(definition));
    }
    Ok(definitions)
}

/// Writes what is new or has changed.
fn write<T: Serialize + PartialEq>(
    connection: &Connection,
    (table, what): (&str, &str),
    current: &BTreeMap<String, Arc<T>>,
    definitions: &BTreeMap<String, Arc<T>>,
) -> Result<()> {
    let sql = format!(
        "INSERT INTO {table} (name, definition) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET definition = excluded.definition"
    );
    for (name, definition) in definitions.iter().filter(|(name, next)| current.get(*name) != Some(*next)) {
        let json = to_json(&format!("the definition of the {what} `{name}`"), definition)?;
        connection
            .execute(&sql, (name, json))
            .map_err(|error| failed(connection, &format!("write the definition of `{name}`"), error))?;
    }
    Ok(())
}
