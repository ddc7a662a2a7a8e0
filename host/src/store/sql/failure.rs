//! What a transaction says of itself, and of what it keeps, in the same words on every database. `label` is what the
//! transaction is for.

use std::any::Any;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Result};

/// The error of a verb whose transaction is over.
pub(in crate::store) fn ended(label: &str) -> Error {
    let message = format!(
        "the transaction of `{label}` has ended; its handle was kept for too long, so take what is needed before"
    );
    Error::new(ErrorKind::Internal, message)
}

/// The error of a write in a transaction that reads.
pub(in crate::store) fn read_only(label: &str) -> Error {
    let message = format!("the transaction of `{label}` was opened to read and cannot write");
    Error::new(ErrorKind::Internal, message)
}

/// The error of a verb past the deadline.
pub(in crate::store) fn late(label: &str) -> Error {
    let message = format!(
        "`{label}` ran past its time limit; its transaction is rolled back, so do less in one request"
    );
    let timeout = Timeout::new(Phase::Database, Duration::ZERO);
    Error::new(ErrorKind::Timeout, message).with_cause(Cause::Timeout(timeout))
}

/// The error of what comes after a failure.
pub(in crate::store) fn dooms(label: &str, cause: &str) -> Error {
    let message =
        format!("the transaction of `{label}` can only be rolled back, after an earlier failure: {cause}");
    Error::new(ErrorKind::Doomed, message)
}

/// The error of work that panicked.
pub(in crate::store) fn panicked(label: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let message = format!(
        "`{label}` panicked: {text}; its transaction is rolled back. This is a defect: please report it"
    );
    Error::new(ErrorKind::Internal, message)
}

/// Reads what is kept as JSON; `what` it is, as "the definition of the entity `account`".
pub(in crate::store) fn from_json<T: DeserializeOwned>(database: &str, what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        let message = format!(
            "{what} in the database `{database}` cannot be read: {error}; restore a backup, or use the version of the \
             host that wrote it"
        );
        Error::new(ErrorKind::UnusableDatabase, message)
    })
}

/// Writes what is to be kept as JSON.
pub(in crate::store) fn to_json(what: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("could not write {what}: {error}")))
}
