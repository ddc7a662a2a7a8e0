//! A store that keeps nothing.
//!
//! The difference between a Create with a step and a Create without, both on this, is what the pipeline spends on the
//! step and nothing else: an execution cannot be made outside of a pipeline, and a database would drown it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use stagegate::model::job::{Control, Controlled, JobCount, Report};
use stagegate::model::registration::{StepRegistration, Update};
use stagegate::store::{
    Begin, Exchange, Exchanged, JobAttempt, JobFilter, JobSelect, Lock, PausedStep, Store, Timing,
    Transaction, Work,
};
use stagegate::{
    Attributes, ColumnSet, DateTime, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, Job, JobStatus, Query, Result, Schema,
};
use uuid::Uuid;

pub(crate) struct NoStore(Arc<Schema>);

impl NoStore {
    pub(crate) fn new(definitions: &[EntityDefinition]) -> Arc<Self> {
        Arc::new(Self(Arc::new(Schema::default().extended(&definitions.to_vec().into()).unwrap())))
    }
}

#[async_trait]
impl Store for NoStore {
    async fn run(&self, _: Begin, work: Work) -> Result<Timing> {
        work(Arc::new(NoTransaction)).await;
        Ok(Timing::default())
    }

    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.0)
    }

    async fn define(&self, _: Definitions) -> Result<Arc<Schema>> {
        Ok(self.schema())
    }

    async fn registrations(&self) -> Result<Vec<StepRegistration>> {
        Ok(Vec::new())
    }

    async fn update_registrations(&self, _: Update) -> Result<()> {
        Ok(())
    }

    async fn exchange_jobs(&self, _: Arc<Exchange>) -> Result<Exchanged> {
        Ok(Exchanged::default())
    }

    async fn recover_jobs(&self, _: Uuid, _: DateTime) -> Result<u64> {
        Ok(0)
    }

    async fn jobs(&self, _: JobSelect) -> Result<Vec<Job>> {
        Ok(Vec::new())
    }

    async fn job_ids(&self, _: JobFilter) -> Result<Vec<Uuid>> {
        Ok(Vec::new())
    }

    async fn report_job(&self, _: JobAttempt, _: Report, _: DateTime) -> Result<Option<JobStatus>> {
        Ok(None)
    }

    async fn job_counts(&self) -> Result<Vec<JobCount>> {
        Ok(Vec::new())
    }

    async fn is_idle(&self) -> Result<bool> {
        Ok(true)
    }

    async fn prune_jobs(&self, _: DateTime, _: u32) -> Result<u64> {
        Ok(0)
    }

    async fn pause_step(&self, _: PausedStep, _: bool, _: DateTime) -> Result<bool> {
        Ok(false)
    }

    async fn paused_steps(&self) -> Result<Vec<PausedStep>> {
        Ok(Vec::new())
    }

    async fn close(&self) {}
}

struct NoTransaction;

#[async_trait]
impl Transaction for NoTransaction {
    async fn insert(&self, _: &EntityDefinition, _: Uuid, _: &Attributes) -> Result<()> {
        Ok(())
    }

    async fn update(&self, _: &EntityDefinition, _: Uuid, _: &Attributes) -> Result<bool> {
        Ok(true)
    }

    async fn delete(&self, _: &EntityDefinition, _: Uuid) -> Result<bool> {
        Ok(true)
    }

    async fn retrieve(
        &self,
        _: &EntityDefinition,
        _: Uuid,
        _: &ColumnSet,
        _: Lock,
    ) -> Result<Option<Entity>> {
        Ok(None)
    }

    async fn lock(&self, _: &EntityDefinition, _: &[Uuid], _: Lock) -> Result<()> {
        Ok(())
    }

    async fn query(&self, _: &Schema, query: &Query) -> Result<EntityCollection> {
        Ok(EntityCollection::new(&query.entity, Vec::new()))
    }

    async fn is_referenced(&self, _: &EntityDefinition, _: &str, _: &EntityReference) -> Result<bool> {
        Ok(false)
    }

    async fn enqueue(&self, _: &[Job]) -> Result<()> {
        Ok(())
    }

    async fn control_jobs(&self, _: &[Uuid], _: Control, _: DateTime) -> Result<Vec<Controlled>> {
        Ok(Vec::new())
    }

    async fn delete_jobs(&self, _: &[Uuid]) -> Result<Vec<Controlled>> {
        Ok(Vec::new())
    }

    fn set_deadline(&self, _: Option<Instant>) {}
}
