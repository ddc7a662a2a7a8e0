//! The records of the bulk messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{TARGET_INDEX, TARGETS_MAX, invalid, missing, system_job};
use crate::model::error::{Error, Result};
use crate::model::request::parameter;
use crate::model::{Entity, EntityDefinition, Parameter, Parameters, Schema};

/// The targets of a bulk message that writes attributes.
pub(super) struct Targets<'a> {
    /// The one entity of all of them.
    pub(super) entity: &'a str,
    /// The records.
    pub(super) entities: &'a [Entity],
}

impl<'a> Targets<'a> {
    /// The targets, if they are of one entity and not too many.
    pub(super) fn of(message: &str, input: &'a Parameters) -> Result<Self> {
        let targets = match input.get(parameter::TARGETS) {
            Some(Parameter::Entities(targets)) => targets,
            other => return Err(missing(message, parameter::TARGETS, "an entity collection", other)),
        };
        check_count(message, targets.entities.len())?;
        for (index, target) in targets.entities.iter().enumerate() {
            if target.logical_name != targets.entity {
                return Err(invalid(format!(
                    "the targets of {message} are records of one entity: number {index} is of `{}`, the collection of \
                     `{}`; issue a request for each entity",
                    target.logical_name, targets.entity
                )));
            }
        }
        Ok(Self { entity: &targets.entity, entities: &targets.entities })
    }

    /// An error, with the index, for the first value that the definition does not allow.
    pub(super) fn check_values(&self, definition: &EntityDefinition) -> Result<()> {
        let check = |(index, target): (usize, &Entity)| {
            definition.check_values(&target.attributes).map_err(|error| at(error, index))
        };
        self.entities.iter().enumerate().try_for_each(check)
    }

    /// An error unless every target has an identifier.
    pub(super) fn check_identifiers(&self, message: &str) -> Result<()> {
        match self.entities.iter().position(|target| target.id.is_none()) {
            None => Ok(()),
            Some(index) => Err(at(without_identifier(message, self.entity), index)),
        }
    }

    /// The targets, each record once: the first counts, as in an open simulator of the platform, whose documentation
    /// leaves it open.
    pub(super) fn distinct(&self) -> impl Iterator<Item = (usize, &'a Entity, Uuid)> {
        let mut seen = BTreeSet::new();
        let targets = self.entities.iter().enumerate();
        targets.filter_map(move |(index, target)| {
            let id = target.id?;
            seen.insert(id).then_some((index, target, id))
        })
    }
}

pub(super) fn check_count(message: &str, count: usize) -> Result<()> {
    match count {
        0 => Err(invalid(format!("{message} has no records; name at least one"))),
        1..=TARGETS_MAX => Ok(()),
        _ => Err(invalid(format!(
            "{message} has {count} records; {TARGETS_MAX} is the most, so issue several requests"
        ))),
    }
}

/// The definition of an entity whose records a request may write: not the pairs of a many-to-many relationship.
pub(super) fn writable<'s>(
    schema: &'s Schema,
    message: &str,
    entity: &str,
) -> Result<&'s Arc<EntityDefinition>> {
    let definition = writable_or_job(schema, message, entity)?;
    if definition.is_system_job() {
        return Err(system_job::refuse(message));
    }
    Ok(definition)
}

/// The same, or the system jobs.
pub(super) fn writable_or_job<'s>(
    schema: &'s Schema,
    message: &str,
    entity: &str,
) -> Result<&'s Arc<EntityDefinition>> {
    let definition = schema.entity(entity)?;
    if definition.intersect {
        return Err(invalid(format!(
            "{message} does not apply to `{entity}`, the pairs of a many-to-many relationship; use Associate and \
             Disassociate"
        )));
    }
    Ok(definition)
}

pub(super) fn without_identifier(message: &str, entity: &str) -> Error {
    invalid(format!(
        "the target of {message} of `{entity}` needs an identifier, or the values of an alternate key"
    ))
}

/// Says which target an error is about.
pub(super) fn at(error: Error, index: usize) -> Error {
    error.with_detail(TARGET_INDEX, index.to_string())
}
