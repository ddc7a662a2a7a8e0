//! The shared store: a database of a PostgreSQL server, and as many hosts on it as there are.
//!
//! A request's transaction has a connection of its own; requests on different records run in parallel, since what is locked
//! are records. Isolation is READ COMMITTED, with the records locked that are to be written: no update is lost, and
//! nothing has to be run again but for a deadlock. What only reads sees one state, by REPEATABLE READ.

mod address;
mod changes;
mod connection;
mod definition;
mod error;
mod job;
mod long_transactions;
mod open;
mod options;
mod peer;
mod pool;
mod registration;
#[cfg(feature = "cli")]
mod schema;
mod session;
mod tls;
mod transaction;
mod value;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::OperationStatus;
use crate::model::job::{JobCount, Report};
use crate::model::registration::{StepRegistration, Update};
use crate::model::{DateTime, Definitions, Job, JobStatus, Schema};
use crate::store::{
    Access, Begin, BoxFuture, Change, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, PausedStep,
    Store, Timing, Transaction, Verdict, Work,
};

use changes::Changes;
use connection::{Connection, Purpose};
pub use long_transactions::LongTransaction;
pub use options::Options;
use pool::Pool;
use session::{Ended, PostgresTransaction};

/// The label of what the store does for the asynchronous service.
const JOBS_LABEL: &str = "the asynchronous service";
/// The time of what operators and hosts ask about jobs: that of a message request.
const JOBS_TIME_LIMIT: Duration = Duration::from_secs(120);
/// The least time of an exchange, however short the lease is: less would end what is merely slow.
const EXCHANGE_LIMIT_MIN: Duration = Duration::from_secs(5);
/// Connections for the asynchronous service: one to settle and claim, others for what running jobs report and operators
/// look at. So it never waits behind requests.
const JOB_CONNECTIONS: usize = 3;
/// How long a change of definitions waits for the lock on a table in one go: whoever comes behind it waits too.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);
/// The pause before the next try, and how long it is tried: requests that use the table may take two minutes.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const LOCK_PATIENCE: Duration = Duration::from_secs(130);

/// A store in a database of a PostgreSQL server, which several hosts may share.
///
/// Dropping it closes its connections once their transactions are over; [`Store::close`] also waits for that.
pub struct PostgresStore {
    shared: Arc<Shared>,
    writers: Arc<Pool>,
    readers: Arc<Pool>,
    jobs: Arc<Pool>,
    notes: job::Notes,
    lease: Duration,
    long_transaction: Duration,
    stop: watch::Sender<bool>,
}

/// What the store's task needs too.
struct Shared {
    database: Arc<str>,
    schema: RwLock<Arc<Schema>>,
    /// The number of the registration that this host knows of.
    registrations: AtomicI64,
    changes: Changes,
}

impl Shared {
    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a schema the current one, unless a newer one is.
    fn publish(&self, schema: impl Into<Arc<Schema>>) {
        let schema = schema.into();
        let mut current = self.schema.write().unwrap_or_else(PoisonError::into_inner);
        if schema.version > current.version {
            *current = schema;
        }
    }

    /// Whether the number of the registration is another than before.
    fn saw_registrations(&self, version: i64) -> bool {
        self.registrations.swap(version, Ordering::AcqRel) != version
    }
}

impl PostgresStore {
    /// Connects to the database, makes its tables or brings them to this version, and reads the definitions.
    ///
    /// `UnusableDatabase` if it does not exist, refuses the user, is a replica, is not in UTF-8, has tables of another
    /// program or of a newer version; it is left as it is. `Store` if the server does not answer.
    pub async fn open(options: Options) -> Result<Arc<Self>> {
        Self::start(options, true).await
    }

    /// As [`PostgresStore::open`], where the tables must be there, of this version: for a program that looks at the system
    /// jobs of hosts and is none itself.
    pub async fn attach(options: Options) -> Result<Arc<Self>> {
        Self::start(options, false).await
    }

    async fn start(options: Options, migrates: bool) -> Result<Arc<Self>> {
        let database: Arc<str> = options.database.as_str().into();
        let jobs = Pool::new(&options, JOB_CONNECTIONS, Purpose::Jobs)?;
        let begin = Begin { access: Access::Write, deadline: None, label: "the opening".to_owned() };
        let (schema, versions) = {
            let lent = jobs.take(&begin, Instant::now()).await?;
            if migrates {
                open::migrate(&options, &lent).await?;
            } else {
                open::check_version(&options, &lent).await?;
            }
            // The number first: what changes meanwhile is then seen as a change.
            let versions = definition::versions(&database, &lent, false).await?;
            (definition::load(&database, &lent).await?, versions)
        };
        let shared = Arc::new(Shared {
            database,
            schema: RwLock::new(Arc::new(schema)),
            registrations: AtomicI64::new(versions.registrations),
            changes: Changes::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let writers = Pool::new(&options, options.connections, Purpose::Requests)?;
        let readers = Pool::new(&options, options.readers, Purpose::Requests)?;
        let (lease, long_transaction) = (options.lease, options.long_transaction);
        tokio::spawn(changes::run(options, Arc::clone(&shared), stopped));
        Ok(Arc::new(Self {
            shared,
            writers,
            readers,
            jobs,
            notes: job::Notes::default(),
            lease,
            long_transaction,
            stop,
        }))
    }

    /// The transactions on the database, of whatever program, that have been open for longer than
    /// [`Options::long_transaction`] and keep the server from cleaning up, oldest first. The store warns of each once.
    ///
    /// The server shows a user the transactions of other users only if it has the role `pg_read_all_stats`.
    pub async fn long_transactions(&self) -> Result<Vec<LongTransaction>> {
        let (database, age) = (Arc::clone(&self.shared.database), self.long_transaction);
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, move |_, connection| {
            Box::pin(async move { long_transactions::read(&database, connection, age).await })
        })
        .await
    }

    /// Runs what the store does for the asynchronous service, as [`PostgresStore::call`] does.
    async fn for_jobs<T, F>(&self, limit: Duration, access: Access, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a PostgresTransaction, &'a Connection) -> BoxFuture<'a, Result<T>>
            + Send
            + 'static,
    {
        self.call(Some(limit), access, JOBS_LABEL, verb).await
    }

    /// The time of what keeps jobs going. A server that does not answer for so long has given them to others.
    fn exchange_limit(&self) -> Duration {
        self.lease.max(EXCHANGE_LIMIT_MIN)
    }

    /// Runs what the store does by itself, in a transaction if it opens one. It commits if that succeeds.
    async fn call<T, F>(&self, limit: Option<Duration>, access: Access, label: &str, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a PostgresTransaction, &'a Connection) -> BoxFuture<'a, Result<T>>
            + Send
            + 'static,
    {
        let asked = Instant::now();
        let deadline = limit.and_then(|limit| asked.checked_add(limit));
        let begin = Begin { access, deadline, label: label.to_owned() };
        let lent = self.jobs.take(&begin, asked).await?;
        let database = Arc::clone(&self.shared.database);
        let (result, ended) = session::run(lent, begin, asked, database, |transaction| async move {
            let result = transaction
                .call(access, |connection| {
                    let transaction = &transaction;
                    async move { verb(transaction, &connection).await }
                })
                .await;
            (if result.is_ok() { Verdict::Commit } else { Verdict::Rollback }, result)
        })
        .await?;
        self.shared.changes.wrote(ended.wrote);
        result
    }

    /// Makes definitions, on top of those that other hosts may have made.
    async fn try_define(&self, definitions: Definitions) -> Result<Arc<Schema>> {
        let shared = Arc::clone(&self.shared);
        let schema = self
            .call(None, Access::Write, "the change of entity definitions", move |transaction, connection| {
                Box::pin(async move {
                    let database = &*shared.database;
                    let timeout = format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis());
                    let begin = transaction.first(connection, connection.batch(&timeout));
                    begin.await.map_err(|error| error::failed(database, "begin", error))?;
                    let versions = definition::versions(database, connection, true).await?;
                    let mut current = shared.schema();
                    if versions.schema.unsigned_abs() != current.version {
                        current = Arc::new(definition::load(database, connection).await?);
                    }
                    let schema = Arc::new(current.extended(&definitions)?);
                    if schema.defines_same(&current) {
                        return Ok(current);
                    }
                    definition::migrate(database, connection, &current, &schema).await?;
                    Ok(schema)
                })
            })
            .await?;
        // At most starts of a host nothing is new.
        if schema.version > self.schema().version {
            self.shared.publish(Arc::clone(&schema));
            self.shared.changes.versions();
        }
        Ok(schema)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn run(&self, begin: Begin, work: Work) -> Result<Timing> {
        let asked = Instant::now();
        let pool = match begin.access {
            Access::Read => &self.readers,
            Access::Write => &self.writers,
        };
        let lent = pool.take(&begin, asked).await?;
        let database = Arc::clone(&self.shared.database);
        let ((), Ended { timing, wrote }) =
            session::run(lent, begin, asked, database, |transaction| async move {
                (work(transaction as Arc<dyn Transaction>).await, ())
            })
            .await?;
        self.shared.changes.wrote(wrote);
        Ok(timing)
    }

    fn schema(&self) -> Arc<Schema> {
        self.shared.schema()
    }

    async fn define(&self, definitions: Definitions) -> Result<Arc<Schema>> {
        let started = Instant::now();
        loop {
            match self.try_define(definitions.clone()).await {
                // Requests have the table, or another host defines something: nothing was done yet.
                Err(error) if error.kind() == ErrorKind::Contention && started.elapsed() < LOCK_PATIENCE => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn registrations(&self) -> Result<Vec<StepRegistration>> {
        let database = Arc::clone(&self.shared.database);
        self.call(None, Access::Read, "the registration of steps", move |_, connection| {
            Box::pin(async move { registration::read(&database, connection).await })
        })
        .await
    }

    async fn update_registrations(&self, update: Update) -> Result<()> {
        let database = Arc::clone(&self.shared.database);
        self.call(None, Access::Write, "the registration of steps", move |transaction, connection| {
            Box::pin(async move {
                let begin = transaction.open(connection).await;
                begin.map_err(|error| error::failed(&database, "begin", error))?;
                registration::write(&database, connection, &update).await
            })
        })
        .await?;
        self.shared.changes.versions();
        Ok(())
    }

    async fn exchange_jobs(&self, exchange: Arc<Exchange>) -> Result<Exchanged> {
        let (lease, worker) = (self.lease, exchange.worker);
        let held = self.notes.take(worker);
        let exchanging =
            self.for_jobs(self.exchange_limit(), Access::Write, move |transaction, connection| {
                Box::pin(async move { job::exchange(transaction, connection, &exchange, held, lease).await })
            });
        let (exchanged, held) = exchanging.await?;
        self.notes.keep(worker, held);
        Ok(exchanged)
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.lease)
    }

    async fn recover_jobs(&self, worker: Uuid, now: DateTime) -> Result<u64> {
        let lease = self.lease;
        self.for_jobs(self.exchange_limit(), Access::Write, move |transaction, connection| {
            Box::pin(async move { job::recover(transaction, connection, worker, now, lease).await })
        })
        .await
    }

    async fn report_job(&self, run: JobAttempt, report: Report, now: DateTime) -> Result<Option<JobStatus>> {
        self.for_jobs(self.exchange_limit(), Access::Write, move |transaction, connection| {
            Box::pin(async move { job::report(transaction, connection, run, &report, now).await })
        })
        .await
    }

    async fn jobs(&self, select: JobSelect) -> Result<Vec<Job>> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, move |transaction, connection| {
            Box::pin(async move { job::read(transaction, connection, &select).await })
        })
        .await
    }

    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<Uuid>> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, move |transaction, connection| {
            Box::pin(async move { job::ids(transaction, connection, &filter).await })
        })
        .await
    }

    async fn job_counts(&self) -> Result<Vec<JobCount>> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, |transaction, connection| {
            Box::pin(job::counts(transaction, connection))
        })
        .await
    }

    async fn is_idle(&self) -> Result<bool> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, |transaction, connection| {
            Box::pin(job::is_idle(transaction, connection))
        })
        .await
    }

    async fn prune_jobs(&self, before: DateTime, limit: u32) -> Result<u64> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Write, move |transaction, connection| {
            Box::pin(job::prune(transaction, connection, before, limit))
        })
        .await
    }

    async fn pause_step(&self, step: PausedStep, paused: bool, now: DateTime) -> Result<bool> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Write, move |transaction, connection| {
            Box::pin(async move { job::pause_step(transaction, connection, &step, paused, now).await })
        })
        .await
    }

    async fn paused_steps(&self) -> Result<Vec<PausedStep>> {
        self.for_jobs(JOBS_TIME_LIMIT, Access::Read, |transaction, connection| {
            Box::pin(job::paused_steps(transaction, connection))
        })
        .await
    }

    fn may_contend(&self) -> bool {
        true
    }

    async fn changed(&self) -> Change {
        self.shared.changes.next().await
    }

    async fn close(&self) {
        self.stop.send_replace(true);
        tokio::join!(self.writers.close(), self.readers.close(), self.jobs.close());
    }
}

/// The error of a connection that ended without a word.
fn closed_connection(database: &str) -> Error {
    let message = format!("the connection to the database `{database}` was closed; see that the server runs");
    Error::new(ErrorKind::Store, message).with_status(OperationStatus::Retry)
}
