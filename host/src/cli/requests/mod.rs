//! Requests files: entity definitions and the requests to run, as JSON. docs/requests.md has the shape.
//!
//! A file is checked in two steps, both before anything is written: its form as soon as it is read, and the values once
//! the definitions that give them their types are known. Every error has its line, column and path.

mod defined;
mod expect;
mod forms;
mod parameter;
mod query;
mod raw;
mod record;
mod source;
mod typed;

#[cfg(test)]
mod tests;

use uuid::Uuid;

pub(super) use self::defined::Defined;
pub(super) use self::expect::{Expect, Fault, REFUSALS};
use self::raw::RawDocument;
pub(super) use self::raw::{Pairs, RawRequest};
pub(super) use self::source::{Source, decode, each, object, place};
pub(super) use self::typed::Reader;
use super::failure::Failure;
use crate::model::{Request, Schema};

/// A requests file whose form is right.
#[derive(Debug)]
pub(super) struct Document<'s> {
    source: &'s Source,
    /// The definitions; none if the file does not speak of any.
    pub(super) defined: Option<Defined<'s>>,
    requests: Option<Vec<(RawRequest<'s>, Expect)>>,
}

/// A request to run, with what its author expects of it.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) note: Option<String>,
    pub(super) expect: Expect,
    pub(super) request: Request,
}

impl<'s> Document<'s> {
    /// Reads a file's form: of its requests what needs no schema. The failure has its line, column and path.
    pub(super) fn parse(source: &'s Source) -> Result<Self, Failure> {
        let raw: RawDocument<'s> = object(source, &source.text, "")?;
        let lists = [&raw.entities, &raw.relationships, &raw.messages];
        let [entities, relationships, messages] = lists.map(|list| list.as_deref().unwrap_or_default());
        let defined = Defined::parse(source, "", entities, relationships, messages)?;
        let speaks = lists.iter().any(|list| list.is_some());
        let request = |raw: &'s serde_json::value::RawValue, path: &str| {
            let raw: RawRequest<'s> = object(source, raw.get(), path)?;
            let expect = raw.expect.map(|raw| decode(source, raw.get(), &format!("{path}.expect")));
            Ok((raw, expect.transpose()?.unwrap_or_default()))
        };
        let requests = raw.requests.map(|list| each(&list, "requests", request));
        Ok(Self { source, defined: speaks.then_some(defined), requests: requests.transpose()? })
    }

    /// The requests, their values typed by the schema; none if the file does not speak of requests. `user` asks where
    /// a request does not say who.
    pub(super) fn requests(&self, schema: &Schema, user: Uuid) -> Result<Option<Vec<Scripted>>, Failure> {
        let Some(requests) = &self.requests else { return Ok(None) };
        let reader = Reader { source: self.source, schema };
        let read = |(index, (raw, expect)): (usize, &(RawRequest<'s>, Expect))| {
            let request = reader.request(raw, Some(user), &format!("requests[{index}]"))?;
            Ok(Scripted { note: raw.note.clone(), expect: expect.clone(), request })
        };
        requests.iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }
}
