//! The report for machines. `docs/report.md` documents the shape; this module is the shape.
//!
//! Stable: within one `format` number, members are only added. Durations are whole microseconds in members that end in
//! `_us`, sizes whole bytes in members that end in `_bytes`, values are spelled as requests files spell them, and an
//! absent member means "there is none", never "unknown to this version".

mod evidence;
pub(super) mod jobs;
mod trace;
mod usage;

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use self::jobs::JobJson;
pub(in crate::cli) use self::jobs::job_status;
use self::trace::{ErrorJson, RanJson, TraceJson};
use self::usage::UsageJson;
use super::totals::Totals;
use super::{PluginReport, Report, RequestReport, plan};
use crate::cli::fact;
use crate::cli::label::Labels;
use crate::cli::requests::{Expect, Fault};
use crate::model::registration::{Origin, Override};
use crate::model::{Condition, Image, Mode, Response, Stage};

/// The version of the shape.
pub(in crate::cli) const FORMAT: u32 = 1;

/// The whole report, as indented JSON.
pub(in crate::cli) fn render(report: &Report, totals: &Totals) -> Result<String, serde_json::Error> {
    let document = Document {
        format: FORMAT,
        exit_code: report.exit().code(),
        version: env!("CARGO_PKG_VERSION"),
        database: report.database.as_ref().map(ToString::to_string),
        made_up: report.made_up,
        interrupted: report.interrupted,
        plugins: report.plugins.iter().map(Plugin::from).collect(),
        plan: report.plan.iter().map(PlanLine::from).collect(),
        requests: report.requests.iter().map(Request::from).collect(),
        earlier_jobs: report.earlier_jobs.iter().map(JobJson::from).collect(),
        plugin_usage: report.usage.iter().map(Into::into).collect(),
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
    database: Option<String>,
    made_up: bool,
    interrupted: bool,
    plugins: Vec<Plugin<'a>>,
    plan: Vec<PlanLine<'a>>,
    requests: Vec<Request<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier_jobs: Vec<JobJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugin_usage: Vec<UsageJson<'a>>,
    totals: TotalsJson,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    path: Cow<'a, str>,
    hash: &'a str,
    source: &'static str,
    load_us: u64,
    component_bytes: u64,
    code_bytes: u64,
    warnings: &'a [String],
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
            warnings: &plugin.warnings,
        }
    }
}

/// A step in the plan of a message.
#[derive(Serialize)]
pub(super) struct PlanLine<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<usize>,
    /// Where it is not `message`, but the one that shares its pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_on: Option<&'a str>,
    plugin: &'a str,
    step: &'a str,
    native: bool,
    stage: Stage,
    stage_number: u8,
    mode: Mode,
    rank: i32,
    filtering_attributes: &'a [String],
    changed_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'a Condition>,
    images: &'a [Image],
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<&'a str>,
    /// Whether there is one; never what it is.
    secure_configuration: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as: Option<Uuid>,
    enabled: bool,
    bypassable: bool,
    overrides: Vec<OverrideJson<'a>>,
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
            registered_on: Some(definition.message.as_str()).filter(|message| *message != line.message),
            plugin: &line.step.key.plugin,
            step: &line.step.key.step,
            native: line.step.native,
            stage: definition.stage,
            stage_number: definition.stage.number(),
            mode: definition.mode,
            rank: definition.rank,
            filtering_attributes: &definition.filtering_attributes,
            changed_only: definition.changed_only,
            when: definition.when.as_ref(),
            images: &definition.images,
            configuration: definition.configuration.as_deref(),
            secure_configuration: line.step.has_secure_configuration,
            run_as: definition.run_as,
            enabled: definition.enabled,
            bypassable: definition.bypassable,
            overrides: line.step.overrides.iter().map(OverrideJson::from).collect(),
            description: definition.description.as_deref(),
            why: &line.why,
        }
    }
}

/// A value that is not as the plugin declares it.
#[derive(Serialize)]
struct OverrideJson<'a> {
    field: &'static str,
    declared: &'a Json,
    value: &'a Json,
    /// `manifest` or `database`.
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<&'a str>,
}

impl<'a> From<&'a Override> for OverrideJson<'a> {
    fn from(value: &'a Override) -> Self {
        let (origin, manifest) = match &value.origin {
            Origin::Manifest(source) => ("manifest", Some(source.as_str())),
            Origin::Database => ("database", None),
        };
        Self { field: value.field, declared: &value.declared, value: &value.value, origin, manifest }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    number: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    message: &'a str,
    expect: &'static str,
    /// What the failure is to be like.
    #[serde(skip_serializing_if = "Option::is_none")]
    expect_fault: Option<&'a Fault>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceJson<'a>>,
    jobs: Vec<RanJson<'a>>,
}

impl<'a> From<&'a RequestReport> for Request<'a> {
    fn from(request: &'a RequestReport) -> Self {
        Self {
            number: request.number,
            note: request.note.as_deref(),
            message: &request.message,
            expect: match &request.expect {
                Expect::Success => "success",
                Expect::Fault(_) => "fault",
                Expect::Any => "any",
            },
            expect_fault: match &request.expect {
                Expect::Fault(fault) if *fault != Fault::default() => Some(fault),
                _ => None,
            },
            outcome: request.verdict().name(),
            response: request.result.as_ref().ok().map(response),
            error: request.result.as_ref().err().map(Into::into),
            trace: request.trace.as_ref().map(Into::into),
            jobs: request.jobs.iter().map(Into::into).collect(),
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
    asynchronous_steps_us: u64,
    load_us: u64,
    elapsed_us: u64,
    memory_peak_bytes: u64,
    memory_limit_bytes: u64,
}

impl TotalsJson {
    fn new(report: &Report, totals: &Totals) -> Self {
        Self {
            admission_us: us(totals.ledger.admission),
            database_wait_us: us(totals.ledger.database_wait),
            guests_us: us(totals.ledger.guests),
            host_calls_us: us(totals.ledger.host_calls),
            native_steps_us: us(totals.ledger.native_steps),
            operations_us: us(totals.ledger.operations),
            transaction_ends_us: us(totals.ledger.transaction_ends),
            pipeline_us: us(totals.ledger.pipeline),
            total_us: us(totals.ledger.total),
            asynchronous_steps_us: us(totals.asynchronous_steps),
            load_us: us(report.plugins.iter().map(|plugin| plugin.load).sum()),
            elapsed_us: us(report.took),
            memory_peak_bytes: totals.memory_peak_bytes,
            memory_limit_bytes: report.memory_limit,
        }
    }
}

/// The output parameters, by name.
fn response(response: &Response) -> Json {
    fact::parameters(&response.parameters).to_json(&Labels::default())
}

/// Whole microseconds.
pub(super) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
