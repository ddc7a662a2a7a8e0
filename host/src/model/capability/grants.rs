//! What an operator grants.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::Asks;
use super::http::{HttpOrigin, HttpRule, methods};
use crate::model::job::duration;
use crate::model::registration::Secret;

/// What an operator grants a plugin: at most what it asks for. What is not said is not granted.
///
/// ```
/// use stagegate::model::capability::{Grants, HttpGrant, HttpRule, SecretSource};
///
/// # fn main() -> Result<(), String> {
/// let bureau = HttpGrant::new(HttpRule::new(["GET"], "https://api.bureau.example")?);
/// let grants = Grants::new()
///     .http(bureau)
///     .secret("bureau_key", SecretSource::File("/run/secrets/bureau".into()))
///     .configuration("region", "eu");
/// # let _ = grants;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(description = "What a plugin is granted: at most what it asks for."))]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Calls by HTTP.
    #[cfg_attr(feature = "cli", schemars(with = "Option<Vec<RawHttpGrant>>"))]
    pub(crate) http: Option<Vec<HttpGrant>>,
    /// Environment variables of the host, by name.
    pub(crate) environment: Option<Vec<String>>,
    /// Secrets, by name.
    #[cfg_attr(feature = "cli", schemars(with = "Option<BTreeMap<String, SecretPlace>>"))]
    pub(crate) secrets: Option<BTreeMap<String, SecretSource>>,
    /// Values of configuration, by key.
    pub(crate) configuration: Option<BTreeMap<String, String>>,
    /// Random numbers that nobody can foresee.
    pub(crate) random: Option<bool>,
    /// The real clocks.
    pub(crate) clocks: Option<bool>,
    /// MiB of memory above the limit of every plugin.
    pub(crate) memory: Option<u32>,
    /// The longest time of one run of a background step, with a unit.
    #[serde(with = "duration::option")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub(crate) background: Option<Duration>,
    /// Where a manifest has them, from 1; 0 for those that are no text.
    #[serde(skip)]
    pub(crate) line: usize,
}

/// What of HTTP is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// What may be called.
    pub rule: HttpRule,
    /// Whether the host's name may stand for an address that is not on the public internet: loopback, private networks,
    /// link-local and the like.
    pub private: bool,
    /// A file in PEM with the authorities whose certificates count there, in place of those that the system trusts.
    pub authorities: Option<PathBuf>,
}

impl HttpGrant {
    /// What may be called, at public addresses, by the authorities that the system trusts.
    #[must_use]
    pub fn new(rule: HttpRule) -> Self {
        Self { rule, private: false, authorities: None }
    }

    /// Also where the host's name stands for an address that is not on the public internet.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// With certificates of the authorities in a file in PEM, in place of those that the system trusts.
    #[must_use]
    pub fn authorities(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities = Some(file.into());
        self
    }
}

/// Where the text of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file. A line break at its end is no part of it.
    File(PathBuf),
    /// In an environment variable of the host.
    Environment(String),
    /// Here, for an embedder that has it from elsewhere. No manifest has it.
    Text(Secret),
}

impl Grants {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more place that may be called by HTTP.
    #[must_use]
    pub fn http(mut self, grant: HttpGrant) -> Self {
        self.http.get_or_insert_default().push(grant);
        self
    }

    /// One more environment variable of the host.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment.get_or_insert_default().push(name.into());
        self
    }

    /// One more secret, and where its text is.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, source: SecretSource) -> Self {
        self.secrets.get_or_insert_default().insert(name.into(), source);
        self
    }

    /// One more value of configuration.
    #[must_use]
    pub fn configuration(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configuration.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    /// Random numbers that nobody can foresee.
    #[must_use]
    pub fn random(mut self) -> Self {
        self.random = Some(true);
        self
    }

    /// The real clocks.
    #[must_use]
    pub fn clocks(mut self) -> Self {
        self.clocks = Some(true);
        self
    }

    /// MiB of memory above the limit of every plugin.
    #[must_use]
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = Some(mebibytes);
        self
    }

    /// The longest time of one run of a background step.
    #[must_use]
    pub fn background(mut self, longest: Duration) -> Self {
        self.background = Some(longest);
        self
    }

    /// These, and whatever `later` says in place of what these say of that kind.
    #[must_use]
    pub(crate) fn then(self, later: Self) -> Self {
        Self {
            http: later.http.or(self.http),
            environment: later.environment.or(self.environment),
            secrets: later.secrets.or(self.secrets),
            configuration: later.configuration.or(self.configuration),
            random: later.random.or(self.random),
            clocks: later.clocks.or(self.clocks),
            memory: later.memory.or(self.memory),
            background: later.background.or(self.background),
            line: later.line,
        }
    }

    /// These, with the paths of files as seen from a folder.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn seen_from(mut self, folder: &std::path::Path) -> Self {
        let authorities = self.http.iter_mut().flatten().filter_map(|grant| grant.authorities.as_mut());
        let secrets = self.secrets.iter_mut().flat_map(BTreeMap::values_mut);
        let secrets = secrets.filter_map(|source| match source {
            SecretSource::File(path) => Some(path),
            SecretSource::Environment(_) | SecretSource::Text(_) => None,
        });
        authorities.chain(secrets).for_each(|path| *path = folder.join(&*path));
        self
    }

    /// What of this nobody asked for, in words: the first of it. None if there is nothing.
    #[must_use]
    pub(crate) fn excess(&self, asks: &Asks) -> Option<String> {
        let http = self.http.iter().flatten().find_map(|grant| {
            let of = |method: &String| {
                asks.http
                    .iter()
                    .any(|asked| asked.methods.contains(method) && asked.origin.covers(&grant.rule.origin))
            };
            let method = grant.rule.methods.iter().find(|method| !of(method))?;
            Some(format!("the call `{method} {}`", grant.rule.origin))
        });
        let flag = |granted: Option<bool>, asked: bool, what: &str| {
            (granted == Some(true) && !asked).then(|| what.to_owned())
        };
        let names = self.environment.iter().flatten();
        let environment = unasked("the environment variable", names, &asks.environment);
        let names = self.secrets.iter().flat_map(BTreeMap::keys);
        let secret = unasked("the secret", names, &asks.secrets);
        let keys = self.configuration.iter().flat_map(BTreeMap::keys);
        let value = unasked("the configuration value", keys, &asks.configuration);
        http.or(environment)
            .or(secret)
            .or(value)
            .or_else(|| flag(self.random, asks.random, "random numbers"))
            .or_else(|| flag(self.clocks, asks.clocks, "the clocks"))
            .or_else(|| {
                let more = self.memory.filter(|memory| *memory > asks.memory)?;
                Some(format!("{more} MiB of memory"))
            })
            .or_else(|| {
                let more =
                    self.background.filter(|time| asks.background.is_none_or(|asked| *time > asked))?;
                Some(format!("{} for background steps", duration::show(more)))
            })
    }
}

fn unasked<'a>(kind: &str, mut names: impl Iterator<Item = &'a String>, asked: &[String]) -> Option<String> {
    names.find(|name| !asked.contains(name)).map(|name| format!("{kind} `{name}`"))
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || {
            // Without what is there: it may be the secret.
            let problem = "a secret is `{ file = \"path\" }` or `{ environment = \"NAME\" }`; its text has no place in a \
                           manifest or a scenario";
            de::Error::custom(problem)
        };
        let toml::Value::Table(table) = toml::Value::deserialize(deserializer)? else { return Err(wrong()) };
        let mut places = table.into_iter();
        match (places.next(), places.next()) {
            (Some((place, toml::Value::String(file))), None) if place == "file" => {
                Ok(Self::File(file.into()))
            }
            (Some((place, toml::Value::String(name))), None) if place == "environment" => {
                Ok(Self::Environment(name))
            }
            _ => Err(wrong()),
        }
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename = "HttpGrant", description = "What may be called by HTTP."))]
#[serde(deny_unknown_fields)]
struct RawHttpGrant {
    /// Scheme, host and, where it is not the usual one, port.
    #[cfg_attr(feature = "cli", schemars(with = "String"))]
    origin: HttpOrigin,
    /// In capitals.
    #[serde(deserialize_with = "methods")]
    methods: Vec<String>,
    /// Whether the host's name may stand for an address that is not public.
    #[serde(default)]
    private: bool,
    /// A file in PEM with the authorities whose certificates count there.
    authorities: Option<PathBuf>,
}

/// How a [`SecretSource`] is written.
#[cfg(feature = "cli")]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SecretSource", description = "Where the text of a secret is.")]
#[expect(dead_code, reason = "for its schema alone")]
enum SecretPlace {
    /// In a file.
    File(String),
    /// In an environment variable of the host.
    Environment(String),
}

impl<'de> Deserialize<'de> for HttpGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawHttpGrant { origin, methods, private, authorities } = RawHttpGrant::deserialize(deserializer)?;
        if authorities.is_some() && origin.scheme() == super::Scheme::Http {
            let problem =
                format!("`{origin}` has `authorities` and no TLS; write `https`, or leave them out");
            return Err(de::Error::custom(problem));
        }
        Ok(Self { rule: HttpRule { methods, origin }, private, authorities })
    }
}
