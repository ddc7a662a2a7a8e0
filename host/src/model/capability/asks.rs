//! What a plugin asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::http::HttpRule;
use crate::model::job::duration;

/// What a plugin asks of its host beyond the contract: a part of its declaration. To ask is not to get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asks {
    /// What it wants to call by HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRule>,
    /// The names of environment variables of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The names of secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The keys of configuration values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<String>,
    /// Random numbers that nobody can foresee.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub random: bool,
    /// Clocks finer than a millisecond.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clocks: bool,
    /// MiB of memory above the limit of every plugin; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: u32,
    /// The longest time of one run of a background step.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub background: Option<Duration>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Asks {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
