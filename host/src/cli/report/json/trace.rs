//! Traces, errors and jobs in the report for machines.

use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::evidence::EvidenceJson;
use super::jobs::JobJson;
use super::us;
use crate::cli::json::to_json;
use crate::cli::report::JobReport;
use crate::model::trace::{Change, Event, StepRun};
use crate::model::{Error, Location, Mode, OperationStatus, Stage, Trace, Value, ValueType};

#[derive(Serialize)]
pub(super) struct ErrorJson<'a> {
    kind: &'static str,
    code: i32,
    code_hex: String,
    message: &'a str,
    status: OperationStatus,
    /// Innermost first.
    path: Vec<LocationJson<'a>>,
    details: Vec<[&'a str; 2]>,
    trace: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostic: Option<String>,
    #[serde(flatten)]
    evidence: EvidenceJson<'a>,
}

#[derive(Serialize)]
struct LocationJson<'a> {
    plugin: &'a str,
    step: &'a str,
    stage: Stage,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
}

impl<'a> From<&'a Error> for ErrorJson<'a> {
    fn from(error: &'a Error) -> Self {
        let location = |location: &'a Location| LocationJson {
            plugin: &location.step.plugin,
            step: &location.step.step,
            stage: location.stage,
            message: &location.message,
            entity: location.entity.as_deref(),
        };
        Self {
            kind: error.kind().name(),
            code: error.code(),
            code_hex: format!("0x{:08x}", error.code()),
            message: error.message(),
            status: error.status(),
            path: error.path().iter().map(location).collect(),
            details: error.details().iter().map(|(name, text)| [name.as_str(), text]).collect(),
            trace: error.trace(),
            diagnostic: error.diagnostic(),
            evidence: error.into(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct TraceJson<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Uuid>,
    user: Uuid,
    depth: u32,
    correlation_id: Uuid,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    events: Vec<EventJson<'a>>,
}

impl<'a> From<&'a Trace> for TraceJson<'a> {
    fn from(trace: &'a Trace) -> Self {
        Self {
            message: &trace.message,
            entity: trace.entity.as_deref(),
            record: trace.record,
            user: trace.user,
            depth: trace.depth,
            correlation_id: trace.correlation_id,
            duration_us: us(trace.duration),
            error: trace.error.as_ref().map(Into::into),
            events: trace.events.iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum EventJson<'a> {
    Admitted {
        waited_us: u64,
    },
    Began {
        waited_us: u64,
    },
    Request(Box<TraceJson<'a>>),
    Unlinked {
        entity: &'a str,
        attribute: &'a str,
        records: u64,
    },
    Skipped {
        plugin: &'a str,
        step: &'a str,
        stage: Stage,
        reason: &'a str,
    },
    Step(StepJson<'a>),
    Operation {
        duration_us: u64,
        changes: Vec<ChangeJson<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<ErrorJson<'a>>,
    },
    Queued {
        job: Uuid,
        plugin: &'a str,
        step: &'a str,
    },
    Committed {
        took_us: u64,
    },
    Repeated {
        runs: u32,
        waited_us: u64,
        reason: &'a str,
    },
    RolledBack {
        took_us: u64,
    },
}

#[derive(Serialize)]
struct StepJson<'a> {
    plugin: &'a str,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_hash: Option<&'a str>,
    stage: Stage,
    mode: Mode,
    rank: i32,
    duration_us: u64,
    host_calls_us: u64,
    memory_bytes: u64,
    changes: Vec<ChangeJson<'a>>,
    lines: &'a [String],
    requests: Vec<TraceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
}

impl<'a> From<&'a Event> for EventJson<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Admitted { waited } => Self::Admitted { waited_us: us(*waited) },
            Event::Began { waited } => Self::Began { waited_us: us(*waited) },
            Event::Unlinked { entity, attribute, records } => {
                Self::Unlinked { entity, attribute, records: *records }
            }
            Event::Skipped { step, stage, reason } => {
                Self::Skipped { plugin: &step.plugin, step: &step.step, stage: *stage, reason }
            }
            Event::Step(run) => Self::Step(run.into()),
            Event::Operation(run) => Self::Operation {
                duration_us: us(run.duration),
                changes: run.changes.iter().map(Into::into).collect(),
                error: run.error.as_ref().map(Into::into),
            },
            Event::Request(trace) => Self::Request(Box::new(trace.as_ref().into())),
            Event::Queued { job, step } => Self::Queued { job: *job, plugin: &step.plugin, step: &step.step },
            Event::Committed { took } => Self::Committed { took_us: us(*took) },
            Event::Repeated { runs, waited, reason } => {
                Self::Repeated { runs: *runs, waited_us: us(*waited), reason }
            }
            Event::RolledBack { took } => Self::RolledBack { took_us: us(*took) },
        }
    }
}

impl<'a> From<&'a StepRun> for StepJson<'a> {
    fn from(run: &'a StepRun) -> Self {
        Self {
            plugin: &run.step.plugin,
            step: &run.step.step,
            plugin_hash: run.plugin_hash.as_deref(),
            stage: run.stage,
            mode: run.mode,
            rank: run.rank,
            duration_us: us(run.duration),
            host_calls_us: us(run.host_calls),
            memory_bytes: run.memory_bytes,
            changes: run.changes.iter().map(Into::into).collect(),
            lines: &run.lines,
            requests: run.requests.iter().map(Into::into).collect(),
            error: run.error.as_ref().map(Into::into),
        }
    }
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    attribute: &'a str,
    /// Absent if both sides are null or absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Json>,
}

impl<'a> From<&'a Change> for ChangeJson<'a> {
    fn from(change: &'a Change) -> Self {
        let sides = [&change.new, &change.old].into_iter().flatten();
        Self {
            attribute: &change.attribute,
            value_type: sides.filter_map(Value::value_type).map(ValueType::name).next(),
            old: change.old.as_ref().map(to_json),
            new: change.new.as_ref().map(to_json),
        }
    }
}

/// A job, and what its runs did.
#[derive(Serialize)]
pub(super) struct RanJson<'a> {
    #[serde(flatten)]
    job: JobJson<'a>,
    runs: Vec<StepJson<'a>>,
}

impl<'a> From<&'a JobReport> for RanJson<'a> {
    fn from(JobReport { job, runs }: &'a JobReport) -> Self {
        Self { job: job.into(), runs: runs.iter().map(Into::into).collect() }
    }
}
