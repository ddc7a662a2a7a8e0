//! Which steps run: a pure function of the registry and the request.

use std::sync::Arc;

use crate::model::{Attributes, ColumnSet, Mode, Stage};
use crate::pipeline::execution::{Context, Side};
use crate::pipeline::registry::{Registry, Step};

/// The steps that a message of an entity may run, in order. Filters are judged later, stage by stage, since an earlier
/// step may change the target.
#[derive(Clone, Default)]
pub struct Plan {
    steps: Vec<Arc<Step>>,
}

/// A step that a stage looked at.
pub enum Choice<'a> {
    /// It runs.
    Run(&'a Arc<Step>),
    /// It is passed over, for that reason.
    Skip(&'a Arc<Step>, String),
}

impl Plan {
    /// The plan for `message` of `entity`.
    #[must_use]
    pub fn new(registry: &Registry, message: &str, entity: Option<&str>) -> Self {
        let applies = |step: &&Arc<Step>| match step.definition.entity.as_deref() {
            None => true,
            Some(wanted) => Some(wanted) == entity,
        };
        Self { steps: registry.of_message(message).iter().filter(applies).cloned().collect() }
    }

    /// The steps of a stage and mode, each with the verdict of its filter on the target as it is now.
    pub fn choose<'a>(
        &'a self,
        stage: Stage,
        mode: Mode,
        target: Option<&Attributes>,
    ) -> impl Iterator<Item = Choice<'a>> {
        self.of(stage, mode).map(move |step| match passes(step, target) {
            true => Choice::Run(step),
            false => Choice::Skip(step, skip_reason(step)),
        })
    }

    /// Whether some step runs in the transaction or is queued with it.
    #[must_use]
    pub fn has_steps_in_transaction(&self) -> bool {
        self.steps.iter().any(|step| step.definition.stage != Stage::PreValidation)
    }

    /// The attributes that the images of steps at `stages` need on one side, none if no image does. A step whose filter
    /// does not pass yet counts only if a step in PreOperation could still make it pass.
    #[must_use]
    pub fn image_columns(&self, side: Side, stages: &[Stage], context: &Context) -> Option<ColumnSet> {
        let target = context.target().map(|target| &target.attributes);
        let may_change =
            side == Side::Pre && self.of(Stage::PreOperation, Mode::Synchronous).next().is_some();
        let mut columns: Option<ColumnSet> = None;
        let steps = self.steps.iter().filter(|step| stages.contains(&step.definition.stage));
        for step in steps.filter(|step| may_change || passes(step, target)) {
            for image in step.definition.images.iter().filter(|image| side.is_of(image.image_type)) {
                let wanted = match image.attributes.as_slice() {
                    [] => ColumnSet::All,
                    names => ColumnSet::named(names.iter().cloned()),
                };
                match &mut columns {
                    None => columns = Some(wanted),
                    Some(columns) => columns.extend(&wanted),
                }
            }
        }
        columns
    }

    fn of(&self, stage: Stage, mode: Mode) -> impl Iterator<Item = &Arc<Step>> {
        self.steps.iter().filter(move |step| step.definition.stage == stage && step.definition.mode == mode)
    }
}

/// Whether the target carries one of the step's filtering attributes. Presence counts, not a changed value: a save
/// with the same value triggers, as on the platform.
fn passes(step: &Step, target: Option<&Attributes>) -> bool {
    let filter = &step.definition.filtering_attributes;
    filter.is_empty() || target.is_some_and(|target| filter.iter().any(|name| target.contains_key(name)))
}

fn skip_reason(step: &Step) -> String {
    format!("the target carries none of {}", step.definition.filtering_attributes.join(", "))
}
