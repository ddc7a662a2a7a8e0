//! Requests files: entity definitions and the requests to run, as JSON. docs/requests.md has the shape.
//!
//! A file is checked in two steps, both before anything is written: its form as soon as it is read, and the values once
//! the definitions that give them their types are known. Every error has its line, column and path.

mod expect;
mod raw;
mod source;
mod typed;

use uuid::Uuid;

pub(super) use self::expect::{Expect, Fault, REFUSALS};
use self::raw::{RawDocument, RawEntity, RawName, RawRequest};
pub(super) use self::source::Source;
use self::source::{each, object, place};
use self::typed::Reader;
use super::failure::Failure;
use crate::model::{EntityDefinition, Error, Request, Schema};

/// A requests file whose form is right.
#[derive(Debug)]
pub(super) struct Document<'s> {
    source: &'s Source,
    /// The definitions; none if the file does not speak of entities.
    pub(super) entities: Option<Vec<EntityDefinition>>,
    /// The text of each definition.
    entity_texts: Vec<&'s str>,
    requests: Option<Vec<RawRequest<'s>>>,
}

/// A request to run, with what its author expects of it.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) note: Option<String>,
    pub(super) expect: Expect,
    pub(super) request: Request,
}

impl<'s> Document<'s> {
    /// Reads a file's form. The failure has its line, column and path.
    pub(super) fn parse(source: &'s Source) -> Result<Self, Failure> {
        let raw: RawDocument<'s> = object(source, &source.text, "")?;
        let entity_texts = raw.entities.iter().flatten().map(|raw| raw.get()).collect();
        let entities =
            raw.entities.map(|list| each(&list, "entities", |raw, path| object(source, raw, path)));
        let requests =
            raw.requests.map(|list| each(&list, "requests", |raw, path| object(source, raw, path)));
        Ok(Self { source, entities: entities.transpose()?, entity_texts, requests: requests.transpose()? })
    }

    /// The failure for definitions of this file that break a rule of `schema`, at the entity, or the attribute of it,
    /// that the error speaks of.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        let names = |name: &str| error.message().contains(&format!("`{name}`"));
        let definitions = self.entities.iter().flatten();
        let found = definitions.zip(&self.entity_texts).enumerate().find(|(_, (definition, _))| {
            // Those of a cycle are listed without quotes, beginning with the entity where it was found.
            let cycle = format!(" {} -> ", definition.logical_name);
            names(&definition.logical_name) || error.message().contains(&cycle)
        });
        let Some((index, (_, text))) = found else {
            return Failure::new(error.message()).at(place(self.source, &self.source.text, "entities"));
        };
        let path = format!("entities[{index}]");
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
        Failure::new(error.message()).at(place(self.source, text, &path))
    }

    /// The requests, their values typed by the schema; none if the file does not speak of requests. `user` asks where
    /// a request does not say who.
    pub(super) fn requests(&self, schema: &Schema, user: Uuid) -> Result<Option<Vec<Scripted>>, Failure> {
        let Some(requests) = &self.requests else { return Ok(None) };
        let reader = Reader { source: self.source, schema };
        let read = |(index, raw)| reader.request(raw, user, &format!("requests[{index}]"));
        requests.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }
}
