//! System jobs: one table, and the statements that move a job from place to place. Each depends on where the job stands,
//! so a race ends as "no rows".

mod claim;
mod control;
mod settle;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rusqlite::types::{Type, Value as Parameter};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params_from_iter};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{JobCount, JobError, JobKind, Recurrence, Report, Suspension};
use crate::model::step::StepKey;
use crate::model::{DateTime, EntityReference, Job, JobStatus};
use crate::store::{Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, PausedStep};

use super::error::{failed, unique_violation};

pub(super) use control::{control, delete, pause_step, paused_steps, prune, recover};

macro_rules! columns {
    () => {
        "id, status, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt, \
         crash_count, worker_id, error_code, error_text, trace, created_on, started_on, completed_on, suspension, \
         blocked, priority, postpone_until, order_key, unique_key, auto_delete, retries, host, progress, execution_us, \
         memory_bytes, operation_type, recurrence, recurrence_start, checkpoint, context, plugin_hash"
    };
}
use columns;

/// A job whose key another one has that is not over waits behind it.
const INSERT: &str = concat!(
    "INSERT INTO system_job (",
    columns!(),
    ", state, modified_on) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,
        ?22 OR (?25 IS NOT NULL AND EXISTS (SELECT 1 FROM system_job WHERE order_key = ?25 AND state <> 3)),
        ?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,?38,?39,?18)"
);

/// The one job with the unique key that waits.
const WAITING_TWIN: &str =
    "SELECT id, suspension, run_at, postpone_until FROM system_job WHERE unique_key = ?1 AND state < 2";

const CHECKPOINT: &str =
    "UPDATE system_job SET checkpoint = ?1, crash_count = 0, modified_on = ?2, version = version + 1
     WHERE id = ?3 AND attempt = ?4 AND worker_id = ?5 AND state = 2 RETURNING status";

const PROGRESS: &str = "UPDATE system_job SET progress = ?1, modified_on = ?2, version = version + 1
     WHERE id = ?3 AND attempt = ?4 AND worker_id = ?5 AND state = 2 RETURNING status";

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM system_job WHERE id = ?");
const BY_CORRELATION: &str =
    concat!("SELECT ", columns!(), " FROM system_job WHERE correlation_id = ? ORDER BY sequence");

const COUNTS: &str = "SELECT plugin, step, status, suspension, count(*), min(created_on) FROM system_job
     GROUP BY plugin, step, status, suspension ORDER BY plugin, step, status, suspension";

/// A step is paused by its name or with its whole plugin.
const IDLE: &str = "SELECT NOT EXISTS (SELECT 1 FROM system_job WHERE state = 2)
     AND NOT EXISTS (SELECT 1 FROM system_job AS job WHERE state = 0 AND blocked = 0 AND NOT EXISTS (
         SELECT 1 FROM paused_step AS paused
         WHERE paused.plugin = job.plugin AND paused.step IN ('', job.step)))";

pub(super) fn insert(connection: &Connection, jobs: &[Job]) -> Result<()> {
    let Some(first) = jobs.first() else { return Ok(()) };
    let mut statement =
        connection.prepare_cached(INSERT).map_err(|error| not_queued(connection, first, error))?;
    for job in jobs {
        let taken_over = match &job.unique_key {
            Some(key) => take_place(connection, job, key)?,
            None => None,
        };
        let job = taken_over.as_ref().unwrap_or(job);
        let regarding = job.regarding.as_ref();
        let error = job.error.as_ref();
        let recurrence = job.recurrence.as_ref();
        let row: [&dyn ToSql; 39] = [
            &job.id.as_bytes(),
            &job.status.number(),
            &job.run_at.0,
            &job.step.plugin,
            &job.step.step,
            &job.message,
            &regarding.map(|regarding| &regarding.entity),
            &regarding.map(|regarding| regarding.id.as_bytes()),
            &job.owner.as_bytes(),
            &job.correlation_id.as_bytes(),
            &job.depth,
            &job.attempt,
            &job.crash_count,
            &job.worker.as_ref().map(Uuid::as_bytes),
            &error.map(|error| error.code),
            &error.map(|error| &error.message),
            &lines(&job.trace),
            &job.created_on.0,
            &job.started_on.map(|moment| moment.0),
            &job.completed_on.map(|moment| moment.0),
            &job.suspension.map(Suspension::number),
            &job.blocked,
            &job.priority,
            &job.postpone_until.map(|moment| moment.0),
            &job.order_key,
            &job.unique_key,
            &job.auto_delete,
            &job.retries,
            &job.host,
            &job.progress.as_ref().map(json),
            &microseconds(job.execution_time),
            &signed(job.memory_bytes),
            &job.kind.number(),
            &recurrence.map(Recurrence::rule),
            &recurrence.map(|recurrence| recurrence.start().0),
            &job.checkpoint,
            &job.context,
            &job.plugin_hash,
            &job.status.state().number(),
        ];
        statement.execute(row.as_slice()).map_err(|error| not_queued(connection, job, error))?;
    }
    Ok(())
}

fn not_queued(connection: &Connection, job: &Job, error: rusqlite::Error) -> Error {
    if unique_violation(&error) == Some("system_job.id") {
        let message = format!("a system job with the identifier {} exists already", job.id);
        return Error::new(ErrorKind::Duplicate, message).with_source(error);
    }
    failed(connection, &format!("queue the system job of `{}`", job.step), error)
}

/// Cancels the job with the same unique key that waits, if there is one, and returns the new job at its place.
fn take_place(connection: &Connection, job: &Job, key: &str) -> Result<Option<Job>> {
    let fail = |error| not_queued(connection, job, error);
    let twin = connection
        .prepare_cached(WAITING_TWIN)
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                let suspension = row.get::<_, Option<i32>>(1)?.and_then(Suspension::from_number);
                let moment = |index| row.get::<_, Option<i64>>(index);
                Ok((Uuid::from_bytes(row.get(0)?), suspension, moment(2)?, moment(3)?))
            };
            statement.query_row([key], read).optional()
        })
        .map_err(fail)?;
    let Some((id, suspension, run_at, postpone_until)) = twin else { return Ok(None) };
    control::supersede(connection, id, job.id, job.created_on)?;
    let run_at = run_at.map_or(job.run_at, DateTime);
    Ok(Some(job.clone().in_place_of(run_at, suspension, postpone_until.map(DateTime))))
}

pub(super) fn exchange(connection: &Connection, exchange: &Exchange) -> Result<Exchanged> {
    let settled = settle::settle(connection, &exchange.settlements)?;
    if let Some(held) = &exchange.held {
        settle::hand_back_others(connection, exchange, held)?;
    }
    let mut exchanged = Exchanged { settled, ..Exchanged::default() };
    claim::resume_due(connection, exchange.now)?;
    for claim in &exchange.claims {
        exchanged.claimed.push(claim::claim(connection, claim, exchange)?);
    }
    exchanged.stopping = claim::stopping(connection, exchange.worker)?;
    exchanged.next_due = claim::next_due(connection)?;
    Ok(exchanged)
}

pub(super) fn report(
    connection: &Connection,
    run: JobAttempt,
    report: &Report,
    now: DateTime,
) -> Result<Option<JobStatus>> {
    let progress;
    let (sql, data): (&str, &dyn ToSql) = match report {
        Report::Checkpoint(data) => (CHECKPOINT, data),
        Report::Progress(shown) => {
            progress = json(shown);
            (PROGRESS, &progress)
        }
    };
    let row: [&dyn ToSql; 5] = [data, &now.0, &run.id.as_bytes(), &run.attempt, &run.worker.as_bytes()];
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(row.as_slice(), |row| status(row, 0)).optional())
        .map_err(|error| failed(connection, &format!("keep what the system job {} reports", run.id), error))
}

pub(super) fn read(connection: &Connection, which: &JobSelect) -> Result<Vec<Job>> {
    match which {
        JobSelect::Ids(ids) => {
            let mut jobs = Vec::with_capacity(ids.len());
            for id in ids {
                jobs.append(&mut select(connection, BY_ID, [id.as_bytes()])?);
            }
            jobs.sort_by_key(|job| (job.created_on, job.id));
            jobs.dedup_by_key(|job| job.id);
            Ok(jobs)
        }
        JobSelect::Correlation(id) => select(connection, BY_CORRELATION, [id.as_bytes()]),
        JobSelect::Newest(limit) => filtered(connection, &JobFilter::newest(*limit)),
        JobSelect::Filter(filter) => filtered(connection, filter),
    }
}

fn filtered(connection: &Connection, filter: &JobFilter) -> Result<Vec<Job>> {
    let (conditions, parameters) = newest_first(filter);
    let sql = format!(concat!("SELECT ", columns!(), " FROM system_job {}"), conditions);
    let mut jobs = select(connection, &sql, params_from_iter(parameters))?;
    jobs.reverse();
    Ok(jobs)
}

pub(super) fn ids(connection: &Connection, filter: &JobFilter) -> Result<Vec<Uuid>> {
    let (conditions, parameters) = newest_first(filter);
    let read = |row: &Row<'_>| row.get(0).map(Uuid::from_bytes);
    let mut ids: Vec<Uuid> = connection
        .prepare_cached(&format!("SELECT id FROM system_job {conditions}"))
        .and_then(|mut statement| statement.query_map(params_from_iter(parameters), read)?.collect())
        .map_err(|error| failed(connection, "read system jobs", error))?;
    ids.reverse();
    Ok(ids)
}

/// A filter as conditions, order and limit.
fn newest_first(filter: &JobFilter) -> (String, Vec<Parameter>) {
    let JobFilter { ids, plugin, step, statuses, regarding, before, limit } = filter;
    let mut conditions = vec!["TRUE".to_owned()];
    let mut parameters: Vec<Parameter> = Vec::new();
    let mut add = |condition: &str, parameter: Parameter| {
        conditions.push(condition.to_owned());
        parameters.push(parameter);
    };
    if let Some(ids) = ids {
        add("id >= ?", Parameter::from(ids.start().as_bytes().to_vec()));
        add("id <= ?", Parameter::from(ids.end().as_bytes().to_vec()));
    }
    if let Some(plugin) = plugin {
        add("plugin = ?", Parameter::from(plugin.clone()));
    }
    if let Some(step) = step {
        add("step = ?", Parameter::from(step.clone()));
    }
    if let Some(regarding) = regarding {
        add("entity = ?", Parameter::from(regarding.entity.clone()));
        add("record_id = ?", Parameter::from(regarding.id.as_bytes().to_vec()));
    }
    if let Some(before) = before {
        let condition = "sequence < (SELECT sequence FROM system_job WHERE id = ?)";
        add(condition, Parameter::from(before.as_bytes().to_vec()));
    }
    if !statuses.is_empty() {
        let statuses: Vec<String> = statuses.iter().map(|status| status.number().to_string()).collect();
        conditions.push(format!("status IN ({})", statuses.join(",")));
    }
    parameters.push(Parameter::from(i64::from(*limit)));
    (format!("WHERE {} ORDER BY sequence DESC LIMIT ?", conditions.join(" AND ")), parameters)
}

pub(super) fn counts(connection: &Connection) -> Result<Vec<JobCount>> {
    let decode = |row: &Row<'_>| {
        let step = StepKey { plugin: row.get(0)?, step: row.get(1)? };
        let suspension = row.get::<_, Option<i32>>(3)?.and_then(Suspension::from_number);
        let (count, oldest) = (row.get::<_, i64>(4)?.unsigned_abs(), DateTime(row.get(5)?));
        Ok(JobCount::new(step, status(row, 2)?, suspension, count, oldest))
    };
    connection
        .prepare_cached(COUNTS)
        .and_then(|mut statement| statement.query_map([], decode)?.collect())
        .map_err(|error| failed(connection, "count system jobs", error))
}

pub(super) fn is_idle(connection: &Connection) -> Result<bool> {
    connection
        .prepare_cached(IDLE)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(|error| failed(connection, "look for system jobs", error))
}

fn select(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Job>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(parameters, decode)?.collect())
        .map_err(|error| failed(connection, "read system jobs", error))
}

fn decode(row: &Row<'_>) -> rusqlite::Result<Job> {
    let id = |index| Ok::<_, rusqlite::Error>(Uuid::from_bytes(row.get(index)?));
    let optional_id =
        |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(index)?.map(Uuid::from_bytes));
    let moment = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(DateTime));
    let step = StepKey { plugin: row.get(3)?, step: row.get(4)? };
    let mut job = Job::new(id(0)?, step, DateTime(row.get(17)?));
    job.status = status(row, 1)?;
    job.run_at = DateTime(row.get(2)?);
    job.message = row.get(5)?;
    job.regarding = match (row.get::<_, Option<String>>(6)?, optional_id(7)?) {
        (Some(entity), Some(id)) => Some(EntityReference::new(entity, id)),
        _ => None,
    };
    job.owner = id(8)?;
    job.correlation_id = id(9)?;
    job.depth = row.get(10)?;
    job.attempt = row.get(11)?;
    job.crash_count = row.get(12)?;
    job.worker = optional_id(13)?;
    job.error = match (row.get(14)?, row.get(15)?) {
        (Some(code), Some(message)) => Some(JobError { code, message }),
        _ => None,
    };
    // One unreadable trace must not keep the jobs beside it from being claimed.
    job.trace = row
        .get::<_, Option<String>>(16)?
        .map_or_else(Vec::new, |trace| serde_json::from_str(&trace).unwrap_or_else(|_| vec![trace]));
    job.started_on = moment(18)?;
    job.completed_on = moment(19)?;
    job.suspension = row.get::<_, Option<i32>>(20)?.and_then(Suspension::from_number);
    job.blocked = row.get(21)?;
    job.priority = row.get(22)?;
    job.postpone_until = moment(23)?;
    job.order_key = row.get(24)?;
    job.unique_key = row.get(25)?;
    job.auto_delete = row.get(26)?;
    job.retries = row.get(27)?;
    job.host = row.get(28)?;
    job.progress = row.get::<_, Option<String>>(29)?.and_then(|text| serde_json::from_str(&text).ok());
    job.execution_time = Duration::from_micros(row.get::<_, i64>(30)?.unsigned_abs());
    job.memory_bytes = row.get::<_, i64>(31)?.unsigned_abs();
    job.kind = JobKind::from_number(row.get(32)?)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(32, "operation_type".into(), Type::Integer))?;
    job.recurrence = match (row.get(33)?, moment(34)?) {
        (Some(rule), Some(start)) => Some(Recurrence::kept(rule, start)),
        _ => None,
    };
    job.checkpoint = row.get(35)?;
    job.context = row.get(36)?;
    job.plugin_hash = row.get(37)?;
    Ok(job)
}

fn status(row: &Row<'_>, index: usize) -> rusqlite::Result<JobStatus> {
    JobStatus::from_number(row.get(index)?)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(index, "status".into(), Type::Integer))
}

/// The lines as JSON; none for none.
fn lines(trace: &[String]) -> Option<String> {
    (!trace.is_empty()).then(|| json(&trace))
}

fn json(value: &impl serde::Serialize) -> String {
    // Texts and numbers cannot fail to be written as JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl PausedStep {
    /// The step as the table has it.
    fn step_text(&self) -> &str {
        self.step.as_deref().unwrap_or_default()
    }
}
