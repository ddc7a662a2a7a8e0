//! What a host grants its plugins.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::registration::sources::Sources;
use super::{Host, HostBuilder};
use crate::model::capability::{Asks, Capability, Grants, HttpGrant, Scheme, SecretSource, capabilities};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::registration::{Secret, granted};
use crate::wasm::Plugin;
use crate::wasm::granted::Granted;
use crate::wasm::http::{Calls, Permit, Resolve, SystemResolver, tls_client};

/// Bytes of a secret at most: a key or a token, and no archive.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What one plugin asks for, and what it gets on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginCapabilities {
    /// The plugin's name.
    pub plugin: String,
    /// What it asks for.
    pub capabilities: Vec<Capability>,
}

impl Host {
    /// What each plugin asks for, what it is granted and what it lacks, in the order of registration.
    #[must_use]
    pub fn capabilities(&self) -> Vec<PluginCapabilities> {
        let sources = &self.inner.registrations.sources;
        // They were judged when the host was built.
        let granted = sources.grants().unwrap_or_default();
        sources.plugins.iter().map(|plugin| of_plugin(plugin, &granted)).collect()
    }
}

impl HostBuilder {
    /// Grants a plugin what it asks for, or a part of it: the service as its own operator. A [manifest](Self::manifest)
    /// with `[grants]` says anew what it has of a kind. Grants are no part of a registration: no database keeps them.
    ///
    /// [`build`](Self::build) fails if the plugin does not ask for it, or if a secret cannot be read.
    pub fn grant(mut self, plugin: impl Into<String>, grants: Grants) -> Self {
        self.sources.given.push((plugin.into(), grants));
        self
    }

    /// Who finds the addresses of the hosts that plugins call; the operating system unless set.
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.sources.resolver = Some(Arc::new(resolver));
        self
    }
}

impl Sources {
    /// What each plugin is granted, by its name. Fails if something is granted that is not asked for.
    pub(in crate::host) fn grants(&self) -> Result<BTreeMap<String, Grants>> {
        let plugins = self.plugins.iter().map(|plugin| (plugin.name(), plugin.declaration()));
        granted(&plugins.collect::<Vec<_>>(), &self.given, &self.manifests)
    }

    /// Reads what is granted and gives it to the plugins, once for the life of the host. Warns of what they lack.
    pub(in crate::host) async fn hand_out(&self) -> Result<()> {
        let grants = self.grants()?;
        for plugin in &self.plugins {
            let lacking = of_plugin(plugin, &grants).capabilities;
            let lacking: Vec<String> =
                lacking.iter().filter(|one| one.lacking.is_some()).map(ToString::to_string).collect();
            if !lacking.is_empty() {
                let lacking = lacking.join("; ");
                tracing::warn!(plugin = plugin.name(), %lacking, "the plugin asks for what it is not granted");
            }
        }
        let resolver = self.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver));
        for guest in &self.guests {
            let (name, asks) = (guest.name().to_owned(), guest.declaration().asks.clone());
            let of_guest = grants.get(&name).cloned().unwrap_or_default();
            let resolver = Arc::clone(&resolver);
            let reading = tokio::task::spawn_blocking(move || ready(name, asks, of_guest, resolver));
            let ready = reading.await.map_err(|error| {
                let message = "the task that reads what is granted broke down";
                Error::new(ErrorKind::Internal, message).with_source(error)
            })?;
            guest.grant(ready?);
        }
        Ok(())
    }
}

fn of_plugin(plugin: &Plugin, grants: &BTreeMap<String, Grants>) -> PluginCapabilities {
    let nothing = Grants::new();
    let grants = grants.get(plugin.name()).unwrap_or(&nothing);
    PluginCapabilities {
        plugin: plugin.name().to_owned(),
        capabilities: capabilities(&plugin.declaration().asks, grants),
    }
}

/// Reads everything that is granted.
fn ready(plugin: String, asks: Asks, grants: Grants, resolver: Arc<dyn Resolve>) -> Result<Granted> {
    let Grants { http, environment, secrets, configuration, random, clocks, memory, background, line: _ } =
        grants;
    let environment = environment.into_iter().flatten().map(|name| {
        let value = variable(&name)?;
        Ok((name, value))
    });
    let secrets = secrets.into_iter().flatten().map(|(name, source)| {
        let secret = secret(&name, source).map_err(|problem| {
            let message =
                format!("the secret `{name}`, which is granted to the plugin `{plugin}`, {problem}");
            Error::new(ErrorKind::InvalidRegistration, message)
        });
        Ok((name, secret?))
    });
    Ok(Granted {
        environment: environment.collect::<Result<_>>()?,
        secrets: secrets.collect::<Result<_>>()?,
        configuration: configuration.unwrap_or_default(),
        random: random.unwrap_or_default(),
        clocks: clocks.unwrap_or_default(),
        memory_bytes: usize::try_from(u64::from(memory.unwrap_or_default()) << 20).unwrap_or(usize::MAX),
        background,
        calls: Calls::new(permits(http.unwrap_or_default())?, resolver),
        plugin,
        asks,
    })
}

fn permits(grants: Vec<HttpGrant>) -> Result<Vec<Permit>> {
    // The system's authorities take a while to read.
    let mut system = None;
    let permit = |HttpGrant { rule, private, authorities }: HttpGrant| {
        let tls = match (rule.origin.scheme(), authorities) {
            (Scheme::Http, _) => None,
            (Scheme::Https, Some(file)) => Some(tls_client(Some(&file))?),
            (Scheme::Https, None) => {
                if system.is_none() {
                    system = Some(tls_client(None)?);
                }
                system.clone()
            }
        };
        Ok(Permit { rule, private, tls })
    };
    grants.into_iter().map(permit).collect()
}

/// An environment variable of the host; none if it is not set.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(
            ErrorKind::InvalidRegistration,
            format!("the environment variable `{name}`, which is granted, is no UTF-8; set it to text"),
        )),
    }
}

/// The text of a secret. The problem does not show it.
fn secret(name: &str, source: SecretSource) -> Result<Secret, String> {
    match source {
        SecretSource::Text(secret) => Ok(secret),
        SecretSource::Environment(variable) => match std::env::var(&variable) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(format!(
                "is to come from the environment variable `{variable}`, which is not set to text; set it, or name another \
                 place in `secrets.{name}`"
            )),
        },
        SecretSource::File(path) => read(&path).map(Secret::new).map_err(|problem| {
            format!(
                "cannot be read from `{}`: {problem}; name a file with it in `secrets.{name}`",
                path.display()
            )
        }),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("it has more than {SECRET_BYTES_MAX} bytes"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
