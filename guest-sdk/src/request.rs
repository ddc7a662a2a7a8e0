//! Requests as data.

use crate::custom::CustomMessage;
use crate::entity::{Entity, Shape};
use crate::parameters::{Parameter, Parameters, parameter};
use crate::query::Query;
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::value::{Choice, EntityReference, Ref, UniqueIdentifier, Value};

/// A request for any message, for [`Organization::execute`](crate::Organization::execute) and its relatives, and for
/// [`Fake::run_request`](crate::testing::Fake::run_request).
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// # #[derive(Entity, Default)]
/// # #[entity("account")]
/// # struct Account {
/// #     name: Field<String>,
/// # }
/// # fn example(org: &Organization, acme: Ref<Account>) -> Result {
/// let rename = Request::update(acme, Account { name: "Acme Ltd".into() }).if_row_version(7);
/// let call = Request::new("sg_Reindex").with("Entity", "account").tag("import");
/// org.execute_transaction([rename, call])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The message's name.
    pub message: String,
    /// The input parameters.
    pub parameters: Parameters,
    /// Who asks; the step's user if none.
    pub user: Option<UniqueIdentifier>,
}

impl Request {
    /// A request for any message, without parameters yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), parameters: Parameters::default(), user: None }
    }

    /// Sets a parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, parameter: impl Into<Parameter>) -> Self {
        self.parameters.insert(name.into(), parameter.into());
        self
    }

    /// Asks as another user.
    #[must_use]
    pub fn as_user(self, user: impl Into<UniqueIdentifier>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// With a value that every step of the message finds as the shared variable `tag`.
    #[must_use]
    pub fn tag(self, value: impl Into<Value>) -> Self {
        self.with(parameter::TAG, value.into())
    }

    /// An Update or a Delete only of the record as it was at that version, its `versionnumber`. With another one the
    /// fault [is a conflict](crate::Fault::is_conflict).
    #[must_use]
    pub fn if_row_version(self, version: i64) -> Self {
        self.with(parameter::ROW_VERSION, version)
    }

    /// Calls a custom message.
    pub fn call<M: CustomMessage>(message: M) -> Self {
        let mut request = Self::new(M::DECLARATION.name);
        message.put(&mut request.parameters);
        request
    }

    /// Creates a record.
    pub fn create<D: Shape>(entity: D) -> Self {
        Self::about("Create", entity.into_record())
    }

    /// Writes the columns that are present.
    pub fn update<E: Entity>(id: impl Into<Ref<E>>, changes: E) -> Self {
        Self::about("Update", changes.into_record().with_id(id.into()))
    }

    /// Writes the attributes of a record that are present; its identifier or an alternate key says which it is.
    pub fn update_record(record: Record) -> Self {
        Self::about("Update", record)
    }

    /// Writes a record, which its identifier or an alternate key names, or creates it where there is none.
    pub fn upsert_record(record: Record) -> Self {
        Self::about("Upsert", record)
    }

    /// Reads a record.
    pub fn retrieve(reference: impl Into<EntityReference>, columns: impl Into<ColumnSet>) -> Self {
        Self::about("Retrieve", reference.into()).with(parameter::COLUMN_SET, columns.into())
    }

    /// Deletes a record.
    pub fn delete(reference: impl Into<EntityReference>) -> Self {
        Self::about("Delete", reference.into())
    }

    /// Reads the records that a query selects.
    pub fn retrieve_multiple<D: Shape>(query: Query<D>) -> Self {
        Self::new("RetrieveMultiple").with(parameter::QUERY, query)
    }

    /// Relates records to the target by the relationship of that name.
    pub fn associate(
        target: impl Into<EntityReference>,
        relationship: impl Into<String>,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::relate("Associate", target.into(), relationship.into(), related)
    }

    /// Takes the relation of records to the target away.
    pub fn disassociate(
        target: impl Into<EntityReference>,
        relationship: impl Into<String>,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::relate("Disassociate", target.into(), relationship.into(), related)
    }

    /// Gives a record another owner.
    pub fn assign(target: impl Into<EntityReference>, assignee: impl Into<EntityReference>) -> Self {
        Self::about("Assign", target.into()).with(parameter::ASSIGNEE, assignee.into())
    }

    /// Gives a record another state and status; without a status, the default one of the state.
    pub fn set_state(
        target: impl Into<EntityReference>,
        state: impl Into<Choice>,
        status: Option<Choice>,
    ) -> Self {
        Self::new("SetState")
            .with(parameter::ENTITY_MONIKER, target.into())
            .with(parameter::STATE, state.into())
            .with(parameter::STATUS, status.unwrap_or(Choice(-1)))
    }

    /// Creates records of one entity.
    pub fn create_multiple(targets: EntityCollection) -> Self {
        Self::new("CreateMultiple").with(parameter::TARGETS, targets)
    }

    /// Changes records of one entity.
    pub fn update_multiple(targets: EntityCollection) -> Self {
        Self::new("UpdateMultiple").with(parameter::TARGETS, targets)
    }

    /// Changes records of one entity, or creates those that there are not.
    pub fn upsert_multiple(targets: EntityCollection) -> Self {
        Self::new("UpsertMultiple").with(parameter::TARGETS, targets)
    }

    /// Deletes records of one entity.
    pub fn delete_multiple(targets: Vec<EntityReference>) -> Self {
        Self::new("DeleteMultiple").with(parameter::TARGETS, targets)
    }

    /// A message with that target.
    pub(crate) fn about(message: &str, target: impl Into<Parameter>) -> Self {
        Self::new(message).with(parameter::TARGET, target.into())
    }

    fn relate(
        message: &str,
        target: EntityReference,
        relationship: String,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::about(message, target)
            .with(parameter::RELATIONSHIP, relationship)
            .with(parameter::RELATED_ENTITIES, related)
    }
}
