//! Custom messages: their names, and what they may gain.

use std::sync::Arc;

use crate::model::definition::nearest;
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{Binding, Message, MessageDefinition, ParameterDefinition, ParameterType, Schema};

use super::invalid;

/// Characters of a message's or a parameter's name at most, as on the platform.
const NAME_LENGTH_MAX: usize = 128;
/// The names that a request of any message can have, or that a binding brings.
const RESERVED: [&str; 5] = [
    parameter::TARGET,
    parameter::TAG,
    parameter::BYPASS_BUSINESS_LOGIC,
    parameter::BYPASS_STEPS,
    parameter::BYPASS_PLUGINS,
];

/// Adds a definition.
pub(super) fn add(schema: &mut Schema, definition: &MessageDefinition) -> Result<()> {
    check(definition)?;
    let merged = match schema.messages.get(&definition.name) {
        Some(existing) => merged(existing, definition)?,
        None => {
            check_is_new(schema, &definition.name)?;
            definition.clone()
        }
    };
    schema.messages.insert(merged.name.clone(), Arc::new(merged));
    Ok(())
}

/// An error if an entity that the message names is not there.
pub(super) fn check_entities(schema: &Schema, definition: &MessageDefinition) -> Result<()> {
    let bound = match &definition.binding {
        Binding::Global => None,
        Binding::Entity(entity) | Binding::EntityCollection(entity) => Some(entity),
    };
    let parameters = definition.parameters.iter().chain(&definition.properties);
    let named = bound.into_iter().chain(parameters.filter_map(|parameter| parameter.entity.as_ref()));
    for entity in named {
        if !schema.entities.contains_key(entity) {
            let known = nearest(entity, schema.own_entities());
            return Err(invalid(format!(
                "the message `{}` names the entity `{entity}`, which is not defined{known}",
                definition.name
            )));
        }
    }
    Ok(())
}

fn check(definition: &MessageDefinition) -> Result<()> {
    let name = &definition.name;
    check_name("a message", name)?;
    if let Some(core) = Message::CORE.iter().find(|core| core.eq_ignore_ascii_case(name)) {
        return Err(invalid(format!(
            "the message `{name}` would hide the host's own `{core}`; use another name"
        )));
    }
    for (what, list) in [("parameter", &definition.parameters), ("property", &definition.properties)] {
        for (index, one) in list.iter().enumerate() {
            check_name("a parameter or a property", &one.name)?;
            let mut earlier = list.iter().take(index);
            let problem = if earlier.any(|other| other.name.eq_ignore_ascii_case(&one.name)) {
                "is there twice; remove one"
            } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&one.name)) {
                "has a name that the host uses itself; choose another"
            } else if one.entity.is_some() && !is_of_an_entity(one.parameter_type) {
                "names an entity, which only an entity, an entity-collection or an entity-reference can; leave it out"
            } else {
                continue;
            };
            return Err(invalid(format!("the {what} `{}` of the message `{name}` {problem}", one.name)));
        }
    }
    Ok(())
}

fn is_of_an_entity(parameter_type: ParameterType) -> bool {
    matches!(
        parameter_type,
        ParameterType::Entity | ParameterType::EntityCollection | ParameterType::EntityReference
    )
}

/// Steps and requests find a message by its name: names that differ in case alone would be mistaken for one another.
fn check_is_new(schema: &Schema, name: &str) -> Result<()> {
    match schema.messages.keys().find(|other| other.eq_ignore_ascii_case(name)) {
        None => Ok(()),
        Some(other) => Err(invalid(format!(
            "the message `{name}` differs from `{other}`, which is defined already, in upper and lower case alone; use \
             that name or another"
        ))),
    }
}

fn merged(current: &MessageDefinition, next: &MessageDefinition) -> Result<MessageDefinition> {
    let name = &current.name;
    if current.binding != next.binding || current.steps != next.steps {
        return Err(invalid(format!(
            "the message `{name}` is defined already with another `binding` or other `steps`, which cannot change; use \
             another name"
        )));
    }
    let mut merged = current.clone();
    for (what, list, next) in [
        ("parameter", &mut merged.parameters, &next.parameters),
        ("property", &mut merged.properties, &next.properties),
    ] {
        for one in next {
            match list.iter().find(|existing| existing.name == one.name) {
                Some(existing) if existing == one => {}
                Some(_) => {
                    return Err(invalid(format!(
                        "the {what} `{}` of the message `{name}` is defined already and cannot change; use another name",
                        one.name
                    )));
                }
                None if what == "parameter" && !one.optional => return Err(must_be_optional(name, one)),
                None => list.push(one.clone()),
            }
        }
    }
    if next.description.is_some() {
        merged.description.clone_from(&next.description);
    }
    check(&merged)?;
    Ok(merged)
}

fn must_be_optional(message: &str, added: &ParameterDefinition) -> crate::model::Error {
    invalid(format!(
        "the parameter `{}` cannot be added to the message `{message}` as required, since requests that leave it out \
         would fail; add it as optional",
        added.name
    ))
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "`{name}` cannot be the name of {what}: use up to {NAME_LENGTH_MAX} ASCII letters, digits and `_`, beginning with \
         a letter"
    )))
}
