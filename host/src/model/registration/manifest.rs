//! Manifests: how the steps of a plugin are to be registered where that is not as it declares them. TOML, beside the
//! plugin or from the operator; docs/registration.md has the format.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value as Json;
use toml::Spanned;
use uuid::Uuid;

use super::Secret;
use crate::model::capability::Grants;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::JobPolicyOverride;
use crate::model::{Condition, Image, Mode, Quota, StepDefinition};

/// What one manifest says of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What errors and plans call it: the file as the user named it.
    pub source: String,
    /// The plugin's name; none for the only plugin that there is.
    pub plugin: Option<String>,
    /// Whether the plugin's steps run, of those that the manifest does not speak of by themselves.
    pub enabled: Option<bool>,
    /// What the plugin may use on a host, all of its steps together.
    pub quota: Option<Quota>,
    /// What it says of single steps.
    pub steps: Vec<StepOverride>,
    /// What it grants the plugin, on the host that reads it: no part of a registration.
    pub grants: Option<Grants>,
}

/// What a manifest says of one step. What is none stays as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepOverride {
    /// The step's name in the plugin.
    pub name: String,
    /// Where the manifest speaks of it, from 1; 0 for one that is no text.
    #[serde(skip)]
    pub line: usize,
    /// See [`StepDefinition::mode`].
    pub mode: Option<Mode>,
    /// See [`StepDefinition::rank`].
    pub rank: Option<i32>,
    /// See [`StepDefinition::filtering_attributes`].
    pub filtering_attributes: Option<Vec<String>>,
    /// See [`StepDefinition::changed_only`].
    pub changed_only: Option<bool>,
    /// See [`StepDefinition::when`].
    #[serde(default, deserialize_with = "condition")]
    pub when: Option<Condition>,
    /// See [`StepDefinition::images`].
    pub images: Option<Vec<Image>>,
    /// See [`StepDefinition::configuration`].
    pub configuration: Option<String>,
    /// The secure configuration; an empty one takes away what there was.
    pub secure_configuration: Option<Secret>,
    /// See [`StepDefinition::run_as`].
    pub run_as: Option<Uuid>,
    /// See [`StepDefinition::enabled`].
    pub enabled: Option<bool>,
    /// See [`StepDefinition::bypassable`].
    pub bypassable: Option<bool>,
    /// See [`StepDefinition::description`].
    pub description: Option<String>,
    /// See [`StepDefinition::jobs`].
    #[serde(default)]
    pub jobs: JobPolicyOverride,
}

/// Why a text is no manifest, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// The manifest's source.
    pub source: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line's text; empty if the manifest holds a secret, which must not be shown.
    pub text: String,
    /// What is wrong.
    pub message: String,
}

impl Manifest {
    /// Reads the text of a manifest. `source` is what errors and plans are to call it.
    pub fn parse(source: impl Into<String>, text: &str) -> Result<Self, ParseError> {
        let source = source.into();
        let raw: RawManifest = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ParseError::new(&source, text, offset, error.message())
        })?;
        let mut steps: Vec<StepOverride> = Vec::with_capacity(raw.step.len());
        for step in raw.step {
            let offset = step.span().start;
            let line = place(text, offset).0;
            let step = StepOverride { line, ..step.into_inner() };
            if let Some(earlier) = steps.iter().find(|earlier| earlier.name == step.name) {
                let problem =
                    format!("the step `{}` is in line {} already; join them", step.name, earlier.line);
                return Err(ParseError::new(&source, text, offset, &problem));
            }
            steps.push(step);
        }
        let grants = raw.grants.map(|grants| {
            let line = place(text, grants.span().start).0;
            Grants { line, ..grants.into_inner() }
        });
        Ok(Self { source, plugin: raw.plugin, enabled: raw.enabled, quota: raw.quota, steps, grants })
    }

    /// The manifest as the one that lies beside the plugin of that name. Fails with
    /// [`ErrorKind::InvalidRegistration`] if it is about another one, or has a secure configuration, a quota or grants: those are
    /// the operator's, and the plugin's folder is the author's.
    pub fn beside(mut self, plugin: &str) -> Result<Self> {
        if let Some(named) = self.plugin.as_ref().filter(|named| *named != plugin) {
            return Err(self.refused(0, &format!("is about the plugin `{named}` and lies beside `{plugin}`")));
        }
        if let Some(step) = self.steps.iter().find(|step| step.secure_configuration.is_some()) {
            let problem = format!(
                "has a secure configuration of `{}`, which only an operator sets; move it to a manifest of the \
                 operator's, named with `--manifest`",
                step.name
            );
            return Err(self.refused(step.line, &problem));
        }
        if self.quota.is_some() {
            let problem = "has a quota, which only an operator sets; move it to a manifest of the operator's, named with \
                           `--manifest`";
            return Err(self.refused(0, problem));
        }
        if let Some(grants) = &self.grants {
            let problem = "has grants, which only an operator gives; move them to a manifest of the operator's, named with \
                           `--manifest`";
            return Err(self.refused(grants.line, problem));
        }
        self.plugin = Some(plugin.to_owned());
        Ok(self)
    }

    pub(super) fn refused(&self, line: usize, problem: &str) -> Error {
        let line = if line == 0 { String::new() } else { format!(":{line}") };
        let message = format!("{}{line}: the manifest {problem}", self.source);
        Error::new(ErrorKind::InvalidRegistration, message)
    }
}

impl StepOverride {
    /// An override of the step of that name that changes nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Writes what it says into `definition`. The secure configuration is no part of that.
    pub(super) fn apply(&self, definition: &mut StepDefinition) {
        let Self {
            name: _,
            line: _,
            mode,
            rank,
            filtering_attributes,
            changed_only,
            when,
            images,
            configuration,
            secure_configuration: _,
            run_as,
            enabled,
            bypassable,
            description,
            jobs,
        } = self.clone();
        set(&mut definition.mode, mode);
        set(&mut definition.rank, rank);
        set(&mut definition.filtering_attributes, filtering_attributes);
        set(&mut definition.changed_only, changed_only);
        set(&mut definition.when, when.map(Some));
        set(&mut definition.images, images);
        set(&mut definition.configuration, configuration.map(Some));
        set(&mut definition.run_as, run_as.map(Some));
        set(&mut definition.enabled, enabled);
        set(&mut definition.bypassable, bypassable);
        set(&mut definition.description, description.map(Some));
        jobs.apply(&mut definition.jobs);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    plugin: Option<String>,
    enabled: Option<bool>,
    quota: Option<Quota>,
    #[serde(default)]
    step: Vec<Spanned<StepOverride>>,
    grants: Option<Spanned<Grants>>,
}

fn condition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Condition>, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    serde_json::from_value(json(value)).map(Some).map_err(de::Error::custom)
}

/// A value of TOML as JSON, which has no moments of its own: they are texts there.
fn json(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

impl ParseError {
    fn new(source: &str, text: &str, offset: usize, message: &str) -> Self {
        let (line, column, shown) = place(text, offset);
        // A secret may go over several lines, and a slip of the pen may put it anywhere.
        let is_secret = text.contains("secure_configuration") || text.contains("secret");
        let shown = if is_secret { "" } else { shown };
        Self { source: source.into(), line, column, text: shown.into(), message: message.into() }
    }
}

/// The line and column of a byte, both from 1, and the line's text.
fn place(text: &str, offset: usize) -> (usize, usize, &str) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column, line)
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, line, column, message, .. } = self;
        write!(f, "{source}:{line}:{column}: {message}")
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::new(ErrorKind::InvalidRegistration, error.to_string()).with_source(error)
    }
}
