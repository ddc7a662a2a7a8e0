//! Relationships: what they may relate, and how they may cascade.

use std::sync::Arc;

use crate::model::definition::{NAME_LENGTH_MAX, OWNER_ID, Ownership, nearest};
use crate::model::error::Result;
use crate::model::fault::code;
use crate::model::{
    AttributeDefinition, Cascade, CascadeConfiguration, EntityDefinition, RelationshipDefinition,
    RelationshipKind, Schema,
};

use super::{check_name, invalid};

/// Adds a definition, and the entity of its pairs where it is many-to-many.
pub(super) fn add(schema: &mut Schema, definition: &RelationshipDefinition) -> Result<()> {
    let name = &definition.name;
    check_name("a relationship", name)?;
    if let Some(existing) = schema.relationships.get(name) {
        if without_cascades(existing) != without_cascades(definition) {
            return Err(invalid(format!(
                "the relationship `{name}` is defined already, and only its `cascade` can change; use another name"
            )));
        }
    } else if let Some(pairs) = definition.intersect() {
        check_pairs(definition, &pairs)?;
        if schema.entities.contains_key(name) {
            return Err(invalid(format!(
                "the many-to-many relationship `{name}` would make an entity of its name, and there is one already; use \
                 another name"
            )));
        }
        schema.entities.insert(name.clone(), Arc::new(pairs));
    }
    schema.relationships.insert(name.clone(), Arc::new(definition.clone()));
    Ok(())
}

/// An error if it relates what is not there, or cascades as it cannot.
pub(super) fn check(schema: &Schema, definition: &RelationshipDefinition) -> Result<()> {
    let name = &definition.name;
    match &definition.kind {
        RelationshipKind::ManyToMany { entities: sides } => {
            for side in sides {
                if entity(schema, name, side)?.intersect {
                    return Err(invalid(format!(
                        "the relationship `{name}` relates `{side}`, which holds the pairs of another; relate one of \
                         its sides"
                    )));
                }
            }
            Ok(())
        }
        RelationshipKind::OneToMany { referenced, referencing, attribute, cascade } => {
            let parent = entity(schema, name, referenced)?;
            let child = entity(schema, name, referencing)?;
            let lookup = lookup(name, child, attribute, referenced)?;
            let others = schema.relationships.values().filter(|other| other.name != *name);
            if let Some(other) =
                others.into_iter().find(|other| relates(other, referenced, referencing, attribute))
            {
                return Err(invalid(format!(
                    "the relationship `{name}` is the same as `{}`: `{attribute}` of `{referencing}` to `{referenced}`; \
                     change that one",
                    other.name
                )));
            }
            check_assign(name, parent, child, cascade.assign)?;
            check_delete(name, child, lookup, cascade.delete)
        }
    }
}

fn check_assign(
    name: &str,
    parent: &EntityDefinition,
    child: &EntityDefinition,
    assign: Cascade,
) -> Result<()> {
    if assign == Cascade::NoCascade {
        return Ok(());
    }
    if matches!(assign, Cascade::RemoveLink | Cascade::Restrict) {
        return Err(invalid(format!(
            "the relationship `{name}` cannot have {} for an assign: choose no-cascade, cascade, active or user-owned",
            assign.name()
        )));
    }
    if let Some(unowned) = [parent, child].into_iter().find(|side| side.ownership != Ownership::User) {
        return Err(invalid(format!(
            "the relationship `{name}` cannot cascade an assign ({}): the records of `{}` have no owner; define that \
             with `ownership`: `user`",
            assign.name(),
            unowned.logical_name
        )));
    }
    if assign == Cascade::Active && child.states.is_empty() {
        return Err(invalid(format!(
            "the relationship `{name}` cannot cascade an assign to the active records of `{}`, which has no states; \
             define those, or choose cascade",
            child.logical_name
        )));
    }
    Ok(())
}

fn check_delete(
    name: &str,
    child: &EntityDefinition,
    lookup: &AttributeDefinition,
    delete: Option<Cascade>,
) -> Result<()> {
    match delete {
        Some(Cascade::Active | Cascade::UserOwned) => Err(invalid(format!(
            "the relationship `{name}` cannot have {} for a delete: choose cascade, remove-link, restrict or no-cascade",
            delete.unwrap_or_default().name()
        ))),
        Some(Cascade::RemoveLink) if lookup.required => Err(invalid(format!(
            "the relationship `{name}` cannot have remove-link for a delete: `{}` of `{}` is required, so it cannot be \
             cleared; choose cascade or restrict",
            lookup.name, child.logical_name
        ))
        .with_code(code::REMOVE_LINK_ON_REQUIRED)),
        _ => Ok(()),
    }
}

fn lookup<'a>(
    name: &str,
    child: &'a EntityDefinition,
    attribute: &str,
    referenced: &str,
) -> Result<&'a AttributeDefinition> {
    let entity = &child.logical_name;
    let problem = match child.attribute(attribute) {
        None => {
            let lookups = child.attributes.iter().filter(|other| !other.attribute_type.targets().is_empty());
            let known = nearest(attribute, lookups.map(|other| other.name.as_str()));
            format!("has `{attribute}` of `{entity}`, which is not defined{known}")
        }
        Some(lookup) if lookup.attribute_type.targets().is_empty() => {
            format!(
                "has `{attribute}` of `{entity}`, which is no lookup but a {}",
                lookup.attribute_type.value_type()
            )
        }
        Some(_) if attribute == OWNER_ID || child.intersect => {
            format!("has `{attribute}` of `{entity}`, which the host keeps itself; use a lookup of your own")
        }
        Some(lookup) if !lookup.attribute_type.targets().iter().any(|target| target == referenced) => {
            format!(
                "has `{attribute}` of `{entity}`, which points to {} and not to `{referenced}`",
                lookup.attribute_type.targets().join(", ")
            )
        }
        Some(lookup) => return Ok(lookup),
    };
    Err(invalid(format!("the relationship `{name}` {problem}")))
}

fn relates(other: &RelationshipDefinition, to: &str, from: &str, lookup: &str) -> bool {
    matches!(&other.kind, RelationshipKind::OneToMany { referenced, referencing, attribute, .. }
        if referenced == to && referencing == from && attribute == lookup)
}

fn entity<'a>(schema: &'a Schema, relationship: &str, name: &str) -> Result<&'a EntityDefinition> {
    schema.entities.get(name).map(Arc::as_ref).ok_or_else(|| {
        let known = nearest(name, schema.own_entities());
        invalid(format!("the relationship `{relationship}` relates `{name}`, which is not defined{known}"))
    })
}

/// The lookups of the pairs are named after the entities, and a name has its limit.
fn check_pairs(definition: &RelationshipDefinition, pairs: &EntityDefinition) -> Result<()> {
    match pairs.attributes.iter().find(|attribute| attribute.name.len() > NAME_LENGTH_MAX) {
        None => Ok(()),
        Some(attribute) => Err(invalid(format!(
            "the many-to-many relationship `{}` would need the lookup `{}`, whose name is longer than {NAME_LENGTH_MAX} \
             characters; relate an entity with a shorter name",
            definition.name, attribute.name
        ))),
    }
}

fn without_cascades(definition: &RelationshipDefinition) -> RelationshipDefinition {
    let mut definition = definition.clone();
    if let RelationshipKind::OneToMany { cascade, .. } = &mut definition.kind {
        *cascade = CascadeConfiguration::default();
    }
    definition
}
