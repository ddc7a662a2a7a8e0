//! Definitions: the rows in which they are kept, and the tables that they make.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connection::Connection;
use super::error::{failed, violated_constraint};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{EntityDefinition, Schema};
use crate::store::sql::failure::{from_json, to_json};
use crate::store::sql::{Dialect, key, table};

/// The tables of the definitions, each of a name and JSON, and what they are called.
const ENTITIES: (&str, &str) = ("entity_definition", "entity");
const RELATIONSHIPS: (&str, &str) = ("relationship_definition", "relationship");
const MESSAGES: (&str, &str) = ("message_definition", "message");

/// The numbers that tell whether something has changed: of the definitions, of the registered steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) schema: i64,
    pub(super) registrations: i64,
}

/// The numbers, as last committed; or, to change one of them, kept from being changed by others.
pub(super) async fn versions(database: &str, connection: &Connection, lock: bool) -> Result<Versions> {
    let fail = |error| failed(database, "read the versions of the definitions", error);
    let sql = if lock {
        "SELECT version, registrations FROM schema_version FOR UPDATE"
    } else {
        "SELECT version, registrations FROM schema_version"
    };
    let rows = connection.rows(sql, &[]).await.map_err(fail)?;
    match rows.first() {
        Some(row) => Ok(Versions {
            schema: row.try_get(0).map_err(fail)?,
            registrations: row.try_get(1).map_err(fail)?,
        }),
        None => Err(Error::new(
            ErrorKind::UnusableDatabase,
            format!("the table `schema_version` of the database `{database}` is empty; restore a backup"),
        )),
    }
}

/// The definitions as they are kept.
pub(super) async fn load(database: &str, connection: &Connection) -> Result<Schema> {
    let versions = versions(database, connection, false).await?;
    let schema = Schema {
        version: versions.schema.unsigned_abs(),
        entities: read(database, connection, ENTITIES).await?,
        relationships: read(database, connection, RELATIONSHIPS).await?,
        messages: read(database, connection, MESSAGES).await?,
    };
    // Its table is a view of the jobs: see the migration that makes it.
    Ok(schema.with_host_entities())
}

/// Makes the tables and rows of `schema` out of those of `current`, in the transaction that is open.
pub(super) async fn migrate(
    database: &str,
    connection: &Connection,
    current: &Schema,
    schema: &Schema,
) -> Result<()> {
    for (name, definition) in &schema.entities {
        let (ddl, known) = match current.entities.get(name) {
            Some(existing) if existing == definition => continue,
            Some(existing) => (table::extend(Dialect::Postgres, existing, definition)?, existing.keys.len()),
            None => (table::create(Dialect::Postgres, definition)?, 0),
        };
        if !ddl.is_empty() {
            let fail = |error| failed(database, &format!("change the table of the entity `{name}`"), error);
            connection.batch(&ddl).await.map_err(fail)?;
        }
        make_keys(database, connection, definition, known).await?;
    }
    write(database, connection, ENTITIES, &current.entities, &schema.entities).await?;
    write(database, connection, RELATIONSHIPS, &current.relationships, &schema.relationships).await?;
    write(database, connection, MESSAGES, &current.messages, &schema.messages).await?;
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    connection
        .rows("UPDATE schema_version SET version = $1", &[(&version, Type::INT8)])
        .await
        .map(drop)
        .map_err(|error| failed(database, "write the schema's version", error))
}

/// Makes the indexes of the keys from number `known` on.
async fn make_keys(
    database: &str,
    connection: &Connection,
    definition: &EntityDefinition,
    known: usize,
) -> Result<()> {
    for (number, key) in definition.keys.iter().enumerate().skip(known) {
        let fail = |error: tokio_postgres::Error| {
            if violated_constraint(&error).is_some() {
                return key::has_duplicates(definition, key, None).with_source(error);
            }
            failed(
                database,
                &format!("make the key {key} of the entity `{}`", definition.logical_name),
                error,
            )
        };
        // Before, since an index that cannot be made ends the transaction.
        let same = connection
            .rows(&key::same_values(Dialect::Postgres, definition, key)?, &[])
            .await
            .map_err(fail)?;
        if let Some(row) = same.first() {
            let example: (Uuid, Uuid) = (row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?);
            return Err(key::has_duplicates(definition, key, Some(example)));
        }
        connection.batch(&key::index(Dialect::Postgres, definition, number, key)?).await.map_err(fail)?;
    }
    Ok(())
}

async fn read<T: DeserializeOwned>(
    database: &str,
    connection: &Connection,
    (table, what): (&str, &str),
) -> Result<BTreeMap<String, Arc<T>>> {
    let fail = |error| failed(database, &format!("read the {what} definitions"), error);
    let rows = connection.rows(&format!("SELECT name, definition FROM {table}"), &[]).await.map_err(fail)?;
    let mut definitions = BTreeMap::new();
    for row in rows {
        let (name, json): (String, String) = (row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?);
        let what = format!("the definition of the {what} `{name}`");
        let definition: T = from_json(database, &what, &json)?;
        definitions.insert(name, Arc::new(definition));
    }
    Ok(definitions)
}

/// Writes what is new or has changed.
async fn write<T: Serialize + PartialEq>(
    database: &str,
    connection: &Connection,
    (table, what): (&str, &str),
    current: &BTreeMap<String, Arc<T>>,
    definitions: &BTreeMap<String, Arc<T>>,
) -> Result<()> {
    let sql = format!(
        "INSERT INTO {table} (name, definition) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET definition = excluded.definition"
    );
    for (name, definition) in definitions.iter().filter(|(name, next)| current.get(*name) != Some(*next)) {
        let json = to_json(&format!("the definition of the {what} `{name}`"), definition)?;
        connection
            .rows(&sql, &[(name, Type::TEXT), (&json, Type::TEXT)])
            .await
            .map_err(|error| failed(database, &format!("write the definition of `{name}`"), error))?;
    }
    Ok(())
}
