//! `stagegate jobs`: system jobs in a database, for operators, also beside the host that runs on it.

mod act;
pub(super) mod args;
mod schedule;
mod watch;

use std::sync::Arc;

use uuid::Uuid;

use super::Exit;
use super::args::Format;
use super::failure::Failure;
use super::report::jobs::{Counted, Listed, Shown, StepActed};
use super::report::open_metrics;
use super::surroundings::Surroundings;
use crate::model::clock::{Clock as _, SystemClock};
use crate::model::job::Control;
use crate::model::{DateTime, Job};
use crate::store::{JobFilter, JobSelect, Store};
use act::Action;
use args::{
    CountsArguments, CountsFormat, IdPrefix, JobsArguments, JobsCommand, ListArguments, StepArguments,
};

/// Opens the database as a guest, and does what the subcommand says.
pub(super) async fn run(arguments: &JobsArguments, surroundings: &mut Surroundings) -> Result<Exit, Failure> {
    let store = arguments.database().read(surroundings)?.attach().await?;
    let result = command(&store, &arguments.command, surroundings).await;
    store.close().await;
    result
}

async fn command(
    store: &Arc<dyn Store>,
    command: &JobsCommand,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let shared = store;
    let store: &dyn Store = &**shared;
    let control = |control| Action::Control(control);
    let (action, arguments) = match command {
        JobsCommand::List(arguments) => return list(store, arguments, surroundings).await,
        JobsCommand::Show(arguments) => {
            let job = job(store, find(store, &arguments.id).await?).await?;
            let paused = store.paused_steps().await?;
            let shown = Shown { job: &job, paused: &paused, now: now() };
            return show(arguments.format, surroundings, |width| shown.text(width), || shown.json());
        }
        JobsCommand::Counts(arguments) => return counts(store, arguments, surroundings).await,
        JobsCommand::Watch(arguments) => return watch::run(store, arguments, surroundings).await,
        JobsCommand::PauseStep(arguments) => return pause_step(store, arguments, true, surroundings).await,
        JobsCommand::Schedule(arguments) => {
            return schedule::run(Arc::clone(shared), arguments, surroundings).await;
        }
        JobsCommand::ResumeStep(arguments) => return pause_step(store, arguments, false, surroundings).await,
        JobsCommand::Retry(arguments) => (control(Control::Retry), arguments),
        JobsCommand::Cancel(arguments) => (control(Control::Cancel), arguments),
        JobsCommand::Pause(arguments) => (control(Control::Pause), arguments),
        JobsCommand::Resume(arguments) => (control(Control::Resume), arguments),
        JobsCommand::Delete(arguments) => (Action::Delete, arguments),
        JobsCommand::Postpone(arguments) => {
            let by = arguments.for_duration.map_or(0, |by| i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
            let until = arguments.until.unwrap_or_else(|| DateTime(now().0.saturating_add(by)));
            (control(Control::Postpone(until)), &arguments.act)
        }
    };
    act::run(store, action, arguments, surroundings).await
}

async fn list(
    store: &dyn Store,
    arguments: &ListArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    // One more than asked for, to know whether there are more.
    let mut filter = arguments.filter.filter(arguments.limit + 1, &[]);
    filter.regarding.clone_from(&arguments.regarding);
    let mut jobs = store.jobs(JobSelect::Filter(filter)).await?;
    let more = jobs.len() > arguments.limit as usize;
    if more {
        jobs.remove(0);
    }
    let listed = Listed { jobs: &jobs, more, now: now() };
    show(arguments.format, surroundings, |width| listed.text(width), || listed.json())
}

async fn counts(
    store: &dyn Store,
    arguments: &CountsArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let (counts, paused) = (store.job_counts().await?, store.paused_steps().await?);
    let counted = Counted { counts: &counts, paused: &paused, running: &[], now: now() };
    let format = match arguments.format {
        CountsFormat::Text => Format::Text,
        CountsFormat::Json => Format::Json,
        CountsFormat::OpenMetrics => {
            surroundings.output.write(&open_metrics::render(&counted));
            return Ok(Exit::Done);
        }
    };
    show(format, surroundings, |width| counted.text(width), || counted.json())
}

async fn pause_step(
    store: &dyn Store,
    arguments: &StepArguments,
    paused: bool,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let step = &arguments.step;
    let changed = store.pause_step(step.clone(), paused, now()).await?;
    let others = store.paused_steps().await?;
    let acted = StepActed { step, paused, changed, all: &others };
    show(arguments.format, surroundings, |_| acted.text(), || acted.json())
}

/// Writes a report in the format that was asked for.
fn show(
    format: Format,
    surroundings: &mut Surroundings,
    text: impl FnOnce(super::report::text::Width) -> String,
    json: impl FnOnce() -> Result<String, serde_json::Error>,
) -> Result<Exit, Failure> {
    let text = match format {
        Format::Text => text(surroundings.output.width()),
        Format::Json => json().map_err(|error| unwritable(&error))?,
    };
    surroundings.output.write(&text);
    Ok(Exit::Done)
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(format!("the jobs cannot be written as JSON: {error}"))
}

/// The identifier that begins so.
async fn find(store: &dyn Store, prefix: &IdPrefix) -> Result<Uuid, Failure> {
    let filter = JobFilter { ids: Some(prefix.range.clone()), ..JobFilter::newest(2) };
    match store.job_ids(filter).await?.as_slice() {
        [id] => Ok(*id),
        [] => Err(Failure::new(format!(
            "there is no system job {prefix}; `stagegate jobs list` shows which there are: those that are over are deleted \
             after a while"
        ))),
        [one, another, ..] => Err(Failure::new(format!(
            "more than one system job begins with {prefix}, {one} and {another} among them; write more of the identifier"
        ))),
    }
}

async fn job(store: &dyn Store, id: Uuid) -> Result<Job, Failure> {
    let found = store.jobs(JobSelect::Ids(vec![id])).await?.pop();
    found.ok_or_else(|| Failure::new(format!("the system job {id} was deleted just now")))
}

/// Operators' commands go by the clock of the machine, as its hosts do.
fn now() -> DateTime {
    SystemClock.now()
}
