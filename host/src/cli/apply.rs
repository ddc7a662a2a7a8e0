//! `stagegate apply`: brings a database's registration to what is described.

use super::args::ApplyArguments;
use super::failure::Failure;
use super::report::registration::{DiffReport, Outcome};
use super::surroundings::Surroundings;
use super::{Exit, described, diff};

/// Compares, shows what differs and writes it; with `--dry-run` only shows it.
pub(super) async fn run(
    arguments: &ApplyArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let ApplyArguments { described, database, prune, dry_run } = arguments;
    if *dry_run {
        described::check_exists(database)?;
    }
    let builder = described::host(described, surroundings).await?.sqlite(database);
    let diff = if *dry_run { builder.diff().await? } else { builder.apply(*prune).await? };
    let outcome =
        if *dry_run { Outcome::DryRun { prune: *prune } } else { Outcome::Applied { prune: *prune } };
    let report = DiffReport { database: database.clone(), diff, outcome, exit: Exit::Done };
    diff::show(&report, described.format, surroundings)?;
    Ok(Exit::Done)
}
