//! Settlements: what becomes of the jobs whose attempts have ended.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::{join_all, join3};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::control::DEAD;
use super::held::Held;
use super::keys::{KeyKind, lock_keys, next_in_order, superseded_by};
use super::row::{lines, microseconds, signed, status, text};
use super::{Jobs, is};
use crate::model::error::Result;
use crate::model::job::{JobError, Outcome, Place, Settlement, Suspension, superseded};
use crate::model::{DateTime, JobState, JobStatus, code};
use crate::store::Exchange;
use crate::store::postgres::connection::{Bound, Driven};
use crate::store::postgres::session::types;
use crate::store::postgres::value::Moment;

/// Says that a host lives, and returns whether its lease was over, or taken from it; by the database's clock.
pub(super) const RENEW: &str = "WITH old AS (SELECT lease_until < clock_timestamp() AS over FROM worker WHERE id = $1)
     INSERT INTO worker (id, host, lease_until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
     ON CONFLICT (id) DO UPDATE SET host = excluded.host, lease_until = excluded.lease_until
     RETURNING coalesce((SELECT over FROM old), true)";

/// Nearly every job ends like this, and its end depends on nothing: one statement for all of them.
const SUCCEED: &str = "UPDATE system_job AS job
     SET state = 3, status = 30, completed_on = done.ended_on, modified_on = done.ended_on, worker_id = NULL,
         postpone_until = NULL, error_code = NULL, error_text = NULL, trace = done.trace, checkpoint = NULL,
         execution_us = job.execution_us + done.execution_us,
         memory_bytes = greatest(job.memory_bytes, done.memory_bytes), version = version + 1
     FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::timestamptz[], $5::text[], $6::int8[], $7::int8[])
         AS done (id, attempt, worker_id, ended_on, trace, execution_us, memory_bytes)
     WHERE job.id = done.id AND job.attempt = done.attempt AND job.worker_id = done.worker_id
     RETURNING job.id, job.order_key, job.sequence";

const SUCCEED_AND_GO: &str = "DELETE FROM system_job AS job
     USING unnest($1::uuid[], $2::int8[], $3::uuid[]) AS done (id, attempt, worker_id)
     WHERE job.id = done.id AND job.attempt = done.attempt AND job.worker_id = done.worker_id
     RETURNING job.id, job.order_key, job.sequence";

/// Those that ended otherwise, kept from being moved by operators.
const LOCKED: &str =
    "SELECT id, attempt, status, postpone_until, order_key, unique_key, worker_id, sequence FROM system_job
     WHERE id = ANY($1) AND worker_id IS NOT NULL ORDER BY id FOR UPDATE";

const SETTLE: &str = "UPDATE system_job
     SET state = $2, status = $3, suspension = $4, postpone_until = $5, completed_on = $6, modified_on = $7,
         worker_id = NULL, error_code = $8, error_text = $9, trace = $10, execution_us = execution_us + $11,
         memory_bytes = greatest(memory_bytes, $12), version = version + 1,
         retries = CASE WHEN $15 THEN 0 ELSE retries + $13 END,
         run_at = CASE WHEN $14 THEN $7 ELSE run_at END, attempt = attempt - $16
     WHERE id = $1";

const OWN: &str = "SELECT id, attempt FROM system_job
     WHERE sequence = ANY(ARRAY(SELECT unnest(held) FROM worker WHERE id = $1)) AND worker_id = $1";

/// Of what the worker is noted to hold, what it does hold.
const KEEP: &str = "UPDATE worker SET held = ARRAY(
         SELECT sequence FROM system_job AS job
         WHERE sequence = ANY(worker.held) AND worker_id = worker.id)
     WHERE id = $1 RETURNING held";

/// What came of the first half of an exchange.
pub(super) struct Settled {
    /// Whether the worker's lease had run out.
    pub(super) lapsed: bool,
    /// Hosts whose lease is over.
    pub(super) dead: Vec<Uuid>,
    /// The jobs whose settlement counted, in the order in which they ended.
    pub(super) jobs: Vec<Uuid>,
    /// Their sequences.
    pub(super) let_go: Vec<i64>,
}

/// Renews the lease, ends the attempts, and looks for hosts that have died.
pub(super) async fn settle(cx: Jobs<'_>, exchange: &Exchange, lease: Duration) -> Result<Settled> {
    let (succeeded, others): (Vec<&Settlement>, Vec<&Settlement>) =
        exchange.settlements.iter().partition(|settlement| settlement.outcome == Outcome::Succeeded);
    let Succeeded { lapsed, dead, jobs: mut settled, order_keys } =
        renew_and_succeed(cx, exchange, lease, &succeeded).await?;
    next_in_order(cx, &order_keys).await?;
    settled.extend(end(cx, &others).await?);
    let in_order = exchange.settlements.iter().filter_map(|settlement| settled.remove_entry(&settlement.id));
    let (jobs, let_go) = in_order.unzip();
    Ok(Settled { lapsed, dead, jobs, let_go })
}

struct Succeeded {
    lapsed: bool,
    dead: Vec<Uuid>,
    /// With their sequences.
    jobs: HashMap<Uuid, i64>,
    order_keys: Vec<String>,
}

/// Successes as the statements take them: a column each.
struct Successes {
    ids: Vec<Uuid>,
    attempts: Vec<i64>,
    workers: Vec<Uuid>,
    ended: Vec<Moment>,
    traces: Vec<Option<String>>,
    times: Vec<i64>,
    memory: Vec<i64>,
}

impl Successes {
    fn of(settlements: &[&Settlement]) -> Self {
        Self {
            ids: settlements.iter().map(|done| done.id).collect(),
            attempts: settlements.iter().map(|done| i64::from(done.attempt)).collect(),
            workers: settlements.iter().map(|done| done.worker).collect(),
            ended: settlements.iter().map(|done| Moment(done.ended_on)).collect(),
            traces: settlements.iter().map(|done| lines(&done.trace)).collect(),
            times: settlements.iter().map(|done| microseconds(done.execution_time)).collect(),
            memory: settlements.iter().map(|done| signed(done.memory_bytes)).collect(),
        }
    }

    /// For [`SUCCEED_AND_GO`].
    fn which(&self) -> Vec<Bound<'_>> {
        vec![
            is(&self.ids, Type::UUID_ARRAY),
            is(&self.attempts, Type::INT8_ARRAY),
            is(&self.workers, Type::UUID_ARRAY),
        ]
    }

    /// For [`SUCCEED`].
    fn all(&self) -> Vec<Bound<'_>> {
        let mut columns = self.which();
        columns.extend([
            is(&self.ended, Type::TIMESTAMPTZ_ARRAY),
            is(&self.traces, Type::TEXT_ARRAY),
            is(&self.times, Type::INT8_ARRAY),
            is(&self.memory, Type::INT8_ARRAY),
        ]);
        columns
    }
}

async fn renew_and_succeed(
    cx: Jobs<'_>,
    exchange: &Exchange,
    lease: Duration,
    succeeded: &[&Settlement],
) -> Result<Succeeded> {
    let lease = milliseconds(lease);
    let (going, staying): (Vec<&Settlement>, Vec<&Settlement>) =
        succeeded.iter().copied().partition(|done| done.auto_delete);
    let (going, staying) = (Successes::of(&going), Successes::of(&staying));
    let renew = [is(&exchange.worker, Type::UUID), is(&exchange.host, Type::TEXT), is(&lease, Type::FLOAT8)];
    let others = [is(&exchange.worker, Type::UUID)];
    let ends = [(SUCCEED, staying.all()), (SUCCEED_AND_GO, going.which())];
    let some = [!staying.ids.is_empty(), !going.ids.is_empty()];
    let together = async {
        let connection = cx.connection;
        let renewing = connection.ready(RENEW, &types(&renew)).await?;
        let looking = connection.ready(DEAD, &types(&others)).await?;
        let mut ending = Vec::with_capacity(ends.len());
        for ((sql, columns), _) in ends.iter().zip(some).filter(|(_, some)| *some) {
            ending.push((connection.ready(sql, &types(columns)).await?, columns));
        }
        let renewed = cx.transaction.first(connection, connection.send(&renewing, &renew));
        let dead = connection.send(&looking, &others);
        let ended = join_all(ending.iter().map(|(ready, columns)| connection.send(ready, columns)));
        let (renewed, dead, ended) = join3(renewed, dead, ended).await;
        Ok((renewed?, dead?, ended.into_iter().collect::<Driven<Vec<_>>>()?))
    };
    let (renewed, dead, rows) = together.await.map_err(|error| cx.error(error))?;
    let lapsed = renewed.first().map_or(Ok(false), |row| cx.get(row, 0))?;
    let dead = dead.iter().map(|row| cx.get(row, 0)).collect::<Result<_>>()?;
    let (mut jobs, mut order_keys) = (HashMap::with_capacity(succeeded.len()), Vec::new());
    for row in rows.iter().flatten() {
        jobs.insert(cx.get(row, 0)?, cx.get(row, 2)?);
        order_keys.extend(cx.get::<Option<String>>(row, 1)?);
    }
    Ok(Succeeded { lapsed, dead, jobs, order_keys })
}

/// As [`RENEW`] takes it.
pub(super) fn milliseconds(lease: Duration) -> f64 {
    lease.as_secs_f64() * 1e3
}

/// What a job is that its worker has locked.
struct Locked {
    attempt: u32,
    worker: Option<Uuid>,
    status: JobStatus,
    /// The moment that an operator wants it put off to.
    asked: Option<DateTime>,
    order_key: Option<String>,
    unique_key: Option<String>,
    sequence: i64,
}

/// Any other end: what becomes of the job depends on what an operator asked meanwhile. Those that counted, with their
/// sequences.
async fn end(cx: Jobs<'_>, settlements: &[&Settlement]) -> Result<Vec<(Uuid, i64)>> {
    if settlements.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = settlements.iter().map(|settlement| settlement.id).collect();
    let mut locked = locked(cx, &ids).await?;
    let orders = locked.values().filter_map(|job| job.order_key.as_deref().map(|key| (KeyKind::Order, key)));
    let uniques =
        locked.values().filter_map(|job| job.unique_key.as_deref().map(|key| (KeyKind::Unique, key)));
    lock_keys(cx, orders.chain(uniques)).await?;
    let (mut settled, mut ended) = (Vec::with_capacity(settlements.len()), Vec::new());
    for settlement in settlements {
        let is_its =
            |job: &Locked| job.attempt == settlement.attempt && job.worker == Some(settlement.worker);
        if !locked.get(&settlement.id).is_some_and(is_its) {
            continue;
        }
        let Some(job) = locked.remove(&settlement.id) else { continue };
        let mut place = settlement.outcome.settle(job.status, job.asked);
        let mut error = settlement.error.clone();
        if place.status.state() != JobState::Completed
            && let Some(newer) = superseded_by(cx, job.unique_key.as_deref()).await?
        {
            place = Place::completed(JobStatus::Canceled);
            error = Some(JobError { code: code::CANNOT_CANCEL_JOB, message: superseded(newer) });
        }
        write(cx, settlement, place, error.as_ref()).await?;
        if place.status.state() == JobState::Completed {
            ended.extend(job.order_key);
        }
        settled.push((settlement.id, job.sequence));
    }
    next_in_order(cx, &ended).await?;
    Ok(settled)
}

async fn locked(cx: Jobs<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, Locked>> {
    let mut found = HashMap::with_capacity(ids.len());
    for row in cx.rows(LOCKED, &[is(&ids, Type::UUID_ARRAY)]).await? {
        let job = Locked {
            attempt: u32::try_from(cx.get::<i64>(&row, 1)?).unwrap_or_default(),
            worker: cx.get(&row, 6)?,
            status: status(cx, &row, 2)?,
            asked: cx.get::<Option<Moment>>(&row, 3)?.map(|moment| moment.0),
            order_key: cx.get(&row, 4)?,
            unique_key: cx.get(&row, 5)?,
            sequence: cx.get(&row, 7)?,
        };
        found.insert(cx.get(&row, 0)?, job);
    }
    Ok(found)
}

async fn write(cx: Jobs<'_>, settlement: &Settlement, place: Place, error: Option<&JobError>) -> Result<()> {
    let state = place.status.state();
    let is_over = state == JobState::Completed;
    let unclaimed = settlement.outcome == Outcome::Unclaimed;
    let (state, status) = (state.number(), place.status.number());
    let suspension = place.suspension.map(Suspension::number);
    let postpone_until = place.postpone_until.map(Moment);
    let now = Moment(settlement.ended_on);
    let completed_on = is_over.then_some(now);
    let (code, message) = (error.map(|error| error.code), error.map(|error| text(&error.message)));
    let trace = lines(&settlement.trace);
    let time = microseconds(settlement.execution_time);
    let memory = signed(settlement.memory_bytes);
    let retries = i64::from(matches!(settlement.outcome, Outcome::Retry(_)) && !is_over);
    // A job that is handed back keeps its turn.
    let moves = settlement.outcome != Outcome::Released && !unclaimed;
    let recurs = matches!(settlement.outcome, Outcome::Recurs(_));
    let unclaimed = i64::from(unclaimed);
    let row = [
        is(&settlement.id, Type::UUID),
        is(&state, Type::INT4),
        is(&status, Type::INT4),
        is(&suspension, Type::INT4),
        is(&postpone_until, Type::TIMESTAMPTZ),
        is(&completed_on, Type::TIMESTAMPTZ),
        is(&now, Type::TIMESTAMPTZ),
        is(&code, Type::INT4),
        is(&message, Type::TEXT),
        is(&trace, Type::TEXT),
        is(&time, Type::INT8),
        is(&memory, Type::INT8),
        is(&retries, Type::INT8),
        is(&moves, Type::BOOL),
        is(&recurs, Type::BOOL),
        is(&unclaimed, Type::INT8),
    ];
    cx.rows(SETTLE, &row).await.map(drop)
}

/// Hands back what the worker has locked and does not hold, and returns what it holds and has not locked any more.
pub(super) async fn compare(cx: Jobs<'_>, exchange: &Exchange, held: &[Uuid]) -> Result<Vec<Uuid>> {
    let held: HashSet<Uuid> = held.iter().copied().collect();
    let (mut locked, mut others) = (HashSet::new(), Vec::new());
    for row in cx.rows(OWN, &[is(&exchange.worker, Type::UUID)]).await? {
        let (id, attempt): (Uuid, i64) = (cx.get(&row, 0)?, cx.get(&row, 1)?);
        locked.insert(id);
        if !held.contains(&id) {
            let attempt = u32::try_from(attempt).unwrap_or_default();
            let (worker, now) = (exchange.worker, exchange.now);
            others.push(Settlement::new(id, attempt, worker, Outcome::Unclaimed, now));
        }
    }
    end(cx, &others.iter().collect::<Vec<_>>()).await?;
    let settled = |id: &Uuid| exchange.settlements.iter().any(|settlement| settlement.id == *id);
    Ok(held.difference(&locked).filter(|id| !settled(id)).copied().collect())
}

/// What a worker is noted to hold, once the note has nothing else.
pub(super) async fn note(cx: Jobs<'_>, worker: Uuid) -> Result<Held> {
    let rows = cx.rows(KEEP, &[is(&worker, Type::UUID)]).await?;
    rows.first().map_or(Ok(Vec::new()), |row| cx.get(row, 0)).map(Held)
}
