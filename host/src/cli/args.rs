//! The arguments, each with its default and its unit.

mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::jobs::{BACKGROUND_WORKERS_DEFAULT, WORKERS_DEFAULT};

use super::database::{DatabaseArguments, Named};
use super::jobs::args::JobsArguments;
pub(super) use value::positive_duration;
use value::{compile_memory, depth, memory_size, user};

/// System jobs that may run at once: each has a sandbox at hand for every level of nesting.
const WORKERS_MAX: u32 = 1000;

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
            Some(Command::Worker(worker)) => worker.described.format,
            Some(Command::CompileChild) => Format::Text,
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
    /// Run the system jobs of a database, and nothing else, until it is interrupted.
    Worker(WorkerArguments),
    /// Compile the component on standard input for the host that started this process.
    #[command(hide = true)]
    CompileChild,
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

    /// The database: the path of a SQLite file, made if missing, or the address of a PostgreSQL database,
    /// `postgres://user@host/name`. Default: a temporary file, removed at the end.
    #[arg(long, value_name = "DATABASE")]
    pub(super) database: Option<Named>,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) trust: TrustArguments,

    #[command(flatten)]
    pub(super) limits: LimitArguments,

    /// The user that requests run as, where they do not name one, as a UUID. Default: the host itself.
    #[arg(long, value_name = "UUID", value_parser = user)]
    pub(super) user: Option<Uuid>,

    /// System jobs that run at once. With 0 jobs are queued and left to other hosts on the database, and not waited for.
    /// Default: 4.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(WORKERS_MAX)))]
    pub(super) workers: Option<u32>,

    /// How long to wait after each request for the jobs that it queued, with a unit. Default: 10s.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) jobs_timeout: Option<Duration>,

    /// Write a profile of the plugins' CPU time to this file, as the Firefox Profiler reads it. Default: none is taken.
    #[arg(long, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,

    /// Write a core dump of each plugin that traps to this folder, which is made if missing. It holds the plugin's memory:
    /// data of records and secrets too. Default: none is written.
    #[arg(long, value_name = "FOLDER")]
    pub(super) coredump: Option<PathBuf>,

    #[command(flatten)]
    pub(super) compile: CompileArguments,

    /// Compile anew, and keep no compiled code. Default: kept in the user's cache directory.
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Show the host's own log on standard error; twice for more. Default: none.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// Whose plugins are loaded.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrustArguments {
    /// A public key of minisign, or its file, that plugins may be signed by: `x.wasm` in `x.wasm.minisig` beside it. May be
    /// repeated. Default: none, and signatures are not checked.
    #[arg(long = "trusted-key", value_name = "KEY")]
    pub(super) keys: Vec<String>,

    /// Refuse plugins that no trusted key has signed. Default: those with a wrong signature alone are refused.
    #[arg(long, requires = "keys")]
    pub(super) require_signatures: bool,
}

/// What one plugin may take to be compiled, which a process of its own does.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct CompileArguments {
    /// The time that one plugin may take to be compiled, with a unit. Default: 2m.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) compile_timeout: Option<Duration>,

    /// The memory that one plugin may take to be compiled, in MiB or with a unit. Default: 4 GiB.
    #[arg(long, value_name = "SIZE", value_parser = compile_memory)]
    pub(super) compile_memory: Option<u64>,
}

/// Limits of message requests and of the steps in them.
#[derive(Debug, Args)]
pub(super) struct LimitArguments {
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
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// A component (`.wasm`), or the folder of a plugin crate.
    #[arg(value_name = "PATH")]
    pub(super) path: PathBuf,

    /// An operator's manifest (TOML), for what it grants the plugin. May be repeated.
    #[arg(long = "manifest", value_name = "FILE")]
    pub(super) manifests: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) trust: TrustArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) compile: CompileArguments,

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

    /// The address of a PostgreSQL database, `postgres://user@host/name`: each case runs in a schema of its own in it,
    /// which is dropped afterwards. Default: each in a temporary SQLite file.
    #[arg(long, value_name = "DATABASE")]
    pub(super) database: Option<Named>,

    /// Also write the outcome to this file, as JUnit's XML. Default: no such file.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// What the outcome looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) trust: TrustArguments,

    #[command(flatten)]
    pub(super) compile: CompileArguments,

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

    #[command(flatten)]
    pub(super) trust: TrustArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) compile: CompileArguments,

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

    /// The database whose registration and definitions count: the path of a SQLite file, or the address of a PostgreSQL
    /// database. Default: none, so what is described counts, and no definitions are known.
    #[arg(long, value_name = "DATABASE")]
    pub(super) database: Option<Named>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing differs; 1 something differs; 2 wrong usage, or a plugin, a file or a \
                        database that cannot be used."
)]
pub(super) struct DiffArguments {
    #[command(flatten)]
    pub(super) described: DescribedArguments,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    #[command(flatten)]
    pub(super) described: DescribedArguments,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// Remove the steps that their plugin no longer has. Default: they are disabled.
    #[arg(long)]
    pub(super) prune: bool,

    /// Show what would be done, and do nothing. Default: it is done.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The first Ctrl-C or SIGTERM lets running jobs end within the grace, the second stops them. Jobs that were \
                  not begun, or were stopped, are ready for the next host on the database.\n\nExit codes: 0 it was stopped \
                  and the jobs ended or were handed back, whether or not jobs failed; 2 wrong usage, or a plugin, a file or \
                  a database that cannot be used; 130 interrupted a second time."
)]
pub(super) struct WorkerArguments {
    #[command(flatten)]
    pub(super) described: DescribedArguments,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// System jobs that run at once. Default: 4.
    #[arg(
        long, value_name = "N", default_value_t = WORKERS_DEFAULT, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(WORKERS_MAX))
    )]
    pub(super) workers: u32,

    /// Jobs of background steps that run at once, besides. Default: 1.
    #[arg(
        long, value_name = "N", default_value_t = BACKGROUND_WORKERS_DEFAULT, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(..=i64::from(WORKERS_MAX))
    )]
    pub(super) background_workers: u32,

    /// How long running jobs have to end after the first interrupt, with a unit. Default: 30s.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) grace: Option<Duration>,

    #[command(flatten)]
    pub(super) limits: LimitArguments,

    /// Log each job on standard error too; twice for more. Default: when it starts and stops, and what goes wrong.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For machines: the pages in docs/ have the shapes.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
