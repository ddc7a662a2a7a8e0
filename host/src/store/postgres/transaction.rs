//! The verbs.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connection::Connection;
use super::error::violated_constraint;
use super::job;
use super::session::PostgresTransaction;
use crate::model::error::Result;
use crate::model::job::{Control, Controlled};
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityCollection, EntityDefinition, EntityReference, Job,
    KeyDefinition, Query, Schema,
};
use crate::store::sql::column::Column;
use crate::store::sql::query::Page;
use crate::store::sql::query::selection::Selection;
use crate::store::sql::{Dialect, key, statement};
use crate::store::{Access, Lock, Transaction};

const DIALECT: Dialect = Dialect::Postgres;

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.call(Access::Write, |connection| async move {
            let sql = statement::insert(DIALECT, definition, id, attributes)?;
            self.execute(&connection, &sql).await.map(drop).map_err(|error| {
                let violated = violated_constraint(&error).map(|name| Violated::of(definition, name));
                match violated {
                    Some(Some(Violated::Identifier)) => statement::taken(definition, id).with_source(error),
                    Some(Some(Violated::Key(key))) => {
                        key::duplicate(definition, key, attributes, None).with_source(error)
                    }
                    _ => self.error(&format!("insert a record of `{}`", definition.logical_name), error),
                }
            })
        })
        .await
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.call(Access::Write, |connection| async move {
            // A refused statement ends the transaction, so what its error is to say is read before.
            let asked = other_key_attributes(definition, attributes);
            let stored = if asked.is_empty() {
                None
            } else {
                self.find(&connection, definition, id, &ColumnSet::Named(asked), Lock::Update).await?
            };
            let sql = statement::update(DIALECT, definition, id, attributes)?;
            let count = self.execute(&connection, &sql).await.map_err(|error| {
                let violated = violated_constraint(&error).map(|name| Violated::of(definition, name));
                if let Some(Some(Violated::Key(key))) = violated {
                    return key::duplicate(definition, key, attributes, stored.as_ref()).with_source(error);
                }
                self.error(&format!("update the record {id} of `{}`", definition.logical_name), error)
            })?;
            Ok(count == 1)
        })
        .await
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.call(Access::Write, |connection| async move {
            let sql = statement::delete(DIALECT, definition, id);
            let count = self.execute(&connection, &sql).await.map_err(|error| {
                self.error(&format!("delete the record {id} of `{}`", definition.logical_name), error)
            })?;
            Ok(count == 1)
        })
        .await
    }

    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        lock: Lock,
    ) -> Result<Option<Entity>> {
        self.call(Access::Read, |connection| async move {
            let lock = if self.writes() { lock } else { Lock::None };
            self.find(&connection, definition, id, columns, lock).await
        })
        .await
    }

    async fn lock(&self, definition: &EntityDefinition, ids: &[Uuid], lock: Lock) -> Result<()> {
        if ids.is_empty() || !self.writes() {
            return Ok(());
        }
        self.call(Access::Read, |connection| async move {
            let sql = statement::lock(definition, lock);
            let parameters = [(&ids as _, Type::UUID_ARRAY)];
            let locked = async {
                let ready = connection.ready(&sql, &[Type::UUID_ARRAY]).await?;
                self.first(&connection, connection.send(&ready, &parameters)).await
            };
            locked
                .await
                .map(drop)
                .map_err(|error| self.error(&format!("lock records of `{}`", definition.logical_name), error))
        })
        .await
    }

    async fn query(&self, schema: &Schema, query: &Query) -> Result<EntityCollection> {
        self.call(Access::Read, |connection| async move { self.select(&connection, schema, query).await })
            .await
    }

    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool> {
        self.call(Access::Read, |connection| async move {
            let sql = statement::is_referenced(DIALECT, definition, lookup, target)?;
            let fail = |error| {
                self.error(&format!("search the lookup `{lookup}` of `{}`", definition.logical_name), error)
            };
            let rows = self.rows(&connection, &sql).await.map_err(fail)?;
            rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(fail)
        })
        .await
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        self.note(|wrote| wrote.jobs = true);
        self.call(Access::Write, |connection| async move { job::insert(self, &connection, jobs).await }).await
    }

    async fn control_jobs(&self, ids: &[Uuid], control: Control, now: DateTime) -> Result<Vec<Controlled>> {
        self.note(|wrote| {
            wrote.jobs = true;
            wrote.control = true;
        });
        self.call(Access::Write, |connection| async move {
            job::control(self, &connection, ids, control, now).await
        })
        .await
    }

    async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>> {
        self.call(Access::Write, |connection| async move { job::delete(self, &connection, ids).await }).await
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.move_deadline(deadline);
    }
}

/// What a statement would have broken.
enum Violated<'d> {
    /// The identifier is taken.
    Identifier,
    /// The values of a key are.
    Key(&'d KeyDefinition),
}

impl<'d> Violated<'d> {
    /// By the name of the constraint, which has the key's number.
    fn of(definition: &'d EntityDefinition, constraint: &str) -> Option<Self> {
        let entity = &definition.logical_name;
        if constraint.strip_prefix("p_") == Some(entity) {
            return Some(Self::Identifier);
        }
        let number = constraint.strip_prefix("k_")?.strip_prefix(entity.as_str())?.strip_prefix('_')?;
        definition.keys.get(number.parse::<usize>().ok()?).map(Self::Key)
    }
}

/// The attributes of those keys that an update changes in part, as far as it does not.
fn other_key_attributes(definition: &EntityDefinition, attributes: &Attributes) -> Vec<String> {
    let changed = |name: &String| attributes.contains_key(name);
    let touched = definition.keys.iter().filter(|key| key.attributes.iter().any(changed));
    let mut others: Vec<String> =
        touched.flat_map(|key| &key.attributes).filter(|name| !changed(name)).cloned().collect();
    others.sort_unstable();
    others.dedup();
    others
}

impl PostgresTransaction {
    async fn find(
        &self,
        connection: &Connection,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        lock: Lock,
    ) -> Result<Option<Entity>> {
        let columns = Column::select(definition, columns)?;
        let sql = statement::find(DIALECT, definition, &columns, id, lock);
        let rows = self
            .rows(connection, &sql)
            .await
            .map_err(|error| self.error(&format!("read records of `{}`", definition.logical_name), error))?;
        rows.first().map(|row| statement::record(row, definition, &columns)).transpose()
    }

    /// What a query selects, after it was resolved.
    async fn select(
        &self,
        connection: &Arc<Connection>,
        schema: &Schema,
        query: &Query,
    ) -> Result<EntityCollection> {
        let fail = |error| self.error(&format!("read records of `{}`", query.entity), error);
        let selection = Selection::of(DIALECT, schema, query)?;
        let count = if query.count { Some(self.count(connection, query, &selection).await?) } else { None };
        let position = selection.position()?;
        let sql = selection.records(position.as_ref())?;
        let rows = self.rows(connection, &sql).await.map_err(fail)?;
        let mut page = Page::new(&selection);
        for row in &rows {
            if !page.take(row)? {
                break;
            }
        }
        page.finish(count)
    }

    async fn count(&self, connection: &Connection, query: &Query, selection: &Selection<'_>) -> Result<u64> {
        let fail = |error| self.error(&format!("count records of `{}`", query.entity), error);
        let rows = self.rows(connection, &selection.count()?).await.map_err(fail)?;
        let count = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0)).map_err(fail)?;
        Ok(count.unsigned_abs())
    }
}
