//! The registered steps, and the rules of registration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::message::{self, Course, Steps, Traits};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::HOST_PLUGIN;
use crate::model::step::StepKey;
use crate::model::{
    Binding, Image, JobPolicy, Message, Mode, Schema, Stage, StepDefinition, StepsAllowed, code,
};
use crate::pipeline::context::Side;
use crate::pipeline::runner::Runner;
use crate::pipeline::supervision::HeldMeter;

/// Steps that one host takes at most: each request of a message walks the steps of that message.
pub const STEPS_MAX: usize = 10_000;

/// The rule of registration that a step breaks, said of the step.
struct Broken {
    code: i32,
    problem: String,
}

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
    /// What counts what its plugin uses.
    pub(crate) meter: HeldMeter,
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
    ///
    /// `schema` has the custom messages, and tells whether a message exists for an entity that is defined.
    pub fn register(
        &mut self,
        schema: &Schema,
        plugin: &str,
        definition: StepDefinition,
        secure_configuration: Option<String>,
        runner: Arc<dyn Runner>,
    ) -> Result<()> {
        check(schema, plugin, &definition)
            .map_err(|broken| refused(plugin, &definition, broken.code, &broken.problem))?;
        self.check_main_operation(plugin, &definition)?;
        let key = StepKey { plugin: plugin.to_owned(), step: definition.name.clone() };
        if self.by_key.contains_key(&key) {
            return Err(refused(
                plugin,
                &definition,
                code::STEP_NOT_ALLOWED,
                "has the name of another step; give each its own, and register a plugin once",
            ));
        }
        if self.by_key.len() >= STEPS_MAX {
            let problem = format!("does not fit: a host takes {STEPS_MAX} steps");
            return Err(refused(plugin, &definition, code::STEP_NOT_ALLOWED, &problem));
        }
        let sequence = u32::try_from(self.by_key.len()).unwrap_or(u32::MAX);
        let step = Arc::new(Step {
            key: key.clone(),
            definition,
            secure_configuration,
            sequence,
            runner,
            meter: HeldMeter::default(),
        });
        self.by_key.insert(key, Arc::clone(&step));
        let steps = self.by_message.entry(step.definition.message.clone()).or_default();
        steps.push(step);
        // The sort is stable and registration goes on, so equal ranks keep the order of registration.
        steps.sort_by_key(|step| (step.definition.stage, step.definition.rank));
        Ok(())
    }

    /// The steps of a message of an entity, in order.
    #[must_use]
    pub fn find_all(&self, message: &str, entity: Option<&str>) -> Vec<Arc<Step>> {
        self.of_message(message, entity).cloned().collect()
    }

    /// Whether a message of an entity would run a step, or queue one.
    #[must_use]
    pub fn has_steps(&self, message: &str, entity: &str) -> bool {
        self.of_message(message, Some(entity)).any(|step| step.definition.enabled)
    }

    fn of_message<'a>(
        &'a self,
        message: &str,
        entity: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Step>> {
        let steps = self.by_message.get(message).map_or(&[] as &[_], Vec::as_slice);
        steps.iter().filter(move |step| match step.definition.entity.as_deref() {
            None => true,
            Some(wanted) => Some(wanted) == entity,
        })
    }

    fn check_main_operation(&self, plugin: &str, definition: &StepDefinition) -> Result<()> {
        if definition.stage != Stage::MainOperation {
            return Ok(());
        }
        let mut steps = self.by_message.get(&definition.message).into_iter().flatten();
        match steps.find(|step| step.definition.stage == Stage::MainOperation) {
            None => Ok(()),
            Some(other) => {
                let problem = format!("would be a second main operation, and `{}` is one", other.key);
                Err(refused(plugin, definition, code::INVALID_STAGE, &problem))
            }
        }
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

/// Which rule of registration a step breaks, said of the step; none if it breaks none that can be told without the
/// other steps.
pub(crate) fn problem(schema: &Schema, plugin: &str, definition: &StepDefinition) -> Option<String> {
    check(schema, plugin, definition).err().map(|broken| broken.problem)
}

/// Whether a step is on a message that the host does not have of its own.
pub(crate) fn is_custom(definition: &StepDefinition) -> bool {
    message::find(&Schema::default(), &definition.message).is_err()
}

fn check(schema: &Schema, plugin: &str, definition: &StepDefinition) -> Result<(), Broken> {
    let refused = |code, problem: &str| Err(Broken { code, problem: problem.to_owned() });
    let message = &definition.message;
    let traits = match message::find(schema, message) {
        Ok(operation) => operation.traits(),
        Err(error) => return refused(error.code(), &format!("has no message: {}", error.message())),
    };
    if plugin == HOST_PLUGIN {
        return refused(
            code::STEP_NOT_ALLOWED,
            "is of a plugin with the name that the host's own jobs go by",
        );
    }
    if definition.name.is_empty() {
        return refused(code::STEP_NOT_ALLOWED, "needs a name");
    }
    let is_main = definition.stage == Stage::MainOperation;
    if is_main && traits.course != Course::Custom {
        return refused(
            code::INVALID_STAGE,
            "cannot run at MainOperation (30), which is the host's own, but for a custom message's main operation",
        );
    }
    if definition.mode == Mode::Asynchronous && definition.stage != Stage::PostOperation {
        return refused(code::INVALID_STAGE, "is asynchronous, which only PostOperation (40) allows");
    }
    if definition.mode == Mode::Synchronous && definition.jobs != JobPolicy::default() {
        return refused(
            code::STEP_NOT_ALLOWED,
            "is synchronous and says how its jobs run, of which it has none",
        );
    }
    if let Some(problem) = definition.jobs.problem() {
        return refused(code::STEP_NOT_ALLOWED, problem);
    }
    match traits.steps {
        Steps::Any => {}
        Steps::None(reason) => {
            return refused(
                code::STEP_NOT_ALLOWED,
                &format!("is on a message that takes no steps, since {reason}"),
            );
        }
        Steps::EveryEntity if definition.entity.is_some() => {
            return refused(
                code::MESSAGE_NOT_FOR_ENTITY,
                "is on a message of two entities, which takes steps for every entity only; leave the entity out and \
                 look at the target",
            );
        }
        Steps::AsDefined => check_defined(schema, definition, is_main)?,
        Steps::EveryEntity => {}
    }
    if let Some(entity) = definition.entity.as_ref().and_then(|name| schema.entities.get(name)) {
        let lacks = (message == Message::ASSIGN && !entity.is_user_owned())
            || (message == Message::SET_STATE && entity.states.is_empty())
            || entity.intersect;
        if lacks {
            return refused(
                code::MESSAGE_NOT_FOR_ENTITY,
                &format!("is on a message that there is not for `{}`", entity.logical_name),
            );
        }
    }
    if !traits.filtering && (!definition.filtering_attributes.is_empty() || definition.changed_only) {
        return refused(
            code::STEP_NOT_ALLOWED,
            "has filtering attributes or looks at changed values, which only Update and UpdateMultiple allow",
        );
    }
    check_images(definition, traits)
}

/// A custom message's definition says which steps it takes, besides its main operation.
fn check_defined(schema: &Schema, definition: &StepDefinition, is_main: bool) -> Result<(), Broken> {
    let Some(message) = schema.messages.get(&definition.message) else { return Ok(()) };
    let is_global = message.binding == Binding::Global;
    let problem = match message.steps {
        _ if is_main && definition.when.is_some() => {
            Some("has a condition, and a main operation always runs")
        }
        _ if is_global && definition.when.is_some() => Some("has a condition, and its message has no record"),
        _ if is_main => None,
        StepsAllowed::SyncAndAsync => None,
        StepsAllowed::AsyncOnly if definition.mode == Mode::Asynchronous => None,
        StepsAllowed::AsyncOnly => Some("is synchronous, and its message allows asynchronous steps only"),
        StepsAllowed::None => Some("is on a message whose definition allows no steps"),
    };
    if let Some(problem) = problem {
        return Err(Broken { code: code::STEP_NOT_ALLOWED, problem: problem.to_owned() });
    }
    let bound = match &message.binding {
        Binding::Global => None,
        Binding::Entity(entity) | Binding::EntityCollection(entity) => Some(entity),
    };
    if definition.entity.is_some() && definition.entity.as_ref() != bound {
        let problem = "is on a message that is not bound to that entity".to_owned();
        return Err(Broken { code: code::MESSAGE_NOT_FOR_ENTITY, problem });
    }
    Ok(())
}

fn check_images(definition: &StepDefinition, traits: Traits) -> Result<(), Broken> {
    for (index, image) in definition.images.iter().enumerate() {
        let mut earlier = definition.images.iter().take(index);
        let is_delete = matches!(definition.message.as_str(), Message::DELETE);
        let side_twice = |other: &Image| {
            other.alias == image.alias
                && ((other.image_type.is_pre() && image.image_type.is_pre())
                    || (other.image_type.is_post() && image.image_type.is_post()))
        };
        let property = image.message_property.as_deref().unwrap_or(traits.image_property);
        let (code, problem) = if image.alias.is_empty() {
            (code::INVALID_IMAGE_TYPE, "has an image without an alias".to_owned())
        } else if earlier.any(side_twice) {
            (code::INVALID_IMAGE_TYPE, "has two images of one alias; give each its own".into())
        } else if !traits.pre_image && !traits.post_image {
            (code::NO_IMAGES, "has an image, and its message has none".into())
        } else if property != traits.image_property {
            let wanted = traits.image_property;
            (
                code::INVALID_MESSAGE_PROPERTY,
                format!("has an image of the parameter `{property}`; the record is in `{wanted}`"),
            )
        } else if image.image_type.is_pre() && !traits.pre_image {
            (code::INVALID_IMAGE_TYPE, "has a pre-image, which its message does not have".into())
        } else if image.image_type.is_post() && !traits.post_image {
            (code::INVALID_IMAGE_TYPE, "has a post-image, which its message does not have".into())
        } else if image.image_type.is_post() && definition.stage != Stage::PostOperation {
            (code::NO_POST_IMAGE_BEFORE, "has a post-image, which exists only in PostOperation (40)".into())
        } else if image.relationship.is_some() && (!is_delete || definition.stage == Stage::PreValidation) {
            (
                code::INVALID_IMAGE_TYPE,
                "has an image of children, which a Delete has from PreOperation (20) on; PreValidation still finds them \
                 by a query"
                    .into(),
            )
        } else {
            continue;
        };
        return Err(Broken { code, problem });
    }
    Ok(())
}

fn refused(plugin: &str, definition: &StepDefinition, code: i32, problem: &str) -> Error {
    let StepDefinition { name, message, stage, .. } = definition;
    Error::new(
        ErrorKind::InvalidRegistration,
        format!(
            "step `{name}` of plugin `{plugin}` on {message} at {stage} cannot be registered: it {problem}"
        ),
    )
    .with_code(code)
}
