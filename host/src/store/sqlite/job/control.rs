//! What operators do to jobs and steps, and what keeps the jobs of a key in order.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use uuid::Uuid;

use super::status;
use crate::model::error::Result;
use crate::model::job::{
    CRASHES_MAX, Control, Controlled, Place, Standing, Suspension, crashed, is_not_over, is_superseded,
    superseded, unknown,
};
use crate::model::{DateTime, JobState, JobStatus, code};
use crate::store::PausedStep;
use crate::store::sqlite::error::failed;

const STANDING: &str =
    "SELECT status, suspension, postpone_until, order_key, unique_key, blocked FROM system_job WHERE id = ?1";

/// A job that goes on is as innocent as a new one, and one that is run again from its end has all its retries.
const MOVE: &str = "UPDATE system_job
     SET state = ?2, status = ?3, suspension = ?4, postpone_until = ?5, completed_on = ?6, modified_on = ?7,
         blocked = ?8, version = version + 1,
         run_at = CASE ?2 WHEN 0 THEN ?7 ELSE run_at END,
         crash_count = CASE ?2 WHEN 0 THEN 0 ELSE crash_count END,
         retries = CASE ?2 WHEN 0 THEN 0 ELSE retries END
     WHERE id = ?1";

const SUPERSEDE: &str = "UPDATE system_job
     SET state = 3, status = 32, suspension = NULL, postpone_until = NULL, blocked = 0, worker_id = NULL, completed_on = ?2,
         modified_on = ?2, error_code = ?3, error_text = ?4, version = version + 1
     WHERE id = ?1 RETURNING order_key";

const NEWER: &str = "SELECT id FROM system_job WHERE unique_key = ?1 AND state < 2";

/// Whether another job of the key stands where it may run.
const HAS_HEAD: &str = "SELECT EXISTS (SELECT 1 FROM system_job
     WHERE order_key = ?1 AND order_key IS NOT NULL AND state <> 3 AND blocked = 0)";

/// The first of a key moves up, unless another has its place.
const NEXT_IN_ORDER: &str = "UPDATE system_job SET blocked = 0
     WHERE sequence = (SELECT min(sequence) FROM system_job
         WHERE order_key = ?1 AND order_key IS NOT NULL AND state <> 3)
     AND NOT EXISTS (SELECT 1 FROM system_job
         WHERE order_key = ?1 AND order_key IS NOT NULL AND state <> 3 AND blocked = 0)";

/// A job goes behind those that are waiting: one that kills its host must not be the first to run again.
const RECOVER: &str = "UPDATE system_job
     SET crash_count = crash_count + 1, worker_id = NULL, modified_on = ?2, version = version + 1,
         state = CASE WHEN status = 22 THEN 3 WHEN status = 21 OR crash_count + 1 >= ?3 THEN 1 ELSE 0 END,
         status = CASE WHEN status = 22 THEN 32 WHEN status = 21 OR crash_count + 1 >= ?3 THEN 10 ELSE 0 END,
         suspension = CASE WHEN status = 22 THEN NULL
             WHEN status = 21 THEN CASE WHEN postpone_until IS NULL THEN ?5 ELSE ?6 END
             WHEN crash_count + 1 >= ?3 THEN ?4 END,
         completed_on = CASE WHEN status = 22 THEN ?2 END,
         run_at = max(run_at, ?2),
         error_code = CASE WHEN crash_count + 1 >= ?3 THEN ?7 ELSE error_code END,
         error_text = CASE WHEN crash_count + 1 >= ?3 THEN ?8 ELSE error_text END
     WHERE state = 2 AND worker_id IS NOT ?1 RETURNING order_key, unique_key, id, state";

const PRUNE: &str = "DELETE FROM system_job WHERE sequence IN (
     SELECT sequence FROM system_job WHERE state = 3 AND completed_on < ?1 AND status <> 31
     ORDER BY completed_on LIMIT ?2)";

/// For the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 8] =
    [STANDING, MOVE, SUPERSEDE, NEWER, HAS_HEAD, NEXT_IN_ORDER, RECOVER, PRUNE];

pub(in crate::store::sqlite) fn control(
    connection: &Connection,
    ids: &[Uuid],
    control: Control,
    now: DateTime,
) -> Result<Vec<Controlled>> {
    let mut controlled = Vec::with_capacity(ids.len());
    for id in ids {
        let result = match find(connection, *id)? {
            None => Err(unknown(*id)),
            Some(Found { standing, keys, blocked }) => match control.apply(*id, standing) {
                Err(error) => Err(error),
                Ok(None) => Ok(standing.status),
                Ok(Some(place)) => move_to(connection, *id, (standing, place), (keys, blocked), now)?,
            },
        };
        controlled.push(Controlled { id: *id, result });
    }
    Ok(controlled)
}

/// Moves a job, with what that means for the other jobs of its keys. The inner error is for the job alone.
fn move_to(
    connection: &Connection,
    id: Uuid,
    (from, to): (Standing, Place),
    (Keys { order_key, unique_key }, blocked): (Keys, bool),
    now: DateTime,
) -> Result<Result<JobStatus>> {
    let state = to.status.state();
    let mut blocked = blocked && state != JobState::Completed;
    if from.status.state() == JobState::Completed {
        if let Some(newer) = superseded_by(connection, unique_key.as_deref())? {
            return Ok(Err(is_superseded(id, newer)));
        }
        blocked = has_head(connection, order_key.as_deref())?;
    }
    let row: [&dyn ToSql; 8] = [
        &id.as_bytes(),
        &state.number(),
        &to.status.number(),
        &to.suspension.map(Suspension::number),
        &to.postpone_until.map(|moment| moment.0),
        &(state == JobState::Completed).then_some(now.0),
        &now.0,
        &blocked,
    ];
    connection
        .prepare_cached(MOVE)
        .and_then(|mut statement| statement.execute(row.as_slice()))
        .map_err(|error| failed(connection, &format!("change the system job {id}"), error))?;
    if state == JobState::Completed {
        next_in_order(connection, order_key.as_deref())?;
    }
    Ok(Ok(to.status))
}

/// A job, as far as its moves depend on it.
struct Found {
    standing: Standing,
    keys: Keys,
    /// Whether it waits behind another of its order.
    blocked: bool,
}

struct Keys {
    order_key: Option<String>,
    unique_key: Option<String>,
}

fn find(connection: &Connection, id: Uuid) -> Result<Option<Found>> {
    let read = |row: &Row<'_>| {
        let standing = Standing {
            status: status(row, 0)?,
            suspension: row.get::<_, Option<i32>>(1)?.and_then(Suspension::from_number),
            postpone_until: row.get::<_, Option<i64>>(2)?.map(DateTime),
        };
        let keys = Keys { order_key: row.get(3)?, unique_key: row.get(4)? };
        Ok(Found { standing, keys, blocked: row.get(5)? })
    };
    connection
        .prepare_cached(STANDING)
        .and_then(|mut statement| statement.query_row([id.as_bytes()], read).optional())
        .map_err(|error| failed(connection, &format!("read the system job {id}"), error))
}

fn has_head(connection: &Connection, order_key: Option<&str>) -> Result<bool> {
    let Some(key) = order_key else { return Ok(false) };
    connection
        .prepare_cached(HAS_HEAD)
        .and_then(|mut statement| statement.query_row([key], |row| row.get(0)))
        .map_err(|error| failed(connection, "read the order of system jobs", error))
}

/// Lets the first job of a key move up, after one of them is over.
pub(super) fn next_in_order(connection: &Connection, order_key: Option<&str>) -> Result<()> {
    let Some(key) = order_key else { return Ok(()) };
    connection
        .prepare_cached(NEXT_IN_ORDER)
        .and_then(|mut statement| statement.execute([key]))
        .map(drop)
        .map_err(|error| failed(connection, "keep the order of system jobs", error))
}

/// The job that waits with that unique key.
pub(super) fn superseded_by(connection: &Connection, unique_key: Option<&str>) -> Result<Option<Uuid>> {
    let Some(key) = unique_key else { return Ok(None) };
    connection
        .prepare_cached(NEWER)
        .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
        .map(|id| id.map(Uuid::from_bytes))
        .map_err(|error| failed(connection, "read the unique keys of system jobs", error))
}

/// Calls off a job that waits, since a newer one takes its place.
pub(super) fn supersede(connection: &Connection, id: Uuid, newer: Uuid, now: DateTime) -> Result<()> {
    let row = (id.as_bytes(), now.0, code::CANNOT_CANCEL_JOB, superseded(newer));
    let order_key: Option<String> = connection
        .prepare_cached(SUPERSEDE)
        .and_then(|mut statement| statement.query_row(row, |row| row.get(0)))
        .map_err(|error| failed(connection, &format!("cancel the system job {id}"), error))?;
    next_in_order(connection, order_key.as_deref())
}

pub(in crate::store::sqlite) fn delete(connection: &Connection, ids: &[Uuid]) -> Result<Vec<Controlled>> {
    let mut deleted = Vec::with_capacity(ids.len());
    for id in ids {
        let result = match find(connection, *id)? {
            None => Err(unknown(*id)),
            Some(Found { standing, .. }) if standing.status.state() != JobState::Completed => {
                Err(is_not_over(*id, standing.status))
            }
            Some(Found { standing, .. }) => connection
                .execute("DELETE FROM system_job WHERE id = ?1", [id.as_bytes()])
                .map(|_| Ok(standing.status))
                .map_err(|error| failed(connection, &format!("delete the system job {id}"), error))?,
        };
        deleted.push(Controlled { id: *id, result });
    }
    Ok(deleted)
}

pub(in crate::store::sqlite) fn recover(connection: &Connection, worker: Uuid, now: DateTime) -> Result<u64> {
    let fail = |error| failed(connection, "recover system jobs", error);
    let row: [&dyn ToSql; 8] = [
        &worker.as_bytes(),
        &now.0,
        &CRASHES_MAX,
        &Suspension::Crashed.number(),
        &Suspension::Paused.number(),
        &Suspension::Postponed.number(),
        &code::WORKER_NOT_AVAILABLE,
        &crashed(),
    ];
    // One that is unique and has a newer one behind it cannot go back to waiting.
    let mut superseded = Vec::new();
    {
        let sql = "SELECT old.id, new.id FROM system_job AS old JOIN system_job AS new
             ON new.unique_key = old.unique_key AND new.state < 2
             WHERE old.state = 2 AND old.worker_id IS NOT ?1 AND old.unique_key IS NOT NULL";
        let mut statement = connection.prepare_cached(sql).map_err(fail)?;
        let read = |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), Uuid::from_bytes(row.get(1)?)));
        for pair in statement.query_map([worker.as_bytes()], read).map_err(fail)? {
            superseded.push(pair.map_err(fail)?);
        }
    }
    for (old, new) in &superseded {
        supersede(connection, *old, *new, now)?;
    }
    let mut statement = connection.prepare_cached(RECOVER).map_err(fail)?;
    let keys: rusqlite::Result<Vec<(Option<String>, i32)>> =
        statement.query_map(row.as_slice(), |row| Ok((row.get(0)?, row.get(3)?))).and_then(Iterator::collect);
    let keys = keys.map_err(fail)?;
    for (order_key, state) in &keys {
        if *state == JobState::Completed.number() {
            next_in_order(connection, order_key.as_deref())?;
        }
    }
    Ok((keys.len() + superseded.len()) as u64)
}

pub(in crate::store::sqlite) fn prune(connection: &Connection, before: DateTime, limit: u32) -> Result<u64> {
    connection
        .prepare_cached(PRUNE)
        .and_then(|mut statement| statement.execute((before.0, limit)))
        .map(|count| count as u64)
        .map_err(|error| failed(connection, "delete old system jobs", error))
}

pub(in crate::store::sqlite) fn pause_step(
    connection: &Connection,
    step: &PausedStep,
    paused: bool,
    now: DateTime,
) -> Result<bool> {
    let result = if paused {
        connection.execute(
            "INSERT INTO paused_step (plugin, step, paused_on) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            (&step.plugin, step.step_text(), now.0),
        )
    } else {
        connection.execute(
            "DELETE FROM paused_step WHERE plugin = ?1 AND step = ?2",
            (&step.plugin, step.step_text()),
        )
    };
    let what = format!("pause or resume the steps of `{}`", step.plugin);
    result.map(|count| count == 1).map_err(|error| failed(connection, &what, error))
}

pub(in crate::store::sqlite) fn paused_steps(connection: &Connection) -> Result<Vec<PausedStep>> {
    let read = |row: &Row<'_>| {
        let step: String = row.get(1)?;
        Ok(PausedStep { plugin: row.get(0)?, step: Some(step).filter(|step| !step.is_empty()) })
    };
    connection
        .prepare_cached("SELECT plugin, step FROM paused_step ORDER BY plugin, step")
        .and_then(|mut statement| statement.query_map([], read)?.collect())
        .map_err(|error| failed(connection, "read which steps are paused", error))
}
