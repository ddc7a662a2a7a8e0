//! Attributes: their types with the constraints, and the values that these allow.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::model::attribute_json::RawAttribute;
use crate::model::{DateTime, Value, ValueType};

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
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// An attribute of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "RawAttribute", into = "RawAttribute")]
pub struct AttributeDefinition {
    /// The logical name.
    pub name: String,
    /// The type with its constraints.
    pub attribute_type: AttributeType,
    /// Whether a record must have a value.
    pub required: bool,
    /// The numbers allowed, of a numeric type.
    pub range: NumberRange,
    /// Of a date-time: whether it is a day, so that its values are midnights in UTC.
    pub date_only: bool,
}

/// The numbers that an attribute allows. Bounds are exact, also those of a floating point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberRange {
    /// The smallest; as small as the type takes, if none.
    pub minimum: Option<Decimal>,
    /// The largest; as large as the type takes, if none.
    pub maximum: Option<Decimal>,
}

/// The type of an attribute, with its constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl AttributeDefinition {
    /// An optional attribute.
    pub fn new(name: impl Into<String>, attribute_type: AttributeType) -> Self {
        Self {
            name: name.into(),
            attribute_type,
            required: false,
            range: NumberRange::default(),
            date_only: false,
        }
    }

    /// A record must have a value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Numbers are not smaller than that.
    #[must_use]
    pub fn at_least(mut self, minimum: impl Into<Decimal>) -> Self {
        self.range.minimum = Some(minimum.into());
        self
    }

    /// Numbers are not larger than that.
    #[must_use]
    pub fn at_most(mut self, maximum: impl Into<Decimal>) -> Self {
        self.range.maximum = Some(maximum.into());
        self
    }

    /// A date-time is a day.
    #[must_use]
    pub fn date_only(mut self) -> Self {
        self.date_only = true;
        self
    }

    /// Why a value, which is not null, is not allowed, to follow "the value of `name`"; none if it is.
    pub(super) fn refusal(&self, value: &Value) -> Option<String> {
        let expected = self.attribute_type.value_type();
        if value.value_type() != Some(expected) {
            let found = value.value_type().map_or("null", ValueType::name);
            return Some(format!("must be of type {expected}, not {found} ({value})"));
        }
        if let Value::DateTime(DateTime(moment)) = value
            && self.date_only
            && moment.rem_euclid(DAY) != 0
        {
            return Some(format!("is a day, so it must be midnight in UTC and not {value}"));
        }
        self.attribute_type.refusal(value).or_else(|| self.range.refusal(value))
    }
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

    /// The entities that a lookup can point to; none for other types.
    #[must_use]
    pub fn targets(&self) -> &[String] {
        match self {
            Self::Lookup { targets } => targets,
            _ => &[],
        }
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
            (Self::DateTime, Value::DateTime(moment))
                if *moment < DateTime::MIN || *moment > DateTime::MAX =>
            {
                Some(format!("is {moment}; it can be from {} to {}", DateTime::MIN, DateTime::MAX))
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

impl NumberRange {
    /// Whether every number is allowed that the type takes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.minimum.is_none() && self.maximum.is_none()
    }

    /// The number, or the bound that is nearest to it.
    #[must_use]
    pub fn nearest(&self, number: Decimal) -> Decimal {
        let number = self.minimum.map_or(number, |minimum| number.max(minimum));
        self.maximum.map_or(number, |maximum| number.min(maximum))
    }

    fn refusal(&self, value: &Value) -> Option<String> {
        let below = self.minimum.filter(|minimum| is_less(value, *minimum, false));
        let above = self.maximum.filter(|maximum| is_less(value, *maximum, true));
        below
            .map(|minimum| format!("is {value}; {minimum} is the least"))
            .or_else(|| above.map(|maximum| format!("is {value}; {maximum} is the most")))
    }
}

/// Whether a number is less than the bound; with `swapped`, whether the bound is less than the number.
fn is_less(value: &Value, bound: Decimal, swapped: bool) -> bool {
    let number = match value {
        Value::Integer(number) => Decimal::from(*number),
        Value::BigInteger(number) => Decimal::from(*number),
        Value::Decimal(number) | Value::Money(number) => *number,
        Value::Double(number) => {
            // The bound is rounded as the value was: a maximum of 0.1 allows the double that is written 0.1.
            let bound = bound.to_f64().unwrap_or(f64::NAN);
            return if swapped { bound < *number } else { *number < bound };
        }
        _ => return false,
    };
    if swapped { bound < number } else { number < bound }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(attribute_type: AttributeType) -> AttributeDefinition {
        AttributeDefinition::new("a", attribute_type)
    }

    #[test]
    fn ranges_bound_every_kind_of_number() {
        let bounded = |attribute_type| attribute(attribute_type).at_least(-1).at_most(Decimal::new(25, 1));
        let decimal = |text: &str| text.parse::<Decimal>().unwrap_or_default();
        for (attribute_type, inside, outside) in [
            (
                AttributeType::Integer,
                [Value::Integer(-1), Value::Integer(2)],
                [Value::Integer(-2), Value::Integer(3)],
            ),
            (
                AttributeType::BigInteger,
                [Value::BigInteger(-1), Value::BigInteger(2)],
                [Value::BigInteger(i64::MIN), Value::BigInteger(i64::MAX)],
            ),
            (
                AttributeType::Double,
                [Value::Double(-1.0), Value::Double(2.5)],
                [Value::Double(-1.000_000_1), Value::Double(f64::MAX)],
            ),
            (
                AttributeType::Decimal { precision: 2 },
                [Value::Decimal(decimal("-1.00")), Value::Decimal(decimal("2.50"))],
                [Value::Decimal(decimal("-1.01")), Value::Decimal(decimal("2.51"))],
            ),
            (
                AttributeType::Money { precision: 2 },
                [Value::Money(decimal("-1")), Value::Money(decimal("2.5"))],
                [Value::Money(decimal("-1.01")), Value::Money(decimal("2.51"))],
            ),
        ] {
            let attribute = bounded(attribute_type);
            assert_eq!(inside.map(|value| attribute.refusal(&value)), [None, None]);
            let [low, high] = outside.map(|value| attribute.refusal(&value).unwrap_or_default());
            assert!(low.ends_with("; -1 is the least"), "{low}");
            assert!(high.ends_with("; 2.5 is the most"), "{high}");
        }
        let tenth = attribute(AttributeType::Double).at_most(Decimal::new(1, 1));
        assert_eq!(tenth.refusal(&Value::Double(0.1)), None);
    }

    #[test]
    fn a_day_is_a_midnight() {
        let day = attribute(AttributeType::DateTime).date_only();
        for (moment, allowed) in [(0, true), (DAY, true), (-DAY, true), (1, false), (-1, false)] {
            assert_eq!(day.refusal(&Value::DateTime(DateTime(moment))).is_none(), allowed, "{moment}");
        }
    }
}
