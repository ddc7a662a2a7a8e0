//! A transaction that remembers which records were written, and what they were before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::error::Result;
use crate::model::job::{Control, Controlled};
use crate::model::{
    Attributes, Change, ColumnSet, DateTime, Entity, EntityCollection, EntityDefinition, EntityReference,
    Job, Query, Schema, Value,
};
use crate::store::{Lock, Transaction};

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordChange {
    /// Which.
    pub record: EntityReference,
    /// What was done.
    pub kind: ChangeKind,
    /// The attributes that differ, by name; without those that are null on both sides.
    pub attributes: Vec<Change>,
}

/// What was done to a record, from the beginning of the transaction to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It is another than before.
    Updated,
    /// It is gone.
    Deleted,
}

/// Watches the writes of a transaction.
pub(crate) struct Watching {
    inner: Arc<dyn Transaction>,
    schema: Arc<Schema>,
    /// What the written records were before: none for one that was not there.
    before: Mutex<BTreeMap<EntityReference, Option<Entity>>>,
}

impl Watching {
    pub(crate) fn new(inner: Arc<dyn Transaction>, schema: Arc<Schema>) -> Self {
        Self { inner, schema, before: Mutex::default() }
    }

    /// What differs from before, record by record.
    pub(crate) async fn changes(&self) -> Result<Vec<RecordChange>> {
        let before = std::mem::take(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner));
        let mut changes = Vec::new();
        for (record, old) in before {
            let definition = self.schema.entity(&record.entity)?;
            let new = self.inner.retrieve(definition, record.id, &ColumnSet::All, Lock::None).await?;
            let kind = match (&old, &new) {
                (None, None) => continue,
                (None, Some(_)) => ChangeKind::Created,
                (Some(_), Some(_)) => ChangeKind::Updated,
                (Some(_), None) => ChangeKind::Deleted,
            };
            let attributes = differences(old.as_ref(), new.as_ref());
            changes.push(RecordChange { record, kind, attributes });
        }
        Ok(changes)
    }

    /// Remembers what a record is before its first write.
    async fn remember(&self, definition: &EntityDefinition, id: Uuid) -> Result<()> {
        let record = EntityReference::new(&definition.logical_name, id);
        if self.before.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&record) {
            return Ok(());
        }
        let old = self.inner.retrieve(definition, id, &ColumnSet::All, Lock::Update).await?;
        self.before.lock().unwrap_or_else(PoisonError::into_inner).entry(record).or_insert(old);
        Ok(())
    }
}

#[async_trait]
impl Transaction for Watching {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.remember(definition, id).await?;
        self.inner.insert(definition, id, attributes).await
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.remember(definition, id).await?;
        self.inner.update(definition, id, attributes).await
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.remember(definition, id).await?;
        self.inner.delete(definition, id).await
    }

    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        lock: Lock,
    ) -> Result<Option<Entity>> {
        self.inner.retrieve(definition, id, columns, lock).await
    }

    async fn lock(&self, definition: &EntityDefinition, ids: &[Uuid], lock: Lock) -> Result<()> {
        self.inner.lock(definition, ids, lock).await
    }

    async fn query(&self, schema: &Schema, query: &Query) -> Result<EntityCollection> {
        self.inner.query(schema, query).await
    }

    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool> {
        self.inner.is_referenced(definition, lookup, target).await
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        self.inner.enqueue(jobs).await
    }

    async fn control_jobs(&self, ids: &[Uuid], control: Control, now: DateTime) -> Result<Vec<Controlled>> {
        self.inner.control_jobs(ids, control, now).await
    }

    async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>> {
        self.inner.delete_jobs(ids).await
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.inner.set_deadline(deadline);
    }
}

fn differences(old: Option<&Entity>, new: Option<&Entity>) -> Vec<Change> {
    let value = |record: Option<&Entity>, name: &str| {
        record.and_then(|record| record.get(name)).filter(|value| **value != Value::Null).cloned()
    };
    let names = old.or(new).into_iter().flat_map(|record| record.attributes.keys());
    let change =
        |name: &String| Change { attribute: name.clone(), old: value(old, name), new: value(new, name) };
    names.map(change).filter(|change| change.old != change.new).collect()
}
