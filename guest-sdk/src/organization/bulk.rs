//! Many records of one entity in one request.

use super::{Organization, Route, route};
use crate::entity::{Entity, Shape};
use crate::parameters::{Parameter, Upserted, parameter};
use crate::record::{EntityCollection, Record};
use crate::request::Request;
use crate::value::{EntityReference, Ref};
use crate::{Result, Row};

/// Bulk messages take records of one entity, and all of them are written or none.
impl<R: Route> Organization<R> {
    /// Creates records of one entity, and answers which, in their order.
    ///
    /// # Errors
    /// Those of [`Organization::create`], for any of them.
    pub fn create_multiple<D: Shape>(
        &self,
        entities: impl IntoIterator<Item = D>,
    ) -> Result<Vec<D::Reference>> {
        let targets = collection(entities.into_iter().map(D::into_record).collect());
        let entity = targets.entity.clone();
        let mut output = self.execute(Request::create_multiple(targets))?;
        let Some(Parameter::Ids(ids)) = output.remove(parameter::IDS) else {
            return Err(route::without("CreateMultiple", parameter::IDS));
        };
        Ok(ids.into_iter().map(|id| D::refer(EntityReference::new(entity.as_str(), id))).collect())
    }

    /// Writes the columns that are present of each record.
    ///
    /// # Errors
    /// Those of [`Organization::update`], for any of them.
    pub fn update_multiple<E: Entity>(&self, changes: impl IntoIterator<Item = Row<E>>) -> Result {
        self.update_records(changes.into_iter().map(row_out))
    }

    /// Writes the attributes that are present of each record; an identifier or an alternate key says which it is.
    ///
    /// # Errors
    /// Those of [`Organization::update_record`], for any of them.
    pub fn update_records(&self, records: impl IntoIterator<Item = Record>) -> Result {
        self.execute(Request::update_multiple(collection(records.into_iter().collect()))).map(drop)
    }

    /// Writes the columns that are present of each record, or creates it with them where there is none, and answers what
    /// it did, in their order.
    ///
    /// # Errors
    /// Those of [`Organization::upsert`], for any of them.
    pub fn upsert_multiple<E: Entity>(
        &self,
        entities: impl IntoIterator<Item = Row<E>>,
    ) -> Result<Vec<Upserted<Ref<E>>>> {
        let done = self.upsert_records(entities.into_iter().map(row_out))?;
        let typed = done.into_iter().map(|upserted| Upserted {
            target: E::refer(upserted.target),
            record_created: upserted.record_created,
        });
        Ok(typed.collect())
    }

    /// Writes the attributes that are present of each record, or creates it with them where there is none. An
    /// identifier or the attributes of an alternate key name each.
    ///
    /// # Errors
    /// Those of [`Organization::upsert_record`], for any of them.
    pub fn upsert_records(&self, records: impl IntoIterator<Item = Record>) -> Result<Vec<Upserted>> {
        let request = Request::upsert_multiple(collection(records.into_iter().collect()));
        match self.execute(request)?.remove(parameter::RESULTS) {
            Some(Parameter::Upserts(done)) => Ok(done),
            _ => Err(route::without("UpsertMultiple", parameter::RESULTS)),
        }
    }

    /// Deletes records of one entity.
    ///
    /// # Errors
    /// Those of [`Organization::delete`], for any of them.
    pub fn delete_multiple<T: Into<EntityReference>>(
        &self,
        references: impl IntoIterator<Item = T>,
    ) -> Result {
        let references = references.into_iter().map(Into::into).collect();
        self.execute(Request::delete_multiple(references)).map(drop)
    }
}

fn row_out<E: Entity>(row: Row<E>) -> Record {
    row.entity.into_record().with_id(row.id)
}

/// The records' entity is the first one's; a host refuses another among them.
fn collection(records: Vec<Record>) -> EntityCollection {
    let entity = records.first().map_or_else(String::new, |record| record.logical_name.clone());
    EntityCollection::new(entity, records)
}
