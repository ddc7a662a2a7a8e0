//! The report for machines. `docs/report.md` documents the shape; this file is the shape.
//!
//! Stable: within one `format` number, members are only added. Durations are whole microseconds in members that end in
//! `_us`, sizes whole bytes in members that end in `_bytes`, values are spelled as requests files spell them, and an
//! absent member means "there is none", never "unknown to this version".

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::totals::Totals;
use super::{PluginReport, Report, RequestReport, plan};
use crate::cli::json::to_json;
use crate::cli::requests::Expect;
use crate::model::request::parameter;
use crate::model::trace::{Change, Event, StepRun};
use crate::model::{DateTime, Entity, Error, Image, Job, Mode, Response, Stage, Trace, Value, ValueType};

/// The version of the shape.
pub(in crate::cli) const FORMAT: u32 = 1;

/// The whole report, as indented JSON.
pub(in crate::cli) fn render(report: &Report, totals: &Totals) -> Result<String, serde_json::Error> {
    let document = Document {
        format: FORMAT,
        exit_code: report.exit().code(),
        version: env!("CARGO_PKG_VERSION"),
        database: report.database.as_deref().map(Path::to_string_lossy),
        made_up: report.made_up,
        plugins: report.plugins.iter().map(Plugin::from).collect(),
        plan: report.plan.iter().map(PlanLine::from).collect(),
        requests: report.requests.iter().map(Request::from).collect(),
        totals: TotalsJson::new(report, totals),
    };
    serde_json::to_string_pretty(&document)
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    exit_code: u8,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<std::borrow::Cow<'a, str>>,
    made_up: bool,
    plugins: Vec<Plugin<'a>>,
    plan: Vec<PlanLine<'a>>,
    requests: Vec<Request<'a>>,
    totals: TotalsJson,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    path: std::borrow::Cow<'a, str>,
    hash: &'a str,
    source: &'static str,
    load_us: u64,
    component_bytes: u64,
    code_bytes: u64,
}

impl<'a> From<&'a PluginReport> for Plugin<'a> {
    fn from(plugin: &'a PluginReport) -> Self {
        Self {
            name: &plugin.name,
            path: plugin.path.to_string_lossy(),
            hash: &plugin.hash,
            source: if plugin.cached { "cached" } else { "compiled" },
            load_us: us(plugin.load),
            component_bytes: plugin.component_bytes,
            code_bytes: plugin.code_bytes,
        }
    }
}

/// A step in the plan of a message.
#[derive(Serialize)]
pub(super) struct PlanLine<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    order: usize,
    plugin: &'a str,
    step: &'a str,
    native: bool,
    stage: Stage,
    stage_number: u8,
    mode: Mode,
    rank: i32,
    filtering_attributes: &'a [String],
    images: &'a [Image],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    why: &'a str,
}

impl<'a> From<&'a plan::Line> for PlanLine<'a> {
    fn from(line: &'a plan::Line) -> Self {
        let definition = &line.step.definition;
        Self {
            message: &line.message,
            entity: line.entity.as_deref(),
            order: line.order,
            plugin: &line.step.key.plugin,
            step: &line.step.key.step,
            native: line.step.native,
            stage: definition.stage,
            stage_number: definition.stage.number(),
            mode: definition.mode,
            rank: definition.rank,
            filtering_attributes: &definition.filtering_attributes,
            images: &definition.images,
            description: definition.description.as_deref(),
            why: &line.why,
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    number: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    message: &'a str,
    expect: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceJson<'a>>,
    jobs: Vec<JobJson<'a>>,
}

impl<'a> From<&'a RequestReport> for Request<'a> {
    fn from(request: &'a RequestReport) -> Self {
        Self {
            number: request.number,
            note: request.note.as_deref(),
            message: &request.message,
            expect: match request.expect {
                Expect::Success => "success",
                Expect::Fault => "fault",
                Expect::Any => "any",
            },
            outcome: request.verdict().name(),
            response: request.result.as_ref().ok().map(Into::into),
            error: request.result.as_ref().err().map(Into::into),
            trace: request.trace.as_ref().map(Into::into),
            jobs: request.jobs.iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize)]
struct ResponseJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<EntityJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entities: Option<Vec<EntityJson<'a>>>,
}

impl<'a> From<&'a Response> for ResponseJson<'a> {
    fn from(response: &'a Response) -> Self {
        let collection = response.parameters.get(parameter::BUSINESS_ENTITY_COLLECTION);
        Self {
            id: response.id(),
            entity: response.entity().map(Into::into),
            entities: collection.map(|_| response.entities().iter().map(Into::into).collect()),
        }
    }
}

#[derive(Serialize)]
struct EntityJson<'a> {
    entity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    attributes: serde_json::Map<String, Json>,
}

impl<'a> From<&'a Entity> for EntityJson<'a> {
    fn from(entity: &'a Entity) -> Self {
        let attributes =
            entity.attributes.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
        Self { entity: &entity.logical_name, id: entity.id, attributes }
    }
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    kind: &'static str,
    code: i32,
    code_hex: String,
    message: &'a str,
    status: crate::model::OperationStatus,
    /// Innermost first.
    path: Vec<LocationJson<'a>>,
    details: Vec<[&'a str; 2]>,
    trace: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostic: Option<&'a str>,
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
        let location = |location: &'a crate::model::Location| LocationJson {
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
        }
    }
}

#[derive(Serialize)]
struct TraceJson<'a> {
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
    RolledBack {
        took_us: u64,
    },
}

#[derive(Serialize)]
struct StepJson<'a> {
    plugin: &'a str,
    step: &'a str,
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
            Event::Skipped { step, stage, reason } => {
                Self::Skipped { plugin: &step.plugin, step: &step.step, stage: *stage, reason }
            }
            Event::Step(run) => Self::Step(run.into()),
            Event::Operation(run) => Self::Operation {
                duration_us: us(run.duration),
                changes: run.changes.iter().map(Into::into).collect(),
                error: run.error.as_ref().map(Into::into),
            },
            Event::Queued { job, step } => Self::Queued { job: *job, plugin: &step.plugin, step: &step.step },
            Event::Committed { took } => Self::Committed { took_us: us(*took) },
            Event::RolledBack { took } => Self::RolledBack { took_us: us(*took) },
        }
    }
}

impl<'a> From<&'a StepRun> for StepJson<'a> {
    fn from(run: &'a StepRun) -> Self {
        Self {
            plugin: &run.step.plugin,
            step: &run.step.step,
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

#[derive(Serialize)]
struct JobJson<'a> {
    id: Uuid,
    plugin: &'a str,
    step: &'a str,
    status: &'static str,
    status_code: i32,
    attempt: u32,
    crash_count: u32,
    created_on: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_on: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_on: Option<DateTime>,
    lines: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a crate::model::job::JobError>,
}

impl<'a> From<&'a Job> for JobJson<'a> {
    fn from(job: &'a Job) -> Self {
        use crate::model::JobStatus as Status;
        Self {
            id: job.id,
            plugin: &job.step.plugin,
            step: &job.step.step,
            status: match job.status {
                Status::WaitingForResources => "waiting_for_resources",
                Status::Waiting => "waiting",
                Status::InProgress => "in_progress",
                Status::Pausing => "pausing",
                Status::Canceling => "canceling",
                Status::Succeeded => "succeeded",
                Status::Failed => "failed",
                Status::Canceled => "canceled",
            },
            status_code: job.status.number(),
            attempt: job.attempt,
            crash_count: job.crash_count,
            created_on: job.created_on,
            started_on: job.started_on,
            completed_on: job.completed_on,
            lines: &job.trace,
            error: job.error.as_ref(),
        }
    }
}

#[derive(Serialize)]
struct TotalsJson {
    admission_us: u64,
    database_wait_us: u64,
    guests_us: u64,
    host_calls_us: u64,
    native_steps_us: u64,
    operations_us: u64,
    transaction_ends_us: u64,
    pipeline_us: u64,
    total_us: u64,
    load_us: u64,
    elapsed_us: u64,
    memory_peak_bytes: u64,
    memory_limit_bytes: u64,
}

impl TotalsJson {
    fn new(report: &Report, totals: &Totals) -> Self {
        Self {
            admission_us: us(totals.admission),
            database_wait_us: us(totals.database_wait),
            guests_us: us(totals.guests),
            host_calls_us: us(totals.host_calls),
            native_steps_us: us(totals.native_steps),
            operations_us: us(totals.operations),
            transaction_ends_us: us(totals.transaction_ends),
            pipeline_us: us(totals.pipeline),
            total_us: us(totals.total),
            load_us: us(report.plugins.iter().map(|plugin| plugin.load).sum()),
            elapsed_us: us(report.took),
            memory_peak_bytes: totals.memory_peak_bytes,
            memory_limit_bytes: report.memory_limit,
        }
    }
}

/// Whole microseconds.
pub(super) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
