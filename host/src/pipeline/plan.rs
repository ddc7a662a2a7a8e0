//! Which steps run: a pure function of the registry and the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::{CoreOperation, is_bulk};
use crate::model::error::{Location, Result};
use crate::model::request::parameter;
use crate::model::{Attributes, ColumnSet, DateTime, Entity, Filter, Mode, Parameter, Stage, Value};
use crate::pipeline::context::{Context, Side};
use crate::pipeline::execution::Execution;
use crate::pipeline::registry::{Registry, Step};

/// The steps that a message of an entity may run, in order. Conditions are judged later, stage by stage, since an earlier
/// step may change the target.
#[derive(Clone, Default)]
pub struct Plan {
    /// Those of the message itself.
    own: Vec<Arc<Step>>,
    /// Those of the message for several records where this one is for one, or the other way round.
    other: Vec<Arc<Step>>,
}

/// Which of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those of the message itself.
    Own,
    /// Those of its counterpart.
    Counterpart,
}

/// A step that a stage looked at.
pub enum Choice {
    /// It runs.
    Run(Arc<Step>),
    /// It is passed over, for that reason.
    Skip(Arc<Step>, String),
}

impl Plan {
    /// The plan for a message, whose operation that is, of `entity`.
    #[must_use]
    pub fn new(
        registry: &Registry,
        operation: &dyn CoreOperation,
        message: &str,
        entity: Option<&str>,
    ) -> Self {
        let counterpart = operation.traits().counterpart;
        Self {
            own: registry.find_all(message, entity),
            other: counterpart.map_or_else(Vec::new, |message| registry.find_all(message, entity)),
        }
    }

    /// Whether the counterpart of the message has steps at that stage.
    #[must_use]
    pub fn has_counterpart(&self, stage: Stage, mode: Mode) -> bool {
        self.of(Part::Counterpart, stage, mode).next().is_some()
    }

    /// The step that is the main operation of a custom message.
    #[must_use]
    pub fn main_operation(&self) -> Option<&Arc<Step>> {
        self.of(Part::Own, Stage::MainOperation, Mode::Synchronous).find(|step| step.definition.enabled)
    }

    /// The steps of a stage and mode, each with the verdict of its conditions on the message as it is now.
    pub fn choose(
        &self,
        part: Part,
        stage: Stage,
        mode: Mode,
        execution: &Execution,
        now: DateTime,
    ) -> Result<Vec<Choice>> {
        let mut choices = Vec::new();
        for step in self.of(part, stage, mode) {
            let refusal = refusal(step, execution, now).map_err(|error| {
                let (message, entity) = (execution.context.message.clone(), execution.context.entity.clone());
                error.at(Location { step: step.key.clone(), stage, message, entity })
            })?;
            choices.push(match refusal {
                None => Choice::Run(Arc::clone(step)),
                Some(reason) => Choice::Skip(Arc::clone(step), reason),
            });
        }
        Ok(choices)
    }

    /// Whether some step runs in the transaction or is queued with it.
    #[must_use]
    pub fn has_steps_in_transaction(&self) -> bool {
        self.all().any(|step| step.definition.enabled && step.definition.stage != Stage::PreValidation)
    }

    /// Whether a step may look at the record before the core operation writes it.
    #[must_use]
    pub fn has_steps_before_write(&self) -> bool {
        self.all().any(|step| step.definition.enabled && step.definition.stage == Stage::PreOperation)
    }

    /// The attributes that the images and the conditions of steps at `stages` need on one side, none if none does. A step
    /// whose filter does not pass yet counts only if a step in PreOperation could still make it pass.
    #[must_use]
    pub fn image_columns(&self, side: Side, stages: &[Stage], context: &Context) -> Option<ColumnSet> {
        let targets = targets(context);
        let may_change = side == Side::Pre
            && self.all().any(|step| {
                step.definition.stage == Stage::PreOperation && step.definition.mode == Mode::Synchronous
            });
        let mut columns: Option<ColumnSet> = None;
        let mut add = |wanted: ColumnSet| match &mut columns {
            None => columns = Some(wanted),
            Some(columns) => columns.extend(&wanted),
        };
        let steps = self.all().filter(|step| step.definition.enabled);
        let steps = steps.filter(|step| stages.contains(&step.definition.stage));
        for step in steps.filter(|step| may_change || carries(step, context, &targets)) {
            let images = step.definition.images.iter().filter(|image| image.relationship.is_none());
            for image in images.filter(|image| side.is_of(image.image_type)) {
                add(match image.attributes.as_slice() {
                    [] => ColumnSet::All,
                    names => ColumnSet::named(names.iter().cloned()),
                });
            }
            if side == Side::Pre {
                condition_columns(step).into_iter().for_each(&mut add);
            }
        }
        columns
    }

    /// The relationships by which steps of a Delete want its children, with the attributes that they need.
    #[must_use]
    pub fn children_columns(&self) -> BTreeMap<String, ColumnSet> {
        let mut wanted: BTreeMap<String, ColumnSet> = BTreeMap::new();
        let steps = self.all().filter(|step| step.definition.enabled);
        for image in steps.flat_map(|step| &step.definition.images) {
            let Some(relationship) = &image.relationship else { continue };
            let columns = match image.attributes.as_slice() {
                [] => ColumnSet::All,
                names => ColumnSet::named(names.iter().cloned()),
            };
            match wanted.get_mut(relationship) {
                None => drop(wanted.insert(relationship.clone(), columns)),
                Some(known) => known.extend(&columns),
            }
        }
        wanted
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Step>> {
        self.own.iter().chain(&self.other)
    }

    fn of(&self, part: Part, stage: Stage, mode: Mode) -> impl Iterator<Item = &Arc<Step>> {
        let steps = match part {
            Part::Own => &self.own,
            Part::Counterpart => &self.other,
        };
        steps.iter().filter(move |step| step.definition.stage == stage && step.definition.mode == mode)
    }
}

/// Why a step does not run on the message as it is; none if it runs.
fn refusal(step: &Step, execution: &Execution, now: DateTime) -> Result<Option<String>> {
    let definition = &step.definition;
    if !definition.enabled {
        return Ok(Some("the step is disabled".into()));
    }
    if execution.bypass.covers(step) {
        return Ok(Some("the request passes it over".into()));
    }
    let context = &execution.context;
    let targets = targets(context);
    if !carries(step, context, &targets) {
        let filter = definition.filtering_attributes.join(", ");
        return Ok(Some(format!("the target carries none of {filter}")));
    }
    if definition.changed_only && !changes(step, context, &targets) {
        return Ok(Some("no value differs from before".into()));
    }
    if let Some(condition) = &definition.when
        && !holds(
            &condition.filter(execution.subject.definition()?)?.resolved(now, context.user),
            context,
            &targets,
        )
    {
        return Ok(Some("its condition does not hold".into()));
    }
    Ok(None)
}

/// The records that a message writes, as far as it carries their attributes.
fn targets(context: &Context) -> Vec<&Attributes> {
    if let Some(Parameter::Entities(targets)) =
        context.input.get(parameter::TARGETS).filter(|_| is_bulk(&context.message))
    {
        return targets.entities.iter().map(|target| &target.attributes).collect();
    }
    context.target().map(|target| &target.attributes).into_iter().collect()
}

/// Whether a target carries one of the step's filtering attributes. Presence counts, not a changed value: a save with the
/// same value triggers, as on the platform. The identifier is always there.
fn carries(step: &Step, context: &Context, targets: &[&Attributes]) -> bool {
    let filter = &step.definition.filtering_attributes;
    let is_id =
        |name: &String| name.strip_suffix("id").is_some_and(|name| context.entity.as_deref() == Some(name));
    let carried = |name: &String| targets.iter().any(|target| target.contains_key(name)) || is_id(name);
    filter.is_empty() || filter.iter().any(carried)
}

/// Whether a target has another value than before in one of the step's filtering attributes, or in any.
fn changes(step: &Step, context: &Context, targets: &[&Attributes]) -> bool {
    let filter = &step.definition.filtering_attributes;
    targets.iter().enumerate().any(|(index, target)| {
        let before = before(context, index);
        let value_before = |name: &str| before.and_then(|before| before.get(name)).unwrap_or(&Value::Null);
        let mut named = target.iter().filter(|(name, _)| filter.is_empty() || filter.contains(name));
        named.any(|(name, value)| value_before(name) != value)
    })
}

/// Whether a record, with what its target changes in it, meets a condition.
fn holds(condition: &Filter, context: &Context, targets: &[&Attributes]) -> bool {
    let count = targets.len().max(context.pre_images.len()).max(1);
    (0..count).any(|index| {
        let (target, before) = (targets.get(index), before(context, index));
        condition.matches(&|name| {
            let changed = target.and_then(|target| target.get(name));
            changed.or_else(|| before.and_then(|before| before.get(name)))
        })
    })
}

fn before(context: &Context, index: usize) -> Option<&Entity> {
    context.pre_images.get(index)?.as_deref()
}

/// What of the record before a step's conditions look at.
fn condition_columns(step: &Step) -> Option<ColumnSet> {
    let definition = &step.definition;
    let changed = definition.changed_only.then(|| match definition.filtering_attributes.as_slice() {
        [] => ColumnSet::All,
        names => ColumnSet::named(names.iter().cloned()),
    });
    let when = definition.when.as_ref().map(|condition| ColumnSet::named(condition.attributes()));
    match (changed, when) {
        (Some(mut columns), Some(more)) => {
            columns.extend(&more);
            Some(columns)
        }
        (changed, when) => changed.or(when),
    }
}
