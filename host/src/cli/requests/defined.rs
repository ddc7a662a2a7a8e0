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
    /// The list, the name and the text of each.
    texts: Vec<(&'static str, String, &'s str)>,
}

impl<'s> Defined<'s> {
    /// Reads the lists of a file.
    pub(in crate::cli) fn parse(
        source: &'s Source,
        entities: &[&'s RawValue],
        relationships: &[&'s RawValue],
        messages: &[&'s RawValue],
    ) -> Result<Self, Failure> {
        let definitions = Definitions {
            entities: each(entities, "entities", |raw, path| object(source, raw.get(), path))?,
            relationships: each(relationships, "relationships", |raw, path| object(source, raw.get(), path))?,
            messages: each(messages, "messages", |raw, path| object(source, raw.get(), path))?,
        };
        let mut texts = Vec::new();
        for (definition, raw) in definitions.entities.iter().zip(entities) {
            texts.push(("entities", definition.logical_name.clone(), raw.get()));
        }
        for (definition, raw) in definitions.relationships.iter().zip(relationships) {
            texts.push(("relationships", definition.name.clone(), raw.get()));
        }
        for (definition, raw) in definitions.messages.iter().zip(messages) {
            texts.push(("messages", definition.name.clone(), raw.get()));
        }
        Ok(Self { source, definitions, texts })
    }

    /// The failure for definitions that break a rule, at the definition, or the attribute of it, that the error speaks
    /// of.
    pub(in crate::cli) fn failure(&self, error: &Error) -> Failure {
        let names = |name: &str| error.message().contains(&format!("`{name}`"));
        let mut index = 0;
        let mut list = "";
        for (own, name, text) in &self.texts {
            index = if *own == list { index + 1 } else { 0 };
            list = own;
            // Those of a cycle are listed without quotes, beginning with the entity where it was found.
            if !names(name) && !error.message().contains(&format!(" {name} -> ")) {
                continue;
            }
            let path = format!("{list}[{index}]");
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
            return Failure::new(error.message()).at(place(self.source, text, &path));
        }
        Failure::new(error.message()).at(place(self.source, &self.source.text, ""))
    }
}
