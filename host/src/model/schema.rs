//! The definitions of an organization, together: what is defined, and who points to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::definition::{OWNER_ID, nearest};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::{AttributeDeclaration, Declaration};
use crate::model::{
    AttributeDefinition, Cascade, CascadeConfiguration, EntityDefinition, MessageDefinition,
    RelationshipDefinition, RelationshipKind,
};

/// The definitions of an organization at one version.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Grows with every change; statements and plans are cached by it.
    pub version: u64,
    /// The entities by logical name.
    pub entities: BTreeMap<String, Arc<EntityDefinition>>,
    /// The relationships by name.
    pub relationships: BTreeMap<String, Arc<RelationshipDefinition>>,
    /// The custom messages by name.
    pub messages: BTreeMap<String, Arc<MessageDefinition>>,
}

/// Definitions to be made together: all or none of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definitions {
    /// Entities, new or with more than they had.
    pub entities: Vec<EntityDefinition>,
    /// Relationships.
    pub relationships: Vec<RelationshipDefinition>,
    /// Custom messages.
    pub messages: Vec<MessageDefinition>,
}

impl Definitions {
    /// Whether nothing is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.relationships.is_empty() && self.messages.is_empty()
    }
}

impl From<Vec<EntityDefinition>> for Definitions {
    fn from(entities: Vec<EntityDefinition>) -> Self {
        Self { entities, ..Self::default() }
    }
}

impl Schema {
    /// The definition of an entity, or an error that says which there are.
    pub fn entity(&self, logical_name: &str) -> Result<&Arc<EntityDefinition>> {
        self.entities.get(logical_name).ok_or_else(|| {
            let known = nearest(logical_name, self.own_entities());
            Error::new(
                ErrorKind::InvalidRequest,
                format!("the entity `{logical_name}` is not defined{known}"),
            )
        })
    }

    /// The names of the entities that are not the host's own.
    pub(crate) fn own_entities(&self) -> impl Iterator<Item = &str> {
        let own = self.entities.values().filter(|definition| !definition.is_system_job());
        own.map(|definition| definition.logical_name.as_str())
    }

    /// The relationship of that name, or an error that says which there are.
    pub fn relationship(&self, name: &str) -> Result<&Arc<RelationshipDefinition>> {
        self.relationships.get(name).ok_or_else(|| {
            let known = nearest(name, self.relationships.keys().map(String::as_str));
            let message = format!("the relationship `{name}` is not defined{known}");
            Error::new(ErrorKind::InvalidRequest, message)
        })
    }

    /// Whether the definitions are the same, whatever the version.
    #[must_use]
    pub fn defines_same(&self, other: &Self) -> bool {
        self.entities == other.entities
            && self.relationships == other.relationships
            && self.messages == other.messages
    }

    /// Every lookup that can point to `entity`, with what happens to its records when one of `entity` is assigned or
    /// deleted. Owners and the users of system attributes are no parents.
    pub fn children_of<'a>(&'a self, entity: &'a str) -> impl Iterator<Item = Child<'a>> {
        self.lookups_to(entity).map(move |(definition, attribute)| {
            let relationship = self.relationship_of(definition, attribute, entity);
            let cascade = match relationship.map(|relationship| &relationship.kind) {
                Some(RelationshipKind::OneToMany { cascade, .. }) => *cascade,
                _ => CascadeConfiguration::default(),
            };
            // A pair is nothing without one of its sides.
            let default = match (definition.intersect, attribute.required) {
                (true, _) => Cascade::Cascade,
                (false, true) => Cascade::Restrict,
                (false, false) => Cascade::RemoveLink,
            };
            let (delete, assign) = (cascade.delete.unwrap_or(default), cascade.assign);
            Child { relationship, definition, attribute, delete, assign }
        })
    }

    /// The one-to-many relationship of a lookup with `referenced`.
    fn relationship_of(
        &self,
        definition: &EntityDefinition,
        attribute: &AttributeDefinition,
        referenced: &str,
    ) -> Option<&Arc<RelationshipDefinition>> {
        self.relationships.values().find(|relationship| match &relationship.kind {
            RelationshipKind::OneToMany { referenced: to, referencing, attribute: lookup, .. } => {
                to == referenced && *referencing == definition.logical_name && *lookup == attribute.name
            }
            RelationshipKind::ManyToMany { .. } => false,
        })
    }

    /// Where a plugin's declaration and the definitions differ, a sentence each: an entity or attribute that is not
    /// defined, or one of another type. Such a plugin can run, and each request that meets the difference fails.
    #[must_use]
    pub fn mismatches(&self, declaration: &Declaration) -> Vec<String> {
        let mut found = Vec::new();
        for entity in &declaration.entities {
            let name = &entity.logical_name;
            let Some(definition) = self.entities.get(name) else {
                found.push(format!("the entity `{name}` is not defined"));
                continue;
            };
            for attribute in &entity.attributes {
                let AttributeDeclaration { name: attribute, attribute_type: declared, .. } = attribute;
                match definition.readable_type(attribute) {
                    Err(_) => found.push(format!("`{name}.{attribute}` ({declared}) is not defined")),
                    Ok(defined) if defined.name() != declared => {
                        found.push(format!(
                            "`{name}.{attribute}` is declared as {declared} and defined as {defined}"
                        ));
                    }
                    Ok(_) => {}
                }
            }
        }
        found
    }

    /// The lookups that can point to `entity`: the defining entity and the attribute. Without owners.
    pub fn lookups_to<'a>(
        &'a self,
        entity: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<EntityDefinition>, &'a AttributeDefinition)> {
        let points_there = move |attribute: &&AttributeDefinition| {
            attribute.name != OWNER_ID
                && attribute.attribute_type.targets().iter().any(|target| target == entity)
        };
        self.entities.values().flat_map(move |definition| {
            definition.attributes.iter().filter(points_there).map(move |attribute| (definition, attribute))
        })
    }
}

/// A lookup that can point to a record, and what happens to its own record then. See [`Schema::children_of`].
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// The relationship, where one is defined.
    pub relationship: Option<&'a Arc<RelationshipDefinition>>,
    /// The entity that has the lookup.
    pub definition: &'a Arc<EntityDefinition>,
    /// The lookup.
    pub attribute: &'a AttributeDefinition,
    /// When the record that it points to is deleted.
    pub delete: Cascade,
    /// When the record that it points to is assigned.
    pub assign: Cascade,
}
