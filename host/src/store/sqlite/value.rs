//! How values are kept: exact, sortable, and by definition the same in every store.
//!
//! | type | column |
//! |---|---|
//! | boolean | INTEGER 0 or 1 |
//! | integer, big-integer, choice | INTEGER |
//! | double | REAL |
//! | decimal, money | INTEGER, the number times 10 to the power of the definition's precision |
//! | string | TEXT, compared without regard to ASCII case |
//! | date-time | INTEGER, milliseconds since 1970 in UTC |
//! | unique-identifier | BLOB of 16 bytes |
//! | choices | TEXT, a JSON array, ascending, each once |
//! | lookup | BLOB, the identifier; with several targets a second column, TEXT, the entity |

use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use rusqlite::{Row, types::Type};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::model::definition::{SYSTEM_ATTRIBUTES, VERSION_NUMBER, system_attribute};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{
    AttributeDefinition, AttributeType, ColumnSet, DateTime, EntityDefinition, EntityReference, Value,
};

/// A value as a statement takes it.
pub(super) type Parameter<'v> = ToSqlOutput<'v>;

/// The column of an entity's table that keeps an attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    /// The attribute's logical name.
    pub(super) attribute: &'a str,
    /// Its type.
    pub(super) attribute_type: &'a AttributeType,
    /// Which kind of column it is.
    pub(super) place: Place,
}

/// The kinds of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The identifier.
    Id,
    /// A system attribute.
    System,
    /// One of the entity's own.
    Own,
}

impl<'a> Column<'a> {
    /// The column of an attribute that can be read.
    pub(super) fn of(definition: &'a EntityDefinition, name: &'a str) -> Result<Self> {
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
    pub(super) fn own(attribute: &'a AttributeDefinition) -> Self {
        Self { attribute: &attribute.name, attribute_type: &attribute.attribute_type, place: Place::Own }
    }

    /// The column of a system attribute.
    pub(super) fn system(name: &'a str) -> Option<Self> {
        Some(Self { attribute: name, attribute_type: system_attribute(name)?, place: Place::System })
    }

    /// The columns that a column set selects.
    pub(super) fn select(definition: &'a EntityDefinition, set: &'a ColumnSet) -> Result<Vec<Self>> {
        match set {
            ColumnSet::Named(names) => names.iter().map(|name| Self::of(definition, name)).collect(),
            ColumnSet::All => {
                let system = SYSTEM_ATTRIBUTES.iter().filter_map(|(name, _)| Self::system(name));
                Ok(definition.attributes.iter().map(Self::own).chain(system).collect())
            }
        }
    }

    /// Whether it keeps the record's version.
    pub(super) fn is_version(&self) -> bool {
        self.place == Place::System && self.attribute == VERSION_NUMBER
    }

    /// The entities that a lookup can point to; none for other types. Several take a second column.
    pub(super) fn targets(&self) -> &'a [String] {
        self.attribute_type.targets()
    }

    /// Whether a second column says which entity the identifier is of.
    pub(super) fn has_entity(&self) -> bool {
        self.targets().len() > 1
    }

    /// Appends what goes into the column, or columns, for a value.
    pub(super) fn encode<'v>(&self, value: &'v Value, parameters: &mut Vec<Parameter<'v>>) -> Result<()> {
        let parameter = match (self.attribute_type, value) {
            (_, Value::Null) => Parameter::Owned(Owned::Null),
            (AttributeType::Boolean, Value::Boolean(flag)) => Parameter::from(*flag),
            (AttributeType::Integer, Value::Integer(number))
            | (AttributeType::Choice { .. }, Value::Choice(number)) => Parameter::from(*number),
            (AttributeType::BigInteger, Value::BigInteger(number)) => Parameter::from(*number),
            // Zero has one form: SQLite drops the sign.
            (AttributeType::Double, Value::Double(number)) if number.is_finite() => {
                Parameter::from(*number + 0.0)
            }
            (AttributeType::Decimal { precision }, Value::Decimal(number))
            | (AttributeType::Money { precision }, Value::Money(number)) => {
                match scaled(*number, *precision) {
                    Scaled::Exact(scaled) => Parameter::from(scaled),
                    Scaled::Between(..) => return Err(self.refusal(value)),
                }
            }
            (AttributeType::String { .. }, Value::String(text)) => {
                text_parameter(text).ok_or_else(|| self.refusal(value))?
            }
            (AttributeType::DateTime, Value::DateTime(moment)) => Parameter::from(moment.0),
            (AttributeType::UniqueIdentifier, Value::UniqueIdentifier(id)) => id_parameter(id),
            (AttributeType::Choices { .. }, Value::Choices(options)) => Parameter::from(choices(options)),
            (AttributeType::Lookup { .. }, Value::EntityReference(reference)) => {
                if !self.targets().contains(&reference.entity) {
                    return Err(self.refusal(value));
                }
                id_parameter(&reference.id)
            }
            _ => return Err(self.refusal(value)),
        };
        parameters.push(parameter);
        if self.has_entity() {
            parameters.push(match value {
                Value::EntityReference(reference) => Parameter::from(reference.entity.as_str()),
                _ => Parameter::Owned(Owned::Null),
            });
        }
        Ok(())
    }

    /// Reads the value at `index` of a row, and moves `index` behind it.
    pub(super) fn decode(&self, row: &Row<'_>, index: &mut usize) -> Result<Value> {
        let place = *index;
        *index += if self.has_entity() { 2 } else { 1 };
        let raw = row.get_ref(place).map_err(|_| self.unreadable(Type::Null))?;
        self.decode_raw(raw, row, place).ok_or_else(|| self.unreadable(raw.data_type()))
    }

    fn decode_raw(&self, raw: ValueRef<'_>, row: &Row<'_>, place: usize) -> Option<Value> {
        Some(match (self.attribute_type, raw) {
            (_, ValueRef::Null) => Value::Null,
            (AttributeType::Boolean, ValueRef::Integer(number @ (0 | 1))) => Value::Boolean(number == 1),
            (AttributeType::Integer, ValueRef::Integer(number)) => Value::Integer(number.try_into().ok()?),
            (AttributeType::BigInteger, ValueRef::Integer(number)) => Value::BigInteger(number),
            (AttributeType::Double, ValueRef::Real(number)) => Value::Double(number),
            (AttributeType::Decimal { precision }, ValueRef::Integer(number)) => {
                Value::Decimal(Decimal::try_new(number, u32::from(*precision)).ok()?)
            }
            (AttributeType::Money { precision }, ValueRef::Integer(number)) => {
                Value::Money(Decimal::try_new(number, u32::from(*precision)).ok()?)
            }
            (AttributeType::String { .. }, ValueRef::Text(text)) => {
                Value::String(std::str::from_utf8(text).ok()?.to_owned())
            }
            (AttributeType::DateTime, ValueRef::Integer(number)) => Value::DateTime(DateTime(number)),
            (AttributeType::UniqueIdentifier, ValueRef::Blob(bytes)) => {
                Value::UniqueIdentifier(Uuid::from_slice(bytes).ok()?)
            }
            (AttributeType::Choice { .. }, ValueRef::Integer(number)) => {
                Value::Choice(number.try_into().ok()?)
            }
            (AttributeType::Choices { .. }, ValueRef::Text(text)) => {
                Value::Choices(serde_json::from_slice(text).ok()?)
            }
            (AttributeType::Lookup { targets }, ValueRef::Blob(bytes)) => {
                let entity = match targets.as_slice() {
                    [target] => target.as_str(),
                    _ => row.get_ref(place + 1).ok()?.as_str().ok()?,
                };
                Value::EntityReference(EntityReference::new(entity, Uuid::from_slice(bytes).ok()?))
            }
            _ => return None,
        })
    }

    fn refusal(&self, value: &Value) -> Error {
        Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "the attribute `{}`, a {}, cannot have the value {value}",
                self.attribute,
                self.attribute_type.value_type()
            ),
        )
    }

    fn unreadable(&self, found: Type) -> Error {
        Error::new(
            ErrorKind::Store,
            format!(
                "the attribute `{}`, a {}, has a value of SQLite's type {found} that does not fit; another program \
                 wrote it, so repair the record or restore a backup",
                self.attribute,
                self.attribute_type.value_type()
            ),
        )
    }
}

/// The identifier as a statement takes it.
pub(super) fn id_parameter(id: &Uuid) -> Parameter<'_> {
    Parameter::Borrowed(ValueRef::Blob(id.as_bytes()))
}

/// Text as a statement takes it; none if it has U+0000, at which databases end text or refuse it.
pub(super) fn text_parameter(text: &str) -> Option<Parameter<'_>> {
    (!text.contains('\0')).then(|| Parameter::from(text))
}

/// A number times a power of ten.
pub(super) enum Scaled {
    /// A whole number.
    Exact(i64),
    /// It lies between these: it has more decimals than the precision, or is out of range.
    Between(i64, i64),
}

/// The number times 10 to the power of `precision`.
pub(super) fn scaled(number: Decimal, precision: u8) -> Scaled {
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

fn choices(options: &[i32]) -> String {
    let mut options = options.to_vec();
    options.sort_unstable();
    options.dedup();
    let numbers: Vec<String> = options.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}
