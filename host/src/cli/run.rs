//! `stagegate --plugin PATH`: loads plugins, runs requests, reports.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use super::args::RunArguments;
use super::database::{Database, Named};
use super::failure::Failure;
use super::requests::{Document, Source};
use super::session::Session;
use super::surroundings::{Output, Surroundings};
use super::{Exit, described, load};
use crate::host::Host;
use crate::wasm::Profiler;

/// How long the host may take to end after an interrupt, twice at most.
const INTERRUPTED_SHUTDOWN: Duration = Duration::from_millis(500);

/// What files of this command are, and what they hold: for errors.
const KIND: &str = "requests";
const HINT: &str = "write {\"entities\": [...], \"requests\": [...]}, as docs/requests.md has it";

/// The command: everything that can be wrong is found before the first write.
pub(super) async fn run(arguments: &RunArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let started = Instant::now();
    log(arguments.verbose, surroundings);
    let sources = sources(arguments, surroundings)?;
    let documents = sources.iter().map(Document::parse).collect::<Result<Vec<_>, _>>()?;

    let manifests = described::manifests(&arguments.plugins, &arguments.manifests)?;

    let named = arguments.database.as_ref().map(Named::read).transpose()?;
    let profile = arguments.profile.as_deref().map(ProfileFile::create).transpose()?;
    let options = load::Options {
        no_cache: arguments.no_cache,
        trust: Some(&arguments.trust),
        compile: arguments.compile,
        profiler: profile.as_ref().map(|profile| profile.profiler.clone()),
        core_dumps: arguments.coredump.clone(),
        ..load::Options::of(&arguments.limits)
    };
    let engine = load::engine(options, surroundings)?;
    let plugins = load::plugins(&engine, &arguments.plugins, surroundings).await?;
    let manifests = manifests.of(&plugins)?;
    // Lives until the host has closed the database in it.
    let temporary = tempfile::tempdir().map_err(|error| {
        Failure::new(format!("no folder for the temporary database can be made: {error}"))
    })?;
    let database = named.clone().unwrap_or_else(|| Database::File(temporary.path().join("stagegate.db")));
    let mut session = Session::new(arguments, named, &engine, &plugins, manifests, started);
    let Surroundings { interrupt, output, .. } = surroundings;
    let mut host = None;
    let result = tokio::select! {
        // In this order, an interrupt ends the program as usual until it first waits here.
        biased;
        result = session.run(&documents, &database, &mut host, output) => result,
        () = interrupt => {
            session.report.interrupted = true;
            Ok(())
        }
    };
    if let Some(host) = host {
        shut_down(&host, session.report.interrupted).await;
    }
    if session.report.interrupted {
        surroundings.errors.line("interrupted: the request that ran is rolled back");
    }
    // Also of a run that went wrong: what it did until then may say why.
    let written = profile.map_or(Ok(()), |profile| profile.write(&mut surroundings.errors));
    result?;
    written?;
    session.finish(&mut surroundings.output)
}

/// The file that a profile goes to. It is made before anything runs, so that one that cannot be is told at once.
struct ProfileFile<'a> {
    path: &'a Path,
    file: File,
    profiler: Profiler,
}

impl<'a> ProfileFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path, file, profiler: Profiler::new() })
    }

    fn write(self, errors: &mut Output) -> Result<(), Failure> {
        let mut output = BufWriter::new(self.file);
        let written = self.profiler.write(&mut output).and_then(|()| output.flush());
        written.map_err(|error| unwritable(self.path, &error))?;
        let path = self.path.display();
        errors
            .line(format_args!("the profile is in {path}: open it at profiler.firefox.com, or with samply"));
        Ok(())
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("the profile cannot be written to `{}`: {error}; name another file", path.display()))
}

/// Ends the host. After an interrupt nobody waits long: what is not over in a moment is dropped where it is.
pub(super) async fn shut_down(host: &Host, interrupted: bool) {
    if !interrupted {
        return host.shutdown().await;
    }
    // The first try gives up on the jobs, which the second then need not wait for.
    for _ in 0..2 {
        if tokio::time::timeout(INTERRUPTED_SHUTDOWN, host.shutdown()).await.is_ok() {
            break;
        }
    }
}

/// Shows the host's own log: none of it, or more with each level.
pub(super) fn log(level: u8, surroundings: &Surroundings) {
    let filter = match level {
        _ if !surroundings.logs => return,
        0 => return,
        1 => "stagegate=info",
        2 => "stagegate=debug",
        _ => "trace",
    };
    // A second run in one process keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(surroundings.errors.colour())
        .try_init();
}

/// The requests files: the one that was named, else those beside the plugins.
fn sources(arguments: &RunArguments, surroundings: &mut Surroundings) -> Result<Vec<Source>, Failure> {
    match &arguments.requests {
        Some(path) => Ok(vec![requests_file(path, surroundings)?]),
        None => {
            let beside: BTreeSet<PathBuf> =
                arguments.plugins.iter().map(|plugin| beside(plugin)).filter(|path| path.is_file()).collect();
            beside.iter().map(|path| Source::read(path, KIND, HINT)).collect()
        }
    }
}

/// A requests file that was named; `-` for standard input.
pub(super) fn requests_file(path: &Path, surroundings: &mut Surroundings) -> Result<Source, Failure> {
    if path.as_os_str() != "-" {
        return Source::read(path, KIND, HINT);
    }
    let mut bytes = Vec::new();
    surroundings
        .input
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))?;
    Source::new("standard input", bytes, HINT)
}

fn beside(plugin: &Path) -> PathBuf {
    let folder = if plugin.is_dir() { plugin } else { plugin.parent().unwrap_or_else(|| Path::new("")) };
    folder.join("requests.json")
}
