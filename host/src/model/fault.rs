//! What a plugin and a caller are told when something is refused.

use serde::{Deserialize, Serialize};

/// Bytes of an error's message, of one of its details and of its diagnostic at most: a plugin decides what is in them, and
/// they go to users, logs and job rows.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Details of an error at most: the first ones that the plugin gave.
pub const DETAILS_MAX: usize = 100;
/// Bytes of what is said about the rest of a text.
const NOTE_BYTES: usize = 40;

/// Why something was refused or failed: the shape that crosses to a guest, and that a native step returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happened; see [`code`]. An open set.
    pub code: i32,
    /// For the user: what was refused and what to do.
    pub message: String,
    /// How the work stands.
    pub status: OperationStatus,
    /// Further facts, name and text.
    pub details: Vec<(String, String)>,
}

impl Fault {
    /// A plugin's refusal ([`code::ISV_ABORTED`]) with a message for the user.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: code::ISV_ABORTED,
            message: message.into(),
            status: OperationStatus::Failed,
            details: Vec::new(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// How the work that failed stands (`OperationStatus` on the platform).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OperationStatus {
    /// It failed.
    Failed,
    /// It was canceled.
    Canceled,
    /// It may succeed if it is run again.
    Retry,
    /// It waits for something.
    Suspended,
    /// It is done.
    Succeeded,
}

/// The platform's error codes that Stagegate uses, by their symbols.
/// Source: the error-code enumeration of Dataverse, as quoted by its documentation and open-source simulators.
pub mod code {
    /// A plugin refused the message (`IsvAborted`, 0x80040265).
    pub const ISV_ABORTED: i32 = 0x8004_0265_u32 as i32;
    /// A plugin failed in a way that it did not mean to (`IsvUnExpected`, 0x80040224).
    pub const ISV_UNEXPECTED: i32 = 0x8004_0224_u32 as i32;
    /// An unexpected error of the host (`UnExpected`, 0x80040216).
    pub const UNEXPECTED: i32 = 0x8004_0216_u32 as i32;
    /// An argument is not valid (`InvalidArgument`, 0x80040203).
    pub const INVALID_ARGUMENT: i32 = 0x8004_0203_u32 as i32;
    /// A record does not exist (`ObjectDoesNotExist`, 0x80040217).
    pub const OBJECT_DOES_NOT_EXIST: i32 = 0x8004_0217_u32 as i32;
    /// A record with this identifier or key exists (`DuplicateRecord`, 0x80040237).
    pub const DUPLICATE_RECORD: i32 = 0x8004_0237_u32 as i32;
    /// A record is required by others (`CannotDeleteDueToAssociation`, 0x80040227).
    pub const CANNOT_DELETE_DUE_TO_ASSOCIATION: i32 = 0x8004_0227_u32 as i32;
    /// Requests nest too deeply (`SdkCorrelationTokenDepthTooHigh`, 0x80044182).
    pub const DEPTH_TOO_HIGH: i32 = 0x8004_4182_u32 as i32;
    /// A step ran past its time (`SandboxClientPluginTimeout`, 0x80044171).
    pub const PLUGIN_TIMEOUT: i32 = 0x8004_4171_u32 as i32;
    /// A guest broke down: stack, memory, exit (`SandboxWorkerNotAvailable`, 0x8004418d).
    pub const WORKER_NOT_AVAILABLE: i32 = 0x8004_418D_u32 as i32;
    /// No room to run a guest (`SandboxHostNotAvailable`, 0x8004418e).
    pub const HOST_NOT_AVAILABLE: i32 = 0x8004_418E_u32 as i32;
    /// A guest has broken down too often (`SandboxWorkerThrottleLimit`, 0x80081116).
    pub const WORKER_THROTTLED: i32 = 0x8008_1116_u32 as i32;
    /// More execution time than there is quota for (0x80072321).
    pub const EXECUTION_TIME_EXCEEDED: i32 = 0x8007_2321_u32 as i32;
    /// A step may not be registered for this message (0x80044187).
    pub const STEP_NOT_ALLOWED: i32 = 0x8004_4187_u32 as i32;
    /// A component cannot be loaded as a plugin (`CannotCreatePluginInstance`, 0x8004a201).
    pub const CANNOT_CREATE_PLUGIN: i32 = 0x8004_A201_u32 as i32;
    /// The transaction was doomed by an earlier failure (0x80040251).
    pub const TRANSACTION_DOOMED: i32 = 0x8004_0251_u32 as i32;
    /// The database failed (`SqlError`, 0x80044150).
    pub const SQL_ERROR: i32 = 0x8004_4150_u32 as i32;
    /// Who asks may not do that (`PrivilegeDenied`, 0x80040220).
    pub const PRIVILEGE_DENIED: i32 = 0x8004_0220_u32 as i32;
    /// A record has another version than asked for (`ConcurrencyVersionMismatch`, 0x80060882).
    pub const CONCURRENCY_VERSION_MISMATCH: i32 = 0x8006_0882_u32 as i32;
    /// A version is demanded and not given (`ConcurrencyVersionNotProvided`, 0x80060883).
    pub const CONCURRENCY_VERSION_NOT_PROVIDED: i32 = 0x8006_0883_u32 as i32;
    /// An operation on an alternate key is not possible (0x8006088f).
    pub const INVALID_KEY_OPERATION: i32 = 0x8006_088F_u32 as i32;
    /// No alternate key has these attributes (0x80060890).
    pub const KEY_NOT_DEFINED: i32 = 0x8006_0890_u32 as i32;
    /// No record has these values of an alternate key (0x80060891).
    pub const RECORD_NOT_FOUND_BY_KEY: i32 = 0x8006_0891_u32 as i32;
    /// Another record has these values of an alternate key (0x80060892).
    pub const DUPLICATE_KEY: i32 = 0x8006_0892_u32 as i32;
    /// A relationship would clear a required lookup (0x80048104).
    pub const REMOVE_LINK_ON_REQUIRED: i32 = 0x8004_8104_u32 as i32;
    /// A step is registered at a stage that there is not, or that is the host's own (0x80044184).
    pub const INVALID_STAGE: i32 = 0x8004_4184_u32 as i32;
    /// A message does not exist for an entity (0x80040800).
    pub const MESSAGE_NOT_FOR_ENTITY: i32 = 0x8004_0800_u32 as i32;
    /// A message has no images (0x80044189).
    pub const NO_IMAGES: i32 = 0x8004_4189_u32 as i32;
    /// A post-image before the core operation (0x8004416e).
    pub const NO_POST_IMAGE_BEFORE: i32 = 0x8004_416E_u32 as i32;
    /// A message has no image of that type (0x8004416d).
    pub const INVALID_IMAGE_TYPE: i32 = 0x8004_416D_u32 as i32;
    /// A message has no record in that parameter (0x8004416b).
    pub const INVALID_MESSAGE_PROPERTY: i32 = 0x8004_416B_u32 as i32;
    /// A step could not be registered for lack of a message (`InvalidSdkMessage`, 0x8006088a).
    pub const UNKNOWN_MESSAGE: i32 = 0x8006_088A_u32 as i32;
    /// A job cannot be moved there (0x80044162).
    pub const INVALID_JOB_STATE: i32 = 0x8004_4162_u32 as i32;
    /// A job cannot be changed to Completed by hand, but by canceling it (0x80044165).
    pub const JOB_NOT_TO_COMPLETED: i32 = 0x8004_4165_u32 as i32;
    /// A job cannot be changed to Ready (0x80044166).
    pub const JOB_NOT_TO_READY: i32 = 0x8004_4166_u32 as i32;
    /// A job cannot be changed to Suspended (0x80044167).
    pub const JOB_NOT_TO_SUSPENDED: i32 = 0x8004_4167_u32 as i32;
    /// A job that is not Completed cannot be deleted (0x8004416a).
    pub const CANNOT_DELETE_JOB: i32 = 0x8004_416A_u32 as i32;
    /// A job cannot be canceled (0x80044f00).
    pub const CANNOT_CANCEL_JOB: i32 = 0x8004_4F00_u32 as i32;
    /// A job cannot be paused (0x80044f01).
    pub const CANNOT_PAUSE_JOB: i32 = 0x8004_4F01_u32 as i32;
    /// A plugin is not granted what it reached for (0xa0040001). Ours, since the platform has no such grants: the bit 29 is
    /// for codes that are not Microsoft's.
    pub const CAPABILITY_DENIED: i32 = 0xA004_0001_u32 as i32;
}

/// The text, or its beginning and how much was left out.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX - NOTE_BYTES);
        let more = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("... ({more} bytes more)"));
        text.shrink_to_fit();
    }
    text
}
