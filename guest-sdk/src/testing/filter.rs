//! Filters and orders over records in memory.

use std::cmp::Ordering;

use super::world::Attributes;
use crate::query::{Filter, Order};
use crate::value::{DateTime, Decimal, Value};
use crate::{Fault, Result, code};

/// Whether a record passes. An attribute of a link goes by `alias.attribute`.
pub(super) fn holds(filter: &Filter, attributes: &Attributes, now: DateTime) -> Result<bool> {
    let any = |filters: &[Filter], wanted: bool| -> Result<bool> {
        for filter in filters {
            if holds(filter, attributes, now)? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match filter {
        Filter::All(filters) => any(filters, false).map(|one_fails| !one_fails),
        Filter::Any(filters) => any(filters, true),
        Filter::Condition { link, attribute, operator, values } => {
            let name = qualified(link.as_deref(), attribute);
            condition(attributes.get(&name).unwrap_or(&Value::Null), operator, values, now)
        }
    }
}

/// A negation holds for a null too, as on the platform.
fn condition(value: &Value, operator: &str, values: &[Value], now: DateTime) -> Result<bool> {
    let plain = match operator {
        "ne" | "neq" => Some("eq"),
        "not-in" => Some("in"),
        "not-like" => Some("like"),
        "not-begin-with" => Some("begins-with"),
        "not-end-with" => Some("ends-with"),
        "not-between" => Some("between"),
        "not-null" => Some("null"),
        _ => None,
    };
    if let Some(plain) = plain {
        return condition(value, plain, values, now).map(|holds| !holds);
    }
    match operator {
        "null" => return Ok(value.is_null()),
        "in" => return Ok(values.iter().any(|one| compare(value, one) == Some(Ordering::Equal))),
        _ => {}
    }
    if let Some(span) = super::dates::span(operator, values, now) {
        let Value::DateTime(moment) = value else { return Ok(false) };
        return Ok(span?.contains(&moment.as_millis()));
    }
    if let ("between", [least, most]) = (operator, values) {
        let (least, most) = (compare(value, least), compare(value, most));
        return Ok(least.is_some_and(Ordering::is_ge) && most.is_some_and(Ordering::is_le));
    }
    let [other] = values else {
        let text = format!(
            "The fake does not know the operator `{operator}` with {} values: test against a host.",
            values.len()
        );
        return Err(Fault::new(text).with_code(code::INVALID_ARGUMENT));
    };
    let ordering = compare(value, other);
    Ok(match operator {
        "eq" => ordering == Some(Ordering::Equal),
        "gt" => ordering.is_some_and(Ordering::is_gt),
        "ge" => ordering.is_some_and(Ordering::is_ge),
        "lt" => ordering.is_some_and(Ordering::is_lt),
        "le" => ordering.is_some_and(Ordering::is_le),
        "like" => texts(value, other).is_some_and(|(text, pattern)| like(&text, &pattern)),
        "begins-with" => texts(value, other).is_some_and(|(text, start)| text.starts_with(&start)),
        "ends-with" => texts(value, other).is_some_and(|(text, end)| text.ends_with(&end)),
        _ => {
            let text = format!("The fake does not know the operator `{operator}`: test against a host.");
            return Err(Fault::new(text).with_code(code::INVALID_ARGUMENT));
        }
    })
}

/// Sorts by the orders in turn; a null is smaller than any value.
pub(super) fn order(orders: &[Order], one: &Attributes, other: &Attributes) -> Ordering {
    let by = |order: &Order| {
        let name = qualified(order.link.as_deref(), &order.attribute);
        let value = |attributes: &Attributes| attributes.get(&name).cloned().unwrap_or_default();
        let (one, other) = (value(one), value(other));
        let ordering = match (one.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => compare(&one, &other).unwrap_or(Ordering::Equal),
        };
        if order.descending { ordering.reverse() } else { ordering }
    };
    orders.iter().map(by).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// What a link's attribute is called.
pub(super) fn qualified(link: Option<&str>, attribute: &str) -> String {
    link.map_or_else(|| attribute.to_owned(), |alias| format!("{alias}.{attribute}"))
}

/// None if either is null or they are of kinds that do not compare. Texts compare without regard to ASCII case.
pub(super) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
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
        (Value::UniqueIdentifier(one), Value::EntityReference(other)) => Some(one.cmp(&other.id)),
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
