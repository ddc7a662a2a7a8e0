//! The rules that definitions keep, and what may follow what on live data: definitions only ever grow.

mod attribute;
mod entity;
mod key;
mod message;
mod relationship;
mod state;
#[cfg(test)]
mod tests;

use crate::model::definition::NAME_LENGTH_MAX;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Definitions, Schema};

impl Schema {
    /// The schema with `definitions` added, all or none of them: an error leaves `self` as it was.
    ///
    /// Defining the same again changes nothing. What is defined may gain attributes, keys, options, states and statuses,
    /// an owner, optional parameters and properties; lengths and ranges may be widened; a relationship's cascades may
    /// change. Nothing narrows, and what a definition leaves out stays. `InvalidDefinition` says which rule is broken.
    pub fn extended(&self, definitions: &Definitions) -> Result<Self> {
        let mut schema = Self { version: self.version + 1, ..self.clone() };
        // The pairs of a many-to-many relationship, as a listing has them, come with the relationship.
        let (pairs, entities): (Vec<_>, Vec<_>) =
            definitions.entities.iter().partition(|definition| definition.intersect);
        for definition in entities {
            let live = self.entities.contains_key(&definition.logical_name);
            entity::add(&mut schema, definition, live)?;
        }
        for definition in &definitions.relationships {
            relationship::add(&mut schema, definition)?;
        }
        for definition in &definitions.messages {
            message::add(&mut schema, definition)?;
        }
        // Now that everything is there which they may point to.
        for definition in &definitions.entities {
            entity::check_lookups(&schema, &definition.logical_name)?;
        }
        for definition in pairs {
            entity::check_pairs(&schema, definition)?;
        }
        for definition in &definitions.relationships {
            relationship::check(&schema, definition)?;
        }
        for definition in &definitions.messages {
            message::check_entities(&schema, definition)?;
        }
        Ok(schema)
    }
}

/// An error unless the name is one that every database takes.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "`{name}` cannot be the logical name of {what}: use up to {NAME_LENGTH_MAX} lower-case ASCII letters, digits \
         and `_`, beginning with a letter"
    )))
}

/// The first that is equal to one before it.
fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    items
        .iter()
        .enumerate()
        .find(|(index, item)| items.iter().take(*index).any(|earlier| earlier == *item))
        .map(|(_, item)| item)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidDefinition, message)
}
