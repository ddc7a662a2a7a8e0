//! `stagegate diff`: how a database's registration differs from what is described.

use super::args::{DiffArguments, Format};
use super::failure::Failure;
use super::load::Options;
use super::report::registration::{DiffReport, Outcome};
use super::surroundings::Surroundings;
use super::{Exit, described};

/// Compares, and shows what differs.
pub(super) async fn run(arguments: &DiffArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let database = arguments.database.read(surroundings)?;
    database.check_exists()?;
    let builder = described::host(&arguments.described, Options::default(), surroundings).await?;
    let diff = database.look(builder, async |host| host.diff().await).await?;
    let exit = if diff.is_empty() { Exit::Done } else { Exit::Different };
    let report = DiffReport { database, diff, outcome: Outcome::Compared, exit };
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
