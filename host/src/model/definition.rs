//! Entity definitions: data that is created and extended at run time, and the checks of records that follow from them.
//! The rules that definitions keep themselves are judged in [`Schema::extended`](crate::model::Schema::extended).

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::code;
use crate::model::state::{StateDefinition, StatusDefinition};
use crate::model::{
    AttributeDefinition, AttributeList, AttributeType, Attributes, ColumnSet, Entity, Value, ValueType,
};

/// Characters of a logical name at most: what every database takes with room for a prefix.
pub const NAME_LENGTH_MAX: usize = 56;
/// Attributes of an entity at most: PostgreSQL takes 1600 columns, dropped ones included, SQLite 2000.
pub const ATTRIBUTES_MAX: usize = 1000;

/// The attributes that every entity has and that the host alone writes.
pub const SYSTEM_ATTRIBUTES: [(&str, ValueType); 5] = [
    (CREATED_BY, ValueType::Lookup),
    (CREATED_ON, ValueType::DateTime),
    (MODIFIED_BY, ValueType::Lookup),
    (MODIFIED_ON, ValueType::DateTime),
    (VERSION_NUMBER, ValueType::BigInteger),
];
/// Who created the record: a user.
pub const CREATED_BY: &str = "createdby";
/// When the record was created.
pub const CREATED_ON: &str = "createdon";
/// Who last wrote the record: a user.
pub const MODIFIED_BY: &str = "modifiedby";
/// When the record was last written.
pub const MODIFIED_ON: &str = "modifiedon";
/// One more with every write of the record.
pub const VERSION_NUMBER: &str = "versionnumber";

/// The attribute that [`Ownership::User`] implies: the owner, a user or a team.
pub const OWNER_ID: &str = "ownerid";
/// The attribute that states imply: the state.
pub const STATE_CODE: &str = "statecode";
/// The attribute that states imply: the status.
pub const STATUS_CODE: &str = "statuscode";
/// The entity that users are records of. It need not be defined.
pub const USER_ENTITY: &str = "systemuser";
/// The entity that teams are records of. It need not be defined.
pub const TEAM_ENTITY: &str = "team";

/// An entity: the shape of its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EntityDefinition {
    /// The logical name: lower-case ASCII letters, digits and `_`, beginning with a letter.
    pub logical_name: String,
    /// Its own attributes, besides the identifier and the [`SYSTEM_ATTRIBUTES`]. In a schema those too that ownership and
    /// states imply: [`OWNER_ID`], [`STATE_CODE`], [`STATUS_CODE`].
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(with = "Vec<AttributeDefinition>"))]
    pub attributes: AttributeList,
    /// The alternate keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyDefinition>,
    /// Whether its records have an owner.
    #[serde(default, skip_serializing_if = "Ownership::is_none")]
    pub ownership: Ownership,
    /// Its states. An entity with states has the attributes `statecode` and `statuscode`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateDefinition>,
    /// Whether its records are the pairs of a many-to-many relationship, which Associate and Disassociate alone write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub intersect: bool,
}

/// An alternate key: attributes whose values, together, no two records share. A record with a null among them is outside
/// of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// Its name, unique in the entity.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<String>,
}

/// Who owns the records of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// Nobody in particular.
    #[default]
    None,
    /// A user or a team: the entity has the attribute `ownerid`.
    User,
}

impl Ownership {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl EntityDefinition {
    /// An entity without attributes of its own.
    pub fn new(logical_name: impl Into<String>) -> Self {
        Self {
            logical_name: logical_name.into(),
            attributes: AttributeList::default(),
            keys: Vec::new(),
            ownership: Ownership::None,
            states: Vec::new(),
            intersect: false,
        }
    }

    /// Adds an alternate key.
    #[must_use]
    pub fn with_key<N: Into<String>>(
        mut self,
        name: impl Into<String>,
        attributes: impl IntoIterator<Item = N>,
    ) -> Self {
        let attributes = attributes.into_iter().map(Into::into).collect();
        self.keys.push(KeyDefinition { name: name.into(), attributes });
        self
    }

    /// Gives its records an owner: the attribute `ownerid`.
    #[must_use]
    pub fn user_owned(mut self) -> Self {
        self.ownership = Ownership::User;
        self
    }

    /// Adds a state with its statuses, each a number and a name.
    #[must_use]
    pub fn with_state<const N: usize>(
        mut self,
        value: i32,
        name: impl Into<String>,
        statuses: [(i32, &str); N],
    ) -> Self {
        let status = |(value, name): (i32, &str)| StatusDefinition { value, name: name.into(), next: None };
        let statuses = statuses.into_iter().map(status).collect();
        self.states.push(StateDefinition { value, name: name.into(), statuses });
        self
    }

    /// The states that most entities of the platform have: 0 active with the status 1, and 1 inactive with the status 2.
    #[must_use]
    pub fn with_default_states(self) -> Self {
        self.with_state(0, "Active", [(1, "Active")]).with_state(1, "Inactive", [(2, "Inactive")])
    }

    /// Sets the statuses that may follow a status. Without effect if there is no such status.
    #[must_use]
    pub fn with_transitions(mut self, status: i32, next: impl IntoIterator<Item = i32>) -> Self {
        let mut statuses = self.states.iter_mut().flat_map(|state| &mut state.statuses);
        if let Some(status) = statuses.find(|other| other.value == status) {
            status.next = Some(next.into_iter().collect());
        }
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, attribute_type: AttributeType) -> Self {
        self.attributes.push(AttributeDefinition::new(name, attribute_type));
        self
    }

    /// Adds an attribute that a record must have a value for.
    #[must_use]
    pub fn with_required(mut self, name: impl Into<String>, attribute_type: AttributeType) -> Self {
        self.attributes.push(AttributeDefinition::new(name, attribute_type).required());
        self
    }

    /// Adds an attribute with constraints of its own.
    #[must_use]
    pub fn with_attribute(mut self, attribute: AttributeDefinition) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Whether its records have an owner.
    #[must_use]
    pub fn is_user_owned(&self) -> bool {
        self.ownership == Ownership::User
    }

    /// The logical name of the identifier as an attribute: `accountid` for `account`.
    #[must_use]
    pub fn primary_id(&self) -> String {
        format!("{}id", self.logical_name)
    }

    /// Whether that is the identifier as an attribute.
    #[must_use]
    pub fn is_primary_id(&self, name: &str) -> bool {
        name.strip_suffix("id") == Some(&self.logical_name)
    }

    /// The definition of an attribute of the entity's own.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        self.attributes.named(name)
    }

    /// The alternate key that has exactly these attributes: which record a request is about. `InvalidRequest` if there is
    /// no such key, or if a value is missing: a record with a null is outside of the key.
    pub fn key_of(&self, key_attributes: &Attributes) -> Result<&KeyDefinition> {
        let fits = |key: &&KeyDefinition| {
            key.attributes.len() == key_attributes.len()
                && key.attributes.iter().all(|name| key_attributes.contains_key(name))
        };
        let entity = &self.logical_name;
        let Some(key) = self.keys.iter().find(fits) else {
            let asked: Vec<&str> = key_attributes.keys().map(String::as_str).collect();
            let keys: Vec<String> = self.keys.iter().map(KeyDefinition::to_string).collect();
            let way_out = match keys.as_slice() {
                [] => "it has no key, so name the record by its identifier or define one".to_owned(),
                keys => format!("there are {}", keys.join(", ")),
            };
            let message =
                format!("the entity `{entity}` has no alternate key of ({}); {way_out}", asked.join(", "));
            return Err(request_error(message).with_code(code::KEY_NOT_DEFINED));
        };
        match key_attributes.iter().find(|(_, value)| value.is_null()) {
            None => Ok(key),
            Some((name, _)) => Err(request_error(format!(
                "the alternate key {key} of `{entity}` needs a value for `{name}`, not null"
            ))
            .with_code(code::INVALID_KEY_OPERATION)),
        }
    }

    /// The type of an attribute that can be read: its own, a system attribute, or the identifier.
    pub fn readable(&self, name: &str) -> Result<&AttributeType> {
        if let Some(attribute) = self.attribute(name) {
            return Ok(&attribute.attribute_type);
        }
        if let Some(attribute_type) = system_attribute(name) {
            return Ok(attribute_type);
        }
        if self.is_primary_id(name) {
            return Ok(&AttributeType::UniqueIdentifier);
        }
        Err(self.unknown(name))
    }

    /// As [`EntityDefinition::readable`], without the constraints.
    pub fn readable_type(&self, name: &str) -> Result<ValueType> {
        self.readable(name).map(AttributeType::value_type)
    }

    /// An error if a column is not an attribute of the entity.
    pub fn check_columns(&self, columns: &ColumnSet) -> Result<()> {
        match columns {
            ColumnSet::All => Ok(()),
            ColumnSet::Named(names) => names.iter().try_for_each(|name| self.readable_type(name).map(|_| ())),
        }
    }

    /// An error if an attribute is unknown, not writable, or has a value that its definition does not allow.
    pub fn check_values(&self, attributes: &Attributes) -> Result<()> {
        attributes.iter().try_for_each(|(name, value)| self.check_value(name, value))
    }

    /// An error if a record to be created lacks a required attribute.
    pub fn check_required(&self, record: &Entity) -> Result<()> {
        let missing: Vec<&str> = self
            .attributes
            .iter()
            .filter(|attribute| attribute.required && record.get(&attribute.name).is_none_or(Value::is_null))
            .map(|attribute| attribute.name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(request_error(format!(
            "a record of `{}` needs a value for {}",
            self.logical_name,
            missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )))
    }

    pub(super) fn check_value(&self, name: &str, value: &Value) -> Result<()> {
        let Some(attribute) = self.attribute(name) else {
            return Err(if self.readable_type(name).is_ok() {
                request_error(format!(
                    "`{name}` of `{}` is written by the host alone; leave it out",
                    self.logical_name
                ))
            } else {
                self.unknown(name)
            });
        };
        let reason = if value.is_null() {
            attribute.required.then(|| "is required and cannot be null".to_owned())
        } else {
            attribute.refusal(value)
        };
        match reason {
            None => Ok(()),
            Some(reason) => {
                Err(request_error(format!("the value of `{name}` of `{}` {reason}", self.logical_name)))
            }
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let known = nearest(name, self.attributes.iter().map(|attribute| attribute.name.as_str()));
        request_error(format!("the entity `{}` has no attribute `{name}`{known}", self.logical_name))
    }
}

/// For errors: the name and the attributes.
impl std::fmt::Display for KeyDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({})", self.name, self.attributes.join(", "))
    }
}

/// The type of a system attribute.
#[must_use]
pub fn system_attribute(name: &str) -> Option<&'static AttributeType> {
    static USER: LazyLock<AttributeType> =
        LazyLock::new(|| AttributeType::Lookup { targets: vec![USER_ENTITY.to_owned()] });
    Some(match name {
        CREATED_BY | MODIFIED_BY => &USER,
        CREATED_ON | MODIFIED_ON => &AttributeType::DateTime,
        VERSION_NUMBER => &AttributeType::BigInteger,
        _ => return None,
    })
}

/// A hint with the known name that is most like the one given, or the known names where they are few.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let close = known.iter().find(|other| {
        other.eq_ignore_ascii_case(name)
            || (name.len() > 3 && (other.starts_with(name) || name.starts_with(*other)))
            || distance_is_one(name, other)
    });
    match (close, known.len()) {
        (Some(close), _) => format!("; did you mean `{close}`?"),
        (None, 0) => "; none is defined".into(),
        (None, 1..=12) => format!("; there are {}", known.join(", ")),
        (None, _) => String::new(),
    }
}

/// Whether one letter added, dropped, changed or swapped makes one name the other.
fn distance_is_one(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (left, right) = (a.len().saturating_sub(prefix + suffix), b.len().saturating_sub(prefix + suffix));
    matches!((left, right), (0..=1, 0..=1)) || (left == 2 && right == 2)
}

fn request_error(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
