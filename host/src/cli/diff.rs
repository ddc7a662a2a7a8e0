//! `stagegate diff`: how a database's registration differs from what is described.

use super::args::{DiffArguments, Format};
use super::failure::Failure;
use super::report::registration::{DiffReport, Outcome};
use super::surroundings::Surroundings;
use super::{Exit, described};

/// Compares, and shows what differs.
pub(super) async fn run(arguments: &DiffArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    described::check_exists(&arguments.database)?;
    let builder = described::host(&arguments.described, surroundings).await?;
    let diff = builder.sqlite(&arguments.database).diff().await?;
    let exit = if diff.is_empty() { Exit::Done } else { Exit::Different };
    let report = DiffReport { database: arguments.database.clone(), diff, outcome: Outcome::Compared, exit };
    show(&report, arguments.described.format, surroundings)?;
    Ok(exit)
}

/// Shows what differs, and what was done about it.
pub(super) fn show(
    report: &DiffReport,
    format: Format,
    surroundings: &mut Surroundings,
) -> Result<(), Failure> {
    let text = match format {
        Format::Text => report.render_text(surroundings.output.width()),
        Format::Json => report
            .render_json()
            .map_err(|error| Failure::new(format!("the difference cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(())
}
