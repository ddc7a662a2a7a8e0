//! The definitions of an organization, together: what may follow what, and who points to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::definition::{invalid, nearest};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::{AttributeDeclaration, Declaration};
use crate::model::{
    AttributeDefinition, AttributeType, EntityDefinition, MessageDefinition, RelationshipDefinition,
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
            let known = nearest(logical_name, self.entities.keys().map(String::as_str));
            Error::new(
                ErrorKind::InvalidRequest,
                format!("the entity `{logical_name}` is not defined{known}"),
            )
        })
    }

    /// The schema with `definitions` added: a new entity, or one that gains attributes. An attribute that is there
    /// already must be the same; nothing is taken away. An error leaves `self` as it was.
    pub fn extended(&self, definitions: &Definitions) -> Result<Self> {
        let mut schema = Self { version: self.version + 1, ..self.clone() };
        for relationship in &definitions.relationships {
            schema.relationships.insert(relationship.name.clone(), Arc::new(relationship.clone()));
        }
        for message in &definitions.messages {
            schema.messages.insert(message.name.clone(), Arc::new(message.clone()));
        }
        let definitions = &definitions.entities;
        for definition in definitions {
            definition.check()?;
            let merged = match self.entities.get(&definition.logical_name) {
                Some(existing) => {
                    let merged = existing.merged(definition)?;
                    merged.check()?;
                    merged
                }
                None => definition.clone(),
            };
            schema.entities.insert(merged.logical_name.clone(), Arc::new(merged));
        }
        for definition in definitions {
            schema.check_lookups(definition)?;
        }
        Ok(schema)
    }

    fn check_lookups(&self, definition: &EntityDefinition) -> Result<()> {
        for attribute in &definition.attributes {
            let AttributeType::Lookup { targets } = &attribute.attribute_type else { continue };
            for target in targets {
                if !self.entities.contains_key(target) {
                    return Err(invalid(format!(
                        "the lookup `{}` of entity `{}` points to `{target}`, which is not defined; define it in the \
                         same request or before",
                        attribute.name, definition.logical_name
                    )));
                }
            }
        }
        self.check_required_cycle(&definition.logical_name)
    }

    /// Entities whose required lookups form a cycle could never get a first record.
    fn check_required_cycle(&self, start: &str) -> Result<()> {
        let mut path = vec![start.to_owned()];
        let mut seen = BTreeSet::new();
        if self.required_path_to(start, start, &mut seen, &mut path) {
            return Err(invalid(format!(
                "the required lookups {} form a cycle, so no record could be the first; make one of them optional",
                path.join(" -> ")
            )));
        }
        Ok(())
    }

    fn required_path_to(
        &self,
        from: &str,
        goal: &str,
        seen: &mut BTreeSet<String>,
        path: &mut Vec<String>,
    ) -> bool {
        let Some(definition) = self.entities.get(from) else { return false };
        for attribute in definition.attributes.iter().filter(|attribute| attribute.required) {
            // A lookup to several entities is no cycle as long as one of them is outside.
            let AttributeType::Lookup { targets } = &attribute.attribute_type else { continue };
            let [target] = targets.as_slice() else { continue };
            path.push(target.clone());
            if target == goal
                || (seen.insert(target.clone()) && self.required_path_to(target, goal, seen, path))
            {
                return true;
            }
            path.pop();
        }
        false
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

    /// The lookups that can point to `entity`: the defining entity and the attribute.
    pub fn lookups_to<'a>(
        &'a self,
        entity: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<EntityDefinition>, &'a AttributeDefinition)> {
        self.entities.values().flat_map(move |definition| {
            definition.attributes.iter().filter_map(move |attribute| match &attribute.attribute_type {
                AttributeType::Lookup { targets } if targets.iter().any(|target| target == entity) => {
                    Some((definition, attribute))
                }
                _ => None,
            })
        })
    }
}
