//! The form of a scenario file. What needs the schema or a place of its own is kept as the text that it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::label::Id;
use crate::cli::requests::{Fault, Pairs, RawRequest};
use crate::model::capability::Grants;
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
    /// Manifests (TOML) that change how steps are registered, as seen from the file's folder. The one beside a plugin
    /// counts before them.
    #[serde(borrow, default)]
    #[schemars(with = "Vec<String>")]
    pub(super) manifests: Vec<&'s RawValue>,
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
    /// What it begins with besides.
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawGiven<'static>>")]
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
    /// What it is granted: what an operator's manifest has in `[grants]`, with paths as seen from the file's folder.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Grants>")]
    pub(super) grants: Option<&'s RawValue>,
}

/// What a scripted step does.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Action")]
pub(super) enum RawAction<'s> {
    /// Sets attributes of the target.
    #[serde(borrow)]
    Set(Pairs<'s>),
    /// Takes attributes out of the target.
    Unset(Vec<String>),
    /// Changes input parameters, by the keys that a request has for them.
    #[serde(borrow)]
    Input(Pairs<'s>),
    /// Changes output parameters, or sets those of a custom message whose main operation the step is.
    #[serde(borrow)]
    Output(Pairs<'s>),
    /// Sets shared variables.
    #[serde(borrow)]
    Share(Pairs<'s>),
    /// Keeps a line, with facts of the context in braces.
    #[serde(borrow)]
    Trace(#[schemars(with = "String")] &'s RawValue),
    /// Refuses the message.
    #[serde(borrow)]
    Fail(#[schemars(with = "Failing")] &'s RawValue),
    /// Issues a request, whose failure is the step's.
    #[serde(borrow)]
    Request(#[schemars(with = "RawRequest<'static>")] &'s RawValue),
    /// Issues a request, and goes on if it fails.
    #[serde(borrow)]
    Try(#[schemars(with = "RawRequest<'static>")] &'s RawValue),
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
pub(in crate::cli) struct RawExpect<'s> {
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
    /// What those steps traced.
    #[serde(default)]
    trace: Option<Vec<String>>,
    /// The system jobs that it led to, oldest first.
    #[serde(default)]
    jobs: Option<Vec<RawJob>>,
    /// Records afterwards, by entity: by identifier, null for one that is not there; or the list of all.
    #[serde(borrow, default)]
    #[schemars(with = "Option<BTreeMap<String, Records>>")]
    pub(super) records: Option<&'s RawValue>,
}

/// A system job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Job")]
#[allow(dead_code, reason = "read for the errors that reading it gives")]
struct RawJob {
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    status: Option<String>,
    /// How often it was started.
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(default)]
    ran: Option<Vec<String>>,
    #[serde(default)]
    trace: Option<Vec<String>>,
    #[serde(default)]
    fault: Option<JobFault>,
}

/// Why a system job failed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read for the errors that reading it gives")]
struct JobFault {
    #[serde(default)]
    code: Option<i32>,
    /// A part of the message.
    #[serde(default)]
    message: Option<String>,
}

/// What is expected of a request.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
pub(in crate::cli) enum Expectation {
    /// "success" or "fault"
    Outcome(String),
    /// What it did.
    Facts(RawExpect<'static>),
}

/// A refusal: its message, or more of it.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
enum Failing {
    Message(String),
    Fault(RawFail<'static>),
}

/// Records of an entity.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
enum Records {
    /// By identifier, as a UUID or a label.
    Named(BTreeMap<String, Option<Pairs<'static>>>),
    /// In the order of their identifiers.
    All(Vec<Pairs<'static>>),
}

/// A step: the keys of a registration, and what it does.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
struct Step {
    /// The plugin that it counts as one of: `scenario` unless it says another.
    #[serde(default)]
    plugin: Option<String>,
    /// What it does, in order.
    #[serde(default, rename = "do")]
    actions: Vec<RawAction<'static>>,
    #[serde(flatten)]
    definition: StepDefinition,
}
