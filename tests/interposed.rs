//! A store that can be interfered with: its exchanges of jobs, its transactions verb by verb, its lease, and what it says of
//! other hosts. Around any store, so that one scenario runs on each of them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stagegate::model::error::{Error, Result};
use stagegate::model::job::{Control, Controlled, JobCount, Report};
use stagegate::model::registration::{StepRegistration, Update};
use stagegate::model::{
    Attributes, ColumnSet, DateTime, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, Job, JobStatus, Query, Schema,
};
use stagegate::store::{
    Begin, BoxFuture, Change, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, Lock, PausedStep, Store,
    Timing, Transaction, Verdict, Work,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use uuid::Uuid;

type Trade = dyn Fn(Arc<dyn Store>, Arc<Exchange>) -> BoxFuture<'static, Result<Exchanged>> + Send + Sync;
type Faults = dyn Fn(&Moment) -> Option<Error> + Send + Sync;

/// A verb of a transaction that is about to be done, or its commit.
pub struct Moment {
    /// What the transaction is for.
    pub label: String,
    /// How many transactions for that there were, with this one.
    pub run: u32,
    /// How many verbs of this one there were, with this one.
    pub verb: u32,
    /// `insert`, `commit` and so on.
    pub name: &'static str,
}

/// A store with whatever interferes.
pub struct Interposed {
    store: Arc<dyn Store>,
    exchange: Option<Box<Trade>>,
    faults: Option<Arc<Faults>>,
    runs: Mutex<HashMap<String, u32>>,
    lease: Option<Duration>,
    changes: Option<tokio::sync::Mutex<UnboundedReceiver<Change>>>,
    asked: Option<UnboundedSender<()>>,
}

impl Interposed {
    /// Does not interfere yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            exchange: None,
            faults: None,
            runs: Mutex::default(),
            lease: None,
            changes: None,
            asked: None,
        }
    }

    /// Has exchanges of jobs go through a closure, which may hold them up, refuse them or watch them.
    #[must_use]
    pub fn exchange<F, T>(mut self, exchange: F) -> Self
    where
        F: Fn(Arc<dyn Store>, Arc<Exchange>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<Exchanged>> + Send + 'static,
    {
        self.exchange = Some(Box::new(move |store, given| Box::pin(exchange(store, given))));
        self
    }

    /// Fails verbs and commits, in place of doing them. The store says that it may contend.
    #[must_use]
    pub fn faults(mut self, faults: impl Fn(&Moment) -> Option<Error> + Send + Sync + 'static) -> Self {
        self.faults = Some(Arc::new(faults));
        self
    }

    /// Gives workers a lease, as if there were other hosts: then nobody's jobs are taken over at start.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Says what other hosts change, and tells whenever the host asks for the next change: then it is done with the one
    /// before.
    #[must_use]
    pub fn changes(mut self, changes: UnboundedReceiver<Change>, asked: UnboundedSender<()>) -> Self {
        self.changes = Some(tokio::sync::Mutex::new(changes));
        self.asked = Some(asked);
        self
    }

    /// The store.
    #[must_use]
    pub fn done(self) -> Arc<dyn Store> {
        Arc::new(self)
    }
}

/// The verbs of one transaction.
struct Faulty {
    inner: Arc<dyn Transaction>,
    faults: Arc<Faults>,
    label: String,
    run: u32,
    verbs: Mutex<u32>,
}

impl Faulty {
    fn at(&self, name: &'static str) -> Result<()> {
        let mut verbs = self.verbs.lock().unwrap_or_else(PoisonError::into_inner);
        *verbs += 1;
        let moment = Moment { label: self.label.clone(), run: self.run, verb: *verbs, name };
        (self.faults)(&moment).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Transaction for Faulty {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.at("insert")?;
        self.inner.insert(definition, id, attributes).await
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.at("update")?;
        self.inner.update(definition, id, attributes).await
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.at("delete")?;
        self.inner.delete(definition, id).await
    }

    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        lock: Lock,
    ) -> Result<Option<Entity>> {
        self.at("retrieve")?;
        self.inner.retrieve(definition, id, columns, lock).await
    }

    async fn lock(&self, definition: &EntityDefinition, ids: &[Uuid], lock: Lock) -> Result<()> {
        self.at("lock")?;
        self.inner.lock(definition, ids, lock).await
    }

    async fn query(&self, schema: &Schema, query: &Query) -> Result<EntityCollection> {
        self.at("query")?;
        self.inner.query(schema, query).await
    }

    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool> {
        self.at("is_referenced")?;
        self.inner.is_referenced(definition, lookup, target).await
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        self.at("enqueue")?;
        self.inner.enqueue(jobs).await
    }

    async fn control_jobs(&self, ids: &[Uuid], control: Control, now: DateTime) -> Result<Vec<Controlled>> {
        self.at("control_jobs")?;
        self.inner.control_jobs(ids, control, now).await
    }

    async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>> {
        self.at("delete_jobs")?;
        self.inner.delete_jobs(ids).await
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.inner.set_deadline(deadline);
    }
}

#[async_trait]
impl Store for Interposed {
    async fn exchange_jobs(&self, exchange: Arc<Exchange>) -> Result<Exchanged> {
        match &self.exchange {
            Some(trade) => trade(Arc::clone(&self.store), exchange).await,
            None => self.store.exchange_jobs(exchange).await,
        }
    }

    async fn run(&self, begin: Begin, work: Work) -> Result<Timing> {
        let Some(faults) = self.faults.clone() else { return self.store.run(begin, work).await };
        let label = begin.label.clone();
        let run = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            let run = runs.entry(label.clone()).or_default();
            *run += 1;
            *run
        };
        let refused = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&refused);
        let work: Work = Box::new(move |inner| {
            Box::pin(async move {
                let faulty = Arc::new(Faulty { inner, faults, label, run, verbs: Mutex::default() });
                match work(Arc::clone(&faulty) as Arc<dyn Transaction>).await {
                    Verdict::Commit => match faulty.at("commit") {
                        Ok(()) => Verdict::Commit,
                        Err(error) => {
                            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            Verdict::Rollback
                        }
                    },
                    Verdict::Rollback => Verdict::Rollback,
                }
            })
        });
        let timing = self.store.run(begin, work).await?;
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or(Ok(timing), Err)
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
        self.lease.or_else(|| self.store.lease())
    }

    fn may_contend(&self) -> bool {
        self.faults.is_some() || self.store.may_contend()
    }

    async fn changed(&self) -> Change {
        let Some(changes) = &self.changes else { return self.store.changed().await };
        if let Some(asked) = &self.asked {
            // A test that does not want to know has dropped its end.
            let _ = asked.send(());
        }
        match changes.lock().await.recv().await {
            Some(change) => change,
            None => std::future::pending().await,
        }
    }

    async fn recover_jobs(&self, worker: Uuid, now: DateTime) -> Result<u64> {
        if self.lease.is_some() { Ok(0) } else { self.store.recover_jobs(worker, now).await }
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
