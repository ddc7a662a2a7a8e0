//! Upsert and UpsertMultiple: they run as the Create or the Update of each record, and steps are registered on those.

use async_trait::async_trait;

use super::targets::{self, Targets};
use super::{Composite, CoreOperation, Subject, Traits, check_names, entity_target, invalid};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{Entity, EntityDefinition, Message, Parameters, Schema};

pub(super) struct Upsert;

#[async_trait]
impl CoreOperation for Upsert {
    fn name(&self) -> &'static str {
        Message::UPSERT
    }

    fn traits(&self) -> Traits {
        Traits::composite(
            Composite::Upsert,
            "an Upsert runs as a Create or an Update: register steps on those",
        )
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGET])?;
        let target = entity_target(message, input)?;
        let definition = targets::writable(schema, message, &target.logical_name)?;
        check_target(definition, message, target)?;
        Ok(Subject::new(definition, target.id))
    }
}

pub(super) struct UpsertMultiple;

#[async_trait]
impl CoreOperation for UpsertMultiple {
    fn name(&self) -> &'static str {
        Message::UPSERT_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits::composite(
            Composite::UpsertMultiple,
            "an UpsertMultiple runs as a CreateMultiple and an UpdateMultiple: register steps on those",
        )
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGETS])?;
        let targets = Targets::of(message, input)?;
        let definition = targets::writable(schema, message, targets.entity)?;
        for (index, target) in targets.entities.iter().enumerate() {
            check_target(definition, message, target).map_err(|error| targets::at(error, index))?;
            let earlier = targets.entities.iter().take(index);
            if target.id.is_some() && earlier.clone().any(|other| other.id == target.id) {
                let problem = format!("two targets of {message} are the same record; merge them");
                return Err(targets::at(invalid(problem), index));
            }
        }
        Ok(Subject::new(definition, None))
    }
}

fn check_target(definition: &EntityDefinition, message: &str, target: &Entity) -> Result<()> {
    definition.check_values(&target.attributes)?;
    definition.check_values(&target.key_attributes)?;
    if target.id.is_some() {
        return Ok(());
    }
    if target.key_attributes.is_empty() {
        return Err(targets::without_identifier(message, &target.logical_name));
    }
    definition.key_of(&target.key_attributes).map(drop)
}
