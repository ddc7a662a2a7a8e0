//! Requests files: entity definitions and the requests to run, as JSON. docs/requests.md has the shape.
//!
//! A file is checked in two steps, both before anything is written: its form as soon as it is read, and the values once
//! the definitions that give them their types are known. Every error has its line, column and path.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::failure::{Failure, Place};
use super::json::{self, Expected};
use crate::model::{
    ColumnSet, Entity, EntityDefinition, EntityReference, Filter, Message, Operator, Order, Query, Request,
    Schema,
};

/// How deeply filters nest at most: far more than a person writes, and little enough for the stack.
const FILTER_DEPTH_MAX: u32 = 32;

/// The text of a requests file.
#[derive(Debug)]
pub(super) struct Source {
    /// As the user named it.
    pub(super) name: String,
    /// What it says.
    pub(super) text: String,
}

/// A requests file whose form is right.
#[derive(Debug)]
pub(super) struct Document<'s> {
    source: &'s Source,
    /// The definitions; none if the file does not speak of entities.
    pub(super) entities: Option<Vec<EntityDefinition>>,
    requests: Option<Vec<RawRequest<'s>>>,
}

/// A request to run, with what its author expects of it.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) note: Option<String>,
    pub(super) expect: Expect,
    pub(super) request: Request,
}

/// What the author of a request expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// That it succeeds.
    #[default]
    Success,
    /// That it fails.
    Fault,
    /// Nothing: of a made-up record, a plugin may well refuse to hear.
    #[serde(skip)]
    Any,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument<'s> {
    #[serde(borrow, default)]
    entities: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    requests: Option<Vec<&'s RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest<'s> {
    #[serde(default)]
    note: Option<String>,
    #[serde(borrow)]
    message: &'s RawValue,
    #[serde(default)]
    user: Option<Uuid>,
    #[serde(borrow, default)]
    target: Option<&'s RawValue>,
    #[serde(borrow, default)]
    columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    query: Option<&'s RawValue>,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget<'s> {
    #[serde(borrow)]
    entity: &'s RawValue,
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(borrow, default)]
    attributes: Option<Pairs<'s>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery<'s> {
    #[serde(borrow)]
    entity: &'s RawValue,
    #[serde(borrow, default)]
    columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    filter: Option<&'s RawValue>,
    #[serde(default)]
    orders: Vec<Order>,
    #[serde(default)]
    top: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFilter<'s> {
    #[serde(borrow, default)]
    all: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    any: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    attribute: Option<&'s RawValue>,
    #[serde(borrow, default)]
    operator: Option<&'s RawValue>,
    #[serde(borrow, default)]
    value: Option<&'s RawValue>,
    #[serde(borrow, default)]
    values: Option<Vec<&'s RawValue>>,
}

/// The members of an object in their order, so that one that is there twice is noticed.
struct Pairs<'s>(Vec<(String, &'s RawValue)>);

impl<'de: 's, 's> Deserialize<'de> for Pairs<'s> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a value for each attribute")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Self::Value = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if pairs.iter().any(|(other, _)| *other == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` is there twice; remove one")));
                    }
                    pairs.push((name, value));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Members).map(Pairs)
    }
}

impl<'s> Document<'s> {
    /// Reads a file's form. The failure has its line, column and path.
    pub(super) fn parse(source: &'s Source) -> Result<Self, Failure> {
        let raw: RawDocument<'s> = object(source, &source.text, "")?;
        let entities =
            raw.entities.map(|list| each(&list, "entities", |raw, path| object(source, raw, path)));
        let requests =
            raw.requests.map(|list| each(&list, "requests", |raw, path| object(source, raw, path)));
        Ok(Self { source, entities: entities.transpose()?, requests: requests.transpose()? })
    }

    /// The failure for definitions of this file that break a rule.
    pub(super) fn failure(&self, error: &crate::model::Error) -> Failure {
        Failure::new(format!("{}: {}", self.source.name, error.message()))
    }

    /// The requests, their values typed by the schema; none if the file does not speak of requests. `user` asks where
    /// a request does not say who.
    pub(super) fn requests(&self, schema: &Schema, user: Uuid) -> Result<Option<Vec<Scripted>>, Failure> {
        let Some(requests) = &self.requests else { return Ok(None) };
        let reader = Reader { source: self.source, schema };
        let read = |(index, raw)| reader.request(raw, user, &format!("requests[{index}]"));
        requests.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }
}

/// Reads the parts of requests.
struct Reader<'s, 'c> {
    source: &'s Source,
    schema: &'c Schema,
}

impl<'s> Reader<'s, '_> {
    fn request(&self, raw: &RawRequest<'s>, user: Uuid, path: &str) -> Result<Scripted, Failure> {
        let at = |part: &str| format!("{path}.{part}");
        let message: String = decode(self.source, raw.message.get(), &at("message"))?;
        let message_place = || place(self.source, raw.message.get(), &at("message"));
        let refuse = |part: Option<&RawValue>, name: &str| match part {
            None => Ok(()),
            Some(part) => Err(Failure::new(format!("a {message} has no `{name}`; remove it")).at(place(
                self.source,
                part.get(),
                &at(name),
            ))),
        };
        let target = || {
            let raw = raw.target.ok_or_else(|| {
                Failure::new(format!(
                    "a {message} needs a target: add \"target\": {{\"entity\": \"<name>\", ...}}"
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
        Ok(Scripted { note: raw.note.clone(), expect: raw.expect, request })
    }

    fn target(&self, raw: &RawValue, message: &str, path: &str) -> Result<Entity, Failure> {
        let target: RawTarget<'_> = object(self.source, raw.get(), path)?;
        let definition = self.definition(target.entity, path)?;
        let mut entity = Entity::new(&definition.logical_name);
        entity.id = target.id;
        if entity.id.is_none() && message != Message::CREATE {
            return Err(Failure::new(format!("a {message} needs the record: add its \"id\" to the target"))
                .at(place(self.source, raw.get(), path)));
        }
        let writes = matches!(message, Message::CREATE | Message::UPDATE);
        for (name, value) in target.attributes.map(|pairs| pairs.0).unwrap_or_default() {
            let path = format!("{path}.attributes.{name}");
            let here = || place(self.source, value.get(), &path);
            if !writes {
                return Err(Failure::new(format!("a {message} takes no attributes; remove them")).at(here()));
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
        let counts = match operator {
            Operator::Null | Operator::NotNull => given.is_empty(),
            Operator::In | Operator::NotIn => true,
            _ => given.len() == 1,
        };
        if !counts {
            let needs = match operator {
                Operator::Null | Operator::NotNull => "takes no value; remove it",
                _ => "needs one value other than null; test for null with `null` or `not-null`",
            };
            return Err(Failure::new(format!("the operator `{operator}` {needs}")).at(here()));
        }
        let value = |raw: &&RawValue| self.value(definition, &name, raw, path);
        // Checked here too, for a condition without values.
        definition.readable_type(&name).map_err(|error| {
            Failure::new(error.message()).at(place(
                self.source,
                attribute.get(),
                &format!("{path}.attribute"),
            ))
        })?;
        let values = given.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Filter::Condition { attribute: name, operator, values })
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
    ) -> Result<crate::model::Value, Failure> {
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

fn reference(entity: Entity) -> EntityReference {
    // A target without an identifier was refused before.
    EntityReference::new(entity.logical_name, entity.id.unwrap_or_default())
}

/// Reads each element of a list, with its path.
fn each<'s, T>(
    list: &[&'s RawValue],
    name: &str,
    read: impl Fn(&'s str, &str) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    list.iter().enumerate().map(|(index, raw)| read(raw.get(), &format!("{name}[{index}]"))).collect()
}

/// Reads an object. Without the check, a list of its members' values would pass too.
fn object<'s, T: Deserialize<'s>>(source: &Source, text: &'s str, path: &str) -> Result<T, Failure> {
    let start = text.trim_start();
    if !start.is_empty() && !start.starts_with('{') {
        // Malformed text is told as such.
        decode::<&RawValue>(source, text, path)?;
        return Err(Failure::new(format!("expected an object, found {}", json::found(start.trim_end())))
            .at(place(source, start, path)));
    }
    decode(source, text, path)
}

/// Reads a piece of the source's text.
fn decode<'s, T: Deserialize<'s>>(source: &Source, text: &'s str, path: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| {
            let inner = error.path().to_string();
            (join(path, &inner), error.into_inner())
        })
        .and_then(|value| deserializer.end().map(|()| value).map_err(|error| (path.to_owned(), error)));
    result.map_err(|(path, error)| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message =
            message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message).to_owned();
        // A scalar of the wrong type: point to its beginning, where its reader looks.
        if error.is_data() && !text.trim_start().starts_with(['{', '[']) {
            return Failure::new(message).at(place(source, text, &path));
        }
        Failure::new(message).at(place_of(source, offset(source, text) + position(text, line, column), &path))
    })
}

fn join(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        // How serde_path_to_error spells the top, and what it cannot name.
        (_, "." | "?") => outer.to_owned(),
        ("", _) => inner.to_owned(),
        _ if inner.starts_with('[') => format!("{outer}{inner}"),
        _ => format!("{outer}.{inner}"),
    }
}

/// The byte in `text` that a line and column of serde_json mean. Its columns count bytes from 1; 0 is the line's end.
fn position(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// Where `part`, a slice of the source's text, begins in it.
fn offset(source: &Source, part: &str) -> usize {
    (part.as_ptr().addr()).saturating_sub(source.text.as_ptr().addr()).min(source.text.len())
}

/// The place where `part`, a slice of the source's text, begins.
fn place(source: &Source, part: &str, path: &str) -> Place {
    place_of(source, offset(source, part), path)
}

fn place_of(source: &Source, offset: usize, path: &str) -> Place {
    let text = &source.text;
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = text.split_at(offset);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let head = before.get(start..).unwrap_or_default();
    let tail = after.split('\n').next().unwrap_or_default().trim_end();
    Place {
        file: source.name.clone(),
        line: before.matches('\n').count() + 1,
        column: head.chars().count() + 1,
        path: path.to_owned(),
        text: format!("{head}{tail}"),
    }
}
