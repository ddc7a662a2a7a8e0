//! The form of a scenario file. What needs the schema or a place of its own is kept as the text that it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::label::Id;
use crate::cli::requests::{Fault, Pairs, RawRequest};
use crate::model::{EntityDefinition, MessageDefinition, RelationshipDefinition, StepDefinition};

/// A scenario file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scenarios")]
pub(super) struct RawFile<'s> {
    /// What every case begins with.
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawGiven<'static>>")]
    pub(super) given: Option<&'s RawValue>,
    /// The cases.
    #[serde(borrow)]
    #[schemars(with = "Vec<RawCase<'static>>")]
    pub(super) cases: Vec<&'s RawValue>,
}

/// What a case begins with.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Given")]
pub(super) struct RawGiven<'s> {
    /// Entity definitions.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<EntityDefinition>")]
    pub(super) entities: Vec<&'s RawValue>,
    /// Relationships.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<RelationshipDefinition>")]
    pub(super) relationships: Vec<&'s RawValue>,
    /// Custom messages.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<MessageDefinition>")]
    pub(super) messages: Vec<&'s RawValue>,
    /// Plugins, registered with the steps that they declare.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<RawPlugin<'static>>")]
    pub(super) plugins: Vec<&'s RawValue>,
    /// Steps without a plugin, registered after those of the plugins.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<Step>")]
    pub(super) steps: Vec<&'s RawValue>,
    /// The records that the database has, by entity.
    #[serde(borrow, default)]
    #[schemars(with = "Option<BTreeMap<String, Records>>")]
    pub(super) records: Option<&'s RawValue>,
    /// The moment at which everything happens: 2030-01-01T00:00:00Z unless it says another.
    #[serde(borrow, default)]
    #[schemars(with = "Option<String>")]
    pub(super) now: Option<&'s RawValue>,
    /// Who asks where a request does not say.
    #[serde(default)]
    pub(super) user: Option<Id>,
}

/// One case.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Case")]
pub(super) struct RawCase<'s> {
    /// What the case shows.
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) name: &'s RawValue,
    #[serde(borrow, default)]
    pub(super) given: Option<&'s RawValue>,
    /// That the case cannot begin: a registration or a definition breaks a rule.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Fault>")]
    pub(super) refused: Option<&'s RawValue>,
    /// What is asked, in order.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<RawRequest<'static>>")]
    pub(super) requests: Vec<&'s RawValue>,
}

/// A plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plugin")]
pub(super) struct RawPlugin<'s> {
    /// A component, or the folder of a plugin crate, as seen from the file's folder.
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) path: &'s RawValue,
}

/// What a scripted step does.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Action")]
pub(super) enum RawAction<'s> {
    #[serde(borrow)]
    Set(Pairs<'s>),
    Unset(Vec<String>),
    #[serde(borrow)]
    Share(Pairs<'s>),
    #[serde(borrow)]
    Trace(&'s RawValue),
    #[serde(borrow)]
    Fail(&'s RawValue),
    #[serde(borrow)]
    Request(&'s RawValue),
    #[serde(borrow)]
    Try(&'s RawValue),
}

/// A refusal by a scripted step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fail")]
pub(super) struct RawFail<'s> {
    /// For the user, with facts of the context in braces.
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) message: &'s RawValue,
    /// The fault's code.
    #[serde(default)]
    pub(super) code: Option<i32>,
    /// How the work stands.
    #[serde(default)]
    pub(super) status: Option<crate::model::OperationStatus>,
}

/// What is expected of a request, for its form alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
#[allow(dead_code, reason = "read for the errors that reading it gives")]
pub(super) struct RawExpect<'s> {
    /// How it fails. Without this key, it succeeds.
    #[serde(default)]
    fault: Option<Fault>,
    /// Output parameters.
    #[serde(borrow, default)]
    output: Option<Pairs<'s>>,
    /// The synchronous steps that ran, those of nested requests too, in the order in which they began.
    #[serde(default)]
    ran: Option<Vec<String>>,
    /// The steps that a filter or a condition passed over.
    #[serde(default)]
    skipped: Option<Vec<String>>,
    /// __TRACE__
    #[serde(default)]
    trace: Option<Vec<String>>,
    /// The system jobs that it led to, oldest first.
    #[serde(borrow, default)]
    jobs: Option<Vec<RawJob<'s>>>,
    #[serde(borrow, default)]
    pub(super) records: Option<&'s RawValue>,
}

/// A system job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Job")]
#[allow(dead_code, reason = "read for the errors that reading it gives")]
struct RawJob<'s> {
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(default)]
    ran: Option<Vec<String>>,
    #[serde(default)]
    trace: Option<Vec<String>>,
    #[serde(borrow, default)]
    fault: Option<&'s RawValue>,
}
