//! What a fake organization's operator grants.

use std::collections::BTreeMap;

use super::Fake;
use crate::{Fault, Result, code};

/// What is granted, by name.
#[derive(Clone, Default)]
pub(super) struct Granted {
    environment: BTreeMap<String, Option<String>>,
    secrets: BTreeMap<String, String>,
    configuration: BTreeMap<String, String>,
}

impl Fake {
    /// The same organization, whose host grants this environment variable; none for one that is not set there.
    #[must_use]
    pub fn with_environment(&self, name: impl Into<String>, value: Option<&str>) -> Self {
        let mut fake = self.clone();
        fake.granted.environment.insert(name.into(), value.map(str::to_owned));
        fake
    }

    /// The same organization, whose host grants this secret.
    #[must_use]
    pub fn with_secret(&self, name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut fake = self.clone();
        fake.granted.secrets.insert(name.into(), text.into());
        fake
    }

    /// The same organization, whose operator configured this value. The configuration of a step is
    /// [`with_configuration`](Fake::with_configuration).
    #[must_use]
    pub fn with_configuration_value(&self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let mut fake = self.clone();
        fake.granted.configuration.insert(key.into(), value.into());
        fake
    }

    pub(super) fn granted_environment(&self, name: &str) -> Result<Option<String>> {
        found(&self.granted.environment, "environment variable", name, "with_environment")
    }

    pub(super) fn granted_secret(&self, name: &str) -> Result<String> {
        found(&self.granted.secrets, "secret", name, "with_secret")
    }

    pub(super) fn granted_configuration(&self, key: &str) -> Result<String> {
        found(&self.granted.configuration, "configuration value", key, "with_configuration_value")
    }
}

fn found<T: Clone>(granted: &BTreeMap<String, T>, what: &str, name: &str, method: &str) -> Result<T> {
    granted.get(name).cloned().ok_or_else(|| {
        let text = format!("The fake does not grant the {what} `{name}`: give it with `Fake::{method}`.");
        Fault::new(text).with_code(code::CAPABILITY_DENIED)
    })
}
