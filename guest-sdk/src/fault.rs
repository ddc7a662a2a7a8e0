//! Refusals and failures.

use std::fmt;

/// What a step returns: `Result` alone means nothing or a [`Fault`].
pub type Result<T = (), E = Fault> = std::result::Result<T, E>;

/// Codes of faults, by the platform's names and numbers. The set is open: a plugin may use its own.
pub mod code {
    /// A plugin refused: what [`Fault::new`](super::Fault::new) carries.
    pub const ISV_ABORTED: i32 = -2_147_220_891;
    /// A plugin failed in a way that it did not foresee: what `?` on another error carries.
    pub const ISV_UNEXPECTED: i32 = -2_147_220_956;
    /// There is no such record.
    pub const OBJECT_DOES_NOT_EXIST: i32 = -2_147_220_969;
    /// The user lacks a privilege.
    pub const PRIVILEGE_DENIED: i32 = -2_147_220_960;
    /// There is such a record already.
    pub const DUPLICATE_RECORD: i32 = -2_147_220_937;
    /// An argument is not valid.
    pub const INVALID_ARGUMENT: i32 = -2_147_220_989;
    /// Something that the service did not foresee.
    pub const UNEXPECTED: i32 = -2_147_220_970;
    /// A record cannot be deleted, as another requires it.
    pub const CANNOT_DELETE_DUE_TO_ASSOCIATION: i32 = -2_147_220_953;
    /// Plugins called each other too deeply: most often an endless loop.
    pub const DEPTH_TOO_HIGH: i32 = -2_147_204_734;
    /// The record was changed meanwhile.
    pub const CONCURRENCY_VERSION_MISMATCH: i32 = -2_147_088_254;
    /// A record was to be changed at a version that the request does not give.
    pub const CONCURRENCY_VERSION_NOT_PROVIDED: i32 = -2_147_088_253;
    /// An alternate key cannot be used so.
    pub const INVALID_KEY_OPERATION: i32 = -2_147_088_241;
    /// The entity has no such alternate key.
    pub const KEY_NOT_DEFINED: i32 = -2_147_088_240;
    /// There is no record with those values of the alternate key.
    pub const RECORD_NOT_FOUND_BY_KEY: i32 = -2_147_088_239;
    /// There is a record with those values of an alternate key already.
    pub const DUPLICATE_KEY: i32 = -2_147_088_238;
    /// There is no such message.
    pub const UNKNOWN_MESSAGE: i32 = -2_147_088_246;
    /// An earlier request failed, so the transaction cannot go on.
    pub const TRANSACTION_NOT_STARTED: i32 = -2_147_220_911;
    /// The plugin is not granted what it reached for. Not a code of the platform, which has no such grants.
    pub const CAPABILITY_DENIED: i32 = -1_610_350_591;
}

/// How the work that failed stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperationStatus {
    /// It failed.
    #[default]
    Failed,
    /// It was canceled.
    Canceled,
    /// It may succeed if it is run again.
    Retry,
    /// It waits for something.
    Suspended,
    /// It is done, and the rest must not run.
    Succeeded,
}

/// Why something was refused or failed.
///
/// A step that returns one cancels its message and rolls its transaction back. The message is for the user; what only
/// the plugin's author should see belongs in the trace.
///
/// `?` makes a fault of every error of the standard library and of other crates. Its text goes to the trace, and the
/// user reads a general sentence. That is why `Fault` itself does not implement [`std::error::Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    code: i32,
    message: String,
    status: OperationStatus,
    details: Vec<(String, String)>,
}

impl Fault {
    /// A refusal, with what the user is to read: what was refused, and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: code::ISV_ABORTED,
            message: message.into(),
            status: OperationStatus::Failed,
            details: Vec::new(),
        }
    }

    /// A failure that may pass: it marks the fault as worth another attempt, for callers, and for the host, which runs
    /// the system job of an asynchronous step again, as often as [`JobOptions::retries`](crate::JobOptions) says.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(message).with_status(OperationStatus::Retry)
    }

    /// With another [`code`].
    #[must_use]
    pub fn with_code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: OperationStatus) -> Self {
        self.status = status;
        self
    }

    /// With one more fact, which the caller gets with the message.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.details.push((name.into(), text.into()));
        self
    }

    /// What happened, as a number; see [`code`].
    pub fn code(&self) -> i32 {
        self.code
    }

    /// What the user reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How the work stands.
    pub fn status(&self) -> OperationStatus {
        self.status
    }

    /// Further facts, name and text.
    pub fn details(&self) -> &[(String, String)] {
        &self.details
    }

    /// Whether a record that was to be created exists already: [`code::DUPLICATE_RECORD`] or [`code::DUPLICATE_KEY`].
    pub fn is_duplicate(&self) -> bool {
        matches!(self.code, code::DUPLICATE_RECORD | code::DUPLICATE_KEY)
    }

    /// Whether a record does not exist: [`code::OBJECT_DOES_NOT_EXIST`] or [`code::RECORD_NOT_FOUND_BY_KEY`].
    pub fn is_not_found(&self) -> bool {
        matches!(self.code, code::OBJECT_DOES_NOT_EXIST | code::RECORD_NOT_FOUND_BY_KEY)
    }

    /// Whether a record has another version than the request was for: [`code::CONCURRENCY_VERSION_MISMATCH`].
    pub fn is_conflict(&self) -> bool {
        self.code == code::CONCURRENCY_VERSION_MISMATCH
    }

    /// A defect of the plugin or of its registration, for its author.
    pub(crate) fn defect(message: impl Into<String>) -> Self {
        Self::new(message).with_code(code::ISV_UNEXPECTED)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        let mut line = format!("error: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            line = format!("{line}: {inner}");
            cause = inner.source();
        }
        crate::trace::line(&line);
        Self::defect("The plugin met an unexpected error. The trace of this request says which.")
    }
}

/// Returns with a [`Fault`] whose message is the formatted text.
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Fault::new(::std::format!($($message)+)).into())
    };
}

/// Returns with a [`Fault`] whose message is the formatted text, unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($($message)+);
        }
    };
}
