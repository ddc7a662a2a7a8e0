//! Settlements: what becomes of the jobs whose attempts have ended.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use uuid::Uuid;

use super::control::{next_in_order, superseded_by};
use super::{lines, microseconds, signed, status};
use crate::model::error::{Error, Result};
use crate::model::job::{JobError, Outcome, Place, Settlement, Suspension, superseded};
use crate::model::{DateTime, JobState, JobStatus, code};
use crate::store::Exchange;
use crate::store::sqlite::error::failed;

const OTHERS: &str = "SELECT id, attempt FROM system_job
     WHERE state = 2 AND worker_id = ?1 AND id NOT IN (SELECT unhex(value) FROM json_each(?2))";

/// Nearly every job ends like this, and its end depends on nothing: one statement.
const SUCCEED: &str = "UPDATE system_job
     SET state = 3, status = 30, completed_on = ?4, modified_on = ?4, worker_id = NULL, postpone_until = NULL,
         error_code = NULL, error_text = NULL, trace = ?5, checkpoint = NULL,
         execution_us = execution_us + ?6, memory_bytes = max(memory_bytes, ?7), version = version + 1
     WHERE id = ?1 AND attempt = ?2 AND worker_id = ?3 AND state = 2 RETURNING order_key";

const SUCCEED_AND_GO: &str = "DELETE FROM system_job
     WHERE id = ?1 AND attempt = ?2 AND worker_id = ?3 AND state = 2 RETURNING order_key";

const LOCKED: &str = "SELECT status, postpone_until, order_key, unique_key FROM system_job
     WHERE id = ?1 AND attempt = ?2 AND worker_id = ?3 AND state = 2";

const SETTLE: &str = "UPDATE system_job
     SET state = ?2, status = ?3, suspension = ?4, postpone_until = ?5, completed_on = ?6, modified_on = ?7,
         worker_id = NULL, error_code = ?8, error_text = ?9, trace = ?10, execution_us = execution_us + ?11,
         memory_bytes = max(memory_bytes, ?12), version = version + 1,
         retries = CASE WHEN ?15 THEN 0 ELSE retries + ?13 END,
         run_at = CASE WHEN ?14 THEN ?7 ELSE run_at END, attempt = attempt - ?16
     WHERE id = ?1";

/// For the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 5] = [SUCCEED, SUCCEED_AND_GO, LOCKED, SETTLE, OTHERS];

/// The jobs whose settlement counted.
pub(super) fn settle(connection: &Connection, settlements: &[Settlement]) -> Result<Vec<Uuid>> {
    let mut settled = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        let counts = match settlement.outcome {
            Outcome::Succeeded => succeed(connection, settlement),
            _ => end(connection, settlement),
        };
        if counts? {
            settled.push(settlement.id);
        }
    }
    Ok(settled)
}

/// Hands back what the worker has locked and does not hold.
pub(super) fn hand_back_others(connection: &Connection, exchange: &Exchange, held: &[Uuid]) -> Result<()> {
    let held: Vec<String> = held.iter().map(|id| id.simple().to_string()).collect();
    let read = |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?));
    let others: Vec<(Uuid, u32)> = connection
        .prepare_cached(OTHERS)
        .and_then(|mut statement| {
            statement.query_map((exchange.worker.as_bytes(), super::json(&held)), read)?.collect()
        })
        .map_err(|error| not_settled(connection, error))?;
    for (id, attempt) in others {
        end(connection, &Settlement::new(id, attempt, exchange.worker, Outcome::Unclaimed, exchange.now))?;
    }
    Ok(())
}

fn succeed(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    let fail = |error| not_settled(connection, error);
    let (id, worker) = (settlement.id.as_bytes(), settlement.worker.as_bytes());
    let key = |row: &Row<'_>| row.get::<_, Option<String>>(0);
    let order_key = if settlement.auto_delete {
        let mut statement = connection.prepare_cached(SUCCEED_AND_GO).map_err(fail)?;
        statement.query_row((id, settlement.attempt, worker), key).optional()
    } else {
        let mut statement = connection.prepare_cached(SUCCEED).map_err(fail)?;
        let row = (
            id,
            settlement.attempt,
            worker,
            settlement.ended_on.0,
            lines(&settlement.trace),
            microseconds(settlement.execution_time),
            signed(settlement.memory_bytes),
        );
        statement.query_row(row, key).optional()
    };
    let Some(order_key) = order_key.map_err(fail)? else { return Ok(false) };
    next_in_order(connection, order_key.as_deref())?;
    Ok(true)
}

/// Any other end: what becomes of the job depends on what an operator asked meanwhile.
fn end(connection: &Connection, settlement: &Settlement) -> Result<bool> {
    let fail = |error| not_settled(connection, error);
    let run = (settlement.id.as_bytes(), settlement.attempt, settlement.worker.as_bytes());
    let read = |row: &Row<'_>| {
        let asked = row.get::<_, Option<i64>>(1)?.map(DateTime);
        Ok((status(row, 0)?, asked, row.get::<_, Option<String>>(2)?, row.get::<_, Option<String>>(3)?))
    };
    let mut statement = connection.prepare_cached(LOCKED).map_err(fail)?;
    let Some((status, asked, order_key, unique_key)) =
        statement.query_row(run, read).optional().map_err(fail)?
    else {
        return Ok(false);
    };
    let mut place = settlement.outcome.settle(status, asked);
    let mut error = settlement.error.clone();
    if place.status.state() != JobState::Completed
        && let Some(newer) = superseded_by(connection, unique_key.as_deref())?
    {
        place = Place::completed(JobStatus::Canceled);
        error = Some(JobError { code: code::CANNOT_CANCEL_JOB, message: superseded(newer) });
    }
    write(connection, settlement, place, error.as_ref()).map_err(fail)?;
    if place.status.state() == JobState::Completed {
        next_in_order(connection, order_key.as_deref())?;
    }
    Ok(true)
}

fn write(
    connection: &Connection,
    settlement: &Settlement,
    place: Place,
    error: Option<&JobError>,
) -> rusqlite::Result<()> {
    let state = place.status.state();
    let now = settlement.ended_on.0;
    let is_retry = matches!(settlement.outcome, Outcome::Retry(_)) && state != JobState::Completed;
    let unclaimed = settlement.outcome == Outcome::Unclaimed;
    let row: [&dyn ToSql; 16] = [
        &settlement.id.as_bytes(),
        &state.number(),
        &place.status.number(),
        &place.suspension.map(Suspension::number),
        &place.postpone_until.map(|moment| moment.0),
        &(state == JobState::Completed).then_some(now),
        &now,
        &error.map(|error| error.code),
        &error.map(|error| &error.message),
        &lines(&settlement.trace),
        &microseconds(settlement.execution_time),
        &signed(settlement.memory_bytes),
        &is_retry,
        // A job that is handed back keeps its turn.
        &(settlement.outcome != Outcome::Released && !unclaimed),
        &matches!(settlement.outcome, Outcome::Recurs(_)),
        &unclaimed,
    ];
    connection.prepare_cached(SETTLE)?.execute(row.as_slice()).map(drop)
}

fn not_settled(connection: &Connection, error: rusqlite::Error) -> Error {
    failed(connection, "settle system jobs", error)
}
