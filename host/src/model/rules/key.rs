//! Alternate keys: what they may be made of.

use std::collections::BTreeSet;

use crate::model::error::Result;
use crate::model::{AttributeType, EntityDefinition, KeyDefinition};

use super::{check_name, invalid, repeated};

/// Keys of an entity at most, as on the platform.
const KEYS_MAX: usize = 10;
/// Attributes of a key at most, as on the platform.
const ATTRIBUTES_MAX: usize = 16;
/// Bytes of a key's values at most, as on the platform, with two bytes for a character.
const BYTES_MAX: u64 = 900;

/// An error if a key of the definition breaks a rule.
pub(super) fn check(definition: &EntityDefinition) -> Result<()> {
    if definition.keys.len() > KEYS_MAX {
        return Err(invalid(format!(
            "the entity `{}` has {} keys; {KEYS_MAX} is the most",
            definition.logical_name,
            definition.keys.len()
        )));
    }
    for (index, key) in definition.keys.iter().enumerate() {
        check_name("a key", &key.name)?;
        let others = definition.keys.iter().take(index);
        if let Some(problem) = problem(definition, key, others) {
            return Err(invalid(format!("the key {key} of `{}` {problem}", definition.logical_name)));
        }
    }
    Ok(())
}

/// Adds the keys that are new.
pub(super) fn merge(definition: &mut EntityDefinition, next: &[KeyDefinition]) -> Result<()> {
    for key in next {
        match definition.keys.iter().find(|existing| existing.name == key.name) {
            None => definition.keys.push(key.clone()),
            Some(existing) if existing == key => {}
            Some(existing) => {
                return Err(invalid(format!(
                    "the key {existing} of `{}` is defined already and cannot become ({}); define one of another name",
                    definition.logical_name,
                    key.attributes.join(", ")
                )));
            }
        }
    }
    Ok(())
}

fn problem<'a>(
    definition: &EntityDefinition,
    key: &KeyDefinition,
    mut others: impl Iterator<Item = &'a KeyDefinition>,
) -> Option<String> {
    let set = |key: &KeyDefinition| key.attributes.iter().cloned().collect::<BTreeSet<_>>();
    if key.attributes.is_empty() {
        return Some("has no attributes; name at least one".into());
    }
    if key.attributes.len() > ATTRIBUTES_MAX {
        return Some(format!("has {} attributes; {ATTRIBUTES_MAX} is the most", key.attributes.len()));
    }
    if let Some(name) = repeated(&key.attributes) {
        return Some(format!("has `{name}` twice; remove one"));
    }
    if let Some(other) = others.find(|other| other.name == key.name || set(other) == set(key)) {
        return Some(format!("is there already, as {other}; remove one"));
    }
    let mut bytes = 0;
    for name in &key.attributes {
        let Some(attribute) = definition.attribute(name) else {
            return Some(format!(
                "has `{name}`, which is not an attribute of the entity's own; define it too"
            ));
        };
        let Some(size) = size(&attribute.attribute_type) else {
            return Some(format!(
                "has `{name}`, a {}; a key is made of choices, date-times, decimals, integers, lookups and strings",
                attribute.attribute_type.value_type()
            ));
        };
        bytes += size;
    }
    (bytes > BYTES_MAX).then(|| {
        format!("would take {bytes} bytes; {BYTES_MAX} is the most, and a string takes 2 for a character of its max_length")
    })
}

/// Bytes that a value takes in a key at most; none for a type that no key has.
fn size(attribute_type: &AttributeType) -> Option<u64> {
    Some(match attribute_type {
        AttributeType::Integer | AttributeType::Choice { .. } => 4,
        AttributeType::BigInteger | AttributeType::Decimal { .. } | AttributeType::DateTime => 8,
        AttributeType::Lookup { .. } => 16,
        AttributeType::String { max_length } => 2 * u64::from(*max_length),
        AttributeType::Boolean
        | AttributeType::Double
        | AttributeType::Money { .. }
        | AttributeType::UniqueIdentifier
        | AttributeType::Choices { .. } => return None,
    })
}
