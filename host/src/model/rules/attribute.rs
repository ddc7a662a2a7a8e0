//! Attributes: the bounds of their constraints, and how these may be widened.

use std::fmt::Debug;

use rust_decimal::Decimal;

use crate::model::attribute::{DECIMAL_PRECISION_MAX, MONEY_PRECISION_MAX, STRING_LENGTH_MAX};
use crate::model::definition::{OWNER_ID, STATE_CODE, STATUS_CODE, system_attribute};
use crate::model::error::Result;
use crate::model::{AttributeDefinition, AttributeType, EntityDefinition, NumberRange};

use super::{check_name, invalid, repeated};

/// An error if the attribute breaks a rule by itself.
pub(super) fn check(definition: &EntityDefinition, attribute: &AttributeDefinition) -> Result<()> {
    check_name("an attribute", &attribute.name)?;
    let name = attribute.name.as_str();
    let problem = if matches!(name, OWNER_ID | STATE_CODE | STATUS_CODE) {
        "has a name of the host's own: it comes with `ownership` or `states`, so set those instead"
    } else if name == "id" || definition.is_primary_id(name) || system_attribute(name).is_some() {
        "has a name that the host uses itself; choose another"
    } else if let Some(problem) = constraint_problem(attribute) {
        problem
    } else {
        return Ok(());
    };
    Err(invalid(format!("the attribute `{name}` of `{}` {problem}", definition.logical_name)))
}

fn constraint_problem(attribute: &AttributeDefinition) -> Option<&'static str> {
    match &attribute.attribute_type {
        AttributeType::Money { precision } if *precision > MONEY_PRECISION_MAX => {
            Some("has more than 4 digits of precision, the most for money")
        }
        AttributeType::Decimal { precision } if *precision > DECIMAL_PRECISION_MAX => {
            Some("has more than 10 digits of precision, the most for a decimal")
        }
        AttributeType::String { max_length } if *max_length == 0 || *max_length > STRING_LENGTH_MAX => {
            Some("must have a max_length of 1 to 1048576")
        }
        AttributeType::Lookup { targets } if targets.is_empty() => {
            Some("is a lookup without targets; name at least one entity")
        }
        AttributeType::Lookup { targets } if repeated(targets).is_some() => {
            Some("is a lookup that names a target twice; remove one")
        }
        AttributeType::Choice { options } | AttributeType::Choices { options }
            if repeated(options).is_some() =>
        {
            Some("has an option twice; remove one")
        }
        other if !attribute.range.is_open() && !other.value_type().is_number() => {
            Some("has a minimum or maximum, which only numbers have; leave it out")
        }
        other if attribute.date_only && *other != AttributeType::DateTime => {
            Some("is `date_only`, which only a date-time can be; leave it out")
        }
        _ => match (attribute.range.minimum, attribute.range.maximum) {
            (Some(minimum), Some(maximum)) if minimum > maximum => {
                Some("has a minimum that is larger than its maximum; swap them")
            }
            _ => None,
        },
    }
}

/// The attribute as `next` wants it, if that allows every value that `current` allows; otherwise why not.
pub(super) fn widened(
    current: &AttributeDefinition,
    next: &AttributeDefinition,
) -> Result<AttributeDefinition, String> {
    if current.required != next.required {
        return Err(differs("`required`", current.required, next.required));
    }
    if current.date_only != next.date_only {
        return Err(differs("`date_only`", current.date_only, next.date_only));
    }
    check_range(current.range, next.range)?;
    let attribute_type = widened_type(&current.attribute_type, &next.attribute_type)?;
    Ok(AttributeDefinition { attribute_type, ..next.clone() })
}

fn widened_type(current: &AttributeType, next: &AttributeType) -> Result<AttributeType, String> {
    use AttributeType::{Choice, Choices, Decimal, Lookup, Money, String};
    match (current, next) {
        (String { max_length: now }, String { max_length: then }) if then < now => {
            Err(format!("its `max_length` is {now}, and {then} is less"))
        }
        (String { .. }, String { .. }) => Ok(next.clone()),
        (Choice { options: now }, Choice { options: then }) => {
            Ok(Choice { options: widened_options(now, then)? })
        }
        (Choices { options: now }, Choices { options: then }) => {
            Ok(Choices { options: widened_options(now, then)? })
        }
        (Decimal { precision: now }, Decimal { precision: then })
        | (Money { precision: now }, Money { precision: then })
            if now != then =>
        {
            Err(differs("`precision`", now, then))
        }
        (Lookup { targets: now }, Lookup { targets: then }) if now != then => {
            Err(differs("`targets`", now, then))
        }
        _ if current == next => Ok(next.clone()),
        _ => Err(format!("its type is {}, not {}", current.value_type(), next.value_type())),
    }
}

/// The options in the order in which they came. None are all.
fn widened_options(current: &[i32], next: &[i32]) -> Result<Vec<i32>, String> {
    if next.is_empty() {
        return Ok(Vec::new());
    }
    if current.is_empty() {
        return Err(format!("it allows any option, not only {next:?}"));
    }
    match current.iter().find(|option| !next.contains(option)) {
        Some(lost) => Err(format!("it has the option {lost}, which would be lost")),
        None => Ok(current
            .iter()
            .chain(next.iter().filter(|option| !current.contains(option)))
            .copied()
            .collect()),
    }
}

fn check_range(current: NumberRange, next: NumberRange) -> Result<(), String> {
    let least = |range: NumberRange| range.minimum.unwrap_or(Decimal::MIN);
    let most = |range: NumberRange| range.maximum.unwrap_or(Decimal::MAX);
    let shown = |bound: Option<Decimal>| bound.map_or("none".to_owned(), |bound| bound.to_string());
    for (what, now, then, narrows) in [
        ("minimum", current.minimum, next.minimum, least(next) > least(current)),
        ("maximum", current.maximum, next.maximum, most(next) < most(current)),
    ] {
        if narrows {
            return Err(format!("its `{what}` is {}, and {} allows less", shown(now), shown(then)));
        }
    }
    Ok(())
}

fn differs<T: Debug>(what: &str, current: T, next: T) -> String {
    format!("its {what} is {current:?}, not {next:?}")
}
