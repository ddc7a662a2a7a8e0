//! The connections of a store: who waits for one waits in turn, until its deadline, and learns who has them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, PoolError, QueueMode, RecycleError, RecycleResult};
use tokio::sync::mpsc;

use super::Options;
use super::connection::{Connection, Purpose};
use super::error::{Connecting, cannot_connect, connecting, no_answer};
use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::{Begin, closed};

/// How long a server that starts, fails over or has no connection left is waited for, where the deadline is not earlier:
/// what is back within that is not noticed by requests.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may have rested before it is asked whether it is still there: one that is used all the time costs
/// no question.
const REST: Duration = Duration::from_millis(500);
/// How long the answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// Some connections with one purpose.
pub(super) struct Pool {
    connections: managed::Pool<Manager>,
    database: String,
    size: usize,
    holders: Mutex<Holders>,
    /// Cloned by whoever holds a connection: closing waits until all are gone.
    alive: Mutex<Option<mpsc::Sender<()>>>,
    gone: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

#[derive(Default)]
struct Holders {
    next: u64,
    open: BTreeMap<u64, (String, Instant)>,
}

/// A connection out of a pool, for one transaction. Goes back when it is dropped; what is not clean is to be
/// [discarded](Lent::discard).
pub(super) struct Lent {
    /// None once it was discarded.
    object: Option<managed::Object<Manager>>,
    /// The connection itself, for those who share it.
    connection: Arc<Connection>,
    number: u64,
    pool: Arc<Pool>,
    _alive: mpsc::Sender<()>,
}

pub(super) struct Manager {
    options: Options,
    purpose: Purpose,
    /// When a connection was last found to be gone: those that have rested since before go with it.
    doubted: Mutex<Option<Instant>>,
}

impl managed::Manager for Manager {
    type Type = Arc<Connection>;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> std::result::Result<Self::Type, Self::Error> {
        Connection::open(&self.options, self.purpose).await.map(Arc::new)
    }

    async fn recycle(&self, connection: &mut Self::Type, metrics: &Metrics) -> RecycleResult<Self::Error> {
        let used = metrics.recycled.unwrap_or(metrics.created);
        let is_doubted = lock(&self.doubted).is_some_and(|doubted| used < doubted);
        if !is_doubted && !connection.is_closed() {
            if used.elapsed() < REST {
                return Ok(());
            }
            // Of what a firewall or a failed server has dropped, nobody hears.
            if let Ok(Ok(())) = tokio::time::timeout(ANSWER_TIMEOUT, connection.batch("")).await {
                return Ok(());
            }
            *lock(&self.doubted) = Some(Instant::now());
        }
        Err(RecycleError::message("the connection is gone"))
    }
}

impl Pool {
    pub(super) fn new(options: &Options, size: usize, purpose: Purpose) -> Result<Arc<Self>> {
        // Those that were used last have the statements that are needed next.
        let manager = Manager { options: options.clone(), purpose, doubted: Mutex::default() };
        let connections = managed::Pool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(options.connect_timeout()))
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the pool of connections cannot be made").with_source(error)
            })?;
        let (alive, gone) = mpsc::channel(1);
        Ok(Arc::new(Self {
            connections,
            database: options.database.clone(),
            size: size.max(1),
            holders: Mutex::default(),
            alive: Mutex::new(Some(alive)),
            gone: tokio::sync::Mutex::new(gone),
        }))
    }

    /// Takes a connection, in turn. Fails at the deadline; and where no server answers, after a few seconds.
    pub(super) async fn take(self: &Arc<Self>, begin: &Begin, asked: Instant) -> Result<Lent> {
        let alive = lock(&self.alive).clone().ok_or_else(closed)?;
        let mut refusal = None;
        loop {
            let get = self.connections.get();
            let got = match begin.deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), get).await {
                    Ok(got) => got,
                    Err(_) => {
                        let late = || self.late(begin, asked);
                        let refused = |error| cannot_connect(&self.database, &begin.label, error);
                        return Err(refusal.map_or_else(late, refused));
                    }
                },
                None => get.await,
            };
            match got {
                Ok(object) => {
                    let (connection, number) = (Arc::clone(&object), self.note(begin));
                    let pool = Arc::clone(self);
                    return Ok(Lent { object: Some(object), connection, number, pool, _alive: alive });
                }
                Err(PoolError::Closed) => return Err(closed()),
                Err(PoolError::Backend(error)) => {
                    if Instant::now() + RECONNECT_PAUSE >= patience(begin, asked, &error) {
                        return Err(cannot_connect(&self.database, &begin.label, error));
                    }
                    refusal = Some(error);
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
                Err(PoolError::Timeout(_)) => return Err(no_answer(&self.database, &begin.label)),
                Err(error) => {
                    let message =
                        format!("the pool of connections to `{}` broke down: {error}", self.database);
                    return Err(Error::new(ErrorKind::Internal, message));
                }
            }
        }
    }

    /// Refuses whoever waits or comes, and waits until every connection is back.
    pub(super) async fn close(&self) {
        self.connections.close();
        *lock(&self.alive) = None;
        let _ = self.gone.lock().await.recv().await;
    }

    fn note(&self, begin: &Begin) -> u64 {
        let mut holders = lock(&self.holders);
        let number = holders.next;
        holders.next += 1;
        holders.open.insert(number, (begin.label.clone(), Instant::now()));
        number
    }

    fn late(&self, begin: &Begin, asked: Instant) -> Error {
        let holders = lock(&self.holders);
        let held = holders
            .open
            .values()
            .min_by_key(|(_, since)| *since)
            .map_or_else(String::new, |(label, since)| {
                format!(", one of them held for {} by `{label}`", seconds(since.elapsed()))
            });
        let message = format!(
            "`{}` waited {} for one of the {} connections to the database{held}; nothing of it was done, so try again",
            begin.label,
            seconds(asked.elapsed()),
            self.size
        );
        let timeout = Timeout::new(Phase::Queue, asked.elapsed());
        Error::new(ErrorKind::Timeout, message).with_cause(Cause::Timeout(timeout))
    }
}

/// Until when it is tried to connect again.
fn patience(begin: &Begin, asked: Instant, error: &tokio_postgres::Error) -> Instant {
    let patience = asked + PATIENCE;
    match (connecting(error), begin.deadline) {
        // Some request ends, and then there is room.
        (Connecting::Full, Some(deadline)) => deadline,
        (Connecting::Full, None) => patience,
        (Connecting::Starting, deadline) => deadline.map_or(patience, |deadline| deadline.min(patience)),
        (Connecting::Refused, _) => asked,
    }
}

impl Lent {
    /// Ends the connection instead of giving it back.
    pub(super) fn discard(mut self) {
        if let Some(object) = self.object.take() {
            drop(managed::Object::take(object));
        }
    }
}

impl Deref for Lent {
    type Target = Arc<Connection>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        lock(&self.pool.holders).open.remove(&self.number);
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Locks, also after a panic: what these locks guard is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
