//! System jobs for machines. `docs/jobs-cli.md` has the shapes.

use serde::Serialize;
use uuid::Uuid;

use super::{FORMAT, us};
use crate::cli::Exit;
use crate::cli::report::jobs::{Acted, Counted, Listed, Look, Shown, StepActed, holding};
use crate::cli::report::text::hint;
use crate::model::job::{Controlled, JobCount, JobError, Progress, Suspension};
use crate::model::{DateTime, Error, Job, JobStatus};
use crate::store::PausedStep;

/// The name of a job's status.
pub(in crate::cli) fn job_status(status: JobStatus) -> &'static str {
    match status {
        JobStatus::WaitingForResources => "waiting_for_resources",
        JobStatus::Waiting => "waiting",
        JobStatus::InProgress => "in_progress",
        JobStatus::Pausing => "pausing",
        JobStatus::Canceling => "canceling",
        JobStatus::Succeeded => "succeeded",
        JobStatus::Failed => "failed",
        JobStatus::Canceled => "canceled",
    }
}

/// A job, wherever it is shown.
#[derive(Serialize)]
pub(super) struct JobJson<'a> {
    id: Uuid,
    plugin: &'a str,
    step: &'a str,
    status: &'static str,
    status_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<Suspension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postpone_until: Option<DateTime>,
    blocked: bool,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Uuid>,
    owner: Uuid,
    correlation_id: Uuid,
    depth: u32,
    priority: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_key: Option<&'a str>,
    auto_delete: bool,
    attempt: u32,
    retries: u32,
    crash_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_hash: Option<&'a str>,
    created_on: DateTime,
    run_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_on: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_on: Option<DateTime>,
    execution_us: u64,
    memory_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'a Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_bytes: Option<usize>,
    lines: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a JobError>,
}

impl<'a> From<&'a Job> for JobJson<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            id: job.id,
            plugin: &job.step.plugin,
            step: &job.step.step,
            status: job_status(job.status),
            status_code: job.status.number(),
            suspension: job.suspension,
            postpone_until: job.postpone_until,
            blocked: job.blocked,
            message: &job.message,
            entity: job.regarding.as_ref().map(|regarding| regarding.entity.as_str()),
            record: job.regarding.as_ref().map(|regarding| regarding.id),
            owner: job.owner,
            correlation_id: job.correlation_id,
            depth: job.depth,
            priority: job.priority,
            order_key: job.order_key.as_deref(),
            unique_key: job.unique_key.as_deref(),
            auto_delete: job.auto_delete,
            attempt: job.attempt,
            retries: job.retries,
            crash_count: job.crash_count,
            host: job.host.as_deref(),
            plugin_hash: job.plugin_hash.as_deref(),
            created_on: job.created_on,
            run_at: job.run_at,
            started_on: job.started_on,
            completed_on: job.completed_on,
            execution_us: us(job.execution_time),
            memory_bytes: job.memory_bytes,
            progress: job.progress.as_ref(),
            checkpoint_bytes: job.checkpoint.as_ref().map(Vec::len),
            lines: &job.trace,
            error: job.error.as_ref(),
        }
    }
}

/// A report: what each has, and what is its own.
#[derive(Serialize)]
struct Document<T> {
    format: u32,
    exit_code: u8,
    #[serde(flatten)]
    report: T,
}

fn document<T>(exit: Exit, report: T) -> Document<T> {
    Document { format: FORMAT, exit_code: exit.code(), report }
}

fn pretty(exit: Exit, report: impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&document(exit, report)).map(|text| text + "\n")
}

impl Listed<'_> {
    /// The list for machines.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct List<'a> {
            jobs: Vec<JobJson<'a>>,
            more: bool,
        }
        pretty(Exit::Done, List { jobs: self.jobs.iter().map(Into::into).collect(), more: self.more })
    }
}

impl Shown<'_> {
    /// The job for machines.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct One<'a> {
            job: JobJson<'a>,
            step_paused: bool,
            hint: String,
        }
        let step_paused = holding(self.paused, &self.job.step).is_some();
        pretty(Exit::Done, One { job: self.job.into(), step_paused, hint: hint(self) })
    }
}

impl Counted<'_> {
    /// The counts for machines.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        pretty(Exit::Done, self.counts())
    }

    /// The counts and the jobs that run, in one line.
    pub(in crate::cli) fn json_line(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Watched<'a> {
            format: u32,
            now: DateTime,
            #[serde(flatten)]
            counts: Counts<'a>,
            running: Vec<JobJson<'a>>,
        }
        let running = self.running.iter().map(Into::into).collect();
        serde_json::to_string(&Watched { format: FORMAT, now: self.now, counts: self.counts(), running })
    }

    fn counts(&self) -> Counts<'_> {
        let count = |count| CountJson::new(count, self);
        Counts {
            counts: self.counts.iter().map(count).collect(),
            paused: self.paused.iter().map(Into::into).collect(),
        }
    }
}

impl Look<'_> {
    /// A job that is watched, in one line.
    pub(in crate::cli) fn json_job(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Watched<'a> {
            format: u32,
            job: JobJson<'a>,
        }
        serde_json::to_string(&Watched { format: FORMAT, job: self.job.into() })
    }
}

impl Acted {
    /// What became of the jobs, for machines.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct ActedJson<'a> {
            action: &'a str,
            done: usize,
            refused: usize,
            jobs: Vec<ControlledJson<'a>>,
        }
        let jobs = self.jobs.iter().map(ControlledJson::from).collect();
        let (action, done, refused) = (self.action.as_str(), self.done, self.refused());
        pretty(self.exit(), ActedJson { action, done, refused, jobs })
    }
}

impl StepActed<'_> {
    /// What is paused now, for machines.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct StepActedJson<'a> {
            changed: bool,
            paused: Vec<PausedJson<'a>>,
        }
        let paused = self.all.iter().map(Into::into).collect();
        pretty(Exit::Done, StepActedJson { changed: self.changed, paused })
    }
}

#[derive(Serialize)]
struct Counts<'a> {
    counts: Vec<CountJson<'a>>,
    paused: Vec<PausedJson<'a>>,
}

#[derive(Serialize)]
struct CountJson<'a> {
    plugin: &'a str,
    step: &'a str,
    status: &'static str,
    status_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<Suspension>,
    count: u64,
    /// When the oldest was queued, and how long ago.
    oldest: DateTime,
    oldest_us: u64,
    step_paused: bool,
}

impl<'a> CountJson<'a> {
    fn new(count: &'a JobCount, counted: &Counted<'_>) -> Self {
        let age = counted.now.0.saturating_sub(count.oldest.0).max(0);
        Self {
            plugin: &count.step.plugin,
            step: &count.step.step,
            status: job_status(count.status),
            status_code: count.status.number(),
            suspension: count.suspension,
            count: count.count,
            oldest: count.oldest,
            oldest_us: age.unsigned_abs().saturating_mul(1000),
            step_paused: holding(counted.paused, &count.step).is_some(),
        }
    }
}

#[derive(Serialize)]
struct PausedJson<'a> {
    plugin: &'a str,
    /// None for the whole plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
}

impl<'a> From<&'a PausedStep> for PausedJson<'a> {
    fn from(paused: &'a PausedStep) -> Self {
        Self { plugin: &paused.plugin, step: paused.step.as_deref() }
    }
}

#[derive(Serialize)]
struct ControlledJson<'a> {
    id: Uuid,
    /// Of one that was not refused: its status now, or until it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RefusalJson<'a>>,
}

#[derive(Serialize)]
struct RefusalJson<'a> {
    kind: &'static str,
    code: i32,
    code_hex: String,
    message: &'a str,
}

impl<'a> From<&'a Controlled> for ControlledJson<'a> {
    fn from(controlled: &'a Controlled) -> Self {
        let refusal = |error: &'a Error| RefusalJson {
            kind: error.kind().name(),
            code: error.code(),
            code_hex: format!("0x{:08x}", error.code()),
            message: error.message(),
        };
        Self {
            id: controlled.id,
            status: controlled.result.as_ref().ok().map(|status| job_status(*status)),
            error: controlled.result.as_ref().err().map(refusal),
        }
    }
}
