//! Rows of the table: jobs in and out.

use std::time::Duration;

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::keys::{KeyKind, lock_keys};
use super::{Jobs, control, is};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{JobError, JobKind, Recurrence, Suspension};
use crate::model::step::StepKey;
use crate::model::{EntityReference, Job, JobState, JobStatus};
use crate::store::postgres::connection::{Bound, Connection};
use crate::store::postgres::error::violated_constraint;
use crate::store::postgres::session::PostgresTransaction;
use crate::store::postgres::value::Moment;

/// The columns of a job that a claim does not know already, in the order in which [`decode_claimed`] reads them.
macro_rules! claimed_columns {
    () => {
        "id, plugin, step, created_on, run_at, message, entity, record_id, owner_id, correlation_id, depth, attempt, \
         crash_count, error_code, error_text, trace, priority, order_key, unique_key, auto_delete, retries, \
         progress::text, execution_us, memory_bytes, operation_type, recurrence, recurrence_start, checkpoint, \
         context, plugin_hash"
    };
}
pub(super) use claimed_columns;

/// The columns of a job, in the order in which [`decode`] reads them.
macro_rules! columns {
    () => {
        concat!(
            $crate::store::postgres::job::row::claimed_columns!(),
            ", status, worker_id, host, started_on, completed_on, suspension, blocked, postpone_until"
        )
    };
}
pub(super) use columns;

/// Many jobs at once, in their order. One whose key another one has that is not over waits behind it; jobs with keys are
/// inserted one by one, after their keys were locked.
const INSERT: &str = "INSERT INTO system_job (
         id, status, state, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt,
         crash_count, worker_id, error_code, error_text, trace, created_on, started_on, completed_on, suspension,
         blocked, priority, postpone_until, order_key, unique_key, auto_delete, retries, host, progress, execution_us,
         memory_bytes, operation_type, recurrence, recurrence_start, checkpoint, context, plugin_hash, modified_on)
     SELECT id, status, state, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt,
         crash_count, worker_id, error_code, error_text, trace, created_on, started_on, completed_on, suspension,
         blocked OR (order_key IS NOT NULL AND EXISTS (
             SELECT 1 FROM system_job AS other WHERE other.order_key = new.order_key AND other.state <> 3)),
         priority, postpone_until, order_key, unique_key, auto_delete, retries, host, progress::jsonb, execution_us,
         memory_bytes, operation_type, recurrence, recurrence_start, checkpoint, context, plugin_hash, created_on
     FROM unnest(
         $1::uuid[], $2::int4[], $3::int4[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
         $9::uuid[], $10::uuid[], $11::uuid[], $12::int8[], $13::int8[], $14::int8[], $15::uuid[], $16::int4[],
         $17::text[], $18::text[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::int4[],
         $23::bool[], $24::int4[], $25::timestamptz[], $26::text[], $27::text[], $28::bool[], $29::int8[], $30::text[],
         $31::text[], $32::int8[], $33::int8[], $34::int4[], $35::text[], $36::timestamptz[], $37::bytea[],
         $38::bytea[], $39::text[]
     ) AS new (
         id, status, state, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt,
         crash_count, worker_id, error_code, error_text, trace, created_on, started_on, completed_on, suspension,
         blocked, priority, postpone_until, order_key, unique_key, auto_delete, retries, host, progress, execution_us,
         memory_bytes, operation_type, recurrence, recurrence_start, checkpoint, context, plugin_hash)";

/// The one job with the unique key that waits. Locked, so that nobody begins it while it is called off.
const WAITING_TWIN: &str = "SELECT id, suspension, run_at, postpone_until FROM system_job
     WHERE waiting_key = $1 FOR UPDATE";

pub(in crate::store::postgres) async fn insert(
    transaction: &PostgresTransaction,
    connection: &Connection,
    jobs: &[Job],
) -> Result<()> {
    let Some(first) = jobs.first() else { return Ok(()) };
    let what = format!("queue the system job of `{}`", first.step);
    let cx = Jobs::new(transaction, connection, &what);
    let orders = jobs.iter().filter_map(|job| job.order_key.as_deref().map(|key| (KeyKind::Order, key)));
    let uniques = jobs.iter().filter_map(|job| job.unique_key.as_deref().map(|key| (KeyKind::Unique, key)));
    lock_keys(cx, orders.chain(uniques)).await?;
    // Those without keys together, in the order given.
    for part in jobs.chunk_by(|one, other| !has_key(one) && !has_key(other)) {
        match part {
            [job] => {
                let taken_over = match &job.unique_key {
                    Some(key) => take_place(cx, job, key).await?,
                    None => None,
                };
                insert_part(cx, std::slice::from_ref(taken_over.as_ref().unwrap_or(job))).await?;
            }
            part => insert_part(cx, part).await?,
        }
    }
    Ok(())
}

fn has_key(job: &Job) -> bool {
    job.order_key.is_some() || job.unique_key.is_some()
}

async fn insert_part(cx: Jobs<'_>, jobs: &[Job]) -> Result<()> {
    macro_rules! each {
        ($job:ident => $value:expr) => {
            jobs.iter().map(|$job| $value).collect::<Vec<_>>()
        };
    }
    let ids = each!(job => job.id);
    let statuses = each!(job => job.status.number());
    let states = each!(job => stored(job.status.state()));
    let run_at = each!(job => Moment(job.run_at));
    let plugins = each!(job => job.step.plugin.as_str());
    let steps = each!(job => job.step.step.as_str());
    let messages = each!(job => job.message.as_str());
    let entities = each!(job => job.regarding.as_ref().map(|regarding| regarding.entity.as_str()));
    let records = each!(job => job.regarding.as_ref().map(|regarding| regarding.id));
    let owners = each!(job => job.owner);
    let correlations = each!(job => job.correlation_id);
    let depths = each!(job => i64::from(job.depth));
    let attempts = each!(job => i64::from(job.attempt));
    let crashes = each!(job => i64::from(job.crash_count));
    let workers = each!(job => job.worker);
    let codes = each!(job => job.error.as_ref().map(|error| error.code));
    let errors = each!(job => job.error.as_ref().map(|error| text(&error.message)));
    let traces = each!(job => lines(&job.trace));
    let created = each!(job => Moment(job.created_on));
    let started = each!(job => job.started_on.map(Moment));
    let completed = each!(job => job.completed_on.map(Moment));
    let suspensions = each!(job => job.suspension.map(Suspension::number));
    let blocked = each!(job => job.blocked);
    let priorities = each!(job => job.priority);
    let postponed = each!(job => job.postpone_until.map(Moment));
    let order_keys = each!(job => job.order_key.as_deref());
    let unique_keys = each!(job => job.unique_key.as_deref());
    let auto_deletes = each!(job => job.auto_delete);
    let retries = each!(job => i64::from(job.retries));
    let hosts = each!(job => job.host.as_deref());
    let progress = each!(job => job.progress.as_ref().map(json));
    let execution = each!(job => microseconds(job.execution_time));
    let memory = each!(job => signed(job.memory_bytes));
    let kinds = each!(job => job.kind.number());
    let rules = each!(job => job.recurrence.as_ref().map(Recurrence::rule));
    let starts = each!(job => job.recurrence.as_ref().map(|recurrence| Moment(recurrence.start())));
    let checkpoints = each!(job => job.checkpoint.as_deref());
    let contexts = each!(job => job.context.as_slice());
    let hashes = each!(job => job.plugin_hash.as_deref());
    let row: [Bound<'_>; 39] = [
        is(&ids, Type::UUID_ARRAY),
        is(&statuses, Type::INT4_ARRAY),
        is(&states, Type::INT4_ARRAY),
        is(&run_at, Type::TIMESTAMPTZ_ARRAY),
        is(&plugins, Type::TEXT_ARRAY),
        is(&steps, Type::TEXT_ARRAY),
        is(&messages, Type::TEXT_ARRAY),
        is(&entities, Type::TEXT_ARRAY),
        is(&records, Type::UUID_ARRAY),
        is(&owners, Type::UUID_ARRAY),
        is(&correlations, Type::UUID_ARRAY),
        is(&depths, Type::INT8_ARRAY),
        is(&attempts, Type::INT8_ARRAY),
        is(&crashes, Type::INT8_ARRAY),
        is(&workers, Type::UUID_ARRAY),
        is(&codes, Type::INT4_ARRAY),
        is(&errors, Type::TEXT_ARRAY),
        is(&traces, Type::TEXT_ARRAY),
        is(&created, Type::TIMESTAMPTZ_ARRAY),
        is(&started, Type::TIMESTAMPTZ_ARRAY),
        is(&completed, Type::TIMESTAMPTZ_ARRAY),
        is(&suspensions, Type::INT4_ARRAY),
        is(&blocked, Type::BOOL_ARRAY),
        is(&priorities, Type::INT4_ARRAY),
        is(&postponed, Type::TIMESTAMPTZ_ARRAY),
        is(&order_keys, Type::TEXT_ARRAY),
        is(&unique_keys, Type::TEXT_ARRAY),
        is(&auto_deletes, Type::BOOL_ARRAY),
        is(&retries, Type::INT8_ARRAY),
        is(&hosts, Type::TEXT_ARRAY),
        is(&progress, Type::TEXT_ARRAY),
        is(&execution, Type::INT8_ARRAY),
        is(&memory, Type::INT8_ARRAY),
        is(&kinds, Type::INT4_ARRAY),
        is(&rules, Type::TEXT_ARRAY),
        is(&starts, Type::TIMESTAMPTZ_ARRAY),
        is(&checkpoints, Type::BYTEA_ARRAY),
        is(&contexts, Type::BYTEA_ARRAY),
        is(&hashes, Type::TEXT_ARRAY),
    ];
    let types: Vec<Type> = row.iter().map(|(_, ty)| ty.clone()).collect();
    let inserted = async {
        let ready = cx.connection.ready(INSERT, &types).await?;
        cx.transaction.first(cx.connection, cx.connection.send(&ready, &row)).await
    };
    inserted.await.map(drop).map_err(|error| match (violated_constraint(&error), jobs) {
        (Some("p_system_job"), [job, ..]) => {
            let message = format!("a system job with the identifier {} exists already", job.id);
            Error::new(ErrorKind::Duplicate, message).with_source(error)
        }
        _ => cx.error(error),
    })
}

/// Cancels the job with the same unique key that waits, if there is one, and returns the new job at its place.
async fn take_place(cx: Jobs<'_>, job: &Job, key: &str) -> Result<Option<Job>> {
    let twins = cx.rows(WAITING_TWIN, &[is(&key, Type::TEXT)]).await?;
    let Some(twin) = twins.first() else { return Ok(None) };
    let id: Uuid = cx.get(twin, 0)?;
    let suspension = cx.get::<Option<i32>>(twin, 1)?.and_then(Suspension::from_number);
    let Moment(run_at) = cx.get(twin, 2)?;
    let postpone_until: Option<Moment> = cx.get(twin, 3)?;
    control::supersede(cx, id, job.id, job.created_on).await?;
    Ok(Some(job.clone().in_place_of(run_at, suspension, postpone_until.map(|moment| moment.0))))
}

/// A job from all its columns.
pub(super) fn decode(cx: Jobs<'_>, row: &Row) -> Result<Job> {
    let moment = |place| Ok::<_, Error>(cx.get::<Option<Moment>>(row, place)?.map(|moment| moment.0));
    let mut job = decode_claimed(cx, row)?;
    job.status = status(cx, row, 30)?;
    job.worker = cx.get(row, 31)?;
    job.host = cx.get(row, 32)?;
    job.started_on = moment(33)?;
    job.completed_on = moment(34)?;
    job.suspension = cx.get::<Option<i32>>(row, 35)?.and_then(Suspension::from_number);
    job.blocked = cx.get(row, 36)?;
    job.postpone_until = moment(37)?;
    Ok(job)
}

/// A job that was ready, from the columns that are not the claim's own.
pub(super) fn decode_claimed(cx: Jobs<'_>, row: &Row) -> Result<Job> {
    let count = |place| Ok::<_, Error>(u32::try_from(cx.get::<i32>(row, place)?).unwrap_or_default());
    let step = StepKey { plugin: cx.get(row, 1)?, step: cx.get(row, 2)? };
    let Moment(created_on) = cx.get(row, 3)?;
    let mut job = Job::new(cx.get(row, 0)?, step, created_on);
    let Moment(run_at) = cx.get(row, 4)?;
    job.run_at = run_at;
    job.message = cx.get(row, 5)?;
    job.regarding = match (cx.get::<Option<String>>(row, 6)?, cx.get::<Option<Uuid>>(row, 7)?) {
        (Some(entity), Some(id)) => Some(EntityReference::new(entity, id)),
        _ => None,
    };
    job.owner = cx.get(row, 8)?;
    job.correlation_id = cx.get(row, 9)?;
    job.depth = count(10)?;
    job.attempt = u32::try_from(cx.get::<i64>(row, 11)?).unwrap_or(u32::MAX);
    job.crash_count = count(12)?;
    job.error = match (cx.get(row, 13)?, cx.get(row, 14)?) {
        (Some(code), Some(message)) => Some(JobError { code, message }),
        _ => None,
    };
    // One unreadable trace must not keep the jobs beside it from being claimed.
    job.trace = cx
        .get::<Option<String>>(row, 15)?
        .map_or_else(Vec::new, |trace| serde_json::from_str(&trace).unwrap_or_else(|_| vec![trace]));
    job.priority = cx.get(row, 16)?;
    job.order_key = cx.get(row, 17)?;
    job.unique_key = cx.get(row, 18)?;
    job.auto_delete = cx.get(row, 19)?;
    job.retries = count(20)?;
    job.progress = cx.get::<Option<String>>(row, 21)?.and_then(|text| serde_json::from_str(&text).ok());
    job.execution_time = Duration::from_micros(cx.get::<i64>(row, 22)?.unsigned_abs());
    job.memory_bytes = cx.get::<i64>(row, 23)?.unsigned_abs();
    job.kind = JobKind::from_number(cx.get(row, 24)?).ok_or_else(|| unreadable("operation_type"))?;
    job.recurrence = match (cx.get(row, 25)?, cx.get::<Option<Moment>>(row, 26)?) {
        (Some(rule), Some(Moment(start))) => Some(Recurrence::kept(rule, start)),
        _ => None,
    };
    job.checkpoint = cx.get(row, 27)?;
    job.context = cx.get(row, 28)?;
    job.plugin_hash = cx.get(row, 29)?;
    Ok(job)
}

/// A state as the table has it: that a job is locked shows by its worker.
pub(super) fn stored(state: JobState) -> i32 {
    match state {
        JobState::Locked => JobState::Ready.number(),
        state => state.number(),
    }
}

pub(super) fn status(cx: Jobs<'_>, row: &Row, place: usize) -> Result<JobStatus> {
    JobStatus::from_number(cx.get(row, place)?).ok_or_else(|| unreadable("status"))
}

fn unreadable(column: &str) -> Error {
    let message =
        format!("a system job has a value in `{column}` that this host does not know; update the host");
    Error::new(ErrorKind::Store, message)
}

/// The lines as JSON; none for none.
pub(super) fn lines(trace: &[String]) -> Option<String> {
    (!trace.is_empty()).then(|| json(&trace))
}

/// Text as PostgreSQL takes it: without U+0000, which a guest's last words may have.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

pub(super) fn json(value: &impl Serialize) -> String {
    // Texts and numbers cannot fail to be written as JSON.
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
