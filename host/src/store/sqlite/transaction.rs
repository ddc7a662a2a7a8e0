//! Sessions and transactions: the verbs, executed on the connection without any hop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, ColumnSet, Entity, EntityDefinition, EntityReference, Job, Query, Value};
use crate::store::{Access, Timing, Transaction, Verdict, check, closed};

use super::error::{failed, is_duplicate, is_interrupted};
use super::thread::{Turn, lock};
use super::value::{Column, Parameter, id_parameter};
use super::{filter, job, open, sql};

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
    /// Given back with the last connection.
    file_lock: Option<Arc<open::Lock>>,
}

impl Session {
    pub(super) fn new(connection: Connection, access: Access, file_lock: Arc<open::Lock>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            connection: Some(connection),
            access,
            file_lock: Some(file_lock),
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
            Err(panic) => (Verdict::Rollback, Err(panicked(turn, panic.as_ref()))),
        };
        let ended = self.end(turn, verdict);
        let value = value?;
        ended?;
        Ok((value, Timing { waited, ended: ending.elapsed() }))
    }

    /// Closes the connection; the one that writes brings the log into the file before.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        if let Some(connection) = state.connection.take()
            && state.access == Access::Write
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
        control(
            connection,
            match turn.begin.access {
                Access::Read => "BEGIN",
                // Never deferred: a transaction that reads first and then writes fails if another wrote meanwhile.
                Access::Write => "BEGIN IMMEDIATE",
            },
        )?;
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
            (Verdict::Commit, cause) => Err(dooms(turn, cause)),
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
    /// Calls `verb` with the connection, if the transaction is open, may do that and is in time. An error dooms it.
    pub(super) fn call<T>(&self, access: Access, verb: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let state = &mut *lock(&self.session.0);
        let connection = match &state.connection {
            Some(connection) if state.open && state.number == self.number => connection,
            _ => return Err(self.ended()),
        };
        if let Some(cause) = &state.doomed {
            return Err(dooms(&self.turn, Some(cause.clone())));
        }
        let result = if self.turn.is_expired() {
            Err(late(&self.turn))
        } else if access == Access::Write && self.turn.begin.access == Access::Read {
            Err(self.read_only())
        } else {
            verb(connection)
        };
        if let Err(error) = &result {
            state.doomed = Some(error.clone());
        }
        result
    }

    fn ended(&self) -> Error {
        Error::new(
            ErrorKind::Internal,
            format!(
                "the transaction of `{}` has ended; its handle was kept for too long, so take what is needed before",
                self.turn.begin.label
            ),
        )
    }

    fn read_only(&self) -> Error {
        Error::new(
            ErrorKind::Internal,
            format!("the transaction of `{}` was opened to read and cannot write", self.turn.begin.label),
        )
    }

    /// The error of a statement.
    fn error(&self, connection: &Connection, what: &str, error: rusqlite::Error) -> Error {
        if is_interrupted(&error) {
            return late(&self.turn).with_source(error);
        }
        failed(connection, what, error)
    }

    fn execute<'v>(
        &self,
        connection: &Connection,
        sql: &str,
        parameters: impl IntoIterator<Item = Parameter<'v>>,
    ) -> rusqlite::Result<usize> {
        connection.prepare_cached(sql)?.execute(params_from_iter(parameters))
    }

    fn read(
        &self,
        connection: &Connection,
        definition: &EntityDefinition,
        columns: &[Column<'_>],
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Entity>> {
        let fail =
            |error| self.error(connection, &format!("read records of `{}`", definition.logical_name), error);
        let mut statement = connection.prepare_cached(sql).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(fail)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            let mut record = Entity::new(definition.logical_name.as_str());
            let mut index = 0;
            for column in columns {
                let value = column.decode(row, &mut index)?;
                record.attributes.insert(column.attribute.to_owned(), value);
            }
            record.id = Some(Uuid::from_bytes(row.get(index).map_err(fail)?));
            records.push(record);
        }
        Ok(records)
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.call(Access::Write, |connection| {
            let mut parameters = Vec::with_capacity(attributes.len() + 1);
            parameters.push(id_parameter(&id));
            let columns = written(definition, attributes, &mut parameters)?;
            let sql = sql::insert(definition, &columns);
            self.execute(connection, &sql, parameters).map(drop).map_err(|error| {
                let name = &definition.logical_name;
                if is_duplicate(&error) {
                    let message = format!(
                        "a record of `{name}` with the identifier {id} exists already; update it, or create one \
                         with another identifier"
                    );
                    return Error::new(ErrorKind::Duplicate, message).with_source(error);
                }
                self.error(connection, &format!("insert a record of `{name}`"), error)
            })
        })
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let mut parameters = Vec::with_capacity(attributes.len() + 1);
            let columns = written(definition, attributes, &mut parameters)?;
            parameters.push(id_parameter(&id));
            let count = self.execute(connection, &sql::update(definition, &columns), parameters).map_err(
                |error| {
                    let what = format!("update the record {id} of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                },
            )?;
            Ok(count == 1)
        })
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let count =
                self.execute(connection, &sql::delete(definition), [id_parameter(&id)]).map_err(|error| {
                    let what = format!("delete the record {id} of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                })?;
            Ok(count == 1)
        })
    }

    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
    ) -> Result<Option<Entity>> {
        self.call(Access::Read, |connection| {
            let columns = Column::select(definition, columns)?;
            let mut sql = sql::select(definition, &columns);
            sql.push_str(" WHERE id=?");
            Ok(self.read(connection, definition, &columns, &sql, &[id_parameter(&id)])?.pop())
        })
    }

    async fn query(&self, definition: &EntityDefinition, query: &Query) -> Result<Vec<Entity>> {
        self.call(Access::Read, |connection| {
            check::query(definition, query)?;
            let columns = Column::select(definition, &query.columns)?;
            let select = filter::select(definition, query, &columns)?;
            self.read(connection, definition, &columns, &select.sql, &select.parameters)
        })
    }

    async fn unlink(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<u64> {
        self.call(Access::Write, |connection| {
            let column = lookup_column(definition, lookup)?;
            let parameters = points_to(&column, target)?;
            let count =
                self.execute(connection, &sql::unlink(definition, &column), parameters).map_err(|error| {
                    let what = format!("clear the lookup `{lookup}` of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                })?;
            Ok(count as u64)
        })
    }

    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool> {
        self.call(Access::Read, |connection| {
            let column = lookup_column(definition, lookup)?;
            let parameters = points_to(&column, target)?;
            connection
                .prepare_cached(&sql::is_referenced(definition, &column))
                .and_then(|mut statement| statement.query_row(params_from_iter(parameters), |row| row.get(0)))
                .map_err(|error| {
                    let what = format!("search the lookup `{lookup}` of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                })
        })
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        self.call(Access::Write, |connection| job::insert(connection, jobs))
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        *lock(&self.turn.deadline) = deadline;
    }
}

fn control(connection: &Connection, sql: &str) -> Result<()> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(|error| failed(connection, sql, error))
}

fn written<'v>(
    definition: &'v EntityDefinition,
    attributes: &'v Attributes,
    parameters: &mut Vec<Parameter<'v>>,
) -> Result<Vec<Column<'v>>> {
    let mut columns = Vec::with_capacity(attributes.len());
    for (name, value) in attributes {
        let column = Column::of(definition, name)?;
        if column.place == super::value::Place::Id {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("`{name}` is the identifier and not an attribute to write; leave it out"),
            ));
        }
        column.encode(value, parameters)?;
        columns.push(column);
    }
    Ok(columns)
}

fn lookup_column<'a>(definition: &'a EntityDefinition, lookup: &'a str) -> Result<Column<'a>> {
    let column = Column::of(definition, lookup)?;
    if column.targets().is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("`{lookup}` of `{}` is not a lookup", definition.logical_name),
        ));
    }
    Ok(column)
}

/// The parameters of a lookup's columns, without cloning the reference into a value.
fn points_to<'v>(column: &Column<'_>, target: &'v EntityReference) -> Result<Vec<Parameter<'v>>> {
    if !column.targets().contains(&target.entity) {
        let reference = Value::EntityReference(target.clone());
        return column.encode(&reference, &mut Vec::new()).map(|()| Vec::new());
    }
    let mut parameters = vec![id_parameter(&target.id)];
    if column.has_entity() {
        parameters.push(target.entity.as_str().into());
    }
    Ok(parameters)
}

fn late(turn: &Turn) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "`{}` ran past its time limit; its transaction is rolled back, so do less in one request",
            turn.begin.label
        ),
    )
}

fn dooms(turn: &Turn, cause: Option<Error>) -> Error {
    let label = &turn.begin.label;
    let cause = cause.map_or_else(|| "the database ended it".to_owned(), |cause| cause.message().to_owned());
    Error::new(
        ErrorKind::Doomed,
        format!("the transaction of `{label}` can only be rolled back, after an earlier failure: {cause}"),
    )
}

fn panicked(turn: &Turn, panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::new(
        ErrorKind::Internal,
        format!(
            "`{}` panicked: {text}; its transaction is rolled back. This is a defect: please report it",
            turn.begin.label
        ),
    )
}
