//! `stagegate jobs schedule`: message requests that a host runs later, or again and again.

use std::sync::Arc;

use uuid::Uuid;

use super::args::ScheduleArguments;
use super::{now, show};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::report::jobs::Listed;
use crate::cli::requests::{Document, Scripted};
use crate::cli::run::requests_file;
use crate::cli::surroundings::Surroundings;
use crate::model::job::{Recurrence, Schedule};
use crate::model::step::SYSTEM_USER;
use crate::model::{DateTime, SystemClock};
use crate::pipeline::current::Current;
use crate::pipeline::gauge::Gauge;
use crate::pipeline::supervision::Supervisor;
use crate::pipeline::{DEPTH_LIMIT_DEFAULT, Doorbell, Pipeline, TIME_LIMIT_DEFAULT};
use crate::store::{JobSelect, Store};

pub(super) async fn run(
    store: Arc<dyn Store>,
    arguments: &ScheduleArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let source = requests_file(&arguments.requests, surroundings)?;
    let document = Document::parse(&source)?;
    if document.defined.is_some() {
        let problem = "defines entities, which only a host can do; run it with `stagegate --requests` first";
        return Err(Failure::new(format!("{} {problem}", source.name)));
    }
    let requests = document.requests(&store.schema(), SYSTEM_USER)?.unwrap_or_default();
    let schedule = schedule(arguments, requests.len(), now())?;
    // It queues requests and runs none, so it needs no steps.
    let pipeline = Arc::new(Pipeline {
        store: Arc::clone(&store),
        registry: Current::default(),
        clock: Arc::new(SystemClock),
        depth_limit: DEPTH_LIMIT_DEFAULT,
        time_limit: TIME_LIMIT_DEFAULT,
        asynchronous_cascades: None,
        doorbell: Doorbell::default(),
        supervisor: Supervisor::new(None, [], Arc::new(SystemClock), TIME_LIMIT_DEFAULT),
        transactions: Gauge::default(),
    });
    let mut ids: Vec<Uuid> = Vec::with_capacity(requests.len());
    for (index, Scripted { request, .. }) in requests.into_iter().enumerate() {
        let id = pipeline.schedule(request, &schedule).await;
        ids.push(id.map_err(|error| {
            Failure::new(format!(
                "{}: requests[{index}]: {error}; {index} were scheduled before",
                source.name
            ))
        })?);
    }
    let jobs = store.jobs(JobSelect::Ids(ids)).await?;
    let listed = Listed { jobs: &jobs, more: false, now: now() };
    show(arguments.format, surroundings, |width| listed.text(width), || listed.json())
}

fn schedule(arguments: &ScheduleArguments, requests: usize, now: DateTime) -> Result<Schedule, Failure> {
    if requests == 0 {
        return Err(Failure::new("the requests file has no requests, so there is nothing to schedule"));
    }
    if requests > 1 && arguments.name.is_some() {
        let problem = "a schedule with a name has one request; put the others into files of their own";
        return Err(Failure::new(format!("{problem}, or leave the name out")));
    }
    let recurrence = arguments.recurrence.as_ref();
    let recurrence = recurrence.map(|rule| Recurrence::new(rule, arguments.at.unwrap_or(now))).transpose()?;
    Ok(Schedule { name: arguments.name.clone(), at: arguments.at, recurrence, priority: arguments.priority })
}
