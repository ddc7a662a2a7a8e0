//! Transactions that are open for too long: as long as one is, the server keeps every row that was deleted or changed since,
//! and claims of jobs have to pass them all.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Connection, Driven};
use super::error::failed;
use crate::model::error::Result;

/// Those that hold a snapshot or have written something. An idle one that has neither keeps nobody from anything.
const FIND: &str =
    "SELECT pid, coalesce(application_name, ''), coalesce(usename::text, ''), coalesce(state, ''),
         (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::int8,
         (extract(epoch FROM xact_start) * 1000)::int8
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
         AND xact_start <= clock_timestamp() - $1::float8 * interval '1 millisecond'
     ORDER BY xact_start, pid LIMIT 100";

/// A transaction that has been open for long, and keeps the server from cleaning up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongTransaction {
    /// The server's process: what `pg_terminate_backend` takes.
    pub pid: i32,
    /// What the program calls itself; empty if it does not.
    pub application: String,
    /// Whose it is.
    pub user: String,
    /// What it does, in the server's words: `active`, `idle in transaction`.
    pub state: String,
    /// How long it has been open, by the server's clock.
    pub age: Duration,
    /// When it began, by the server's clock, in milliseconds since 1970: with the process what tells it from others.
    began: i64,
}

/// Those that are older than `age`, oldest first.
pub(super) async fn read(
    database: &str,
    connection: &Connection,
    age: Duration,
) -> Result<Vec<LongTransaction>> {
    let fail = |error| failed(database, "look for long transactions", error);
    let age = age.as_secs_f64() * 1e3;
    let rows = connection.rows(FIND, &[(&age, Type::FLOAT8)]).await.map_err(fail)?;
    rows.iter().map(LongTransaction::of).collect::<Driven<_>>().map_err(fail)
}

impl LongTransaction {
    fn of(row: &Row) -> Driven<Self> {
        let age: i64 = row.try_get(4)?;
        Ok(Self {
            pid: row.try_get(0)?,
            application: row.try_get(1)?,
            user: row.try_get(2)?,
            state: row.try_get(3)?,
            age: Duration::from_millis(age.unsigned_abs()),
            began: row.try_get(5)?,
        })
    }
}

/// What was warned of.
#[derive(Default)]
pub(super) struct Warned(BTreeSet<(i32, i64)>);

impl Warned {
    /// Warns of each once.
    pub(super) fn warn(&mut self, database: &str, found: &[LongTransaction]) {
        for long in self.take_new(found) {
            tracing::warn!(
                pid = long.pid,
                application = long.application,
                user = long.user,
                state = long.state,
                "a transaction on the database `{database}` has been open for {} s and keeps the server from cleaning up \
                 system jobs that are done, which slows down claims; end it, with pg_terminate_backend({}) for one",
                long.age.as_secs(),
                long.pid
            );
        }
    }

    fn take_new<'f>(&mut self, found: &'f [LongTransaction]) -> Vec<&'f LongTransaction> {
        let keys: BTreeSet<(i32, i64)> = found.iter().map(|long| (long.pid, long.began)).collect();
        let known = std::mem::replace(&mut self.0, keys);
        found.iter().filter(|long| !known.contains(&(long.pid, long.began))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(pid: i32, began: i64) -> LongTransaction {
        let age = Duration::from_secs(400);
        LongTransaction {
            pid,
            application: "psql".into(),
            user: "u".into(),
            state: "active".into(),
            age,
            began,
        }
    }

    #[test]
    fn each_is_new_once() {
        let mut warned = Warned::default();
        let (one, other, next) = (long(1, 5), long(2, 6), long(1, 7));
        assert_eq!(warned.take_new(std::slice::from_ref(&one)), [&one]);
        assert_eq!(warned.take_new(&[one.clone(), other.clone()]), [&other]);
        assert!(warned.take_new(&[one, other.clone()]).is_empty());
        assert_eq!(warned.take_new(&[other, next.clone()]), [&next], "of the same process, and another one");
    }
}
