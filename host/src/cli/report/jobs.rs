//! What `stagegate jobs` shows; `text::jobs` and `json::jobs` write it.

use crate::cli::Exit;
use crate::model::job::{Controlled, JobCount};
use crate::model::step::StepKey;
use crate::model::{DateTime, Job};
use crate::store::PausedStep;

/// A list of jobs.
#[derive(Debug)]
pub(in crate::cli) struct Listed<'a> {
    /// The newest last.
    pub(in crate::cli) jobs: &'a [Job],
    /// Whether there are older ones.
    pub(in crate::cli) more: bool,
    pub(in crate::cli) now: DateTime,
}

/// One job with all that is known of it.
#[derive(Debug)]
pub(in crate::cli) struct Shown<'a> {
    pub(in crate::cli) job: &'a Job,
    /// What is paused, its step perhaps among it.
    pub(in crate::cli) paused: &'a [PausedStep],
    pub(in crate::cli) now: DateTime,
}

/// How many jobs there are.
#[derive(Debug)]
pub(in crate::cli) struct Counted<'a> {
    pub(in crate::cli) counts: &'a [JobCount],
    pub(in crate::cli) paused: &'a [PausedStep],
    /// Those that run, where one watches.
    pub(in crate::cli) running: &'a [Job],
    pub(in crate::cli) now: DateTime,
}

/// A job that is watched.
#[derive(Debug)]
pub(in crate::cli) struct Look<'a> {
    pub(in crate::cli) job: &'a Job,
}

/// What became of jobs that something was asked of.
#[derive(Debug)]
pub(in crate::cli) struct Acted {
    /// The verb.
    pub(in crate::cli) action: String,
    /// Whether they were named one by one, and not by a filter.
    pub(in crate::cli) named: bool,
    /// For how many it was done.
    pub(in crate::cli) done: usize,
    /// Each that was named; of a filter those that were refused.
    pub(in crate::cli) jobs: Vec<Controlled>,
}

/// A step that was paused or resumed.
#[derive(Debug)]
pub(in crate::cli) struct StepActed<'a> {
    pub(in crate::cli) step: &'a PausedStep,
    /// Paused, or else resumed.
    pub(in crate::cli) paused: bool,
    /// Whether it was not so before.
    pub(in crate::cli) changed: bool,
    /// All that is paused now.
    pub(in crate::cli) all: &'a [PausedStep],
}

impl Acted {
    /// How many were refused.
    pub(in crate::cli) fn refused(&self) -> usize {
        self.jobs.iter().filter(|job| job.result.is_err()).count()
    }

    /// How the program ends.
    pub(in crate::cli) fn exit(&self) -> Exit {
        if self.refused() > 0 { Exit::Refused } else { Exit::Done }
    }
}

/// What of `paused` holds a step: the step itself, or its whole plugin.
pub(in crate::cli) fn holding<'a>(paused: &'a [PausedStep], step: &StepKey) -> Option<&'a PausedStep> {
    paused.iter().find(|paused| {
        paused.plugin == step.plugin && paused.step.as_ref().is_none_or(|name| *name == step.step)
    })
}

/// As commands take it: the plugin, or the plugin and the step.
pub(super) fn written(step: &PausedStep) -> String {
    match &step.step {
        Some(name) => format!("{}/{name}", step.plugin),
        None => step.plugin.clone(),
    }
}
