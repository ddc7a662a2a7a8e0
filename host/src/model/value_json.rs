//! Values as JSON, in both directions: what requests files and conditions write, and what the JSON report shows.
//!
//! | type | JSON |
//! | --- | --- |
//! | boolean | `true`, `false` |
//! | integer, big-integer, choice | a whole number |
//! | double | a number |
//! | decimal, money | a string such as `"12.50"`; a number is read too, by its digits and so without rounding |
//! | string | a string |
//! | date-time | an RFC 3339 string with an offset; written in UTC |
//! | unique-identifier | a UUID as a string |
//! | choices | a list of whole numbers |
//! | lookup | `{"entity": "account", "id": "<uuid>"}`; the UUID alone is read where the lookup has one target |
//! | any, empty | `null` |

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::model::{AttributeType, EntityReference, Value, ValueType};

/// A value as JSON.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Integer(value) | Value::Choice(value) => json!(value),
        Value::BigInteger(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Decimal(value) | Value::Money(value) => json!(value.to_string()),
        Value::String(value) => json!(value),
        Value::DateTime(value) => json!(value.to_string()),
        Value::UniqueIdentifier(value) => json!(value),
        Value::Choices(values) => json!(values),
        Value::EntityReference(reference) => json!({"entity": reference.entity, "id": reference.id}),
    }
}

/// The type that a piece of JSON is read as.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The type of the value.
    pub value_type: ValueType,
    /// For a lookup: the entities that it may point to.
    pub targets: &'a [String],
}

impl<'a> From<&'a AttributeType> for Expected<'a> {
    fn from(attribute_type: &'a AttributeType) -> Self {
        let targets = match attribute_type {
            AttributeType::Lookup { targets } => targets.as_slice(),
            _ => &[],
        };
        Self { value_type: attribute_type.value_type(), targets }
    }
}

impl From<ValueType> for Expected<'_> {
    fn from(value_type: ValueType) -> Self {
        Self { value_type, targets: &[] }
    }
}

/// Reads `text`, one well-formed piece of JSON, as a value; null is a value of every type. The error says what was
/// expected and what was found.
pub fn from_json(text: &str, expected: Expected<'_>) -> Result<Value, String> {
    let text = text.trim();
    if text == "null" {
        return Ok(Value::Null);
    }
    read(text, expected).ok_or_else(|| format!("expected {}, found {}", describe(expected), found(text)))
}

fn read(text: &str, expected: Expected<'_>) -> Option<Value> {
    Some(match expected.value_type {
        ValueType::Boolean => Value::Boolean(parse(text)?),
        ValueType::Integer => Value::Integer(parse(text)?),
        ValueType::BigInteger => Value::BigInteger(parse(text)?),
        ValueType::Double => Value::Double(parse(text)?),
        ValueType::Decimal => Value::Decimal(decimal(text)?),
        ValueType::Money => Value::Money(decimal(text)?),
        ValueType::String => Value::String(parse(text)?),
        ValueType::DateTime => Value::DateTime(parse::<String>(text)?.parse().ok()?),
        ValueType::UniqueIdentifier => Value::UniqueIdentifier(parse(text)?),
        ValueType::Choice => Value::Choice(parse(text)?),
        ValueType::Choices => {
            let mut options: Vec<i32> = parse(text)?;
            options.sort_unstable();
            options.dedup();
            Value::Choices(options)
        }
        ValueType::Lookup => Value::EntityReference(reference(text, expected.targets)?),
    })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Takes the digits as they are written: a detour over binary floating point would change them.
fn decimal(text: &str) -> Option<Decimal> {
    let digits = if text.starts_with('"') { parse::<String>(text)? } else { text.to_owned() };
    let exponent = digits.contains(['e', 'E']);
    if exponent { Decimal::from_scientific(&digits) } else { Decimal::from_str_exact(&digits) }.ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReference {
    entity: String,
    id: Uuid,
}

fn reference(text: &str, targets: &[String]) -> Option<EntityReference> {
    if text.starts_with('"') {
        let [target] = targets else { return None };
        return Some(EntityReference::new(target, parse(text)?));
    }
    let RawReference { entity, id } = text.starts_with('{').then(|| parse(text)).flatten()?;
    Some(EntityReference::new(entity, id))
}

fn describe(expected: Expected<'_>) -> String {
    let form = match expected.value_type {
        ValueType::Boolean => "true or false",
        ValueType::Integer | ValueType::Choice => "a whole number of 32 bits",
        ValueType::BigInteger => "a whole number of 64 bits",
        ValueType::Double => "a number",
        ValueType::Decimal | ValueType::Money => {
            "a number, or a string such as \"12.50\", of at most 28 digits"
        }
        ValueType::String => "a string",
        ValueType::DateTime => "a string such as \"2030-01-31T12:00:00Z\", with an offset",
        ValueType::UniqueIdentifier => "a UUID as a string",
        ValueType::Choices => "a list of whole numbers",
        ValueType::Lookup => match expected.targets {
            [target] => {
                return format!("a lookup ({{\"entity\": \"{target}\", \"id\": \"<uuid>\"}}, or the UUID)");
            }
            _ => "{\"entity\": \"<name>\", \"id\": \"<uuid>\"}",
        },
    };
    format!("{} ({form})", expected.value_type)
}

/// What a piece of JSON is, for an error.
pub(crate) fn found(text: &str) -> String {
    match text.as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "a list".to_owned(),
        _ if text.chars().count() > 60 => format!("{}...", text.chars().take(60).collect::<String>()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DateTime;

    fn check(text: &str, value_type: ValueType, value: Value) {
        let targets = ["account".to_owned()];
        let expected = Expected { value_type, targets: &targets };
        assert_eq!(from_json(text, expected), Ok(value.clone()), "{text}");
        assert_eq!(from_json(&to_json(&value).to_string(), expected), Ok(value), "{text} and back");
    }

    #[test]
    fn values_are_read_by_their_type_and_written_back() {
        let id = Uuid::from_u128(7);
        check("true", ValueType::Boolean, Value::Boolean(true));
        check("-3", ValueType::Integer, Value::Integer(-3));
        check("9007199254740993", ValueType::BigInteger, Value::BigInteger(9_007_199_254_740_993));
        check("0.5", ValueType::Double, Value::Double(0.5));
        check("\"0.10\"", ValueType::Decimal, Value::Decimal(Decimal::new(10, 2)));
        check("1e3", ValueType::Money, Value::Money(Decimal::from(1000)));
        check("\"a\\nb\"", ValueType::String, Value::String("a\nb".into()));
        check("\"1970-01-01T01:00:00+01:00\"", ValueType::DateTime, Value::DateTime(DateTime(0)));
        check(&format!("\"{id}\""), ValueType::UniqueIdentifier, Value::UniqueIdentifier(id));
        check("2", ValueType::Choice, Value::Choice(2));
        check("[3,1,3]", ValueType::Choices, Value::Choices(vec![1, 3]));
        let account = Value::EntityReference(EntityReference::new("account", id));
        check(&format!("\"{id}\""), ValueType::Lookup, account.clone());
        check(&format!("{{\"entity\":\"account\",\"id\":\"{id}\"}}"), ValueType::Lookup, account);
        check("null", ValueType::Money, Value::Null);
    }

    #[test]
    fn a_number_is_money_by_its_digits() {
        let read = from_json("79228162514264337593543950.335", ValueType::Money.into());
        assert_eq!(read.map(|value| value.to_string()), Ok("79228162514264337593543950.335".into()));
    }

    #[test]
    fn an_error_says_what_was_expected_and_what_was_found() {
        let error = |text, value_type: ValueType| from_json(text, value_type.into()).unwrap_err();
        assert_eq!(
            error("true", ValueType::Integer),
            "expected integer (a whole number of 32 bits), found true"
        );
        assert_eq!(error("{}", ValueType::String), "expected string (a string), found an object");
        assert_eq!(
            error("2147483648", ValueType::Choice),
            "expected choice (a whole number of 32 bits), found 2147483648"
        );
        assert!(error("\"2030-01-31T12:00:00\"", ValueType::DateTime).contains("with an offset"));
        assert!(error("\"00000000-0000-0000-0000-000000000007\"", ValueType::Lookup).contains("entity"));
    }
}
