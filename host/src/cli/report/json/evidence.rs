//! What is known of a failure beside its kind, in the report for machines.

use std::borrow::Cow;
use std::path::Path;

use serde::Serialize;

use super::us;
use crate::model::cause::{Disabled, Exhausted, Frame, Timeout};
use crate::model::{Cause, DateTime, Error};

/// The keys that an error has besides, each only where it is known.
#[derive(Serialize)]
pub(super) struct EvidenceJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<TimeoutJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exhausted: Option<ExhaustedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trap: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<DisabledJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over_quota: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_words: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frames: Vec<FrameJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core_dump: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct TimeoutJson {
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_call: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_us: Option<u64>,
    spent_us: u64,
}

#[derive(Serialize)]
struct DisabledJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime>,
    failures: u32,
    last: &'static str,
}

#[derive(Serialize)]
struct ExhaustedJson {
    resource: &'static str,
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<u64>,
}

#[derive(Serialize)]
struct FrameJson<'a> {
    function: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

impl<'a> From<&'a Error> for EvidenceJson<'a> {
    fn from(error: &'a Error) -> Self {
        let (mut timeout, mut exhausted, mut trap) = (None, None, None);
        let (mut disabled, mut over_quota) = (None, None);
        match error.cause() {
            Some(Cause::Timeout(cause)) => timeout = Some(cause.into()),
            Some(Cause::Exhausted(cause)) => exhausted = Some(cause.into()),
            Some(Cause::Trap(code)) => trap = Some(code.name()),
            Some(Cause::Disabled(cause)) => disabled = Some(cause.into()),
            Some(Cause::OverQuota(quota)) => over_quota = Some(quota.name()),
            None => {}
        }
        Self {
            timeout,
            exhausted,
            trap,
            disabled,
            over_quota,
            retry_after_us: error.retry_after().map(us),
            last_words: error.last_words(),
            frames: error.frames().iter().map(FrameJson::from).collect(),
            core_dump: error.core_dump().map(Path::to_string_lossy),
        }
    }
}

impl From<&Disabled> for DisabledJson {
    fn from(disabled: &Disabled) -> Self {
        let Disabled { until, failures, last, .. } = *disabled;
        Self { until, failures, last: last.name() }
    }
}

impl From<&Timeout> for TimeoutJson {
    fn from(timeout: &Timeout) -> Self {
        Self {
            phase: timeout.phase.name(),
            host_call: timeout.host_call,
            limit_us: timeout.limit.map(us),
            spent_us: us(timeout.spent),
        }
    }
}

impl From<&Exhausted> for ExhaustedJson {
    fn from(exhausted: &Exhausted) -> Self {
        let Exhausted { resource, limit, peak, asked } = *exhausted;
        Self { resource: resource.name(), limit, peak, asked }
    }
}

impl<'a> From<&'a Frame> for FrameJson<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self { function: &frame.function, file: frame.file.as_deref(), line: frame.line }
    }
}
