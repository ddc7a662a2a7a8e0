//! System jobs: one table, and the statements that move a job from state to state. Each is one conditional UPDATE on
//! the state, so a race ends as "no rows".

use rusqlite::types::Type;
use rusqlite::{Connection, Row, ToSql};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{JobError, Settlement};
use crate::model::step::StepKey;
use crate::model::{DateTime, EntityReference, Job, JobState, JobStatus};
use crate::store::{JobSelect, PendingJobs};

use super::error::{failed, is_duplicate};

macro_rules! columns {
    () => {
        "id, status, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt, \
         crash_count, worker_id, error_code, error_text, trace, created_on, started_on, completed_on, context"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO system_job (state, ",
    columns!(),
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
);

const CLAIM: &str = concat!(
    "UPDATE system_job SET state = 2, status = 20, attempt = attempt + 1, worker_id = ?1, started_on = ?2
     WHERE id IN (SELECT id FROM system_job WHERE state = 0 AND run_at <= ?2 ORDER BY run_at, id LIMIT ?3)
     RETURNING ",
    columns!()
);

const SETTLE: &str =
    "UPDATE system_job SET state = ?, status = ?, error_code = ?, error_text = ?, trace = ?, \
                      completed_on = ?, worker_id = NULL
     WHERE id = ? AND attempt = ? AND worker_id = ? AND state = 2";

/// A job goes behind those that are waiting: one that kills its host must not be the first to run again.
const RECOVER: &str =
    "UPDATE system_job SET state = 0, status = 0, worker_id = NULL, crash_count = crash_count + 1,
         run_at = max(run_at, ?2)
     WHERE state = 2 AND worker_id IS NOT ?1";

const PENDING: &str = "SELECT (SELECT count(*) FROM system_job WHERE state = 0),
        (SELECT count(*) FROM system_job WHERE state = 2),
        (SELECT min(run_at) FROM system_job WHERE state = 0)";

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM system_job WHERE id = ?");
const BY_CORRELATION: &str =
    concat!("SELECT ", columns!(), " FROM system_job WHERE correlation_id = ? ORDER BY created_on, id");
const NEWEST: &str =
    concat!("SELECT ", columns!(), " FROM system_job ORDER BY created_on DESC, id DESC LIMIT ?");

pub(super) fn insert(connection: &Connection, jobs: &[Job]) -> Result<()> {
    let fail = |job: &Job, error| {
        if is_duplicate(&error) {
            let message = format!("a system job with the identifier {} exists already", job.id);
            return Error::new(ErrorKind::Duplicate, message).with_source(error);
        }
        failed(connection, &format!("queue the system job of `{}`", job.step), error)
    };
    let Some(first) = jobs.first() else { return Ok(()) };
    let mut statement = connection.prepare_cached(INSERT).map_err(|error| fail(first, error))?;
    for job in jobs {
        let regarding = job.regarding.as_ref();
        let error = job.error.as_ref();
        let trace = lines(&job.trace);
        let row: [&dyn ToSql; 22] = [
            &job.status.state().number(),
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
            &trace,
            &job.created_on.0,
            &job.started_on.map(|moment| moment.0),
            &job.completed_on.map(|moment| moment.0),
            &job.context,
        ];
        statement.execute(row.as_slice()).map_err(|error| fail(job, error))?;
    }
    Ok(())
}

pub(super) fn claim(connection: &Connection, worker: Uuid, limit: u32, now: DateTime) -> Result<Vec<Job>> {
    let mut jobs = select(connection, CLAIM, (worker.as_bytes(), now.0, limit))?;
    // RETURNING has no order of its own.
    jobs.sort_by_key(|job| (job.run_at, job.id));
    Ok(jobs)
}

pub(super) fn settle(connection: &Connection, settlements: &[Settlement]) -> Result<Vec<Uuid>> {
    let fail = |error| failed(connection, "settle system jobs", error);
    let mut statement = connection.prepare_cached(SETTLE).map_err(fail)?;
    let mut counted = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        let state = settlement.status.state();
        if !matches!(state, JobState::Completed | JobState::Ready) {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("the system job {} cannot be settled as {}", settlement.id, settlement.status),
            ));
        }
        let error = settlement.error.as_ref();
        let completed_on = (state == JobState::Completed).then_some(settlement.completed_on.0);
        let row: [&dyn ToSql; 9] = [
            &state.number(),
            &settlement.status.number(),
            &error.map(|error| error.code),
            &error.map(|error| &error.message),
            &lines(&settlement.trace),
            &completed_on,
            &settlement.id.as_bytes(),
            &settlement.attempt,
            &settlement.worker.as_bytes(),
        ];
        if statement.execute(row.as_slice()).map_err(fail)? == 1 {
            counted.push(settlement.id);
        }
    }
    Ok(counted)
}

pub(super) fn recover(connection: &Connection, worker: Uuid, now: DateTime) -> Result<u64> {
    let count = connection
        .execute(RECOVER, (worker.as_bytes(), now.0))
        .map_err(|error| failed(connection, "recover system jobs", error))?;
    Ok(count as u64)
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
        JobSelect::Newest(limit) => {
            let mut jobs = select(connection, NEWEST, [limit])?;
            jobs.reverse();
            Ok(jobs)
        }
    }
}

pub(super) fn pending(connection: &Connection) -> Result<PendingJobs> {
    connection
        .prepare_cached(PENDING)
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                Ok(PendingJobs {
                    ready: row.get::<_, i64>(0)?.unsigned_abs(),
                    locked: row.get::<_, i64>(1)?.unsigned_abs(),
                    next_run_at: row.get::<_, Option<i64>>(2)?.map(DateTime),
                })
            })
        })
        .map_err(|error| failed(connection, "count system jobs", error))
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
    let status: i32 = row.get(1)?;
    job.status = JobStatus::from_number(status)
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(1, "status".into(), Type::Integer))?;
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
    let trace: String = row.get(16)?;
    // One unreadable trace must not keep the jobs beside it from being claimed.
    job.trace = serde_json::from_str(&trace).unwrap_or_else(|_| vec![trace]);
    job.started_on = moment(18)?;
    job.completed_on = moment(19)?;
    job.context = row.get(20)?;
    Ok(job)
}

fn lines(trace: &[String]) -> String {
    // Text cannot fail to be written as JSON.
    serde_json::to_string(trace).unwrap_or_default()
}
