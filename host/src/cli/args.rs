//! The arguments, each with its default and its unit.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use super::jobs::args::JobsArguments;

/// Run Stagegate plugins: WebAssembly components as steps of a transactional message pipeline.
///
/// Loads each plugin, shows which steps run on which message and why in this order, runs the requests and reports what
/// every step did.
#[derive(Debug, Parser)]
#[command(
    name = "stagegate",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 a request, or a job that it queued, failed; 2 wrong usage, or a plugin, a file \
                  or a database that cannot be used; 130 interrupted."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) run: RunArguments,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Arguments {
    /// The format of the report.
    pub(super) fn format(&self) -> Format {
        match &self.command {
            Some(Command::Inspect(inspect)) => inspect.format,
            Some(Command::Test(test)) => test.format,
            Some(Command::Plan(plan)) => plan.described.format,
            Some(Command::Diff(diff)) => diff.described.format,
            Some(Command::Apply(apply)) => apply.described.format,
            Some(Command::Jobs(jobs)) => jobs.format(),
            None => self.run.format,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a plugin without running it: its steps, imports and sizes, what it is granted and what it lacks.
    Inspect(InspectArguments),
    /// Run scenario files: declarative tests of plugins and of the pipeline.
    Test(TestArguments),
    /// Show which steps run on a message in what order and why, and warn of what is most likely not meant.
    Plan(PlanArguments),
    /// Show how a database's registration differs from what plugins and manifests describe.
    Diff(DiffArguments),
    /// Bring a database's registration to what plugins and manifests describe.
    Apply(ApplyArguments),
    /// Look at the system jobs in a database and act on them, also while a host runs on it.
    Jobs(JobsArguments),
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// A plugin: a component (`.wasm`), or the folder of a plugin crate, which is then built for wasm32-wasip2. May be
    /// repeated.
    #[arg(long = "plugin", value_name = "PATH", required = true)]
    pub(super) plugins: Vec<PathBuf>,

    /// A manifest (TOML) that changes how a plugin's steps are registered. May be repeated: a later one changes what
    /// those before it left. Default: the one beside each plugin, which a named one changes further.
    #[arg(long = "manifest", value_name = "FILE")]
    pub(super) manifests: Vec<PathBuf>,

    /// Entity definitions and requests, as JSON; `-` for standard input. Default: a `requests.json` beside each plugin;
    /// without one, the entities that the plugins declare are created and each step is tried with a made-up record.
    #[arg(long, value_name = "FILE")]
    pub(super) requests: Option<PathBuf>,

    /// The SQLite database file, made if missing. Default: a temporary one, removed at the end.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Option<PathBuf>,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    /// The time limit of a message request with all that it leads to, with a unit: `500ms`, `2s`. Default: 2m.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) timeout: Option<Duration>,

    /// The memory that one run of a step may have, in MiB or with a unit: `64`, `64MiB`, `512KiB`. Default: 128 MiB.
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    pub(super) memory: Option<u64>,

    /// How deeply requests may nest; 1 allows none of a plugin's own. Default: 8.
    #[arg(long, value_name = "LEVELS", value_parser = depth)]
    pub(super) depth: Option<u32>,

    /// Let a Delete, or a new owner, of a record with more children than this go on as a system job. Default: never.
    #[arg(long, value_name = "CHILDREN")]
    pub(super) cascade_jobs: Option<u64>,

    /// The user that requests run as, where they do not name one, as a UUID. Default: the host itself.
    #[arg(long, value_name = "UUID", value_parser = user)]
    pub(super) user: Option<Uuid>,

    /// How long to wait after each request for the jobs that it queued, with a unit. Default: 10s.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) jobs_timeout: Option<Duration>,

    /// Compile anew, and keep no compiled code. Default: kept in the user's cache directory.
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Show the host's own log on standard error; twice for more. Default: none.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// A component (`.wasm`), or the folder of a plugin crate.
    #[arg(value_name = "PATH")]
    pub(super) path: PathBuf,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    /// Compile anew, and keep no compiled code. Default: kept in the user's cache directory.
    #[arg(long)]
    pub(super) no_cache: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every case passes, or is corrected; 1 a case fails; 2 wrong usage, or a file or a plugin \
                  that cannot be used; 130 interrupted."
)]
pub(super) struct TestArguments {
    /// Scenario files, or folders that are searched for `*.scenario.json`.
    #[arg(value_name = "PATH", required_unless_present = "schema")]
    pub(super) paths: Vec<PathBuf>,

    /// Run the cases that have this text in their name or in their file's. Default: all.
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,

    /// Correct the files: write what happened in place of what was expected. Default: they are only read.
    #[arg(long)]
    pub(super) update: bool,

    /// Also write the outcome to this file, as JUnit's XML. Default: no such file.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// What the outcome looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    /// Compile anew, and keep no compiled code. Default: kept in the user's cache directory.
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Print the JSON schema of scenario files, and run nothing.
    #[arg(long, conflicts_with = "paths")]
    pub(super) schema: bool,
}

/// What describes a registration.
#[derive(Debug, Args)]
pub(super) struct DescribedArguments {
    /// A plugin: a component (`.wasm`), or the folder of a plugin crate, which is then built for wasm32-wasip2. May be
    /// repeated.
    #[arg(long = "plugin", value_name = "PATH", required = true)]
    pub(super) plugins: Vec<PathBuf>,

    /// A manifest (TOML) that changes how a plugin's steps are registered. May be repeated: a later one changes what
    /// those before it left. Default: the one beside each plugin, which a named one changes further.
    #[arg(long = "manifest", value_name = "FILE")]
    pub(super) manifests: Vec<PathBuf>,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    /// Compile anew, and keep no compiled code. Default: kept in the user's cache directory.
    #[arg(long)]
    pub(super) no_cache: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// Only this message, for example `Update`. Default: every message that has steps.
    #[arg(value_name = "MESSAGE")]
    pub(super) message: Option<String>,

    /// Only this entity of it. Default: every entity that has steps.
    #[arg(value_name = "ENTITY")]
    pub(super) entity: Option<String>,

    #[command(flatten)]
    pub(super) described: DescribedArguments,

    /// The SQLite database file, whose registration and definitions count. Default: none, so what is described counts,
    /// and no definitions are known.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing differs; 1 something differs; 2 wrong usage, or a plugin, a file or a \
                        database that cannot be used."
)]
pub(super) struct DiffArguments {
    #[command(flatten)]
    pub(super) described: DescribedArguments,

    /// The SQLite database file.
    #[arg(long, value_name = "FILE")]
    pub(super) database: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    pub(super) described: DescribedArguments,

    /// The SQLite database file, made if missing.
    #[arg(long, value_name = "FILE")]
    pub(super) database: PathBuf,

    /// Remove the steps that their plugin no longer has. Default: they are disabled.
    #[arg(long)]
    pub(super) prune: bool,

    /// Show what would be done, and do nothing. Default: it is done.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines: the pages in docs/ have the shapes.
    Json,
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    if text.trim().parse::<f64>().is_ok() {
        return Err(format!("the unit is missing: write `{0}s` or `{0}ms`", text.trim()));
    }
    let duration = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "write a number with a unit, as in `500ms`, `2s` or `1m 30s`".to_owned())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be longer than zero".to_owned()),
    }
}

fn depth(text: &str) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(0) => Err("a request from outside is at depth 1, so the least is 1".to_owned()),
        Ok(depth) => Ok(depth),
        Err(_) => Err("write a whole number, such as 8".to_owned()),
    }
}

fn user(text: &str) -> Result<Uuid, String> {
    text.trim()
        .parse()
        .map_err(|_| "a user is named by a UUID, such as 0000000a-0000-4000-8000-000000000001".to_owned())
}

fn memory_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "kib" | "k" => 1 << 10,
        "" | "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return Err("write whole MiB, or a whole number with KiB, MiB or GiB".to_owned()),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if (65_536..=1 << 32).contains(&bytes) => Ok(bytes),
        Some(_) => Err("it must be between 64 KiB, one page of WebAssembly, and 4 GiB".to_owned()),
        None => Err("write whole MiB, or a whole number with KiB, MiB or GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(positive_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(positive_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(positive_duration("30"), Err("the unit is missing: write `30s` or `30ms`".into()));
        assert!(positive_duration("0s").is_err());
        assert!(positive_duration("-1s").is_err());
        assert!(positive_duration("soon").is_err());
    }

    #[test]
    fn sizes_are_mebibytes_unless_they_say_otherwise() {
        assert_eq!(memory_size("64"), Ok(64 << 20));
        assert_eq!(memory_size("64MiB"), Ok(64 << 20));
        assert_eq!(memory_size("512 KiB"), Ok(512 << 10));
        assert_eq!(memory_size("1g"), Ok(1 << 30));
        for wrong in ["0", "1KiB", "5GiB", "64MB", "x", "", "99999999999999999999"] {
            assert!(memory_size(wrong).is_err(), "{wrong}");
        }
    }
}
