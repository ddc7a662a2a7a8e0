//! What these tests share: a database on a path, a store that can be interfered with, an effect that is there once.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stagegate::model::error::Result;
use stagegate::model::job::{JobCount, Report};
use stagegate::model::registration::{StepRegistration, Update};
use stagegate::model::{DateTime, Definitions, Job, JobStatus, Schema};
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::store::{
    Begin, BoxFuture, Change, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, PausedStep, Store,
    Timing, Work,
};
use stagegate::{Entity, EntityCollection, ErrorKind, Fault, Host, Request, StepContext};
use stagegate_tests::probe;
use uuid::Uuid;

/// Opens the database of a test. Without waiting for the disk, which a kill of the process does not need.
pub(super) fn open(path: &Path) -> Arc<dyn Store> {
    let mut options = Options::new(path);
    options.synchronous = Synchronous::Normal;
    SqliteStore::open(options).unwrap()
}

/// Creates `count` probes with one request, and so queues the jobs of all of them in one transaction.
pub(super) async fn queue(host: &Host, count: usize) {
    let probes = (0..count).map(|number| probe(&number.to_string())).collect();
    host.execute(Request::create_multiple(EntityCollection::new("probe", probes))).await.unwrap();
}

/// All jobs, oldest first.
pub(super) async fn jobs(host: &Host) -> Vec<Job> {
    host.jobs(JobSelect::Newest(10_000)).await.unwrap()
}

/// What a job leaves behind: a record with the job's own identifier, so that it is there once, however often the job runs.
pub(super) async fn write_effect(cx: &StepContext) -> Result<(), Fault> {
    let id = cx.operation_id()?.unwrap();
    match cx.create(Entity::new("inner").with_id(id)).await {
        Err(error) if error.kind() == ErrorKind::Duplicate => Ok(()),
        created => Ok(created.map(drop)?),
    }
}

type Trade = dyn Fn(Arc<dyn Store>, Arc<Exchange>) -> BoxFuture<'static, Result<Exchanged>> + Send + Sync;

/// A store whose exchanges of jobs go through a closure, which may hold them up, refuse them or watch them.
pub(super) struct Interposed {
    store: Arc<dyn Store>,
    exchange: Box<Trade>,
}

impl Interposed {
    pub(super) fn on<F, T>(store: Arc<dyn Store>, exchange: F) -> Arc<dyn Store>
    where
        F: Fn(Arc<dyn Store>, Arc<Exchange>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Exchanged>> + Send + 'static,
    {
        Arc::new(Self { store, exchange: Box::new(move |store, given| Box::pin(exchange(store, given))) })
    }
}

#[async_trait]
impl Store for Interposed {
    async fn exchange_jobs(&self, exchange: Arc<Exchange>) -> Result<Exchanged> {
        (self.exchange)(Arc::clone(&self.store), exchange).await
    }

    async fn run(&self, begin: Begin, work: Work) -> Result<Timing> {
        self.store.run(begin, work).await
    }

    fn schema(&self) -> Arc<Schema> {
        self.store.schema()
    }

    async fn define(&self, definitions: Definitions) -> Result<Arc<Schema>> {
        self.store.define(definitions).await
    }

    async fn registrations(&self) -> Result<Vec<StepRegistration>> {
        self.store.registrations().await
    }

    async fn update_registrations(&self, update: Update) -> Result<()> {
        self.store.update_registrations(update).await
    }

    fn lease(&self) -> Option<Duration> {
        self.store.lease()
    }

    async fn changed(&self) -> Change {
        self.store.changed().await
    }

    async fn recover_jobs(&self, worker: Uuid, now: DateTime) -> Result<u64> {
        self.store.recover_jobs(worker, now).await
    }

    async fn report_job(&self, run: JobAttempt, report: Report, now: DateTime) -> Result<Option<JobStatus>> {
        self.store.report_job(run, report, now).await
    }

    async fn jobs(&self, select: JobSelect) -> Result<Vec<Job>> {
        self.store.jobs(select).await
    }

    async fn job_ids(&self, filter: JobFilter) -> Result<Vec<Uuid>> {
        self.store.job_ids(filter).await
    }

    async fn job_counts(&self) -> Result<Vec<JobCount>> {
        self.store.job_counts().await
    }

    async fn is_idle(&self) -> Result<bool> {
        self.store.is_idle().await
    }

    async fn prune_jobs(&self, before: DateTime, limit: u32) -> Result<u64> {
        self.store.prune_jobs(before, limit).await
    }

    async fn pause_step(&self, step: PausedStep, paused: bool, now: DateTime) -> Result<bool> {
        self.store.pause_step(step, paused, now).await
    }

    async fn paused_steps(&self) -> Result<Vec<PausedStep>> {
        self.store.paused_steps().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
