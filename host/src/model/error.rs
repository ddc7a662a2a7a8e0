//! The one error of the host: what an embedder gets, what a guest is told, what a report shows.
//!
//! Three audiences. The **user** reads [`Error::message`]. The **embedder** asks [`Error::kind`], [`Error::cause`],
//! [`Error::code`] and [`Error::location`], and never parses text. The **operator** gets the rest: the path of nested
//! steps, the guest's trace lines, its last words and backtrace, and the source error.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::cause::{Cause, Frame, Phase, Timeout};
use crate::model::fault::{DETAILS_MAX, Fault, OperationStatus, bounded, code};
use crate::model::{Stage, step::StepKey};

/// A result with the host's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request, a registration or the host itself failed. Cheap to clone.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: i32,
    message: String,
    status: OperationStatus,
    details: Vec<(String, String)>,
    path: Vec<Location>,
    trace: Vec<String>,
    cause: Option<Cause>,
    retry_after: Option<Duration>,
    remains: Remains,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What is left of a guest that broke down.
#[derive(Clone, Default)]
pub(crate) struct Remains {
    /// The last that it wrote to standard output and error.
    pub(crate) last_words: Option<String>,
    /// Its stack, innermost first, without the machinery of its language.
    pub(crate) frames: Vec<Frame>,
    /// Where its core dump was written.
    pub(crate) core_dump: Option<PathBuf>,
}

/// Frames that a diagnostic shows at most.
const FRAMES_SHOWN_MAX: usize = 12;

/// What went wrong, to decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A step refused the message with a fault.
    Rejected,
    /// The request is not well formed: an unknown entity or attribute, a value of the wrong type, a missing target.
    InvalidRequest,
    /// The record does not exist.
    NotFound,
    /// A record with this identifier, or with these values of an alternate key, exists already.
    Duplicate,
    /// The record has another version than the request asks for.
    Conflict,
    /// Other records require this one.
    Restricted,
    /// Who asks may not do that.
    Denied,
    /// The plugin is not granted what it reached for.
    CapabilityDenied,
    /// Requests nest more deeply than the depth limit.
    DepthExceeded,
    /// The message request ran past its time limit.
    Timeout,
    /// The guest asked for more memory, tables or handles than its limits.
    OutOfMemory,
    /// The guest's stack overflowed.
    StackOverflow,
    /// The guest panicked; the message says with what.
    Panicked,
    /// The guest called `exit`.
    Exited,
    /// The guest did something that the sandbox stops: any other trap.
    Trapped,
    /// The transaction was doomed by an earlier failure that a plugin had caught.
    Doomed,
    /// Requests got in each other's way in the database, a deadlock for one, and this one was rolled back; try again.
    Contention,
    /// The connection was lost while the database committed: the request may have been done, or not.
    OutcomeUnknown,
    /// The host has no room now, or the plugin has used up its quota; try again.
    Saturated,
    /// The step is disabled for a while, since it broke down again and again.
    Disabled,
    /// The host is shutting down.
    ShuttingDown,
    /// A component cannot be loaded as a plugin.
    InvalidPlugin,
    /// A step's registration breaks a rule.
    InvalidRegistration,
    /// An entity definition breaks a rule.
    InvalidDefinition,
    /// The database file is not usable: something else, another version, in use, unreadable.
    UnusableDatabase,
    /// The database failed in the middle.
    Store,
    /// The host failed to do its own work: a defect.
    Internal,
}

impl ErrorKind {
    /// The platform's code for errors of this kind.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Rejected => code::ISV_ABORTED,
            Self::InvalidRequest | Self::InvalidDefinition => code::INVALID_ARGUMENT,
            Self::NotFound => code::OBJECT_DOES_NOT_EXIST,
            Self::Duplicate => code::DUPLICATE_RECORD,
            Self::Conflict => code::CONCURRENCY_VERSION_MISMATCH,
            Self::Denied => code::PRIVILEGE_DENIED,
            Self::CapabilityDenied => code::CAPABILITY_DENIED,
            Self::Restricted => code::CANNOT_DELETE_DUE_TO_ASSOCIATION,
            Self::DepthExceeded => code::DEPTH_TOO_HIGH,
            Self::Timeout => code::PLUGIN_TIMEOUT,
            Self::OutOfMemory | Self::StackOverflow | Self::Exited => code::WORKER_NOT_AVAILABLE,
            Self::Panicked | Self::Trapped => code::ISV_UNEXPECTED,
            Self::Doomed => code::TRANSACTION_DOOMED,
            Self::Saturated | Self::ShuttingDown => code::HOST_NOT_AVAILABLE,
            Self::Disabled => code::WORKER_THROTTLED,
            Self::InvalidPlugin => code::CANNOT_CREATE_PLUGIN,
            Self::InvalidRegistration => code::STEP_NOT_ALLOWED,
            Self::UnusableDatabase | Self::Store | Self::Contention | Self::OutcomeUnknown => code::SQL_ERROR,
            Self::Internal => code::UNEXPECTED,
        }
    }

    /// The kind's name in machine-readable output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::InvalidRequest => "invalid-request",
            Self::NotFound => "not-found",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::CapabilityDenied => "capability-denied",
            Self::Restricted => "restricted",
            Self::DepthExceeded => "depth-exceeded",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out-of-memory",
            Self::StackOverflow => "stack-overflow",
            Self::Panicked => "panicked",
            Self::Exited => "exited",
            Self::Trapped => "trapped",
            Self::Doomed => "doomed",
            Self::Contention => "contention",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Saturated => "saturated",
            Self::Disabled => "disabled",
            Self::ShuttingDown => "shutting-down",
            Self::InvalidPlugin => "invalid-plugin",
            Self::InvalidRegistration => "invalid-registration",
            Self::InvalidDefinition => "invalid-definition",
            Self::UnusableDatabase => "unusable-database",
            Self::Store => "store",
            Self::Internal => "internal",
        }
    }
}

/// The step in which an error arose, or through which it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The plugin and the step.
    pub step: StepKey,
    /// The stage.
    pub stage: Stage,
    /// The message that the step was part of.
    pub message: String,
    /// The message's entity, where it has one.
    pub entity: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, stage, message, entity } = self;
        write!(f, "step `{}` of plugin `{}` at {stage} of {message}", step.step, step.plugin)?;
        if let Some(entity) = entity {
            write!(f, " {entity}")?;
        }
        Ok(())
    }
}

impl Error {
    /// An error of that kind, with a message that says what was tried, on what, and the way out.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            code: kind.code(),
            message: bounded(message.into()),
            status: OperationStatus::Failed,
            details: Vec::new(),
            path: Vec::new(),
            trace: Vec::new(),
            cause: None,
            retry_after: None,
            remains: Remains::default(),
            source: None,
        }))
    }

    /// A step's refusal, with at most [`TEXT_BYTES_MAX`](crate::model::fault::TEXT_BYTES_MAX) of each text and [`DETAILS_MAX`] details.
    #[must_use]
    pub fn rejected(fault: Fault) -> Self {
        let mut error = Self::new(ErrorKind::Rejected, fault.message);
        let inner = Arc::make_mut(&mut error.0);
        inner.code = fault.code;
        inner.status = fault.status;
        let details = fault.details.into_iter().take(DETAILS_MAX);
        inner.details = details.map(|(name, text)| (bounded(name), bounded(text))).collect();
        error
    }

    /// What went wrong, to decide by.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The platform's error code, or the plugin's own.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.0.code
    }

    /// For the user: what happened and what to do, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How the work stands, as the step that failed put it.
    #[must_use]
    pub fn status(&self) -> OperationStatus {
        self.0.status
    }

    /// Further facts that the step gave.
    #[must_use]
    pub fn details(&self) -> &[(String, String)] {
        &self.0.details
    }

    /// The step in which the error arose; none if it arose outside of any.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.0.path.first()
    }

    /// The steps through which the error passed, innermost first: a nested request fails the step that issued it.
    #[must_use]
    pub fn path(&self) -> &[Location] {
        &self.0.path
    }

    /// The lines that the failing step traced.
    #[must_use]
    pub fn trace(&self) -> &[String] {
        &self.0.trace
    }

    /// What is known beside the kind, typed: what had the time, which limit was hit, which trap it was.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// When the same request may succeed, as far as the host can say: of a host that has no room, of a step that is
    /// disabled for a while, of a plugin that has used up its quota.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The last that the guest wrote to standard output and error, as far as
    /// [`Limits::output_bytes`](crate::wasm::Limits::output_bytes) go. What is no UTF-8 is replaced.
    #[must_use]
    pub fn last_words(&self) -> Option<&str> {
        self.0.remains.last_words.as_deref()
    }

    /// The guest's stack, innermost first, without the standard library, the panic machinery and the bindings.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.0.remains.frames
    }

    /// Where the guest's core dump was written, if the engine [keeps them](crate::wasm::Settings::core_dumps).
    #[must_use]
    pub fn core_dump(&self) -> Option<&Path> {
        self.0.remains.core_dump.as_deref()
    }

    /// For the operator: the guest's last words and its backtrace, as text. None if there is neither.
    #[must_use]
    pub fn diagnostic(&self) -> Option<String> {
        let frames = self.frames();
        let said = self.last_words().into_iter().flat_map(str::lines).map(str::to_owned);
        let shown = frames.iter().take(FRAMES_SHOWN_MAX).map(|frame| format!("    at {frame}"));
        let more = frames.len().checked_sub(FRAMES_SHOWN_MAX + 1);
        let more = more.map(|more| format!("    ({} more)", more + 1));
        let lines: Vec<String> = said.chain(shown).chain(more).collect();
        (!lines.is_empty()).then(|| bounded(lines.join("\n")))
    }

    /// Whether the message request ran past its time limit.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
    }

    /// Whether a step refused the message.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.kind() == ErrorKind::Rejected
    }

    /// Whether the record does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Saturated | ErrorKind::Disabled | ErrorKind::Contention)
            || self.status() == OperationStatus::Retry
    }

    /// Whether a guest broke down: it trapped, in whichever way, or ran out of a limit of its sandbox. A timeout is not
    /// among them, since others may have had the time; see [`Cause::Timeout`].
    #[must_use]
    pub fn is_breakdown(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::OutOfMemory
                | ErrorKind::StackOverflow
                | ErrorKind::Panicked
                | ErrorKind::Exited
                | ErrorKind::Trapped
        )
    }

    /// What a guest is told when a request of its own failed with this.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let mut details = self.0.details.clone();
        if let Some(location) = self.location() {
            details.push(("plugin".into(), location.step.plugin.clone()));
            details.push(("step".into(), location.step.step.clone()));
            details.push(("stage".into(), location.stage.to_string()));
        }
        Fault { code: self.code(), message: self.message().to_owned(), status: self.status(), details }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// Says how the work stands, for what the host knows about a failure and a step cannot.
    #[cfg(feature = "postgres")]
    pub(crate) fn with_status(mut self, status: OperationStatus) -> Self {
        Arc::make_mut(&mut self.0).status = status;
        self
    }

    /// Replaces the kind's code by a narrower one of the platform.
    pub(crate) fn with_code(mut self, code: i32) -> Self {
        Arc::make_mut(&mut self.0).code = code;
        self
    }

    pub(crate) fn with_detail(mut self, name: &str, text: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).details.push((name.into(), text.into()));
        self
    }

    /// Replaces an index among the details by that of the whole of which `indexes` are a part.
    pub(crate) fn map_index(mut self, name: &str, indexes: &[usize]) -> Self {
        for (detail, text) in &mut Arc::make_mut(&mut self.0).details {
            let whole = text.parse().ok().and_then(|index: usize| indexes.get(index));
            if let Some(whole) = whole.filter(|_| detail == name) {
                *text = whole.to_string();
            }
        }
        self
    }

    /// Says more at the end of the message.
    pub(crate) fn explained(mut self, more: &str) -> Self {
        Arc::make_mut(&mut self.0).message.push_str(more);
        self
    }

    /// Adds the steps through which `outer` passed, which came of this one.
    pub(crate) fn within(mut self, outer: &Self) -> Self {
        let passed = outer.path().iter().filter(|place| !self.path().contains(place)).cloned();
        let passed: Vec<Location> = passed.collect();
        Arc::make_mut(&mut self.0).path.extend(passed);
        self.with_trace(outer.trace())
    }

    pub(crate) fn with_cause(mut self, cause: Cause) -> Self {
        Arc::make_mut(&mut self.0).cause = Some(cause);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        Arc::make_mut(&mut self.0).retry_after = Some(wait);
        self
    }

    pub(crate) fn with_remains(mut self, remains: Remains) -> Self {
        Arc::make_mut(&mut self.0).remains = remains;
        self
    }

    pub(crate) fn with_core_dump(mut self, path: PathBuf) -> Self {
        Arc::make_mut(&mut self.0).remains.core_dump.get_or_insert(path);
        self
    }

    /// Whether the time was up outside of any step.
    pub(crate) fn is_between_steps(&self) -> bool {
        let is_pipeline = |timeout: &Timeout| timeout.phase == Phase::Pipeline;
        self.0.path.is_empty()
            && matches!(&self.0.cause, Some(Cause::Timeout(timeout)) if is_pipeline(timeout))
    }

    /// Says in which call to the host the time was up, unless a step further in has said so.
    pub(crate) fn in_host_call(mut self, call: &'static str) -> Self {
        if self.0.path.is_empty()
            && let Some(Cause::Timeout(timeout)) = &mut Arc::make_mut(&mut self.0).cause
        {
            timeout.host_call.get_or_insert(call);
        }
        self
    }

    pub(crate) fn with_trace(mut self, trace: &[String]) -> Self {
        if self.0.trace.is_empty() && !trace.is_empty() {
            Arc::make_mut(&mut self.0).trace = trace.to_vec();
        }
        self
    }

    pub(crate) fn at(mut self, location: Location) -> Self {
        Arc::make_mut(&mut self.0).path.push(location);
        self
    }
}

/// The message, with the step, the plugin and the stage where there is one.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = self.location() {
            write!(f, "{location}: ")?;
        }
        f.write_str(self.message())
    }
}

/// All of it, for the operator: a `main` that returns the error prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({}, {:#010x})", self.0.kind.name(), self.0.code)?;
        for caller in self.0.path.iter().skip(1) {
            write!(f, "\n  called by {caller}")?;
        }
        for line in &self.0.trace {
            write!(f, "\n  traced: {line}")?;
        }
        for line in self.diagnostic().iter().flat_map(|text| text.lines()) {
            write!(f, "\n  {line}")?;
        }
        if let Some(path) = self.core_dump() {
            write!(f, "\n  core dump: {}", path.display())?;
        }
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::rejected(fault)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        error.to_fault()
    }
}
