//! The verbs, executed on the connection without any hop.

use std::time::Instant;

use async_trait::async_trait;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{Control, Controlled};
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityCollection, EntityDefinition, EntityReference, Job, Query,
    Schema, Value,
};
use crate::store::{Access, Lock, Transaction};

use super::error::is_duplicate;
use super::session::SqliteTransaction;
use super::value::{Column, Parameter, Place, id_parameter};
use super::{job, key, sql};

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn insert(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<()> {
        self.call(Access::Write, |connection| {
            let mut parameters = Vec::with_capacity(attributes.len() + 1);
            parameters.push(id_parameter(&id));
            let columns = written(definition, attributes, &mut parameters)?;
            let sql = sql::insert(definition, &columns);
            execute(connection, &sql, parameters).map(drop).map_err(|error| {
                let name = &definition.logical_name;
                if is_duplicate(&error) {
                    let message = format!(
                        "a record of `{name}` with the identifier {id} exists already; update it, or create one \
                         with another identifier"
                    );
                    return Error::new(ErrorKind::Duplicate, message).with_source(error);
                }
                if let Some(key) = key::violated(definition, &error) {
                    return key::duplicate(definition, key, attributes, None).with_source(error);
                }
                self.error(connection, &format!("insert a record of `{name}`"), error)
            })
        })
    }

    async fn update(&self, definition: &EntityDefinition, id: Uuid, attributes: &Attributes) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let mut parameters = Vec::with_capacity(attributes.len() + 1);
            let columns = written(definition, attributes, &mut parameters)?;
            parameters.push(id_parameter(&id));
            let count =
                execute(connection, &sql::update(definition, &columns), parameters).map_err(|error| {
                    if let Some(key) = key::violated(definition, &error) {
                        // The statement left no trace, so the record is as before.
                        let asked = ColumnSet::Named(key.attributes.clone());
                        let stored = self.find(connection, definition, id, &asked).ok().flatten();
                        return key::duplicate(definition, key, attributes, stored.as_ref())
                            .with_source(error);
                    }
                    let what = format!("update the record {id} of `{}`", definition.logical_name);
                    self.error(connection, &what, error)
                })?;
            Ok(count == 1)
        })
    }

    async fn delete(&self, definition: &EntityDefinition, id: Uuid) -> Result<bool> {
        self.call(Access::Write, |connection| {
            let count =
                execute(connection, &sql::delete(definition), [id_parameter(&id)]).map_err(|error| {
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
            let column = lookup_column(definition, lookup)?;
            let parameters = points_to(&column, target)?;
            connection
                .prepare_cached(&sql::is_referenced(definition, &column))
                .and_then(|mut statement| statement.query_row(params_from_iter(parameters), |row| row.get(0)))
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

fn written<'v>(
    definition: &'v EntityDefinition,
    attributes: &'v Attributes,
    parameters: &mut Vec<Parameter<'v>>,
) -> Result<Vec<Column<'v>>> {
    let mut columns = Vec::with_capacity(attributes.len());
    for (name, value) in attributes {
        let column = Column::of(definition, name)?;
        if column.place == Place::Id {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("`{name}` is the identifier and not an attribute to write; leave it out"),
            ));
        }
        column.encode(value, parameters)?;
        columns.push(column);
    }
    Ok(columns)
}

fn lookup_column<'a>(definition: &'a EntityDefinition, lookup: &'a str) -> Result<Column<'a>> {
    let column = Column::of(definition, lookup)?;
    if column.targets().is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("`{lookup}` of `{}` is not a lookup", definition.logical_name),
        ));
    }
    Ok(column)
}

/// The parameters of a lookup's columns, without cloning the reference into a value.
fn points_to<'v>(column: &Column<'_>, target: &'v EntityReference) -> Result<Vec<Parameter<'v>>> {
    if !column.targets().contains(&target.entity) {
        let reference = Value::EntityReference(target.clone());
        return column.encode(&reference, &mut Vec::new()).map(|()| Vec::new());
    }
    let mut parameters = vec![id_parameter(&target.id)];
    if column.has_entity() {
        parameters.push(target.entity.as_str().into());
    }
    Ok(parameters)
}

impl SqliteTransaction {
    fn find(
        &self,
        connection: &Connection,
        definition: &EntityDefinition,
        id: Uuid,
        columns: &ColumnSet,
    ) -> Result<Option<Entity>> {
        let columns = Column::select(definition, columns)?;
        let mut sql = sql::select(definition, &columns);
        sql.push_str(" WHERE id=?");
        Ok(self.read(connection, definition, &columns, &sql, &[id_parameter(&id)])?.pop())
    }

    fn read(
        &self,
        connection: &Connection,
        definition: &EntityDefinition,
        columns: &[Column<'_>],
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Entity>> {
        let fail =
            |error| self.error(connection, &format!("read records of `{}`", definition.logical_name), error);
        let mut statement = connection.prepare_cached(sql).map_err(fail)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(fail)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            let mut record = Entity::new(definition.logical_name.as_str());
            let mut index = 0;
            for column in columns {
                let value = column.decode(row, &mut index)?;
                record.attributes.insert(column.attribute.to_owned(), value);
            }
            record.id = Some(Uuid::from_bytes(row.get(index).map_err(fail)?));
            records.push(record);
        }
        Ok(records)
    }
}

fn execute<'v>(
    connection: &Connection,
    sql: &str,
    parameters: impl IntoIterator<Item = Parameter<'v>>,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params_from_iter(parameters))
}
