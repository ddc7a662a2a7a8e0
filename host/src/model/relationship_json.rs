//! Relationship definitions as JSON: the kind's name, and beside it what that kind has.

use serde::{Deserialize, Serialize};

use crate::model::{CascadeConfiguration, RelationshipDefinition, RelationshipKind};

/// A relationship as JSON spells it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelationship {
    name: String,
    #[serde(rename = "type")]
    kind: RawKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referenced: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referencing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cascade: Option<CascadeConfiguration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entities: Option<[String; 2]>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    OneToMany,
    ManyToMany,
}

impl TryFrom<RawRelationship> for RelationshipDefinition {
    type Error = String;

    fn try_from(mut raw: RawRelationship) -> Result<Self, String> {
        let missing = |field: &str| format!("the relationship `{}` needs `{field}`", raw.name);
        let kind = match raw.kind {
            RawKind::OneToMany => RelationshipKind::OneToMany {
                referenced: raw.referenced.take().ok_or_else(|| missing("referenced"))?,
                referencing: raw.referencing.take().ok_or_else(|| missing("referencing"))?,
                attribute: raw.attribute.take().ok_or_else(|| missing("attribute"))?,
                cascade: raw.cascade.take().unwrap_or_default(),
            },
            RawKind::ManyToMany => RelationshipKind::ManyToMany {
                entities: raw.entities.take().ok_or_else(|| missing("entities"))?,
            },
        };
        let left = [
            ("referenced", raw.referenced.is_some()),
            ("referencing", raw.referencing.is_some()),
            ("attribute", raw.attribute.is_some()),
            ("cascade", raw.cascade.is_some()),
            ("entities", raw.entities.is_some()),
        ];
        if let Some((field, _)) = left.iter().find(|(_, present)| *present) {
            let kind = match raw.kind {
                RawKind::OneToMany => "one-to-many",
                RawKind::ManyToMany => "many-to-many",
            };
            return Err(format!("`{field}` does not apply to `{}`, a {kind} relationship", raw.name));
        }
        Ok(Self { name: raw.name, kind })
    }
}

impl From<RelationshipDefinition> for RawRelationship {
    fn from(definition: RelationshipDefinition) -> Self {
        let empty = Self {
            name: definition.name,
            kind: RawKind::ManyToMany,
            referenced: None,
            referencing: None,
            attribute: None,
            cascade: None,
            entities: None,
        };
        match definition.kind {
            RelationshipKind::OneToMany { referenced, referencing, attribute, cascade } => Self {
                kind: RawKind::OneToMany,
                referenced: Some(referenced),
                referencing: Some(referencing),
                attribute: Some(attribute),
                cascade: Some(cascade),
                ..empty
            },
            RelationshipKind::ManyToMany { entities } => Self { entities: Some(entities), ..empty },
        }
    }
}
