//! Message requests and responses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{ColumnSet, Entity, EntityCollection, EntityReference, Fault, Query, Value};

/// The names of the core messages. A message is a string, an open set; these are the ones that the host knows.
pub struct Message;

impl Message {
    /// Creates a record.
    pub const CREATE: &'static str = "Create";
    /// Reads a record.
    pub const RETRIEVE: &'static str = "Retrieve";
    /// Reads the records that a query selects.
    pub const RETRIEVE_MULTIPLE: &'static str = "RetrieveMultiple";
    /// Changes a record.
    pub const UPDATE: &'static str = "Update";
    /// Deletes a record.
    pub const DELETE: &'static str = "Delete";
    /// Changes a record, or creates it where there is none.
    pub const UPSERT: &'static str = "Upsert";
    /// Relates records to a record.
    pub const ASSOCIATE: &'static str = "Associate";
    /// Takes relations away.
    pub const DISASSOCIATE: &'static str = "Disassociate";
    /// Gives a record another owner.
    pub const ASSIGN: &'static str = "Assign";
    /// Gives a record another state and status.
    pub const SET_STATE: &'static str = "SetState";
    /// Creates records of one entity.
    pub const CREATE_MULTIPLE: &'static str = "CreateMultiple";
    /// Changes records of one entity.
    pub const UPDATE_MULTIPLE: &'static str = "UpdateMultiple";
    /// Changes records of one entity, or creates those that there are not.
    pub const UPSERT_MULTIPLE: &'static str = "UpsertMultiple";
    /// Deletes records of one entity.
    pub const DELETE_MULTIPLE: &'static str = "DeleteMultiple";
    /// Runs requests in one transaction.
    pub const EXECUTE_TRANSACTION: &'static str = "ExecuteTransaction";
    /// Runs requests one after another, each for itself.
    pub const EXECUTE_MULTIPLE: &'static str = "ExecuteMultiple";

    /// The message that shares the pipeline of `message`: the one for several records where it is for one, or the other
    /// way round. A request of either runs the steps of both.
    #[must_use]
    pub fn counterpart(message: &str) -> Option<&'static str> {
        const PAIRS: [(&str, &str); 3] = [
            (Message::CREATE, Message::CREATE_MULTIPLE),
            (Message::UPDATE, Message::UPDATE_MULTIPLE),
            (Message::DELETE, Message::DELETE_MULTIPLE),
        ];
        PAIRS.into_iter().find_map(|(single, several)| match message {
            _ if message == single => Some(several),
            _ if message == several => Some(single),
            _ => None,
        })
    }

    /// All of them.
    pub const CORE: [&'static str; 16] = [
        Self::CREATE,
        Self::RETRIEVE,
        Self::RETRIEVE_MULTIPLE,
        Self::UPDATE,
        Self::DELETE,
        Self::UPSERT,
        Self::ASSOCIATE,
        Self::DISASSOCIATE,
        Self::ASSIGN,
        Self::SET_STATE,
        Self::CREATE_MULTIPLE,
        Self::UPDATE_MULTIPLE,
        Self::UPSERT_MULTIPLE,
        Self::DELETE_MULTIPLE,
        Self::EXECUTE_TRANSACTION,
        Self::EXECUTE_MULTIPLE,
    ];
}

/// Parameters by name.
pub type Parameters = BTreeMap<String, Parameter>;

/// The parameter names that the core messages use, as on the platform.
pub mod parameter {
    /// The record of a message: an entity, or a reference to one.
    pub const TARGET: &str = "Target";
    /// Which attributes a Retrieve reads.
    pub const COLUMN_SET: &str = "ColumnSet";
    /// What a RetrieveMultiple selects.
    pub const QUERY: &str = "Query";
    /// The identifier that a Create returns.
    pub const ID: &str = "id";
    /// The record that a Retrieve returns.
    pub const BUSINESS_ENTITY: &str = "BusinessEntity";
    /// The records that a RetrieveMultiple returns.
    pub const BUSINESS_ENTITY_COLLECTION: &str = "BusinessEntityCollection";
    /// The records of a bulk message.
    pub const TARGETS: &str = "Targets";
    /// The identifiers that a CreateMultiple returns.
    pub const IDS: &str = "Ids";
    /// What an UpsertMultiple did to each record.
    pub const RESULTS: &str = "Results";
    /// Whether an Upsert created the record.
    pub const RECORD_CREATED: &str = "RecordCreated";
    /// The version that a record must have for an Update or a Delete of it.
    pub const ROW_VERSION: &str = "RowVersion";
    /// Whether a version must be given: 0 does not say, 1 demands it, 2 writes whatever the version is.
    pub const CONCURRENCY_BEHAVIOR: &str = "ConcurrencyBehavior";
    /// The relationship of an Associate or a Disassociate, by its name.
    pub const RELATIONSHIP: &str = "Relationship";
    /// The records on the other side of it.
    pub const RELATED_ENTITIES: &str = "RelatedEntities";
    /// The new owner of an Assign.
    pub const ASSIGNEE: &str = "Assignee";
    /// Out of a Delete whose children are deleted by a job: that job.
    pub const ASYNC_JOB_ID: &str = "AsyncJobId";
    /// The record of a SetState.
    pub const ENTITY_MONIKER: &str = "EntityMoniker";
    /// The new state of a SetState.
    pub const STATE: &str = "State";
    /// The new status of a SetState; -1 for the state's default.
    pub const STATUS: &str = "Status";
    /// The requests of an ExecuteTransaction or an ExecuteMultiple.
    pub const REQUESTS: &str = "Requests";
    /// Their responses.
    pub const RESPONSES: &str = "Responses";
    /// Whether to return responses: of an ExecuteTransaction, and of an ExecuteMultiple those that are no faults.
    pub const RETURN_RESPONSES: &str = "ReturnResponses";
    /// Whether an ExecuteMultiple goes on after a request that failed.
    pub const CONTINUE_ON_ERROR: &str = "ContinueOnError";
    /// Whether a request of an ExecuteMultiple failed.
    pub const IS_FAULTED: &str = "IsFaulted";
    /// Any request: a value that every step finds as the shared variable `tag`.
    pub const TAG: &str = "tag";
    /// Any request from outside: `CustomSync`, `CustomAsync` or both, with a comma: the steps that it passes over.
    pub const BYPASS_BUSINESS_LOGIC: &str = "BypassBusinessLogicExecution";
    /// Any request from outside: the steps that it passes over, as `plugin/step` with commas.
    pub const BYPASS_STEPS: &str = "BypassBusinessLogicExecutionStepIds";
    /// Any request from outside: whether it passes over synchronous steps. The older form of `CustomSync`.
    pub const BYPASS_PLUGINS: &str = "BypassCustomPluginExecution";
}

/// An input or output parameter. Records are shared, and copied when a step changes one that others still hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// A plain value.
    Value(Value),
    /// Texts.
    Strings(Vec<String>),
    /// Identifiers.
    Ids(Vec<Uuid>),
    /// A record.
    Entity(Arc<Entity>),
    /// Records.
    Entities(Arc<EntityCollection>),
    /// References to records. One alone is a [`Value::EntityReference`].
    References(Vec<EntityReference>),
    /// A choice of attributes.
    Columns(ColumnSet),
    /// A query.
    Query(Arc<Query>),
    /// What an UpsertMultiple did.
    Upserts(Vec<UpsertResult>),
    /// Requests, of a message that runs several.
    Requests(Arc<Vec<Request>>),
    /// Their responses.
    Responses(Arc<Vec<ItemResponse>>),
}

impl Parameter {
    /// The reference, if it is one.
    #[must_use]
    pub fn reference(&self) -> Option<&EntityReference> {
        match self {
            Self::Value(Value::EntityReference(reference)) => Some(reference),
            _ => None,
        }
    }

    /// What it is, in the words of errors and definitions.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => value.value_type().map_or("null", super::ValueType::name),
            Self::Strings(_) => "strings",
            Self::Ids(_) => "identifiers",
            Self::Entity(_) => "entity",
            Self::Entities(_) => "entity collection",
            Self::References(_) => "entity references",
            Self::Columns(_) => "column set",
            Self::Query(_) => "query",
            Self::Upserts(_) => "upsert results",
            Self::Requests(_) => "requests",
            Self::Responses(_) => "responses",
        }
    }
}

impl From<Value> for Parameter {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<EntityReference> for Parameter {
    fn from(reference: EntityReference) -> Self {
        Self::Value(Value::EntityReference(reference))
    }
}

impl From<Entity> for Parameter {
    fn from(entity: Entity) -> Self {
        Self::Entity(Arc::new(entity))
    }
}

impl From<EntityCollection> for Parameter {
    fn from(entities: EntityCollection) -> Self {
        Self::Entities(Arc::new(entities))
    }
}

/// What an Upsert did to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsertResult {
    /// The record.
    pub target: EntityReference,
    /// Whether it was created, and not changed.
    pub record_created: bool,
}

/// What came of one request of an ExecuteMultiple or an ExecuteTransaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemResponse {
    /// Which request, from 0.
    pub index: u32,
    /// Its response, or why it failed.
    pub result: Result<Response, Fault>,
}

/// A message request: what enters the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The message's name.
    pub message: String,
    /// The input parameters.
    pub parameters: Parameters,
    /// Who asks. None from outside is the host itself, [`SYSTEM_USER`](crate::model::step::SYSTEM_USER); none from a step
    /// is the step's user.
    pub user: Option<Uuid>,
    /// A shorter time than the host's limit for a message request.
    pub time_limit: Option<Duration>,
}

impl Request {
    /// A request for any message.
    pub fn new(message: impl Into<String>, parameters: Parameters) -> Self {
        Self { message: message.into(), parameters, user: None, time_limit: None }
    }

    /// Creates `entity`; its identifier is made by the host unless it brings one.
    #[must_use]
    pub fn create(entity: Entity) -> Self {
        Self::with_target(Message::CREATE, entity)
    }

    /// Writes the attributes of `entity` that are present.
    #[must_use]
    pub fn update(entity: Entity) -> Self {
        Self::with_target(Message::UPDATE, entity)
    }

    /// Reads a record.
    #[must_use]
    pub fn retrieve(target: EntityReference, columns: ColumnSet) -> Self {
        let mut request = Self::with_target(Message::RETRIEVE, target);
        request.parameters.insert(parameter::COLUMN_SET.into(), Parameter::Columns(columns));
        request
    }

    /// Deletes a record.
    #[must_use]
    pub fn delete(target: EntityReference) -> Self {
        Self::with_target(Message::DELETE, target)
    }

    /// Reads the records that a query selects.
    #[must_use]
    pub fn retrieve_multiple(query: Query) -> Self {
        let query = Parameter::Query(Arc::new(query));
        Self::new(Message::RETRIEVE_MULTIPLE, Parameters::from([(parameter::QUERY.into(), query)]))
    }

    /// Changes the record, which the identifier or an alternate key names, or creates it where there is none.
    #[must_use]
    pub fn upsert(entity: Entity) -> Self {
        Self::with_target(Message::UPSERT, entity)
    }

    /// Relates `related` to `target` by the relationship of that name.
    #[must_use]
    pub fn associate(
        target: EntityReference,
        relationship: impl Into<String>,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::relate(Message::ASSOCIATE, target, relationship.into(), related)
    }

    /// Takes the relation of `related` to `target` away.
    #[must_use]
    pub fn disassociate(
        target: EntityReference,
        relationship: impl Into<String>,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::relate(Message::DISASSOCIATE, target, relationship.into(), related)
    }

    /// Gives the record another owner.
    #[must_use]
    pub fn assign(target: EntityReference, assignee: EntityReference) -> Self {
        Self::with_target(Message::ASSIGN, target).with(parameter::ASSIGNEE, assignee)
    }

    /// Gives the record another state and status; without a status, the default one of the state.
    #[must_use]
    pub fn set_state(target: EntityReference, state: i32, status: Option<i32>) -> Self {
        Self::new(Message::SET_STATE, Parameters::new())
            .with(parameter::ENTITY_MONIKER, target)
            .with(parameter::STATE, Value::Choice(state))
            .with(parameter::STATUS, Value::Choice(status.unwrap_or(-1)))
    }

    /// Creates records of one entity.
    #[must_use]
    pub fn create_multiple(targets: EntityCollection) -> Self {
        Self::new(Message::CREATE_MULTIPLE, Parameters::new()).with(parameter::TARGETS, targets)
    }

    /// Changes records of one entity.
    #[must_use]
    pub fn update_multiple(targets: EntityCollection) -> Self {
        Self::new(Message::UPDATE_MULTIPLE, Parameters::new()).with(parameter::TARGETS, targets)
    }

    /// Changes records of one entity, or creates those that there are not.
    #[must_use]
    pub fn upsert_multiple(targets: EntityCollection) -> Self {
        Self::new(Message::UPSERT_MULTIPLE, Parameters::new()).with(parameter::TARGETS, targets)
    }

    /// Deletes records of one entity.
    #[must_use]
    pub fn delete_multiple(targets: Vec<EntityReference>) -> Self {
        Self::new(Message::DELETE_MULTIPLE, Parameters::new())
            .with(parameter::TARGETS, Parameter::References(targets))
    }

    /// Runs requests in one transaction: all or none.
    #[must_use]
    pub fn execute_transaction(requests: Vec<Self>) -> Self {
        Self::new(Message::EXECUTE_TRANSACTION, Parameters::new())
            .with(parameter::REQUESTS, Parameter::Requests(Arc::new(requests)))
            .with(parameter::RETURN_RESPONSES, Value::Boolean(true))
    }

    /// Runs requests one after another, each for itself; all of them, and with all responses, unless the parameters
    /// `ContinueOnError` and `ReturnResponses` are set to false.
    #[must_use]
    pub fn execute_multiple(requests: Vec<Self>) -> Self {
        Self::new(Message::EXECUTE_MULTIPLE, Parameters::new())
            .with(parameter::REQUESTS, Parameter::Requests(Arc::new(requests)))
            .with(parameter::CONTINUE_ON_ERROR, Value::Boolean(true))
            .with(parameter::RETURN_RESPONSES, Value::Boolean(true))
    }

    /// Sets a parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, parameter: impl Into<Parameter>) -> Self {
        self.parameters.insert(name.into(), parameter.into());
        self
    }

    /// An Update or a Delete only of the record as it was at that version: else the error's kind is
    /// [`ErrorKind::Conflict`](crate::model::ErrorKind::Conflict).
    #[must_use]
    pub fn if_row_version(self, version: i64) -> Self {
        self.with(parameter::ROW_VERSION, Value::BigInteger(version))
    }

    /// A value that every step of the message finds as the shared variable `tag`.
    #[must_use]
    pub fn tag(self, value: impl Into<Value>) -> Self {
        self.with(parameter::TAG, value.into())
    }

    fn with_target(message: &str, target: impl Into<Parameter>) -> Self {
        Self::new(message, Parameters::from([(parameter::TARGET.into(), target.into())]))
    }

    fn relate(
        message: &str,
        target: EntityReference,
        relationship: String,
        related: Vec<EntityReference>,
    ) -> Self {
        Self::with_target(message, target)
            .with(parameter::RELATIONSHIP, Value::String(relationship))
            .with(parameter::RELATED_ENTITIES, Parameter::References(related))
    }

    /// Sets who asks.
    #[must_use]
    pub fn as_user(mut self, user: Uuid) -> Self {
        self.user = Some(user);
        self
    }

    /// Gives the request less time than the host's limit; a longer time has no effect.
    #[must_use]
    pub fn within(mut self, time_limit: Duration) -> Self {
        self.time_limit = Some(time_limit);
        self
    }
}

/// What a message returns: its output parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Response {
    /// The output parameters.
    pub parameters: Parameters,
}

impl Response {
    /// The identifier that a Create returns.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match self.parameters.get(parameter::ID) {
            Some(Parameter::Value(Value::UniqueIdentifier(id))) => Some(*id),
            _ => None,
        }
    }

    /// The record that a Retrieve returns.
    #[must_use]
    pub fn entity(&self) -> Option<&Entity> {
        match self.parameters.get(parameter::BUSINESS_ENTITY) {
            Some(Parameter::Entity(entity)) => Some(entity),
            _ => None,
        }
    }

    /// The records that a RetrieveMultiple returns; empty for other messages.
    #[must_use]
    pub fn entities(&self) -> &[Entity] {
        self.collection().map_or(&[], |collection| &collection.entities)
    }

    /// What a RetrieveMultiple returns, with the facts about paging.
    #[must_use]
    pub fn collection(&self) -> Option<&EntityCollection> {
        match self.parameters.get(parameter::BUSINESS_ENTITY_COLLECTION) {
            Some(Parameter::Entities(entities)) => Some(entities),
            _ => None,
        }
    }

    /// The identifiers that a CreateMultiple returns; empty for other messages.
    #[must_use]
    pub fn ids(&self) -> &[Uuid] {
        match self.parameters.get(parameter::IDS) {
            Some(Parameter::Ids(ids)) => ids,
            _ => &[],
        }
    }

    /// The record of an Upsert.
    #[must_use]
    pub fn target(&self) -> Option<&EntityReference> {
        self.parameters.get(parameter::TARGET).and_then(Parameter::reference)
    }

    /// Whether an Upsert created the record; none for other messages.
    #[must_use]
    pub fn record_created(&self) -> Option<bool> {
        match self.parameters.get(parameter::RECORD_CREATED) {
            Some(Parameter::Value(Value::Boolean(created))) => Some(*created),
            _ => None,
        }
    }

    /// What came of the requests of an ExecuteTransaction or an ExecuteMultiple; empty for other messages.
    #[must_use]
    pub fn responses(&self) -> &[ItemResponse] {
        match self.parameters.get(parameter::RESPONSES) {
            Some(Parameter::Responses(responses)) => responses,
            _ => &[],
        }
    }
}
