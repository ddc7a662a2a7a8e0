//! `stagegate plan`: which steps run on which message in what order, why, and what is most likely not meant.

use super::args::{Format, PlanArguments};
use super::failure::Failure;
use super::report::plan::{self, Line, Registered};
use super::report::registration::{PlanReport, render_plan_json, render_plan_text};
use super::surroundings::Surroundings;
use super::{Exit, described};
use crate::model::registration::lints;

/// Registers everything as a host would, and shows it.
pub(super) async fn run(arguments: &PlanArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    if let Some(database) = &arguments.database {
        described::check_exists(database)?;
    }
    let builder = described::host(&arguments.described, surroundings).await?;
    let temporary = tempfile::tempdir().map_err(|error| {
        Failure::new(format!("no folder for the temporary database can be made: {error}"))
    })?;
    let database = arguments.database.clone().unwrap_or_else(|| temporary.path().join("stagegate.db"));
    let host = builder.sqlite(database).build().await?;
    let mut planned = host.plan();
    planned.sort_by_key(|step| step.sequence);
    let mut warnings = match arguments.database {
        Some(_) => host.lints(),
        // The temporary database has no definitions, and which there will be is not known.
        None => lints(planned.iter().map(|step| (&step.key, &step.definition)), None),
    };
    let steps: Vec<Registered> = planned.into_iter().map(Registered::from).collect();
    let plan = chosen(&steps, arguments);
    warnings.retain(|lint| lint.steps.iter().any(|key| plan.iter().any(|line| line.step.key == *key)));
    let report =
        PlanReport { database: arguments.database.clone(), plan, warnings, drift: host.drift().clone() };
    host.shutdown().await;
    let text = match arguments.described.format {
        Format::Text => render_plan_text(&report, surroundings.output.width()),
        Format::Json => render_plan_json(&report)
            .map_err(|error| Failure::new(format!("the plan cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(Exit::Done)
}

/// The plan of what the user asked for.
fn chosen(steps: &[Registered], arguments: &PlanArguments) -> Vec<Line> {
    match (&arguments.message, &arguments.entity) {
        // Also of an entity that no step names: those for every entity run on it.
        (Some(message), Some(entity)) => plan::of_subject(steps, message, Some(entity)),
        (Some(message), None) => {
            plan::lines(steps).into_iter().filter(|line| line.message == *message).collect()
        }
        (None, _) => plan::lines(steps),
    }
}
