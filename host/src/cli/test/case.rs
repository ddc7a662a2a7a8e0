//! Cases: scenario files read, with their values typed, so that what is wrong in one is told before any runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::node::{Node, span};
use super::raw::{RawCase, RawExpect, RawFile, RawGiven, RawPlugin};
use super::script::Scripted;
use crate::cli::described;
use crate::cli::failure::Failure;
use crate::cli::label::{Id, Labels};
use crate::cli::requests::{Defined, Fault, Pairs, RawRequest, Reader, Source, decode, each, object, place};
use crate::cli::sample;
use crate::model::registration::Manifest;
use crate::model::{DateTime, Definitions, Entity, Error, Request, Schema};
use crate::wasm::Plugin;

/// The moment of a case that does not say one: 2030-01-01T00:00:00Z.
const NOW: DateTime = DateTime(1_893_456_000_000);

/// A scenario file whose form is right.
pub(super) struct File<'s> {
    source: &'s Arc<Source>,
    given: RawGiven<'s>,
    cases: Vec<(RawCase<'s>, RawGiven<'s>)>,
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

    /// The paths of all plugins, as seen from the file's folder.
    pub(super) fn plugin_paths(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut paths = self.paths(&self.given, "given")?;
        for (index, (_, given)) in self.cases.iter().enumerate() {
            paths.extend(self.paths(given, &format!("cases[{index}].given"))?);
        }
        Ok(paths)
    }

    fn paths(&self, given: &RawGiven<'s>, path: &str) -> Result<Vec<PathBuf>, Failure> {
        each(&given.plugins, &format!("{path}.plugins"), |raw, path| {
            let plugin: RawPlugin<'s> = object(self.source, raw.get(), path)?;
            self.find(plugin.path, "plugin", &format!("{path}.path"))
        })
    }

    /// A file or folder that is there, seen from the scenario file's folder.
    fn find(&self, raw: &'s RawValue, what: &str, path: &str) -> Result<PathBuf, Failure> {
        let named: String = decode(self.source, raw.get(), path)?;
        let folder = Path::new(&self.source.name).parent().unwrap_or_else(|| Path::new(""));
        let found = folder.join(&named);
        if found.exists() {
            return Ok(found);
        }
        let shown = found.display();
        let message =
            format!("there is no {what} at `{shown}`; paths are seen from the scenario file's folder");
        Err(Failure::new(message).at(place(self.source, raw.get(), path)))
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
        case.requests = each(&raw.requests, &format!("{path}.requests"), |raw, path| {
            self.step(&reader, raw, user, path)
        })?;
        Ok(case)
    }

    /// Plugins of the file and then of the case, with the manifests beside them and those that are named.
    fn plug_in(
        &self,
        case: &mut Case,
        parts: &[(&RawGiven<'s>, &str)],
        loaded: &BTreeMap<PathBuf, Plugin>,
    ) -> Result<(), Failure> {
        let (mut paths, mut named) = (Vec::new(), Vec::new());
        for (given, path) in parts {
            paths.extend(self.paths(given, path)?);
            named.extend(each(&given.manifests, &format!("{path}.manifests"), |raw, path| {
                self.find(raw, "manifest", path)
            })?);
        }
        case.plugins = paths.iter().filter_map(|path| loaded.get(path)).cloned().collect();
        case.manifests = described::manifests(&paths, &named)?.of(&case.plugins)?;
        Ok(())
    }

    /// Definitions of the file and then of the case. One that breaks a rule is the case's own matter if it is to be
    /// refused.
    fn define(&self, case: &mut Case, parts: &[(&RawGiven<'s>, &str)]) -> Result<Schema, Failure> {
        let mut schema = Schema::default();
        for (given, path) in parts {
            let RawGiven { entities, relationships, messages, .. } = given;
            let defined = Defined::parse(self.source, path, entities, relationships, messages)?;
            match schema.extended(&defined.definitions) {
                Ok(extended) => schema = extended,
                Err(error) if case.refused.is_some() => {
                    case.broken = Some(error);
                    return Ok(schema);
                }
                Err(error) => return Err(defined.failure(&error)),
            }
            case.definitions.push(defined.definitions);
        }
        if case.definitions.iter().all(Definitions::is_empty) {
            let declared = case.plugins.iter().map(Plugin::declaration);
            let made: Definitions = sample::definitions(declared, &[], &schema)?.into();
            schema = schema.extended(&made)?;
            case.definitions.push(made);
        }
        Ok(schema)
    }

    /// Records by entity: each by its identifier, or a list of some without.
    fn records(
        &self,
        reader: &Reader<'s, '_>,
        raw: &'s RawValue,
        path: &str,
    ) -> Result<Vec<Entity>, Failure> {
        let mut records = Vec::new();
        let Pairs(entities) = object(self.source, raw.get(), path)?;
        for (entity, raw) in entities {
            let path = format!("{path}.{entity}");
            let definition = reader.schema.entity(&entity);
            let definition = definition.map_err(|error| reader.wrong(error.message(), raw, &path))?;
            let read = |raw: &'s RawValue, path: &str| {
                let pairs = object(self.source, raw.get(), path)?;
                Ok(Entity {
                    attributes: reader.attributes(definition, &pairs, path)?,
                    ..Entity::new(&entity)
                })
            };
            if raw.get().starts_with('[') {
                let list: Vec<&'s RawValue> = decode(self.source, raw.get(), &path)?;
                records.extend(each(&list, &path, read)?);
                continue;
            }
            let Pairs(by_id) = object(self.source, raw.get(), &path)?;
            for (id, raw) in by_id {
                let path = format!("{path}.{id}");
                let Some(Id(id)) = Id::parse(&id) else {
                    let message =
                        format!("`{id}` is no identifier; write a UUID, or a label such as `$acme`");
                    return Err(reader.wrong(message, raw, &path));
                };
                records.push(read(raw, &path)?.with_id(id));
            }
        }
        Ok(records)
    }

    fn now(&self, raw: &'s RawValue, path: &str) -> Result<DateTime, Failure> {
        let text: String = decode(self.source, raw.get(), path)?;
        text.parse().map_err(|_| {
            let message = "expected a moment with an offset, such as \"2030-01-31T12:00:00Z\"";
            Failure::new(message).at(place(self.source, raw.get(), path))
        })
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
