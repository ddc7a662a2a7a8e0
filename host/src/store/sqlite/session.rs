//! Sessions: a thread's connection, and the life of a transaction on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rusqlite::Connection;

use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::sql::failure;
use crate::store::{Access, Timing, Verdict, closed};

use super::error::{failed, is_busy, is_interrupted};
use super::open;
use super::thread::{Turn, lock};

/// Virtual machine steps of SQLite between two looks at the deadline: about ten microseconds.
const STEPS_BETWEEN_CHECKS: i32 = 1000;

/// A thread's connection and what is open on it.
pub(super) struct Session(Mutex<State>);

struct State {
    /// None once the thread has ended.
    connection: Option<Connection>,
    /// What it is for.
    access: Access,
    /// The number of the transaction that is open, or of the last one.
    number: u64,
    /// Whether that one is open.
    open: bool,
    /// The first failure of a verb in it: SQLite may have rolled back, and PostgreSQL refuses everything after one, so
    /// whatever follows fails in every store.
    doomed: Option<Error>,
    /// Given back with the last connection. None for a guest in the file.
    file_lock: Option<Arc<open::Lock>>,
    /// Whether a host may have the file open too.
    is_guest: bool,
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        access: Access,
        file_lock: Option<Arc<open::Lock>>,
    ) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            connection: Some(connection),
            access,
            is_guest: file_lock.is_none(),
            file_lock,
            number: 0,
            open: false,
            doomed: None,
        })))
    }

    /// Opens a transaction, calls `body` and ends the transaction as it says: without a verdict, or if it panics, by
    /// a rollback.
    pub(super) fn transact<T>(
        self: &Arc<Self>,
        turn: &Arc<Turn>,
        body: impl FnOnce(&Arc<SqliteTransaction>) -> (Verdict, T),
    ) -> Result<(T, Timing)> {
        let number = self.begin(turn)?;
        let waited = turn.asked.elapsed();
        let transaction =
            Arc::new(SqliteTransaction { session: Arc::clone(self), number, turn: Arc::clone(turn) });
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&transaction)));
        let ending = Instant::now();
        let (verdict, value) = match outcome {
            Ok((verdict, value)) => (verdict, Ok(value)),
            Err(panic) => (Verdict::Rollback, Err(failure::panicked(&turn.begin.label, panic.as_ref()))),
        };
        let ended = self.end(turn, verdict);
        let value = value?;
        ended?;
        Ok((value, Timing { waited, ended: ending.elapsed() }))
    }

    /// Closes the connection; the one that writes brings the log into the file before, unless that is the host's to do.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        if let Some(connection) = state.connection.take()
            && state.access == Access::Write
            && !state.is_guest
        {
            // What cannot be brought over now is brought over at the next opening.
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        state.file_lock = None;
    }

    fn begin(&self, turn: &Arc<Turn>) -> Result<u64> {
        let state = &mut *lock(&self.0);
        let connection = state.connection.as_mut().ok_or_else(closed)?;
        if !connection.is_autocommit() {
            // A rollback failed earlier.
            control(connection, "ROLLBACK")?;
        }
        let watched = Arc::clone(turn);
        connection
            .progress_handler(
                STEPS_BETWEEN_CHECKS,
                Some(move || watched.is_abandoned() || watched.is_expired()),
            )
            .map_err(|error| failed(connection, "watch the time limit", error))?;
        let begin = match turn.begin.access {
            Access::Read => "BEGIN",
            // Never deferred: a transaction that reads first and then writes fails if another wrote meanwhile.
            Access::Write => "BEGIN IMMEDIATE",
        };
        execute(connection, begin).map_err(|error| match error {
            error if state.is_guest && is_busy(&error) => busy(turn).with_source(error),
            error => failed(connection, begin, error),
        })?;
        state.number += 1;
        state.open = true;
        state.doomed = None;
        Ok(state.number)
    }

    fn end(&self, turn: &Turn, verdict: Verdict) -> Result<()> {
        let state = &mut *lock(&self.0);
        state.open = false;
        let doomed = state.doomed.take();
        let connection = state.connection.as_mut().ok_or_else(closed)?;
        // From here on the outcome is SQLite's.
        connection
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(|error| failed(connection, "stop watching the time limit", error))?;
        let result = match (verdict, doomed) {
            (Verdict::Commit, None) if !connection.is_autocommit() => control(connection, "COMMIT"),
            (Verdict::Commit, cause) => Err(dooms(turn, cause.as_ref())),
            (Verdict::Rollback, _) => Ok(()),
        };
        if connection.is_autocommit() {
            return result;
        }
        result.and(control(connection, "ROLLBACK"))
    }
}

/// An open transaction on a session.
pub(super) struct SqliteTransaction {
    session: Arc<Session>,
    number: u64,
    turn: Arc<Turn>,
}

impl SqliteTransaction {
    pub(super) fn move_deadline(&self, deadline: Option<Instant>) {
        *lock(&self.turn.deadline) = deadline;
    }

    /// Calls `verb` with the connection, if the transaction is open, may do that and is in time. An error dooms it.
    pub(super) fn call<T>(&self, access: Access, verb: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let state = &mut *lock(&self.session.0);
        let connection = match &state.connection {
            Some(connection) if state.open && state.number == self.number => connection,
            _ => return Err(failure::ended(&self.turn.begin.label)),
        };
        if let Some(cause) = &state.doomed {
            return Err(dooms(&self.turn, Some(cause)));
        }
        let result = if self.turn.is_expired() {
            Err(late(&self.turn))
        } else if access == Access::Write && self.turn.begin.access == Access::Read {
            Err(failure::read_only(&self.turn.begin.label))
        } else {
            verb(connection)
        };
        if let Err(error) = &result {
            state.doomed = Some(error.clone());
        }
        result
    }

    /// The error of a statement.
    pub(super) fn error(&self, connection: &Connection, what: &str, error: rusqlite::Error) -> Error {
        if is_interrupted(&error) {
            return late(&self.turn).with_source(error);
        }
        failed(connection, what, error)
    }
}

fn control(connection: &Connection, sql: &str) -> Result<()> {
    execute(connection, sql).map_err(|error| failed(connection, sql, error))
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// The error of a guest whose host did not let it in.
fn busy(turn: &Turn) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "`{}` waited {:.1} s for the host's transaction that is open, which may be a long one of a plugin; nothing \
             of it was done, so try again",
            turn.begin.label,
            turn.asked.elapsed().as_secs_f64()
        ),
    )
    .with_cause(Cause::Timeout(Timeout::new(Phase::Queue, turn.asked.elapsed())))
}

fn late(turn: &Turn) -> Error {
    failure::late(&turn.begin.label)
}

fn dooms(turn: &Turn, cause: Option<&Error>) -> Error {
    failure::dooms(&turn.begin.label, cause.map_or("the database ended it", Error::message))
}
