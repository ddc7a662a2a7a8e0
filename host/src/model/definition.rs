//! Entity definitions: data that is created and extended at run time, and the checks that follow from them.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::model::attribute_json::RawAttribute;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, ColumnSet, Entity, Value, ValueType};

/// Characters of a logical name at most: what every database takes with room for a prefix.
pub const NAME_LENGTH_MAX: usize = 56;
/// Attributes of an entity at most: PostgreSQL takes 1600 columns, dropped ones included, SQLite 2000.
pub const ATTRIBUTES_MAX: usize = 1000;
/// Characters of a string attribute where its definition does not say, as on the platform.
pub const STRING_LENGTH_DEFAULT: u32 = 100;
/// Characters of a string attribute at most: the platform's limit for multi-line text.
pub const STRING_LENGTH_MAX: u32 = 1_048_576;
/// Decimals of an amount of money where its definition does not say.
pub const MONEY_PRECISION_DEFAULT: u8 = 2;
/// Decimals of an amount of money at most, so that the platform's range fits 64 bits.
pub const MONEY_PRECISION_MAX: u8 = 4;
/// Decimals of a decimal number where its definition does not say.
pub const DECIMAL_PRECISION_DEFAULT: u8 = 2;
/// Decimals of a decimal number at most, as on the platform.
pub const DECIMAL_PRECISION_MAX: u8 = 10;
/// The largest decimal number, as on the platform. From precision 8 on, 64 bits allow less: see
/// [`AttributeType::magnitude_max`].
const DECIMAL_MAX: i64 = 100_000_000_000;

/// The attributes that every entity has and that the host alone writes.
pub const SYSTEM_ATTRIBUTES: [(&str, ValueType); 3] = [
    (CREATED_ON, ValueType::DateTime),
    (MODIFIED_ON, ValueType::DateTime),
    (VERSION_NUMBER, ValueType::BigInteger),
];
/// When the record was created.
pub const CREATED_ON: &str = "createdon";
/// When the record was last written.
pub const MODIFIED_ON: &str = "modifiedon";
/// One more with every write of the record.
pub const VERSION_NUMBER: &str = "versionnumber";

/// An entity: the shape of its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EntityDefinition {
    /// The logical name: lower-case ASCII letters, digits and `_`, beginning with a letter.
    pub logical_name: String,
    /// Its own attributes, besides the identifier and the [`SYSTEM_ATTRIBUTES`].
    #[serde(default)]
    pub attributes: Vec<AttributeDefinition>,
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

/// A state, and the statuses that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateDefinition {
    /// Its number in `statecode`. The first state of an entity is that of new records; by custom 0 is active, 1 inactive.
    pub value: i32,
    /// For people.
    pub name: String,
    /// Its statuses; the first is the one that a record gets with the state when no other is named.
    pub statuses: Vec<StatusDefinition>,
}

/// A status: the reason of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatusDefinition {
    /// Its number in `statuscode`, unique in the entity.
    pub value: i32,
    /// For people.
    pub name: String,
    /// The statuses that may follow it; any, if none are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<i32>>,
}

/// An attribute of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "RawAttribute", into = "RawAttribute")]
pub struct AttributeDefinition {
    /// The logical name.
    pub name: String,
    /// The type with its constraints.
    pub attribute_type: AttributeType,
    /// Whether a record must have a value.
    pub required: bool,
}

/// The type of an attribute, with its constraints.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeType {
    /// True or false.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInteger,
    /// A finite floating point number.
    Double,
    /// An exact decimal number.
    Decimal {
        /// Digits after the point, 0 to [`DECIMAL_PRECISION_MAX`].
        precision: u8,
    },
    /// An exact amount of money.
    Money {
        /// Digits after the point, 0 to [`MONEY_PRECISION_MAX`].
        precision: u8,
    },
    /// Text.
    String {
        /// Characters (Unicode scalar values) at most.
        max_length: u32,
    },
    /// A moment.
    DateTime,
    /// A unique identifier.
    UniqueIdentifier,
    /// One of the options; any number where there are none.
    Choice {
        /// The numbers allowed.
        options: Vec<i32>,
    },
    /// Some of the options.
    Choices {
        /// The numbers allowed.
        options: Vec<i32>,
    },
    /// A reference to a record of one of the entities.
    Lookup {
        /// The logical names of those entities, at least one.
        targets: Vec<String>,
    },
}

impl AttributeType {
    /// The type of the attribute's values.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Boolean => ValueType::Boolean,
            Self::Integer => ValueType::Integer,
            Self::BigInteger => ValueType::BigInteger,
            Self::Double => ValueType::Double,
            Self::Decimal { .. } => ValueType::Decimal,
            Self::Money { .. } => ValueType::Money,
            Self::String { .. } => ValueType::String,
            Self::DateTime => ValueType::DateTime,
            Self::UniqueIdentifier => ValueType::UniqueIdentifier,
            Self::Choice { .. } => ValueType::Choice,
            Self::Choices { .. } => ValueType::Choices,
            Self::Lookup { .. } => ValueType::Lookup,
        }
    }

    /// The type of that name with no constraints beyond the defaults; `targets` for a lookup.
    #[must_use]
    pub fn from_name(name: &str, targets: &[String]) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "big-integer" => Self::BigInteger,
            "double" => Self::Double,
            "decimal" => Self::Decimal { precision: DECIMAL_PRECISION_DEFAULT },
            "money" => Self::Money { precision: MONEY_PRECISION_DEFAULT },
            "string" => Self::String { max_length: STRING_LENGTH_DEFAULT },
            "date-time" => Self::DateTime,
            "unique-identifier" => Self::UniqueIdentifier,
            "choice" => Self::Choice { options: Vec::new() },
            "choices" => Self::Choices { options: Vec::new() },
            "lookup" => Self::Lookup { targets: targets.to_vec() },
            _ => return None,
        })
    }

    /// For decimals and money: the largest magnitude, such that the value scaled by its precision fits 64 bits. Stores
    /// keep it so, which makes it exact, small and sortable in every database.
    fn magnitude_max(&self) -> Option<(u8, Decimal)> {
        let (precision, ceiling) = match self {
            Self::Money { precision } => (*precision, i64::MAX / 10_i64.pow(u32::from(MONEY_PRECISION_MAX))),
            Self::Decimal { precision } => (*precision, DECIMAL_MAX),
            _ => return None,
        };
        let fits = i64::MAX / 10_i64.pow(u32::from(precision.min(DECIMAL_PRECISION_MAX)));
        Some((precision, Decimal::from(ceiling.min(fits))))
    }
}

impl EntityDefinition {
    /// An entity without attributes of its own.
    pub fn new(logical_name: impl Into<String>) -> Self {
        Self {
            logical_name: logical_name.into(),
            attributes: Vec::new(),
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

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, attribute_type: AttributeType) -> Self {
        self.attributes.push(AttributeDefinition { name: name.into(), attribute_type, required: false });
        self
    }

    /// Adds an attribute that a record must have a value for.
    #[must_use]
    pub fn with_required(mut self, name: impl Into<String>, attribute_type: AttributeType) -> Self {
        self.attributes.push(AttributeDefinition { name: name.into(), attribute_type, required: true });
        self
    }

    /// The logical name of the identifier as an attribute: `accountid` for `account`.
    #[must_use]
    pub fn primary_id(&self) -> String {
        format!("{}id", self.logical_name)
    }

    /// The definition of an attribute of the entity's own.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The type of an attribute that can be read: its own, a system attribute, or the identifier.
    pub fn readable_type(&self, name: &str) -> Result<ValueType> {
        if let Some(attribute) = self.attribute(name) {
            return Ok(attribute.attribute_type.value_type());
        }
        if let Some((_, value_type)) = SYSTEM_ATTRIBUTES.iter().find(|(system, _)| *system == name) {
            return Ok(*value_type);
        }
        if name == self.primary_id() {
            return Ok(ValueType::UniqueIdentifier);
        }
        Err(self.unknown(name))
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

    fn check_value(&self, name: &str, value: &Value) -> Result<()> {
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
        let wrong = |reason: String| {
            Err(request_error(format!("the value of `{name}` of `{}` {reason}", self.logical_name)))
        };
        let Some(value_type) = value.value_type() else {
            return if attribute.required { wrong("is required and cannot be null".into()) } else { Ok(()) };
        };
        let expected = attribute.attribute_type.value_type();
        if value_type != expected {
            return wrong(format!("must be of type {expected}, not {value_type} ({value})"));
        }
        match attribute.attribute_type.refusal(value) {
            Some(reason) => wrong(reason),
            None => Ok(()),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let known = nearest(name, self.attributes.iter().map(|attribute| attribute.name.as_str()));
        request_error(format!("the entity `{}` has no attribute `{name}`{known}", self.logical_name))
    }

    pub(super) fn merged(&self, other: &Self) -> Result<Self> {
        let mut merged = self.clone();
        for attribute in &other.attributes {
            match self.attribute(&attribute.name) {
                None if attribute.required => {
                    return Err(invalid(format!(
                        "the attribute `{}` cannot be added to `{}` as required, since records may exist; add it as \
                         optional",
                        attribute.name, self.logical_name
                    )));
                }
                None => merged.attributes.push(attribute.clone()),
                Some(existing) if existing == attribute => {}
                Some(existing) => {
                    return Err(invalid(format!(
                        "the attribute `{}` of `{}` is defined already, as {} and not as {}; use another name",
                        attribute.name,
                        self.logical_name,
                        existing.describe(),
                        attribute.describe()
                    )));
                }
            }
        }
        Ok(merged)
    }

    pub(super) fn check(&self) -> Result<()> {
        check_name("entity", &self.logical_name)?;
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(invalid(format!(
                "the entity `{}` has {} attributes; {ATTRIBUTES_MAX} is the most",
                self.logical_name,
                self.attributes.len()
            )));
        }
        for (index, attribute) in self.attributes.iter().enumerate() {
            check_name("attribute", &attribute.name)?;
            let earlier = self.attributes.iter().take(index).any(|other| other.name == attribute.name);
            let reserved = attribute.name == "id"
                || attribute.name == self.primary_id()
                || SYSTEM_ATTRIBUTES.iter().any(|(system, _)| *system == attribute.name);
            let problem = if earlier {
                "is there twice; remove one"
            } else if reserved {
                "has a name that the host uses itself; choose another"
            } else {
                match &attribute.attribute_type {
                    AttributeType::Money { precision } if *precision > MONEY_PRECISION_MAX => {
                        "has more than 4 digits of precision, the most for money"
                    }
                    AttributeType::Decimal { precision } if *precision > DECIMAL_PRECISION_MAX => {
                        "has more than 10 digits of precision, the most for a decimal"
                    }
                    AttributeType::String { max_length }
                        if *max_length == 0 || *max_length > STRING_LENGTH_MAX =>
                    {
                        "must have a max_length of 1 to 1048576"
                    }
                    AttributeType::Lookup { targets } if targets.is_empty() => {
                        "is a lookup without targets; name at least one entity"
                    }
                    _ => continue,
                }
            };
            return Err(invalid(format!(
                "the attribute `{}` of `{}` {problem}",
                attribute.name, self.logical_name
            )));
        }
        Ok(())
    }
}

impl AttributeDefinition {
    fn describe(&self) -> String {
        let required = if self.required { "required " } else { "" };
        format!("{required}{:?}", self.attribute_type)
    }
}

impl AttributeType {
    /// Why a value of the right type is not allowed; none if it is.
    fn refusal(&self, value: &Value) -> Option<String> {
        match (self, value) {
            // PostgreSQL cannot hold it, and SQLite's comparisons end at it.
            (Self::String { .. }, Value::String(text)) if text.contains('\0') => {
                Some("has the character U+0000, which no store keeps; take it out".into())
            }
            (Self::String { max_length }, Value::String(text)) => {
                let length = text.chars().count();
                let most = usize::try_from(*max_length).unwrap_or(usize::MAX);
                (length > most).then(|| format!("has {length} characters; {max_length} is the most"))
            }
            (Self::Double, Value::Double(number)) if !number.is_finite() => {
                Some(format!("must be finite, not {number}"))
            }
            (Self::Choice { options }, Value::Choice(option))
                if !options.is_empty() && !options.contains(option) =>
            {
                Some(format!("is {option}, which is not one of the options {options:?}"))
            }
            (Self::Choices { options }, Value::Choices(chosen)) => chosen
                .iter()
                .find(|option| !options.is_empty() && !options.contains(option))
                .map(|option| format!("has {option}, which is not one of the options {options:?}")),
            (Self::Lookup { targets }, Value::EntityReference(reference))
                if !targets.contains(&reference.entity) =>
            {
                Some(format!("points to `{}`; it can point to {}", reference.entity, targets.join(", ")))
            }
            (_, Value::Decimal(number) | Value::Money(number)) => {
                let (precision, magnitude_max) = self.magnitude_max()?;
                if number.normalize().scale() > u32::from(precision) {
                    Some(format!("is {number}; it can have {precision} decimals, so round it first"))
                } else if number.abs() > magnitude_max {
                    Some(format!("is {number}; the largest magnitude is {magnitude_max}"))
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "`{name}` cannot be the logical name of an {what}: use up to {NAME_LENGTH_MAX} lower-case ASCII letters, digits \
         and `_`, beginning with a letter"
    )))
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

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidDefinition, message)
}

fn request_error(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
