//! The organization service.

use crate::entity::{Entity, Shape};
use crate::query::Query;
use crate::record::{ColumnSet, Record, Side};
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::{EntityReference, Ref, UniqueIdentifier};
use crate::{Fault, Result};

/// Requests to the service that the host stands in, as the step's user.
///
/// Each runs through the whole pipeline, one deeper than the step that issues it, and within what is left of its time.
/// In a synchronous step inside the transaction they are part of it, and a request that fails dooms that transaction
/// even if the step carries on. In PreValidation of an initial request, and in an asynchronous step, each is a
/// transaction of its own.
///
/// Every method fails with the fault of the pipeline that it started: a plugin refused, a record does not exist, the
/// deadline has passed.
#[derive(Clone)]
pub struct Organization {
    services: Handle,
}

impl Organization {
    pub(crate) fn new(services: Handle) -> Self {
        Self { services }
    }

    /// Creates a record and answers which: a [`Ref`] for a struct, an [`EntityReference`] for a [`Record`].
    ///
    /// # Errors
    /// If a record with the identifier that a [`Record`] brought along exists already.
    pub fn create<D: Shape>(&self, entity: D) -> Result<D::Reference> {
        self.create_record(entity.into_record()).map(D::refer)
    }

    /// Creates a record under an identifier of one's own. For an asynchronous step that may be run again there is
    /// [`Context::create_once`](crate::Context::create_once).
    ///
    /// # Errors
    /// If a record with that identifier exists already.
    pub fn create_with_id<E: Entity>(&self, id: impl Into<UniqueIdentifier>, entity: E) -> Result<Ref<E>> {
        self.create_record(entity.into_record().with_id(id)).map(E::refer)
    }

    /// Reads the columns of the struct.
    ///
    /// # Errors
    /// If the record does not exist, or a column is not of the struct's type.
    pub fn retrieve<E: Entity>(&self, id: impl Into<Ref<E>>) -> Result<E> {
        E::from_record(self.retrieve_record(id.into(), E::columns())?, Side::Output)
    }

    /// Reads a record of any entity.
    ///
    /// # Errors
    /// If the record does not exist, or its entity does not define one of the columns.
    pub fn retrieve_record(
        &self,
        reference: impl Into<EntityReference>,
        columns: impl Into<ColumnSet>,
    ) -> Result<Record> {
        self.services.retrieve(reference.into(), &columns.into())
    }

    /// Writes the columns that are present; absent ones stay as they are.
    ///
    /// # Errors
    /// If the record does not exist.
    pub fn update<E: Entity>(&self, id: impl Into<Ref<E>>, changes: E) -> Result {
        self.services.update(changes.into_record().with_id(id.into()))
    }

    /// Writes the attributes that are present.
    ///
    /// # Errors
    /// If the record has no identifier, or does not exist.
    pub fn update_record(&self, record: Record) -> Result {
        if record.id.is_none() {
            return Err(Fault::defect(format!(
                "An update of `{}` needs the record's identifier: add it with `Record::with_id`.",
                record.logical_name
            )));
        }
        self.services.update(record)
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// If the record does not exist, or another one requires it.
    pub fn delete(&self, reference: impl Into<EntityReference>) -> Result {
        self.services.delete(reference.into())
    }

    /// Reads the records that a query selects: a [`Row`](crate::Row) each for a struct, or a [`Record`].
    ///
    /// # Errors
    /// If the query names an attribute that the entity does not define, or a column is not of the struct's type.
    pub fn retrieve_multiple<D: Shape>(&self, query: Query<D>) -> Result<Vec<D::Found>> {
        self.services.retrieve_multiple(query.into_inner())?.into_iter().map(D::found).collect()
    }

    /// Reads the first record that a query selects, in its order; none if there is none.
    ///
    /// # Errors
    /// Those of [`Organization::retrieve_multiple`].
    pub fn retrieve_first<D: Shape>(&self, query: Query<D>) -> Result<Option<D::Found>> {
        Ok(self.retrieve_multiple(query.top(1))?.pop())
    }

    fn create_record(&self, record: Record) -> Result<EntityReference> {
        let entity = record.logical_name.clone();
        Ok(EntityReference { entity, id: self.services.create(record)? })
    }
}
