//! SQLite's errors as kinds of ours: the only place that knows its codes.

use rusqlite::{Connection, ErrorCode, ffi};

use crate::model::error::{Error, ErrorKind};

/// The error of something that SQLite did not do. `what` completes "could not ...".
pub(super) fn failed(connection: &Connection, what: &str, error: rusqlite::Error) -> Error {
    failed_on(connection.path().unwrap_or_default(), what, error)
}

/// As [`failed`], where there is no connection yet.
pub(super) fn failed_on(path: &str, what: &str, error: rusqlite::Error) -> Error {
    let (kind, way_out) = classify(&error);
    Error::new(kind, format!("could not {what} in the database `{path}`: {error}{way_out}"))
        .with_source(error)
}

/// Whether a statement failed because its primary key is taken.
pub(super) fn is_duplicate(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}

/// The columns of a unique index that a statement would have filled twice, as SQLite names them; none if it failed for
/// another reason.
pub(super) fn unique_violation(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqliteFailure(failure, text)
            if failure.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE =>
        {
            text.as_deref()?.strip_prefix("UNIQUE constraint failed: ")
        }
        _ => None,
    }
}

/// Whether the deadline, or the end of the caller, interrupted a statement.
pub(super) fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Whether another process held the lock for longer than the wait for it.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn classify(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    use ErrorKind::{Duplicate, InvalidRequest, Store, Timeout, UnusableDatabase};
    let Some(code) = error.sqlite_error_code() else {
        return (Store, "");
    };
    match code {
        ErrorCode::OperationInterrupted => (Timeout, "; the time limit was reached"),
        ErrorCode::ConstraintViolation if is_duplicate(error) => (Duplicate, ""),
        ErrorCode::TooBig => (InvalidRequest, "; shorten the value"),
        ErrorCode::DiskFull => (Store, "; free space on the disk, then try again"),
        ErrorCode::SystemIoFailure => (Store, "; check the disk and the file system"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (Store, "; another program holds a lock on the file, so close it and try again")
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            (UnusableDatabase, "; the file and its folder must be writable")
        }
        ErrorCode::DatabaseCorrupt => {
            (UnusableDatabase, "; the file is damaged, so restore it from a backup")
        }
        ErrorCode::NotADatabase => {
            (UnusableDatabase, "; choose another path, or if it was a database restore it from a backup")
        }
        _ => (Store, ""),
    }
}
