//! The life of a transaction on a connection of its own.
//!
//! It begins with its first statement, in the same round trip. A caller may be dropped at any moment: what runs is then
//! canceled on the server, the transaction rolled back, and the connection given back once that is acknowledged; where the
//! server does not answer, the connection is closed, and the server rolls back.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Bound, CANCEL_TIMEOUT, Connection, Driven, bound};
use super::error::{failed, is_canceled, is_lost, was_canceled};
use super::pool::{Lent, lock};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::OperationStatus;
use crate::store::sql::{Sql, failure};
use crate::store::{Access, Begin, Timing, Verdict};

/// How long a COMMIT may take: a standby that has to confirm it may be slow. After that its outcome is unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much later than ours the server's own time limit is: so that a host that lives says what happened.
const SERVER_LAG: Duration = Duration::from_secs(1);
/// The longest time limit that the server takes, in milliseconds.
const SERVER_LIMIT_MAX: u128 = i32::MAX as u128;
/// How long a statement that nobody waits for any more has to end by itself, as most do, before the server is asked to end
/// it: that takes a connection of its own.
const GRACE: Duration = Duration::from_millis(50);

/// An open transaction.
pub(super) struct PostgresTransaction {
    begin: Begin,
    pub(super) database: Arc<str>,
    state: Mutex<State>,
    /// Whether it is not over. Locked while a verb is polled, so that none sends anything afterwards, whichever task it is in.
    open: Mutex<bool>,
}

struct State {
    /// None once the transaction is over.
    connection: Option<Arc<Connection>>,
    deadline: Option<Instant>,
    /// Whether the server does not know of the deadline yet.
    deadline_moved: bool,
    /// Whether BEGIN was sent.
    begun: bool,
    /// Whether a statement was sent whose answer is not there yet.
    busy: bool,
    /// Whether the connection cannot be used any more.
    broken: bool,
    /// The first failure of a verb: PostgreSQL refuses everything after one, and every store does.
    doomed: Option<Error>,
    wrote: Wrote,
}

/// What a transaction wrote that the asynchronous service is to be told of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrote {
    /// Jobs.
    pub(super) jobs: bool,
    /// What an operator asks of jobs.
    pub(super) control: bool,
}

/// How a transaction ended.
pub(super) struct Ended {
    pub(super) timing: Timing,
    pub(super) wrote: Wrote,
}

/// Runs `work` in a transaction on that connection, ends it as the work says, and returns what the work returns.
pub(super) async fn run<T, F>(
    lent: Lent,
    begin: Begin,
    asked: Instant,
    database: Arc<str>,
    work: impl FnOnce(Arc<PostgresTransaction>) -> F,
) -> Result<(T, Ended)>
where
    F: Future<Output = (Verdict, T)>,
{
    let waited = asked.elapsed();
    let session = Session::new(lent, begin, database);
    let transaction = Arc::clone(&session.transaction);
    let handle = Arc::clone(&transaction);
    let outcome = AssertUnwindSafe(async move { work(handle).await }).catch_unwind().await;
    let ending = Instant::now();
    let (verdict, value) = match outcome {
        Ok((verdict, value)) => (verdict, Ok(value)),
        Err(panic) => (Verdict::Rollback, Err(failure::panicked(&transaction.begin.label, panic.as_ref()))),
    };
    let ended = session.end(verdict).await;
    let value = value?;
    Ok((value, Ended { timing: Timing { waited, ended: ending.elapsed() }, wrote: ended? }))
}

/// A transaction with the connection that it is on. Dropped before its end, it is rolled back by a task.
struct Session {
    lent: Option<Lent>,
    transaction: Arc<PostgresTransaction>,
    runtime: Handle,
}

impl Session {
    fn new(lent: Lent, begin: Begin, database: Arc<str>) -> Self {
        let state = State {
            connection: Some(Arc::clone(&lent)),
            deadline: begin.deadline,
            deadline_moved: false,
            begun: false,
            busy: false,
            broken: false,
            doomed: None,
            wrote: Wrote::default(),
        };
        let transaction = Arc::new(PostgresTransaction {
            begin,
            database,
            state: Mutex::new(state),
            open: Mutex::new(true),
        });
        Self { lent: Some(lent), transaction, runtime: Handle::current() }
    }

    async fn end(mut self, verdict: Verdict) -> Result<Wrote> {
        let transaction = Arc::clone(&self.transaction);
        let Some(connection) = self.lent.as_ref().map(|lent| Arc::clone(lent)) else {
            return Err(failure::ended(&transaction.begin.label));
        };
        transaction.close();
        let (doomed, begun, busy, wrote) = {
            let mut state = lock(&transaction.state);
            (state.doomed.take(), state.begun, state.busy, state.wrote)
        };
        if self.transaction.begin.access == Access::Read && doomed.is_none() && !busy {
            // It has nothing to lose, so nobody waits for its end: see `drop`.
            return Ok(wrote);
        }
        let result = match (verdict, doomed) {
            (Verdict::Commit, None) if busy => Err(transaction.dooms(None)),
            (Verdict::Commit, None) => Ok(wrote),
            (Verdict::Commit, Some(cause)) => Err(transaction.dooms(Some(&cause))),
            (Verdict::Rollback, _) => Ok(Wrote::default()),
        };
        let result = match result {
            Ok(wrote) if verdict == Verdict::Commit && begun => {
                // From here on the outcome is the server's: a caller that goes is not waited for, and not canceled.
                transaction.commit(&connection).await.map(|()| wrote)
            }
            result => {
                transaction.roll_back(&connection).await;
                result
            }
        };
        if let Some(lent) = self.lent.take() {
            transaction.give_back(lent);
        }
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A session that has ended has nothing left.
        let Some(lent) = self.lent.take() else { return };
        let transaction = Arc::clone(&self.transaction);
        transaction.close();
        self.runtime.spawn(async move {
            transaction.roll_back(&lent).await;
            transaction.give_back(lent);
        });
    }
}

impl PostgresTransaction {
    pub(super) fn move_deadline(&self, deadline: Option<Instant>) {
        let mut state = lock(&self.state);
        state.deadline_moved |= state.deadline != deadline;
        state.deadline = deadline;
    }

    /// Notes what the transaction wrote.
    pub(super) fn note(&self, note: impl FnOnce(&mut Wrote)) {
        note(&mut lock(&self.state).wrote);
    }

    /// Calls `verb` with the connection, if the transaction is open, may do that and is in time. An error dooms it.
    pub(super) async fn call<T, F>(
        &self,
        access: Access,
        verb: impl FnOnce(Arc<Connection>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let (connection, deadline) = self.enter(access)?;
        let mut verb = pin!(self.in_time(&connection, deadline, verb(Arc::clone(&connection))));
        let result = poll_fn(|context| {
            let open = lock(&self.open);
            if *open {
                verb.as_mut().poll(context)
            } else {
                Poll::Ready(Err(failure::ended(&self.begin.label)))
            }
        });
        let result = result.await;
        let mut state = lock(&self.state);
        state.busy = false;
        if let Err(error) = &result {
            state.doomed = Some(error.clone());
        }
        result
    }

    /// Lets no verb send anything any more.
    fn close(&self) {
        *lock(&self.open) = false;
        lock(&self.state).connection = None;
    }

    fn enter(&self, access: Access) -> Result<(Arc<Connection>, Option<Instant>)> {
        let mut state = lock(&self.state);
        let Some(connection) = state.connection.clone() else {
            return Err(failure::ended(&self.begin.label));
        };
        if let Some(cause) = &state.doomed {
            return Err(self.dooms(Some(cause)));
        }
        if state.busy {
            // The one before was dropped, and nobody knows what it did.
            return Err(self.dooms(None));
        }
        let refused = if state.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            Some(self.late())
        } else if access == Access::Write && self.begin.access == Access::Read {
            Some(failure::read_only(&self.begin.label))
        } else {
            None
        };
        if let Some(error) = refused {
            state.doomed = Some(error.clone());
            return Err(error);
        }
        state.busy = true;
        Ok((connection, state.deadline))
    }

    /// Awaits what a verb does until the deadline; then has the server end it.
    async fn in_time<T>(
        &self,
        connection: &Connection,
        deadline: Option<Instant>,
        verb: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(deadline) = deadline else { return verb.await };
        let mut verb = Box::pin(verb);
        if let Ok(result) = tokio::time::timeout_at(deadline.into(), &mut verb).await {
            return result;
        }
        match timeout(CANCEL_TIMEOUT, join(connection.cancel(), verb)).await {
            Ok(((), Err(error))) => {
                // Later it may have been the server's own time limit.
                if was_canceled(&error) && Instant::now() < deadline + SERVER_LAG {
                    connection.note_canceled();
                }
                Err(self.late().with_source(error))
            }
            Ok(((), Ok(_))) => Err(self.late()),
            Err(_) => {
                lock(&self.state).broken = true;
                Err(self.late())
            }
        }
    }

    /// Whether it may write.
    pub(super) fn writes(&self) -> bool {
        self.begin.access == Access::Write
    }

    /// Begins at once, for statements that are run on the connection itself.
    pub(super) async fn open(&self, connection: &Connection) -> Driven<()> {
        self.first(connection, std::future::ready(Ok(()))).await
    }

    /// Runs a statement in the transaction, and reads its rows.
    pub(super) async fn rows(&self, connection: &Connection, sql: &Sql<'_>) -> Driven<Vec<Row>> {
        let parameters = bound(sql);
        let ready = connection.ready(&sql.text, &types(&parameters)).await?;
        self.first(connection, connection.send(&ready, &parameters)).await
    }

    /// Runs a statement in the transaction, and returns how many rows it wrote.
    pub(super) async fn execute(&self, connection: &Connection, sql: &Sql<'_>) -> Driven<u64> {
        let parameters = bound(sql);
        let ready = connection.ready(&sql.text, &types(&parameters)).await?;
        self.first(connection, connection.send_counted(&ready, &parameters)).await
    }

    /// Sends what has to come before `statement`, then that, and awaits both.
    ///
    /// If BEGIN failed, what follows would be on its own: but its text is fixed, and what fails it, a connection that is
    /// gone, fails all.
    pub(super) async fn first<T>(
        &self,
        connection: &Connection,
        statement: impl Future<Output = Driven<T>>,
    ) -> Driven<T> {
        match self.preamble() {
            None => statement.await,
            Some(preamble) => {
                let (begun, result) = join(connection.batch(&preamble), statement).await;
                begun?;
                result
            }
        }
    }

    /// What the server has to be told before the next statement.
    fn preamble(&self) -> Option<String> {
        let mut state = lock(&self.state);
        let moved = std::mem::take(&mut state.deadline_moved);
        let begin = match (state.begun, self.begin.access) {
            (true, _) if !moved => return None,
            (true, _) => "",
            (false, Access::Read) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;",
            (false, Access::Write) => "BEGIN ISOLATION LEVEL READ COMMITTED;",
        };
        state.begun = true;
        let limit = match state.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()) + SERVER_LAG,
            None if moved => Duration::ZERO,
            None => return Some(begin.to_owned()),
        };
        let limit = limit.as_millis().min(SERVER_LIMIT_MAX);
        Some(format!("{begin}SET LOCAL statement_timeout={limit}"))
    }

    async fn commit(&self, connection: &Connection) -> Result<()> {
        if connection.is_closed() {
            return Err(self.lost());
        }
        match timeout(COMMIT_TIMEOUT, connection.batch("COMMIT")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_lost(&error) => {
                lock(&self.state).broken = true;
                Err(self.unknown().with_source(error))
            }
            Ok(Err(error)) => Err(failed(&self.database, &format!("commit `{}`", self.begin.label), error)),
            Err(_) => {
                lock(&self.state).broken = true;
                Err(self.unknown())
            }
        }
    }

    /// Rolls back, behind whatever is still to be answered, a COMMIT too. Where the server does not do it, the connection is
    /// one that is to be closed: then it does.
    async fn roll_back(&self, connection: &Connection) {
        let busy = {
            let state = lock(&self.state);
            if state.broken || !(state.begun || state.busy) {
                return;
            }
            state.busy
        };
        let mut rollback = pin!(connection.batch("ROLLBACK"));
        let mut done = None;
        if busy {
            // Whoever asked for it has dropped it.
            done = timeout(GRACE, &mut rollback).await.ok();
            if done.is_none() {
                connection.cancel().await;
            }
        }
        if done.is_none() {
            done = timeout(CANCEL_TIMEOUT, rollback).await.ok();
        }
        lock(&self.state).broken |= !matches!(done, Some(Ok(())));
    }

    /// Gives the connection back, or closes it if nobody knows what is on it.
    fn give_back(&self, lent: Lent) {
        if lock(&self.state).broken || !lent.is_reusable() {
            lent.discard();
        }
    }

    /// The error of a statement.
    pub(super) fn error(&self, what: &str, error: tokio_postgres::Error) -> Error {
        if is_canceled(&error) {
            return self.late().with_source(error);
        }
        failed(&self.database, what, error)
    }

    fn late(&self) -> Error {
        failure::late(&self.begin.label)
    }

    fn dooms(&self, cause: Option<&Error>) -> Error {
        failure::dooms(&self.begin.label, cause.map_or("a call was given up in the middle", Error::message))
    }

    fn lost(&self) -> Error {
        Error::new(
            ErrorKind::Store,
            format!(
                "the connection to the database `{}` was lost before `{}` was committed; it is rolled back, so try again",
                self.database, self.begin.label
            ),
        )
        .with_status(OperationStatus::Retry)
    }

    fn unknown(&self) -> Error {
        Error::new(
            ErrorKind::OutcomeUnknown,
            format!(
                "the connection to the database `{}` was lost while `{}` was committed: it was done or it was not, so \
                 look before it is tried again",
                self.database, self.begin.label
            ),
        )
    }
}

/// The types of parameters.
pub(super) fn types(parameters: &[Bound<'_>]) -> Vec<Type> {
    parameters.iter().map(|(_, ty)| ty.clone()).collect()
}
