//! What a request did, as the facts that an expectation can name.

use crate::cli::fact::{self, Fact};
use crate::cli::label::Labels;
use crate::cli::report::json::job_status;
use crate::host::Traced;
use crate::model::trace::{Event, StepRun};
use crate::model::{Job, Trace, Value};

/// A job and the last run of it.
pub(super) struct JobRun {
    /// As it ended.
    pub(super) job: Job,
    /// What it did; none if it did not run.
    pub(super) run: Option<StepRun>,
}

/// The facts of a request and of the jobs that it led to: `fault` or `output`, `ran`, `skipped`, `trace`, `jobs`.
pub(super) fn of(traced: &Traced, jobs: &[JobRun], labels: &Labels) -> Fact {
    let mut seen = Seen::default();
    if let Some(trace) = &traced.trace {
        seen.request(trace, labels);
    }
    let (output, fault) = match &traced.result {
        Ok(response) => (Some(fact::parameters(&response.parameters)), None),
        Err(error) => (None, Some(fact::error(error))),
    };
    Fact::object([
        ("fault", fault),
        ("output", output),
        ("ran", Some(Fact::texts(seen.ran))),
        ("skipped", Some(Fact::texts(seen.skipped))),
        ("trace", Some(Fact::texts(seen.lines))),
        ("jobs", Some(Fact::List(jobs.iter().map(|job| self::job(job, labels)).collect()))),
    ])
}

fn job(JobRun { job, run }: &JobRun, labels: &Labels) -> Fact {
    let mut seen = Seen::default();
    match run {
        Some(run) => seen.parts(run, labels),
        None => seen.lines = job.trace.iter().map(|line| labels.show(line)).collect(),
    }
    let fault = job.error.as_ref().map(|error| {
        Fact::object([
            ("code", Some(Fact::Value(Value::Integer(error.code)))),
            ("message", Some(Fact::Message(error.message.clone()))),
        ])
    });
    Fact::object([
        ("step", Some(Fact::Text(job.step.to_string()))),
        ("status", Some(Fact::Text(job_status(job.status).into()))),
        ("attempt", Some(Fact::Value(Value::Integer(i32::try_from(job.attempt).unwrap_or(i32::MAX))))),
        ("ran", Some(Fact::texts(seen.ran))),
        ("trace", Some(Fact::texts(seen.lines))),
        ("fault", fault),
    ])
}

/// Steps and lines in the order in which the steps began.
#[derive(Default)]
struct Seen {
    ran: Vec<String>,
    skipped: Vec<String>,
    lines: Vec<String>,
}

impl Seen {
    fn request(&mut self, trace: &Trace, labels: &Labels) {
        for event in &trace.events {
            match event {
                Event::Skipped { step, .. } => self.skipped.push(step.to_string()),
                Event::Step(run) => {
                    self.ran.push(run.step.to_string());
                    self.parts(run, labels);
                }
                Event::Request(inner) => self.request(inner, labels),
                _ => {}
            }
        }
    }

    fn parts(&mut self, run: &StepRun, labels: &Labels) {
        self.lines.extend(run.lines.iter().map(|line| labels.show(line)));
        run.requests.iter().for_each(|request| self.request(request, labels));
    }
}
