//! The values of attributes, parameters and shared variables.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::EntityReference;

/// A value, exact in every case. An attribute that is missing from a record is *absent*; one with [`Value::Null`] is
/// there and empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "kebab-case")]
pub enum Value {
    /// No value. Written to an attribute, it clears it.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// A whole number of 64 bits.
    BigInteger(i64),
    /// A finite floating point number.
    Double(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// An exact amount of money.
    Money(Decimal),
    /// Text.
    String(String),
    /// A moment.
    DateTime(DateTime),
    /// A unique identifier.
    UniqueIdentifier(Uuid),
    /// One option of a choice, by number.
    Choice(i32),
    /// Options of a choices attribute, ascending, each once.
    Choices(Vec<i32>),
    /// A reference to a record (a lookup).
    EntityReference(EntityReference),
}

impl Value {
    /// The type of the value, none for null.
    #[must_use]
    pub fn value_type(&self) -> Option<ValueType> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => ValueType::Boolean,
            Self::Integer(_) => ValueType::Integer,
            Self::BigInteger(_) => ValueType::BigInteger,
            Self::Double(_) => ValueType::Double,
            Self::Decimal(_) => ValueType::Decimal,
            Self::Money(_) => ValueType::Money,
            Self::String(_) => ValueType::String,
            Self::DateTime(_) => ValueType::DateTime,
            Self::UniqueIdentifier(_) => ValueType::UniqueIdentifier,
            Self::Choice(_) => ValueType::Choice,
            Self::Choices(_) => ValueType::Choices,
            Self::EntityReference(_) => ValueType::Lookup,
        })
    }

    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it can be written as text and read again: finite, and a moment in the years -9999 to 9999.
    pub(crate) fn can_be_written(&self) -> bool {
        match self {
            Self::Double(number) => number.is_finite(),
            Self::DateTime(moment) => jiff::Timestamp::from_millisecond(moment.0).is_ok(),
            _ => true,
        }
    }

    /// Bytes that the value takes, roughly: what limits on shared variables count.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::String(text) => text.len(),
                Self::Choices(options) => size_of_val(options.as_slice()),
                Self::EntityReference(reference) => reference.entity.len(),
                _ => 0,
            }
    }
}

macro_rules! from {
    ($($type:ty => $case:ident),* $(,)?) => { $(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$case(value)
            }
        }
    )* };
}

// Not `Decimal`, which is money as often as not, and not the choices, which are numbers: those are to be spelt out.
from!(bool => Boolean, i32 => Integer, i64 => BigInteger, f64 => Double, String => String, DateTime => DateTime,
    Uuid => UniqueIdentifier, EntityReference => EntityReference);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

/// For people: what a report or an error shows.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) | Self::Choice(value) => value.fmt(f),
            Self::BigInteger(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Decimal(value) | Self::Money(value) => value.fmt(f),
            Self::String(value) => write!(f, "{value:?}"),
            Self::DateTime(value) => value.fmt(f),
            Self::UniqueIdentifier(value) => value.fmt(f),
            Self::Choices(values) => write!(f, "{values:?}"),
            Self::EntityReference(value) => value.fmt(f),
        }
    }
}

/// The types that a value can have, and the names by which definitions call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// `boolean`
    Boolean,
    /// `integer`
    Integer,
    /// `big-integer`
    BigInteger,
    /// `double`
    Double,
    /// `decimal`
    Decimal,
    /// `money`
    Money,
    /// `string`
    String,
    /// `date-time`
    DateTime,
    /// `unique-identifier`
    UniqueIdentifier,
    /// `choice`
    Choice,
    /// `choices`
    Choices,
    /// `lookup`
    Lookup,
}

impl ValueType {
    /// The name, as definitions and errors spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::BigInteger => "big-integer",
            Self::Double => "double",
            Self::Decimal => "decimal",
            Self::Money => "money",
            Self::String => "string",
            Self::DateTime => "date-time",
            Self::UniqueIdentifier => "unique-identifier",
            Self::Choice => "choice",
            Self::Choices => "choices",
            Self::Lookup => "lookup",
        }
    }

    /// Whether its values are numbers that have an order.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::BigInteger | Self::Double | Self::Decimal | Self::Money)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A moment: milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC; as a number where nobody reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub i64);

impl DateTime {
    /// The first moment that a record can have, 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The last one, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            // Outside of the years -9999 to 9999: still show which number it is.
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for DateTime {
    type Err = jiff::Error;

    /// Parses RFC 3339 with an offset, to the millisecond.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl Serialize for DateTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
