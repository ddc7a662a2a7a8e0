//! What messages carry besides records: parameters by name.

mod parameter_type;

pub use parameter_type::{ParameterField, ParameterType, TargetField, entity_from};

use crate::query::{Query, QueryExpression};
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::value::{EntityReference, UniqueIdentifier, Value};

/// An input or output parameter of a message, of a type that is known at run time.
///
/// Most types become one with `into()`, and [`Parameter::to`] reads them back.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// let quantity: Parameter = 3.into();
/// assert_eq!(quantity.to::<i32>(), Some(3));
/// assert_eq!(quantity.to::<String>(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// A plain value; a reference to a record is one.
    Value(Value),
    /// Texts.
    Strings(Vec<String>),
    /// Identifiers.
    Ids(Vec<UniqueIdentifier>),
    /// A record.
    Entity(Record),
    /// Records.
    Entities(EntityCollection),
    /// References to records.
    References(Vec<EntityReference>),
    /// A choice of attributes.
    Columns(ColumnSet),
    /// A query.
    Query(QueryExpression),
    /// What an UpsertMultiple did.
    Upserts(Vec<Upserted>),
}

/// What an Upsert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upserted<R = EntityReference> {
    /// The record.
    pub target: R,
    /// Whether it was created, and not changed.
    pub record_created: bool,
}

impl Parameter {
    /// The parameter as a `T`; none if it is of another type.
    pub fn to<T: ParameterType>(&self) -> Option<T> {
        T::from_parameter(self.clone())
    }

    /// What it is, in the words of definitions.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => parameter_type::name_of(value.type_name()),
            Self::Strings(_) => "string-array",
            Self::Ids(_) => "identifiers",
            Self::Entity(_) => "entity",
            Self::Entities(_) => "entity-collection",
            Self::References(_) => "entity-references",
            Self::Columns(_) => "column-set",
            Self::Query(_) => "query",
            Self::Upserts(_) => "upsert-results",
        }
    }
}

impl<T: ParameterType> From<T> for Parameter {
    fn from(value: T) -> Self {
        value.into_parameter()
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Value(text.into())
    }
}

impl From<Value> for Parameter {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<Vec<EntityReference>> for Parameter {
    fn from(references: Vec<EntityReference>) -> Self {
        Self::References(references)
    }
}

impl From<ColumnSet> for Parameter {
    fn from(columns: ColumnSet) -> Self {
        Self::Columns(columns)
    }
}

impl From<QueryExpression> for Parameter {
    fn from(query: QueryExpression) -> Self {
        Self::Query(query)
    }
}

impl<D> From<Query<D>> for Parameter {
    fn from(query: Query<D>) -> Self {
        Self::Query(query.into())
    }
}

/// Parameters by name, as in a [`Request`](crate::Request) and in what it returns.
#[derive(Clone, Debug, Default, PartialEq)]
// A list: there are few, and a map of them would add to every component.
pub struct Parameters(Vec<(String, Parameter)>);

impl Parameters {
    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, parameter)| parameter)
    }

    /// A parameter as a `T`; none if it is not there or of another type.
    pub fn value<T: ParameterType>(&self, name: &str) -> Option<T> {
        self.get(name)?.to()
    }

    /// Sets a parameter.
    pub fn set(&mut self, name: impl Into<String>, parameter: impl Into<Parameter>) {
        self.insert(name.into(), parameter.into());
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) -> Option<Parameter> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Their names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.0.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// Not generic, so that a component holds it once.
    pub(crate) fn insert(&mut self, name: String, parameter: Parameter) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = parameter,
            None => self.0.push((name, parameter)),
        }
    }
}

impl IntoIterator for Parameters {
    type Item = (String, Parameter);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Parameter)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, Parameter)>>(parameters: I) -> Self {
        Self(parameters.into_iter().collect())
    }
}

/// The names of the parameters of the platform's messages.
pub mod parameter {
    /// The record of a message: an entity, or a reference to one.
    pub const TARGET: &str = "Target";
    /// The records of a bulk message.
    pub const TARGETS: &str = "Targets";
    /// Which attributes a Retrieve reads.
    pub const COLUMN_SET: &str = "ColumnSet";
    /// What a RetrieveMultiple selects.
    pub const QUERY: &str = "Query";
    /// The identifier that a Create returns.
    pub const ID: &str = "id";
    /// The identifiers that a CreateMultiple returns.
    pub const IDS: &str = "Ids";
    /// The record that a Retrieve returns.
    pub const BUSINESS_ENTITY: &str = "BusinessEntity";
    /// The records that a RetrieveMultiple returns.
    pub const BUSINESS_ENTITY_COLLECTION: &str = "BusinessEntityCollection";
    /// What an UpsertMultiple did to each record.
    pub const RESULTS: &str = "Results";
    /// Whether an Upsert created the record.
    pub const RECORD_CREATED: &str = "RecordCreated";
    /// The version that a record must have for an Update or a Delete of it.
    pub const ROW_VERSION: &str = "RowVersion";
    /// The relationship of an Associate or a Disassociate, by its name.
    pub const RELATIONSHIP: &str = "Relationship";
    /// The records on the other side of it.
    pub const RELATED_ENTITIES: &str = "RelatedEntities";
    /// The new owner of an Assign.
    pub const ASSIGNEE: &str = "Assignee";
    /// The record of a SetState.
    pub const ENTITY_MONIKER: &str = "EntityMoniker";
    /// The new state of a SetState.
    pub const STATE: &str = "State";
    /// The new status of a SetState; -1 for the state's default.
    pub const STATUS: &str = "Status";
    /// Of any request: a value that every step finds as the shared variable `tag`.
    pub const TAG: &str = "tag";
}
