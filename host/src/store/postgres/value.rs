//! How PostgreSQL takes parameters and gives values: in the types that it has for them, so that the service's own SQL sees
//! what it expects. See the table of [`column`](crate::store::sql::column).

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, DateTime, EntityReference, Value};
use crate::store::sql;
use crate::store::sql::column::Column;
use crate::store::sql::parameter::{Kind, Parameter};
use crate::store::sql::query::position::Part;
use crate::store::sql::query::selection::Field;

/// 2000-01-01, from which PostgreSQL counts, in milliseconds since 1970.
const EPOCH: i64 = 946_684_800_000;

type Failure = Box<dyn StdError + Sync + Send>;

impl Kind {
    /// PostgreSQL's type of a parameter. Integers are always wide: it compares them across widths, and narrows them in an
    /// assignment.
    pub(super) fn postgres_type(self) -> Type {
        match self {
            Self::Boolean => Type::BOOL,
            Self::Integer => Type::INT8,
            Self::Real => Type::FLOAT8,
            Self::Decimal => Type::NUMERIC,
            Self::Text => Type::TEXT,
            Self::Id => Type::UUID,
            Self::Moment => Type::TIMESTAMPTZ,
        }
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Self::Null(_) => Ok(IsNull::Yes),
            Self::Boolean(flag) => flag.to_sql(ty, out),
            Self::Integer(number) => number.to_sql(ty, out),
            Self::Real(number) => number.to_sql(ty, out),
            Self::Decimal { number, .. } => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Id(id) => id.to_sql(ty, out),
            Self::Moment(moment) => Moment(*moment).to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Parameters are always sent with the type of their kind.
        true
    }

    to_sql_checked!();
}

/// A moment in a column of type `timestamptz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) DateTime);

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        // The largest and the smallest number are its infinities, which is what a moment out of its range is compared as.
        let since = self.0.0.saturating_sub(EPOCH).saturating_mul(1000);
        out.put_i64(since);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'r> FromSql<'r> for Moment {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Failure> {
        let since = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(DateTime(match since {
            i64::MIN | i64::MAX => since,
            _ => since.div_euclid(1000).saturating_add(EPOCH),
        })))
    }

    accepts!(TIMESTAMPTZ);
}

impl sql::Row for Row {
    fn value(&self, column: &Column<'_>, index: &mut usize) -> Result<Value> {
        let place = *index;
        *index += if column.has_entity() { 2 } else { 1 };
        decode(column, self, place).map_err(|error| {
            let found = self.columns().get(place).map_or("nothing", |column| column.type_().name());
            column.unreadable(&format!("PostgreSQL's type {found}")).with_source(error)
        })
    }

    fn part(&self, field: &Field<'_>, place: usize) -> Result<Part> {
        let unreadable = || {
            let message = "a record has a value that the host did not write; repair it";
            Error::new(ErrorKind::Store, message)
        };
        if field.entity {
            let entity: Option<String> =
                self.try_get(place).map_err(|error| unreadable().with_source(error))?;
            return Ok(entity.map_or(Part::Null, Part::Text));
        }
        if !field.column.targets().is_empty() {
            let id: Option<Uuid> = self.try_get(place).map_err(|error| unreadable().with_source(error))?;
            return Ok(id.map_or(Part::Null, Part::Id));
        }
        let value = self.value(&field.column, &mut { place })?;
        Part::of(&field.column, value).ok_or_else(unreadable)
    }
}

type Decoded = std::result::Result<Value, tokio_postgres::Error>;

fn decode(column: &Column<'_>, row: &Row, place: usize) -> Decoded {
    /// The value, or null.
    fn read<'r, T: FromSql<'r>>(row: &'r Row, place: usize, value: impl FnOnce(T) -> Value) -> Decoded {
        Ok(row.try_get::<_, Option<T>>(place)?.map_or(Value::Null, value))
    }
    match column.attribute_type {
        AttributeType::Boolean => read(row, place, Value::Boolean),
        AttributeType::Integer => read(row, place, Value::Integer),
        AttributeType::BigInteger => read(row, place, Value::BigInteger),
        AttributeType::Choice { .. } => read(row, place, Value::Choice),
        AttributeType::Double => read(row, place, Value::Double),
        AttributeType::Decimal { precision } => {
            read(row, place, |number| Value::Decimal(with_scale(number, *precision)))
        }
        AttributeType::Money { precision } => {
            read(row, place, |number| Value::Money(with_scale(number, *precision)))
        }
        AttributeType::String { .. } => read(row, place, Value::String),
        AttributeType::DateTime => read(row, place, |Moment(moment)| Value::DateTime(moment)),
        AttributeType::UniqueIdentifier => read(row, place, Value::UniqueIdentifier),
        AttributeType::Choices { .. } => read(row, place, |Options(options)| Value::Choices(options)),
        AttributeType::Lookup { targets } => {
            let Some(id) = row.try_get::<_, Option<Uuid>>(place)? else { return Ok(Value::Null) };
            let entity = match targets.as_slice() {
                [target] => target.as_str(),
                _ => row.try_get(place + 1)?,
            };
            Ok(Value::EntityReference(EntityReference::new(entity, id)))
        }
    }
}

/// With as many decimals as the definition says.
fn with_scale(mut number: Decimal, precision: u8) -> Decimal {
    number.rescale(u32::from(precision));
    number
}

/// Options of a choice, in a column of type `text`.
struct Options(Vec<i32>);

impl<'r> FromSql<'r> for Options {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Failure> {
        Ok(Self(serde_json::from_slice(raw)?))
    }

    accepts!(TEXT);
}
