//! Decimals and money with as many digits after the point as their definitions have: what a request wrote as `8` and the
//! database keeps as `8.00` is one amount, and a report should not show it as a change of form.

use crate::model::trace::{Change, Event, StepRun};
use crate::model::{AttributeType, EntityDefinition, Schema, Trace, Value};

/// Writes the changes in a trace, and in those of nested requests, as their definitions have them.
pub(in crate::cli) fn trace(trace: &mut Trace, schema: &Schema) {
    let definition = trace.entity.as_deref().and_then(|name| schema.entities.get(name)).map(AsRef::as_ref);
    for event in &mut trace.events {
        match event {
            Event::Step(step) => run(step, definition, schema),
            Event::Operation(run) => changes(&mut run.changes, definition),
            _ => {}
        }
    }
}

/// The same of a run of a step on a message of that entity.
pub(in crate::cli) fn run(run: &mut StepRun, definition: Option<&EntityDefinition>, schema: &Schema) {
    changes(&mut run.changes, definition);
    run.requests.iter_mut().for_each(|request| trace(request, schema));
}

fn changes(changes: &mut [Change], definition: Option<&EntityDefinition>) {
    for change in changes {
        let attribute = definition.and_then(|definition| definition.attribute(&change.attribute));
        let (AttributeType::Decimal { precision } | AttributeType::Money { precision }) =
            (match attribute.map(|attribute| &attribute.attribute_type) {
                Some(attribute_type) => attribute_type,
                None => continue,
            })
        else {
            continue;
        };
        for value in [&mut change.old, &mut change.new].into_iter().flatten() {
            if let Value::Decimal(number) | Value::Money(number) = value
                && number.scale() < u32::from(*precision)
            {
                // Only ever adds zeros.
                number.rescale(u32::from(*precision));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn both_sides_of_a_change_have_the_digits_of_the_definition() {
        let definition =
            EntityDefinition::new("account").with("total", AttributeType::Money { precision: 2 });
        let change = |attribute: &str| Change {
            attribute: attribute.into(),
            old: Some(Value::Money(Decimal::new(1000, 2))),
            new: Some(Value::Money(Decimal::from(8))),
        };
        let mut list = [change("total"), change("shared variable x")];
        changes(&mut list, Some(&definition));
        let shown = list.map(|change| [change.old, change.new].map(|value| value.unwrap().to_string()));
        assert_eq!(shown, [["10.00", "8.00"], ["10.00", "8"]]);
    }
}
