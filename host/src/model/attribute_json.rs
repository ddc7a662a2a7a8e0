//! Attribute definitions as JSON: the type's name, and beside it the constraints that apply to it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::model::attribute::{DECIMAL_PRECISION_DEFAULT, MONEY_PRECISION_DEFAULT, STRING_LENGTH_DEFAULT};
use crate::model::{AttributeDefinition, AttributeType, NumberRange, ValueType};

/// An attribute as JSON spells it: the type's name, and the constraints that apply to it.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawAttribute {
    name: String,
    #[serde(rename = "type")]
    attribute_type: ValueType,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<Vec<i32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    targets: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum: Option<Decimal>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    date_only: bool,
}

impl TryFrom<RawAttribute> for AttributeDefinition {
    type Error = String;

    fn try_from(mut raw: RawAttribute) -> Result<Self, String> {
        let attribute_type = match raw.attribute_type {
            ValueType::Boolean => AttributeType::Boolean,
            ValueType::Integer => AttributeType::Integer,
            ValueType::BigInteger => AttributeType::BigInteger,
            ValueType::Double => AttributeType::Double,
            ValueType::Decimal => AttributeType::Decimal {
                precision: raw.precision.take().unwrap_or(DECIMAL_PRECISION_DEFAULT),
            },
            ValueType::Money => {
                AttributeType::Money { precision: raw.precision.take().unwrap_or(MONEY_PRECISION_DEFAULT) }
            }
            ValueType::String => {
                AttributeType::String { max_length: raw.max_length.take().unwrap_or(STRING_LENGTH_DEFAULT) }
            }
            ValueType::DateTime => AttributeType::DateTime,
            ValueType::UniqueIdentifier => AttributeType::UniqueIdentifier,
            ValueType::Choice => AttributeType::Choice { options: raw.options.take().unwrap_or_default() },
            ValueType::Choices => AttributeType::Choices { options: raw.options.take().unwrap_or_default() },
            ValueType::Lookup => AttributeType::Lookup { targets: raw.targets.take().unwrap_or_default() },
        };
        let is_number = raw.attribute_type.is_number();
        let left = [
            ("max_length", raw.max_length.is_some()),
            ("precision", raw.precision.is_some()),
            ("options", raw.options.is_some()),
            ("targets", raw.targets.is_some()),
            ("minimum", raw.minimum.is_some() && !is_number),
            ("maximum", raw.maximum.is_some() && !is_number),
            ("date_only", raw.date_only && raw.attribute_type != ValueType::DateTime),
        ];
        if let Some((constraint, _)) = left.iter().find(|(_, present)| *present) {
            return Err(format!("`{constraint}` does not apply to `{}`, a {}", raw.name, raw.attribute_type));
        }
        Ok(Self {
            name: raw.name,
            attribute_type,
            required: raw.required,
            range: NumberRange { minimum: raw.minimum, maximum: raw.maximum },
            date_only: raw.date_only,
        })
    }
}

impl From<AttributeDefinition> for RawAttribute {
    fn from(definition: AttributeDefinition) -> Self {
        let mut raw = Self {
            name: definition.name,
            attribute_type: definition.attribute_type.value_type(),
            required: definition.required,
            max_length: None,
            precision: None,
            options: None,
            targets: None,
            minimum: definition.range.minimum,
            maximum: definition.range.maximum,
            date_only: definition.date_only,
        };
        match definition.attribute_type {
            AttributeType::String { max_length } => raw.max_length = Some(max_length),
            AttributeType::Decimal { precision } | AttributeType::Money { precision } => {
                raw.precision = Some(precision);
            }
            AttributeType::Choice { options } | AttributeType::Choices { options } => {
                raw.options = Some(options);
            }
            AttributeType::Lookup { targets } => raw.targets = Some(targets),
            _ => {}
        }
        raw
    }
}
