//! Records and references to them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Value;

/// Attributes by logical name, in the order of their names.
pub type Attributes = BTreeMap<String, Value>;

/// A record, or the part of one that was asked for or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// The entity's logical name, for example `account`.
    pub logical_name: String,
    /// The record's identifier; none before a Create has given it one.
    pub id: Option<Uuid>,
    /// The attributes that are present.
    pub attributes: Attributes,
    /// The values of an alternate key, in place of the identifier: which record a request is about. Empty in records
    /// that are read.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub key_attributes: Attributes,
}

impl Entity {
    /// An entity without identifier and attributes.
    pub fn new(logical_name: impl Into<String>) -> Self {
        Self {
            logical_name: logical_name.into(),
            id: None,
            attributes: Attributes::new(),
            key_attributes: Attributes::new(),
        }
    }

    /// Sets an attribute of the alternate key that names the record.
    #[must_use]
    pub fn with_key(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.key_attributes.insert(name.into(), value.into());
        self
    }

    /// The record as a reference; none without an identifier.
    #[must_use]
    pub fn reference(&self) -> Option<EntityReference> {
        self.id.map(|id| EntityReference::new(&self.logical_name, id))
    }

    /// Sets the identifier.
    #[must_use]
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The value of an attribute; none if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }

    /// The part of the record that `columns` selects.
    #[must_use]
    pub fn select(&self, columns: &ColumnSet) -> Self {
        let attributes = match columns {
            ColumnSet::All => self.attributes.clone(),
            ColumnSet::Named(names) => names
                .iter()
                .filter_map(|name| self.attributes.get_key_value(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        Self { attributes, id: self.id, ..Self::new(&self.logical_name) }
    }
}

/// Records of one entity: what a RetrieveMultiple returns, and what the bulk messages take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntityCollection {
    /// The logical name of their entity.
    pub entity: String,
    /// The records.
    pub entities: Vec<Entity>,
    /// Whether the query selects more than these.
    #[serde(default)]
    pub more_records: bool,
    /// Where the next page begins, to be handed back in [`Page::cookie`](crate::model::Page::cookie).
    #[serde(default)]
    pub paging_cookie: Option<String>,
    /// How many records the query selects over all pages, if it asked.
    #[serde(default)]
    pub total_record_count: Option<u64>,
}

impl EntityCollection {
    /// Records of `entity`.
    pub fn new(entity: impl Into<String>, entities: Vec<Entity>) -> Self {
        Self { entity: entity.into(), entities, ..Self::default() }
    }
}

/// Points to one record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntityReference {
    /// The logical name of the record's entity.
    pub entity: String,
    /// The record's identifier.
    pub id: Uuid,
}

impl EntityReference {
    /// A reference to the record `id` of `entity`.
    pub fn new(entity: impl Into<String>, id: Uuid) -> Self {
        Self { entity: entity.into(), id }
    }
}

impl fmt::Display for EntityReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.entity, self.id)
    }
}

/// Which attributes to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnSet {
    /// Every attribute.
    All,
    /// These; an empty list reads the identifier alone.
    Named(Vec<String>),
}

impl ColumnSet {
    /// The named columns.
    pub fn named<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::Named(names.into_iter().map(Into::into).collect())
    }

    /// Widens the set so that it has `other`'s columns too.
    pub fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Named(mine), Self::Named(theirs)) => {
                for name in theirs {
                    if !mine.contains(name) {
                        mine.push(name.clone());
                    }
                }
            }
        }
    }
}
