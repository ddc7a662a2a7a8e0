//! The definitions of a file, with their places for errors.

use serde_json::value::RawValue;

use super::raw::{RawEntity, RawName};
use super::source::{Source, each, object, place};
use crate::cli::failure::Failure;
use crate::model::{Definitions, Error};

/// What a file defines, whose form is right.
#[derive(Debug)]
pub(in crate::cli) struct Defined<'s> {
    source: &'s Source,
    /// The definitions.
    pub(in crate::cli) definitions: Definitions,
    /// The path, the name and the text of each.
    texts: Vec<(String, String, &'s str)>,
}

impl<'s> Defined<'s> {
    /// Reads the lists of the object at `path`.
    pub(in crate::cli) fn parse(
        source: &'s Source,
        path: &str,
        entities: &[&'s RawValue],
        relationships: &[&'s RawValue],
        messages: &[&'s RawValue],
    ) -> Result<Self, Failure> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let lists = ["entities", "relationships", "messages"].map(|name| format!("{prefix}{name}"));
        let [of_entities, of_relationships, of_messages] = &lists;
        let definitions = Definitions {
            entities: each(entities, of_entities, |raw, path| object(source, raw.get(), path))?,
            relationships: each(relationships, of_relationships, |raw, path| {
                object(source, raw.get(), path)
            })?,
            messages: each(messages, of_messages, |raw, path| object(source, raw.get(), path))?,
        };
        let mut texts = Vec::new();
        for ((index, definition), raw) in definitions.entities.iter().enumerate().zip(entities) {
            texts.push((format!("{of_entities}[{index}]"), definition.logical_name.clone(), raw.get()));
        }
        for ((index, definition), raw) in definitions.relationships.iter().enumerate().zip(relationships) {
            texts.push((format!("{of_relationships}[{index}]"), definition.name.clone(), raw.get()));
        }
        for ((index, definition), raw) in definitions.messages.iter().enumerate().zip(messages) {
            texts.push((format!("{of_messages}[{index}]"), definition.name.clone(), raw.get()));
        }
        Ok(Self { source, definitions, texts })
    }

    /// The failure for definitions that break a rule, at the definition, or the attribute of it, that the error speaks
    /// of.
    pub(in crate::cli) fn failure(&self, error: &Error) -> Failure {
        let names = |name: &str| error.message().contains(&format!("`{name}`"));
        for (path, name, text) in &self.texts {
            // Those of a cycle are listed without quotes, beginning with the entity where it was found.
            if !names(name) && !error.message().contains(&format!(" {name} -> ")) {
                continue;
            }
            let attributes = serde_json::from_str::<RawEntity<'_>>(text).map(|raw| raw.attributes);
            for (index, attribute) in attributes.unwrap_or_default().iter().enumerate() {
                let is_meant = serde_json::from_str::<RawName<'_>>(attribute.get()).is_ok_and(|raw| {
                    serde_json::from_str::<String>(raw.name.get()).is_ok_and(|name| names(&name))
                });
                if is_meant {
                    let path = format!("{path}.attributes[{index}]");
                    return Failure::new(error.message()).at(place(self.source, attribute.get(), &path));
                }
            }
            return Failure::new(error.message()).at(place(self.source, text, path));
        }
        Failure::new(error.message()).at(place(self.source, &self.source.text, ""))
    }
}
