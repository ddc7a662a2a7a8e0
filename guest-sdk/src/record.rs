//! Records whose columns are known at run time.

use std::collections::BTreeMap;
use std::fmt;

use crate::value::{AttributeType, EntityReference, UniqueIdentifier, Value};

/// A record of any entity, or the part of one that was read or changed.
///
/// The untyped counterpart of a struct with `#[derive(Entity)]`: `Update<Record>` is a step on the Update of every
/// entity, or of the one that `entity = ".."` names.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// let entry = Record::new("auditentry").with("attribute", "creditlimit").with("newvalue", "900.00");
/// assert_eq!(entry.value::<String>("attribute").as_deref(), Some("creditlimit"));
/// assert!(entry.get("oldvalue").is_none());
/// assert!(entry.value_or_null("oldvalue").is_null());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The entity's logical name.
    pub logical_name: String,
    /// The record's identifier; none for one that is still to be created.
    pub id: Option<UniqueIdentifier>,
    /// The attributes that are present, by logical name.
    pub attributes: BTreeMap<String, Value>,
    /// The values of an alternate key, in place of the identifier: which record a request is about. Empty in records
    /// that were read.
    pub key_attributes: BTreeMap<String, Value>,
}

impl Record {
    /// A record without identifier and attributes.
    pub fn new(logical_name: impl Into<String>) -> Self {
        Self { logical_name: logical_name.into(), ..Self::default() }
    }

    /// With an identifier.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<UniqueIdentifier>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// With one more attribute of the alternate key that names the record.
    #[must_use]
    pub fn with_key(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.key_attributes.insert(attribute.into(), value.into());
        self
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(attribute, value);
        self
    }

    /// Sets an attribute; [`Value::Null`] clears it.
    pub fn set(&mut self, attribute: impl Into<String>, value: impl Into<Value>) {
        self.insert(attribute.into(), value.into());
    }

    /// Not generic, so that a component holds it once.
    pub(crate) fn insert(&mut self, attribute: String, value: Value) {
        self.attributes.insert(attribute, value);
    }

    /// Takes an attribute out, so that it is absent.
    pub fn unset(&mut self, attribute: &str) -> Option<Value> {
        self.attributes.remove(attribute)
    }

    /// An attribute; none if it is absent, `Some(Value::Null)` if it is there and empty.
    pub fn get(&self, attribute: &str) -> Option<&Value> {
        self.attributes.get(attribute)
    }

    /// An attribute; null if it is absent.
    pub fn value_or_null(&self, attribute: &str) -> &Value {
        self.get(attribute).unwrap_or(&Value::Null)
    }

    /// An attribute as a `T`; none if it is absent, null or of another type.
    pub fn value<T: AttributeType>(&self, attribute: &str) -> Option<T> {
        self.get(attribute).and_then(Value::to)
    }

    /// A reference to the record; none if it has no identifier yet.
    pub fn reference(&self) -> Option<EntityReference> {
        self.id.map(|id| EntityReference { entity: self.logical_name.clone(), id })
    }
}

/// Records of one entity: what a RetrieveMultiple returns, and what the bulk messages take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityCollection {
    /// The logical name of their entity.
    pub entity: String,
    /// The records.
    pub records: Vec<Record>,
    /// Whether the query selects more than these.
    pub more_records: bool,
    /// Where the next page begins.
    pub paging_cookie: Option<String>,
    /// How many records the query selects over all pages, if it asked.
    pub total_record_count: Option<u64>,
}

impl EntityCollection {
    /// Records of the named entity.
    pub fn new(entity: impl Into<String>, records: Vec<Record>) -> Self {
        Self { entity: entity.into(), records, ..Self::default() }
    }
}

/// Which attributes to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnSet {
    /// Every attribute.
    All,
    /// These; an empty list asks for none.
    Named(Vec<String>),
}

/// None.
impl Default for ColumnSet {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

impl ColumnSet {
    /// The named attributes.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Named(names.into_iter().map(Into::into).collect())
    }
}

/// The named attributes: `["name", "creditlimit"].into()`.
impl<S: Into<String>, const N: usize> From<[S; N]> for ColumnSet {
    fn from(names: [S; N]) -> Self {
        Self::named(names)
    }
}

/// Where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Side {
    Target,
    /// The pre-image, with the columns that the step asked for.
    Before(&'static [&'static str]),
    /// The post-image, likewise.
    After(&'static [&'static str]),
    Output,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Target => "the target",
            Self::Before(_) => "the pre-image",
            Self::After(_) => "the post-image",
            Self::Output => "the record that was read",
        })
    }
}
