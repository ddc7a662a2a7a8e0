//! Claims: which jobs are begun.
//!
//! The index of the jobs that are ready begins with their step. A claim hops from step to step, looks at the head of each,
//! and merges the heads by priority and age: so a hundred thousand jobs of a step that is paused, or that has as many
//! running as it may, cost as much as one. What another host is claiming at the same moment is passed over.

use std::iter;

use futures_util::future::{join_all, join5};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::held::Held;
use super::row::{claimed_columns, decode_claimed, status};
use super::{Jobs, is};
use crate::model::error::Result;
use crate::model::job::{RETRY_DELAY_MAX, Suspension};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job, JobStatus};
use crate::store::postgres::connection::{Bound, Driven, Ready};
use crate::store::postgres::session::types;
use crate::store::postgres::value::Moment;
use crate::store::{Claim, Exchange, Exchanged, Lane};

/// Jobs that were put off and are due become ready, of retries and of others at most so many at once: the rest follow with
/// the next exchange.
const DUE_MAX: i64 = 500;

/// Where a job was put off for a retry, a moment further away than any retry waits comes from a clock that went back.
const RESUME_DUE: &str = "UPDATE system_job
     SET state = 0, status = 0, suspension = NULL, run_at = postpone_until, postpone_until = NULL,
         modified_on = $1, version = version + 1
     WHERE sequence = ANY(ARRAY(
         SELECT * FROM (SELECT sequence FROM system_job
             WHERE state = 1 AND suspension = $3 AND postpone_until > $2
             LIMIT $5 FOR UPDATE SKIP LOCKED) AS strayed
         UNION ALL
         SELECT * FROM (SELECT sequence FROM system_job
             WHERE state = 1 AND suspension = $3 AND postpone_until <= $1
             ORDER BY postpone_until LIMIT $5 FOR UPDATE SKIP LOCKED) AS retries
         UNION ALL
         SELECT * FROM (SELECT sequence FROM system_job
             WHERE state = 1 AND suspension = $4 AND postpone_until <= $1
             ORDER BY postpone_until LIMIT $5 FOR UPDATE SKIP LOCKED) AS postponed))";

const NEXT_DUE: &str = "SELECT least(
         (SELECT min(postpone_until) FROM system_job
          WHERE state = 1 AND suspension = $1 AND postpone_until IS NOT NULL),
         (SELECT min(postpone_until) FROM system_job
          WHERE state = 1 AND suspension = $2 AND postpone_until IS NOT NULL))";

/// In all of these the rows to write are found first, as an array: of how many a subquery has the planner has no idea, and
/// would rather read the whole table.
///
/// The steps that have jobs ready, one hop for each; of these the ones in the lane that are not paused; of each the first,
/// as many as it may have; of all those the first. And of those under which a host died the least suspicious, in a place
/// that is kept for it.
const CLAIM: &str = concat!(
    "WITH RECURSIVE steps AS (
         (SELECT plugin, step FROM system_job
          WHERE state = 0 AND NOT blocked AND crash_count = 0 ORDER BY plugin, step LIMIT 1)
         UNION ALL
         SELECT next.plugin, next.step FROM steps, LATERAL (
             SELECT plugin, step FROM system_job
             WHERE state = 0 AND NOT blocked AND crash_count = 0
                 AND (plugin, step) > (steps.plugin, steps.step)
             ORDER BY plugin, step LIMIT 1) AS next
     ), open AS (
         SELECT steps.plugin, steps.step, least(coalesce(own.most, $4), $4) AS most
         FROM steps LEFT JOIN unnest($5::text[], $6::text[], $7::int8[]) AS own (plugin, step, most)
             ON own.plugin = steps.plugin AND own.step = steps.step
         WHERE EXISTS (SELECT 1 FROM unnest($8::text[], $9::text[]) AS lane (plugin, step)
                 WHERE lane.plugin = steps.plugin AND lane.step = steps.step) = $10
             AND NOT EXISTS (SELECT 1 FROM paused_step AS paused
                 WHERE paused.plugin = steps.plugin AND paused.step IN ('', steps.step))
     ), suspect AS (
         SELECT sequence FROM system_job AS job
         WHERE $11 AND state = 0 AND NOT blocked AND crash_count > 0 AND worker_id IS NULL
             AND EXISTS (SELECT 1 FROM unnest($8::text[], $9::text[]) AS lane (plugin, step)
                 WHERE lane.plugin = job.plugin AND lane.step = job.step) = $10
             AND NOT EXISTS (SELECT 1 FROM paused_step AS paused
                 WHERE paused.plugin = job.plugin AND paused.step IN ('', job.step))
         ORDER BY crash_count, run_at, sequence LIMIT 1 FOR UPDATE SKIP LOCKED
     ), heads AS (
         SELECT head.sequence FROM open, LATERAL (
             SELECT sequence, priority, run_at FROM system_job
             WHERE state = 0 AND NOT blocked AND crash_count = 0 AND worker_id IS NULL
                 AND plugin = open.plugin AND step = open.step
             ORDER BY priority, run_at, sequence LIMIT open.most FOR UPDATE SKIP LOCKED) AS head
         ORDER BY head.priority, head.run_at, head.sequence LIMIT $4 - (SELECT count(*) FROM suspect)
     ), these AS MATERIALIZED (
         SELECT ARRAY(SELECT sequence FROM heads UNION ALL SELECT sequence FROM suspect) AS jobs
     ), noted AS (
         UPDATE worker SET held = coalesce($12, held) || these.jobs FROM these
         WHERE id = $1 AND (these.jobs <> '{}' OR $12 IS NOT NULL)
     )
     UPDATE system_job AS job
     SET status = 20, attempt = attempt + 1, worker_id = $1, host = $2, started_on = $3, modified_on = $3,
         version = version + 1
     WHERE sequence = ANY((SELECT jobs FROM these)::int8[]) RETURNING ",
    claimed_columns!(),
    ", sequence"
);

/// Where the sequence of a claimed job is, behind its columns.
const SEQUENCE: usize = 30;

/// Where no claim says it.
const LET_GO: &str = "UPDATE worker SET held = $2 WHERE id = $1";

const STOPPING: &str = "SELECT id, status FROM system_job WHERE stopping = $1 ORDER BY sequence";

/// What of an exchange comes after its settlements.
///
/// `let_go` are the sequences of the jobs that the worker had and has not any more; `note` is what it is noted to hold.
pub(super) async fn claim(
    cx: Jobs<'_>,
    exchange: &Exchange,
    let_go: &[i64],
    note: &mut Held,
    exchanged: &mut Exchanged,
) -> Result<()> {
    let claims: Vec<Wanted> = exchange.claims.iter().map(Wanted::of).collect();
    let (now, worker) = (Moment(exchange.now), exchange.worker);
    let longest = i64::try_from(RETRY_DELAY_MAX.as_millis()).unwrap_or(i64::MAX);
    let stray = Moment(DateTime(exchange.now.0.saturating_add(longest)));
    let (retry, postponed) = (Suspension::Retry.number(), Suspension::Postponed.number());
    let due = [
        is(&now, Type::TIMESTAMPTZ),
        is(&stray, Type::TIMESTAMPTZ),
        is(&retry, Type::INT4),
        is(&postponed, Type::INT4),
        is(&DUE_MAX, Type::INT8),
    ];
    let next = [is(&retry, Type::INT4), is(&postponed, Type::INT4)];
    let stopping = [is(&worker, Type::UUID)];
    let anew = (!let_go.is_empty()).then(|| note.without(let_go));
    let some = claims.iter().filter(|claim| claim.limit > 0);
    // The first statement that can writes it.
    let notes = iter::once(&anew).chain(iter::repeat(&None));
    let wanted: Vec<Vec<Bound<'_>>> = some
        .zip(notes)
        .map(|(claim, anew)| claim.bound(&exchange.worker, &exchange.host, &now, anew))
        .collect();
    let rest = anew.as_ref().filter(|_| wanted.is_empty());
    let rest = rest.map(|rest| [is(&worker, Type::UUID), is(rest, Type::INT8_ARRAY)]);
    let together = async {
        let connection = cx.connection;
        let resume = connection.ready(RESUME_DUE, &types(&due)).await?;
        let next_due = connection.ready(NEXT_DUE, &types(&next)).await?;
        let stop = connection.ready(STOPPING, &types(&stopping)).await?;
        let noting = match &rest {
            Some(rest) => Some((connection.ready(LET_GO, &types(rest)).await?, rest)),
            None => None,
        };
        let mut claiming: Vec<(Ready<'_>, &[Bound<'_>])> = Vec::with_capacity(wanted.len());
        for bound in &wanted {
            claiming.push((connection.ready(CLAIM, &types(bound)).await?, bound.as_slice()));
        }
        // In this order, one after another, in one round trip.
        let (noted, resumed, claimed, stopping, next) = join5(
            join_all(noting.iter().map(|(ready, rest)| connection.send(ready, *rest))),
            connection.send(&resume, &due),
            join_all(claiming.iter().map(|(ready, bound)| connection.send(ready, bound))),
            connection.send(&stop, &stopping),
            connection.send(&next_due, &next),
        )
        .await;
        noted.into_iter().collect::<Driven<Vec<_>>>()?;
        resumed?;
        Ok((claimed.into_iter().collect::<Driven<Vec<_>>>()?, stopping?, next?))
    };
    let (claimed, stopping, next) = together.await.map_err(|error| cx.error(error))?;
    let mut claimed = claimed.into_iter();
    for claim in &claims {
        let rows = if claim.limit == 0 { None } else { claimed.next() }.unwrap_or_default();
        for row in &rows {
            note.0.push(cx.get(row, SEQUENCE)?);
        }
        exchanged.claimed.push(jobs(cx, &rows, exchange)?);
    }
    for row in &stopping {
        exchanged.stopping.push((cx.get(row, 0)?, status(cx, row, 1)?));
    }
    if let Some(row) = next.first() {
        exchanged.next_due = cx.get::<Option<Moment>>(row, 0)?.map(|moment| moment.0);
    }
    Ok(())
}

fn jobs(cx: Jobs<'_>, rows: &[Row], exchange: &Exchange) -> Result<Vec<Job>> {
    let claimed = |row| {
        let mut job = decode_claimed(cx, row)?;
        job.status = JobStatus::InProgress;
        job.worker = Some(exchange.worker);
        job.host = Some(exchange.host.clone());
        job.started_on = Some(exchange.now);
        Ok(job)
    };
    let mut jobs: Vec<Job> = rows.iter().map(claimed).collect::<Result<_>>()?;
    // RETURNING has no order of its own.
    jobs.sort_by_key(|job| (job.priority, job.run_at, job.id));
    Ok(jobs)
}

/// A claim as the statement takes it.
struct Wanted {
    limit: i64,
    suspect: bool,
    /// Steps that may have fewer, and how many.
    plugins: Vec<String>,
    steps: Vec<String>,
    most: Vec<i64>,
    /// The steps of the lane, or those that are not in it.
    lane_plugins: Vec<String>,
    lane_steps: Vec<String>,
    is_only: bool,
}

impl Wanted {
    fn of(claim: &Claim) -> Self {
        let (lane, is_only) = match &claim.lane {
            Lane::Only(steps) => (steps, true),
            Lane::AllBut(steps) => (steps, false),
        };
        let names = |of: fn(&StepKey) -> &String, steps: &[StepKey]| {
            steps.iter().map(|step| of(step).clone()).collect()
        };
        let limited: Vec<StepKey> = claim.limits.iter().map(|(step, _)| step.clone()).collect();
        Self {
            limit: i64::from(claim.limit),
            suspect: claim.suspect,
            plugins: names(|step| &step.plugin, &limited),
            steps: names(|step| &step.step, &limited),
            most: claim.limits.iter().map(|(_, most)| i64::from(*most)).collect(),
            lane_plugins: names(|step| &step.plugin, lane),
            lane_steps: names(|step| &step.step, lane),
            is_only,
        }
    }

    fn bound<'v>(
        &'v self,
        worker: &'v Uuid,
        host: &'v String,
        now: &'v Moment,
        note: &'v Option<Vec<i64>>,
    ) -> Vec<Bound<'v>> {
        vec![
            is(worker, Type::UUID),
            is(host, Type::TEXT),
            is(now, Type::TIMESTAMPTZ),
            is(&self.limit, Type::INT8),
            is(&self.plugins, Type::TEXT_ARRAY),
            is(&self.steps, Type::TEXT_ARRAY),
            is(&self.most, Type::INT8_ARRAY),
            is(&self.lane_plugins, Type::TEXT_ARRAY),
            is(&self.lane_steps, Type::TEXT_ARRAY),
            is(&self.is_only, Type::BOOL),
            is(&self.suspect, Type::BOOL),
            is(note, Type::INT8_ARRAY),
        ]
    }
}
