//! What operators do to jobs and steps, and what becomes of the jobs of hosts that died.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::keys::{KeyKind, has_head, lock_keys, next_in_order, superseded_by};
use super::row::{status, stored};
use super::settle::{RENEW, milliseconds};
use super::{Jobs, is};
use crate::model::error::Result;
use crate::model::job::{
    CRASHES_MAX, Control, Controlled, Place, Standing, Suspension, crashed, is_not_over, is_superseded,
    superseded, unknown,
};
use crate::model::{DateTime, JobState, JobStatus, code};
use crate::store::PausedStep;
use crate::store::postgres::connection::Connection;
use crate::store::postgres::session::PostgresTransaction;
use crate::store::postgres::value::Moment;

/// Locked in the order of their identifiers.
const STANDING: &str = "SELECT id, status, suspension, postpone_until, order_key, unique_key, blocked
     FROM system_job WHERE id = ANY($1) ORDER BY id FOR UPDATE";

/// A job that goes on is as innocent as a new one, and one that is run again from its end has all its retries.
const MOVE: &str = "UPDATE system_job
     SET state = $2, status = $3, suspension = $4, postpone_until = $5, completed_on = $6, modified_on = $7,
         blocked = $8, version = version + 1,
         run_at = CASE $3 WHEN 0 THEN $7 ELSE run_at END,
         crash_count = CASE $3 WHEN 0 THEN 0 ELSE crash_count END,
         retries = CASE $3 WHEN 0 THEN 0 ELSE retries END
     WHERE id = $1";

const SUPERSEDE: &str = "UPDATE system_job
     SET state = 3, status = 32, suspension = NULL, postpone_until = NULL, blocked = false, worker_id = NULL,
         completed_on = $2, modified_on = $2, error_code = $3, error_text = $4, version = version + 1
     WHERE id = $1 RETURNING order_key";

const DELETE: &str = "DELETE FROM system_job WHERE id = ANY($1) AND state = 3";

/// Hosts whose lease is over. Each is taken over by one other.
pub(super) const DEAD: &str =
    "SELECT id FROM worker WHERE lease_until < clock_timestamp() AND id <> $1 FOR UPDATE SKIP LOCKED";

const BURY: &str = "DELETE FROM worker WHERE id = ANY($1)";

const ORPHANS: &str = "SELECT id, order_key, unique_key FROM system_job
     WHERE sequence = ANY(ARRAY(SELECT unnest(held) FROM worker WHERE id = ANY($1))) AND worker_id = ANY($1)
     ORDER BY id FOR UPDATE";

/// One that is unique and has a newer one behind it cannot go back to waiting.
const ORPHANS_SUPERSEDED: &str = "SELECT old.id, new.id FROM system_job AS old JOIN system_job AS new
     ON new.waiting_key = old.unique_key
     WHERE old.id = ANY($1) AND old.unique_key IS NOT NULL";

/// A job goes behind those that are waiting: one that kills its host must not be the first to run again.
const RECOVER: &str = "UPDATE system_job
     SET crash_count = crash_count + 1, worker_id = NULL, modified_on = $2, version = version + 1,
         state = CASE WHEN status = 22 THEN 3 WHEN status = 21 OR crash_count + 1 >= $3 THEN 1 ELSE 0 END,
         status = CASE WHEN status = 22 THEN 32 WHEN status = 21 OR crash_count + 1 >= $3 THEN 10 ELSE 0 END,
         suspension = CASE WHEN status = 22 THEN NULL
             WHEN status = 21 THEN CASE WHEN postpone_until IS NULL THEN $5 ELSE $6 END
             WHEN crash_count + 1 >= $3 THEN $4 END,
         completed_on = CASE WHEN status = 22 THEN $2 END,
         run_at = greatest(run_at, $2),
         error_code = CASE WHEN crash_count + 1 >= $3 THEN $7 ELSE error_code END,
         error_text = CASE WHEN crash_count + 1 >= $3 THEN $8 ELSE error_text END
     WHERE id = ANY($1) AND worker_id IS NOT NULL RETURNING order_key, state";

const PRUNE: &str = "DELETE FROM system_job WHERE sequence = ANY(ARRAY(
     SELECT sequence FROM system_job WHERE state = 3 AND completed_on < $1 AND status <> 31
     ORDER BY completed_on LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// A job, as far as its moves depend on it.
struct Found {
    standing: Standing,
    order_key: Option<String>,
    unique_key: Option<String>,
    /// Whether it waits behind another of its order.
    blocked: bool,
}

pub(in crate::store::postgres) async fn control(
    transaction: &PostgresTransaction,
    connection: &Connection,
    ids: &[Uuid],
    control: Control,
    now: DateTime,
) -> Result<Vec<Controlled>> {
    let cx = Jobs::new(transaction, connection, "change system jobs");
    let mut jobs = find(cx, ids).await?;
    let mut controlled = Vec::with_capacity(ids.len());
    for id in ids {
        let result = match jobs.get_mut(id) {
            None => Err(unknown(*id)),
            Some(found) => match control.apply(*id, found.standing) {
                Err(error) => Err(error),
                Ok(None) => Ok(found.standing.status),
                Ok(Some(place)) => move_to(cx, *id, found, place, now).await?,
            },
        };
        controlled.push(Controlled { id: *id, result });
    }
    Ok(controlled)
}

/// The jobs, kept from being moved by others, and their keys too.
async fn find(cx: Jobs<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, Found>> {
    let mut found = HashMap::with_capacity(ids.len());
    for row in cx.rows(STANDING, &[is(&ids, Type::UUID_ARRAY)]).await? {
        let standing = Standing {
            status: status(cx, &row, 1)?,
            suspension: cx.get::<Option<i32>>(&row, 2)?.and_then(Suspension::from_number),
            postpone_until: cx.get::<Option<Moment>>(&row, 3)?.map(|moment| moment.0),
        };
        let (order_key, unique_key) = (cx.get(&row, 4)?, cx.get(&row, 5)?);
        found.insert(cx.get(&row, 0)?, Found { standing, order_key, unique_key, blocked: cx.get(&row, 6)? });
    }
    let orders = found.values().filter_map(|job| job.order_key.as_deref().map(|key| (KeyKind::Order, key)));
    let uniques =
        found.values().filter_map(|job| job.unique_key.as_deref().map(|key| (KeyKind::Unique, key)));
    lock_keys(cx, orders.chain(uniques)).await?;
    Ok(found)
}

/// Moves a job, with what that means for the other jobs of its keys. The inner error is for the job alone.
async fn move_to(
    cx: Jobs<'_>,
    id: Uuid,
    found: &mut Found,
    to: Place,
    now: DateTime,
) -> Result<Result<JobStatus>> {
    let state = to.status.state();
    let mut blocked = found.blocked && state != JobState::Completed;
    if found.standing.status.state() == JobState::Completed {
        if let Some(newer) = superseded_by(cx, found.unique_key.as_deref()).await? {
            return Ok(Err(is_superseded(id, newer)));
        }
        blocked = has_head(cx, found.order_key.as_deref()).await?;
    }
    let (state_number, status_number) = (stored(state), to.status.number());
    let suspension = to.suspension.map(Suspension::number);
    let postpone_until = to.postpone_until.map(Moment);
    let completed_on = (state == JobState::Completed).then_some(Moment(now));
    let now = Moment(now);
    let row = [
        is(&id, Type::UUID),
        is(&state_number, Type::INT4),
        is(&status_number, Type::INT4),
        is(&suspension, Type::INT4),
        is(&postpone_until, Type::TIMESTAMPTZ),
        is(&completed_on, Type::TIMESTAMPTZ),
        is(&now, Type::TIMESTAMPTZ),
        is(&blocked, Type::BOOL),
    ];
    cx.rows(MOVE, &row).await?;
    if state == JobState::Completed {
        next_in_order(cx, found.order_key.as_slice()).await?;
    }
    // As a second mention of it finds it.
    let Place { status, suspension, postpone_until } = to;
    found.standing = Standing { status, suspension, postpone_until };
    found.blocked = blocked;
    Ok(Ok(to.status))
}

/// Calls off a job that waits, since a newer one takes its place.
pub(super) async fn supersede(cx: Jobs<'_>, id: Uuid, newer: Uuid, now: DateTime) -> Result<()> {
    let (now, code, why) = (Moment(now), code::CANNOT_CANCEL_JOB, superseded(newer));
    let row = [is(&id, Type::UUID), is(&now, Type::TIMESTAMPTZ), is(&code, Type::INT4), is(&why, Type::TEXT)];
    let mut keys = Vec::new();
    for row in cx.rows(SUPERSEDE, &row).await? {
        keys.extend(cx.get::<Option<String>>(&row, 0)?);
    }
    next_in_order(cx, &keys).await
}

pub(in crate::store::postgres) async fn delete(
    transaction: &PostgresTransaction,
    connection: &Connection,
    ids: &[Uuid],
) -> Result<Vec<Controlled>> {
    let cx = Jobs::new(transaction, connection, "delete system jobs");
    let mut jobs = find(cx, ids).await?;
    let deleted = ids.iter().map(|id| {
        let result = match jobs.remove(id) {
            None => Err(unknown(*id)),
            Some(found) if found.standing.status.state() != JobState::Completed => {
                let status = found.standing.status;
                jobs.insert(*id, found);
                Err(is_not_over(*id, status))
            }
            Some(found) => Ok(found.standing.status),
        };
        Controlled { id: *id, result }
    });
    let deleted: Vec<Controlled> = deleted.collect();
    cx.rows(DELETE, &[is(&ids, Type::UUID_ARRAY)]).await?;
    Ok(deleted)
}

/// Takes over what hosts hold that are gone, at the start of a host.
pub(in crate::store::postgres) async fn recover(
    transaction: &PostgresTransaction,
    connection: &Connection,
    worker: Uuid,
    now: DateTime,
    lease: Duration,
) -> Result<u64> {
    let cx = Jobs::new(transaction, connection, "recover system jobs");
    let (host, lease) = (String::new(), milliseconds(lease));
    let renew = [is(&worker, Type::UUID), is(&host, Type::TEXT), is(&lease, Type::FLOAT8)];
    cx.rows(RENEW, &renew).await?;
    let dead = cx.rows(DEAD, &[is(&worker, Type::UUID)]).await?;
    let dead: Vec<Uuid> = dead.iter().map(|row| cx.get(row, 0)).collect::<Result<_>>()?;
    take_over(cx, &dead, now).await
}

/// Hands back what hosts hold whose lease is over, and returns how many jobs.
pub(super) async fn take_over(cx: Jobs<'_>, workers: &[Uuid], now: DateTime) -> Result<u64> {
    if workers.is_empty() {
        return Ok(0);
    }
    let of_them = is(&workers, Type::UUID_ARRAY);
    let orphans = cx.rows(ORPHANS, std::slice::from_ref(&of_them)).await?;
    let (mut ids, mut keys): (Vec<Uuid>, Vec<(KeyKind, &str)>) =
        (Vec::with_capacity(orphans.len()), Vec::new());
    for row in &orphans {
        ids.push(cx.get(row, 0)?);
        keys.extend(cx.get::<Option<&str>>(row, 1)?.map(|key| (KeyKind::Order, key)));
        keys.extend(cx.get::<Option<&str>>(row, 2)?.map(|key| (KeyKind::Unique, key)));
    }
    lock_keys(cx, keys).await?;
    let these = is(&ids, Type::UUID_ARRAY);
    for row in cx.rows(ORPHANS_SUPERSEDED, std::slice::from_ref(&these)).await? {
        supersede(cx, cx.get(&row, 0)?, cx.get(&row, 1)?, now).await?;
    }
    let (now, why) = (Moment(now), crashed());
    let (crashed, paused, postponed) =
        (Suspension::Crashed.number(), Suspension::Paused.number(), Suspension::Postponed.number());
    let most = i64::from(CRASHES_MAX);
    let row = [
        these,
        is(&now, Type::TIMESTAMPTZ),
        is(&most, Type::INT8),
        is(&crashed, Type::INT4),
        is(&paused, Type::INT4),
        is(&postponed, Type::INT4),
        is(&code::WORKER_NOT_AVAILABLE, Type::INT4),
        is(&why, Type::TEXT),
    ];
    let mut ended = Vec::new();
    for row in cx.rows(RECOVER, &row).await? {
        if cx.get::<i32>(&row, 1)? == JobState::Completed.number() {
            ended.extend(cx.get::<Option<String>>(&row, 0)?);
        }
    }
    next_in_order(cx, &ended).await?;
    cx.rows(BURY, &[of_them]).await?;
    Ok(orphans.len() as u64)
}

pub(in crate::store::postgres) async fn prune(
    transaction: &PostgresTransaction,
    connection: &Connection,
    before: DateTime,
    limit: u32,
) -> Result<u64> {
    let cx = Jobs::new(transaction, connection, "delete old system jobs");
    let (before, limit) = (Moment(before), i64::from(limit));
    cx.count(PRUNE, &[is(&before, Type::TIMESTAMPTZ), is(&limit, Type::INT8)]).await
}

pub(in crate::store::postgres) async fn pause_step(
    transaction: &PostgresTransaction,
    connection: &Connection,
    step: &PausedStep,
    paused: bool,
    now: DateTime,
) -> Result<bool> {
    let what = format!("pause or resume the steps of `{}`", step.plugin);
    let cx = Jobs::new(transaction, connection, &what);
    let (name, now) = (step.text(), Moment(now));
    let key = [is(&step.plugin, Type::TEXT), is(&name, Type::TEXT)];
    let count = if paused {
        let sql =
            "INSERT INTO paused_step (plugin, step, paused_on) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let [plugin, step] = key;
        cx.count(sql, &[plugin, step, is(&now, Type::TIMESTAMPTZ)]).await?
    } else {
        cx.count("DELETE FROM paused_step WHERE plugin = $1 AND step = $2", &key).await?
    };
    // Hosts look at their jobs, and at what has become free.
    transaction.note(|wrote| {
        wrote.jobs = !paused;
        wrote.control = paused;
    });
    Ok(count == 1)
}

pub(in crate::store::postgres) async fn paused_steps(
    transaction: &PostgresTransaction,
    connection: &Connection,
) -> Result<Vec<PausedStep>> {
    let cx = Jobs::new(transaction, connection, "read which steps are paused");
    let paused = |row: &Row| {
        let step: String = cx.get(row, 1)?;
        Ok(PausedStep { plugin: cx.get(row, 0)?, step: Some(step).filter(|step| !step.is_empty()) })
    };
    cx.read("SELECT plugin, step FROM paused_step ORDER BY plugin, step", &[])
        .await?
        .iter()
        .map(paused)
        .collect()
}
