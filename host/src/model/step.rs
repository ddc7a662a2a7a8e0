//! Steps: where plugins join the pipeline.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::capability::Asks;
use crate::model::definition::{OWNER_ID, STATE_CODE, STATUS_CODE};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, Condition, EntityDefinition, JobPolicy, MessageDefinition};

/// A moment of a message's pipeline, with the platform's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum Stage {
    /// 10: before the transaction of an initial request, inside the caller's for a nested one.
    PreValidation,
    /// 20: inside the transaction, before the core operation.
    PreOperation,
    /// 30: the core operation.
    MainOperation,
    /// 40: inside the transaction, after the core operation.
    PostOperation,
}

impl Stage {
    /// The stages in the order in which they run.
    pub const ALL: [Self; 4] =
        [Self::PreValidation, Self::PreOperation, Self::MainOperation, Self::PostOperation];

    /// The platform's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::PreValidation => 10,
            Self::PreOperation => 20,
            Self::MainOperation => 30,
            Self::PostOperation => 40,
        }
    }

    /// The platform's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreValidation => "PreValidation",
            Self::PreOperation => "PreOperation",
            Self::MainOperation => "MainOperation",
            Self::PostOperation => "PostOperation",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When a step runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum Mode {
    /// At its stage, with the caller waiting.
    #[default]
    Synchronous,
    /// Later, by the asynchronous service.
    Asynchronous,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synchronous => "synchronous",
            Self::Asynchronous => "asynchronous",
        })
    }
}

/// Which side of the core operation an image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum ImageType {
    /// The record before the core operation.
    PreImage,
    /// The record after it.
    PostImage,
    /// Both, under the same alias.
    Both,
}

impl ImageType {
    /// Whether the image has a side before the core operation.
    #[must_use]
    pub fn is_pre(self) -> bool {
        matches!(self, Self::PreImage | Self::Both)
    }

    /// Whether the image has a side after the core operation.
    #[must_use]
    pub fn is_post(self) -> bool {
        matches!(self, Self::PostImage | Self::Both)
    }
}

/// A snapshot of the record that the host takes for a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The key under which the step finds it.
    pub alias: String,
    /// Which side.
    #[serde(rename = "type")]
    pub image_type: ImageType,
    /// The attributes to read; empty reads all.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// The parameter of the message that names the record, where it is not the message's own, as in `EntityMoniker` of
    /// SetState.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_property: Option<String>,
    /// On Delete: the children by this relationship, as they were before the cascade, instead of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
}

/// `pre-image before(name, creditlimit)`.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.image_type {
            ImageType::PreImage => "pre",
            ImageType::PostImage => "post",
            ImageType::Both => "pre+post",
        };
        write!(f, "{side}-image {}(", self.alias)?;
        if let Some(relationship) = &self.relationship {
            write!(f, "{relationship}: ")?;
        }
        if self.attributes.is_empty() {
            f.write_str("all)")
        } else {
            write!(f, "{})", self.attributes.join(", "))
        }
    }
}

/// The rank of a step that does not say one, as on the platform.
pub const RANK_DEFAULT: i32 = 1;

/// A registered step: which part of a plugin runs when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// Unique in its plugin.
    pub name: String,
    /// The message's name.
    pub message: String,
    /// The entity; none for every entity.
    #[serde(default)]
    pub entity: Option<String>,
    /// The stage. MainOperation is for the one step that a custom message's main operation is.
    pub stage: Stage,
    /// Asynchronous only in PostOperation.
    #[serde(default)]
    pub mode: Mode,
    /// The execution order within the stage, ascending; equal ranks run in the order of registration.
    #[serde(default = "rank_default")]
    pub rank: i32,
    /// For Update: run only if the target carries one of these. Empty: always.
    #[serde(default)]
    pub filtering_attributes: Vec<String>,
    /// The images to take.
    #[serde(default)]
    pub images: Vec<Image>,
    /// The unsecure configuration.
    #[serde(default)]
    pub configuration: Option<String>,
    /// For people: what the step is for.
    #[serde(default)]
    pub description: Option<String>,
    /// For Update: run only if one of the filtering attributes, or of all where there are none, has another value than
    /// before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed_only: bool,
    /// Run only if the record, with what the target changes in it, meets the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// The user that the step acts as (its impersonating user); the calling user if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub run_as: Option<Uuid>,
    /// A step that is disabled does not run.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
    /// Whether a request may pass it over: see [`parameter::BYPASS_BUSINESS_LOGIC`](crate::model::request::parameter).
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub bypassable: bool,
    /// How the jobs of an asynchronous step are run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jobs: JobPolicy,
}

fn is_default(policy: &JobPolicy) -> bool {
    *policy == JobPolicy::default()
}

fn yes() -> bool {
    true
}

fn rank_default() -> i32 {
    RANK_DEFAULT
}

impl StepDefinition {
    /// A synchronous step with the default rank, for every entity, without filter and images.
    pub fn new(name: impl Into<String>, message: impl Into<String>, stage: Stage) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            entity: None,
            stage,
            mode: Mode::Synchronous,
            rank: RANK_DEFAULT,
            filtering_attributes: Vec::new(),
            images: Vec::new(),
            configuration: None,
            description: None,
            changed_only: false,
            when: None,
            run_as: None,
            enabled: true,
            bypassable: true,
            jobs: JobPolicy::default(),
        }
    }

    /// Restricts the step to one entity.
    #[must_use]
    pub fn on(mut self, entity: impl Into<String>) -> Self {
        self.entity = Some(entity.into());
        self
    }

    /// Sets the execution order within the stage.
    #[must_use]
    pub fn rank(mut self, rank: i32) -> Self {
        self.rank = rank;
        self
    }

    /// Makes the step asynchronous.
    #[must_use]
    pub fn asynchronous(mut self) -> Self {
        self.mode = Mode::Asynchronous;
        self
    }

    /// Sets the filtering attributes.
    #[must_use]
    pub fn filter<N: Into<String>>(mut self, attributes: impl IntoIterator<Item = N>) -> Self {
        self.filtering_attributes = attributes.into_iter().map(Into::into).collect();
        self
    }

    /// Makes the step act as a user (its impersonating user).
    #[must_use]
    pub fn run_as(mut self, user: Uuid) -> Self {
        self.run_as = Some(user);
        self
    }

    /// Runs the step only if a value differs from before.
    #[must_use]
    pub fn changed_only(mut self) -> Self {
        self.changed_only = true;
        self
    }

    /// Runs the step only if the record meets the condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when = Some(condition);
        self
    }

    /// Keeps the step from running.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Keeps requests from passing the step over.
    #[must_use]
    pub fn not_bypassable(mut self) -> Self {
        self.bypassable = false;
        self
    }

    /// Sets how the jobs of an asynchronous step are run.
    #[must_use]
    pub fn jobs(mut self, jobs: JobPolicy) -> Self {
        self.jobs = jobs;
        self
    }

    /// Adds an image; no attributes reads all.
    #[must_use]
    pub fn image<N: Into<String>>(
        mut self,
        alias: impl Into<String>,
        image_type: ImageType,
        attributes: impl IntoIterator<Item = N>,
    ) -> Self {
        let attributes = attributes.into_iter().map(Into::into).collect();
        self.images.push(Image {
            alias: alias.into(),
            image_type,
            attributes,
            message_property: None,
            relationship: None,
        });
        self
    }
}

/// What a plugin declares about itself: the JSON of its custom section, and the answer of its `declare`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The steps, in the order of registration.
    pub steps: Vec<StepDefinition>,
    /// The entities that the plugin works with.
    #[serde(default)]
    pub entities: Vec<EntityDeclaration>,
    /// The custom messages that the plugin is the main operation of, or has steps on.
    #[serde(default)]
    pub messages: Vec<MessageDefinition>,
    /// Further facts: `name`, `version`, `description`, `sdk`, `contract`.
    #[serde(default)]
    pub properties: std::collections::BTreeMap<String, String>,
    /// What it asks of its host beyond the contract.
    #[serde(default, skip_serializing_if = "Asks::is_empty")]
    pub asks: Asks,
}

impl Declaration {
    /// The name of the custom section that holds a declaration as JSON.
    pub const SECTION: &'static str = "stagegate:plugin";

    /// Definitions of the entities that the plugin works with, with the attributes that it touches and no constraint:
    /// enough to try it. Fails if it names an attribute type that this host does not know.
    pub fn definitions(&self) -> Result<Vec<EntityDefinition>> {
        self.entities.iter().map(EntityDeclaration::definition).collect()
    }
}

impl EntityDeclaration {
    fn definition(&self) -> Result<EntityDefinition> {
        let mut definition = EntityDefinition::new(&self.logical_name);
        for attribute in &self.attributes {
            let AttributeDeclaration { name, attribute_type, targets } = attribute;
            let known = AttributeType::from_name(attribute_type, targets).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidDefinition,
                    format!(
                        "the plugin declares `{}.{name}` of the type `{attribute_type}`, which this host does not know; \
                         update the host",
                        self.logical_name
                    ),
                )
            })?;
            definition = match name.as_str() {
                // These come with what implies them.
                OWNER_ID => definition.user_owned(),
                STATE_CODE | STATUS_CODE if definition.states.is_empty() => definition.with_default_states(),
                STATE_CODE | STATUS_CODE => definition,
                _ => definition.with(name, known),
            };
        }
        Ok(definition)
    }
}

/// An entity that a plugin expects to find defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityDeclaration {
    /// The logical name.
    pub logical_name: String,
    /// The attributes that the plugin touches.
    pub attributes: Vec<AttributeDeclaration>,
}

/// An attribute that a plugin reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeDeclaration {
    /// The logical name.
    pub name: String,
    /// The name of its type; an open set.
    #[serde(rename = "type")]
    pub attribute_type: String,
    /// For a lookup, the entities that it may point to.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// Identifies a registered step: what errors, jobs and traces carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepKey {
    /// The plugin's name.
    pub plugin: String,
    /// The step's name in it.
    pub step: String,
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.step)
    }
}

/// The user that requests run as when none is named: the host itself.
pub const SYSTEM_USER: Uuid = Uuid::nil();
