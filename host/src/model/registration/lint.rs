//! What in a registration is allowed and most likely not meant.

use std::collections::BTreeSet;

use crate::model::step::StepKey;
use crate::model::{EntityDefinition, Message, Mode, Schema, StepDefinition};

/// A warning about registered steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// The rule.
    pub rule: Rule,
    /// The steps that it is about, in the order of registration.
    pub steps: Vec<StepKey>,
    /// What is the case and the way out, after the steps' names.
    pub text: String,
}

/// What is warned about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Steps of one stage have the same rank.
    RankTie,
    /// A step on Update runs whatever is changed.
    EmptyFilter,
    /// The primary key is among the filtering attributes: it is in every target.
    PrimaryKeyInFilter,
    /// An image has all columns.
    AllColumnsImage,
    /// A plugin has steps on a message and on its bulk form.
    SingleAndBulk,
    /// A step is on Retrieve or RetrieveMultiple.
    RetrieveStep,
    /// A step is disabled.
    Disabled,
    /// An entity is not defined.
    UndefinedEntity,
    /// An attribute is not defined.
    UndefinedAttribute,
    /// A condition does not fit the definitions.
    ConditionDoesNotFit,
}

impl Rule {
    /// Every rule, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::RankTie,
        Self::EmptyFilter,
        Self::PrimaryKeyInFilter,
        Self::AllColumnsImage,
        Self::SingleAndBulk,
        Self::RetrieveStep,
        Self::Disabled,
        Self::UndefinedEntity,
        Self::UndefinedAttribute,
        Self::ConditionDoesNotFit,
    ];

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RankTie => "rank-tie",
            Self::EmptyFilter => "empty-filter",
            Self::PrimaryKeyInFilter => "primary-key-in-filter",
            Self::AllColumnsImage => "all-columns-image",
            Self::SingleAndBulk => "single-and-bulk",
            Self::RetrieveStep => "retrieve-step",
            Self::Disabled => "disabled",
            Self::UndefinedEntity => "undefined-entity",
            Self::UndefinedAttribute => "undefined-attribute",
            Self::ConditionDoesNotFit => "condition-does-not-fit",
        }
    }
}

/// A step to look at.
type Step<'a> = (&'a StepKey, &'a StepDefinition);

/// The warnings about steps, which are in the order of registration. What depends on definitions is judged where there
/// is a schema.
#[must_use]
pub fn lints<'a>(steps: impl IntoIterator<Item = Step<'a>>, schema: Option<&Schema>) -> Vec<Lint> {
    let steps: Vec<Step<'a>> = steps.into_iter().collect();
    let enabled: Vec<Step<'a>> = steps.iter().copied().filter(|(_, step)| step.enabled).collect();
    let mut found = ties(&enabled);
    found.extend(single_and_bulk(&enabled));
    for step in steps {
        of_step(step, schema, &mut found);
    }
    found.sort_by_key(|lint| lint.rule);
    found
}

/// Synchronous steps of one message, entity and stage with the same rank. Asynchronous steps have no order to rely on.
fn ties(steps: &[Step<'_>]) -> Vec<Lint> {
    let synchronous = |(_, step): &Step<'_>| step.mode == Mode::Synchronous;
    let steps: Vec<Step<'_>> = steps.iter().copied().filter(synchronous).collect();
    let place = |step: &StepDefinition| (step.message.clone(), step.stage, step.rank);
    let subjects: BTreeSet<_> = steps.iter().map(|(_, step)| (place(step), step.entity.clone())).collect();
    let mut found = Vec::new();
    for (here, entity) in subjects {
        let applies = |step: &StepDefinition| step.entity.is_none() || step.entity == entity;
        let tied: Vec<Step<'_>> =
            steps.iter().copied().filter(|(_, step)| place(step) == here && applies(step)).collect();
        if tied.len() < 2 {
            continue;
        }
        let (message, stage, rank) = here;
        let of = entity.map(|entity| format!(" {entity}")).unwrap_or_default();
        let text = format!(
            "have rank {rank} at {stage} of {message}{of}, so they run in the order of registration; give each its own \
             rank"
        );
        found.push(Lint { rule: Rule::RankTie, steps: keys(&tied), text });
    }
    found
}

/// Steps of one plugin on a message and on its bulk form: the two share a pipeline, so one request runs both.
fn single_and_bulk(steps: &[Step<'_>]) -> Vec<Lint> {
    let mut found = Vec::new();
    for (index, &(key, step)) in steps.iter().enumerate() {
        let Some(counterpart) = Message::counterpart(&step.message) else { continue };
        let twins = steps.iter().copied().skip(index).filter(|(other, twin)| {
            let overlap = twin.entity.is_none() || step.entity.is_none() || twin.entity == step.entity;
            other.plugin == key.plugin && twin.message == counterpart && twin.stage == step.stage && overlap
        });
        for twin in twins {
            let text = format!(
                "are on {} and {counterpart} at {}, and a request of either message runs both; keep one",
                step.message, step.stage
            );
            found.push(Lint { rule: Rule::SingleAndBulk, steps: keys(&[(key, step), twin]), text });
        }
    }
    found
}

/// What is to say of one step by itself.
fn of_step((key, step): Step<'_>, schema: Option<&Schema>, found: &mut Vec<Lint>) {
    let mut say = |rule: Rule, text: String| found.push(Lint { rule, steps: vec![key.clone()], text });
    let StepDefinition { message, entity, filtering_attributes: filter, images, .. } = step;
    if !step.enabled {
        return say(Rule::Disabled, "is disabled and never runs".into());
    }
    let is_update = [Message::UPDATE, Message::UPDATE_MULTIPLE].contains(&message.as_str());
    if is_update && filter.is_empty() && !step.changed_only && step.when.is_none() {
        let of = entity.as_deref().unwrap_or("any entity");
        say(
            Rule::EmptyFilter,
            format!("runs on every {message} of {of}; give it filtering attributes, or set `changed_only`"),
        );
    }
    if let Some(primary) =
        entity.as_ref().map(|entity| format!("{entity}id")).filter(|id| filter.contains(id))
    {
        say(
            Rule::PrimaryKeyInFilter,
            format!("filters on the primary key `{primary}`, which every target has; take it out"),
        );
    }
    let all_columns =
        images.iter().filter(|image| image.attributes.is_empty() && image.relationship.is_none());
    let all_columns: Vec<&String> = all_columns.map(|image| &image.alias).collect();
    if !all_columns.is_empty() {
        let aliases = names(&all_columns);
        say(
            Rule::AllColumnsImage,
            format!("has all columns in the image {aliases}; name those that it reads"),
        );
    }
    if [Message::RETRIEVE, Message::RETRIEVE_MULTIPLE].contains(&message.as_str()) {
        say(
            Rule::RetrieveStep,
            format!("runs on every {message}, which slows all reading down; do without it"),
        );
    }
    if let Some(schema) = schema {
        against_schema(step, schema, &mut say);
    }
}

/// What of a step does not fit the definitions.
fn against_schema(step: &StepDefinition, schema: &Schema, say: &mut impl FnMut(Rule, String)) {
    let Some(entity) = &step.entity else {
        return condition_on_any(step, schema, say);
    };
    let Some(definition) = schema.entities.get(entity) else {
        return say(Rule::UndefinedEntity, format!("never runs: the entity `{entity}` is not defined"));
    };
    let is_unknown = |name: &&String| definition.readable_type(name).is_err();
    let filter = &step.filtering_attributes;
    let unknown: Vec<&String> = filter.iter().filter(is_unknown).collect();
    if !filter.is_empty() && unknown.len() == filter.len() {
        say(
            Rule::UndefinedAttribute,
            format!("never runs: `{entity}` has none of its filtering attributes {}", names(&unknown)),
        );
    } else if !unknown.is_empty() {
        say(
            Rule::UndefinedAttribute,
            format!("filters on {}, which `{entity}` does not have", names(&unknown)),
        );
    }
    for image in step.images.iter().filter(|image| image.relationship.is_none()) {
        let unknown: Vec<&String> = image.attributes.iter().filter(is_unknown).collect();
        if !unknown.is_empty() {
            let (alias, unknown) = (&image.alias, names(&unknown));
            say(
                Rule::UndefinedAttribute,
                format!("has the image `{alias}` with {unknown}, which `{entity}` does not have"),
            );
        }
    }
    if let Some(Err(error)) = step.when.as_ref().map(|when| when.filter(definition)) {
        say(Rule::ConditionDoesNotFit, format!("cannot run: {}", error.message()));
    }
}

/// A condition of a step for every entity has to fit each of them.
fn condition_on_any(step: &StepDefinition, schema: &Schema, say: &mut impl FnMut(Rule, String)) {
    let Some(when) = &step.when else { return };
    let does_not_fit = |definition: &&EntityDefinition| when.filter(definition).is_err();
    let entities = schema.entities.values().map(AsRef::as_ref);
    let unfit: Vec<&String> =
        entities.filter(does_not_fit).map(|definition| &definition.logical_name).collect();
    if !unfit.is_empty() {
        let text = format!("is for every entity, and its condition `{when}` does not fit {}", names(&unfit));
        say(Rule::ConditionDoesNotFit, text);
    }
}

fn names(names: &[&String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn keys(steps: &[Step<'_>]) -> Vec<StepKey> {
    steps.iter().map(|(key, _)| (*key).clone()).collect()
}
