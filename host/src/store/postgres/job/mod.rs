//! System jobs: one table, and the statements that move a job from place to place. Each depends on where the job stands,
//! so a race ends as "no rows".
//!
//! Statements that do not need each other's answers are sent together: an exchange takes three round trips, whatever it
//! settles and claims, and two more if something else than a success is among the ends.

mod claim;
mod control;
mod held;
mod keys;
mod row;
mod settle;

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::connection::{Bound, Connection};
use super::session::PostgresTransaction;
use super::value::Moment;
use crate::model::error::Result;
use crate::model::job::{JobCount, Report, Suspension};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job, JobStatus};
use crate::store::{Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, PausedStep};

pub(super) use control::{control, delete, pause_step, paused_steps, prune, recover};
pub(super) use held::{Held, Notes};
pub(super) use row::insert;
use row::{columns, decode, json, status};
use settle::Settled;

const CHECKPOINT: &str =
    "UPDATE system_job SET checkpoint = $1, crash_count = 0, modified_on = $2, version = version + 1
     WHERE id = $3 AND attempt = $4 AND worker_id = $5 RETURNING status";

const PROGRESS: &str = "UPDATE system_job SET progress = $1::jsonb, modified_on = $2, version = version + 1
     WHERE id = $3 AND attempt = $4 AND worker_id = $5 RETURNING status";

const BY_ID: &str =
    concat!("SELECT ", columns!(), " FROM system_job WHERE id = ANY($1) ORDER BY created_on, id");
const BY_CORRELATION: &str =
    concat!("SELECT ", columns!(), " FROM system_job WHERE correlation_id = $1 ORDER BY sequence");

const COUNTS: &str = "SELECT plugin, step, status, suspension, count(*), min(created_on) FROM system_job
     GROUP BY plugin, step, status, suspension ORDER BY plugin, step, status, suspension NULLS FIRST";

/// A step is paused by its name or with its whole plugin. Jobs that are ready are in one of two indexes, by whether a host has
/// died under them: each is asked for itself.
const IDLE: &str = "SELECT NOT EXISTS (
         SELECT 1 FROM system_job
         WHERE sequence = ANY(ARRAY(SELECT unnest(held) FROM worker)) AND worker_id IS NOT NULL)
     AND NOT EXISTS (
         SELECT 1 FROM system_job AS job
         WHERE state = 0 AND NOT blocked AND crash_count = 0 AND worker_id IS NULL AND NOT EXISTS (
             SELECT 1 FROM paused_step AS paused
             WHERE paused.plugin = job.plugin AND paused.step IN ('', job.step)))
     AND NOT EXISTS (
         SELECT 1 FROM system_job AS job
         WHERE state = 0 AND NOT blocked AND crash_count > 0 AND worker_id IS NULL AND NOT EXISTS (
             SELECT 1 FROM paused_step AS paused
             WHERE paused.plugin = job.plugin AND paused.step IN ('', job.step)))";

/// What the verbs of the jobs need: where they are, and how their errors are told.
#[derive(Clone, Copy)]
struct Jobs<'t> {
    transaction: &'t PostgresTransaction,
    connection: &'t Connection,
    /// Completes "could not ...".
    what: &'t str,
}

impl<'t> Jobs<'t> {
    fn new(transaction: &'t PostgresTransaction, connection: &'t Connection, what: &'t str) -> Self {
        Self { transaction, connection, what }
    }

    /// Runs a statement in the transaction, which it begins if need be.
    async fn rows(&self, sql: &str, parameters: &[Bound<'_>]) -> Result<Vec<Row>> {
        let types: Vec<Type> = parameters.iter().map(|(_, ty)| ty.clone()).collect();
        let ready = self.connection.ready(sql, &types).await.map_err(|error| self.error(error))?;
        let rows = self.transaction.first(self.connection, self.connection.send(&ready, parameters)).await;
        rows.map_err(|error| self.error(error))
    }

    /// Runs a statement on its own, and returns how many rows it wrote.
    async fn count(&self, sql: &str, parameters: &[Bound<'_>]) -> Result<u64> {
        let types: Vec<Type> = parameters.iter().map(|(_, ty)| ty.clone()).collect();
        let ready = self.connection.ready(sql, &types).await.map_err(|error| self.error(error))?;
        self.connection.send_counted(&ready, parameters).await.map_err(|error| self.error(error))
    }

    /// Runs a statement on its own.
    async fn read(&self, sql: &str, parameters: &[Bound<'_>]) -> Result<Vec<Row>> {
        self.connection.rows(sql, parameters).await.map_err(|error| self.error(error))
    }

    /// The value of a row at a place.
    fn get<'r, T: tokio_postgres::types::FromSql<'r>>(&self, row: &'r Row, place: usize) -> Result<T> {
        row.try_get(place).map_err(|error| self.error(error))
    }

    fn error(&self, error: tokio_postgres::Error) -> crate::model::error::Error {
        self.transaction.error(self.what, error)
    }
}

/// A parameter with its type.
fn is<'v>(value: &'v (dyn ToSql + Sync), ty: Type) -> Bound<'v> {
    (value, ty)
}

pub(super) async fn exchange(
    transaction: &PostgresTransaction,
    connection: &Connection,
    exchange: &Exchange,
    note: Option<Held>,
    lease: Duration,
) -> Result<(Exchanged, Held)> {
    let jobs = Jobs::new(transaction, connection, "settle and claim system jobs");
    let Settled { lapsed, dead, jobs: settled, let_go } = settle::settle(jobs, exchange, lease).await?;
    let taken_over = control::take_over(jobs, &dead, exchange.now).await?;
    if taken_over > 0 {
        tracing::warn!(jobs = taken_over, "took over the jobs of hosts whose lease was over");
    }
    let mut exchanged = Exchanged { lapsed, settled, ..Exchanged::default() };
    if let Some(held) = &exchange.held {
        exchanged.lost = settle::compare(jobs, exchange, held).await?;
    }
    let mut note = match note.filter(|_| exchange.held.is_none()) {
        Some(note) => note,
        None => settle::note(jobs, exchange.worker).await?,
    };
    claim::claim(jobs, exchange, &let_go, &mut note, &mut exchanged).await?;
    Ok((exchanged, note))
}

pub(super) async fn report(
    transaction: &PostgresTransaction,
    connection: &Connection,
    run: JobAttempt,
    report: &Report,
    now: DateTime,
) -> Result<Option<JobStatus>> {
    let what = format!("keep what the system job {} reports", run.id);
    let jobs = Jobs::new(transaction, connection, &what);
    let progress;
    let (sql, data) = match report {
        Report::Checkpoint(data) => (CHECKPOINT, is(data, Type::BYTEA)),
        Report::Progress(shown) => {
            progress = json(shown);
            (PROGRESS, is(&progress, Type::TEXT))
        }
    };
    let (now, attempt) = (Moment(now), i64::from(run.attempt));
    let row = [
        data,
        is(&now, Type::TIMESTAMPTZ),
        is(&run.id, Type::UUID),
        is(&attempt, Type::INT8),
        is(&run.worker, Type::UUID),
    ];
    // One statement, so its own commit is enough.
    let rows = jobs.read(sql, &row).await?;
    rows.first().map(|row| status(jobs, row, 0)).transpose()
}

pub(super) async fn read(
    transaction: &PostgresTransaction,
    connection: &Connection,
    which: &JobSelect,
) -> Result<Vec<Job>> {
    let jobs = Jobs::new(transaction, connection, "read system jobs");
    let rows = match which {
        JobSelect::Ids(ids) => jobs.read(BY_ID, &[is(ids, Type::UUID_ARRAY)]).await?,
        JobSelect::Correlation(id) => jobs.read(BY_CORRELATION, &[is(id, Type::UUID)]).await?,
        JobSelect::Newest(limit) => filtered(jobs, columns!(), &JobFilter::newest(*limit)).await?,
        JobSelect::Filter(filter) => filtered(jobs, columns!(), filter).await?,
    };
    rows.iter().map(|row| decode(jobs, row)).collect()
}

pub(super) async fn ids(
    transaction: &PostgresTransaction,
    connection: &Connection,
    filter: &JobFilter,
) -> Result<Vec<Uuid>> {
    let jobs = Jobs::new(transaction, connection, "read system jobs");
    filtered(jobs, "id", filter).await?.iter().map(|row| jobs.get(row, 0)).collect()
}

/// What a filter selects, oldest first.
async fn filtered(jobs: Jobs<'_>, columns: &str, filter: &JobFilter) -> Result<Vec<Row>> {
    let JobFilter { ids, plugin, step, statuses, regarding, before, limit } = filter;
    let mut conditions = vec!["TRUE".to_owned()];
    let mut parameters = Vec::new();
    let (first, last) = ids.as_ref().map_or((None, None), |ids| (Some(*ids.start()), Some(*ids.end())));
    let statuses: Vec<i32> = statuses.iter().map(|status| status.number()).collect();
    let mut add = |condition: &str, parameter| {
        parameters.push(parameter);
        conditions.push(condition.replace('?', &format!("${}", parameters.len())));
    };
    if let (Some(first), Some(last)) = (&first, &last) {
        add("id >= ?", is(first, Type::UUID));
        add("id <= ?", is(last, Type::UUID));
    }
    if let Some(plugin) = plugin {
        add("plugin = ?", is(plugin, Type::TEXT));
    }
    if let Some(step) = step {
        add("step = ?", is(step, Type::TEXT));
    }
    if let Some(regarding) = regarding {
        add("entity = ?", is(&regarding.entity, Type::TEXT));
        add("record_id = ?", is(&regarding.id, Type::UUID));
    }
    if let Some(before) = before {
        add("sequence < (SELECT sequence FROM system_job WHERE id = ?)", is(before, Type::UUID));
    }
    if !statuses.is_empty() {
        add("status = ANY(?)", is(&statuses, Type::INT4_ARRAY));
    }
    let limit = i64::from(*limit);
    parameters.push(is(&limit, Type::INT8));
    let sql = format!(
        "SELECT {columns} FROM system_job WHERE {} ORDER BY sequence DESC LIMIT ${}",
        conditions.join(" AND "),
        parameters.len()
    );
    let mut rows = jobs.read(&sql, &parameters).await?;
    rows.reverse();
    Ok(rows)
}

pub(super) async fn counts(
    transaction: &PostgresTransaction,
    connection: &Connection,
) -> Result<Vec<JobCount>> {
    let jobs = Jobs::new(transaction, connection, "count system jobs");
    let count = |row: &Row| {
        let step = StepKey { plugin: jobs.get(row, 0)?, step: jobs.get(row, 1)? };
        let suspension = jobs.get::<Option<i32>>(row, 3)?.and_then(Suspension::from_number);
        let (count, Moment(oldest)) = (jobs.get::<i64>(row, 4)?.unsigned_abs(), jobs.get(row, 5)?);
        Ok(JobCount::new(step, status(jobs, row, 2)?, suspension, count, oldest))
    };
    jobs.read(COUNTS, &[]).await?.iter().map(count).collect()
}

pub(super) async fn is_idle(transaction: &PostgresTransaction, connection: &Connection) -> Result<bool> {
    let jobs = Jobs::new(transaction, connection, "look for system jobs");
    let rows = jobs.read(IDLE, &[]).await?;
    rows.first().map_or(Ok(true), |row| jobs.get(row, 0))
}

impl PausedStep {
    /// The step as the table has it.
    fn text(&self) -> &str {
        self.step.as_deref().unwrap_or_default()
    }
}
