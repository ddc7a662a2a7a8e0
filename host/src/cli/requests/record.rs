//! Records and references to them.

use serde_json::value::RawValue;

use super::raw::{Pairs, RawTarget};
use super::source::object;
use super::typed::Reader;
use crate::cli::failure::Failure;
use crate::model::{Attributes, Entity, EntityDefinition, EntityReference, Parameter, Value};

impl<'s> Reader<'s, '_> {
    pub(super) fn record(
        &self,
        raw: &'s RawValue,
        message: &str,
        named: bool,
        path: &str,
    ) -> Result<Entity, Failure> {
        let (entity, attributes) = self.target(raw, message, named, path)?;
        let definition = self.schema.entity(&entity.logical_name)?;
        let attributes = match attributes {
            Some(pairs) => self.attributes(definition, &pairs, &format!("{path}.attributes"))?,
            None => Attributes::new(),
        };
        Ok(Entity { attributes, ..entity })
    }

    /// Attributes by name, as `definition` types them.
    pub(in crate::cli) fn attributes(
        &self,
        definition: &EntityDefinition,
        pairs: &Pairs<'s>,
        path: &str,
    ) -> Result<Attributes, Failure> {
        let read = |(name, raw): &(String, &'s RawValue)| {
            Ok((name.clone(), self.value(definition, name, raw, &format!("{path}.{name}"))?))
        };
        pairs.0.iter().map(read).collect()
    }

    /// A reference, or the record with its alternate key where it is named by that.
    pub(super) fn reference(
        &self,
        raw: &'s RawValue,
        message: &str,
        path: &str,
    ) -> Result<Parameter, Failure> {
        let (entity, attributes) = self.target(raw, message, true, path)?;
        if let Some((name, value)) = attributes.iter().flat_map(|pairs| &pairs.0).next() {
            let text = format!("{message} takes no attributes; remove them");
            return Err(self.wrong(text, value, &format!("{path}.attributes.{name}")));
        }
        Ok(match entity.reference() {
            Some(reference) => reference.into(),
            None => entity.into(),
        })
    }

    pub(super) fn plain_reference(
        &self,
        raw: &'s RawValue,
        message: &str,
        path: &str,
    ) -> Result<EntityReference, Failure> {
        match self.reference(raw, message, path)? {
            Parameter::Value(Value::EntityReference(reference)) => Ok(reference),
            _ => Err(self.wrong("a record in a list is named by its \"id\" alone", raw, path)),
        }
    }

    /// The parts of a target; `named` if it must say which record it is.
    fn target(
        &self,
        raw: &'s RawValue,
        message: &str,
        named: bool,
        path: &str,
    ) -> Result<(Entity, Option<Pairs<'s>>), Failure> {
        let target: RawTarget<'s> = object(self.source, raw.get(), path)?;
        let definition = self.definition(target.entity, path)?;
        let mut entity = Entity::new(&definition.logical_name);
        entity.id = target.id.map(|id| id.0);
        if let Some(key) = &target.key {
            entity.key_attributes = self.attributes(definition, key, &format!("{path}.key"))?;
        }
        if named && entity.id.is_none() && entity.key_attributes.is_empty() {
            let text = format!(
                "{message} needs the record: add its \"id\" to the target, or the \"key\" that names it"
            );
            return Err(self.wrong(text, raw, path));
        }
        Ok((entity, target.attributes))
    }
}
