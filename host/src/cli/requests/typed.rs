//! Requests with their values typed by the schema.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::Scripted;
use super::raw::{RawFilter, RawQuery, RawRequest, RawTarget};
use super::source::{Source, decode, object, place};
use crate::cli::failure::Failure;
use crate::cli::json::{self, Expected};
use crate::model::query::Arity;
use crate::model::{
    ColumnSet, Entity, EntityDefinition, EntityReference, Filter, Message, Operator, Query, Request, Schema,
    Value,
};

/// How deeply filters nest at most: far more than a person writes, and little enough for the stack.
const FILTER_DEPTH_MAX: u32 = 32;

/// Reads the parts of requests.
pub(super) struct Reader<'s, 'c> {
    pub(super) source: &'s Source,
    pub(super) schema: &'c Schema,
}

impl<'s> Reader<'s, '_> {
    /// A request; `user` asks where it does not say who.
    pub(super) fn request(&self, raw: &RawRequest<'s>, user: Uuid, path: &str) -> Result<Scripted, Failure> {
        let at = |part: &str| format!("{path}.{part}");
        let message: String = decode(self.source, raw.message.get(), &at("message"))?;
        let message_place = || place(self.source, raw.message.get(), &at("message"));
        let refuse =
            |part: Option<&RawValue>, name: &str| match part {
                None => Ok(()),
                Some(part) => Err(Failure::new(format!("{} has no `{name}`; remove it", a(&message)))
                    .at(place(self.source, part.get(), &at(name)))),
            };
        let target = || {
            let raw = raw.target.ok_or_else(|| {
                Failure::new(format!(
                    "{} needs a target: add \"target\": {{\"entity\": \"<name>\", ...}}",
                    a(&message)
                ))
                .at(message_place())
            })?;
            self.target(raw, &message, &at("target"))
        };
        let request = match message.as_str() {
            Message::RETRIEVE_MULTIPLE => {
                refuse(raw.target, "target")?;
                refuse(raw.columns, "columns")?;
                let query = raw.query.ok_or_else(|| {
                    Failure::new("a RetrieveMultiple needs a query: add \"query\": {\"entity\": \"<name>\"}")
                        .at(message_place())
                })?;
                Request::retrieve_multiple(self.query(query, &at("query"))?)
            }
            Message::RETRIEVE => {
                refuse(raw.query, "query")?;
                let target = reference(target()?);
                let definition = self.schema.entity(&target.entity)?;
                Request::retrieve(target, self.columns(raw.columns, definition, &at("columns"))?)
            }
            Message::CREATE | Message::UPDATE | Message::DELETE => {
                refuse(raw.query, "query")?;
                refuse(raw.columns, "columns")?;
                let target = target()?;
                match message.as_str() {
                    Message::CREATE => Request::create(target),
                    Message::UPDATE => Request::update(target),
                    _ => Request::delete(reference(target)),
                }
            }
            _ => {
                let known = "Create, Retrieve, RetrieveMultiple, Update, Delete";
                return Err(Failure::new(format!(
                    "the message `{message}` is not known; use one of {known}"
                ))
                .at(message_place()));
            }
        };
        let request = request.as_user(raw.user.unwrap_or(user));
        Ok(Scripted { note: raw.note.clone(), expect: raw.expect.clone(), request })
    }

    fn target(&self, raw: &RawValue, message: &str, path: &str) -> Result<Entity, Failure> {
        let target: RawTarget<'_> = object(self.source, raw.get(), path)?;
        let definition = self.definition(target.entity, path)?;
        let mut entity = Entity::new(&definition.logical_name);
        entity.id = target.id;
        if entity.id.is_none() && message != Message::CREATE {
            return Err(Failure::new(format!(
                "{} needs the record: add its \"id\" to the target",
                a(message)
            ))
            .at(place(self.source, raw.get(), path)));
        }
        let writes = matches!(message, Message::CREATE | Message::UPDATE);
        for (name, value) in target.attributes.map(|pairs| pairs.0).unwrap_or_default() {
            let path = format!("{path}.attributes.{name}");
            let here = || place(self.source, value.get(), &path);
            if !writes {
                return Err(
                    Failure::new(format!("{} takes no attributes; remove them", a(message))).at(here())
                );
            }
            let typed = self.value(definition, &name, value, &path)?;
            entity.attributes.insert(name, typed);
        }
        Ok(entity)
    }

    fn query(&self, raw: &RawValue, path: &str) -> Result<Query, Failure> {
        let raw_query: RawQuery<'_> = object(self.source, raw.get(), path)?;
        let definition = self.definition(raw_query.entity, path)?;
        for order in &raw_query.orders {
            definition.readable_type(&order.attribute).map_err(|error| {
                Failure::new(error.message()).at(place(self.source, raw.get(), &format!("{path}.orders")))
            })?;
        }
        let mut query = Query::new(&definition.logical_name);
        query.columns = self.columns(raw_query.columns, definition, &format!("{path}.columns"))?;
        query.orders = raw_query.orders;
        query.top = raw_query.top;
        if let Some(filter) = raw_query.filter {
            query.filter = Some(self.filter(filter, definition, &format!("{path}.filter"), 1)?);
        }
        Ok(query)
    }

    fn filter(
        &self,
        raw: &RawValue,
        definition: &EntityDefinition,
        path: &str,
        depth: u32,
    ) -> Result<Filter, Failure> {
        let wrong = |message: &str| Failure::new(message).at(place(self.source, raw.get(), path));
        if depth > FILTER_DEPTH_MAX {
            return Err(wrong(&format!(
                "the filter nests more than {FILTER_DEPTH_MAX} levels deep; flatten it"
            )));
        }
        let filter: RawFilter<'_> = object(self.source, raw.get(), path)?;
        let parts = |parts: &[&RawValue], name: &str| {
            let path = format!("{path}.{name}");
            let part = |(index, raw): (usize, &&RawValue)| {
                self.filter(raw, definition, &format!("{path}[{index}]"), depth + 1)
            };
            parts.iter().enumerate().map(part).collect::<Result<Vec<_>, _>>()
        };
        match filter {
            RawFilter {
                all: Some(list),
                any: None,
                attribute: None,
                operator: None,
                value: None,
                values: None,
            } => parts(&list, "all").map(Filter::All),
            RawFilter {
                all: None,
                any: Some(list),
                attribute: None,
                operator: None,
                value: None,
                values: None,
            } => parts(&list, "any").map(Filter::Any),
            RawFilter {
                all: None,
                any: None,
                attribute: Some(attribute),
                operator: Some(operator),
                value,
                values,
            } => {
                let given = match (value, values) {
                    (Some(value), None) => vec![value],
                    (None, values) => values.unwrap_or_default(),
                    (Some(_), Some(_)) => {
                        return Err(wrong("a condition has either \"value\" or \"values\"; remove one"));
                    }
                };
                self.condition(definition, attribute, operator, &given, path)
            }
            _ => Err(wrong(
                "a filter is {\"all\": [...]}, {\"any\": [...]}, or {\"attribute\": ..., \"operator\": ..., \"value\": ...}",
            )),
        }
    }

    fn condition(
        &self,
        definition: &EntityDefinition,
        attribute: &RawValue,
        operator: &RawValue,
        given: &[&RawValue],
        path: &str,
    ) -> Result<Filter, Failure> {
        let name: String = decode(self.source, attribute.get(), &format!("{path}.attribute"))?;
        let operator_name: String = decode(self.source, operator.get(), &format!("{path}.operator"))?;
        let here = || place(self.source, operator.get(), &format!("{path}.operator"));
        let operator = Operator::parse(&operator_name).ok_or_else(|| {
            let known: Vec<&str> = Operator::ALL.into_iter().map(Operator::name).collect();
            Failure::new(format!(
                "the operator `{operator_name}` is not known; use one of {}",
                known.join(", ")
            ))
            .at(here())
        })?;
        let arity = operator.arity();
        if !arity.accepts(given.len()) {
            let needs = match arity {
                Arity::None => "takes no value; remove it".to_owned(),
                Arity::One => {
                    "needs one value other than null; test for null with `null` or `not-null`".to_owned()
                }
                Arity::Two | Arity::Any => format!("takes {arity}; write \"values\": [...]"),
            };
            return Err(Failure::new(format!("the operator `{operator}` {needs}")).at(here()));
        }
        // Checked here too, for a condition without values.
        let attribute_type = definition.readable_type(&name).map_err(|error| {
            Failure::new(error.message()).at(place(
                self.source,
                attribute.get(),
                &format!("{path}.attribute"),
            ))
        })?;
        let Some(operand) = operator.operand(attribute_type) else {
            return Err(Failure::new(format!(
                "the operator `{operator}` is not possible: `{name}` is a {attribute_type}"
            ))
            .at(here()));
        };
        let value = |raw: &&RawValue| {
            if operand == attribute_type {
                return self.value(definition, &name, raw, path);
            }
            json::from_json(raw.get(), Expected::from(operand))
                .map_err(|message| Failure::new(message).at(place(self.source, raw.get(), path)))
        };
        let values = given.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Filter::Condition { link: None, attribute: name, operator, values })
    }

    fn columns(
        &self,
        raw: Option<&RawValue>,
        definition: &EntityDefinition,
        path: &str,
    ) -> Result<ColumnSet, Failure> {
        let Some(raw) = raw else { return Ok(ColumnSet::All) };
        let here = || place(self.source, raw.get(), path);
        if raw.get().starts_with('[') {
            let columns = ColumnSet::Named(decode(self.source, raw.get(), path)?);
            definition.check_columns(&columns).map_err(|error| Failure::new(error.message()).at(here()))?;
            return Ok(columns);
        }
        match decode::<Cow<'_, str>>(self.source, raw.get(), path).as_deref() {
            Ok("all") => Ok(ColumnSet::All),
            _ => Err(Failure::new(format!(
                "expected \"all\" or a list of attribute names, found {}",
                json::found(raw.get())
            ))
            .at(here())),
        }
    }

    fn definition(&self, entity: &RawValue, path: &str) -> Result<&EntityDefinition, Failure> {
        let path = format!("{path}.entity");
        let name: String = decode(self.source, entity.get(), &path)?;
        let definition = self.schema.entity(&name);
        definition
            .map(AsRef::as_ref)
            .map_err(|error| Failure::new(error.message()).at(place(self.source, entity.get(), &path)))
    }

    fn value(
        &self,
        definition: &EntityDefinition,
        name: &str,
        raw: &RawValue,
        path: &str,
    ) -> Result<Value, Failure> {
        let here = || place(self.source, raw.get(), path);
        let readable =
            definition.readable_type(name).map_err(|error| Failure::new(error.message()).at(here()))?;
        let expected = match definition.attribute(name) {
            Some(attribute) => Expected::from(&attribute.attribute_type),
            None => Expected::from(readable),
        };
        json::from_json(raw.get(), expected).map_err(|message| Failure::new(message).at(here()))
    }
}

/// A message with its article.
fn a(message: &str) -> String {
    let article = if message.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {message}")
}

fn reference(entity: Entity) -> EntityReference {
    // A target without an identifier was refused before.
    EntityReference::new(entity.logical_name, entity.id.unwrap_or_default())
}
