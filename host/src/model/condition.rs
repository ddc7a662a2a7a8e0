//! Conditions: when a step runs, as a registration writes it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::Arity;
use crate::model::value_json::{Expected, from_json};
use crate::model::{EntityDefinition, Filter, Operator, Value, ValueType};

/// A condition on a record: a filter whose values are as JSON or TOML writes them, and get their types from the entity's
/// definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "RawCondition", into = "RawCondition")]
pub enum Condition {
    /// Every part holds.
    All(Vec<Condition>),
    /// At least one part holds.
    Any(Vec<Condition>),
    /// A test of one attribute.
    Test {
        /// The attribute's logical name.
        attribute: String,
        /// The comparison.
        operator: Operator,
        /// The values to compare with, as many as [`Operator::arity`] says.
        values: Vec<Json>,
    },
}

impl Condition {
    /// The test `attribute operator value`.
    pub fn test(attribute: impl Into<String>, operator: Operator, value: impl Into<Json>) -> Self {
        Self::Test { attribute: attribute.into(), operator, values: vec![value.into()] }
    }

    /// The condition with the types that an entity's definition gives its values. Fails with
    /// [`ErrorKind::InvalidRegistration`] and the test that does not fit: an attribute that the entity does not have, or
    /// a value that cannot be of the attribute's type.
    pub fn filter(&self, definition: &EntityDefinition) -> Result<Filter> {
        let filters =
            |parts: &[Self]| parts.iter().map(|part| part.filter(definition)).collect::<Result<Vec<_>>>();
        match self {
            Self::All(parts) => filters(parts).map(Filter::All),
            Self::Any(parts) => filters(parts).map(Filter::Any),
            Self::Test { attribute, operator, values } => {
                self.typed(definition, attribute, *operator, values)
            }
        }
    }

    /// The attributes that it tests, in its order.
    #[must_use]
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::attributes).collect(),
            Self::Test { attribute, .. } => vec![attribute],
        }
    }

    fn typed(
        &self,
        definition: &EntityDefinition,
        attribute: &str,
        operator: Operator,
        values: &[Json],
    ) -> Result<Filter> {
        let wrong = |reason: &str| {
            let entity = &definition.logical_name;
            Error::new(
                ErrorKind::InvalidRegistration,
                format!("the condition `{self}` does not fit the entity `{entity}`: {reason}"),
            )
        };
        let readable = definition.readable_type(attribute).map_err(|error| wrong(error.message()))?;
        let arity = operator.arity();
        // `in ()` holds for nothing, which nobody means.
        if !arity.accepts(values.len()) || (arity == Arity::Any && values.is_empty()) {
            let takes = match arity {
                Arity::Any => "`values`, at least one".into(),
                Arity::One => "one `value`".into(),
                Arity::None | Arity::Two => arity.to_string(),
            };
            return Err(wrong(&format!("`{operator}` takes {takes}")));
        }
        let Some(operand) = operator.operand(readable) else {
            return Err(wrong(&format!("`{operator}` does not apply to `{attribute}`, a {readable}")));
        };
        let expected = match definition.attribute(attribute) {
            Some(attribute) if operand == readable => Expected::from(&attribute.attribute_type),
            _ => Expected::from(operand),
        };
        let value = |json| value(json, expected).map_err(|reason| wrong(&reason));
        let values = values.iter().map(value).collect::<Result<_>>()?;
        Ok(Filter::Condition { link: None, attribute: attribute.to_owned(), operator, values })
    }
}

fn value(json: &Json, expected: Expected<'_>) -> Result<Value, String> {
    if json.is_null() {
        return Err("null is compared with by the operators `null` and `not-null`".into());
    }
    // A lookup is compared with an identifier alone too: identifiers are unique across entities.
    if expected.value_type == ValueType::Lookup && json.is_string() {
        return from_json(&json.to_string(), ValueType::UniqueIdentifier.into());
    }
    from_json(&json.to_string(), expected)
}

/// For people: `creditlimit gt 1000 and (name eq "Acme" or name null)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, joint, empty) = match self {
            Self::Test { attribute, operator, values } => {
                write!(f, "{attribute} {operator}")?;
                return match (operator, values.as_slice()) {
                    (_, []) => Ok(()),
                    (operator, values) if operator.arity() == Arity::Any => {
                        let values: Vec<String> = values.iter().map(Json::to_string).collect();
                        write!(f, " ({})", values.join(", "))
                    }
                    (_, values) => values.iter().try_for_each(|value| write!(f, " {value}")),
                };
            }
            Self::All(parts) => (parts, " and ", "always"),
            Self::Any(parts) => (parts, " or ", "never"),
        };
        if parts.is_empty() {
            return f.write_str(empty);
        }
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                f.write_str(joint)?;
            }
            match part {
                Self::Test { .. } => write!(f, "{part}")?,
                Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

/// What is written: one of the three forms, and errors that name the key.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
struct RawCondition {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<Operator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Json>>,
}

impl TryFrom<RawCondition> for Condition {
    type Error = &'static str;

    fn try_from(raw: RawCondition) -> Result<Self, Self::Error> {
        let RawCondition { all, any, attribute, operator, value, values } = raw;
        match (all, any, attribute, operator, value, values) {
            (Some(parts), None, None, None, None, None) => Ok(Self::All(parts)),
            (None, Some(parts), None, None, None, None) => Ok(Self::Any(parts)),
            (None, None, Some(attribute), Some(operator), value, None) => {
                Ok(Self::Test { attribute, operator, values: value.into_iter().collect() })
            }
            (None, None, Some(attribute), Some(operator), None, Some(values)) => {
                Ok(Self::Test { attribute, operator, values })
            }
            (None, None, Some(_), Some(_), Some(_), Some(_)) => {
                Err("a condition has either `value` or `values`; remove one")
            }
            _ => Err(
                "a condition is `all` with a list, `any` with a list, or `attribute`, `operator` and `value` or \
                      `values`",
            ),
        }
    }
}

impl From<Condition> for RawCondition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::All(parts) => Self { all: Some(parts), ..Self::default() },
            Condition::Any(parts) => Self { any: Some(parts), ..Self::default() },
            Condition::Test { attribute, operator, mut values } => {
                let several = operator.arity() == Arity::Any || values.len() > 1;
                let (value, values) = if several { (None, Some(values)) } else { (values.pop(), None) };
                Self {
                    attribute: Some(attribute),
                    operator: Some(operator),
                    value,
                    values,
                    ..Self::default()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AttributeType;

    fn account() -> EntityDefinition {
        EntityDefinition::new("account")
            .with("name", AttributeType::String { max_length: 100 })
            .with("creditlimit", AttributeType::Money { precision: 2 })
            .with("rating", AttributeType::Choice { options: vec![1, 2] })
            .with("parentid", AttributeType::Lookup { targets: vec!["account".into()] })
            .with("seen", AttributeType::DateTime)
    }

    fn read(json: &str) -> Result<Condition, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_condition_is_read_shown_and_written_back() {
        let check = |json: &str, shown: &str| {
            let condition = read(json).unwrap();
            assert_eq!(condition.to_string(), shown);
            assert_eq!(serde_json::to_string(&condition).unwrap(), json);
        };
        check(r#"{"attribute":"name","operator":"eq","value":"Acme"}"#, r#"name eq "Acme""#);
        check(r#"{"attribute":"name","operator":"null"}"#, "name null");
        check(r#"{"attribute":"rating","operator":"in","values":[1,2]}"#, "rating in (1, 2)");
        check(r#"{"all":[]}"#, "always");
        check(
            r#"{"all":[{"attribute":"rating","operator":"gt","value":1},{"any":[{"attribute":"name","operator":"not-null"}]}]}"#,
            "rating gt 1 and (name not-null)",
        );
    }

    #[test]
    fn a_wrong_form_names_the_key() {
        let check = |json: &str, part: &str| {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(r#"{"attribut":"name"}"#, "unknown field `attribut`");
        check(r#"{"attribute":"name","operator":"equals","value":1}"#, "unknown variant `equals`");
        check(r#"{"attribute":"name"}"#, "a condition is `all` with a list");
        check(r#"{"all":[],"any":[]}"#, "a condition is `all` with a list");
        check(r#"{"attribute":"a","operator":"in","value":1,"values":[1]}"#, "either `value` or `values`");
    }

    #[test]
    fn values_get_their_types_from_the_definition() {
        let check = |json: &str, value: Value| {
            let Filter::Condition { values, .. } = read(json).unwrap().filter(&account()).unwrap() else {
                panic!("{json} is one test");
            };
            assert_eq!(values, [value], "{json}");
        };
        check(
            r#"{"attribute":"creditlimit","operator":"gt","value":"12.50"}"#,
            Value::Money("12.50".parse().unwrap()),
        );
        check(
            r#"{"attribute":"creditlimit","operator":"gt","value":12.5}"#,
            Value::Money("12.5".parse().unwrap()),
        );
        check(r#"{"attribute":"rating","operator":"in","values":[2]}"#, Value::Choice(2));
        check(r#"{"attribute":"versionnumber","operator":"eq","value":3}"#, Value::BigInteger(3));
        let id = uuid::Uuid::from_u128(7);
        check(
            &format!(r#"{{"attribute":"parentid","operator":"eq","value":"{id}"}}"#),
            Value::UniqueIdentifier(id),
        );
    }

    #[test]
    fn a_test_that_does_not_fit_is_named_with_the_reason() {
        let check = |json: &str, parts: [&str; 2]| {
            let error = read(json).unwrap().filter(&account()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
            for part in parts {
                assert!(error.message().contains(part), "{error}");
            }
        };
        check(
            r#"{"any":[{"attribute":"nam","operator":"eq","value":"x"}]}"#,
            [r#"`nam eq "x"` does not fit the entity `account`"#, "did you mean `name`"],
        );
        check(
            r#"{"attribute":"creditlimit","operator":"gt","value":"much"}"#,
            [r#"`creditlimit gt "much"`"#, "expected money"],
        );
        check(r#"{"attribute":"name","operator":"eq"}"#, ["`name eq`", "takes one `value`"]);
        check(r#"{"attribute":"name","operator":"null","value":1}"#, ["`name null 1`", "takes no value"]);
        check(
            r#"{"attribute":"name","operator":"in","values":[null]}"#,
            ["`name in (null)`", "`null` and `not-null`"],
        );
    }
}
