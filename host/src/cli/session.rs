//! One run of the program: what is prepared, what ran so far, and what of it is shown already.
//!
//! The text report grows while the requests run; the JSON report is written at the end. An interrupt drops the future
//! of [`Session::run`], and what the session has by then is still reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::args::{Format, RunArguments};
use super::database::Database;
use super::failure::Failure;
use super::report::jobs::holding;
use super::report::plan::{self, Registered};
use super::report::totals::Totals;
use super::report::{JobReport, Report, RequestReport, Verdict, json, scale, text};
use super::requests::{Document, Scripted};
use super::surroundings::Output;
use super::{Exit, described, load, sample};
use crate::host::Host;
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::registration::Manifest;
use crate::model::step::{SYSTEM_USER, StepKey};
use crate::model::trace::StepRun;
use crate::model::{DateTime, Definitions, Error, Job, JobState, OpenBreaker, Schema};
use crate::store::{JobSelect, PausedStep, Store};
use crate::wasm::{Engine, Plugin};

/// Jobs of earlier runs that are shown at most.
const EARLIER_JOBS_MAX: u32 = 1000;
/// How long jobs are waited for after each request.
const JOBS_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// How often jobs that wait for a later moment are looked at.
const JOBS_POLL: Duration = Duration::from_millis(20);

/// The runs of asynchronous steps so far, by their jobs.
type Runs = Arc<Mutex<BTreeMap<Uuid, Vec<StepRun>>>>;

/// A run of the program.
pub(super) struct Session<'a> {
    arguments: &'a RunArguments,
    plugins: &'a [Plugin],
    manifests: Vec<Manifest>,
    started: Instant,
    runs: Runs,
    pub(super) report: Report,
    /// As of the last request that led to jobs.
    schema: Option<Arc<Schema>>,
    /// Whether the report's beginning was shown, and how many requests were.
    begun: bool,
    shown: usize,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        arguments: &'a RunArguments,
        database: Option<Database>,
        engine: &Engine,
        plugins: &'a [Plugin],
        manifests: Vec<Manifest>,
        started: Instant,
    ) -> Self {
        let report = Report {
            plugins: plugins.iter().map(load::report).collect(),
            database,
            made_up: false,
            plan: Vec::new(),
            requests: Vec::new(),
            earlier_jobs: Vec::new(),
            usage: Vec::new(),
            memory_limit: u64::try_from(engine.settings().limits.memory_bytes).unwrap_or(u64::MAX),
            interrupted: false,
            took: Duration::ZERO,
        };
        Self {
            arguments,
            plugins,
            manifests,
            started,
            runs: Runs::default(),
            report,
            schema: None,
            begun: false,
            shown: 0,
        }
    }

    /// Opens the database by itself, since what it has already is part of what requests are checked against, and then as
    /// `host`; then checks and defines everything, then runs the requests.
    pub(super) async fn run(
        &mut self,
        documents: &[Document<'_>],
        database: &Database,
        host: &mut Option<Host>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let store = database.open().await?;
        let user = self.arguments.user.unwrap_or(SYSTEM_USER);
        let Prepared { definitions, requests } = prepare(documents, &store.schema(), self.plugins, user)?;
        let begun = SystemClock.now();
        let host = &*host.insert(self.start(store, definitions).await?);
        let steps: Vec<Registered> = host.plan().into_iter().map(Registered::from).collect();
        self.report.plan = plan::lines(&steps);
        if !define_something(documents) {
            // Now that it is known which steps run: the entity on which those for every entity are tried.
            let declared = self.plugins.iter().map(Plugin::declaration);
            host.define(sample::definitions(declared, &steps, &host.schema())?).await?;
        }
        self.report.made_up = requests.is_none();
        let made_up = || sample::requests(&steps, &host.schema(), user, &mut Uuid::now_v7);
        let requests = requests.unwrap_or_else(made_up);
        for (plugin, report) in self.plugins.iter().zip(&mut self.report.plugins) {
            report.warnings = host.schema().mismatches(plugin.declaration());
            report.warnings.extend(drift_of(host, plugin));
            report.warnings.extend(lacking_of(host, plugin));
        }
        self.show_new(output);
        for scripted in requests {
            let again = sample::again(&scripted, &host.schema());
            self.execute(host, scripted, output).await?;
            // A plugin may refuse a made-up record for an attribute that it has; one without shows more of it.
            let refused =
                self.report.requests.last().is_some_and(|report| report.verdict() == Verdict::Refused);
            if let (Some(again), true) = (again, refused) {
                self.execute(host, again, output).await?;
            }
        }
        self.run_earlier_jobs(host, begun).await
    }

    /// Lets the jobs run that an earlier run has left in the database, within the time for jobs, and notes them.
    async fn run_earlier_jobs(&mut self, host: &Host, begun: DateTime) -> Result<(), Failure> {
        let wait = self.jobs_timeout();
        if let Ok(idle) = tokio::time::timeout(wait, host.idle()).await {
            idle?;
        }
        let mut jobs = host.jobs(JobSelect::Newest(EARLIER_JOBS_MAX)).await?;
        let own = self.report.requests.iter().flat_map(|request| &request.jobs);
        let own: BTreeSet<Uuid> = own.map(|report| report.job.id).collect();
        jobs.retain(|job| job.started_on.is_some_and(|on| on >= begun) && !own.contains(&job.id));
        self.report.earlier_jobs = jobs;
        self.report.usage = host.plugin_usage();
        Ok(())
    }

    async fn start(&self, store: Arc<dyn Store>, definitions: Definitions) -> Result<Host, Failure> {
        let runs = self.runs.clone();
        let observer = move |job: &Job, run| lock(&runs).entry(job.id).or_default().push(run);
        let mut builder = Host::builder().store(store).define(definitions).observe_jobs(observer);
        builder = described::limited(builder, &self.arguments.limits);
        if let Some(workers) = self.arguments.workers {
            builder = builder.workers(workers);
        }
        for plugin in self.plugins {
            builder = builder.plugin(plugin.clone());
        }
        for manifest in &self.manifests {
            builder = builder.manifest(manifest.clone());
        }
        Ok(builder.build().await?)
    }

    /// Runs a request with the jobs that it leads to, and shows them.
    async fn execute(&mut self, host: &Host, scripted: Scripted, output: &mut Output) -> Result<(), Failure> {
        let Scripted { note, expect, request } = scripted;
        let message = request.message.clone();
        let mut traced = host.trace(request).await;
        if let Some(trace) = &mut traced.trace {
            scale::trace(trace, &host.schema());
        }
        let correlation =
            traced.trace.as_ref().filter(|trace| trace.error.is_none()).map(|trace| trace.correlation_id);
        // Before the wait for its jobs: an interrupt there takes nothing of the request back.
        self.report.requests.push(RequestReport {
            number: self.report.requests.len() + 1,
            note,
            expect,
            message,
            result: traced.result,
            trace: traced.trace,
            jobs: Vec::new(),
        });
        let wait = self.jobs_timeout();
        if let (Some(correlation), Some(report)) = (correlation, self.report.requests.last_mut()) {
            let jobs = jobs(host, correlation, wait).await?;
            self.schema = Some(host.schema());
            report.jobs = jobs.into_iter().map(|job| JobReport { job, runs: Vec::new() }).collect();
        }
        self.report.usage = host.plugin_usage();
        self.show_new(output);
        Ok(())
    }

    /// How long jobs are waited for: not at all where they are left to others.
    fn jobs_timeout(&self) -> Duration {
        match self.arguments.workers {
            Some(0) => Duration::ZERO,
            _ => self.arguments.jobs_timeout.unwrap_or(JOBS_TIMEOUT_DEFAULT),
        }
    }

    /// Shows what of the text report is new.
    fn show_new(&mut self, output: &mut Output) {
        self.take_runs();
        if self.arguments.format != Format::Text {
            return;
        }
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            text.push_str(&text::beginning(&self.report, output.width()));
        }
        for request in self.report.requests.iter().skip(self.shown) {
            text.push_str(&text::request(request, output.width()));
        }
        self.shown = self.report.requests.len();
        output.write(&text);
    }

    /// Gives each job its runs so far. Again and again, since a job of an earlier request may run again.
    fn take_runs(&mut self) {
        let runs = lock(&self.runs);
        for report in self.report.requests.iter_mut().flat_map(|request| &mut request.jobs) {
            if let Some(runs) = runs.get(&report.job.id).filter(|runs| runs.len() != report.runs.len()) {
                report.runs.clone_from(runs);
                if let Some(schema) = &self.schema {
                    report.runs.iter_mut().for_each(|run| scale::run(run, None, schema));
                }
            }
        }
    }

    /// Shows the rest of the report.
    pub(super) fn finish(mut self, output: &mut Output) -> Result<Exit, Failure> {
        self.show_new(output);
        self.report.took = self.started.elapsed();
        let report = &self.report;
        let totals = Totals::of(&report.requests);
        let text = match self.arguments.format {
            Format::Text => text::ending(report, &totals, SystemClock.now(), output.width()),
            Format::Json => json::render(report, &totals)
                .map(|text| text + "\n")
                .map_err(|error| Failure::new(format!("the report cannot be written as JSON: {error}")))?,
        };
        output.write(&text);
        Ok(report.exit())
    }
}

/// How the registration that runs differs from what the plugin and its manifests say.
fn drift_of(host: &Host, plugin: &Plugin) -> impl Iterator<Item = String> {
    let steps = host.drift().steps.into_iter();
    steps.filter(|step| step.registration().plugin == plugin.name()).map(|step| {
        format!(
            "the database's registration is not what is described: {step}; `stagegate apply` would change it"
        )
    })
}

/// What a plugin asks for and is not granted.
fn lacking_of(host: &Host, plugin: &Plugin) -> Vec<String> {
    let all = host.capabilities().into_iter().filter(|all| all.plugin == plugin.name());
    let lacking = all.flat_map(|all| all.capabilities).filter(|one| one.lacking.is_some());
    lacking
        .map(|one| {
            format!("it asks for {one}, which is not granted; an operator's manifest may (`[grants]`)")
        })
        .collect()
}

fn lock(runs: &Runs) -> MutexGuard<'_, BTreeMap<Uuid, Vec<StepRun>>> {
    runs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be defined, and what is to be run; no requests if no file speaks of them.
struct Prepared {
    definitions: Definitions,
    requests: Option<Vec<Scripted>>,
}

/// Checks the definitions and types the requests against the schema that they lead to; nothing is written.
fn prepare(
    documents: &[Document<'_>],
    schema: &Schema,
    plugins: &[Plugin],
    user: Uuid,
) -> Result<Prepared, Failure> {
    let mut schema = schema.clone();
    let mut definitions = Definitions::default();
    for defined in documents.iter().filter_map(|document| document.defined.as_ref()) {
        schema = schema.extended(&defined.definitions).map_err(|error| defined.failure(&error))?;
        let Definitions { entities, relationships, messages } = defined.definitions.clone();
        definitions.entities.extend(entities);
        definitions.relationships.extend(relationships);
        definitions.messages.extend(messages);
    }
    if !define_something(documents) {
        let declared = plugins.iter().map(Plugin::declaration);
        definitions = sample::definitions(declared, &[], &schema)?.into();
        schema = schema.extended(&definitions)?;
    }
    let schema = with_messages_of(plugins, schema);
    let mut requests: Option<Vec<Scripted>> = None;
    for document in documents {
        if let Some(more) = document.requests(&schema, user)? {
            requests.get_or_insert_default().extend(more);
        }
    }
    Ok(Prepared { definitions, requests })
}

/// Whether a file speaks of definitions, be it to say that there are none.
fn define_something(documents: &[Document<'_>]) -> bool {
    documents.iter().any(|document| document.defined.is_some())
}

/// The schema with the custom messages that plugins bring along. One of an entity that is not defined waits for it.
pub(super) fn with_messages_of(plugins: &[Plugin], schema: Schema) -> Schema {
    let declared = plugins.iter().flat_map(|plugin| &plugin.declaration().messages);
    declared.fold(schema, |schema, message| {
        let alone = Definitions { messages: vec![message.clone()], ..Definitions::default() };
        schema.extended(&alone).unwrap_or(schema)
    })
}

/// The jobs that a request led to, after they have ended, or the time is up, or nothing can come of them in time: those
/// that wait for a later moment or for somebody are told as they stand.
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
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            let paused = host.paused_steps().await?;
            let before = DateTime(SystemClock.now().0.saturating_add(left));
            if !goes_on(&jobs, &paused, &host.open_breakers(), before) {
                return Ok(jobs);
            }
            tokio::time::sleep(JOBS_POLL).await;
        }
    }
}

/// Whether a job of these runs before that moment, on a host that is idle now: one that waits and is due by then, or one
/// that has become ready since the host was idle.
fn goes_on(jobs: &[Job], paused: &[PausedStep], open: &[OpenBreaker], before: DateTime) -> bool {
    let is_disabled = |step: &StepKey| {
        open.iter().any(|breaker| breaker.step == *step && breaker.until.is_some_and(|until| until > before))
    };
    jobs.iter().any(|job| match job.status.state() {
        JobState::Suspended => job.postpone_until.is_some_and(|moment| moment <= before),
        JobState::Locked => true,
        JobState::Ready => !job.blocked && holding(paused, &job.step).is_none() && !is_disabled(&job.step),
        JobState::Completed => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorKind, JobStatus};

    #[test]
    fn a_wait_ends_when_nothing_comes_of_it_in_time() {
        let key = StepKey { plugin: "p".into(), step: "s".into() };
        let job = |status, until: Option<i64>| {
            let mut job = Job::new(Uuid::nil(), key.clone(), DateTime(0));
            (job.status, job.postpone_until) = (status, until.map(DateTime));
            job
        };
        let mut blocked = job(JobStatus::WaitingForResources, None);
        blocked.blocked = true;
        let paused = [PausedStep { plugin: "p".into(), step: None }];
        let open = |until: Option<i64>| OpenBreaker {
            step: key.clone(),
            since: DateTime(0),
            until: until.map(DateTime),
            failures: 5,
            last: Error::new(ErrorKind::Panicked, "it panicked"),
        };
        for (job, paused, expected) in [
            (job(JobStatus::Waiting, Some(10)), &[][..], true),
            (job(JobStatus::Waiting, Some(11)), &[], false),
            (job(JobStatus::Waiting, None), &[], false),
            (job(JobStatus::InProgress, None), &[], true),
            (job(JobStatus::WaitingForResources, None), &[], true),
            (job(JobStatus::WaitingForResources, None), &paused, false),
            (blocked, &[], false),
            (job(JobStatus::Failed, None), &[], false),
        ] {
            assert_eq!(goes_on(std::slice::from_ref(&job), paused, &[], DateTime(10)), expected, "{job:?}");
        }
        let ready = [job(JobStatus::WaitingForResources, None)];
        for (until, expected) in [(Some(11), false), (Some(10), true), (None, true)] {
            assert_eq!(
                goes_on(&ready, &[], &[open(until)], DateTime(10)),
                expected,
                "disabled until {until:?}"
            );
        }
    }
}
