//! The embedded store: one SQLite file, one process.
//!
//! One thread owns the connection that writes, a few own connections that read. A transaction's work runs on such a
//! thread from beginning to end, so a statement costs no hop between threads. Writers take turns in the order in which
//! they came; readers see the last committed state and wait for no writer.

mod definition;
mod error;
mod job;
mod key;
mod open;
mod query;
mod registration;
mod session;
mod table;
mod thread;
mod transaction;
mod value;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{JobCount, Report};
use crate::model::registration::{StepRegistration, Update};
use crate::model::{DateTime, Definitions, Job, JobStatus, Schema};
use crate::store::sql::Dialect;
use crate::store::{
    Access, Begin, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, PausedStep, Store, Timing,
    Transaction, Verdict, Work,
};

use session::Session;
use thread::Lane;

/// How the statements of `store/sql` are rendered here.
const DIALECT: Dialect = Dialect::Sqlite;

/// The label of what the store does for the asynchronous service: whoever waits behind it is told so.
const JOBS_LABEL: &str = "the asynchronous service";

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The file, made if it is missing. Beside it SQLite keeps `-wal` and `-shm`, and the host `.lock`.
    pub path: PathBuf,
    /// When a commit is on the disk.
    pub synchronous: Synchronous,
    /// Threads that read, at least one. Each that is busy occupies a connection.
    pub readers: usize,
    /// How long to wait for a lock that another program holds on the file: a shell, a backup, `stagegate jobs`. Of one
    /// that is [attached](SqliteStore::attach): how long a change waits for the host's transactions.
    pub busy_timeout: Duration,
}

impl Options {
    /// The defaults: every commit on the disk, two readers, five seconds for other programs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::Full,
            readers: 2,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Before it is acknowledged.
    #[default]
    Full,
    /// Soon after: a loss of power may take back the last commits, and nothing else. Faster.
    Normal,
}

/// A store in one SQLite file.
///
/// Dropping it ends its threads once their transactions are over; [`Store::close`] also waits for that.
pub struct SqliteStore {
    writer: Arc<Lane>,
    readers: Arc<Lane>,
    schema: Arc<RwLock<Arc<Schema>>>,
    /// Each yields nothing, and ends when the last thread of its lane has ended.
    writing: tokio::sync::Mutex<mpsc::Receiver<()>>,
    reading: tokio::sync::Mutex<mpsc::Receiver<()>>,
    /// Whether it is a guest in the file, which a host may have open.
    attached: bool,
}

impl SqliteStore {
    /// Opens the file, or makes it. Blocks for as long as the disk takes.
    ///
    /// `UnusableDatabase` if the file is something else, in use, or written by a newer version; it is left as it is.
    #[allow(clippy::needless_pass_by_value, reason = "options are made for this call alone")]
    pub fn open(options: Options) -> Result<Arc<Self>> {
        let options = Options { path: open::resolve(&options.path), ..options };
        let lock = Arc::new(open::own(&options.path)?);
        let connection = open::writer(&options)?;
        Self::start(&options, connection, Some(&lock))
    }

    /// Opens a file beside the host that may run on it, to look at its system jobs and to act on them. Blocks for as long
    /// as the disk takes. Takes no lock that lasts and changes nothing by being opened.
    ///
    /// That is safe, since whether a job may be changed is decided in the transaction that changes it, by where the job
    /// stands then; whatever the host does to the job at the same moment comes before or after. A running host looks for
    /// such changes once a second. What only the owner of a file may do, [`Store::define`], [`Store::exchange_jobs`] and
    /// [`Store::recover_jobs`], is refused: so no host can be built on it.
    ///
    /// A change waits at most [`Options::busy_timeout`] for the host's transaction that is open, then it fails with
    /// [`ErrorKind::Timeout`], and nothing was done.
    ///
    /// `UnusableDatabase` if the file does not exist, is something else, or was written by another version: only a host
    /// makes files, and brings them to its version.
    #[allow(clippy::needless_pass_by_value, reason = "options are made for this call alone")]
    pub fn attach(options: Options) -> Result<Arc<Self>> {
        let options = Options { path: open::resolve(&options.path), ..options };
        open::check_exists(&options.path)?;
        let connection = open::guest(&options)?;
        Self::start(&options, connection, None)
    }

    fn start(options: &Options, connection: Connection, lock: Option<&Arc<open::Lock>>) -> Result<Arc<Self>> {
        let schema = definition::load(&connection)?;
        let count = options.readers.max(1);
        let (write_alive, writing) = mpsc::channel(1);
        let (read_alive, reading) = mpsc::channel(1);
        let store = Self {
            writer: Lane::new("the write transaction", 1),
            readers: Lane::new("a read transaction", count),
            schema: Arc::new(RwLock::new(Arc::new(schema))),
            writing: tokio::sync::Mutex::new(writing),
            reading: tokio::sync::Mutex::new(reading),
            attached: lock.is_none(),
        };
        let session = Session::new(connection, Access::Write, lock.cloned());
        store.writer.start(0, "stagegate-write".into(), session, write_alive)?;
        for index in 0..count {
            let session = Session::new(open::reader(options)?, Access::Read, lock.cloned());
            store.readers.start(index, format!("stagegate-read-{index}"), session, read_alive.clone())?;
        }
        Ok(Arc::new(store))
    }

    /// Runs statements of the store's own in one transaction.
    async fn call<T, F>(&self, access: Access, label: &str, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let begin = Begin { access, deadline: None, label: label.to_owned() };
        self.lane(access)
            .run(begin, move |session, turn, _| {
                let (result, _) = session.transact(turn, |transaction| {
                    let result = transaction.call(access, verb);
                    let verdict = if result.is_ok() { Verdict::Commit } else { Verdict::Rollback };
                    (verdict, result)
                })?;
                result
            })
            .await
    }

    /// An error if it is not this process that owns the file. `what` completes "cannot ...".
    fn check_owner(&self, what: &str) -> Result<()> {
        if !self.attached {
            return Ok(());
        }
        let message = format!(
            "cannot {what} through a store that is attached: its host would not learn of it; open the database with \
             `SqliteStore::open`"
        );
        Err(Error::new(ErrorKind::InvalidRequest, message))
    }

    fn lane(&self, access: Access) -> &Arc<Lane> {
        match access {
            Access::Read => &self.readers,
            Access::Write => &self.writer,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn run(&self, begin: Begin, work: Work) -> Result<Timing> {
        let handle = Handle::current();
        self.lane(begin.access)
            .run(begin, move |session, turn, caller| {
                let ((), timing) = session.transact(turn, |transaction| {
                    let transaction: Arc<dyn Transaction> = Arc::clone(transaction) as _;
                    let verdict = handle.block_on(async {
                        tokio::select! {
                            biased;
                            () = caller.closed() => Verdict::Rollback,
                            // Not called before it is polled: a caller that is gone already runs nothing.
                            verdict = async { work(transaction).await } => verdict,
                        }
                    });
                    (verdict, ())
                })?;
                Ok(timing)
            })
            .await
    }

    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn define(&self, definitions: Definitions) -> Result<Arc<Schema>> {
        self.check_owner("define entities")?;
        let shared = Arc::clone(&self.schema);
        let label = "the change of entity definitions".to_owned();
        self.writer
            .run(Begin { access: Access::Write, deadline: None, label }, move |session, turn, _| {
                let current = Arc::clone(&shared.read().unwrap_or_else(PoisonError::into_inner));
                let schema = Arc::new(current.extended(&definitions)?);
                if schema.defines_same(&current) {
                    return Ok(current);
                }
                let (result, _) = session.transact(turn, |transaction| {
                    let result = transaction
                        .call(Access::Write, |connection| definition::migrate(connection, &current, &schema));
                    let verdict = if result.is_ok() { Verdict::Commit } else { Verdict::Rollback };
                    (verdict, result)
                })?;
                result?;
                // Here, and not in the caller: that one may be gone, and the next writer must see it.
                *shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&schema);
                Ok(schema)
            })
            .await
    }

    async fn registrations(&self) -> Result<Vec<StepRegistration>> {
        self.call(Access::Read, "the registration of steps", registration::read).await
    }

    async fn update_registrations(&self, update: Update) -> Result<()> {
        let write = move |connection: &Connection| registration::write(connection, &update);
        self.call(Access::Write, "the registration of steps", write).await
    }

    async fn exchange_jobs(&self, exchange: Arc<Exchange>) -> Result<Exchanged> {
        self.check_owner("run system jobs")?;
        self.call(Access::Write, JOBS_LABEL, move |connection| job::exchange(connection, &exchange)).await
    }

    async fn recover_jobs(&self, worker: Uuid, now: DateTime) -> Result<u64> {
        self.check_owner("take over system jobs")?;
        self.call(Access::Write, JOBS_LABEL, move |connection| job::recover(connection, worker, now)).await
    }

    async fn report_job(&self, run: JobAttempt, report: Report, now: DateTime) -> Result<Option<JobStatus>> {
        self.call(Access::Write, JOBS_LABEL, move |connection| job::report(connection, run, &report, now))
            .await
    }

    async fn jobs(&self, select: JobSelect) -> Result<Vec<Job>> {
        self.call(Access::Read, JOBS_LABEL, move |connection| job::read(connection, &select)).await
    }

    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<Uuid>> {
        self.call(Access::Read, JOBS_LABEL, move |connection| job::ids(connection, &filter)).await
    }

    async fn job_counts(&self) -> Result<Vec<JobCount>> {
        self.call(Access::Read, JOBS_LABEL, job::counts).await
    }

    async fn is_idle(&self) -> Result<bool> {
        self.call(Access::Read, JOBS_LABEL, job::is_idle).await
    }

    async fn prune_jobs(&self, before: DateTime, limit: u32) -> Result<u64> {
        self.call(Access::Write, JOBS_LABEL, move |connection| job::prune(connection, before, limit)).await
    }

    async fn pause_step(&self, step: PausedStep, paused: bool, now: DateTime) -> Result<bool> {
        self.call(Access::Write, JOBS_LABEL, move |connection| {
            job::pause_step(connection, &step, paused, now)
        })
        .await
    }

    async fn paused_steps(&self) -> Result<Vec<PausedStep>> {
        self.call(Access::Read, JOBS_LABEL, job::paused_steps).await
    }

    async fn close(&self) {
        // The readers first: what they see keeps the log from being emptied.
        self.readers.close();
        self.writer.close();
        let _ = self.reading.lock().await.recv().await;
        let _ = self.writing.lock().await.recv().await;
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.readers.close();
        self.writer.close();
    }
}
