//! The column of an attribute: what it is called, and what goes into it. Values are kept exact and sortable, and by
//! definition the same in every store.
//!
//! | type | SQLite | PostgreSQL |
//! |---|---|---|
//! | boolean | INTEGER 0 or 1 | boolean |
//! | integer, choice | INTEGER | int4 |
//! | big-integer | INTEGER | int8 |
//! | double | REAL | double precision |
//! | decimal, money | INTEGER, the number times 10 to the power of the definition's precision | numeric |
//! | string | TEXT, compared without regard to ASCII case | text, folded where it is compared |
//! | date-time | INTEGER, milliseconds since 1970 in UTC | timestamptz |
//! | unique-identifier | BLOB of 16 bytes | uuid |
//! | choices | TEXT, a JSON array, ascending, each once | text, the same |
//! | lookup | BLOB, the identifier | uuid |
//! | lookup with several targets | a second column, TEXT, the entity | a second column, text |

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::model::definition::{SYSTEM_ATTRIBUTES, VERSION_NUMBER, system_attribute};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeDefinition, AttributeType, ColumnSet, EntityDefinition, Value};

use super::parameter::{Kind, Parameter};

/// The column of an entity's table that keeps an attribute.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Column<'a> {
    /// The attribute's logical name.
    pub(in crate::store) attribute: &'a str,
    /// Its type.
    pub(in crate::store) attribute_type: &'a AttributeType,
    /// Which kind of column it is.
    pub(in crate::store) place: Place,
}

/// The kinds of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Place {
    /// The identifier.
    Id,
    /// A system attribute.
    System,
    /// One of the entity's own.
    Own,
}

impl<'a> Column<'a> {
    /// The column of an attribute that can be read.
    pub(in crate::store) fn of(definition: &'a EntityDefinition, name: &'a str) -> Result<Self> {
        if let Some(attribute) = definition.attribute(name) {
            return Ok(Self::own(attribute));
        }
        if let Some(column) = Self::system(name) {
            return Ok(column);
        }
        // An error here names the attributes that there are.
        Ok(Self { attribute: name, attribute_type: definition.readable(name)?, place: Place::Id })
    }

    /// The column of an attribute of the entity's own.
    pub(in crate::store) fn own(attribute: &'a AttributeDefinition) -> Self {
        Self { attribute: &attribute.name, attribute_type: &attribute.attribute_type, place: Place::Own }
    }

    /// The column of the identifier.
    pub(in crate::store) fn identifier() -> Self {
        Self { attribute: "", attribute_type: &AttributeType::UniqueIdentifier, place: Place::Id }
    }

    /// The column of a system attribute.
    pub(in crate::store) fn system(name: &'a str) -> Option<Self> {
        Some(Self { attribute: name, attribute_type: system_attribute(name)?, place: Place::System })
    }

    /// The columns that a column set selects.
    pub(in crate::store) fn select(
        definition: &'a EntityDefinition,
        set: &'a ColumnSet,
    ) -> Result<Vec<Self>> {
        match set {
            ColumnSet::Named(names) => names.iter().map(|name| Self::of(definition, name)).collect(),
            ColumnSet::All => {
                let system = SYSTEM_ATTRIBUTES.iter().filter_map(|(name, _)| Self::system(name));
                Ok(definition.attributes.iter().map(Self::own).chain(system).collect())
            }
        }
    }

    /// Whether it keeps the record's version.
    pub(in crate::store) fn is_version(&self) -> bool {
        self.place == Place::System && self.attribute == VERSION_NUMBER
    }

    /// The entities that a lookup can point to; none for other types. Several take a second column.
    pub(in crate::store) fn targets(&self) -> &'a [String] {
        self.attribute_type.targets()
    }

    /// Whether a second column says which entity the identifier is of.
    pub(in crate::store) fn has_entity(&self) -> bool {
        self.targets().len() > 1
    }

    /// Whether it has text that is compared without regard to ASCII case.
    pub(in crate::store) fn is_text(&self) -> bool {
        matches!(self.attribute_type, AttributeType::String { .. })
    }

    /// The kind of its values; of the first column, where there are two.
    pub(in crate::store) fn kind(&self) -> Kind {
        match self.attribute_type {
            AttributeType::Boolean => Kind::Boolean,
            AttributeType::Integer | AttributeType::BigInteger | AttributeType::Choice { .. } => {
                Kind::Integer
            }
            AttributeType::Double => Kind::Real,
            AttributeType::Decimal { .. } | AttributeType::Money { .. } => Kind::Decimal,
            AttributeType::String { .. } | AttributeType::Choices { .. } => Kind::Text,
            AttributeType::DateTime => Kind::Moment,
            AttributeType::UniqueIdentifier | AttributeType::Lookup { .. } => Kind::Id,
        }
    }

    /// Decimals of an exact number; none for other types.
    pub(in crate::store) fn precision(&self) -> Option<u8> {
        match self.attribute_type {
            AttributeType::Decimal { precision } | AttributeType::Money { precision } => Some(*precision),
            _ => None,
        }
    }

    /// Appends its name, of the first for a lookup with several targets.
    pub(in crate::store) fn push_name(&self, text: &mut String) {
        match self.place {
            Place::Id => text.push_str("id"),
            Place::System => text.push_str(self.attribute),
            Place::Own => {
                text.push_str("c_");
                text.push_str(self.attribute);
            }
        }
    }

    /// Appends the name of the second column of a lookup with several targets.
    pub(in crate::store) fn push_entity_name(&self, text: &mut String) {
        text.push_str("t_");
        text.push_str(self.attribute);
    }

    /// Appends what goes into the column, or columns, for a value.
    pub(in crate::store) fn encode<'v>(
        &self,
        value: &'v Value,
        parameters: &mut Vec<Parameter<'v>>,
    ) -> Result<()> {
        let parameter = self.parameter(value).ok_or_else(|| self.refusal(value))?;
        parameters.push(parameter);
        if self.has_entity() {
            parameters.push(match value {
                Value::EntityReference(reference) => Parameter::Text(Cow::Borrowed(&reference.entity)),
                _ => Parameter::Null(Kind::Text),
            });
        }
        Ok(())
    }

    /// What goes into the column for a value, into the first of two; none if the attribute cannot have it.
    pub(in crate::store) fn parameter<'v>(&self, value: &'v Value) -> Option<Parameter<'v>> {
        Some(match (self.attribute_type, value) {
            (_, Value::Null) => Parameter::Null(self.kind()),
            (AttributeType::Boolean, Value::Boolean(flag)) => Parameter::Boolean(*flag),
            (AttributeType::Integer, Value::Integer(number))
            | (AttributeType::Choice { .. }, Value::Choice(number)) => Parameter::Integer((*number).into()),
            (AttributeType::BigInteger, Value::BigInteger(number)) => Parameter::Integer(*number),
            // Zero has one form: SQLite drops the sign.
            (AttributeType::Double, Value::Double(number)) if number.is_finite() => {
                Parameter::Real(*number + 0.0)
            }
            (AttributeType::Decimal { precision }, Value::Decimal(number))
            | (AttributeType::Money { precision }, Value::Money(number)) => {
                match scaled(*number, *precision) {
                    Scaled::Exact(scaled) => Parameter::Decimal { number: *number, scaled },
                    Scaled::Between(..) => return None,
                }
            }
            (AttributeType::String { .. }, Value::String(text)) => Parameter::text(text)?,
            (AttributeType::DateTime, Value::DateTime(moment)) => Parameter::Moment(*moment),
            (AttributeType::UniqueIdentifier, Value::UniqueIdentifier(id)) => Parameter::Id(*id),
            (AttributeType::Choices { .. }, Value::Choices(options)) => {
                Parameter::Text(Cow::Owned(choices(options)))
            }
            (AttributeType::Lookup { .. }, Value::EntityReference(reference)) => {
                if !self.targets().contains(&reference.entity) {
                    return None;
                }
                Parameter::Id(reference.id)
            }
            _ => return None,
        })
    }

    /// The error of a value that the attribute cannot have.
    pub(in crate::store) fn refusal(&self, value: &Value) -> Error {
        Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "the attribute `{}`, a {}, cannot have the value {value}",
                self.attribute,
                self.attribute_type.value_type()
            ),
        )
    }

    /// The error of something in the database that the attribute cannot have. `found` says what, in the database's words.
    pub(in crate::store) fn unreadable(&self, found: &str) -> Error {
        Error::new(
            ErrorKind::Store,
            format!(
                "the attribute `{}`, a {}, has a value of {found} that does not fit; another program wrote it, so repair \
                 the record or restore a backup",
                self.attribute,
                self.attribute_type.value_type()
            ),
        )
    }
}

/// A number times a power of ten.
pub(in crate::store) enum Scaled {
    /// A whole number.
    Exact(i64),
    /// It lies between these: it has more decimals than the precision, or is out of range.
    Between(i64, i64),
}

/// The number times 10 to the power of `precision`.
pub(in crate::store) fn scaled(number: Decimal, precision: u8) -> Scaled {
    let number = number.normalize();
    let (mantissa, precision) = (number.mantissa(), u32::from(precision));
    let clamp =
        |wide: i128| i64::try_from(wide).unwrap_or(if wide.is_negative() { i64::MIN } else { i64::MAX });
    if number.scale() > precision {
        // At most 28 digits are cut off, so the power fits.
        let below = mantissa.div_euclid(10_i128.pow(number.scale() - precision));
        return Scaled::Between(clamp(below), clamp(below + 1));
    }
    let wide = mantissa.saturating_mul(10_i128.pow(precision - number.scale()));
    match i64::try_from(wide) {
        Ok(exact) => Scaled::Exact(exact),
        Err(_) => Scaled::Between(clamp(wide), clamp(wide)),
    }
}

/// Options as they are kept.
pub(in crate::store) fn choices(options: &[i32]) -> String {
    let mut options = options.to_vec();
    options.sort_unstable();
    options.dedup();
    let numbers: Vec<String> = options.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}
