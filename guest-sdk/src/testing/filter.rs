//! Filters and orders over records in memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::query::{Filter, Order};
use crate::value::{Decimal, Value};
use crate::{Fault, Result, code};

pub(super) fn holds(filter: &Filter, attributes: &BTreeMap<String, Value>) -> Result<bool> {
    let any = |filters: &[Filter], wanted: bool| -> Result<bool> {
        for filter in filters {
            if holds(filter, attributes)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match filter {
        Filter::All(filters) => any(filters, false).map(|one_fails| !one_fails),
        Filter::Any(filters) => any(filters, true),
        Filter::Condition { attribute, operator, values } => {
            condition(attributes.get(attribute).unwrap_or(&Value::Null), operator, values)
        }
    }
}

fn condition(value: &Value, operator: &str, values: &[Value]) -> Result<bool> {
    match operator {
        "null" => return Ok(value.is_null()),
        "not-null" => return Ok(!value.is_null()),
        "in" => return Ok(values.iter().any(|one| compare(value, one) == Some(Ordering::Equal))),
        "not-in" => {
            let differs = |one| compare(value, one).is_some_and(Ordering::is_ne);
            return Ok(values.iter().all(differs));
        }
        _ => {}
    }
    let [other] = values else {
        let text = format!("The operator `{operator}` takes one value, and the filter has {}.", values.len());
        return Err(Fault::new(text).with_code(code::INVALID_ARGUMENT));
    };
    let ordering = compare(value, other);
    Ok(match operator {
        "eq" => ordering == Some(Ordering::Equal),
        "ne" => ordering.is_some_and(Ordering::is_ne),
        "gt" => ordering.is_some_and(Ordering::is_gt),
        "ge" => ordering.is_some_and(Ordering::is_ge),
        "lt" => ordering.is_some_and(Ordering::is_lt),
        "le" => ordering.is_some_and(Ordering::is_le),
        "like" => texts(value, other).is_some_and(|(text, pattern)| like(&text, &pattern)),
        "not-like" => texts(value, other).is_some_and(|(text, pattern)| !like(&text, &pattern)),
        "begins-with" => texts(value, other).is_some_and(|(text, start)| text.starts_with(&start)),
        _ => {
            let text = format!("The operator `{operator}` is not known.");
            return Err(Fault::new(text).with_code(code::INVALID_ARGUMENT));
        }
    })
}

/// Sorts by the orders in turn; a null is smaller than any value.
pub(super) fn order(
    orders: &[Order],
    one: &BTreeMap<String, Value>,
    other: &BTreeMap<String, Value>,
) -> Ordering {
    let by = |order: &Order| {
        let ordering = match (one.get(&order.attribute), other.get(&order.attribute)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => compare(one, other).unwrap_or(Ordering::Equal),
        };
        if order.descending { ordering.reverse() } else { ordering }
    };
    orders.iter().map(by).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// None if either is null or they are of kinds that do not compare. Texts compare without regard to ASCII case.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return Some(one.cmp(&other));
    }
    match (one, other) {
        (Value::Boolean(one), Value::Boolean(other)) => Some(one.cmp(other)),
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::DateTime(one), Value::DateTime(other)) => Some(one.cmp(other)),
        (Value::UniqueIdentifier(one), Value::UniqueIdentifier(other)) => Some(one.cmp(other)),
        (Value::EntityReference(one), Value::EntityReference(other)) => Some(one.cmp(other)),
        (Value::EntityReference(one), Value::UniqueIdentifier(other)) => Some(one.id.cmp(other)),
        (Value::Choices(one), Value::Choices(other)) => Some(one.0.cmp(&other.0)),
        _ => texts(one, other).map(|(one, other)| one.cmp(&other)),
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(number) => Some(Decimal::from(*number)),
        Value::BigInteger(number) => Some(Decimal::from(*number)),
        Value::Decimal(number) => Some(*number),
        Value::Money(money) => Some(money.amount()),
        Value::Choice(choice) => Some(Decimal::from(choice.0)),
        _ => None,
    }
}

fn texts(one: &Value, other: &Value) -> Option<(String, String)> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            Some((one.to_ascii_lowercase(), other.to_ascii_lowercase()))
        }
        _ => None,
    }
}

/// `%` stands for any text and `_` for one character.
fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let ends = text.char_indices().map(|(index, _)| index).chain([text.len()]);
            ends.filter_map(|index| text.get(index..)).any(|tail| like(tail, rest.as_str()))
        }
        Some(expected) => {
            let mut characters = text.chars();
            let matches = characters.next().is_some_and(|character| expected == '_' || character == expected);
            matches && like(characters.as_str(), rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("acme", "acme", true),
            ("acme", "a%", true),
            ("acme", "%m%", true),
            ("acme", "a_me", true),
            ("acme", "a_e", false),
            ("acme", "%x%", false),
            ("", "%", true),
            ("", "_", false),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} like {pattern}");
        }
    }
}
