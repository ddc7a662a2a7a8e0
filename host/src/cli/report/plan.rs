//! The plan: which steps run on which message, in which order and why.

use std::collections::BTreeSet;

use crate::host::PlannedStep;
use crate::model::registration::Override;
use crate::model::step::StepKey;
use crate::model::{Message, Mode, Stage, StepDefinition};

/// A registered step, in the order of registration.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Registered {
    pub(in crate::cli) key: StepKey,
    pub(in crate::cli) definition: StepDefinition,
    pub(in crate::cli) native: bool,
    /// What of it is not as its plugin declares it.
    pub(in crate::cli) overrides: Vec<Override>,
    pub(in crate::cli) has_secure_configuration: bool,
}

impl Registered {
    /// A step as its plugin declares it.
    pub(in crate::cli) fn declared(key: StepKey, definition: StepDefinition) -> Self {
        Self { key, definition, native: false, overrides: Vec::new(), has_secure_configuration: false }
    }
}

impl From<PlannedStep> for Registered {
    fn from(step: PlannedStep) -> Self {
        let PlannedStep { key, definition, native, overrides, has_secure_configuration, .. } = step;
        Self { key, definition, native, overrides, has_secure_configuration }
    }
}

/// A step in the plan of one message.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Line {
    pub(in crate::cli) message: String,
    /// The entity of the message; none stands for every entity that has no lines of its own.
    pub(in crate::cli) entity: Option<String>,
    /// From 1, among the steps of this message and entity that run; none for a step that is disabled.
    pub(in crate::cli) order: Option<usize>,
    pub(in crate::cli) step: Registered,
    pub(in crate::cli) why: String,
}

/// The plan of each message and entity that has steps. A step for every entity is listed with each of them, at its
/// place: the list is then the order in which a request runs.
pub(in crate::cli) fn lines(steps: &[Registered]) -> Vec<Line> {
    let messages: BTreeSet<&str> = steps.iter().map(|step| step.definition.message.as_str()).collect();
    let own = |message: &str, step: &&Registered| step.definition.message == message;
    messages.into_iter().flat_map(|message| of_entities(steps, message, |step| own(message, step))).collect()
}

/// The plan of one message of each entity that has steps.
pub(in crate::cli) fn of_message(steps: &[Registered], message: &str) -> Vec<Line> {
    of_entities(steps, message, |step| runs_on(step, message))
}

/// The plan of one message of the entities that those steps are on.
fn of_entities<'a>(
    steps: &'a [Registered],
    message: &str,
    names: impl FnMut(&&'a Registered) -> bool,
) -> Vec<Line> {
    let named = steps.iter().filter(names).map(|step| step.definition.entity.as_deref());
    // Entities by name, and "every other entity" at the end.
    let entities: BTreeSet<_> = named.map(|entity| (entity.is_none(), entity)).collect();
    entities.into_iter().flat_map(|(_, entity)| of_subject(steps, message, entity)).collect()
}

/// The plan of one message of one entity.
pub(in crate::cli) fn of_subject(steps: &[Registered], message: &str, entity: Option<&str>) -> Vec<Line> {
    let applies = |step: &&Registered| {
        let on = step.definition.entity.as_deref();
        runs_on(step, message) && (on.is_none() || on == entity)
    };
    let mut chosen: Vec<&Registered> = steps.iter().filter(applies).collect();
    // Stable: equal ranks keep the order of registration.
    chosen.sort_by_key(|step| (part(step, message), step.definition.rank));
    let mut order = 0;
    let mut before: Option<&Registered> = None;
    let line = |step: &Registered, order, why| Line {
        message: message.to_owned(),
        entity: entity.map(str::to_owned),
        order,
        step: step.clone(),
        why,
    };
    let lines = chosen.into_iter().map(|step| {
        if !step.definition.enabled {
            return line(step, None, "disabled, so it does not run".into());
        }
        order += 1;
        let before = before.replace(step).filter(|before| part(before, message) == part(step, message));
        line(step, Some(order), why(step, message, before))
    });
    lines.collect()
}

/// Whether a request of the message runs the step: it is registered on the message, or on the one that shares its
/// pipeline.
fn runs_on(step: &Registered, message: &str) -> bool {
    let registered = &step.definition.message;
    registered == message
        || Message::counterpart(message).is_some_and(|counterpart| registered == counterpart)
}

/// The part of the message's pipeline in which the step runs: within a stage, the message's own steps come first.
fn part(step: &Registered, message: &str) -> (Stage, bool, bool) {
    let StepDefinition { stage, mode, message: registered, .. } = &step.definition;
    (*stage, *mode == Mode::Asynchronous, registered != message)
}

/// Why a step comes where it does, after `before` in its part.
fn why(step: &Registered, message: &str, before: Option<&Registered>) -> String {
    let definition = &step.definition;
    match before {
        Some(before) if before.definition.rank == definition.rank => {
            format!("rank {} too, registered after `{}`", definition.rank, before.key.step)
        }
        Some(before) => format!("rank {} after {}", definition.rank, before.definition.rank),
        None if definition.message != message => {
            format!("on {}, which shares the pipeline; after those of {message}", definition.message)
        }
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

/// When the step runs, as whom, and the images that it gets, in words; empty if there is nothing to say.
pub(in crate::cli) fn conditions(definition: &StepDefinition) -> String {
    let StepDefinition { filtering_attributes: filter, changed_only, when, run_as, bypassable, .. } =
        definition;
    let mut parts = Vec::new();
    match (filter.as_slice(), changed_only) {
        ([], false) => {}
        ([], true) => parts.push("if a value changes".to_owned()),
        (filter, false) => parts.push(format!("if the target carries {}", filter.join(" or "))),
        (filter, true) => parts.push(format!("if the target changes {}", filter.join(" or "))),
    }
    parts.extend(when.as_ref().map(|when| format!("when {when}")));
    parts.extend(definition.images.iter().map(ToString::to_string));
    parts.extend(run_as.map(|user| format!("as the user {user}")));
    if !bypassable {
        parts.push("cannot be bypassed".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Condition, ImageType, Operator};

    fn registered(definition: StepDefinition) -> Registered {
        Registered::declared(StepKey { plugin: "p".into(), step: definition.name.clone() }, definition)
    }

    #[test]
    fn the_order_is_stage_then_mode_then_rank_then_registration_and_says_why() {
        let steps = [
            StepDefinition::new("follow_up", "Update", Stage::PostOperation).on("account").asynchronous(),
            StepDefinition::new("second", "Update", Stage::PreOperation).on("account").rank(5),
            StepDefinition::new("third", "Update", Stage::PreOperation).rank(5),
            StepDefinition::new("first", "Update", Stage::PreOperation).on("account").rank(-1),
            StepDefinition::new("off", "Update", Stage::PreOperation).on("account").rank(5).disabled(),
            StepDefinition::new("other", "Create", Stage::PreValidation).on("task"),
        ]
        .map(registered);
        let shown: Vec<String> = lines(&steps)
            .iter()
            .map(|line| {
                let entity = line.entity.as_deref().unwrap_or("*");
                let key = &line.step.key.step;
                let order = line.order.map_or("-".into(), |order| order.to_string());
                format!("{} {entity} {order} {key}: {}", line.message, line.why)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Create task 1 other: before the transaction opens",
                "Update account 1 first: in transaction, before the operation",
                "Update account 2 second: rank 5 after -1",
                "Update account 3 third: rank 5 too, registered after `second`",
                "Update account - off: disabled, so it does not run",
                "Update account 4 follow_up: queued with the commit, runs after it",
                "Update * 1 third: in transaction, before the operation",
            ]
        );
    }

    #[test]
    fn the_steps_of_a_bulk_message_follow_those_of_the_single_one_and_the_other_way_round() {
        let steps = [
            StepDefinition::new("bulk", "UpdateMultiple", Stage::PreOperation).on("account").rank(-5),
            StepDefinition::new("single", "Update", Stage::PreOperation).on("account"),
            StepDefinition::new("late", "Update", Stage::PostOperation).on("account"),
        ]
        .map(registered);
        let check = |lines: Vec<Line>, expected: &[&str]| {
            let shown: Vec<String> = lines
                .iter()
                .map(|line| format!("{} {}: {}", line.message, line.step.key.step, line.why))
                .collect();
            assert_eq!(shown, expected);
        };
        let update = [
            "Update single: in transaction, before the operation",
            "Update bulk: on UpdateMultiple, which shares the pipeline; after those of Update",
            "Update late: in transaction, after the operation",
        ];
        let update_multiple = [
            "UpdateMultiple bulk: in transaction, before the operation",
            "UpdateMultiple single: on Update, which shares the pipeline; after those of UpdateMultiple",
            "UpdateMultiple late: on Update, which shares the pipeline; after those of UpdateMultiple",
        ];
        check(lines(&steps), &[update, update_multiple].concat());
        // A message without steps of its own is planned where it is asked for.
        check(
            of_message(&steps[1..2], "UpdateMultiple"),
            &["UpdateMultiple single: on Update, which shares the pipeline; after those of UpdateMultiple"],
        );
        check(lines(&steps[1..2]), &["Update single: in transaction, before the operation"]);
    }

    #[test]
    fn conditions_say_when_as_whom_and_with_which_images_a_step_runs() {
        let step = || StepDefinition::new("s", "Update", Stage::PostOperation);
        let check = |step: StepDefinition, expected: &str| assert_eq!(conditions(&step), expected);
        check(step(), "");
        check(step().changed_only(), "if a value changes");
        check(step().filter(["a", "b"]).changed_only(), "if the target changes a or b");
        check(step().when(Condition::test("a", Operator::Gt, 1)), "when a gt 1");
        check(
            step().run_as(uuid::Uuid::nil()).not_bypassable(),
            "as the user 00000000-0000-0000-0000-000000000000; cannot be bypassed",
        );
        let images = step().filter(["a", "b"]).image("before", ImageType::PreImage, ["a"]).image(
            "both",
            ImageType::Both,
            Vec::<String>::new(),
        );
        check(images, "if the target carries a or b; pre-image before(a); pre+post-image both(all)");
    }
}
