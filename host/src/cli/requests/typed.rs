//! Requests with their values typed by the schema.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::forms::{A_REFERENCE, Absent, Form, MESSAGES, Part};
use super::raw::RawRequest;
use super::source::{Source, decode, each, object, place};
use crate::cli::failure::Failure;
use crate::cli::json::{self, Expected};
use crate::cli::value;
use crate::model::request::parameter;
use crate::model::{
    Binding, ColumnSet, EntityCollection, EntityDefinition, MessageDefinition, Parameter, Parameters, Query,
    Request, Schema, Value, ValueType,
};

/// How deeply requests hold others at most: the host has a limit of its own, which is to be what refuses them.
const DEPTH_MAX: u32 = 16;

/// Reads the parts of requests.
pub(in crate::cli) struct Reader<'s, 'c> {
    pub(in crate::cli) source: &'s Source,
    pub(in crate::cli) schema: &'c Schema,
}

impl<'s, 'c> Reader<'s, 'c> {
    /// A request; `user` asks where it does not say who.
    pub(in crate::cli) fn request(
        &self,
        raw: &RawRequest<'s>,
        user: Option<Uuid>,
        path: &str,
    ) -> Result<Request, Failure> {
        self.request_at(raw, user, path, 1)
    }

    fn request_at(
        &self,
        raw: &RawRequest<'s>,
        user: Option<Uuid>,
        path: &str,
        depth: u32,
    ) -> Result<Request, Failure> {
        let at = |part: &str| format!("{path}.{part}");
        let message: String = decode(self.source, raw.message.get(), &at("message"))?;
        let custom = self.schema.messages.get(&message).map(AsRef::as_ref);
        let parts = self.parts(&message, custom, raw, &at("message"))?;
        for (key, given) in raw.parts() {
            if let (Some(given), false) = (given, parts.iter().any(|part| part.key == key)) {
                let text = format!("{message} has no `{key}`; remove it");
                return Err(self.wrong(text, given, &at(key)));
            }
        }
        let mut parameters = Parameters::new();
        for part in parts {
            let given = match (raw.part(part.key), part.absent) {
                // Said by another key already.
                (None, _) if parameters.contains_key(part.parameter) => continue,
                (Some(given), _) if parameters.contains_key(part.parameter) => {
                    let text = "a query is written as \"query\" or as \"fetch\"; remove one";
                    return Err(self.wrong(text, given, &at(part.key)));
                }
                (Some(given), _) => self.part(part, given, &message, &parameters, &at(part.key), depth)?,
                (None, Absent::Default(default)) => default(),
                (None, Absent::Nothing) => continue,
                (None, Absent::Needed(what, how)) => {
                    let text = format!("{message} needs {what}: add {how}");
                    return Err(self.wrong(text, raw.message, &at("message")));
                }
            };
            parameters.insert(part.parameter.into(), given);
        }
        for (name, given) in raw.parameters.iter().flat_map(|pairs| &pairs.0) {
            let path = format!("{path}.parameters.{name}");
            let read = self.parameter(&message, custom, name, given, &path)?;
            parameters.insert(name.clone(), read);
        }
        if let Some(tag) = raw.tag {
            let tag = value::literal(tag.get()).map_err(|message| self.wrong(message, tag, &at("tag")))?;
            parameters.insert(parameter::TAG.into(), tag.into());
        }
        let mut request = Request::new(message, parameters);
        request.user = raw.user.map(|user| user.0).or(user);
        Ok(request)
    }

    /// What the message is asked with.
    fn parts(
        &self,
        message: &str,
        custom: Option<&MessageDefinition>,
        raw: &RawRequest<'s>,
        path: &str,
    ) -> Result<&'static [Part], Failure> {
        if let Some((_, parts)) = MESSAGES.iter().find(|(name, _)| *name == message) {
            return Ok(parts);
        }
        match custom.map(|custom| &custom.binding) {
            Some(Binding::Entity(_)) => Ok(&[A_REFERENCE]),
            Some(_) => Ok(&[]),
            None => {
                let core = MESSAGES.iter().map(|(name, _)| *name);
                let known: Vec<&str> = core.chain(self.schema.messages.keys().map(String::as_str)).collect();
                let text = format!(
                    "the message `{message}` is not known; use one of {}, or define it under `messages`",
                    known.join(", ")
                );
                Err(self.wrong(text, raw.message, path))
            }
        }
    }

    pub(super) fn part(
        &self,
        part: &Part,
        raw: &'s RawValue,
        message: &str,
        before: &Parameters,
        path: &str,
        depth: u32,
    ) -> Result<Parameter, Failure> {
        Ok(match part.form {
            Form::Record { named } => self.record(raw, message, named, path)?.into(),
            Form::Reference => self.reference(raw, message, path)?,
            Form::Records { named } => {
                let records = self.list(raw, path, |raw, path| self.record(raw, message, named, path))?;
                let entity = records.first().map(|record| record.logical_name.clone()).unwrap_or_default();
                EntityCollection::new(entity, records).into()
            }
            Form::References => Parameter::References(
                self.list(raw, path, |raw, path| self.plain_reference(raw, message, path))?,
            ),
            Form::Columns => {
                let target = before.get(parameter::TARGET).and_then(entity_of).unwrap_or_default();
                let definition = self.schema.entity(target)?;
                Parameter::Columns(self.columns(Some(raw), definition, ColumnSet::All, path)?)
            }
            Form::Query => Parameter::Query(Arc::new(self.query(raw, path)?)),
            Form::Fetch => {
                let text: String = decode(self.source, raw.get(), path)?;
                let query = Query::from_fetch_xml(&text, self.schema);
                Parameter::Query(Arc::new(query.map_err(|error| self.wrong(error.message(), raw, path))?))
            }
            Form::Requests => {
                if depth >= DEPTH_MAX {
                    let text = format!("the requests nest more than {DEPTH_MAX} levels deep; flatten them");
                    return Err(self.wrong(text, raw, path));
                }
                let requests = self.list(raw, path, |raw, path| {
                    let nested: RawRequest<'s> = object(self.source, raw.get(), path)?;
                    self.request_at(&nested, None, path, depth + 1)
                })?;
                Parameter::Requests(Arc::new(requests))
            }
            Form::Principal | Form::Text | Form::BigInteger | Form::Choice | Form::Boolean => {
                self.plain(part.form, raw, path)?
            }
        })
    }

    pub(super) fn plain(&self, form: Form, raw: &'s RawValue, path: &str) -> Result<Parameter, Failure> {
        let value_type = match form {
            Form::Principal => ValueType::Lookup,
            Form::BigInteger => ValueType::BigInteger,
            Form::Choice => ValueType::Choice,
            Form::Boolean => ValueType::Boolean,
            _ => ValueType::String,
        };
        self.typed(raw, value_type.into(), path).map(Into::into)
    }

    pub(super) fn columns(
        &self,
        raw: Option<&RawValue>,
        definition: &EntityDefinition,
        absent: ColumnSet,
        path: &str,
    ) -> Result<ColumnSet, Failure> {
        let Some(raw) = raw else { return Ok(absent) };
        if raw.get().starts_with('[') {
            let columns = ColumnSet::Named(decode(self.source, raw.get(), path)?);
            let checked = definition.check_columns(&columns);
            checked.map_err(|error| self.wrong(error.message(), raw, path))?;
            return Ok(columns);
        }
        match decode::<Cow<'_, str>>(self.source, raw.get(), path).as_deref() {
            Ok("all") => Ok(ColumnSet::All),
            _ => {
                let found = json::found(raw.get());
                let text = format!("expected \"all\" or a list of attribute names, found {found}");
                Err(self.wrong(text, raw, path))
            }
        }
    }

    /// The definition of the entity that `entity` names; `path` is that of the object around it.
    pub(super) fn definition(&self, entity: &RawValue, path: &str) -> Result<&'c EntityDefinition, Failure> {
        let path = format!("{path}.entity");
        let name: String = decode(self.source, entity.get(), &path)?;
        let definition = self.schema.entity(&name);
        definition.map(AsRef::as_ref).map_err(|error| self.wrong(error.message(), entity, &path))
    }

    /// The value of an attribute.
    pub(super) fn value(
        &self,
        definition: &EntityDefinition,
        name: &str,
        raw: &RawValue,
        path: &str,
    ) -> Result<Value, Failure> {
        let readable = definition.readable_type(name);
        let readable = readable.map_err(|error| self.wrong(error.message(), raw, path))?;
        let expected = match definition.attribute(name) {
            Some(attribute) => Expected::from(&attribute.attribute_type),
            None => Expected::from(readable),
        };
        self.typed(raw, expected, path)
    }

    pub(super) fn typed(&self, raw: &RawValue, expected: Expected<'_>, path: &str) -> Result<Value, Failure> {
        value::read(raw.get(), expected).map_err(|message| self.wrong(message, raw, path))
    }

    pub(super) fn list<T>(
        &self,
        raw: &'s RawValue,
        path: &str,
        read: impl Fn(&'s RawValue, &str) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let list: Vec<&'s RawValue> = decode(self.source, raw.get(), path)?;
        each(&list, path, read)
    }

    /// A failure at a piece of the source.
    pub(in crate::cli) fn wrong(&self, message: impl Into<String>, raw: &RawValue, path: &str) -> Failure {
        Failure::new(message).at(place(self.source, raw.get(), path))
    }
}

fn entity_of(target: &Parameter) -> Option<&str> {
    match target {
        Parameter::Entity(entity) => Some(&entity.logical_name),
        other => other.reference().map(|reference| reference.entity.as_str()),
    }
}
