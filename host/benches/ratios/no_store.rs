//! A store that keeps nothing.
//!
//! The difference between a Create with a step and a Create without, both on this, is what the pipeline spends on the
//! step and nothing else: an execution cannot be made outside of a pipeline, and a database would drown it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use stagegate::model::job::Settlement;
use stagegate::model::registration::{StepRegistration, Update};
use stagegate::store::{Begin, JobSelect, PendingJobs, Store, Timing, Transaction, Work};
use stagegate::{
    Attributes, ColumnSet, DateTime, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, Job, Query, Result, Schema,
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

    async fn claim_jobs(&self, _: Uuid, _: u32, _: DateTime) -> Result<Vec<Job>> {
        Ok(Vec::new())
    }

    async fn settle_jobs(&self, _: Vec<Settlement>) -> Result<Vec<Uuid>> {
        Ok(Vec::new())
    }

    async fn recover_jobs(&self, _: Uuid, _: DateTime) -> Result<u64> {
        Ok(0)
    }

    async fn jobs(&self, _: JobSelect) -> Result<Vec<Job>> {
        Ok(Vec::new())
    }

    async fn pending_jobs(&self) -> Result<PendingJobs> {
        Ok(PendingJobs::default())
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

    async fn retrieve(&self, _: &EntityDefinition, _: Uuid, _: &ColumnSet) -> Result<Option<Entity>> {
        Ok(None)
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

    fn set_deadline(&self, _: Option<Instant>) {}
}
