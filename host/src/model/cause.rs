//! What is known of a failure beside its kind: typed, so that nobody parses a message.

use std::fmt;
use std::time::Duration;

use crate::model::{DateTime, ErrorKind};

/// What is known of a failure beside its [kind](super::ErrorKind).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Of a [`Timeout`](super::ErrorKind::Timeout): what had the time.
    Timeout(Timeout),
    /// Of an [`OutOfMemory`](super::ErrorKind::OutOfMemory): which limit, and what was used of it.
    Exhausted(Exhausted),
    /// Of a guest that was stopped by a trap, whatever its kind: which.
    Trap(TrapCode),
    /// Of a [`Disabled`](super::ErrorKind::Disabled) step: until when, and why.
    Disabled(Disabled),
    /// Of a [`Saturated`](super::ErrorKind::Saturated) host that has room, and not for this plugin: which quota is used up.
    OverQuota(QuotaOf),
}

/// Why a step is disabled for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disabled {
    /// When a run of it is tried; none while one is under way.
    pub until: Option<DateTime>,
    /// The times in a row that it broke down.
    pub failures: u32,
    /// What it failed with the last time.
    pub last: ErrorKind,
}

impl Disabled {
    pub(crate) fn new(until: Option<DateTime>, failures: u32, last: ErrorKind) -> Self {
        Self { until, failures, last }
    }
}

/// What a plugin may use so much of, in all of its runs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuotaOf {
    /// The time in its guests.
    GuestTime,
    /// The linear memory of its sandboxes at one time.
    Memory,
}

impl QuotaOf {
    /// The quota's name in machine-readable output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GuestTime => "guest-time",
            Self::Memory => "memory",
        }
    }
}

/// What had the time when a message request ran out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeout {
    /// What went on when the time was up.
    pub phase: Phase,
    /// The call of a guest to the host that it went on in, as `interface.function`: known of
    /// [`Phase::HostCall`], and of what that led to outside of any other step.
    pub host_call: Option<&'static str>,
    /// The time that the request was given; none where the failure is not of a request with a limit.
    pub limit: Option<Duration>,
    /// How long that had gone on: of a guest that computed or waited in WASI, the time that the step had without its calls
    /// to the host.
    pub spent: Duration,
}

/// What goes on in a message request, as far as it takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It waits for its turn at the database: for the transaction that is open, or for a connection.
    Queue,
    /// A statement of the database runs, which may wait for a lock.
    Database,
    /// A sandbox is made, and the plugin starts in it.
    Starting,
    /// A guest computes.
    Computing,
    /// A guest sleeps, or waits for a stream, in WASI.
    Wasi,
    /// A guest waits for the host to answer a call.
    HostCall,
    /// A native step runs that asked for the time limit.
    Native,
    /// The pipeline itself, between steps.
    Pipeline,
}

impl Phase {
    /// The phase's name in machine-readable output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Database => "database",
            Self::Starting => "starting",
            Self::Computing => "computing",
            Self::Wasi => "wasi",
            Self::HostCall => "host-call",
            Self::Native => "native",
            Self::Pipeline => "pipeline",
        }
    }

    /// Whether it is the plugin's own doing: what others took is not.
    #[must_use]
    pub fn is_guest(self) -> bool {
        matches!(self, Self::Starting | Self::Computing | Self::Wasi)
    }
}

impl Timeout {
    pub(crate) fn new(phase: Phase, spent: Duration) -> Self {
        Self { phase, host_call: None, limit: None, spent }
    }
}

/// What went on, as the end of a sentence: `while the plugin computed (for 299 ms)`.
impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.phase {
            Phase::Queue => "while it waited for its turn at the database",
            Phase::Database => "while a statement of the database ran",
            Phase::Starting => "while the plugin started",
            Phase::Computing => "while the plugin computed",
            Phase::Wasi => "while the plugin slept or waited in WASI",
            Phase::HostCall => "while the plugin waited for the host",
            Phase::Native => "while a native step ran",
            Phase::Pipeline => "between its steps",
        };
        f.write_str(what)?;
        if let Some(call) = self.host_call {
            write!(f, " in `{call}`")?;
        }
        if self.spent.is_zero() {
            return Ok(());
        }
        write!(f, " (for {} ms)", self.spent.as_millis())
    }
}

/// Which limit of its sandbox a guest ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// What there was not enough of.
    pub resource: Resource,
    /// The most that one run may have.
    pub limit: u64,
    /// The most that it had; none where that is not counted.
    pub peak: Option<u64>,
    /// What it would have had with what it asked for; none where that is not told.
    pub asked: Option<u64>,
}

/// What a sandbox has so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of linear memory.
    Memory,
    /// Elements of tables.
    TableElements,
    /// Resource handles at once.
    Handles,
    /// Bytes in one call to the host.
    CallBytes,
}

impl Resource {
    /// The resource's name in machine-readable output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::TableElements => "table-elements",
            Self::Handles => "handles",
            Self::CallBytes => "call-bytes",
        }
    }
}

/// What was asked for and what the limit is.
impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, limit, peak, asked } = self;
        match resource {
            Resource::Memory => {
                let asked = asked.map_or_else(|| "more".to_owned(), mebibytes);
                write!(f, "it asked for {asked} of memory; {} is the limit", mebibytes(*limit))?;
                peak.map_or(Ok(()), |peak| write!(f, ", and it had {}", mebibytes(peak)))
            }
            Resource::TableElements => {
                let asked = asked.map_or_else(|| "more".to_owned(), |asked| asked.to_string());
                write!(f, "it asked for {asked} table elements; {limit} is the limit")
            }
            Resource::Handles => write!(f, "it holds too many handles of resources; {limit} is the limit"),
            Resource::CallBytes => {
                write!(f, "it passed too much in one call to the host; {limit} bytes are the limit")
            }
        }
    }
}

fn mebibytes(bytes: impl std::borrow::Borrow<u64>) -> String {
    format!("{} MiB", bytes.borrow() >> 20)
}

/// Which trap stopped a guest. The names are wasmtime's; those that a guest of this host cannot run into are left to
/// [`TrapCode::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapCode {
    /// It came to code that it says is never reached: how a panic and an abort end.
    UnreachableCodeReached,
    /// Its stack was used up.
    StackOverflow,
    /// It reached beyond its memory.
    MemoryOutOfBounds,
    /// It reached beyond a table.
    TableOutOfBounds,
    /// It called a function of a table where there is none.
    IndirectCallToNull,
    /// It called a function of a table as one of another type.
    BadSignature,
    /// Integer arithmetic overflowed.
    IntegerOverflow,
    /// It divided an integer by zero.
    IntegerDivisionByZero,
    /// It converted a number to an integer that cannot hold it.
    BadConversionToInteger,
    /// It called into a component that was not to be entered: one that had trapped, or that waits for this call.
    CannotEnterComponent,
    /// It called out of a component while that is not allowed.
    CannotLeaveComponent,
    /// A text, a list, a pointer, a `char` or a case of a variant that crossed between components is not one.
    InvalidValue,
    /// The runtime refused a call of the guest to the host, or what it passed: no value of the contract, or a handle that
    /// there is not.
    RefusedCall,
    /// Another, by its name.
    Other(String),
}

impl TrapCode {
    /// The code's name in machine-readable output.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::UnreachableCodeReached => "unreachable-code-reached",
            Self::StackOverflow => "stack-overflow",
            Self::MemoryOutOfBounds => "memory-out-of-bounds",
            Self::TableOutOfBounds => "table-out-of-bounds",
            Self::IndirectCallToNull => "indirect-call-to-null",
            Self::BadSignature => "bad-signature",
            Self::IntegerOverflow => "integer-overflow",
            Self::IntegerDivisionByZero => "integer-division-by-zero",
            Self::BadConversionToInteger => "bad-conversion-to-integer",
            Self::CannotEnterComponent => "cannot-enter-component",
            Self::CannotLeaveComponent => "cannot-leave-component",
            Self::InvalidValue => "invalid-value",
            Self::RefusedCall => "refused-call",
            Self::Other(name) => name,
        }
    }
}

/// A function on the stack of a guest, and its place in the source if the component has debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The function's name, as people write it.
    pub function: String,
    /// The file of its source.
    pub file: Option<String>,
    /// The line there, from 1.
    pub line: Option<u32>,
}

impl Frame {
    pub(crate) fn new(function: String) -> Self {
        Self { function, file: None, line: None }
    }
}

/// The function, with its place in brackets.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            (None, _) => Ok(()),
        }
    }
}
