//! What came of a request, as a tree whose leaves keep their types: what the JSON report writes and scenarios compare.

use serde_json::{Map, Value as Json};

use super::json::to_json;
use super::label::Labels;
use crate::model::{
    Entity, EntityCollection, EntityReference, Error, Fault, ItemResponse, Parameter, Parameters, Response,
    UpsertResult, Value,
};

/// A piece of what happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact {
    /// A value, whose type says how files write it.
    Value(Value),
    /// A name or a line, to be met exactly.
    Text(String),
    /// A message for people, of which a part is enough.
    Message(String),
    /// Facts in order.
    List(Vec<Fact>),
    /// Facts by name, in the order in which they are shown.
    Object(Vec<(String, Fact)>),
}

impl Fact {
    /// An object of these.
    pub(super) fn object<const N: usize>(members: [(&str, Option<Self>); N]) -> Self {
        let present = members.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?)));
        Self::Object(present.collect())
    }

    /// A list of texts.
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// The member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, fact)| fact),
            _ => None,
        }
    }

    /// As JSON, with the identifiers that have a label shown by it.
    pub(super) fn to_json(&self, labels: &Labels) -> Json {
        match self {
            Self::Value(Value::UniqueIdentifier(id)) => Json::String(labels.name(*id)),
            Self::Value(Value::EntityReference(reference)) => {
                serde_json::json!({"entity": reference.entity, "id": labels.name(reference.id)})
            }
            Self::Value(value) => to_json(value),
            Self::Text(text) => Json::String(text.clone()),
            Self::Message(text) => Json::String(labels.show(text)),
            Self::List(facts) => facts.iter().map(|fact| fact.to_json(labels)).collect(),
            Self::Object(members) => {
                let member = |(name, fact): &(String, Self)| (name.clone(), fact.to_json(labels));
                Json::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
        }
    }
}

/// The parameters of a request or a response, by name.
pub(super) fn parameters(parameters: &Parameters) -> Fact {
    Fact::Object(parameters.iter().map(|(name, value)| (name.clone(), parameter(value))).collect())
}

/// A parameter.
fn parameter(parameter: &Parameter) -> Fact {
    match parameter {
        Parameter::Value(value) => Fact::Value(value.clone()),
        Parameter::Strings(texts) => Fact::List(texts.iter().map(|text| string(text)).collect()),
        Parameter::Ids(ids) => {
            Fact::List(ids.iter().map(|id| Fact::Value(Value::UniqueIdentifier(*id))).collect())
        }
        Parameter::Entity(entity) => record(entity),
        Parameter::Entities(entities) => collection(entities),
        Parameter::References(references) => Fact::List(references.iter().map(reference).collect()),
        Parameter::Columns(crate::model::ColumnSet::All) => Fact::Text("all".into()),
        Parameter::Columns(crate::model::ColumnSet::Named(names)) => Fact::texts(names),
        Parameter::Query(query) => Fact::object([("entity", Some(Fact::Text(query.entity.clone())))]),
        Parameter::Upserts(results) => Fact::List(results.iter().map(upsert).collect()),
        Parameter::Requests(requests) => Fact::List(
            requests.iter().map(|request| message(&request.message, &request.parameters)).collect(),
        ),
        Parameter::Responses(responses) => Fact::List(responses.iter().map(item).collect()),
    }
}

/// The attributes of a record, by name.
pub(super) fn attributes(entity: &Entity) -> Fact {
    let attributes = entity.attributes.iter();
    Fact::Object(attributes.map(|(name, value)| (name.clone(), Fact::Value(value.clone()))).collect())
}

/// An error as those see it who asked: `kind`, `code`, `message`, and the place where it arose.
pub(super) fn error(error: &Error) -> Fact {
    let location = error.location();
    Fact::object([
        ("kind", Some(Fact::Text(error.kind().name().into()))),
        ("code", Some(Fact::Value(Value::Integer(error.code())))),
        ("message", Some(Fact::Message(error.message().into()))),
        ("step", location.map(|location| Fact::Text(location.step.to_string()))),
        ("stage", location.map(|location| Fact::Text(location.stage.to_string()))),
    ])
}

fn string(text: &str) -> Fact {
    Fact::Value(Value::String(text.to_owned()))
}

fn record(entity: &Entity) -> Fact {
    let key = Entity { attributes: entity.key_attributes.clone(), ..Entity::new("") };
    Fact::object([
        ("entity", Some(Fact::Text(entity.logical_name.clone()))),
        ("id", entity.id.map(|id| Fact::Value(Value::UniqueIdentifier(id)))),
        ("key", (!entity.key_attributes.is_empty()).then(|| attributes(&key))),
        ("attributes", Some(attributes(entity))),
    ])
}

fn collection(collection: &EntityCollection) -> Fact {
    let EntityCollection { entity, entities, more_records, paging_cookie, total_record_count } = collection;
    let count = |count: u64| Value::BigInteger(i64::try_from(count).unwrap_or(i64::MAX));
    Fact::object([
        ("entity", Some(Fact::Text(entity.clone()))),
        ("entities", Some(Fact::List(entities.iter().map(record).collect()))),
        ("more_records", Some(Fact::Value(Value::Boolean(*more_records)))),
        ("paging_cookie", paging_cookie.as_deref().map(string)),
        ("total_record_count", total_record_count.map(count).map(Fact::Value)),
    ])
}

fn reference(reference: &EntityReference) -> Fact {
    Fact::Value(Value::EntityReference(reference.clone()))
}

fn upsert(result: &UpsertResult) -> Fact {
    Fact::object([
        ("target", Some(reference(&result.target))),
        ("record_created", Some(Fact::Value(Value::Boolean(result.record_created)))),
    ])
}

fn message(name: &str, given: &Parameters) -> Fact {
    Fact::object([("message", Some(Fact::Text(name.to_owned()))), ("parameters", Some(parameters(given)))])
}

fn item(item: &ItemResponse) -> Fact {
    let index = Value::Integer(i32::try_from(item.index).unwrap_or(i32::MAX));
    let (response, refusal) = match &item.result {
        Ok(Response { parameters: output, .. }) => (Some(parameters(output)), None),
        Err(refusal) => (None, Some(fault(refusal))),
    };
    Fact::object([("index", Some(Fact::Value(index))), ("response", response), ("fault", refusal)])
}

fn fault(fault: &Fault) -> Fact {
    Fact::object([
        ("code", Some(Fact::Value(Value::Integer(fault.code)))),
        ("message", Some(Fact::Message(fault.message.clone()))),
    ])
}
