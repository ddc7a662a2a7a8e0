//! What a host grants a plugin, ready for its runs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::capability::{Asks, kind};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::registration::Secret;
use crate::wasm::http::Calls;

/// What a host grants a plugin. Nothing in it is read again while the host runs.
#[derive(Default)]
pub(crate) struct Granted {
    /// The plugin's name.
    pub(crate) plugin: String,
    /// What it asks for, for the errors.
    pub(crate) asks: Asks,
    /// None for a variable that the host does not have.
    pub(crate) environment: BTreeMap<String, Option<String>>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) configuration: BTreeMap<String, String>,
    pub(crate) random: bool,
    pub(crate) clocks: bool,
    /// Above the limit of every plugin.
    pub(crate) memory_bytes: usize,
    /// Of one run of a background step.
    pub(crate) background: Option<Duration>,
    pub(crate) calls: Calls,
}

impl Granted {
    /// An environment variable.
    pub(super) fn environment(&self, name: &str) -> Result<Option<String>> {
        let found = self.environment.get(name).cloned();
        found.ok_or_else(|| {
            let grant = format!("environment = [\"{name}\"]");
            self.lacks(kind::ENVIRONMENT, "the environment variable", name, &self.asks.environment, &grant)
        })
    }

    /// A secret.
    pub(super) fn secret(&self, name: &str) -> Result<String> {
        let found = self.secrets.get(name).map(|secret| secret.expose().to_owned());
        found.ok_or_else(|| {
            let grant = format!("secrets.{name} = {{ file = \"..\" }}");
            self.lacks(kind::SECRET, "the secret", name, &self.asks.secrets, &grant)
        })
    }

    /// A value of configuration.
    pub(super) fn configuration(&self, key: &str) -> Result<String> {
        let found = self.configuration.get(key).cloned();
        found.ok_or_else(|| {
            let (asked, grant) = (&self.asks.configuration, format!("configuration.{key} = \"..\""));
            self.lacks(kind::CONFIGURATION, "the configuration value", key, asked, &grant)
        })
    }

    /// The way out of a run that needs more memory than it may have.
    pub(super) fn more_memory(&self) -> String {
        const RAISE: &str = "raise the limit of every plugin (`--memory`, `Limits::memory_bytes`)";
        let asked = u64::from(self.asks.memory);
        let granted = u64::try_from(self.memory_bytes >> 20).unwrap_or(u64::MAX);
        if asked == 0 {
            return format!(
                "its declaration asks for none above the limit of every plugin: add `memory(MIB)` to `asks(..)` of the \
                 plugin, and have its operator grant it (`memory = MIB` in `[grants]` of a manifest), or {RAISE}"
            );
        }
        let declared = format!("its declaration asks for {asked} MiB above the limit of every plugin");
        if granted < asked {
            let granted = if granted == 0 { "none".to_owned() } else { format!("{granted} MiB") };
            return format!(
                "{declared}, of which {granted} is granted; its operator can grant all of it in a manifest: `memory = \
                 {asked}` in `[grants]`"
            );
        }
        format!("{declared}, and all of it is granted; let it ask for more, or {RAISE}")
    }

    fn lacks(&self, kind: &str, what: &str, name: &str, asked: &[String], grant: &str) -> Error {
        let way_out = if asked.iter().any(|asked| asked == name) {
            format!("it asks for it, so its operator can grant it in a manifest: `{grant}` in `[grants]`")
        } else {
            "it does not ask for it either: add it to `asks(..)` of the plugin, and have the operator grant it".into()
        };
        denied(kind, name, format!("the plugin `{}` is not granted {what} `{name}`; {way_out}", self.plugin))
    }
}

/// The error of a call without its grant.
pub(super) fn denied(kind: &str, name: &str, message: String) -> Error {
    Error::new(ErrorKind::CapabilityDenied, message).with_detail("capability", kind).with_detail("name", name)
}
