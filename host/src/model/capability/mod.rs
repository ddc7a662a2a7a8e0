//! Capabilities: what a plugin may reach beyond the contract. Denied unless granted.
//!
//! A plugin **asks** in its declaration ([`Asks`]); the operator of a host **grants** at most that ([`Grants`]), in the
//! `[grants]` table of a manifest. What is granted is the host's and not the database's: each operator grants for the
//! machine that is theirs. docs/capabilities.md has the rules.

mod asks;
mod grants;
mod http;
mod report;

pub use asks::Asks;
pub use grants::{Grants, HttpGrant, SecretSource};
pub(crate) use http::is_host;
pub use http::{HttpOrigin, HttpRule, Scheme};
pub use report::{Capability, capabilities};

/// The names of the kinds, as manifests, faults and reports have them.
pub mod kind {
    /// Outgoing HTTP.
    pub const HTTP: &str = "http";
    /// An environment variable of the host.
    pub const ENVIRONMENT: &str = "environment";
    /// A secret.
    pub const SECRET: &str = "secret";
    /// A value of the operator's key-value configuration.
    pub const CONFIGURATION: &str = "configuration";
    /// Random numbers that nobody can foresee.
    pub const RANDOM: &str = "random";
    /// Clocks finer than a millisecond.
    pub const CLOCKS: &str = "clocks";
    /// Memory beyond the limit of every plugin.
    pub const MEMORY: &str = "memory";
    /// Time of a background step beyond the time limit of a message.
    pub const BACKGROUND: &str = "background";
}
