//! Relationships between entities, and what happens to the records on one side when something happens on the other.

use serde::{Deserialize, Serialize};

use crate::model::relationship_json::RawRelationship;
use crate::model::{AttributeType, EntityDefinition};

/// The name of the key over both lookups of a many-to-many relationship's pairs.
pub const PAIR_KEY: &str = "pair";

/// A relationship between two entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "RawRelationship", into = "RawRelationship")]
pub struct RelationshipDefinition {
    /// Its name, as an entity's: what Associate and images call it.
    pub name: String,
    /// What it relates.
    pub kind: RelationshipKind,
}

/// What a relationship relates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationshipKind {
    /// One record to those whose lookup points to it.
    OneToMany {
        /// The entity that is pointed to: the parent's.
        referenced: String,
        /// The entity that has the lookup: the children's.
        referencing: String,
        /// The lookup.
        attribute: String,
        /// What happens to the children.
        cascade: CascadeConfiguration,
    },
    /// Records of two entities, or of one, each to any number of others. The pairs are records of an entity that has the
    /// relationship's name and two lookups: see [`RelationshipDefinition::sides`].
    ManyToMany {
        /// The entities.
        entities: [String; 2],
    },
}

/// What happens to the children of a one-to-many relationship.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CascadeConfiguration {
    /// When the parent is assigned: any but [`Cascade::RemoveLink`] and [`Cascade::Restrict`].
    pub assign: Cascade,
    /// When the parent is deleted: Cascade, RemoveLink, Restrict or NoCascade. If none, Restrict for a required lookup and
    /// RemoveLink for any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Cascade>,
}

/// What an action on the parent does to its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Cascade {
    /// Nothing.
    #[default]
    NoCascade,
    /// The same to all of them.
    Cascade,
    /// The same to those whose state is 0.
    Active,
    /// The same to those with the owner that the parent had.
    UserOwned,
    /// Their lookup is cleared.
    RemoveLink,
    /// It is refused as long as there are any.
    Restrict,
}

impl RelationshipDefinition {
    /// A one-to-many relationship in which a Delete follows the default of its lookup and nothing else cascades.
    pub fn one_to_many(
        name: impl Into<String>,
        referenced: impl Into<String>,
        referencing: impl Into<String>,
        attribute: impl Into<String>,
    ) -> Self {
        let kind = RelationshipKind::OneToMany {
            referenced: referenced.into(),
            referencing: referencing.into(),
            attribute: attribute.into(),
            cascade: CascadeConfiguration::default(),
        };
        Self { name: name.into(), kind }
    }

    /// A many-to-many relationship.
    pub fn many_to_many(
        name: impl Into<String>,
        first: impl Into<String>,
        second: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            kind: RelationshipKind::ManyToMany { entities: [first.into(), second.into()] },
        }
    }

    /// Sets what a Delete of the parent does. Without effect on a many-to-many relationship.
    #[must_use]
    pub fn on_delete(mut self, cascaded: Cascade) -> Self {
        if let RelationshipKind::OneToMany { cascade, .. } = &mut self.kind {
            cascade.delete = Some(cascaded);
        }
        self
    }

    /// Sets what an Assign of the parent does. Without effect on a many-to-many relationship.
    #[must_use]
    pub fn on_assign(mut self, cascaded: Cascade) -> Self {
        if let RelationshipKind::OneToMany { cascade, .. } = &mut self.kind {
            cascade.assign = cascaded;
        }
        self
    }

    /// For a many-to-many relationship, the entity of its pairs, which has the relationship's name: two required lookups,
    /// and a key over both.
    #[must_use]
    pub fn intersect(&self) -> Option<EntityDefinition> {
        let [(first, one), (second, two)] = self.sides()?;
        let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.to_owned()] };
        let pairs = EntityDefinition { intersect: true, ..EntityDefinition::new(&self.name) };
        let pairs = pairs.with_required(&one, lookup(first)).with_required(&two, lookup(second));
        Some(pairs.with_key(PAIR_KEY, [one, two]))
    }

    /// For a many-to-many relationship, the lookups of its pairs: `accountid` and `contactid`, or `accountid_one` and
    /// `accountid_two` where both sides are of one entity.
    #[must_use]
    pub fn sides(&self) -> Option<[(&str, String); 2]> {
        let RelationshipKind::ManyToMany { entities: [first, second] } = &self.kind else { return None };
        let (one, two) = if first == second { ("_one", "_two") } else { ("", "") };
        Some([(first, format!("{first}id{one}")), (second, format!("{second}id{two}"))])
    }
}

impl Cascade {
    /// The name, as definitions and errors spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCascade => "no-cascade",
            Self::Cascade => "cascade",
            Self::Active => "active",
            Self::UserOwned => "user-owned",
            Self::RemoveLink => "remove-link",
            Self::Restrict => "restrict",
        }
    }
}
