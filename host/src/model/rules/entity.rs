//! Entities: new ones, and those that gain something.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::definition::{
    ATTRIBUTES_MAX, OWNER_ID, Ownership, STATE_CODE, STATUS_CODE, TEAM_ENTITY, USER_ENTITY,
};
use crate::model::error::{Error, Result};
use crate::model::job::SYSTEM_JOB_ENTITY;
use crate::model::{AttributeDefinition, AttributeType, EntityDefinition, Schema};

use super::{attribute, check_name, invalid, key, state};

/// Adds a definition. On live data, records may exist.
pub(super) fn add(schema: &mut Schema, definition: &EntityDefinition, live: bool) -> Result<()> {
    if let Some(own) = schema.entities.get(&definition.logical_name).filter(|own| own.is_system_job()) {
        // As a listing has it, it is there already.
        return if **own == *definition { Ok(()) } else { Err(hosts_own()) };
    }
    let definition = without_implied(definition);
    check(&definition)?;
    let mut merged = match schema.entities.get(&definition.logical_name) {
        Some(existing) => merged(existing, &definition, live)?,
        None => definition,
    };
    for attribute in implied(&merged) {
        merged.attributes.put(attribute);
    }
    check_size(&merged)?;
    state::check(&merged)?;
    key::check(&merged)?;
    schema.entities.insert(merged.logical_name.clone(), Arc::new(merged));
    Ok(())
}

/// An error if a lookup points to what is not there, or no record could ever be the first.
pub(super) fn check_lookups(schema: &Schema, entity: &str) -> Result<()> {
    let Some(definition) = schema.entities.get(entity) else { return Ok(()) };
    for attribute in definition.attributes.iter().filter(|attribute| attribute.name != OWNER_ID) {
        for target in attribute.attribute_type.targets() {
            let problem = match schema.entities.get(target) {
                Some(pairs) if pairs.intersect => {
                    "holds the pairs of a many-to-many relationship; point to one of its sides"
                }
                Some(own) if own.is_system_job() => {
                    "is the host's own and loses its records with time; keep the identifier of a system job instead"
                }
                Some(_) => continue,
                None => "is not defined; define it in the same request or before",
            };
            return Err(invalid(format!(
                "the lookup `{}` of entity `{entity}` points to `{target}`, which {problem}",
                attribute.name
            )));
        }
    }
    check_required_cycle(schema, entity)
}

/// An error if the pairs of a relationship are not those that it makes.
pub(super) fn check_pairs(schema: &Schema, definition: &EntityDefinition) -> Result<()> {
    let name = &definition.logical_name;
    let made = schema.relationships.get(name).and_then(|relationship| relationship.intersect());
    if made.as_ref() == Some(definition) {
        return Ok(());
    }
    Err(invalid(format!(
        "the entity `{name}` cannot be defined with `intersect`: a many-to-many relationship makes the entity of its \
         pairs itself, so define the relationship"
    )))
}

fn hosts_own() -> Error {
    invalid(format!(
        "the entity `{SYSTEM_JOB_ENTITY}` is the host's own and can gain nothing; use another name"
    ))
}

fn check(definition: &EntityDefinition) -> Result<()> {
    check_name("an entity", &definition.logical_name)?;
    definition.attributes.iter().try_for_each(|attribute| attribute::check(definition, attribute))?;
    if let Some(name) = definition.attributes.repeated() {
        return Err(invalid(format!(
            "the attribute `{name}` of `{}` is there twice; remove one",
            definition.logical_name
        )));
    }
    Ok(())
}

fn check_size(definition: &EntityDefinition) -> Result<()> {
    let count = definition.attributes.len();
    if count <= ATTRIBUTES_MAX {
        return Ok(());
    }
    Err(invalid(format!(
        "the entity `{}` has {count} attributes; {ATTRIBUTES_MAX} is the most",
        definition.logical_name
    )))
}

/// The attributes that ownership and states bring.
fn implied(definition: &EntityDefinition) -> Vec<AttributeDefinition> {
    let mut attributes = Vec::new();
    if definition.ownership == Ownership::User {
        let targets = vec![USER_ENTITY.to_owned(), TEAM_ENTITY.to_owned()];
        attributes.push(AttributeDefinition::new(OWNER_ID, AttributeType::Lookup { targets }).required());
    }
    if !definition.states.is_empty() {
        let states = definition.states.iter().map(|state| state.value).collect();
        let statuses = definition.statuses().map(|status| status.value).collect();
        for (name, options) in [(STATE_CODE, states), (STATUS_CODE, statuses)] {
            attributes.push(AttributeDefinition::new(name, AttributeType::Choice { options }).required());
        }
    }
    attributes
}

/// A definition that was listed has the implied attributes too: those exactly are no attributes of its author's.
fn without_implied(definition: &EntityDefinition) -> EntityDefinition {
    let implied = implied(definition);
    let own = definition.attributes.iter().filter(|attribute| !implied.contains(attribute));
    EntityDefinition { attributes: own.cloned().collect(), ..definition.clone() }
}

fn merged(current: &EntityDefinition, next: &EntityDefinition, live: bool) -> Result<EntityDefinition> {
    let entity = &current.logical_name;
    if current.intersect {
        return Err(invalid(format!(
            "the entity `{entity}` holds the pairs of a many-to-many relationship and can gain nothing; define an \
             entity of another name"
        )));
    }
    let mut merged = current.clone();
    for attribute in &next.attributes {
        let name = &attribute.name;
        match current.attribute(name) {
            None if attribute.required && live => {
                return Err(invalid(format!(
                    "the attribute `{name}` cannot be added to `{entity}` as required, since records may exist; add it \
                     as optional"
                )));
            }
            None => merged.attributes.push(attribute.clone()),
            Some(existing) => merged.attributes.put(attribute::widened(existing, attribute).map_err(|reason| {
                invalid(format!(
                    "the attribute `{name}` of `{entity}` is defined already, and a definition can only widen it: \
                     {reason}; keep that, or use another name"
                ))
            })?),
        }
    }
    if next.ownership != Ownership::None {
        merged.ownership = next.ownership;
    }
    state::merge(&mut merged, &next.states)?;
    key::merge(&mut merged, &next.keys)?;
    Ok(merged)
}

/// Entities whose required lookups form a cycle could never get a first record.
fn check_required_cycle(schema: &Schema, start: &str) -> Result<()> {
    let mut path = vec![start.to_owned()];
    if required_path_to(schema, start, start, &mut BTreeSet::new(), &mut path) {
        return Err(invalid(format!(
            "the required lookups {} form a cycle, so no record could be the first; make one of them optional",
            path.join(" -> ")
        )));
    }
    Ok(())
}

fn required_path_to(
    schema: &Schema,
    from: &str,
    goal: &str,
    seen: &mut BTreeSet<String>,
    path: &mut Vec<String>,
) -> bool {
    let Some(definition) = schema.entities.get(from) else { return false };
    for attribute in definition.attributes.iter().filter(|attribute| attribute.required) {
        // A lookup to several entities is no cycle as long as one of them is outside.
        let [target] = attribute.attribute_type.targets() else { continue };
        path.push(target.clone());
        if target == goal
            || (seen.insert(target.clone()) && required_path_to(schema, target, goal, seen, path))
        {
            return true;
        }
        path.pop();
    }
    false
}
