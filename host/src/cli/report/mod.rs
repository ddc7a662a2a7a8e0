//! What a run of the program shows, as plain data; `text` and `json` write it.

pub(super) mod inspection;
pub(super) mod jobs;
pub(super) mod json;
pub(super) mod open_metrics;
pub(super) mod plan;
pub(super) mod registration;
pub(super) mod scale;
pub(super) mod text;
pub(super) mod totals;
pub(super) mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::Exit;
use super::database::Database;
use super::requests::{Expect, REFUSALS};
use crate::model::trace::StepRun;
use crate::model::{Error, Job, JobStatus, PluginUsage, Response, Trace};

/// All that a run shows.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) plugins: Vec<PluginReport>,
    /// The database; none for the temporary file.
    pub(super) database: Option<Database>,
    /// Whether the requests are made up, since nobody gave any.
    pub(super) made_up: bool,
    pub(super) plan: Vec<plan::Line>,
    pub(super) requests: Vec<RequestReport>,
    /// The jobs that were in the database before, and ran now.
    pub(super) earlier_jobs: Vec<Job>,
    /// What the plugins have used, as of the last request.
    pub(super) usage: Vec<PluginUsage>,
    /// The memory that a run of a step may have, in bytes.
    pub(super) memory_limit: u64,
    /// Whether the user stopped it.
    pub(super) interrupted: bool,
    /// From the program's start to the report, building included.
    pub(super) took: Duration,
}

/// A loaded plugin.
#[derive(Debug)]
pub(super) struct PluginReport {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Whether the compiled code came from the cache.
    pub(super) cached: bool,
    pub(super) load: Duration,
    /// The component's size.
    pub(super) component_bytes: u64,
    /// The compiled code's size.
    pub(super) code_bytes: u64,
    /// The component's content hash.
    pub(super) hash: String,
    pub(super) steps: usize,
    /// Where its declaration and the definitions differ, a sentence each.
    pub(super) warnings: Vec<String>,
}

/// A request and what came of it.
#[derive(Debug)]
pub(super) struct RequestReport {
    /// From 1, in the order of the files.
    pub(super) number: usize,
    pub(super) note: Option<String>,
    pub(super) expect: Expect,
    /// The message, also of a request that did not begin.
    pub(super) message: String,
    pub(super) result: Result<Response, Error>,
    /// What happened; none if the request did not begin.
    pub(super) trace: Option<Trace>,
    /// The jobs that it led to, oldest first.
    pub(super) jobs: Vec<JobReport>,
}

/// A system job and what its runs did.
#[derive(Debug)]
pub(super) struct JobReport {
    pub(super) job: Job,
    /// One for each attempt that this program made.
    pub(super) runs: Vec<StepRun>,
}

/// What the result means for who wrote the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It succeeded, as it should.
    Succeeded,
    /// It failed, as it should or may.
    Refused,
    /// It failed and should not, or in another way than it should.
    Failed,
    /// It succeeded and should not.
    NotRefused,
}

impl RequestReport {
    /// Whether the result is what was expected.
    pub(super) fn verdict(&self) -> Verdict {
        match (&self.result, &self.expect) {
            (Ok(_), Expect::Success | Expect::Any) => Verdict::Succeeded,
            (Ok(_), Expect::Fault(_)) => Verdict::NotRefused,
            (Err(error), Expect::Fault(fault)) if fault.fits(error) => Verdict::Refused,
            // A plugin's no is what a made-up record may well get; a breakdown is a defect whatever the record.
            (Err(error), Expect::Any) if REFUSALS.contains(&error.kind()) => Verdict::Refused,
            (Err(_), _) => Verdict::Failed,
        }
    }

    /// The record, where one is known.
    pub(super) fn record(&self) -> Option<Uuid> {
        self.trace.as_ref().and_then(|trace| trace.record)
    }
}

impl Verdict {
    /// Whether it makes the program fail.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::NotRefused)
    }

    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotRefused => "not_refused",
        }
    }
}

impl Report {
    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        let failed = |request: &RequestReport| {
            request.verdict().is_failure()
                || request.jobs.iter().any(|report| report.job.status == JobStatus::Failed)
        };
        if self.interrupted {
            return Exit::Interrupted;
        }
        let earlier_failed = self.earlier_jobs.iter().any(|job| job.status == JobStatus::Failed);
        if earlier_failed || self.requests.iter().any(failed) { Exit::RequestFailed } else { Exit::Done }
    }
}
