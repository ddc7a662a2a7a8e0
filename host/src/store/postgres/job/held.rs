//! What the workers of this host hold.
//!
//! A worker's row notes the sequence of every job that it has locked, so that they are found without an index which each
//! claim had to change. A claim adds to the note, in its own transaction. What the worker has let go of may stay in it, and is
//! taken out by writing the note anew, with the claim: which only who knows all of it can do.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// The notes of this host's workers, as the last exchange of each has left them. Where one failed nobody knows.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct Notes(Mutex<HashMap<Uuid, Held>>);

/// The sequences of the jobs that a worker holds, and perhaps of some more.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct Held(pub(super) Vec<i64>);

impl Notes {
    /// Takes the note of a worker out, for an exchange that may fail.
    pub(in crate::store::postgres) fn take(&self, worker: Uuid) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&worker)
    }

    /// Keeps the note of a worker, once the transaction that wrote it is committed.
    pub(in crate::store::postgres) fn keep(&self, worker: Uuid, held: Held) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(worker, held);
    }
}

impl Held {
    /// Takes out what the worker has let go of, and returns the rest.
    pub(super) fn without(&mut self, let_go: &[i64]) -> Vec<i64> {
        let gone: HashSet<i64> = let_go.iter().copied().collect();
        self.0.retain(|sequence| !gone.contains(sequence));
        self.0.clone()
    }
}
