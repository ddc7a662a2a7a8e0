//! The main operations of the platform's messages, over a fake's records.

use super::select::select;
use super::world::{Attributes, Relationship, World, unknown_relationship};
use crate::parameters::{Parameter, ParameterType, Parameters, Upserted, parameter};
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::value::{Choice, EntityReference, Value};
use crate::{Fault, Result, code};

/// Does it, and answers the output parameters.
pub(super) fn perform(world: &mut World, message: &str, input: &Parameters) -> Result<Parameters> {
    let mut output = Parameters::default();
    match message {
        "Create" => output.set(parameter::ID, create(world, record(message, input)?)?.id),
        "Retrieve" => {
            let reference = about(world, message, input, parameter::TARGET)?;
            let columns = match input.get(parameter::COLUMN_SET) {
                Some(Parameter::Columns(columns)) => columns.clone(),
                _ => ColumnSet::All,
            };
            output.set(parameter::BUSINESS_ENTITY, world.retrieve(&reference, &columns)?);
        }
        "RetrieveMultiple" => match input.get(parameter::QUERY) {
            Some(Parameter::Query(query)) => {
                output.set(parameter::BUSINESS_ENTITY_COLLECTION, select(world, query)?);
            }
            _ => return Err(without(message, parameter::QUERY)),
        },
        "Update" => {
            let reference = versioned(world, message, input)?;
            world.update(&reference, record(message, input)?.attributes)?;
        }
        "Delete" => {
            let reference = versioned(world, message, input)?;
            world.delete(&reference)?;
        }
        "Upsert" => {
            let done = upsert(world, record(message, input)?)?;
            output.set(parameter::TARGET, done.target);
            output.set(parameter::RECORD_CREATED, done.record_created);
        }
        "Assign" => {
            let reference = about(world, message, input, parameter::TARGET)?;
            let assignee: EntityReference = needed(message, input, parameter::ASSIGNEE)?;
            world.update(&reference, Attributes::from([("ownerid".to_owned(), assignee.into())]))?;
        }
        "SetState" => set_state(world, message, input)?,
        "Associate" | "Disassociate" => relate(world, message, input)?,
        "CreateMultiple" => {
            let created = targets(message, input)?.records.into_iter().map(|record| create(world, record));
            let ids = created.map(|created| created.map(|reference| reference.id)).collect::<Result<_>>()?;
            output.insert(parameter::IDS.to_owned(), Parameter::Ids(ids));
        }
        "UpdateMultiple" => {
            for record in targets(message, input)?.records {
                let reference = world.resolve(&record)?;
                world.update(&reference, record.attributes)?;
            }
        }
        "UpsertMultiple" => {
            let done = targets(message, input)?.records.into_iter().map(|record| upsert(world, record));
            let done = done.collect::<Result<_>>()?;
            output.insert(parameter::RESULTS.to_owned(), Parameter::Upserts(done));
        }
        "DeleteMultiple" => {
            let Some(Parameter::References(references)) = input.get(parameter::TARGETS) else {
                return Err(without(message, parameter::TARGETS));
            };
            references.iter().try_for_each(|reference| world.delete(reference))?;
        }
        _ => {
            let text = format!(
                "The fake does not know the message `{message}`: give it a main operation with `Fake::implement`."
            );
            return Err(Fault::new(text).with_code(code::UNKNOWN_MESSAGE));
        }
    }
    Ok(output)
}

/// Which records a message is about.
pub(super) fn subjects(world: &World, message: &str, input: &Parameters) -> Result<Vec<EntityReference>> {
    let one = |name| about(world, message, input, name).map(|reference| vec![reference]);
    match message {
        "CreateMultiple" | "UpdateMultiple" | "UpsertMultiple" => {
            let targets = targets(message, input)?.records;
            // Before a Create there is no record yet.
            let known = |record: &Record| record.id.is_some() || !record.key_attributes.is_empty();
            targets.iter().filter(|record| known(record)).map(|record| world.resolve(record)).collect()
        }
        "DeleteMultiple" => match input.get(parameter::TARGETS) {
            Some(Parameter::References(references)) => Ok(references.clone()),
            _ => Err(without(message, parameter::TARGETS)),
        },
        "SetState" => one(parameter::ENTITY_MONIKER),
        _ => match input.get(parameter::TARGET) {
            None => Ok(Vec::new()),
            Some(Parameter::Entity(record)) if record.id.is_none() && record.key_attributes.is_empty() => {
                Ok(Vec::new())
            }
            Some(_) => one(parameter::TARGET),
        },
    }
}

/// The entity of a message's record or records; `none` where it has none.
pub(super) fn entity_of(input: &Parameters) -> String {
    let places = [parameter::TARGET, parameter::TARGETS, parameter::ENTITY_MONIKER, parameter::QUERY];
    let entity = places.iter().filter_map(|name| input.get(name)).find_map(|parameter| match parameter {
        Parameter::Entity(record) => Some(record.logical_name.clone()),
        Parameter::Entities(records) => Some(records.entity.clone()),
        Parameter::References(references) => references.first().map(|reference| reference.entity.clone()),
        Parameter::Value(Value::EntityReference(reference)) => Some(reference.entity.clone()),
        Parameter::Query(query) => Some(query.entity.clone()),
        _ => None,
    });
    entity.unwrap_or_else(|| "none".to_owned())
}

fn create(world: &mut World, mut record: Record) -> Result<EntityReference> {
    record.attributes.append(&mut record.key_attributes);
    let entity = record.logical_name.clone();
    Ok(EntityReference { entity, id: world.create(record)? })
}

fn upsert(world: &mut World, record: Record) -> Result<Upserted> {
    let target = match world.resolve(&record) {
        Ok(reference) if world.exists(&reference) => reference,
        Err(fault) if !fault.is_not_found() => return Err(fault),
        _ => return Ok(Upserted { target: create(world, record)?, record_created: true }),
    };
    world.update(&target, record.attributes)?;
    Ok(Upserted { target, record_created: false })
}

fn set_state(world: &mut World, message: &str, input: &Parameters) -> Result {
    let reference = about(world, message, input, parameter::ENTITY_MONIKER)?;
    let state: Choice = needed(message, input, parameter::STATE)?;
    let status: Choice = needed(message, input, parameter::STATUS)?;
    let mut changes = Attributes::from([("statecode".to_owned(), state.into())]);
    if status != Choice(-1) {
        changes.insert("statuscode".to_owned(), status.into());
    }
    world.update(&reference, changes)
}

fn relate(world: &mut World, message: &str, input: &Parameters) -> Result {
    let target = about(world, message, input, parameter::TARGET)?;
    let name: String = needed(message, input, parameter::RELATIONSHIP)?;
    let Some(Parameter::References(related)) = input.get(parameter::RELATED_ENTITIES) else {
        return Err(without(message, parameter::RELATED_ENTITIES));
    };
    let associate = message == "Associate";
    for other in std::iter::once(&target).chain(related) {
        world.retrieve(other, &ColumnSet::default())?;
    }
    match world.relationships.get(&name).cloned().ok_or_else(|| unknown_relationship(&name))? {
        Relationship::ManyToMany => {
            for other in related {
                for (one, other) in [(&target, other), (other, &target)] {
                    let pair = (name.clone(), one.clone(), other.clone());
                    if associate {
                        world.pairs.insert(pair)
                    } else {
                        world.pairs.remove(&pair)
                    };
                }
            }
            Ok(())
        }
        Relationship::OneToMany { child, lookup } => related.iter().try_for_each(|other| {
            // Either side may be the target.
            let (from, to) = if other.entity == child { (other, &target) } else { (&target, other) };
            let value = if associate { to.clone().into() } else { Value::Null };
            world.update(from, Attributes::from([(lookup.clone(), value)]))
        }),
    }
}

fn record(message: &str, input: &Parameters) -> Result<Record> {
    match input.get(parameter::TARGET) {
        Some(Parameter::Entity(record)) => Ok(record.clone()),
        _ => Err(without(message, parameter::TARGET)),
    }
}

fn targets(message: &str, input: &Parameters) -> Result<EntityCollection> {
    needed(message, input, parameter::TARGETS)
}

/// The record of a parameter that is one or refers to one.
fn about(world: &World, message: &str, input: &Parameters, name: &str) -> Result<EntityReference> {
    match input.get(name) {
        Some(Parameter::Entity(record)) => world.resolve(record),
        Some(Parameter::Value(Value::EntityReference(reference))) => Ok(reference.clone()),
        _ => Err(without(message, name)),
    }
}

/// The record of an Update or a Delete, if it has the version that the request is for.
fn versioned(world: &World, message: &str, input: &Parameters) -> Result<EntityReference> {
    let reference = about(world, message, input, parameter::TARGET)?;
    if let Some(version) = input.value(parameter::ROW_VERSION) {
        world.check_version(&reference, version)?;
    }
    Ok(reference)
}

fn needed<T: ParameterType>(message: &str, input: &Parameters, name: &str) -> Result<T> {
    input.value(name).ok_or_else(|| without(message, name))
}

fn without(message: &str, name: &str) -> Fault {
    let text = format!("A request for {message} needs the parameter `{name}`.");
    Fault::new(text).with_code(code::INVALID_ARGUMENT)
}
