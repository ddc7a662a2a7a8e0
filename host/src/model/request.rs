//! Message requests and responses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{ColumnSet, Entity, EntityReference, Query, Value, step::SYSTEM_USER};

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
}

/// An input or output parameter. Records are shared, and copied when a step changes one that others still hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// A plain value.
    Value(Value),
    /// A record.
    Entity(Arc<Entity>),
    /// Records.
    Entities(Arc<Vec<Entity>>),
    /// A reference to a record.
    Reference(EntityReference),
    /// A choice of attributes.
    Columns(ColumnSet),
    /// A query.
    Query(Arc<Query>),
}

/// A message request: what enters the pipeline.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The message's name.
    pub message: String,
    /// The input parameters.
    pub parameters: Parameters,
    /// Who asks. Nested requests run as the user of the step that issues them.
    pub user: Uuid,
    /// A shorter time than the host's limit for a message request.
    pub time_limit: Option<Duration>,
}

impl Request {
    /// A request for any message.
    pub fn new(message: impl Into<String>, parameters: Parameters) -> Self {
        Self { message: message.into(), parameters, user: SYSTEM_USER, time_limit: None }
    }

    /// Creates `entity`; its identifier is made by the host unless it brings one.
    #[must_use]
    pub fn create(entity: Entity) -> Self {
        Self::with_target(Message::CREATE, Parameter::Entity(Arc::new(entity)))
    }

    /// Writes the attributes of `entity` that are present.
    #[must_use]
    pub fn update(entity: Entity) -> Self {
        Self::with_target(Message::UPDATE, Parameter::Entity(Arc::new(entity)))
    }

    /// Reads a record.
    #[must_use]
    pub fn retrieve(target: EntityReference, columns: ColumnSet) -> Self {
        let mut request = Self::with_target(Message::RETRIEVE, Parameter::Reference(target));
        request.parameters.insert(parameter::COLUMN_SET.into(), Parameter::Columns(columns));
        request
    }

    /// Deletes a record.
    #[must_use]
    pub fn delete(target: EntityReference) -> Self {
        Self::with_target(Message::DELETE, Parameter::Reference(target))
    }

    /// Reads the records that a query selects.
    #[must_use]
    pub fn retrieve_multiple(query: Query) -> Self {
        let query = Parameter::Query(Arc::new(query));
        Self::new(Message::RETRIEVE_MULTIPLE, Parameters::from([(parameter::QUERY.into(), query)]))
    }

    fn with_target(message: &str, target: Parameter) -> Self {
        Self::new(message, Parameters::from([(parameter::TARGET.into(), target)]))
    }

    /// Sets who asks.
    #[must_use]
    pub fn as_user(mut self, user: Uuid) -> Self {
        self.user = user;
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
#[derive(Clone, Debug, Default, PartialEq)]
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
        match self.parameters.get(parameter::BUSINESS_ENTITY_COLLECTION) {
            Some(Parameter::Entities(entities)) => entities,
            _ => &[],
        }
    }
}
