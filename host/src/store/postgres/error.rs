//! PostgreSQL's errors as kinds of ours: the only place that knows its codes.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error as DriverError;
use tokio_postgres::error::{DbError, SqlState};

use super::tls;
use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind};
use crate::model::fault::OperationStatus;

/// The error of something that the database did not do. `what` completes "could not ...".
pub(super) fn failed(database: &str, what: &str, error: DriverError) -> Error {
    let found = classify(&error);
    let text = format!("could not {what} in the database `{database}`: {}{}", cause(&error), found.way_out);
    let mut mapped = Error::new(found.kind, text).with_source(error);
    if found.kind == ErrorKind::Timeout {
        mapped = mapped.with_cause(Cause::Timeout(Timeout::new(Phase::Database, Duration::ZERO)));
    }
    if found.passes { mapped.with_status(OperationStatus::Retry) } else { mapped }
}

/// The server's own words, or the driver's with what is behind them.
fn cause(error: &DriverError) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The constraint that a statement would have broken; none if it failed for another reason.
pub(super) fn violated_constraint(error: &DriverError) -> Option<&str> {
    let error = error.as_db_error().filter(|error| *error.code() == SqlState::UNIQUE_VIOLATION)?;
    error.constraint()
}

/// Whether something is being made that is there already: two hosts have started at once.
pub(super) fn exists_already(error: &DriverError) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::UNIQUE_VIOLATION
                | &SqlState::DUPLICATE_TABLE
                | &SqlState::DUPLICATE_OBJECT
                | &SqlState::INTERNAL_ERROR
        )
    )
}

/// Whether a statement was ended by a cancel request or its time limit.
pub(super) fn is_canceled(error: &DriverError) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
}

/// Whether that is behind an error of ours.
pub(super) fn was_canceled(error: &Error) -> bool {
    std::iter::successors(error.source(), |&error| error.source())
        .filter_map(|error| error.downcast_ref())
        .any(is_canceled)
}

/// What it means that a connection cannot be made.
pub(super) enum Connecting {
    /// As many are there as may be.
    Full,
    /// The server starts, fails over or is not there: it may come back.
    Starting,
    /// It does not let this one in.
    Refused,
}

/// Whether a later try to connect may succeed.
pub(super) fn connecting(error: &DriverError) -> Connecting {
    match error.code() {
        Some(code)
            if *code == SqlState::TOO_MANY_CONNECTIONS || *code == SqlState::CONFIGURATION_LIMIT_EXCEEDED =>
        {
            Connecting::Full
        }
        // While it ends, it may already say so by name.
        Some(code)
            if *code == SqlState::CANNOT_CONNECT_NOW || error.as_db_error().is_some_and(is_shutdown) =>
        {
            Connecting::Starting
        }
        None if (error.is_closed() || is_io(error)) && tls::way_out(error).is_none() => Connecting::Starting,
        _ => Connecting::Refused,
    }
}

/// The error of a connection that cannot be made. `label` is what for.
pub(super) fn cannot_connect(database: &str, label: &str, error: DriverError) -> Error {
    if error.code().is_some() || tls::way_out(&error).is_some() {
        return failed(database, &format!("connect for `{label}`"), error);
    }
    let passes = matches!(connecting(&error), Connecting::Starting);
    let (kind, way_out) = if passes {
        (ErrorKind::Store, "see that the server runs, and that the address is right")
    } else {
        (ErrorKind::UnusableDatabase, "correct the address")
    };
    let text =
        format!("could not connect for `{label}` to the database `{database}`: {}; {way_out}", cause(&error));
    let mapped = Error::new(kind, text).with_source(error);
    if passes { mapped.with_status(OperationStatus::Retry) } else { mapped }
}

/// The error of a server that takes a connection and says nothing.
pub(super) fn no_answer(database: &str, label: &str) -> Error {
    let text = format!(
        "could not connect for `{label}` to the database `{database}`: nothing answers; see that the server runs, and \
         what is between it and this host"
    );
    Error::new(ErrorKind::Store, text).with_status(OperationStatus::Retry)
}

/// Whether the connection is gone, so that nobody knows what the server made of the last message.
pub(super) fn is_lost(error: &DriverError) -> bool {
    match error.as_db_error() {
        // CockroachDB has a code for it: 40003.
        Some(error) => is_shutdown(error) || *error.code() == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
        None => true,
    }
}

fn is_io(error: &DriverError) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

fn is_shutdown(error: &DbError) -> bool {
    let code = error.code();
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::DATABASE_DROPPED,
    ]
    .contains(code)
        || code.code().starts_with("08")
}

struct Class {
    kind: ErrorKind,
    way_out: &'static str,
    /// Whether the same may succeed a moment later.
    passes: bool,
}

fn classify(error: &DriverError) -> Class {
    use ErrorKind::{Contention, Duplicate, InvalidRequest, Store, Timeout, UnusableDatabase};
    let class = |kind, way_out| Class { kind, way_out, passes: false };
    let passing = |kind, way_out| Class { kind, way_out, passes: true };
    let Some(code) = error.code() else {
        if let Some(way_out) = tls::way_out(error) {
            return class(UnusableDatabase, way_out);
        }
        if error.is_closed() || is_io(error) {
            return passing(
                Store,
                "; the connection is gone and its transaction rolled back, so see that the server runs and try again",
            );
        }
        return class(Store, "");
    };
    let constant = |known: &[SqlState]| known.contains(code);
    if constant(&[SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED]) {
        return class(Contention, "; it is rolled back, so try again");
    }
    if constant(&[SqlState::LOCK_NOT_AVAILABLE]) {
        return class(Contention, "; other transactions hold it, so try again");
    }
    if constant(&[SqlState::QUERY_CANCELED]) {
        return class(Timeout, "; the time limit was reached");
    }
    if constant(&[SqlState::UNIQUE_VIOLATION]) {
        return class(Duplicate, "");
    }
    if constant(&[SqlState::READ_ONLY_SQL_TRANSACTION]) {
        return class(
            UnusableDatabase,
            "; it is a replica, or read-only by its settings, so give the host the primary's address or allow writes",
        );
    }
    if constant(&[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) {
        return class(UnusableDatabase, "; correct the user, the password or the server's pg_hba.conf");
    }
    if constant(&[SqlState::INVALID_CATALOG_NAME]) {
        return class(UnusableDatabase, "; create it first, with `createdb` for one");
    }
    if constant(&[SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_SCHEMA_NAME]) {
        return class(
            UnusableDatabase,
            "; the host's user must own its tables, and may CREATE in the schema",
        );
    }
    if constant(&[SqlState::TOO_MANY_CONNECTIONS, SqlState::CONFIGURATION_LIMIT_EXCEEDED]) {
        return passing(
            Store,
            "; raise the server's max_connections, or give the hosts fewer connections each",
        );
    }
    if constant(&[SqlState::CANNOT_CONNECT_NOW]) || error.as_db_error().is_some_and(is_shutdown) {
        return passing(Store, "; the server is going or coming back, so try again");
    }
    if constant(&[SqlState::DISK_FULL]) {
        return class(Store, "; free space on the server's disk, then try again");
    }
    if constant(&[
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        SqlState::TOO_MANY_COLUMNS,
        SqlState::STATEMENT_TOO_COMPLEX,
    ]) {
        return class(InvalidRequest, "; that is more than PostgreSQL takes, so make it smaller");
    }
    class(Store, "")
}
