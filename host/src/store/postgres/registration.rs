//! The registered steps: their rows, and the secure configurations in a table of their own.

use tokio_postgres::types::Type;

use super::connection::Connection;
use super::error::failed;
use crate::model::StepDefinition;
use crate::model::error::Result;
use crate::model::registration::{Secret, StepRegistration, Update};
use crate::store::sql::failure::{from_json, to_json};

const READ: &str = "SELECT plugin, step, enabled, definition, secure_configuration
     FROM step_registration LEFT JOIN step_secure_configuration USING (plugin, step)
     ORDER BY sequence";

/// A step that is there already keeps its place.
const PUT: &str = "INSERT INTO step_registration (plugin, step, sequence, enabled, definition)
     VALUES ($1, $2, (SELECT coalesce(max(sequence), 0) + 1 FROM step_registration), $3, $4)
     ON CONFLICT (plugin, step) DO UPDATE SET enabled = excluded.enabled, definition = excluded.definition";

const PUT_SECRET: &str = "INSERT INTO step_secure_configuration (plugin, step, secure_configuration)
     VALUES ($1, $2, $3)
     ON CONFLICT (plugin, step) DO UPDATE SET secure_configuration = excluded.secure_configuration";

const REMOVE_SECRET: &str = "DELETE FROM step_secure_configuration WHERE plugin = $1 AND step = $2";

const REMOVE: &str = "DELETE FROM step_registration WHERE plugin = $1 AND step = $2";

/// The lock on the row is held to the end: so the sequences of two hosts that register at once do not meet.
const RAISE_VERSION: &str = "UPDATE schema_version SET registrations = registrations + 1";

pub(super) async fn read(database: &str, connection: &Connection) -> Result<Vec<StepRegistration>> {
    let fail = |error| failed(database, "read the registered steps", error);
    let mut found = Vec::new();
    for row in connection.rows(READ, &[]).await.map_err(fail)? {
        let (plugin, step): (String, String) = (row.try_get(0).map_err(fail)?, row.try_get(1).map_err(fail)?);
        let json: &str = row.try_get(3).map_err(fail)?;
        let what = format!("the registration of the step `{step}` of plugin `{plugin}`");
        let mut definition: StepDefinition = from_json(database, &what, json)?;
        definition.enabled = row.try_get(2).map_err(fail)?;
        let secret: Option<String> = row.try_get(4).map_err(fail)?;
        found.push(StepRegistration { plugin, definition, secure_configuration: secret.map(Secret::new) });
    }
    Ok(found)
}

/// In the transaction that is open.
pub(super) async fn write(database: &str, connection: &Connection, update: &Update) -> Result<()> {
    let fail = |error| failed(database, "register steps", error);
    connection.rows(RAISE_VERSION, &[]).await.map_err(fail)?;
    for registration in &update.put {
        put(database, connection, registration).await?;
    }
    for key in &update.remove {
        connection
            .rows(REMOVE, &[(&key.plugin, Type::TEXT), (&key.step, Type::TEXT)])
            .await
            .map_err(|error| failed(database, &format!("remove the registration of `{key}`"), error))?;
    }
    Ok(())
}

async fn put(database: &str, connection: &Connection, registration: &StepRegistration) -> Result<()> {
    let StepRegistration { plugin, definition, secure_configuration } = registration;
    let step = &definition.name;
    let fail = |error| failed(database, &format!("register the step `{step}` of plugin `{plugin}`"), error);
    // Whether it is enabled is in a column of its own alone, so that the two cannot differ.
    let kept = StepDefinition { enabled: true, ..definition.clone() };
    let json = to_json(&format!("the registration of `{step}`"), &kept)?;
    let (plugin, step) = ((plugin as _, Type::TEXT), (step as _, Type::TEXT));
    let enabled = (&definition.enabled as _, Type::BOOL);
    let put = [plugin.clone(), step.clone(), enabled, (&json as _, Type::TEXT)];
    connection.rows(PUT, &put).await.map_err(fail)?;
    match secure_configuration {
        Some(secret) => {
            let secret = secret.expose();
            connection.rows(PUT_SECRET, &[plugin, step, (&secret as _, Type::TEXT)]).await
        }
        None => connection.rows(REMOVE_SECRET, &[plugin, step]).await,
    }
    .map(drop)
    .map_err(fail)
}
