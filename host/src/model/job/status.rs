//! The platform's states and statuses of a system job.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::HOST_PLUGIN;
use crate::model::step::StepKey;

/// The platform's states of a system job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// 0: may be claimed.
    Ready,
    /// 1: waits for a time or for somebody.
    Suspended,
    /// 2: a host runs it.
    Locked,
    /// 3: over.
    Completed,
}

/// The platform's statuses of a system job; each belongs to one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobStatus {
    /// 0
    WaitingForResources,
    /// 10
    Waiting,
    /// 20
    InProgress,
    /// 21
    Pausing,
    /// 22
    Canceling,
    /// 30
    Succeeded,
    /// 31
    Failed,
    /// 32
    Canceled,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::WaitingForResources,
        Self::Waiting,
        Self::InProgress,
        Self::Pausing,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// The platform's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::WaitingForResources => 0,
            Self::Waiting => 10,
            Self::InProgress => 20,
            Self::Pausing => 21,
            Self::Canceling => 22,
            Self::Succeeded => 30,
            Self::Failed => 31,
            Self::Canceled => 32,
        }
    }

    /// The status with that number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The state that the status belongs to.
    #[must_use]
    pub fn state(self) -> JobState {
        match self {
            Self::WaitingForResources => JobState::Ready,
            Self::Waiting => JobState::Suspended,
            Self::InProgress | Self::Pausing | Self::Canceling => JobState::Locked,
            Self::Succeeded | Self::Failed | Self::Canceled => JobState::Completed,
        }
    }
}

impl JobState {
    /// The platform's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Ready => 0,
            Self::Suspended => 1,
            Self::Locked => 2,
            Self::Completed => 3,
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitingForResources => "waiting for resources",
            Self::Waiting => "waiting",
            Self::InProgress => "in progress",
            Self::Pausing => "pausing",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        })
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Suspended => "suspended",
            Self::Locked => "locked",
            Self::Completed => "completed",
        })
    }
}

/// What a job does, with the platform's numbers of its operation type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// 1: it runs an asynchronous step.
    Step,
    /// 54: it runs a message request.
    Request,
    /// 90: it assigns the children of a record that was assigned.
    CascadeAssign,
    /// 91: it deletes the children of a record, and then the record.
    CascadeDelete,
}

impl JobKind {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Step, Self::Request, Self::CascadeAssign, Self::CascadeDelete];

    /// The platform's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Step => 1,
            Self::Request => 54,
            Self::CascadeAssign => 90,
            Self::CascadeDelete => 91,
        }
    }

    /// What jobs of the kind go by in place of a step; none for those that run one.
    #[must_use]
    pub fn lane(self) -> Option<StepKey> {
        let name = match self {
            Self::Step => return None,
            Self::Request => "request",
            Self::CascadeAssign => "cascade-assign",
            Self::CascadeDelete => "cascade-delete",
        };
        Some(StepKey { plugin: HOST_PLUGIN.into(), step: name.into() })
    }

    /// The one with that number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Why a job is Suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suspension {
    /// It failed, and is run again at a moment.
    Retry,
    /// Its step, or an operator, put it off to a moment.
    Postponed,
    /// An operator paused it, or its step asked for somebody to look: it waits to be resumed.
    Paused,
    /// Its host died while it ran, [`CRASHES_MAX`](super::CRASHES_MAX) times: it waits for somebody to look.
    Crashed,
}

impl Suspension {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Retry, Self::Postponed, Self::Paused, Self::Crashed];

    /// The number by which a store keeps it.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Retry => 1,
            Self::Postponed => 2,
            Self::Paused => 3,
            Self::Crashed => 4,
        }
    }

    /// The one with that number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|suspension| suspension.number() == number)
    }
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "retry",
            Self::Postponed => "postponed",
            Self::Paused => "paused",
            Self::Crashed => "crashed",
        })
    }
}
