//! What differs between two registrations.

use serde_json::{Value as Json, json};

use super::{Explained, StepRegistration};
use crate::model::StepDefinition;
use crate::model::step::StepKey;

/// How what is described differs from what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The steps that differ: those that are described, then those that are only stored.
    pub steps: Vec<StepDiff>,
    /// Steps that are stored, disabled, and that their plugin no longer has. They do no harm, and come back with the
    /// plugin that has them.
    pub kept: Vec<StepKey>,
}

/// How a step differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepDiff {
    /// It is described and not stored.
    Added(StepRegistration),
    /// It is stored and described with other values.
    Changed {
        /// What is described. A secure configuration that nobody describes is the stored one.
        registration: StepRegistration,
        /// The values that differ.
        changes: Vec<FieldChange>,
        /// What would become of the secure configuration, if anything.
        secret: Option<SecretChange>,
    },
    /// It is stored, and its plugin no longer has it.
    Gone(StepRegistration),
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The name of the field in [`StepDefinition`].
    pub field: &'static str,
    /// What it is; null for none.
    pub from: Json,
    /// What it is to be; null for none.
    pub to: Json,
}

/// What becomes of a secure configuration. Neither text is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// There was none.
    Set,
    /// There was another one.
    Replaced,
    /// It is taken away.
    Cleared,
}

impl StepDiff {
    /// The registration: the described one, or the stored one of a step that is gone.
    #[must_use]
    pub fn registration(&self) -> &StepRegistration {
        match self {
            Self::Added(registration) | Self::Changed { registration, .. } | Self::Gone(registration) => {
                registration
            }
        }
    }

    /// `+`, `~` or `-`.
    #[must_use]
    pub fn sign(&self) -> char {
        match self {
            Self::Added(_) => '+',
            Self::Changed { .. } => '~',
            Self::Gone(_) => '-',
        }
    }
}

impl SecretChange {
    /// The change in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Replaced => "replaced",
            Self::Cleared => "cleared",
        }
    }
}

/// What to write to a database so that its registration becomes what is described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Registrations to write, new or in the place of what is there under the same step.
    pub put: Vec<StepRegistration>,
    /// Steps to remove.
    pub remove: Vec<StepKey>,
}

impl Update {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

impl Diff {
    /// Whether there is no difference that matters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What brings the stored registration to what is described. With `prune`, the steps that are gone are removed;
    /// else they are disabled, since a host refuses to start with one that is to run.
    #[must_use]
    pub fn update(&self, prune: bool) -> Update {
        let mut update = Update::default();
        for step in &self.steps {
            match step {
                StepDiff::Added(registration) | StepDiff::Changed { registration, .. } => {
                    update.put.push(registration.clone());
                }
                StepDiff::Gone(registration) if prune => update.remove.push(registration.key()),
                StepDiff::Gone(registration) => {
                    let mut disabled = registration.clone();
                    disabled.definition.enabled = false;
                    update.put.push(disabled);
                }
            }
        }
        if prune {
            update.remove.extend(self.kept.iter().cloned());
        }
        update
    }
}

/// How what is described differs from what is stored of the same plugins. The order of registration is no difference:
/// a step keeps the place that it was first stored at.
#[must_use]
pub fn diff(described: &[Explained], stored: &[StepRegistration]) -> Diff {
    let mut diff = Diff::default();
    for Explained { registration, .. } in described {
        match stored.iter().find(|other| is_same_step(registration, other)) {
            None => {
                let mut added = registration.clone();
                added.secure_configuration = added.secure_configuration.filter(|secret| !secret.is_empty());
                diff.steps.push(StepDiff::Added(added));
            }
            Some(stored) => diff.steps.extend(changed(registration, stored)),
        }
    }
    for registration in stored {
        let mut of_plugin = described.iter().filter(|step| step.registration.plugin == registration.plugin);
        let is_loaded = of_plugin.clone().next().is_some();
        if !is_loaded || of_plugin.any(|step| is_same_step(&step.registration, registration)) {
            continue;
        }
        if registration.definition.enabled {
            diff.steps.push(StepDiff::Gone(registration.clone()));
        } else {
            diff.kept.push(registration.key());
        }
    }
    diff
}

fn is_same_step(one: &StepRegistration, other: &StepRegistration) -> bool {
    one.plugin == other.plugin && one.definition.name == other.definition.name
}

fn changed(described: &StepRegistration, stored: &StepRegistration) -> Option<StepDiff> {
    let changes = field_changes(&stored.definition, &described.definition);
    let mut registration = described.clone();
    let secret = match (&described.secure_configuration, &stored.secure_configuration) {
        // The operator's manifest need not be at hand for every change.
        (None, stored) => {
            registration.secure_configuration.clone_from(stored);
            None
        }
        (Some(new), old) if new.is_empty() => {
            registration.secure_configuration = None;
            old.as_ref().map(|_| SecretChange::Cleared)
        }
        (Some(_), None) => Some(SecretChange::Set),
        (Some(new), Some(old)) => (new != old).then_some(SecretChange::Replaced),
    };
    (!changes.is_empty() || secret.is_some()).then_some(StepDiff::Changed { registration, changes, secret })
}

/// The fields in which two definitions of one step differ.
pub(super) fn field_changes(from: &StepDefinition, to: &StepDefinition) -> Vec<FieldChange> {
    let pairs = fields(from).into_iter().zip(fields(to));
    pairs
        .filter(|((_, from), (_, to))| from != to)
        .map(|((field, from), (_, to))| FieldChange { field, from, to })
        .collect()
}

/// Every field of a definition but its name, in the order in which they are shown.
fn fields(definition: &StepDefinition) -> Vec<(&'static str, Json)> {
    // Taken apart, so that a new field cannot be forgotten here.
    let StepDefinition {
        name: _,
        message,
        entity,
        stage,
        mode,
        rank,
        filtering_attributes,
        images,
        configuration,
        description,
        changed_only,
        when,
        run_as,
        enabled,
        bypassable,
        jobs,
    } = definition;
    let own = [
        ("message", json!(message)),
        ("entity", json!(entity)),
        ("stage", json!(stage)),
        ("mode", json!(mode)),
        ("rank", json!(rank)),
        ("filtering_attributes", json!(filtering_attributes)),
        ("changed_only", json!(changed_only)),
        ("when", json!(when)),
        ("images", json!(images)),
        ("configuration", json!(configuration)),
        ("run_as", json!(run_as)),
        ("enabled", json!(enabled)),
        ("bypassable", json!(bypassable)),
        ("description", json!(description)),
    ];
    own.into_iter().chain(jobs.parts()).collect()
}
