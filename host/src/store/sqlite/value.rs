//! How SQLite takes parameters and gives values: see the table of [`column`](crate::store::sql::column).

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, DateTime, EntityReference, Value};
use crate::store::sql::Row;
use crate::store::sql::column::Column;
use crate::store::sql::parameter::Parameter;
use crate::store::sql::query::position::Part;
use crate::store::sql::query::selection::Field;

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null(_) => ValueRef::Null,
            Self::Boolean(flag) => ValueRef::Integer((*flag).into()),
            Self::Integer(number) | Self::Decimal { scaled: number, .. } => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
            Self::Moment(moment) => ValueRef::Integer(moment.0),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn value(&self, column: &Column<'_>, index: &mut usize) -> Result<Value> {
        let place = *index;
        *index += if column.has_entity() { 2 } else { 1 };
        let unreadable = |found: Type| column.unreadable(&format!("SQLite's type {found}"));
        let raw = self.get_ref(place).map_err(|_| unreadable(Type::Null))?;
        decode(column, raw, self, place).ok_or_else(|| unreadable(raw.data_type()))
    }

    fn part(&self, _: &Field<'_>, place: usize) -> Result<Part> {
        let part = match self.get_ref(place) {
            Ok(ValueRef::Null) => Some(Part::Null),
            Ok(ValueRef::Integer(number)) => Some(Part::Integer(number)),
            Ok(ValueRef::Real(number)) => Some(Part::Real(number.to_bits())),
            Ok(ValueRef::Text(text)) => {
                std::str::from_utf8(text).ok().map(|text| Part::Text(text.to_owned()))
            }
            Ok(ValueRef::Blob(bytes)) => Uuid::from_slice(bytes).ok().map(Part::Id),
            Err(_) => None,
        };
        part.ok_or_else(|| {
            Error::new(
                ErrorKind::Store,
                "a record has a value that the host did not write; repair it".to_owned(),
            )
        })
    }
}

fn decode(column: &Column<'_>, raw: ValueRef<'_>, row: &rusqlite::Row<'_>, place: usize) -> Option<Value> {
    Some(match (column.attribute_type, raw) {
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
        (AttributeType::Choice { .. }, ValueRef::Integer(number)) => Value::Choice(number.try_into().ok()?),
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
