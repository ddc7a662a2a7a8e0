//! Filters judged on values at hand, with the answers that a store gives.

use std::cmp::Ordering;

use crate::model::Value;
use crate::model::query::{Filter, Operator};

impl Filter {
    /// Whether the filter holds for the values that `value_of` finds; an attribute that it does not find is null.
    ///
    /// For filters without conditions on links, which are taken as null, and without what depends on the time or the user,
    /// which never holds: see [`Filter::resolved`].
    pub fn matches<'v>(&self, value_of: &dyn Fn(&str) -> Option<&'v Value>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(value_of)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(value_of)),
            Self::Condition { link, attribute, operator, values } => {
                let value = if link.is_none() { value_of(attribute) } else { None };
                holds(value.filter(|value| !value.is_null()), *operator, values)
            }
        }
    }
}

fn holds(value: Option<&Value>, operator: Operator, values: &[Value]) -> bool {
    if let Some(opposite) = operator.negated() {
        return !holds(value, opposite, values);
    }
    let Some(value) = value else { return operator == Operator::Null };
    match (operator, values) {
        (Operator::NotNull, _) => true,
        (Operator::Eq, [other]) => equals(value, other),
        (Operator::In, _) => values.iter().any(|other| equals(value, other)),
        (Operator::Gt, [other]) => compare(value, other) == Some(Ordering::Greater),
        (Operator::Ge, [other]) => compare(value, other).is_some_and(Ordering::is_ge),
        (Operator::Lt, [other]) => compare(value, other) == Some(Ordering::Less),
        (Operator::Le, [other]) => compare(value, other).is_some_and(Ordering::is_le),
        (Operator::Between, [from, to]) => {
            compare(value, from).is_some_and(Ordering::is_ge)
                && compare(value, to).is_some_and(Ordering::is_le)
        }
        (Operator::ContainValues, _) => {
            let Value::Choices(chosen) = value else { return false };
            values.iter().any(|option| matches!(option, Value::Choice(option) if chosen.contains(option)))
        }
        (_, [Value::String(part)]) => {
            let Value::String(text) = value else { return false };
            let (text, part) = (text.to_ascii_lowercase(), part.to_ascii_lowercase());
            match operator {
                Operator::Like => is_like(&text, &part),
                Operator::BeginsWith => text.starts_with(&part),
                Operator::EndsWith => text.ends_with(&part),
                _ => false,
            }
        }
        _ => false,
    }
}

fn equals(value: &Value, other: &Value) -> bool {
    match (value, other) {
        // A lookup that is compared with an identifier alone.
        (Value::EntityReference(reference), Value::UniqueIdentifier(id)) => reference.id == *id,
        (Value::EntityReference(reference), Value::EntityReference(other)) => reference == other,
        (Value::Choices(chosen), Value::Choices(other)) => {
            chosen.iter().all(|option| other.contains(option))
                && other.iter().all(|option| chosen.contains(option))
        }
        _ => compare(value, other) == Some(Ordering::Equal),
    }
}

/// How two values of the same type follow; none for others and for those without an order.
fn compare(value: &Value, other: &Value) -> Option<Ordering> {
    match (value, other) {
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Integer(b)) | (Value::Choice(a), Value::Choice(b)) => Some(a.cmp(b)),
        (Value::BigInteger(a), Value::BigInteger(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) | (Value::Money(a), Value::Money(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => {
            let lower = |text: &str| text.to_ascii_lowercase().into_bytes();
            Some(lower(a).cmp(&lower(b)))
        }
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
        (Value::UniqueIdentifier(a), Value::UniqueIdentifier(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whether a text matches a pattern with `%` and `_`. Only the last `%` is ever gone back to: what comes before it has the
/// earliest match that there is.
fn is_like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    let mut retry = None;
    loop {
        let before = text.clone();
        match (pattern.next(), text.next()) {
            (Some('%'), _) => {
                text = before;
                retry = Some((text.clone(), pattern.clone()));
            }
            (None, None) => return true,
            (Some('_'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((from, after)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (text, pattern) = (from.clone(), after.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a_c", true),
            ("abc", "%", true),
            ("abc", "%%c", true),
            ("abc", "%b%", true),
            ("abc", "%b", false),
            ("aab", "%ab", true),
            ("abab", "%ab%ab", true),
            ("aba", "%ab%ab", false),
            ("mississippi", "m%iss%i_pi", true),
            ("äb", "_b", true),
            ("100%", "100%", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text:?} like {pattern:?}");
        }
    }
}
