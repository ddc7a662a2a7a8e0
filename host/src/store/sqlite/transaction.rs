//! The verbs, executed on the connection without any hop.

use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use crate::model::error::Result;
use crate::model::job::{Control, Controlled};
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityCollection, EntityDefinition, EntityReference, Job, Query,
    Schema,
};
use crate::store::sql::column::Column;
use crate::store::sql::key::duplicate;
use crate::store::sql::{Sql, statement};
use crate::store::{Access, Lock, Transaction};

use super::error::is_duplicate;
use super::session::SqliteTransaction;
use super::{DIALECT, job, key};

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.call(Access::Write, |connection| {
            let sql = statement::insert(DIALECT, definition, id, attributes)?;
            execute(connection, &sql).map(drop).map_err(|error| {
                if is_duplicate(&error) {
                    return statement::taken(definition, id).with_source(error);
                }
                if let Some(key) = key::violated(definition, &error) {
                    return duplicate(definition, key, attributes, None).with_source(error);
                }
                self.error(connection, &format!("insert a record of `{}`", definition.logical_name), error)
            })
        })
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let sql = statement::update(DIALECT, definition, id, attributes)?;
            let count = execute(connection, &sql).map_err(|error| {
                if let Some(key) = key::violated(definition, &error) {
                    // The statement left no trace, so the record is as before.
                    let asked = ColumnSet::Named(key.attributes.clone());
                    let stored = self.find(connection, definition, id, &asked).ok().flatten();
                    return duplicate(definition, key, attributes, stored.as_ref()).with_source(error);
                }
                let what = format!("update the record {id} of `{}`", definition.logical_name);
                self.error(connection, &what, error)
            })?;
            Ok(count == 1)
        })
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let sql = statement::delete(DIALECT, definition, id);
            let count = execute(connection, &sql).map_err(|error| {
                let what = format!("delete the record {id} of `{}`", definition.logical_name);
                self.error(connection, &what, error)
            })?;
            Ok(count == 1)
        })
    }

    async fn retrieve(
        &self,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
        _lock: Lock,
    ) -> Result<Option<Entity>> {
        self.call(Access::Read, |connection| self.find(connection, definition, id, columns))
    }

    async fn lock(&self, _definition: &EntityDefinition, _ids: &[Uuid], _lock: Lock) -> Result<()> {
        // Whoever writes is alone.
        Ok(())
    }

    async fn query(&self, schema: &Schema, query: &Query) -> Result<EntityCollection> {
        self.call(Access::Read, |connection| self.select(connection, schema, query))
    }

    async fn is_referenced(
        &self,
        definition: &EntityDefinition,
        lookup: &str,
        target: &EntityReference,
    ) -> Result<bool> {
        self.call(Access::Read, |connection| {
            let sql = statement::is_referenced(DIALECT, definition, lookup, target)?;
            connection
                .prepare_cached(&sql.text)
                .and_then(|mut statement| {
                    statement.query_row(params_from_iter(&sql.parameters), |row| row.get(0))
                })
                .map_err(|error| {
                    let what = format!("search the lookup `{lookup}` of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                })
        })
    }

    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        self.call(Access::Write, |connection| job::insert(connection, jobs))
    }

    async fn control_jobs(&self, ids: &[Uuid], control: Control, now: DateTime) -> Result<Vec<Controlled>> {
        self.call(Access::Write, |connection| job::control(connection, ids, control, now))
    }

    async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>> {
        self.call(Access::Write, |connection| job::delete(connection, ids))
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.move_deadline(deadline);
    }
}

impl SqliteTransaction {
    fn find(
        &self,
        connection: &Connection,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
    ) -> Result<Option<Entity>> {
        let fail =
            |error| self.error(connection, &format!("read records of `{}`", definition.logical_name), error);
        let columns = Column::select(definition, columns)?;
        let sql = statement::find(DIALECT, definition, &columns, id, Lock::None);
        let mut statement = connection.prepare_cached(&sql.text).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(&sql.parameters)).map_err(fail)?;
        match rows.next().map_err(fail)? {
            Some(row) => statement::record(row, definition, &columns).map(Some),
            None => Ok(None),
        }
    }
}

fn execute(connection: &Connection, sql: &Sql<'_>) -> rusqlite::Result<usize> {
    connection.prepare_cached(&sql.text)?.execute(params_from_iter(&sql.parameters))
}
