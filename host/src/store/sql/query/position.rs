//! Positions among a query's records, behind which a page can begin, and the cookies that keep them.
//!
//! A cookie is the same whatever the database: its parts are numbers as SQLite has them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keyset::Key;
use super::selection::Field;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::cookie;
use crate::model::{DateTime, Query, Value};
use crate::store::sql::Dialect;
use crate::store::sql::column::{Column, Scaled, choices, scaled};
use crate::store::sql::parameter::{Kind, Parameter};

/// What a position says of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) enum Part {
    /// No value.
    #[serde(rename = "n")]
    Null,
    /// A whole number or option, 1 for yes and 0 for no, an exact number times 10 to the power of its precision, or the
    /// milliseconds of a moment since 1970 in UTC.
    #[serde(rename = "i")]
    Integer(i64),
    /// The bits of a floating point number.
    #[serde(rename = "r")]
    Real(u64),
    /// Text; choices as they are kept.
    #[serde(rename = "t")]
    Text(String),
    /// An identifier.
    #[serde(rename = "u")]
    Id(Uuid),
}

/// The values of a query's keys in the last record of a page, as a statement compares them with those of others.
pub(in crate::store) struct Position(pub(in crate::store::sql) Vec<Parameter<'static>>);

impl Position {
    /// The position of a cookie, with a part for each key.
    pub(super) fn open(dialect: Dialect, query: &Query, cookie: &str, keys: &[Key<'_>]) -> Result<Self> {
        let parts: Option<Vec<Part>> = serde_json::from_slice(&cookie::open(query, cookie)?).ok();
        parts
            .and_then(|parts| Self::of(dialect, keys, parts))
            .ok_or_else(|| cookie::refusal(query, "was made for other definitions"))
    }

    /// The position with these parts; none unless there is one for each key that the key can have.
    pub(in crate::store) fn of(dialect: Dialect, keys: &[Key<'_>], parts: Vec<Part>) -> Option<Self> {
        if parts.len() != keys.len() {
            return None;
        }
        let parameter = |(part, key): (Part, &Key<'_>)| {
            let parameter = part.parameter(&key.field)?;
            let folds = dialect.folds(&key.field.column);
            Some(if folds { parameter.folded() } else { parameter })
        };
        parts.into_iter().zip(keys).map(parameter).collect::<Option<_>>().map(Self)
    }
}

/// The cookie of the page whose last record has these parts.
pub(super) fn seal(query: &Query, parts: &[Part]) -> Result<String> {
    let bytes = serde_json::to_vec(parts).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("could not write a position of `{}`: {error}", query.entity))
    })?;
    cookie::seal(query, &bytes)
}

impl Part {
    /// What a position says of a value; none if the column cannot have it.
    pub(in crate::store) fn of(column: &Column<'_>, value: Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Boolean(flag) => Self::Integer(flag.into()),
            Value::Integer(number) | Value::Choice(number) => Self::Integer(number.into()),
            Value::BigInteger(number) => Self::Integer(number),
            Value::Double(number) => Self::Real(number.to_bits()),
            Value::Decimal(number) | Value::Money(number) => match scaled(number, column.precision()?) {
                Scaled::Exact(scaled) => Self::Integer(scaled),
                Scaled::Between(..) => return None,
            },
            Value::String(text) => Self::Text(text),
            Value::DateTime(moment) => Self::Integer(moment.0),
            Value::UniqueIdentifier(id) => Self::Id(id),
            Value::Choices(options) => Self::Text(choices(&options)),
            Value::EntityReference(reference) => Self::Id(reference.id),
        })
    }

    /// What a statement compares the field with; none if the field cannot have it.
    fn parameter(self, field: &Field<'_>) -> Option<Parameter<'static>> {
        Some(match (self, field.kind()) {
            (Self::Null, kind) => Parameter::Null(kind),
            (Self::Integer(number @ (0 | 1)), Kind::Boolean) => Parameter::Boolean(number == 1),
            (Self::Integer(number), Kind::Integer) => Parameter::Integer(number),
            (Self::Integer(number), Kind::Decimal) => Parameter::scaled(number, field.column.precision()?)?,
            (Self::Integer(number), Kind::Moment) => Parameter::Moment(DateTime(number)),
            (Self::Real(bits), Kind::Real) => Parameter::Real(f64::from_bits(bits)),
            (Self::Text(text), Kind::Text) => Parameter::text(text)?,
            (Self::Id(id), Kind::Id) => Parameter::Id(id),
            _ => return None,
        })
    }
}
