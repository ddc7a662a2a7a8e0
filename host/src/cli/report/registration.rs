//! What `plan`, `diff` and `apply` show of registered steps.

use serde::Serialize;
use serde_json::Value as Json;

use super::json::{FORMAT, PlanLine};
use super::plan::Line;
use super::text::{self, Page, Width, clean, signed, warning};
use crate::cli::Exit;
use crate::cli::database::Database;
use crate::model::StepDefinition;
use crate::model::registration::{Diff, FieldChange, Lint, SecretChange, StepDiff};
use crate::model::step::StepKey;

/// Which steps run, and what to say of them.
#[derive(Debug)]
pub(in crate::cli) struct PlanReport {
    /// The database; none if none was named.
    pub(in crate::cli) database: Option<Database>,
    pub(in crate::cli) plan: Vec<Line>,
    pub(in crate::cli) warnings: Vec<Lint>,
    /// How what is described differs from what the database keeps.
    pub(in crate::cli) drift: Diff,
}

/// What differs, and what was done about it.
#[derive(Debug)]
pub(in crate::cli) struct DiffReport {
    pub(in crate::cli) database: Database,
    pub(in crate::cli) diff: Diff,
    pub(in crate::cli) outcome: Outcome,
    pub(in crate::cli) exit: Exit,
}

/// What was done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Outcome {
    /// It was looked for.
    Compared,
    /// It would be written, and was not.
    DryRun { prune: bool },
    /// It was written.
    Applied { prune: bool },
}

/// The plan for people.
pub(in crate::cli) fn render_plan_text(report: &PlanReport, width: Width) -> String {
    let mut page = Page::new(width);
    text::plan_table(&mut page, &report.plan);
    if !report.warnings.is_empty() {
        page.heading("Warnings");
        for lint in &report.warnings {
            page.line(1, &warning(lint.rule.name(), &lint.to_string()));
        }
    }
    if !report.drift.is_empty() {
        page.heading(
            "The database's registration is not what is described; `stagegate apply` would change it",
        );
        differences(&mut page, &report.drift, "disabled, with `--prune` removed");
    }
    page.finish()
}

impl DiffReport {
    /// For people.
    pub(in crate::cli) fn render_text(&self, width: Width) -> String {
        let mut page = Page::new(width);
        let gone = match self.outcome {
            Outcome::Compared => "`stagegate apply` disables it, with `--prune` removes it",
            Outcome::DryRun { prune: false } => "would be disabled; `--prune` removes it",
            Outcome::DryRun { prune: true } => "would be removed",
            Outcome::Applied { prune: false } => "disabled; `--prune` removes it",
            Outcome::Applied { prune: true } => "removed",
        };
        differences(&mut page, &self.diff, gone);
        let removes =
            matches!(self.outcome, Outcome::DryRun { prune: true } | Outcome::Applied { prune: true });
        for key in &self.diff.kept {
            let what = if removes { gone } else { "disabled, kept until `stagegate apply --prune`" };
            page.line(0, &signed('-', &clean(&format!("{key}: the plugin no longer has it; {what}"))));
        }
        page.line(0, &self.summary());
        page.finish()
    }

    fn summary(&self) -> String {
        let of = |wanted: char| self.diff.steps.iter().filter(|step| step.sign() == wanted).count();
        let counts = format!("{} new, {} changed, {} gone", of('+'), of('~'), of('-'));
        let database = clean(&self.database.to_string());
        if self.diff.is_empty() {
            return format!("the registration in {database} is what is described");
        }
        match self.outcome {
            Outcome::Compared => {
                format!("{counts}; `stagegate apply` changes the registration in {database}")
            }
            Outcome::DryRun { .. } => {
                format!("{counts}; nothing was written to {database}, as `--dry-run` says")
            }
            Outcome::Applied { .. } => format!("{counts}; written to {database}"),
        }
    }

    /// For machines; docs/registration.md has the shape.
    pub(in crate::cli) fn render_json(&self) -> Result<String, serde_json::Error> {
        let (applied, prune) = match self.outcome {
            Outcome::Compared => (false, None),
            Outcome::DryRun { prune } => (false, Some(prune)),
            Outcome::Applied { prune } => (true, Some(prune)),
        };
        pretty(&DiffJson {
            format: FORMAT,
            exit_code: self.exit.code(),
            database: self.database.to_string(),
            same: self.diff.is_empty(),
            applied,
            prune,
            steps: steps(&self.diff),
            kept: self.diff.kept.iter().map(KeyJson::from).collect(),
        })
    }
}

/// A line for each step that differs, with a line for each value below it.
fn differences(page: &mut Page, diff: &Diff, gone: &str) {
    for step in &diff.steps {
        let key = step.registration().key();
        let said = match step {
            StepDiff::Added(registration) => format!("{key}: {registration}"),
            StepDiff::Changed { .. } => format!("{key}:"),
            StepDiff::Gone(_) => format!("{key}: the plugin no longer has it; {gone}"),
        };
        page.line(0, &signed(step.sign(), &clean(&said)));
        if let StepDiff::Changed { changes, secret, .. } = step {
            for change in changes {
                page.line(2, &clean(&change.to_string()));
            }
            if let Some(secret) = secret {
                page.line(2, &secret.to_string());
            }
        }
    }
}

/// The plan for machines; docs/registration.md has the shape.
pub(in crate::cli) fn render_plan_json(report: &PlanReport) -> Result<String, serde_json::Error> {
    pretty(&PlanJson {
        format: FORMAT,
        exit_code: Exit::Done.code(),
        database: report.database.as_ref().map(ToString::to_string),
        plan: report.plan.iter().map(PlanLine::from).collect(),
        warnings: report.warnings.iter().map(LintJson::from).collect(),
        drift: steps(&report.drift),
    })
}

fn pretty(document: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|text| text + "\n")
}

#[derive(Serialize)]
struct PlanJson<'a> {
    format: u32,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    plan: Vec<PlanLine<'a>>,
    warnings: Vec<LintJson<'a>>,
    drift: Vec<StepJson<'a>>,
}

#[derive(Serialize)]
struct LintJson<'a> {
    rule: &'static str,
    steps: Vec<KeyJson<'a>>,
    text: &'a str,
}

impl<'a> From<&'a Lint> for LintJson<'a> {
    fn from(lint: &'a Lint) -> Self {
        let steps = lint.steps.iter().map(KeyJson::from).collect();
        Self { rule: lint.rule.name(), steps, text: &lint.text }
    }
}

#[derive(Serialize)]
struct DiffJson<'a> {
    format: u32,
    exit_code: u8,
    database: String,
    same: bool,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<bool>,
    steps: Vec<StepJson<'a>>,
    kept: Vec<KeyJson<'a>>,
}

#[derive(Serialize)]
struct KeyJson<'a> {
    plugin: &'a str,
    step: &'a str,
}

impl<'a> From<&'a StepKey> for KeyJson<'a> {
    fn from(StepKey { plugin, step }: &'a StepKey) -> Self {
        Self { plugin, step }
    }
}

#[derive(Serialize)]
struct StepJson<'a> {
    difference: &'static str,
    plugin: &'a str,
    step: &'a str,
    /// Of a step that is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'a StepDefinition>,
    changes: Vec<ChangeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure_configuration: Option<&'static str>,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    field: &'static str,
    from: &'a Json,
    to: &'a Json,
}

fn steps(diff: &Diff) -> Vec<StepJson<'_>> {
    diff.steps.iter().map(StepJson::from).collect()
}

impl<'a> From<&'a StepDiff> for StepJson<'a> {
    fn from(step: &'a StepDiff) -> Self {
        let registration = step.registration();
        let new = StepJson {
            difference: "gone",
            plugin: &registration.plugin,
            step: &registration.definition.name,
            definition: None,
            changes: Vec::new(),
            secure_configuration: None,
        };
        match step {
            StepDiff::Added(registration) => StepJson {
                difference: "new",
                definition: Some(&registration.definition),
                secure_configuration: registration.secure_configuration.as_ref().map(|_| "set"),
                ..new
            },
            StepDiff::Changed { changes, secret, .. } => StepJson {
                difference: "changed",
                changes: changes
                    .iter()
                    .map(|FieldChange { field, from, to }| ChangeJson { field, from, to })
                    .collect(),
                secure_configuration: secret.map(SecretChange::name),
                ..new
            },
            StepDiff::Gone(_) => new,
        }
    }
}
