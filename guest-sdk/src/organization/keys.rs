//! Alternate keys, upserts and versions.

use super::{Organization, Route, route};
use crate::Result;
use crate::entity::{Entity, Shape};
use crate::key::Key;
use crate::parameters::{Upserted, parameter};
use crate::record::Record;
use crate::request::Request;
use crate::value::{EntityReference, Ref};

impl<R: Route> Organization<R> {
    /// Reads the record that an alternate key names: a [`Row`](crate::Row) for a struct, or a [`Record`].
    ///
    /// # Errors
    /// If the record does not exist ([`Fault::is_not_found`](crate::Fault::is_not_found)), the entity has no such key,
    /// or a column is not of the struct's type.
    pub fn retrieve_by_key<D: Shape>(&self, key: Key<D>) -> Result<D::Found> {
        let request = Request::about("Retrieve", key.into_record()).with(parameter::COLUMN_SET, D::columns());
        D::found(route::output(self.execute(request)?, "Retrieve", parameter::BUSINESS_ENTITY)?)
    }

    /// Writes the columns that are present to the record that an alternate key names.
    ///
    /// # Errors
    /// If the record does not exist, or the entity has no such key.
    pub fn update_by_key<D: Shape>(&self, key: Key<D>, changes: D) -> Result {
        self.send_update(key.name(changes.into_record()))
    }

    /// Deletes the record that an alternate key names.
    ///
    /// # Errors
    /// If the record does not exist, the entity has no such key, or another record requires it.
    pub fn delete_by_key<D: Shape>(&self, key: Key<D>) -> Result {
        self.execute(Request::about("Delete", key.into_record())).map(drop)
    }

    /// Writes the columns that are present, or creates the record with them where there is none.
    ///
    /// # Errors
    /// Those of the Create or the Update that it becomes.
    pub fn upsert<E: Entity>(&self, id: impl Into<Ref<E>>, entity: E) -> Result<Upserted<Ref<E>>> {
        self.upsert_shape::<E>(entity.into_record().with_id(id.into()))
    }

    /// Writes the columns that are present to the record that an alternate key names, or creates it with them and the
    /// key where there is none.
    ///
    /// # Errors
    /// If the entity has no such key, and those of the Create or the Update that it becomes.
    pub fn upsert_by_key<D: Shape>(&self, key: Key<D>, entity: D) -> Result<Upserted<D::Reference>> {
        self.upsert_shape::<D>(key.name(entity.into_record()))
    }

    /// Writes the attributes that are present, or creates the record with them where there is none. Its identifier or
    /// the attributes of an alternate key name it.
    ///
    /// # Errors
    /// Those of the Create or the Update that it becomes.
    pub fn upsert_record(&self, record: Record) -> Result<Upserted> {
        self.upsert_shape::<Record>(record)
    }

    /// Writes the columns that are present, if the record is as it was at that version, its `versionnumber`.
    ///
    /// # Errors
    /// If the record does not exist, or has another version: [`Fault::is_conflict`](crate::Fault::is_conflict).
    pub fn update_if<E: Entity>(&self, id: impl Into<Ref<E>>, version: i64, changes: E) -> Result {
        self.execute(Request::update(id, changes).if_row_version(version)).map(drop)
    }

    /// Deletes a record, if it is as it was at that version, its `versionnumber`.
    ///
    /// # Errors
    /// If the record does not exist, has another version ([`Fault::is_conflict`](crate::Fault::is_conflict)), or another
    /// one requires it.
    pub fn delete_if(&self, reference: impl Into<EntityReference>, version: i64) -> Result {
        self.execute(Request::delete(reference).if_row_version(version)).map(drop)
    }

    fn upsert_shape<D: Shape>(&self, record: Record) -> Result<Upserted<D::Reference>> {
        let output = self.execute(Request::upsert_record(record))?;
        Ok(Upserted {
            record_created: output.value(parameter::RECORD_CREATED).unwrap_or_default(),
            target: D::refer(route::output(output, "Upsert", parameter::TARGET)?),
        })
    }
}
