//! The admission report: what a component is, and all that is wrong with it.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::problem::{Problem, ProblemKind};
use super::{Inspection, contract};
use crate::model::step::Declaration;
use crate::model::{Schema, StepDefinition};
use crate::pipeline::registry;
use crate::wasm::engine::Settings;
use crate::wasm::plugin::Source;
use crate::wasm::trust::{Signature, Trust};

/// What was found out about a component before it serves a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admission {
    /// What its bytes say.
    pub inspection: Inspection,
    /// Whether it is signed, and by whom.
    pub signature: Signature,
    /// All that is wrong with it. A host loads it if none of them [refuses](Problem::refuses) it.
    pub problems: Vec<Problem>,
    /// The steps that it declares; none as long as that is not known.
    pub steps: Vec<CheckedStep>,
    /// How it was compiled; none if it was refused before.
    pub compilation: Option<Compilation>,
}

/// A step that a component declares, judged as registration would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckedStep {
    /// Its name.
    pub name: String,
    /// What it is on: the message, and the entity where it names one.
    pub on: String,
    /// Whether it can be registered as it is declared.
    pub validity: Validity,
    /// Which rule it breaks, or what it depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a declared step can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Validity {
    /// It can.
    Valid,
    /// It depends on what a database defines, a custom message above all.
    Depends,
    /// It cannot, unless a manifest changes it.
    Invalid,
}

/// How a component became machine code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compilation {
    /// The size of the machine code.
    pub code_bytes: u64,
    /// How long it took, or to read it from the cache.
    #[serde(rename = "took_us", serialize_with = "microseconds")]
    pub took: Duration,
    /// Where the machine code came from.
    pub source: Source,
    /// Why the entry that the cache had was not used: it was changed, cut short, or another's. It was compiled again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged_entry: Option<String>,
    /// Why the cache did not take it, a full disk for one; it is compiled again at the next load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

fn microseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

impl Admission {
    /// Judges what the bytes say, which takes no time to speak of.
    pub(in crate::wasm) fn of(inspection: Inspection, settings: &Settings) -> Self {
        let limits = &settings.limits;
        let mut problems = inspection.world_problems();
        problems.extend(inspection.complexity.problems(&inspection.resources));
        let asked = inspection.declaration.as_ref().map_or(0, |declaration| declaration.asks.memory);
        problems.extend(inspection.resources.problems(limits, asked));
        let mut admission = Self {
            inspection,
            signature: Signature::Missing,
            problems,
            steps: Vec::new(),
            compilation: None,
        };
        if let Some(declaration) = admission.inspection.declaration.clone() {
            admission.judge_steps(&declaration);
        }
        admission
    }

    /// Whether a host refuses to load it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.refuses)
    }

    /// Looks at the signature beside the file.
    pub(in crate::wasm) fn judge_signature(&mut self, trust: &Trust, path: &Path, component: &[u8]) {
        self.signature = trust.signature(path, component);
        if let Some(problem) = trust.problem(path, &self.signature) {
            self.problems.insert(0, problem);
        }
    }

    /// Adds how its contract differs from the host's in shape.
    pub(in crate::wasm) fn judge_contract(&mut self, component: &[u8]) {
        // What is too intricate to be compiled is too intricate to be compared.
        if self.problems.iter().any(|problem| problem.kind == ProblemKind::Complexity) {
            return;
        }
        let differences = match contract::differences(component) {
            Ok(differences) => differences,
            Err(reason) => {
                tracing::debug!(%reason, "the contract that a component was built with cannot be read");
                return;
            }
        };
        for difference in differences {
            let named = format!("`{}`", difference.interface);
            let same = |problem: &&mut Problem| problem.message.contains(&named);
            if let Some(problem) = self.problems.iter_mut().find(same) {
                problem.diff = difference.lines;
                continue;
            }
            let (verb, what) = if difference.exported {
                ("exports", "what this host calls")
            } else {
                ("imports", "what this host offers")
            };
            let message =
                format!("{verb} {named} in another shape than {what} (- the component, + the host)");
            let way_out = "build it again with the SDK of this host's version, or update the host";
            self.problems
                .push(Problem::new(ProblemKind::Contract, message, way_out).with_diff(difference.lines));
        }
    }

    /// Judges each step as its registration would, as far as that can be told without a database.
    pub(in crate::wasm) fn judge_steps(&mut self, declaration: &Declaration) {
        let plugin = declaration.properties.get("name").map_or("plugin", String::as_str);
        self.steps = declaration.steps.iter().map(|step| check(plugin, step)).collect();
        for step in self.steps.iter().filter(|step| step.validity == Validity::Invalid) {
            let reason = step.reason.as_deref().unwrap_or_default();
            let message = format!("declares the step `{}` on {}, which {reason}", step.name, step.on);
            let way_out = "change the step, or have a manifest change it; registration refuses it otherwise";
            self.problems.push(Problem::new(ProblemKind::Step, message, way_out).warning());
        }
    }
}

fn check(plugin: &str, step: &StepDefinition) -> CheckedStep {
    let on = match &step.entity {
        Some(entity) => format!("{} of {entity} at {}", step.message, step.stage),
        None => format!("{} at {}", step.message, step.stage),
    };
    let (validity, reason) = match registry::problem(&Schema::default(), plugin, step) {
        None => (Validity::Valid, None),
        Some(_) if registry::is_custom(step) => {
            let reason =
                format!("`{}` is no message of the host's own: the database must define it", step.message);
            (Validity::Depends, Some(reason))
        }
        Some(problem) => (Validity::Invalid, Some(problem)),
    };
    CheckedStep { name: step.name.clone(), on, validity, reason }
}
