//! Values as FetchXML writes them: text, which the attribute's type gives a meaning.

use std::fmt::Display;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::Offset;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::model::{DateTime, Value, ValueType};

/// The value of that type that `text` writes, or why it is none. A lookup is written as the identifier alone.
pub(super) fn parse(text: &str, value_type: ValueType) -> Result<Value, String> {
    let trimmed = text.trim();
    Ok(match value_type {
        ValueType::Boolean => match trimmed {
            "1" | "true" => Value::Boolean(true),
            "0" | "false" => Value::Boolean(false),
            _ => return Err(format!("`{text}` is not a boolean; write `1` or `0`")),
        },
        ValueType::Integer => Value::Integer(number(trimmed, value_type)?),
        ValueType::BigInteger => Value::BigInteger(number(trimmed, value_type)?),
        ValueType::Double => Value::Double(number(trimmed, value_type)?),
        ValueType::Decimal => Value::Decimal(exact(trimmed, value_type)?),
        ValueType::Money => Value::Money(exact(trimmed, value_type)?),
        ValueType::String => Value::String(text.to_owned()),
        ValueType::DateTime => Value::DateTime(moment(trimmed).ok_or_else(|| {
            format!("`{text}` is not a moment; write `2026-01-31`, or `2026-01-31T12:00:00Z` for a time")
        })?),
        ValueType::UniqueIdentifier | ValueType::Lookup => {
            let id = Uuid::from_str(trimmed);
            Value::UniqueIdentifier(id.map_err(|_| format!("`{text}` is not an identifier; write a UUID"))?)
        }
        ValueType::Choice => Value::Choice(number(trimmed, value_type)?),
        ValueType::Choices => Value::Choices(choices(trimmed)?),
    })
}

fn number<N: FromStr<Err: Display>>(text: &str, value_type: ValueType) -> Result<N, String> {
    text.parse().map_err(|error| format!("`{text}` is not of type {value_type}: {error}"))
}

/// A number with all of its digits, or none at all.
fn exact(text: &str, value_type: ValueType) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|error| format!("`{text}` is not of type {value_type}: {error}"))
}

/// A moment with an offset; without one it is in UTC, and without a time at the start of the day.
fn moment(text: &str) -> Option<DateTime> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let date_time: civil::DateTime = text.parse().ok()?;
    Some(DateTime(Offset::UTC.to_timestamp(date_time).ok()?.as_millisecond()))
}

fn choices(text: &str) -> Result<Vec<i32>, String> {
    let options = text.split(',').filter(|option| !option.trim().is_empty());
    let mut options: Vec<i32> =
        options.map(|option| number(option.trim(), ValueType::Choice)).collect::<Result<_, _>>()?;
    options.sort_unstable();
    options.dedup();
    Ok(options)
}
