//! `stagegate --plugin PATH`: loads plugins, runs requests, reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use super::args::{Format, RunArguments};
use super::failure::Failure;
use super::report::plan::{self, Registered};
use super::report::totals::{Totals, key};
use super::report::{JobReport, Report, RequestReport, Verdict, json, text};
use super::requests::{Document, Scripted, Source};
use super::surroundings::Surroundings;
use super::{Exit, load, sample};
use crate::host::{Host, PlannedStep};
use crate::model::step::SYSTEM_USER;
use crate::model::trace::StepRun;
use crate::model::{EntityDefinition, Error, Job, JobState, Schema};
use crate::store::JobSelect;
use crate::wasm::Plugin;

/// How long jobs are waited for after each request.
const JOBS_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// How often jobs that wait for a later moment are looked at.
const JOBS_POLL: Duration = Duration::from_millis(20);

/// The runs of asynchronous steps so far, by their jobs.
type Runs = Arc<Mutex<BTreeMap<Uuid, Vec<StepRun>>>>;

/// The command: everything that can be wrong is found before the first write.
pub(super) async fn run(arguments: &RunArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let started = Instant::now();
    log(arguments.verbose, surroundings);
    let sources = sources(arguments, surroundings)?;
    let documents = sources.iter().map(Document::parse).collect::<Result<Vec<_>, _>>()?;

    let options = load::Options {
        no_cache: arguments.no_cache,
        memory_bytes: arguments.memory,
        depth: arguments.depth,
    };
    let engine = load::engine(options, surroundings)?;
    let mut plugins = Vec::new();
    for path in &arguments.plugins {
        plugins.push(load::plugin(&engine, path, surroundings).await?);
    }
    // Lives until the host has closed the database in it.
    let temporary = tempfile::tempdir().map_err(|error| {
        Failure::new(format!("no folder for the temporary database can be made: {error}"))
    })?;
    let database = arguments.database.clone().unwrap_or_else(|| temporary.path().join("stagegate.db"));
    let runs = Runs::default();
    let host = open(arguments, &plugins, database, &runs).await?;

    let result = async {
        let steps: Vec<Registered> = host.plan().into_iter().map(registered).collect();
        let user = arguments.user.unwrap_or(SYSTEM_USER);
        let prepared = prepare(&documents, &host.schema(), &plugins, &steps, user)?;
        for definitions in prepared.definitions {
            host.define(definitions).await?;
        }
        let wait = arguments.jobs_timeout.unwrap_or(JOBS_TIMEOUT_DEFAULT);
        let mut requests = execute(&host, prepared.requests, wait).await?;
        take_runs(&mut requests, &runs);
        Ok::<_, Failure>(Report {
            plugins: plugins.iter().map(load::report).collect(),
            database: arguments.database.clone(),
            made_up: prepared.made_up,
            plan: plan::lines(&steps),
            requests,
            memory_limit: u64::try_from(engine.settings().limits.memory_bytes).unwrap_or(u64::MAX),
            took: started.elapsed(),
        })
    }
    .await;
    host.shutdown().await;
    show(&result?, arguments.format, surroundings)
}

fn log(verbose: u8, surroundings: &Surroundings) {
    let filter = match verbose {
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
        Some(path) if path.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            surroundings
                .input
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))?;
            Ok(vec![source("standard input", bytes)?])
        }
        Some(path) => Ok(vec![read(path)?]),
        None => {
            let beside: BTreeSet<PathBuf> =
                arguments.plugins.iter().map(|plugin| beside(plugin)).filter(|path| path.is_file()).collect();
            beside.iter().map(|path| read(path)).collect()
        }
    }
}

fn beside(plugin: &Path) -> PathBuf {
    let folder = if plugin.is_dir() { plugin } else { plugin.parent().unwrap_or_else(|| Path::new("")) };
    folder.join("requests.json")
}

fn read(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::new(format!(
            "the requests file `{name}` cannot be read: {error}; name a JSON file, or `-` for standard input"
        ))
    })?;
    source(&name, bytes)
}

fn source(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("{name}: the byte {at} is not UTF-8; save the file as UTF-8"))
    })?;
    // Editors on some systems begin a file with a mark that JSON does not know.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Failure::new(format!(
            "{name} is empty; write {{\"entities\": [...], \"requests\": [...]}}, as docs/requests.md has it"
        )));
    }
    Ok(Source { name: name.to_owned(), text })
}

async fn open(
    arguments: &RunArguments,
    plugins: &[Plugin],
    database: PathBuf,
    runs: &Runs,
) -> Result<Host, Failure> {
    let runs = runs.clone();
    let observer = move |job: &Job, run| lock(&runs).entry(job.id).or_default().push(run);
    let mut builder = Host::builder().sqlite(database).observe_jobs(observer);
    if let Some(limit) = arguments.timeout {
        builder = builder.time_limit(limit);
    }
    if let Some(limit) = arguments.depth {
        builder = builder.depth_limit(limit);
    }
    for plugin in plugins {
        builder = builder.plugin(plugin.clone());
    }
    Ok(builder.build().await?)
}

fn lock(runs: &Runs) -> MutexGuard<'_, BTreeMap<Uuid, Vec<StepRun>>> {
    runs.lock().unwrap_or_else(PoisonError::into_inner)
}

fn registered(step: PlannedStep) -> Registered {
    Registered { key: step.key, definition: step.definition, native: step.native }
}

/// What is to be defined, file by file, and what is to be run.
struct Prepared {
    definitions: Vec<Vec<EntityDefinition>>,
    requests: Vec<Scripted>,
    made_up: bool,
}

/// Checks the definitions and types the requests against the schema that they lead to; nothing is written.
fn prepare(
    documents: &[Document<'_>],
    schema: &Schema,
    plugins: &[Plugin],
    steps: &[Registered],
    user: Uuid,
) -> Result<Prepared, Failure> {
    let mut definitions = Vec::new();
    let mut schema = schema.clone();
    for document in documents {
        if let Some(entities) = &document.entities {
            schema = schema.extended(entities).map_err(|error| document.failure(&error))?;
            definitions.push(entities.clone());
        }
    }
    if definitions.is_empty() {
        let declared = plugins.iter().flat_map(|plugin| &plugin.declaration().entities);
        let entities = sample::definitions(declared, steps, &schema).map_err(Failure::new)?;
        schema = schema.extended(&entities)?;
        definitions.push(entities);
    }
    let mut requests: Option<Vec<Scripted>> = None;
    for document in documents {
        if let Some(more) = document.requests(&schema, user)? {
            requests.get_or_insert_default().extend(more);
        }
    }
    let made_up = requests.is_none();
    let requests = requests.unwrap_or_else(|| sample::requests(steps, &schema, user, &mut Uuid::now_v7));
    Ok(Prepared { definitions, requests, made_up })
}

/// Runs the requests one after the other, each with the jobs that it leads to.
async fn execute(
    host: &Host,
    requests: Vec<Scripted>,
    wait: Duration,
) -> Result<Vec<RequestReport>, Failure> {
    let mut reports: Vec<RequestReport> = Vec::new();
    for scripted in requests {
        let again = sample::again(&scripted, &host.schema());
        reports.push(execute_one(host, scripted, reports.len() + 1, wait).await?);
        // A plugin may refuse a made-up record for an attribute that it has; one without shows more of it.
        let refused = reports.last().is_some_and(|report| report.verdict() == Verdict::Refused);
        if let (Some(again), true) = (again, refused) {
            reports.push(execute_one(host, again, reports.len() + 1, wait).await?);
        }
    }
    Ok(reports)
}

async fn execute_one(
    host: &Host,
    scripted: Scripted,
    number: usize,
    wait: Duration,
) -> Result<RequestReport, Failure> {
    let Scripted { note, expect, request } = scripted;
    let message = request.message.clone();
    let traced = host.trace(request).await;
    let jobs = match &traced.trace {
        Some(trace) if trace.error.is_none() => jobs(host, trace.correlation_id, wait).await?,
        _ => Vec::new(),
    };
    let jobs = jobs.into_iter().map(|job| JobReport { job, runs: Vec::new() }).collect();
    let (result, trace) = (traced.result, traced.trace);
    Ok(RequestReport { number, note, expect, message, result, trace, jobs })
}

/// Gives each job its runs. At the end, since a job of an earlier request may run again.
fn take_runs(requests: &mut [RequestReport], runs: &Runs) {
    let mut runs = std::mem::take(&mut *lock(runs));
    for report in requests.iter_mut().flat_map(|request| &mut request.jobs) {
        report.runs = runs.remove(&report.job.id).unwrap_or_default();
    }
}

/// The jobs that a request led to, after they have ended or the time is up.
async fn jobs(host: &Host, correlation: Uuid, wait: Duration) -> Result<Vec<Job>, Error> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let jobs = host.jobs(JobSelect::Correlation(correlation)).await?;
        let over = jobs.iter().all(|job| job.status.state() == JobState::Completed);
        if over || tokio::time::Instant::now() >= deadline {
            return Ok(jobs);
        }
        // Either ends the wait: the jobs' end, or the time. A job that waits for a later moment leaves the host idle.
        if let Ok(idle) = tokio::time::timeout_at(deadline, host.idle()).await {
            idle?;
            let jobs = host.jobs(JobSelect::Correlation(correlation)).await?;
            if jobs.iter().any(|job| job.status.state() != JobState::Completed) {
                tokio::time::sleep(JOBS_POLL).await;
            }
        }
    }
}

fn show(report: &Report, format: Format, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let native = report.plan.iter().filter(|line| line.step.native).map(|line| key(&line.step.key)).collect();
    let totals = Totals::of(&report.requests, &native);
    let text = match format {
        Format::Text => text::render(report, &totals),
        Format::Json => json::render(report, &totals)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(format!("the report cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(report.exit())
}
