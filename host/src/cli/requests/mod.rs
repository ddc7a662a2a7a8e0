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
use self::raw::{RawDocument, RawRequest};
pub(super) use self::source::Source;
use self::source::{each, object};
use self::typed::Reader;
use super::failure::Failure;
use crate::model::{EntityDefinition, Error, Request, Schema};

/// A requests file whose form is right.
#[derive(Debug)]
pub(super) struct Document<'s> {
    source: &'s Source,
    /// The definitions; none if the file does not speak of entities.
    pub(super) entities: Option<Vec<EntityDefinition>>,
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
        let entities =
            raw.entities.map(|list| each(&list, "entities", |raw, path| object(source, raw, path)));
        let requests =
            raw.requests.map(|list| each(&list, "requests", |raw, path| object(source, raw, path)));
        Ok(Self { source, entities: entities.transpose()?, requests: requests.transpose()? })
    }

    /// The failure for definitions of this file that break a rule.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        Failure::new(format!("{}: {}", self.source.name, error.message()))
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
