//! Registration as data: which steps run and how, from what plugins declare, what manifests change and what a database
//! keeps.
//!
//! One rule. *Described* is what a plugin declares, changed by the manifest beside it, changed by the operator's
//! manifests in their order ([`describe`]). A database without a registration of the plugin runs what is described. Once
//! one is stored, a host on that database runs what is stored, and what is described can only differ from it
//! ([`resolve`], [`diff`]).

mod diff;
mod grants;
mod lint;
mod manifest;
mod merge;
mod words;

use std::fmt;

use serde::de::Unexpected;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value as Json;

use crate::model::StepDefinition;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;

pub use diff::{Diff, FieldChange, SecretChange, StepDiff, Update, diff};
#[cfg(feature = "cli")]
pub(crate) use grants::excess;
pub use grants::granted;
pub use lint::{Lint, Rule, lints};
pub use manifest::{Manifest, ParseError, StepOverride};
pub use merge::describe;

/// How a step of a plugin is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRegistration {
    /// The plugin's name.
    pub plugin: String,
    /// What is registered, under the step's name in the plugin.
    pub definition: StepDefinition,
    /// The configuration that only an operator sets and that never reaches a log.
    pub secure_configuration: Option<Secret>,
}

impl StepRegistration {
    /// The plugin and the step.
    #[must_use]
    pub fn key(&self) -> StepKey {
        StepKey { plugin: self.plugin.clone(), step: self.definition.name.clone() }
    }
}

/// A registration and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The registration.
    pub registration: StepRegistration,
    /// What the plugin declares.
    pub declared: StepDefinition,
    /// What is not as it is declared.
    pub overrides: Vec<Override>,
}

/// A value of a registration that is not the declared one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The name of the field in [`StepDefinition`].
    pub field: &'static str,
    /// What the plugin declares; null for none.
    pub declared: Json,
    /// What is registered; null for none.
    pub value: Json,
    /// Who says so.
    pub origin: Origin,
}

/// Who says how a step is registered, where it is not the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A manifest, by its source.
    Manifest(String),
    /// The registration in the database.
    Database,
}

/// Text that never reaches a log: `Debug` does not show it, and nothing serializes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Keep it out of errors, traces and logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty text, with which a manifest takes a secret away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A string is asked for in two steps, since the usual error would quote whatever else is there.
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            other => Err(de::Error::invalid_type(Unexpected::Other(other.type_str()), &"a string")),
        }
    }
}

/// What a host runs.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The steps of plugins with a stored registration, in its order.
    pub stored: Vec<Explained>,
    /// The steps of the other plugins, in the order of registration.
    pub described: Vec<Explained>,
    /// What would become of the stored registrations if what is described were applied.
    pub drift: Diff,
}

/// What a host runs of what is described and what is stored. Fails with [`ErrorKind::InvalidRegistration`] if a stored
/// step is to run and its plugin no longer has it.
pub fn resolve(described: Vec<Explained>, stored: &[StepRegistration]) -> Result<Resolved> {
    let (differing, described): (Vec<Explained>, Vec<Explained>) =
        described.into_iter().partition(|step| is_stored(stored, step));
    let mut resolved = Resolved { drift: diff(&differing, stored), stored: Vec::new(), described };
    for registration in stored {
        let mut of_plugin = differing.iter().filter(|step| step.registration.plugin == registration.plugin);
        if of_plugin.clone().next().is_none() {
            continue; // The plugin is not loaded.
        }
        match of_plugin.find(|step| step.declared.name == registration.definition.name) {
            Some(step) => resolved.stored.push(explained(registration, &step.declared)),
            None if registration.definition.enabled => return Err(gone(registration)),
            None => {}
        }
    }
    Ok(resolved)
}

/// How what is described differs from what is stored, as [`resolve`] says it, also where that fails.
#[must_use]
pub fn drift(described: Vec<Explained>, stored: &[StepRegistration]) -> Diff {
    let differing: Vec<Explained> = described.into_iter().filter(|step| is_stored(stored, step)).collect();
    diff(&differing, stored)
}

fn is_stored(stored: &[StepRegistration], step: &Explained) -> bool {
    stored.iter().any(|stored| stored.plugin == step.registration.plugin)
}

fn explained(stored: &StepRegistration, declared: &StepDefinition) -> Explained {
    let changes = diff::field_changes(declared, &stored.definition).into_iter();
    let overrides = changes.map(|FieldChange { field, from, to }| Override {
        field,
        declared: from,
        value: to,
        origin: Origin::Database,
    });
    Explained { registration: stored.clone(), declared: declared.clone(), overrides: overrides.collect() }
}

fn gone(registration: &StepRegistration) -> Error {
    let StepRegistration { plugin, definition, .. } = registration;
    Error::new(
        ErrorKind::InvalidRegistration,
        format!(
            "the step `{}` of plugin `{plugin}` is registered in the database, and the plugin no longer has it; run \
             `stagegate apply` to disable it, with `--prune` to remove it, or load the plugin that has it",
            definition.name
        ),
    )
}
