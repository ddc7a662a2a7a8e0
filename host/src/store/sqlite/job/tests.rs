//! What the asynchronous service asks of the database costs the same however many jobs there are. Read off SQLite's plans,
//! and counted in the steps of its virtual machine: no clock is asked.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::model::job::{Outcome, Settlement};
use crate::store::sqlite::{Options, open};
use crate::store::{Claim, Lane};

/// Jobs that a claim takes.
const CLAIMED: u32 = 50;
const NOW: DateTime = DateTime(1_000_000);

fn database() -> (Connection, TempDir) {
    let folder = TempDir::new().unwrap();
    (open::writer(&Options::new(folder.path().join("jobs.db"))).unwrap(), folder)
}

/// Writes `count` jobs that differ from ready ones in some columns, with more values for `n`, the number of each.
fn add(connection: &Connection, count: u32, columns: &str, values: &str) {
    let sql = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
         INSERT INTO system_job (id, run_at, plugin, message, owner_id, correlation_id, depth, attempt, crash_count,
             created_on, modified_on, context, state, status, step{columns})
         SELECT randomblob(16), n, 'p', 'Update', zeroblob(16), zeroblob(16), 1, 0, 0, n, n, x'', {values} FROM numbers"
    );
    connection.execute(&sql, []).unwrap();
}

/// The steps that SQLite takes for one exchange as the service makes it: settles as many jobs as it claims.
fn steps(connection: &mut Connection) -> u64 {
    let worker = Uuid::from_u128(1);
    let claim = Claim { limit: CLAIMED, lane: Lane::AllBut(Vec::new()), limits: Vec::new(), suspect: true };
    let mut given = Exchange {
        settlements: Vec::new(),
        claims: vec![claim],
        worker,
        held: None,
        host: "h".into(),
        now: NOW,
    };
    let claimed = exchange(connection, &given).unwrap().claimed.concat();
    given.settlements = claimed.iter().map(|job| succeeded(job, worker)).collect();
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(1, Some(count)).unwrap();
    let exchanged = exchange(connection, &given).unwrap();
    connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    assert_eq!(exchanged.settled.len(), claimed.len());
    assert_eq!(exchanged.claimed.concat().len(), CLAIMED as usize);
    steps.load(Ordering::Relaxed)
}

fn succeeded(job: &Job, worker: Uuid) -> Settlement {
    Settlement::new(job.id, job.attempt, worker, Outcome::Succeeded, NOW)
}

#[test]
fn an_exchange_costs_the_same_whatever_else_there_is() {
    let crowd = 100_000;
    let crowds = [
        ("ready", "", "0, 0, 's'"),
        ("of a paused step", "", "0, 0, 'paused'"),
        ("blocked behind a key", ", order_key, blocked", "0, 0, 's', 'k', n > 1"),
        (
            "blocked behind many keys",
            ", order_key, blocked",
            "0, 0, 's', 'k' || (n / 1000), n % 1000 > 0 AND n > 1",
        ),
        ("postponed", ", suspension, postpone_until", "1, 10, 's', 2, 2000000 + n"),
        ("waiting for a retry", ", suspension, postpone_until", "1, 10, 's', 1, 2000000 + n"),
        ("due", ", suspension, postpone_until", "1, 10, 's', 1 + n % 2, n"),
        ("paused", ", suspension", "1, 10, 's', 3"),
        ("over", ", completed_on", "3, 30, 's', n"),
    ];
    for (what, columns, values) in crowds {
        let [few, many] = [3000, crowd].map(|count| {
            let (mut connection, _folder) = database();
            let sql = "INSERT INTO paused_step (plugin, step, paused_on) VALUES ('p', 'paused', 0)";
            connection.execute(sql, []).unwrap();
            add(&connection, 1000, "", "0, 0, 's'");
            add(&connection, count, columns, values);
            steps(&mut connection)
        });
        assert!(many < few * 3 / 2, "{few} steps beside 3000 jobs {what}, {many} beside {crowd}");
    }
}

/// Only what runs, or ran when a host died, is gone through, and sorted: there are only ever as many of these as are
/// claimed at once. The next step is the first of two rows.
#[test]
fn no_statement_goes_through_all_jobs() {
    let (connection, _folder) = database();
    let own = [WAITING_TWIN, CHECKPOINT, PROGRESS, BY_ID, BY_CORRELATION];
    let statements = [&own[..], &claim::STATEMENTS, &settle::STATEMENTS, &control::STATEMENTS].concat();
    for sql in statements {
        let plan = plan(&connection, sql);
        let is_small =
            |line: &&String| line.contains("system_job_locked") || line.contains("system_job_suspect");
        let scans = plan.iter().filter(|line| line.starts_with("SCAN system_job") && !is_small(line)).count();
        let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"));
        let sorts_few =
            plan.iter().any(|line| is_small(&line)) || plan.iter().any(|line| line.starts_with("MERGE"));
        assert!(scans == 0 && (!sorts || sorts_few), "{sql}\n{plan:#?}");
    }
}

/// What SQLite says it will do.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for index in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(index, 0).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get(3).unwrap());
    }
    plan
}
