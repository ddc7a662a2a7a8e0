//! The plan: which steps run on which message, in which order and why.

use crate::model::step::StepKey;
use crate::model::{ImageType, Mode, Stage, StepDefinition};

/// A registered step, in the order of registration.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Registered {
    pub(in crate::cli) key: StepKey,
    pub(in crate::cli) definition: StepDefinition,
    pub(in crate::cli) native: bool,
}

/// A step in the plan of one message.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Line {
    pub(in crate::cli) message: String,
    /// The entity of the message; none stands for every entity that has no lines of its own.
    pub(in crate::cli) entity: Option<String>,
    /// From 1, among the steps of this message and entity.
    pub(in crate::cli) order: usize,
    pub(in crate::cli) step: Registered,
    pub(in crate::cli) why: String,
}

/// The plan of each message and entity that has steps. A step for every entity is listed with each of them, at its
/// place: the list is then the order in which a request runs.
pub(in crate::cli) fn lines(steps: &[Registered]) -> Vec<Line> {
    let mut subjects: Vec<(&str, Option<&str>)> = steps
        .iter()
        .map(|step| (step.definition.message.as_str(), step.definition.entity.as_deref()))
        .collect();
    // Entities by name, and "every other entity" at the end of its message.
    subjects.sort_by_key(|(message, entity)| (*message, entity.is_none(), *entity));
    subjects.dedup();
    subjects.into_iter().flat_map(|(message, entity)| of_subject(steps, message, entity)).collect()
}

fn of_subject(steps: &[Registered], message: &str, entity: Option<&str>) -> Vec<Line> {
    let applies = |step: &&Registered| {
        let definition = &step.definition;
        definition.message == message
            && (definition.entity.is_none() || definition.entity.as_deref() == entity)
    };
    let mut chosen: Vec<&Registered> = steps.iter().filter(applies).collect();
    // Stable: equal ranks keep the order of registration.
    chosen.sort_by_key(|step| place(step));
    let line = |(index, step): (usize, &&Registered)| Line {
        message: message.to_owned(),
        entity: entity.map(str::to_owned),
        order: index + 1,
        step: (*step).clone(),
        why: why(step, index.checked_sub(1).and_then(|before| chosen.get(before)).copied()),
    };
    chosen.iter().enumerate().map(line).collect()
}

/// What the order follows.
fn place(step: &Registered) -> (Stage, bool, i32) {
    let StepDefinition { stage, mode, rank, .. } = &step.definition;
    (*stage, *mode == Mode::Asynchronous, *rank)
}

/// Why a step comes where it does, after `before`.
fn why(step: &Registered, before: Option<&Registered>) -> String {
    let definition = &step.definition;
    let after = before.filter(|before| {
        (before.definition.stage, before.definition.mode) == (definition.stage, definition.mode)
    });
    match after {
        Some(before) if before.definition.rank == definition.rank => {
            format!("rank {} too, registered after `{}`", definition.rank, before.key.step)
        }
        Some(before) => format!("rank {} after {}", definition.rank, before.definition.rank),
        None if definition.mode == Mode::Asynchronous => "queued with the commit, runs after it".into(),
        None => match definition.stage {
            Stage::PreValidation => "before the transaction opens",
            Stage::PreOperation => "in transaction, before the operation",
            Stage::MainOperation => "the core operation",
            Stage::PostOperation => "in transaction, after the operation",
        }
        .into(),
    }
}

/// The condition under which the step runs, and the images that it gets, in words; empty if there is neither.
pub(in crate::cli) fn conditions(definition: &StepDefinition) -> String {
    let mut parts = Vec::new();
    if !definition.filtering_attributes.is_empty() {
        parts.push(format!("if the target carries {}", definition.filtering_attributes.join(" or ")));
    }
    for image in &definition.images {
        let side = match image.image_type {
            ImageType::PreImage => "pre",
            ImageType::PostImage => "post",
            ImageType::Both => "pre+post",
        };
        let attributes =
            if image.attributes.is_empty() { "all".to_owned() } else { image.attributes.join(", ") };
        parts.push(format!("{side}-image {}({attributes})", image.alias));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(definition: StepDefinition) -> Registered {
        Registered {
            key: StepKey { plugin: "p".into(), step: definition.name.clone() },
            definition,
            native: false,
        }
    }

    #[test]
    fn the_order_is_stage_then_mode_then_rank_then_registration_and_says_why() {
        let steps = [
            StepDefinition::new("follow_up", "Update", Stage::PostOperation).on("account").asynchronous(),
            StepDefinition::new("second", "Update", Stage::PreOperation).on("account").rank(5),
            StepDefinition::new("third", "Update", Stage::PreOperation).rank(5),
            StepDefinition::new("first", "Update", Stage::PreOperation).on("account").rank(-1),
            StepDefinition::new("other", "Create", Stage::PreValidation).on("task"),
        ]
        .map(registered);
        let shown: Vec<String> = lines(&steps)
            .iter()
            .map(|line| {
                let entity = line.entity.as_deref().unwrap_or("*");
                let key = &line.step.key.step;
                format!("{} {entity} {} {key}: {}", line.message, line.order, line.why)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Create task 1 other: before the transaction opens",
                "Update account 1 first: in transaction, before the operation",
                "Update account 2 second: rank 5 after -1",
                "Update account 3 third: rank 5 too, registered after `second`",
                "Update account 4 follow_up: queued with the commit, runs after it",
                "Update * 1 third: in transaction, before the operation",
            ]
        );
    }

    #[test]
    fn conditions_name_the_filter_and_the_images() {
        let step = StepDefinition::new("s", "Update", Stage::PostOperation)
            .filter(["a", "b"])
            .image("before", ImageType::PreImage, ["a"])
            .image("both", ImageType::Both, Vec::<String>::new());
        assert_eq!(
            conditions(&step),
            "if the target carries a or b; pre-image before(a); pre+post-image both(all)"
        );
    }
}
