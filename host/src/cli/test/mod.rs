//! `stagegate test PATH...`: runs scenario files, each case in a database of its own. docs/scenarios.md has the shape.

mod case;
mod compare;
mod given;
mod junit;
mod node;
mod observed;
mod place;
mod raw;
mod report;
mod runner;
mod script;
mod template;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::case::{Case, File};
use self::compare::Edit;
use self::place::Place;
pub(in crate::cli) use self::raw::Expectation;
use self::raw::RawFile;
use self::report::{Ran, Report};
use super::args::{Format, TestArguments};
use super::failure::Failure;
use super::requests::Source;
use super::surroundings::Surroundings;
use super::{Exit, load};
use crate::wasm::Plugin;

/// How the names of scenario files end.
const ENDING: &str = ".scenario.json";

/// Whether a file is a scenario that names no plugin.
pub(super) fn check(source: &Arc<Source>) -> Result<(), Failure> {
    File::parse(source)?.cases(&BTreeMap::new()).map(drop)
}

/// The command: all files are read and checked before the first case runs.
pub(super) async fn run(arguments: &TestArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    if arguments.schema {
        surroundings.output.write(&schema()?);
        return Ok(Exit::Done);
    }
    let started = Instant::now();
    let place = Arc::new(Place::of(arguments.database.as_ref())?);
    let sources = find(&arguments.paths)?.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let files = sources.iter().map(File::parse).collect::<Result<Vec<_>, _>>()?;
    let plugins = load_plugins(&files, arguments, surroundings).await?;
    let mut cases = Vec::new();
    for file in &files {
        cases.extend(file.cases(&plugins)?);
    }
    if let Some(filter) = &arguments.filter {
        cases.retain(|case| case.name.contains(filter) || case.source.name.contains(filter));
    }
    if cases.is_empty() {
        return Err(nothing(arguments));
    }
    let mut running = JoinSet::new();
    let ran = tokio::select! {
        biased;
        ran = run_all(cases, &place, &mut running) => Some(ran),
        () = &mut surroundings.interrupt => None,
    };
    running.shutdown().await;
    let cleaned_up = place.clean_up().await;
    let Some(ran) = ran else {
        surroundings.errors.line("interrupted: the cases that ran are dropped");
        return cleaned_up.map(|()| Exit::Interrupted);
    };
    let ran = ran?;
    cleaned_up?;
    let mut report = Report { ran, took: Duration::ZERO };
    if arguments.update {
        update(&sources, &mut report)?;
    }
    report.took = started.elapsed();
    if let Some(path) = &arguments.junit {
        let text = junit::render(&report)?;
        std::fs::write(path, text)
            .map_err(|error| Failure::new(format!("`{}` cannot be written: {error}", path.display())))?;
    }
    let text = match arguments.format {
        Format::Text => report.text(),
        Format::Json => report.json()?,
    };
    surroundings.output.write(&text);
    Ok(report.exit())
}

/// The JSON schema of scenario files, from the types that read them.
fn schema() -> Result<String, Failure> {
    let schema = schemars::schema_for!(RawFile<'static>);
    serde_json::to_string_pretty(&schema)
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(format!("the schema cannot be written as JSON: {error}")))
}

/// The scenario files that the paths name, folders searched to their leaves, each once and in order.
fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        search(path, &mut found)?;
        if found.len() == before {
            let shown = path.display();
            let message = format!("there is no scenario file in `{shown}`; their names end in `{ENDING}`");
            return Err(Failure::new(message));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| {
        Failure::new(format!("the folder `{}` cannot be read: {error}", folder.display()))
    };
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let path = entry.path();
        // Links are not followed, so that no circle of them holds the search.
        if entry.file_type().map_err(wrong)?.is_dir() {
            search(&path, found)?;
        } else if entry.file_name().to_string_lossy().ends_with(ENDING) {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Arc<Source>, Failure> {
    let hint = "write {\"cases\": [...]}, as docs/scenarios.md has it";
    Source::read(path, "scenario", hint).map(Arc::new)
}

/// Loads each plugin once: the cases share the compiled code.
async fn load_plugins(
    files: &[File<'_>],
    arguments: &TestArguments,
    surroundings: &mut Surroundings,
) -> Result<BTreeMap<PathBuf, Plugin>, Failure> {
    let mut plugins = BTreeMap::new();
    let mut paths = Vec::new();
    for file in files {
        paths.extend(file.plugin_paths()?);
    }
    if paths.is_empty() {
        return Ok(plugins);
    }
    let TestArguments { no_cache, compile, .. } = *arguments;
    let trust = Some(&arguments.trust);
    let engine =
        load::engine(load::Options { no_cache, trust, compile, ..Default::default() }, surroundings)?;
    let mut loaded: BTreeMap<PathBuf, Plugin> = BTreeMap::new();
    for path in paths {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !loaded.contains_key(&canonical) {
            loaded.insert(canonical.clone(), load::plugin(&engine, &path, surroundings).await?);
        }
        if let Some(plugin) = loaded.get(&canonical) {
            plugins.insert(path, plugin.clone());
        }
    }
    Ok(plugins)
}

/// Runs the cases, several at once, and returns what came of each in their order.
async fn run_all(
    cases: Vec<Case>,
    place: &Arc<Place>,
    running: &mut JoinSet<(usize, Ran)>,
) -> Result<Vec<Ran>, Failure> {
    let turns = usize::try_from(load::CONCURRENCY / runner::CONCURRENCY).unwrap_or(1);
    let turns = Arc::new(Semaphore::new(turns));
    for (index, case) in cases.into_iter().enumerate() {
        let (turns, place) = (Arc::clone(&turns), Arc::clone(place));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let outcome = runner::run(&case, &place).await;
            (index, Ran { case, outcome, updated: false })
        });
    }
    let mut ran = BTreeMap::new();
    while let Some(joined) = running.join_next().await {
        let (index, case) = joined.map_err(|error| Failure::new(format!("a case broke down: {error}")))?;
        ran.insert(index, case);
    }
    Ok(ran.into_values().collect())
}

/// Writes what happened into the files in place of what was expected.
fn update(sources: &[Arc<Source>], report: &mut Report) -> Result<(), Failure> {
    for source in sources {
        let cases = report.ran.iter_mut().filter(|ran| Arc::ptr_eq(&ran.case.source, source));
        let mut edits: Vec<Edit> = Vec::new();
        for ran in cases {
            let differences = &ran.outcome.differences;
            ran.updated =
                !differences.is_empty() && differences.iter().all(|difference| difference.edit.is_some());
            edits.extend(differences.iter().filter_map(|difference| difference.edit.clone()));
        }
        if edits.is_empty() {
            continue;
        }
        let text = write::edited(&source.text, edits);
        std::fs::write(&source.name, text).map_err(|error| {
            Failure::new(format!("the scenario file `{}` cannot be written: {error}", source.name))
        })?;
    }
    Ok(())
}

fn nothing(arguments: &TestArguments) -> Failure {
    Failure::new(match &arguments.filter {
        Some(filter) => {
            format!("no case has `{filter}` in its name or its file's; see what there is without `--filter`")
        }
        None => "the files have no cases; add some to `cases`".to_owned(),
    })
}
