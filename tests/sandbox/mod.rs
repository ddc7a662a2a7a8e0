//! What a guest cannot do to its host: outlast its time, take its memory, bring it down.

mod admission;
mod author_tools;
mod breaker;
mod cache;
mod capabilities;
mod causes;
mod compiler;
mod deadline;
mod declaration;
mod failures;
mod hostile;
mod http;
mod leaks;
pub(crate) mod problems;
mod quotas;
mod trust;

use stagegate::wasm::Plugin;
use stagegate::{HostBuilder, Stage, StepDefinition};

/// Registers the step `name` of the misbehaving guest on Create of an entity.
fn with(host: HostBuilder, plugin: &Plugin, name: &str, entity: &str, stage: Stage) -> HostBuilder {
    host.plugin_step(plugin.clone(), StepDefinition::new(name, "Create", stage).on(entity), None)
}
