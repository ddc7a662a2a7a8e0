//! The organization service.

mod bulk;
mod keys;
mod requests;
mod route;

pub use route::{Options, Plain, Route};

use crate::entity::{Entity, Shape};
use crate::query::{Page, Pages, Query, QueryExpression, Rows};
use crate::record::{ColumnSet, EntityCollection, Record, Side};
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::{EntityReference, Ref, UniqueIdentifier, Value};
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
///
/// [`Organization::as_user`] and [`Organization::tag`] give an `Organization<Options>`, with the same methods.
#[derive(Clone)]
pub struct Organization<R = Plain> {
    services: Handle,
    route: R,
}

impl Organization {
    pub(crate) fn new(services: Handle) -> Self {
        Self { services, route: Plain }
    }

    /// Reads the records that FetchXML selects: a [`Row`](crate::Row) each for a struct, or a [`Record`].
    ///
    /// # Errors
    /// If the text is no FetchXML, names what is not defined, or a column is not of the struct's type.
    pub fn fetch<D: Shape>(&self, fetch_xml: &str) -> Result<Rows<D>> {
        rows(self.services.fetch(fetch_xml)?)
    }
}

impl<R: Route> Organization<R> {
    /// The same service, asked as another user.
    pub fn as_user(&self, user: impl Into<UniqueIdentifier>) -> Organization<Options> {
        let options = Options { user: Some(user.into()), ..self.route.options() };
        Organization { services: self.services.clone(), route: options }
    }

    /// The same service, with a value that every step of the messages finds as the shared variable `tag`.
    pub fn tag(&self, value: impl Into<Value>) -> Organization<Options> {
        let options = Options { tag: Some(value.into()), ..self.route.options() };
        Organization { services: self.services.clone(), route: options }
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
        self.send_retrieve(reference.into(), columns.into())
    }

    /// Writes the columns that are present; absent ones stay as they are.
    ///
    /// # Errors
    /// If the record does not exist.
    pub fn update<E: Entity>(&self, id: impl Into<Ref<E>>, changes: E) -> Result {
        self.send_update(changes.into_record().with_id(id.into()))
    }

    /// Writes the attributes that are present.
    ///
    /// # Errors
    /// If the record has neither an identifier nor the attributes of an alternate key, or does not exist.
    pub fn update_record(&self, record: Record) -> Result {
        if record.id.is_none() && record.key_attributes.is_empty() {
            return Err(Fault::defect(format!(
                "An update of `{}` needs the record's identifier: add it with `Record::with_id`, or an alternate key \
                 with `Record::with_key`.",
                record.logical_name
            )));
        }
        self.send_update(record)
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// If the record does not exist, or another one requires it.
    pub fn delete(&self, reference: impl Into<EntityReference>) -> Result {
        self.send_delete(reference.into())
    }

    /// Reads the records that a query selects: a [`Row`](crate::Row) each for a struct, or a [`Record`]. A host returns
    /// 5000 at most; [`Organization::pages`] goes on after them.
    ///
    /// # Errors
    /// If the query names an attribute that the entity does not define, or a column is not of the struct's type.
    pub fn retrieve_multiple<D: Shape>(&self, query: Query<D>) -> Result<Vec<D::Found>> {
        self.retrieve_page(query).map(|found| found.rows)
    }

    /// Reads the records that a query selects, with the facts about paging and the count.
    ///
    /// # Errors
    /// Those of [`Organization::retrieve_multiple`].
    pub fn retrieve_page<D: Shape>(&self, query: Query<D>) -> Result<Rows<D>> {
        self.rows(query.into_expression())
    }

    /// Goes through all records that a query selects, so many at a time, 1 to 5000: each page is a request.
    ///
    /// ```
    /// # use stagegate_sdk::prelude::*;
    /// # #[derive(Entity, Default)]
    /// # #[entity("account")]
    /// # struct Account {
    /// #     name: Field<String>,
    /// # }
    /// # fn example(org: &Organization) -> Result {
    /// for page in org.pages(Query::<Account>::new(), 500) {
    ///     for account in page? {
    ///         trace!("{}", account.name.or_default());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pages<D: Shape>(&self, query: Query<D>, size: u32) -> Pages<D, R> {
        Pages::new(self.clone(), query.into_expression(), size)
    }

    /// Reads the first record that a query selects, in its order; none if there is none.
    ///
    /// # Errors
    /// Those of [`Organization::retrieve_multiple`].
    pub fn retrieve_first<D: Shape>(&self, query: Query<D>) -> Result<Option<D::Found>> {
        Ok(self.retrieve_multiple(query.top(1))?.pop())
    }

    /// How many records a query selects.
    ///
    /// # Errors
    /// Those of [`Organization::retrieve_multiple`].
    pub fn count<D: Shape>(&self, query: Query<D>) -> Result<u64> {
        let mut query = query.into_expression();
        (query.count, query.top, query.page) = (true, None, Some(Page { size: 1, cookie: None }));
        let found = self.send_retrieve_multiple(query)?;
        found.total_record_count.ok_or_else(|| route::without("RetrieveMultiple", "TotalRecordCount"))
    }

    pub(crate) fn rows<D: Shape>(&self, query: QueryExpression) -> Result<Rows<D>> {
        rows(self.send_retrieve_multiple(query)?)
    }

    fn create_record(&self, record: Record) -> Result<EntityReference> {
        let entity = record.logical_name.clone();
        Ok(EntityReference { entity, id: self.send_create(record)? })
    }
}

fn rows<D: Shape>(found: EntityCollection) -> Result<Rows<D>> {
    Ok(Rows {
        rows: found.records.into_iter().map(D::found).collect::<Result<_>>()?,
        more_records: found.more_records,
        paging_cookie: found.paging_cookie,
        total_record_count: found.total_record_count,
    })
}
