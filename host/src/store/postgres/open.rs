//! Opening a database: whether it is ours, of which version it is, and whether it can be written.

use std::time::Duration;

use super::Options;
use super::connection::{Connection, Driven};
use super::error::{exists_already, failed};
use crate::model::error::{Error, ErrorKind, Result};

/// The scripts that make the tables, each building on those before. The number of them is the database's version.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001.sql")];
const VERSION: i32 = MIGRATIONS.len() as i32;
/// Tries to bring the tables to this version, of hosts that start at once: one of them does it, the others wait for that
/// or fail on what is there by then, and look again.
const TRIES_MAX: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// What a database has.
struct Found {
    /// None if it has no tables of ours.
    version: Option<i32>,
    /// Whether tables of another program are in the way.
    is_foreign: bool,
    encoding: String,
    has_schema: bool,
    is_replica: bool,
    /// Whether transactions only read unless they say otherwise.
    is_read_only: bool,
}

/// Checks the database and brings its tables to this version, once however many hosts start.
pub(super) async fn migrate(options: &Options, connection: &Connection) -> Result<()> {
    let database = &options.database;
    for number in 1..=TRIES_MAX {
        let found = look(database, connection).await?;
        check(database, &found)?;
        check_writable(database, &found)?;
        let version = found.version.unwrap_or(0);
        if version == VERSION {
            return Ok(());
        }
        match migrate_from(connection, version).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                // What is left of it is in the way of the next look.
                let _ = connection.batch("ROLLBACK").await;
                if !exists_already(&error) || number == TRIES_MAX {
                    return Err(failed(database, "bring the tables to this version", error));
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(unusable(database, "is being brought to this version by other hosts and does not get there"))
}

/// Checks the database without changing it: its tables must be there, of this version.
pub(super) async fn check_version(options: &Options, connection: &Connection) -> Result<()> {
    let database = &options.database;
    let found = look(database, connection).await?;
    check(database, &found)?;
    match found.version {
        Some(VERSION) => Ok(()),
        None => Err(unusable(
            database,
            "has no tables of a host; correct the address, or start a host, which makes them",
        )),
        Some(version) => Err(unusable(
            database,
            &format!(
                "was written by an older version of the host (its tables are of version {version}, this program needs \
                 {VERSION}); start a host of this version on it once, which brings them up, or use that version's program"
            ),
        )),
    }
}

async fn look(database: &str, connection: &Connection) -> Result<Found> {
    let fail = |error| failed(database, "look at the tables", error);
    let rows = connection
        .rows(
            // The last table first: another host may make them in between.
            "SELECT to_regclass('system_job') IS NOT NULL, to_regclass('stagegate_migration') IS NOT NULL,
                 current_setting('server_encoding'), current_schema() IS NOT NULL, pg_is_in_recovery(),
                 current_setting('transaction_read_only') = 'on'",
            &[],
        )
        .await
        .map_err(fail)?;
    let Some(row) = rows.first() else { return Err(unusable(database, "does not answer")) };
    let has_jobs: bool = row.try_get(0).map_err(fail)?;
    let is_ours: bool = row.try_get(1).map_err(fail)?;
    let version = if is_ours {
        let rows =
            connection.rows("SELECT max(version) FROM stagegate_migration", &[]).await.map_err(fail)?;
        match rows.first() {
            Some(row) => row.try_get(0).map_err(fail)?,
            None => None,
        }
    } else {
        None
    };
    Ok(Found {
        version,
        is_foreign: has_jobs && !is_ours,
        encoding: row.try_get(2).map_err(fail)?,
        has_schema: row.try_get(3).map_err(fail)?,
        is_replica: row.try_get(4).map_err(fail)?,
        is_read_only: row.try_get(5).map_err(fail)?,
    })
}

fn check(database: &str, found: &Found) -> Result<()> {
    if found.encoding != "UTF8" {
        let reason = format!(
            "is encoded in {}, which lacks characters; create one with `createdb --encoding UTF8 --template template0`",
            found.encoding
        );
        return Err(unusable(database, &reason));
    }
    if !found.has_schema {
        return Err(unusable(
            database,
            "has no schema on its search_path; create the schema, or set the path",
        ));
    }
    if found.is_foreign {
        let reason =
            "has a table `system_job` of another program; give the host a database, or a schema, of its own";
        return Err(unusable(database, reason));
    }
    if let Some(version) = found.version.filter(|version| *version > VERSION) {
        return Err(unusable(
            database,
            &format!(
                "was written by a newer version of the host (its tables are of version {version}, this host knows \
                 {VERSION}); use that version, or restore a backup from before"
            ),
        ));
    }
    Ok(())
}

fn check_writable(database: &str, found: &Found) -> Result<()> {
    if found.is_replica {
        return Err(unusable(database, "is a replica that only reads; give the host the primary's address"));
    }
    if found.is_read_only {
        let reason =
            "is read-only by its default_transaction_read_only; turn that off for it, or for the host's user";
        return Err(unusable(database, reason));
    }
    Ok(())
}

/// All that is missing, in one transaction. The primary key of the first table decides between hosts that do it at once.
async fn migrate_from(connection: &Connection, version: i32) -> Driven<()> {
    let mut script = String::from("BEGIN;");
    let known = usize::try_from(version).unwrap_or_default();
    if known > 0 {
        script.push_str("LOCK TABLE stagegate_migration IN EXCLUSIVE MODE;");
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(known) {
        script.push_str(migration);
        script.push_str(&format!("INSERT INTO stagegate_migration (version) VALUES ({});", index + 1));
    }
    script.push_str("COMMIT");
    connection.batch(&script).await
}

fn unusable(database: &str, reason: &str) -> Error {
    Error::new(ErrorKind::UnusableDatabase, format!("the database `{database}` {reason}"))
}
