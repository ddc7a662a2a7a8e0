//! `stagegate apply`: brings a database's registration to what is described.

use super::args::ApplyArguments;
use super::failure::Failure;
use super::load::Options;
use super::report::registration::{DiffReport, Outcome};
use super::surroundings::Surroundings;
use super::{Exit, described, diff};

/// Compares, shows what differs and writes it; with `--dry-run` only shows it.
pub(super) async fn run(
    arguments: &ApplyArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let ApplyArguments { described, database, prune, dry_run } = arguments;
    let database = database.read(surroundings)?;
    if *dry_run {
        database.check_exists()?;
    }
    let builder = described::host(described, Options::default(), surroundings).await?;
    let diff = if *dry_run {
        database.look(builder, async |host| host.diff().await).await?
    } else {
        database.host(builder).apply(*prune).await?
    };
    let outcome =
        if *dry_run { Outcome::DryRun { prune: *prune } } else { Outcome::Applied { prune: *prune } };
    let report = DiffReport { database, diff, outcome, exit: Exit::Done };
    diff::show(&report, described.format, surroundings)?;
    Ok(Exit::Done)
}
