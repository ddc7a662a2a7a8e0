//! `stagegate plan`: which steps run on which message in what order, why, and what is most likely not meant.

use super::args::{Format, PlanArguments};
use super::database::Named;
use super::failure::Failure;
use super::load::Options;
use super::report::plan::{self, Line, Registered};
use super::report::registration::{PlanReport, render_plan_json, render_plan_text};
use super::surroundings::Surroundings;
use super::{Exit, described};
use crate::host::Planned;
use crate::model::registration::Lint;

/// Registers everything as a host would, and shows it.
pub(super) async fn run(arguments: &PlanArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let database = arguments.database.as_ref().map(Named::read).transpose()?;
    if let Some(database) = &database {
        database.check_exists()?;
    }
    let builder = described::host(&arguments.described, Options::default(), surroundings).await?;
    let Planned { steps, lints, drift, .. } = match &database {
        Some(database) => database.look(builder, async |host| host.plan().await).await?,
        None => builder.plan().await?,
    };
    let steps: Vec<Registered> = steps.into_iter().map(Registered::from).collect();
    let plan = chosen(&steps, arguments);
    let is_shown = |lint: &Lint| lint.steps.iter().any(|key| plan.iter().any(|line| line.step.key == *key));
    let warnings = lints.into_iter().filter(is_shown).collect();
    let report = PlanReport { database, plan, warnings, drift };
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
        (Some(message), None) => plan::of_message(steps, message),
        (None, _) => plan::lines(steps),
    }
}
