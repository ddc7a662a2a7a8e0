//! What every store checks of a query before it asks its database, so that none answers what another refuses.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, EntityDefinition, Filter, Operator, Query, Value, ValueType};

/// Conditions of a query at most, as on the platform. Databases limit the depth of an expression.
const CONDITIONS_MAX: usize = 500;
/// Values in all conditions of a query together: SQLite takes 32 766 parameters, PostgreSQL 65 535, and a reference
/// takes two.
const VALUES_MAX: usize = 10_000;
/// Groups of conditions inside one another at most.
const DEPTH_MAX: usize = 32;
/// Attributes to sort by at most.
const ORDERS_MAX: usize = 100;
/// Characters of a pattern at most: matching takes time with its length.
const PATTERN_LENGTH_MAX: usize = 1000;

/// An error if a query asks for what the definition does not have, compares what cannot be compared, or is larger
/// than any store takes.
pub(crate) fn query(definition: &EntityDefinition, query: &Query) -> Result<()> {
    definition.check_columns(&query.columns)?;
    if let Some(part) = &query.filter {
        let mut size = Size::default();
        filter(definition, part, 0, &mut size)?;
    }
    if query.orders.len() > ORDERS_MAX {
        return Err(refusal(
            definition,
            &format!("sorts by {} attributes; {ORDERS_MAX} is the most", query.orders.len()),
        ));
    }
    query.orders.iter().try_for_each(|order| definition.readable_type(&order.attribute).map(|_| ()))
}

#[derive(Default)]
struct Size {
    conditions: usize,
    values: usize,
}

fn filter(definition: &EntityDefinition, part: &Filter, depth: usize, size: &mut Size) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(refusal(definition, &format!("nests its conditions more than {DEPTH_MAX} deep")));
    }
    match part {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().try_for_each(|part| filter(definition, part, depth + 1, size))?;
        }
        Filter::Condition { link: _, attribute, operator, values } => {
            size.conditions += 1;
            size.values += values.len();
            condition(definition, attribute, *operator, values)?;
        }
    }
    if size.conditions > CONDITIONS_MAX {
        return Err(refusal(definition, &format!("has more than {CONDITIONS_MAX} conditions; split it")));
    }
    if size.values > VALUES_MAX {
        return Err(refusal(definition, &format!("compares with more than {VALUES_MAX} values; split it")));
    }
    Ok(())
}

fn condition(
    definition: &EntityDefinition,
    attribute: &str,
    operator: Operator,
    values: &[Value],
) -> Result<()> {
    let attribute_type = definition.readable_type(attribute)?;
    let wrong = |reason: String| {
        Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the condition `{attribute} {operator}` on `{}` {reason}", definition.logical_name),
        ))
    };
    let (count, wanted) = match operator {
        Operator::Null | Operator::NotNull => (values.is_empty(), "no value"),
        Operator::In | Operator::NotIn => (true, "any number of values"),
        _ => (values.len() == 1, "one value"),
    };
    if !count {
        return wrong(format!("takes {wanted}, not {}", values.len()));
    }
    if !applies(operator, attribute_type) {
        return wrong(format!("is not possible: `{attribute}` is a {attribute_type}"));
    }
    for value in values {
        let Some(value_type) = value.value_type() else {
            return wrong("compares with null; use the operators `null` and `not-null`".into());
        };
        if value_type != attribute_type && !names_record(attribute_type, value_type) {
            return wrong(format!("needs a value of type {attribute_type}, not {value_type} ({value})"));
        }
        if let Value::Double(number) = value
            && !number.is_finite()
        {
            return wrong(format!("needs a finite number, not {number}"));
        }
        if let Value::EntityReference(reference) = value
            && let Some(AttributeType::Lookup { targets }) =
                definition.attribute(attribute).map(|attribute| &attribute.attribute_type)
            && !targets.contains(&reference.entity)
        {
            return wrong(format!(
                "compares with a `{}`, but `{attribute}` can only point to {}",
                reference.entity,
                targets.join(", ")
            ));
        }
        if let (Operator::Like | Operator::NotLike | Operator::BeginsWith, Value::String(pattern)) =
            (operator, value)
            && pattern.chars().count() > PATTERN_LENGTH_MAX
        {
            return wrong(format!("has a pattern of more than {PATTERN_LENGTH_MAX} characters"));
        }
    }
    Ok(())
}

/// A lookup can be compared with an identifier alone: identifiers are unique across entities.
fn names_record(attribute_type: ValueType, value_type: ValueType) -> bool {
    attribute_type == ValueType::Lookup && value_type == ValueType::UniqueIdentifier
}

fn applies(operator: Operator, attribute_type: ValueType) -> bool {
    match operator {
        Operator::Like | Operator::NotLike | Operator::BeginsWith => attribute_type == ValueType::String,
        // What has no order that means anything.
        Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
            !matches!(attribute_type, ValueType::Boolean | ValueType::Choices | ValueType::Lookup)
        }
        _ => true,
    }
}

fn refusal(definition: &EntityDefinition, reason: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the query over `{}` {reason}", definition.logical_name))
}
