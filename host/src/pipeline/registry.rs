//! The registered steps, and the rules of registration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::message::{self, Traits};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::model::{Image, Mode, Stage, StepDefinition};
use crate::pipeline::execution::Side;
use crate::pipeline::runner::Runner;

/// Steps that one host takes at most: each request of a message walks the steps of that message.
pub const STEPS_MAX: usize = 10_000;

/// A registered step.
pub struct Step {
    /// The plugin and the name.
    pub key: StepKey,
    /// What was registered.
    pub definition: StepDefinition,
    /// The configuration that only an operator sets and that never reaches a log.
    pub secure_configuration: Option<String>,
    /// Its place among all registrations: what decides between equal ranks.
    pub sequence: u32,
    /// What runs it.
    pub runner: Arc<dyn Runner>,
}

impl Step {
    /// The image of that side and alias that the step registered of the message's record.
    #[must_use]
    pub fn image(&self, side: Side, alias: &str) -> Option<&Image> {
        let mut images = self.definition.images.iter();
        images.find(|image| {
            image.alias == alias && image.relationship.is_none() && side.is_of(image.image_type)
        })
    }
}

/// The registered steps by message, each list in the order in which the steps run.
#[derive(Default)]
pub struct Registry {
    by_message: BTreeMap<String, Vec<Arc<Step>>>,
    by_key: HashMap<StepKey, Arc<Step>>,
}

impl Registry {
    /// Registers a step, or says which rule it breaks.
    pub fn register(
        &mut self,
        plugin: &str,
        definition: StepDefinition,
        secure_configuration: Option<String>,
        runner: Arc<dyn Runner>,
    ) -> Result<()> {
        check(plugin, &definition)?;
        let key = StepKey { plugin: plugin.to_owned(), step: definition.name.clone() };
        if self.by_key.contains_key(&key) {
            return Err(refused(
                plugin,
                &definition,
                "has the name of another step; give each its own, and register a plugin once",
            ));
        }
        if self.by_key.len() >= STEPS_MAX {
            return Err(refused(plugin, &definition, "does not fit: a host takes 10000 steps"));
        }
        let sequence = u32::try_from(self.by_key.len()).unwrap_or(u32::MAX);
        let step = Arc::new(Step { key: key.clone(), definition, secure_configuration, sequence, runner });
        self.by_key.insert(key, Arc::clone(&step));
        let steps = self.by_message.entry(step.definition.message.clone()).or_default();
        steps.push(step);
        // The sort is stable and registration goes on, so equal ranks keep the order of registration.
        steps.sort_by_key(|step| (step.definition.stage, step.definition.rank));
        Ok(())
    }

    /// The steps of a message, in order.
    #[must_use]
    pub fn of_message(&self, message: &str) -> &[Arc<Step>] {
        self.by_message.get(message).map_or(&[], Vec::as_slice)
    }

    /// The step with that key.
    #[must_use]
    pub fn find(&self, key: &StepKey) -> Option<&Arc<Step>> {
        self.by_key.get(key)
    }

    /// Every step, by message and in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Step>> {
        self.by_message.values().flatten()
    }
}

fn check(plugin: &str, definition: &StepDefinition) -> Result<()> {
    let traits = message::find(&definition.message)
        .map_err(|error| refused(plugin, definition, &format!("has no message: {}", error.message())))?;
    let traits = traits.traits();
    if definition.name.is_empty() {
        return Err(refused(plugin, definition, "needs a name"));
    }
    if definition.stage == Stage::MainOperation {
        return Err(refused(plugin, definition, "cannot run at MainOperation (30), which is the host's own"));
    }
    if definition.mode == Mode::Asynchronous && definition.stage != Stage::PostOperation {
        return Err(refused(plugin, definition, "is asynchronous, which only PostOperation (40) allows"));
    }
    if !definition.filtering_attributes.is_empty() && !traits.filtering {
        return Err(refused(plugin, definition, "has filtering attributes, which only Update allows"));
    }
    check_images(plugin, definition, traits)
}

fn check_images(plugin: &str, definition: &StepDefinition, traits: Traits) -> Result<()> {
    for (index, image) in definition.images.iter().enumerate() {
        let earlier = definition.images.iter().take(index);
        let problem = if image.alias.is_empty() {
            "has an image without an alias"
        } else if earlier.clone().any(|other| {
            other.alias == image.alias
                && ((other.image_type.is_pre() && image.image_type.is_pre())
                    || (other.image_type.is_post() && image.image_type.is_post()))
        }) {
            "has two images of one alias; give each its own"
        } else if image.image_type.is_pre() && !traits.pre_image {
            "has a pre-image, which its message does not have"
        } else if image.image_type.is_post() && !traits.post_image {
            "has a post-image, which its message does not have"
        } else if image.image_type.is_post() && definition.stage != Stage::PostOperation {
            "has a post-image, which exists only in PostOperation (40)"
        } else {
            continue;
        };
        return Err(refused(plugin, definition, problem));
    }
    Ok(())
}

fn refused(plugin: &str, definition: &StepDefinition, problem: &str) -> Error {
    let StepDefinition { name, message, stage, .. } = definition;
    Error::new(
        ErrorKind::InvalidRegistration,
        format!(
            "step `{name}` of plugin `{plugin}` on {message} at {stage} cannot be registered: it {problem}"
        ),
    )
}
