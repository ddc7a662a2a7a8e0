//! The registered steps: their rows, and the secure configurations in a table of their own.

use rusqlite::Connection;

use crate::model::StepDefinition;
use crate::model::error::Result;
use crate::model::registration::{Secret, StepRegistration, Update};
use crate::store::sql::failure::{from_json, to_json};

use super::error::failed;

const READ: &str = "SELECT plugin, step, enabled, definition, secure_configuration
     FROM step_registration LEFT JOIN step_secure_configuration USING (plugin, step)
     ORDER BY sequence";

/// A step that is there already keeps its place.
const PUT: &str = "INSERT INTO step_registration (plugin, step, sequence, enabled, definition)
     VALUES (?1, ?2, (SELECT coalesce(max(sequence), 0) + 1 FROM step_registration), ?3, ?4)
     ON CONFLICT (plugin, step) DO UPDATE SET enabled = excluded.enabled, definition = excluded.definition";

const PUT_SECRET: &str = "INSERT INTO step_secure_configuration (plugin, step, secure_configuration)
     VALUES (?1, ?2, ?3)
     ON CONFLICT (plugin, step) DO UPDATE SET secure_configuration = excluded.secure_configuration";

const REMOVE_SECRET: &str = "DELETE FROM step_secure_configuration WHERE plugin = ?1 AND step = ?2";

const REMOVE: &str = "DELETE FROM step_registration WHERE plugin = ?1 AND step = ?2";

pub(super) fn read(connection: &Connection) -> Result<Vec<StepRegistration>> {
    let fail = |error| failed(connection, "read the registered steps", error);
    let mut statement = connection.prepare_cached(READ).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(fail)? {
        let (plugin, step): (String, String) = (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?);
        let json: String = row.get(3).map_err(fail)?;
        let what = format!("the registration of the step `{step}` of plugin `{plugin}`");
        let mut definition: StepDefinition = from_json(connection.path().unwrap_or_default(), &what, &json)?;
        definition.enabled = row.get(2).map_err(fail)?;
        let secret: Option<String> = row.get(4).map_err(fail)?;
        found.push(StepRegistration { plugin, definition, secure_configuration: secret.map(Secret::new) });
    }
    Ok(found)
}

pub(super) fn write(connection: &Connection, update: &Update) -> Result<()> {
    for registration in &update.put {
        put(connection, registration)?;
    }
    for key in &update.remove {
        connection
            .execute(REMOVE, (&key.plugin, &key.step))
            .map_err(|error| failed(connection, &format!("remove the registration of `{key}`"), error))?;
    }
    Ok(())
}

fn put(connection: &Connection, registration: &StepRegistration) -> Result<()> {
    let StepRegistration { plugin, definition, secure_configuration } = registration;
    let step = &definition.name;
    let fail = |error| failed(connection, &format!("register the step `{step}` of plugin `{plugin}`"), error);
    // Whether it is enabled is in a column of its own alone, so that the two cannot differ.
    let kept = StepDefinition { enabled: true, ..definition.clone() };
    let json = to_json(&format!("the registration of `{step}`"), &kept)?;
    connection.execute(PUT, (plugin, step, definition.enabled, json)).map_err(fail)?;
    match secure_configuration {
        Some(secret) => connection.execute(PUT_SECRET, (plugin, step, secret.expose())),
        None => connection.execute(REMOVE_SECRET, (plugin, step)),
    }
    .map_err(fail)?;
    Ok(())
}
