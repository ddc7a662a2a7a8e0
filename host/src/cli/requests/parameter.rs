//! Parameters by name: of custom messages, and those that a step changes.

use serde_json::value::RawValue;

use super::forms::{FOR_ANY, MESSAGES};
use super::raw::Pairs;
use super::source::decode;
use super::typed::Reader;
use crate::cli::failure::Failure;
use crate::model::request::parameter;
use crate::model::{
    Entity, EntityCollection, MessageDefinition, Parameter, ParameterDefinition, ParameterType, Parameters,
    ValueType,
};

impl<'s> Reader<'s, '_> {
    /// Input parameters that a step on a message changes: by the keys that a request has for them, or by the names of a
    /// custom message's. `entity` is that of the step.
    pub(in crate::cli) fn input(
        &self,
        message: &str,
        entity: Option<&str>,
        pairs: &Pairs<'s>,
        path: &str,
    ) -> Result<Parameters, Failure> {
        let custom = self.schema.messages.get(message).map(AsRef::as_ref);
        let parts = MESSAGES.iter().find(|(name, _)| *name == message).map_or(&[][..], |(_, parts)| parts);
        // What the others are typed by.
        let mut before = Parameters::new();
        if let Some(entity) = entity {
            before.insert(parameter::TARGET.into(), Entity::new(entity).into());
        }
        let mut read = Parameters::new();
        for (key, raw) in &pairs.0 {
            let path = format!("{path}.{key}");
            match parts.iter().find(|part| part.key == key) {
                Some(part) => {
                    let given = self.part(part, raw, message, &before, &path, 1)?;
                    read.insert(part.parameter.into(), given);
                }
                None => {
                    read.insert(key.clone(), self.parameter(message, custom, key, raw, &path)?);
                }
            }
        }
        Ok(read)
    }

    /// Output parameters that a step on a message sets, by their names.
    pub(in crate::cli) fn output(
        &self,
        message: &str,
        entity: Option<&str>,
        pairs: &Pairs<'s>,
        path: &str,
    ) -> Result<Parameters, Failure> {
        let properties = self.schema.messages.get(message).map(|custom| custom.properties.clone());
        let core = |name: &str, parameter_type| ParameterDefinition {
            name: name.to_owned(),
            parameter_type,
            optional: false,
            entity: entity.map(str::to_owned),
        };
        let properties = properties.unwrap_or_else(|| {
            vec![
                core(parameter::BUSINESS_ENTITY, ParameterType::Entity),
                core(parameter::BUSINESS_ENTITY_COLLECTION, ParameterType::EntityCollection),
            ]
        });
        let mut read = Parameters::new();
        for (name, raw) in &pairs.0 {
            let path = format!("{path}.{name}");
            let Some(property) = properties.iter().find(|property| property.name == *name) else {
                let known: Vec<&str> = properties.iter().map(|property| property.name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let text = format!("{message} has no output `{name}` that a step can set; there are {known}");
                return Err(self.wrong(text, raw, &path));
            };
            read.insert(name.clone(), self.custom(property, raw, message, &path)?);
        }
        Ok(read)
    }

    /// A parameter under `parameters`: of the custom message, or one that any request can have.
    pub(super) fn parameter(
        &self,
        message: &str,
        custom: Option<&MessageDefinition>,
        name: &str,
        raw: &'s RawValue,
        path: &str,
    ) -> Result<Parameter, Failure> {
        if let Some((_, form)) = FOR_ANY.iter().find(|(known, _)| *known == name) {
            return self.plain(*form, raw, path);
        }
        let own = custom.map(|custom| custom.parameters.as_slice()).unwrap_or_default();
        if let Some(definition) = own.iter().find(|definition| definition.name == name) {
            return self.custom(definition, raw, message, path);
        }
        let shorthand = MESSAGES.iter().flat_map(|(_, parts)| *parts).find(|part| part.parameter == name);
        let text = match shorthand {
            _ if name == parameter::TAG => "write it beside `parameters`, as `tag`".to_owned(),
            Some(part) => format!("write it beside `parameters`, as `{}`", part.key),
            None => {
                let any = FOR_ANY.iter().map(|(name, _)| *name);
                let own = own.iter().map(|definition| definition.name.as_str());
                format!("there are {}", own.chain(any).collect::<Vec<_>>().join(", "))
            }
        };
        Err(self.wrong(format!("{message} takes no `{name}` here; {text}"), raw, path))
    }

    /// A parameter of a custom message.
    fn custom(
        &self,
        definition: &ParameterDefinition,
        raw: &'s RawValue,
        message: &str,
        path: &str,
    ) -> Result<Parameter, Failure> {
        let value_type = match definition.parameter_type {
            ParameterType::Entity => return Ok(self.record(raw, message, false, path)?.into()),
            ParameterType::EntityCollection => {
                let records = self.list(raw, path, |raw, path| self.record(raw, message, false, path))?;
                let first = records.first().map(|record| record.logical_name.clone());
                let entity = first.or_else(|| definition.entity.clone()).unwrap_or_default();
                return Ok(EntityCollection::new(entity, records).into());
            }
            ParameterType::EntityReference => {
                return Ok(self.plain_reference(raw, message, path)?.into());
            }
            ParameterType::StringArray => {
                return Ok(Parameter::Strings(decode(self.source, raw.get(), path)?));
            }
            ParameterType::Boolean => ValueType::Boolean,
            ParameterType::DateTime => ValueType::DateTime,
            ParameterType::Decimal => ValueType::Decimal,
            ParameterType::Float => ValueType::Double,
            ParameterType::Integer => ValueType::Integer,
            ParameterType::Money => ValueType::Money,
            ParameterType::Picklist => ValueType::Choice,
            ParameterType::String => ValueType::String,
            ParameterType::Guid => ValueType::UniqueIdentifier,
        };
        self.typed(raw, value_type.into(), path).map(Into::into)
    }
}
