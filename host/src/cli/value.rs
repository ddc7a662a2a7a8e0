//! Values as files write them: as [`json`] has it, with labels in the place of identifiers.

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::json::{self, Expected};
use super::label;
use crate::model::{Value, ValueType};

/// Reads `text`, one well-formed piece of JSON, as a value of the expected type. The error says what was expected and
/// what was found.
pub(super) fn read(text: &str, expected: Expected<'_>) -> Result<Value, String> {
    let names_records = matches!(expected.value_type, ValueType::UniqueIdentifier | ValueType::Lookup);
    if names_records
        && text.contains('$')
        && let Ok(mut resolved) = serde_json::from_str::<Json>(text)
    {
        label::resolve(&mut resolved);
        return json::from_json(&resolved.to_string(), expected);
    }
    json::from_json(text, expected)
}

/// `{"type": "money", "value": "12.50"}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed<'a> {
    #[serde(rename = "type")]
    value_type: ValueType,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Reads `text` as a value of no declared type: true or false, a whole number (an integer, or a big-integer where it does
/// not fit), another number (a double), a string, null, and for every other type an object that says it.
pub(super) fn literal(text: &str) -> Result<Value, String> {
    let read = |value_type: ValueType| read(text, value_type.into());
    match text.trim().as_bytes().first() {
        Some(b'{') => {
            let typed: Typed<'_> = serde_json::from_str(text).map_err(|_| {
                "expected {\"type\": \"<name>\", \"value\": ...}, as in {\"type\": \"money\", \"value\": \"12.50\"}"
            })?;
            self::read(typed.value.get(), typed.value_type.into())
        }
        Some(b'"') => read(ValueType::String),
        Some(b't' | b'f') => read(ValueType::Boolean),
        Some(b'n') => Ok(Value::Null),
        Some(b'[') => {
            Err("expected a value, found a list; write {\"type\": \"choices\", \"value\": [...]}".into())
        }
        _ => read(ValueType::Integer)
            .or_else(|_| read(ValueType::BigInteger))
            .or_else(|_| read(ValueType::Double)),
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::cli::label::Id;
    use crate::model::EntityReference;

    #[test]
    fn a_label_stands_for_an_identifier_and_is_a_text_elsewhere() {
        let Id(acme) = Id::parse("$acme").unwrap();
        let targets = ["account".to_owned()];
        let lookup = Expected { value_type: ValueType::Lookup, targets: &targets };
        let account = Ok(Value::EntityReference(EntityReference::new("account", acme)));
        assert_eq!(read("\"$acme\"", lookup), account);
        assert_eq!(read("{\"entity\": \"account\", \"id\": \"$acme\"}", lookup), account);
        assert_eq!(read("\"$acme\"", ValueType::UniqueIdentifier.into()), Ok(Value::UniqueIdentifier(acme)));
        assert_eq!(read("\"$acme\"", ValueType::String.into()), Ok(Value::String("$acme".into())));
        assert!(read("\"$a b\"", lookup).unwrap_err().contains("$a b"));
    }

    #[test]
    fn a_literal_says_its_type_where_json_does_not() {
        let read = |text| literal(text).unwrap();
        assert_eq!(read("true"), Value::Boolean(true));
        assert_eq!(read("7"), Value::Integer(7));
        assert_eq!(read("3000000000"), Value::BigInteger(3_000_000_000));
        assert_eq!(read("1.5"), Value::Double(1.5));
        assert_eq!(read("\"$acme\""), Value::String("$acme".into()));
        assert_eq!(read("null"), Value::Null);
        let money = read("{\"type\": \"money\", \"value\": \"1.50\"}");
        assert_eq!(money, Value::Money(Decimal::new(150, 2)));
        assert!(literal("{\"value\": 1}").unwrap_err().contains("\"type\""));
        assert!(literal("[1]").unwrap_err().contains("choices"));
    }
}
