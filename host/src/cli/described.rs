//! What the user describes a registration by: plugins, the manifests beside them, and the operator's own.

use std::path::{Path, PathBuf};

use super::args::{DescribedArguments, LimitArguments};
use super::failure::{Failure, Place};
use super::load;
use super::surroundings::Surroundings;
use crate::host::{Host, HostBuilder};
use crate::model::registration::{Manifest, ParseError};
use crate::pipeline::host_job::CascadeThresholds;
use crate::wasm::Plugin;

/// The manifest in the folder of a plugin crate.
const IN_CRATE: &str = "stagegate.toml";

/// Manifests whose form is right.
pub(super) struct Manifests {
    /// Those beside the plugins, a place for each.
    beside: Vec<Option<Manifest>>,
    /// The operator's, in their order.
    operator: Vec<Manifest>,
}

/// Reads the manifests beside the plugins and those that are named.
pub(super) fn manifests(plugins: &[PathBuf], named: &[PathBuf]) -> Result<Manifests, Failure> {
    let beside = plugins.iter().map(|plugin| {
        let path = if plugin.is_dir() { plugin.join(IN_CRATE) } else { plugin.with_extension("toml") };
        path.is_file().then(|| read(&path)).transpose()
    });
    Ok(Manifests { beside: beside.collect::<Result<_, _>>()?, operator: operator(named)? })
}

/// Reads the operator's manifests.
pub(super) fn operator(named: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    named.iter().map(|path| read(path)).collect()
}

impl Manifests {
    /// All of them in the order in which they count, those beside the plugins bound to these.
    pub(super) fn of(self, plugins: &[Plugin]) -> Result<Vec<Manifest>, Failure> {
        let beside = self.beside.into_iter().zip(plugins);
        let beside = beside.filter_map(|(manifest, plugin)| Some(manifest?.beside(plugin.name())));
        let mut all = beside.collect::<Result<Vec<_>, _>>()?;
        all.extend(self.operator);
        Ok(all)
    }
}

/// A host with what is described, still without a database. Its engine has these limits.
pub(super) async fn host(
    arguments: &DescribedArguments,
    limits: load::Options<'_>,
    surroundings: &mut Surroundings,
) -> Result<HostBuilder, Failure> {
    let manifests = manifests(&arguments.plugins, &arguments.manifests)?;
    let trust = Some(&arguments.trust);
    let DescribedArguments { no_cache, compile, .. } = *arguments;
    let options = load::Options { no_cache, trust, compile, ..limits };
    let engine = load::engine(options, surroundings)?;
    let plugins = load::plugins(&engine, &arguments.plugins, surroundings).await?;
    let manifests = manifests.of(&plugins)?;
    let builder = plugins.into_iter().fold(Host::builder(), HostBuilder::plugin);
    Ok(manifests.into_iter().fold(builder, HostBuilder::manifest))
}

/// Gives a host the limits of the command line.
pub(super) fn limited(mut builder: HostBuilder, limits: &LimitArguments) -> HostBuilder {
    if let Some(limit) = limits.timeout {
        builder = builder.time_limit(limit);
    }
    if let Some(limit) = limits.depth {
        builder = builder.depth_limit(limit);
    }
    if let Some(children) = limits.cascade_jobs {
        builder = builder.asynchronous_cascades(CascadeThresholds { delete: children, assign: children });
    }
    builder
}

fn read(path: &Path) -> Result<Manifest, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!(
            "the manifest `{name}` cannot be read: {error}; name a TOML file, as docs/registration.md has it"
        ))
    })?;
    Manifest::parse(name, &text).map_err(|error| {
        let ParseError { source, line, column, text, message, .. } = error;
        Failure::new(message).at(Place { file: source, line, column, path: String::new(), text })
    })
}
