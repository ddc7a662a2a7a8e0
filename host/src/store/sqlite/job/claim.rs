//! Claims: which jobs are begun.
//!
//! The index of the jobs that are ready begins with their step. A claim hops from step to step, looks at the head of each,
//! and merges the heads by priority and age: so a hundred thousand jobs of a step that is paused, or that has as many
//! running as it may, cost as much as one.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::{columns, select, status};
use crate::model::error::{Error, Result};
use crate::model::job::{RETRY_DELAY_MAX, Suspension};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job, JobStatus};
use crate::store::sqlite::error::failed;
use crate::store::{Claim, Exchange, Lane, PausedStep};

/// Jobs that were put off and are due become ready, of retries and of others at most so many at once: the rest follow with
/// the next exchange. Each kind by itself, since SQLite would sort all that are due to find the first of both.
const DUE_MAX: u32 = 500;

/// Where a job was put off for a retry, a moment further away than any retry waits comes from a clock that went back.
const RESUME_DUE: &str = "UPDATE system_job
     SET state = 0, status = 0, suspension = NULL, run_at = postpone_until, postpone_until = NULL,
         modified_on = ?1, version = version + 1
     WHERE sequence IN (
         SELECT sequence FROM system_job WHERE state = 1 AND suspension = ?3 AND postpone_until > ?2 AND postpone_until IS NOT NULL
         UNION ALL
         SELECT * FROM (SELECT sequence FROM system_job
             WHERE state = 1 AND suspension = ?3 AND postpone_until <= ?1 AND postpone_until IS NOT NULL
             ORDER BY postpone_until LIMIT ?5)
         UNION ALL
         SELECT * FROM (SELECT sequence FROM system_job
             WHERE state = 1 AND suspension = ?4 AND postpone_until <= ?1 AND postpone_until IS NOT NULL
             ORDER BY postpone_until LIMIT ?5))";

const NEXT_DUE: &str = "SELECT min(moment) FROM (
         SELECT min(postpone_until) AS moment FROM system_job
         WHERE state = 1 AND suspension = ?1 AND postpone_until IS NOT NULL
         UNION ALL
         SELECT min(postpone_until) FROM system_job
         WHERE state = 1 AND suspension = ?2 AND postpone_until IS NOT NULL)";

/// The next step that has jobs ready. In two halves, since SQLite goes through all jobs of the last step to find one with
/// `(plugin, step) > (?1, ?2)`.
const NEXT_STEP: &str = "SELECT * FROM (SELECT plugin, step FROM system_job
         WHERE state = 0 AND blocked = 0 AND crash_count = 0 AND plugin = ?1 AND step > ?2 ORDER BY step LIMIT 1)
     UNION ALL
     SELECT * FROM (SELECT plugin, step FROM system_job
         WHERE state = 0 AND blocked = 0 AND crash_count = 0 AND plugin > ?1 ORDER BY plugin, step LIMIT 1)
     ORDER BY plugin, step LIMIT 1";

/// The head of a step.
const HEAD: &str = "SELECT priority, run_at, sequence FROM system_job
     WHERE state = 0 AND blocked = 0 AND crash_count = 0 AND plugin = ?1 AND step = ?2
     ORDER BY priority, run_at, sequence LIMIT ?3";

/// Those under which a host died, the least suspicious first. There are only ever as many as ran at once.
const SUSPECTS: &str = "SELECT plugin, step, sequence FROM system_job
     WHERE state = 0 AND blocked = 0 AND crash_count > 0 ORDER BY crash_count, run_at, sequence";

const LOCK: &str = concat!(
    "UPDATE system_job SET state = 2, status = 20, attempt = attempt + 1, worker_id = ?1, host = ?2, started_on = ?3,
         modified_on = ?3, version = version + 1
     WHERE sequence IN (SELECT value FROM json_each(?4)) RETURNING ",
    columns!()
);

const STOPPING: &str =
    "SELECT id, status FROM system_job WHERE state = 2 AND status IN (21, 22) AND worker_id = ?1
     ORDER BY sequence";

/// For the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 7] = [RESUME_DUE, NEXT_DUE, NEXT_STEP, HEAD, SUSPECTS, LOCK, STOPPING];

pub(super) fn resume_due(connection: &Connection, now: DateTime) -> Result<()> {
    let longest = i64::try_from(RETRY_DELAY_MAX.as_millis()).unwrap_or(i64::MAX);
    let (retry, postponed) = (Suspension::Retry.number(), Suspension::Postponed.number());
    connection
        .prepare_cached(RESUME_DUE)
        .and_then(|mut statement| {
            statement.execute((now.0, now.0.saturating_add(longest), retry, postponed, DUE_MAX))
        })
        .map(drop)
        .map_err(|error| claim_failed(connection, error))
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<DateTime>> {
    connection
        .prepare_cached(NEXT_DUE)
        .and_then(|mut statement| {
            let suspensions = (Suspension::Retry.number(), Suspension::Postponed.number());
            statement.query_row(suspensions, |row| row.get::<_, Option<i64>>(0))
        })
        .map(|moment| moment.map(DateTime))
        .map_err(|error| claim_failed(connection, error))
}

pub(super) fn claim(connection: &Connection, claim: &Claim, exchange: &Exchange) -> Result<Vec<Job>> {
    if claim.limit == 0 {
        return Ok(Vec::new());
    }
    let paused = super::paused_steps(connection)?;
    let open = |step: &StepKey| claim.lane.has(step) && !paused.iter().any(|paused| paused.covers(step));
    let mut sequences = heads(connection, claim, open)?;
    if claim.suspect
        && let Some(suspect) = suspect(connection, open)?
    {
        sequences.truncate(usize::try_from(claim.limit.saturating_sub(1)).unwrap_or(usize::MAX));
        sequences.push(suspect);
    }
    if sequences.is_empty() {
        return Ok(Vec::new());
    }
    let list = super::json(&sequences);
    let row = (exchange.worker.as_bytes(), &exchange.host, exchange.now.0, list);
    let mut jobs = select(connection, LOCK, row)?;
    // RETURNING has no order of its own.
    jobs.sort_by_key(|job| (job.priority, job.run_at, job.id));
    Ok(jobs)
}

/// The sequences of the jobs to begin, merged from the heads of the steps.
fn heads(connection: &Connection, claim: &Claim, open: impl Fn(&StepKey) -> bool) -> Result<Vec<i64>> {
    let fail = |error| claim_failed(connection, error);
    let mut next_step = connection.prepare_cached(NEXT_STEP).map_err(fail)?;
    let mut head = connection.prepare_cached(HEAD).map_err(fail)?;
    let mut found: Vec<(i64, i64, i64)> = Vec::new();
    let mut last = StepKey { plugin: String::new(), step: String::new() };
    loop {
        let key = |row: &Row<'_>| Ok(StepKey { plugin: row.get(0)?, step: row.get(1)? });
        match next_step.query_row((&last.plugin, &last.step), key) {
            Ok(step) => last = step,
            Err(rusqlite::Error::QueryReturnedNoRows) => break,
            Err(error) => return Err(fail(error)),
        }
        if !open(&last) {
            continue;
        }
        let own =
            claim.limits.iter().find(|(step, _)| *step == last).map_or(claim.limit, |(_, limit)| *limit);
        let rows = head.query_map((&last.plugin, &last.step, own.min(claim.limit)), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        for row in rows.map_err(fail)? {
            found.push(row.map_err(fail)?);
        }
    }
    found.sort_unstable();
    found.truncate(usize::try_from(claim.limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, _, sequence)| sequence).collect())
}

fn suspect(connection: &Connection, open: impl Fn(&StepKey) -> bool) -> Result<Option<i64>> {
    let fail = |error| claim_failed(connection, error);
    let mut statement = connection.prepare_cached(SUSPECTS).map_err(fail)?;
    let mut rows = statement.query([]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        let step = StepKey { plugin: row.get(0).map_err(fail)?, step: row.get(1).map_err(fail)? };
        if open(&step) {
            return row.get(2).map(Some).map_err(fail);
        }
    }
    Ok(None)
}

pub(super) fn stopping(connection: &Connection, worker: Uuid) -> Result<Vec<(Uuid, JobStatus)>> {
    connection
        .prepare_cached(STOPPING)
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), status(row, 1)?));
            statement.query_map([worker.as_bytes()], read)?.collect()
        })
        .map_err(|error| claim_failed(connection, error))
}

fn claim_failed(connection: &Connection, error: rusqlite::Error) -> Error {
    failed(connection, "claim system jobs", error)
}

impl Lane {
    fn has(&self, step: &StepKey) -> bool {
        match self {
            Self::Only(steps) => steps.contains(step),
            Self::AllBut(steps) => !steps.contains(step),
        }
    }
}

impl PausedStep {
    fn covers(&self, step: &StepKey) -> bool {
        self.plugin == step.plugin && self.step.as_ref().is_none_or(|paused| *paused == step.step)
    }
}
