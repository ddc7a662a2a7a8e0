//! The seam to the database: few, whole verbs of the domain.
//!
//! A store keeps one organization: its entity definitions, its records in one typed table per entity, and its system
//! jobs. Every store passes one conformance suite, so that moving from one to another is a change of address.
//!
//! **Cancellation.** The store owns the connection of a transaction until COMMIT or ROLLBACK is acknowledged. A caller
//! can be dropped at any moment; the store then drops the work and rolls back.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{Control, Controlled, JobCount, Report, Settlement};
use crate::model::registration::{StepRegistration, Update};
use crate::model::step::StepKey;
use crate::model::{
    Attributes, ColumnSet, DateTime, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, Job, JobStatus, Query, Schema,
};

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod watch;

/// A future that may be sent to the thread that owns a connection.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a transaction does, once it is open.
pub type Work = Box<dyn FnOnce(Arc<dyn Transaction>) -> BoxFuture<'static, Verdict> + Send>;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep what it wrote.
    Commit,
    /// Undo what it wrote.
    Rollback,
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read a consistent state. Readers wait for nobody.
    Read,
    /// Read and write.
    Write,
}

/// What a read keeps other transactions from doing with the record, until the end of its own. A store in which one
/// transaction at a time writes needs no locks; elsewhere what is not locked may be another record a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    None,
    /// Deleting it: what another record is about to point to.
    Keep,
    /// Writing it: what is about to be updated. Others may still point to it.
    Update,
    /// Writing it, and pointing to it: what is about to be deleted.
    Delete,
}

/// How a transaction is opened.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What it may do.
    pub access: Access,
    /// When the request that wants it is over: the longest that it waits for its turn, and the moment at which a
    /// running statement is interrupted. None for exempt work.
    pub deadline: Option<Instant>,
    /// What it is for, in words: an error that others get while they wait names it.
    pub label: String,
}

/// Times that a finished transaction took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Until it was open.
    pub waited: Duration,
    /// From the end of the work to the acknowledged COMMIT or ROLLBACK.
    pub ended: Duration,
}

/// A database that keeps one organization.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Opens a transaction, runs `work` in it and ends it as the work says. The work may run on another thread, one
    /// that may block. Fails if the transaction cannot be opened in time (then `work` never ran), if the database
    /// breaks down, or if COMMIT fails.
    async fn run(&self, begin: Begin, work: Work) -> Result<Timing>;

    /// The definitions as last committed.
    fn schema(&self) -> Arc<Schema>;

    /// Makes definitions, all or none, and returns the new schema. See [`Schema::extended`]; `InvalidDefinition` also if
    /// there are records with the same values of a new alternate key.
    async fn define(&self, definitions: Definitions) -> Result<Arc<Schema>>;

    /// The registered steps of plugins, in the order in which they were first registered.
    async fn registrations(&self) -> Result<Vec<StepRegistration>>;

    /// Writes and removes registered steps, all or none. A step that is registered already keeps its place in the order;
    /// one without a secure configuration loses what it had.
    async fn update_registrations(&self, update: Update) -> Result<()>;

    /// Ends attempts and begins others, in one transaction: a commit costs the same for one job as for hundreds. Await it
    /// to its end: a caller that is dropped may leave jobs locked that nobody runs, until [`Store::recover_jobs`].
    ///
    /// A host calls it at least once a second while it runs. So a store that several hosts share renews the worker's
    /// [lease](Store::lease) with it, by the database's clock, and hands back what workers hold whose lease is over.
    async fn exchange_jobs(&self, exchange: Arc<Exchange>) -> Result<Exchanged>;

    /// How long a worker holds its jobs after its last exchange; then other hosts take them over. None if there are no
    /// other hosts.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// Hands the jobs back that hosts had locked when they died, and returns how many. A job under which that has happened
    /// [`CRASHES_MAX`](crate::model::job::CRASHES_MAX) times is suspended. Called once at start. Dead are, in a store that
    /// one process owns, all workers but this; in one that hosts share, those whose lease is over.
    async fn recover_jobs(&self, worker: Uuid, now: DateTime) -> Result<u64>;

    /// Keeps what a running job reports, in a commit of its own, and returns the job's status. None if the job is not
    /// that worker's in that attempt any more: then nothing is kept.
    async fn report_job(&self, run: JobAttempt, report: Report, now: DateTime) -> Result<Option<JobStatus>>;

    /// Jobs, oldest first.
    async fn jobs(&self, select: JobSelect) -> Result<Vec<Job>>;

    /// The identifiers of jobs, oldest first: what is done to all that a filter selects begins with them.
    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<Uuid>>;

    /// How many jobs there are, by step and status.
    async fn job_counts(&self) -> Result<Vec<JobCount>>;

    /// Whether no job is running or could be run now.
    async fn is_idle(&self) -> Result<bool>;

    /// Deletes the oldest of the jobs that succeeded or were canceled before that moment, at most `limit`, and returns
    /// how many. Those that failed stay.
    async fn prune_jobs(&self, before: DateTime, limit: u32) -> Result<u64>;

    /// Keeps the jobs of a step, or of a whole plugin, from being claimed, or lets them go again. Those that run go on.
    /// False if it was so before.
    async fn pause_step(&self, step: PausedStep, paused: bool, now: DateTime) -> Result<bool>;

    /// What is paused.
    async fn paused_steps(&self) -> Result<Vec<PausedStep>>;

    /// Whether requests may get in each other's way here: then verbs and commits may fail with
    /// [`ErrorKind::Contention`], and such a transaction may be run again. Not where one transaction at a time writes.
    fn may_contend(&self) -> bool {
        false
    }

    /// Waits until another host on the database has changed something, and says what. A change may be told late, by up to a
    /// second, and of several at once each kind is told at least once. Never returns where there are no other hosts.
    async fn changed(&self) -> Change {
        std::future::pending().await
    }

    /// Ends the store: waits for the transaction that is open, refuses new ones, closes the files.
    async fn close(&self);
}

/// What another host has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There may be jobs to claim.
    Jobs,
    /// An operator wants something of a job.
    Control,
    /// Steps were registered, or removed. Changed definitions are not told: [`Store::schema`] has them already.
    Registrations,
}

/// What the asynchronous service gives and takes.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Attempts that have ended.
    pub settlements: Vec<Settlement>,
    /// What to begin.
    pub claims: Vec<Claim>,
    /// Who begins it.
    pub worker: Uuid,
    /// After an exchange that failed, or that says `lapsed`: all that the worker runs or has yet to run. Whatever else is
    /// locked by it was claimed with an answer that never arrived, and is handed back.
    pub held: Option<Vec<Uuid>>,
    /// The name of its machine.
    pub host: String,
    /// The host's time.
    pub now: DateTime,
}

/// Which jobs to begin: those that are ready, smaller priorities first, among equals the oldest. Steps that are paused
/// are passed over.
#[derive(Clone, Debug)]
pub struct Claim {
    /// At most so many.
    pub limit: u32,
    /// Of which steps.
    pub lane: Lane,
    /// Of these steps at most so many.
    pub limits: Vec<(StepKey, u32)>,
    /// Whether one may be among them under which a host has died.
    pub suspect: bool,
}

/// Which steps a claim is for.
#[derive(Clone, Debug)]
pub enum Lane {
    /// These.
    Only(Vec<StepKey>),
    /// All but these.
    AllBut(Vec<StepKey>),
}

/// What came of an [`Exchange`].
#[derive(Clone, Debug, Default)]
pub struct Exchanged {
    /// The jobs whose settlement counted: those still locked by that worker in that attempt.
    pub settled: Vec<Uuid>,
    /// For each claim its jobs, locked, with `attempt` raised, in the order in which they are to be started.
    pub claimed: Vec<Vec<Job>>,
    /// Jobs of the worker that are Pausing or Canceling.
    pub stopping: Vec<(Uuid, JobStatus)>,
    /// When the next job that is put off is due.
    pub next_due: Option<DateTime>,
    /// Whether the worker's lease had run out before: others may have taken over what it still runs.
    pub lapsed: bool,
    /// Of the jobs that it said it holds, those that are not its own any more: it is to stop them.
    pub lost: Vec<Uuid>,
}

/// One run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobAttempt {
    /// The job.
    pub id: Uuid,
    /// Its attempt.
    pub attempt: u32,
    /// Who runs it.
    pub worker: Uuid,
}

/// A step whose jobs wait until it is resumed, or a whole plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedStep {
    /// The plugin.
    pub plugin: String,
    /// The step; none for all of them.
    pub step: Option<String>,
}

/// Which jobs to read.
#[derive(Clone, Debug)]
pub enum JobSelect {
    /// These.
    Ids(Vec<Uuid>),
    /// All that one request led to.
    Correlation(Uuid),
    /// The newest, at most this many.
    Newest(u32),
    /// Those that a filter selects.
    Filter(JobFilter),
}

/// Selects jobs: those that meet all of it, the newest first as far as the limit goes.
#[derive(Clone, Debug)]
#[must_use]
pub struct JobFilter {
    /// With an identifier in this range.
    pub ids: Option<RangeInclusive<Uuid>>,
    /// Of this plugin.
    pub plugin: Option<String>,
    /// Of steps with this name.
    pub step: Option<String>,
    /// In one of these statuses; empty for any.
    pub statuses: Vec<JobStatus>,
    /// About this record.
    pub regarding: Option<EntityReference>,
    /// Queued before this job.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

impl JobFilter {
    /// The newest jobs, at most `limit`.
    pub fn newest(limit: u32) -> Self {
        Self {
            ids: None,
            plugin: None,
            step: None,
            statuses: Vec::new(),
            regarding: None,
            before: None,
            limit,
        }
    }

    /// Only those of a step.
    pub fn of(mut self, step: &StepKey) -> Self {
        self.plugin = Some(step.plugin.clone());
        self.step = Some(step.step.clone());
        self
    }

    /// Only those in one of these statuses.
    pub fn in_status(mut self, statuses: impl IntoIterator<Item = JobStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }
}

/// An open transaction. Used by one request at a time; `&self` because its steps share it.
///
/// A verb that fails leaves the transaction to be rolled back: the pipeline dooms it.
#[async_trait]
pub trait Transaction: Send + Sync {
    /// Inserts a record with the identifier and exactly the attributes given, system attributes included.
    /// `Duplicate` if the identifier is taken, or, with the code
    /// [`DUPLICATE_KEY`](crate::model::code::DUPLICATE_KEY), the values of an alternate key.
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()>;

    /// Writes attributes of a record and raises its version. False if the record does not exist. `Duplicate` as for an
    /// insert if the values of an alternate key are taken.
    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool>;

    /// Deletes a record. False if it does not exist.
    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool>;

    /// Reads a record; none if it does not exist. A transaction that only reads locks nothing, whatever is asked.
    /// `ColumnSet::All` reads the entity's own and the system attributes.
    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        lock: Lock,
    ) -> Result<Option<Entity>>;

    /// Locks records, each once, in the order given, as [`Transaction::retrieve`] would; those that do not exist are passed
    /// over.
    async fn lock(&self, definition: &EntityDefinition, ids: &[Uuid], lock: Lock) -> Result<()>;

    /// Reads the records that a query selects, each with its identifier unless the query is distinct. The query must be
    /// [resolved](Query::resolved): a store knows neither the host's time nor the user.
    async fn query(&self, schema: &Schema, query: &Query) -> Result<EntityCollection>;

    /// Whether a lookup points to `target` in any record.
    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool>;

    /// Writes jobs: they exist if the transaction commits. One with the `order_key` of another that is not over is
    /// blocked; one with the `unique_key` of another that waits takes its place, and that one is canceled.
    async fn enqueue(&self, jobs: &[Job]) -> Result<()>;

    /// Does to each job what an operator asks. A job that cannot go there is left as it is and says so in its result; it
    /// does not fail the transaction.
    async fn control_jobs(&self, ids: &[Uuid], control: Control, now: DateTime) -> Result<Vec<Controlled>>;

    /// Deletes jobs that are over. One that is not is left as it is and says so in its result.
    async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>>;

    /// Moves the moment at which a running statement is interrupted, from [`Begin::deadline`]: while exempt native code
    /// runs, the request's clock stands still.
    fn set_deadline(&self, deadline: Option<Instant>);
}

/// Runs `work` in a transaction of `store` and returns what it returns, with the transaction's times. The transaction
/// commits if `commit` says so of the result.
pub async fn transact<T, F>(
    store: &dyn Store,
    begin: Begin,
    commit: fn(&T) -> bool,
    work: F,
) -> (Option<T>, Result<Timing>)
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Transaction>) -> BoxFuture<'static, T> + Send + 'static,
{
    // The work may end on another thread, so its result comes back through a slot.
    let slot = Arc::new(Mutex::new(None));
    let result = Arc::clone(&slot);
    let run = store.run(
        begin,
        Box::new(move |transaction| {
            Box::pin(async move {
                let value = work(transaction).await;
                let verdict = if commit(&value) { Verdict::Commit } else { Verdict::Rollback };
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                verdict
            })
        }),
    );
    let timing = run.await;
    let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    (value, timing)
}

/// Runs `work` in a transaction of `store`, which commits if it succeeds, and returns what it returns.
pub(crate) async fn attempt<T, F>(store: &dyn Store, begin: Begin, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Arc<dyn Transaction>) -> BoxFuture<'static, Result<T>> + Send + 'static,
{
    match transact(store, begin, Result::is_ok, work).await {
        (Some(Ok(value)), timing) => timing.map(|_| value),
        // What the work says counts more than what became of the rollback.
        (Some(Err(error)), _) => Err(error),
        (None, timing) => Err(timing.err().unwrap_or_else(closed)),
    }
}

/// The error of a store that was closed.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::ShuttingDown, "the store is closed: the host is shutting down")
}
