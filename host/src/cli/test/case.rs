//! Cases: scenario files read, with their values typed, so that what is wrong in one is told before any runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::node::{Node, span};
use super::raw::{RawCase, RawExpect, RawFile, RawGiven};
use super::script::Scripted;
use crate::cli::failure::Failure;
use crate::cli::label::{Id, Labels};
use crate::cli::requests::{Fault, RawRequest, Reader, Source, decode, each, object};
use crate::model::capability::Grants;
use crate::model::registration::Manifest;
use crate::model::{DateTime, Definitions, Entity, Error, Request};
use crate::wasm::Plugin;

/// The moment of a case that does not say one: 2030-01-01T00:00:00Z.
const NOW: DateTime = DateTime(1_893_456_000_000);

/// A scenario file whose form is right.
pub(super) struct File<'s> {
    pub(super) source: &'s Arc<Source>,
    pub(super) given: RawGiven<'s>,
    pub(super) cases: Vec<(RawCase<'s>, RawGiven<'s>)>,
}

/// A case that is ready to run.
pub(super) struct Case {
    /// The file.
    pub(super) source: Arc<Source>,
    /// Its labels.
    pub(super) labels: Arc<Labels>,
    /// The name.
    pub(super) name: String,
    /// Where its name stands.
    pub(super) span: Range<usize>,
    /// What is defined before it begins, list by list.
    pub(super) definitions: Vec<Definitions>,
    /// The rule that its definitions break.
    pub(super) broken: Option<Error>,
    /// Its plugins, in the order of registration.
    pub(super) plugins: Vec<Plugin>,
    /// What it grants them itself, by their names; a manifest may say otherwise.
    pub(super) grants: Vec<(String, Grants)>,
    /// What changes their registration, in this order.
    pub(super) manifests: Vec<Manifest>,
    /// Its scripted steps, registered after those of the plugins.
    pub(super) steps: Vec<Scripted>,
    /// The records that it begins with.
    pub(super) records: Vec<Entity>,
    /// The moment at which all of it happens.
    pub(super) now: DateTime,
    /// That it cannot begin.
    pub(super) refused: Option<Node>,
    /// What is asked.
    pub(super) requests: Vec<Step>,
}

/// A request of a case.
pub(super) struct Step {
    /// For the reader.
    pub(super) note: Option<String>,
    /// The request.
    pub(super) request: Request,
    /// Its place.
    pub(super) node: Node,
    /// What is expected of it; without it, that it succeeds.
    pub(super) expect: Option<Node>,
}

impl<'s> File<'s> {
    /// Reads a file's form.
    pub(super) fn parse(source: &'s Arc<Source>) -> Result<Self, Failure> {
        let raw: RawFile<'s> = object(source, &source.text, "")?;
        let given = given(source, raw.given, "given")?;
        let cases = each(&raw.cases, "cases", |raw, path| {
            let case: RawCase<'s> = object(source, raw.get(), path)?;
            let own = self::given(source, case.given, &format!("{path}.given"))?;
            Ok((case, own))
        })?;
        Ok(Self { source, given, cases })
    }

    /// The cases, their values typed by the definitions.
    pub(super) fn cases(&self, plugins: &BTreeMap<PathBuf, Plugin>) -> Result<Vec<Case>, Failure> {
        let labels = Arc::new(Labels::of(&self.source.text));
        let case = |(index, (raw, given)): (usize, &(RawCase<'s>, RawGiven<'s>))| {
            self.case(raw, given, plugins, Arc::clone(&labels), &format!("cases[{index}]"))
        };
        self.cases.iter().enumerate().map(case).collect()
    }

    fn case(
        &self,
        raw: &RawCase<'s>,
        own: &RawGiven<'s>,
        loaded: &BTreeMap<PathBuf, Plugin>,
        labels: Arc<Labels>,
        path: &str,
    ) -> Result<Case, Failure> {
        let source = self.source;
        let name: String = decode(source, raw.name.get(), &format!("{path}.name"))?;
        let mut case = Case {
            source: Arc::clone(source),
            labels,
            name,
            span: span(source, raw.name),
            definitions: Vec::new(),
            broken: None,
            plugins: Vec::new(),
            grants: Vec::new(),
            manifests: Vec::new(),
            steps: Vec::new(),
            records: Vec::new(),
            now: NOW,
            refused: raw.refused.map(|raw| self.refused(raw, &format!("{path}.refused"))).transpose()?,
            requests: Vec::new(),
        };
        let own_path = format!("{path}.given");
        let parts = [(&self.given, "given"), (own, own_path.as_str())];
        self.plug_in(&mut case, &parts, loaded)?;
        let schema = self.define(&mut case, &parts)?;
        let reader = Reader { source, schema: &schema };
        let mut user = None;
        for (given, path) in parts {
            let steps =
                each(&given.steps, &format!("{path}.steps"), |raw, path| Scripted::read(&reader, raw, path));
            case.steps.extend(steps?);
            if let Some(raw) = given.records {
                case.records.extend(self.records(&reader, raw, &format!("{path}.records"))?);
            }
            if let Some(raw) = given.now {
                case.now = self.now(raw, &format!("{path}.now"))?;
            }
            user = given.user.map(|Id(user)| user).or(user);
        }
        if let (Some(_), Some(request)) = (raw.refused, raw.requests.first()) {
            let message = "a case that is to be refused runs no requests; remove them, or `refused`";
            return Err(reader.wrong(message, request, &format!("{path}.requests")));
        }
        case.requests = each(&raw.requests, &format!("{path}.requests"), |raw, path| {
            self.step(&reader, raw, user, path)
        })?;
        Ok(case)
    }

    fn step(
        &self,
        reader: &Reader<'s, '_>,
        raw: &'s RawValue,
        user: Option<Uuid>,
        path: &str,
    ) -> Result<Step, Failure> {
        let request: RawRequest<'s> = object(self.source, raw.get(), path)?;
        let expect = request.expect.map(|raw| self.expect(reader, raw, &format!("{path}.expect")));
        Ok(Step {
            note: request.note.clone(),
            request: reader.request(&request, user, path)?,
            node: Node::read(self.source, raw, path)?,
            expect: expect.transpose()?,
        })
    }

    /// Checks the form of an expectation, and which records it speaks of.
    fn expect(&self, reader: &Reader<'s, '_>, raw: &'s RawValue, path: &str) -> Result<Node, Failure> {
        match raw.get() {
            "\"success\"" | "\"fault\"" => {}
            text if text.starts_with('{') => {
                let form: RawExpect<'s> = object(self.source, text, path)?;
                let records =
                    form.records.map(|raw| Node::read(self.source, raw, &format!("{path}.records")));
                for (entity, node) in records.transpose()?.iter().flat_map(Node::members) {
                    let wrong = |message: &str| Failure::new(message).at(node.place(self.source));
                    reader.schema.entity(entity).map_err(|error| wrong(error.message()))?;
                    for (id, node) in node.members() {
                        Id::parse(id).ok_or_else(|| {
                            let message =
                                format!("`{id}` is no identifier; write a UUID, or a label such as `$acme`");
                            Failure::new(message).at(node.place(self.source))
                        })?;
                    }
                }
            }
            _ => {
                let message = "expected \"success\", \"fault\", or an object such as {\"ran\": [...]}";
                return Err(reader.wrong(message, raw, path));
            }
        }
        Node::read(self.source, raw, path)
    }

    fn refused(&self, raw: &'s RawValue, path: &str) -> Result<Node, Failure> {
        object::<Fault>(self.source, raw.get(), path)?;
        Node::read(self.source, raw, path)
    }
}

fn given<'s>(source: &Source, raw: Option<&'s RawValue>, path: &str) -> Result<RawGiven<'s>, Failure> {
    raw.map_or_else(|| Ok(RawGiven::default()), |raw| object(source, raw.get(), path))
}
