//! What cases begin with: plugins, definitions and records, of the file and of the case itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::case::{Case, File};
use super::raw::{RawGiven, RawPlugin};
use crate::cli::described;
use crate::cli::failure::{Failure, Place};
use crate::cli::label::Id;
use crate::cli::requests::{Defined, Pairs, Reader, decode, each, object, place};
use crate::cli::sample;
use crate::cli::session::with_messages_of;
use crate::model::capability::Grants;
use crate::model::{DateTime, Definitions, Entity, Schema, registration};
use crate::wasm::Plugin;

/// A plugin as a file names it.
struct Named {
    path: PathBuf,
    grants: Option<(Grants, Place)>,
}

/// Grants a plugin of a case what the case says. Too much of it is the case's own matter if it is to be refused.
fn grant(case: &mut Case, plugin: &Plugin, grants: Grants, place: Place) -> Result<(), Failure> {
    let (name, declaration) = (plugin.name(), plugin.declaration());
    match registration::excess(name, declaration, &grants) {
        Some(excess) if case.refused.is_none() => {
            Err(Failure::new(format!("this grants {excess}")).at(place))
        }
        _ => {
            case.grants.push((name.to_owned(), grants));
            Ok(())
        }
    }
}

impl<'s> File<'s> {
    /// The paths of all plugins, as seen from the file's folder.
    pub(super) fn plugin_paths(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut plugins = self.plugins(&self.given, "given")?;
        for (index, (_, given)) in self.cases.iter().enumerate() {
            plugins.extend(self.plugins(given, &format!("cases[{index}].given"))?);
        }
        Ok(plugins.into_iter().map(|plugin| plugin.path).collect())
    }

    fn plugins(&self, given: &RawGiven<'s>, path: &str) -> Result<Vec<Named>, Failure> {
        each(&given.plugins, &format!("{path}.plugins"), |raw, path| {
            let plugin: RawPlugin<'s> = object(self.source, raw.get(), path)?;
            let grants = plugin.grants.map(|raw| self.grants(raw, &format!("{path}.grants"))).transpose()?;
            Ok(Named { path: self.find(plugin.path, "plugin", &format!("{path}.path"))?, grants })
        })
    }

    /// Grants, and where they stand.
    fn grants(&self, raw: &'s RawValue, path: &str) -> Result<(Grants, Place), Failure> {
        let grants: Grants = object(self.source, raw.get(), path).map_err(Failure::without_line)?;
        Ok((grants.seen_from(self.folder()), place(self.source, raw.get(), path)))
    }

    fn folder(&self) -> &Path {
        Path::new(&self.source.name).parent().unwrap_or_else(|| Path::new(""))
    }

    /// A file or folder that is there, seen from the scenario file's folder.
    fn find(&self, raw: &'s RawValue, what: &str, path: &str) -> Result<PathBuf, Failure> {
        let named: String = decode(self.source, raw.get(), path)?;
        let found = self.folder().join(&named);
        if found.exists() {
            return Ok(found);
        }
        let shown = found.display();
        let message =
            format!("there is no {what} at `{shown}`; paths are seen from the scenario file's folder");
        Err(Failure::new(message).at(place(self.source, raw.get(), path)))
    }

    /// Plugins of the file and then of the case, with the manifests beside them and those that are named.
    pub(super) fn plug_in(
        &self,
        case: &mut Case,
        parts: &[(&RawGiven<'s>, &str)],
        loaded: &BTreeMap<PathBuf, Plugin>,
    ) -> Result<(), Failure> {
        let (mut paths, mut named) = (Vec::new(), Vec::new());
        for (given, path) in parts {
            for plugin in self.plugins(given, path)? {
                if let Some(loaded) = loaded.get(&plugin.path) {
                    case.plugins.push(loaded.clone());
                    plugin.grants.map_or(Ok(()), |(grants, place)| grant(case, loaded, grants, place))?;
                }
                paths.push(plugin.path);
            }
            named.extend(each(&given.manifests, &format!("{path}.manifests"), |raw, path| {
                self.find(raw, "manifest", path)
            })?);
        }
        case.manifests = described::manifests(&paths, &named)?.of(&case.plugins)?;
        Ok(())
    }

    /// Definitions of the file and then of the case. One that breaks a rule is the case's own matter if it is to be
    /// refused.
    pub(super) fn define(&self, case: &mut Case, parts: &[(&RawGiven<'s>, &str)]) -> Result<Schema, Failure> {
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
        Ok(with_messages_of(&case.plugins, schema))
    }

    /// Records by entity: each by its identifier, or a list of some without.
    pub(super) fn records(
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

    pub(super) fn now(&self, raw: &'s RawValue, path: &str) -> Result<DateTime, Failure> {
        let text: String = decode(self.source, raw.get(), path)?;
        text.parse().map_err(|_| {
            let message = "expected a moment with an offset, such as \"2030-01-31T12:00:00Z\"";
            Failure::new(message).at(place(self.source, raw.get(), path))
        })
    }
}
