//! What the sections share: the entities, a plugin's steps, hosts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stagegate::wasm::{Allocation, Engine, Plugin, Settings};
use stagegate::{AttributeType, Entity, EntityDefinition, Host, HostBuilder, StepDefinition, Value};
use tokio::runtime::Runtime;

use crate::no_store::NoStore;

/// Attributes of the entity `probe`, besides the one that the step sets.
const ATTRIBUTES: u32 = 100;

/// `probe`, which the step `touch` is on, and `chain`, which `descend` is on.
pub(crate) fn entities() -> Vec<EntityDefinition> {
    let probe = (0..ATTRIBUTES).fold(EntityDefinition::new("probe"), |probe, number| {
        probe.with(
            attribute(number),
            match number % 2 {
                0 => AttributeType::String { max_length: 100 },
                _ => AttributeType::Integer,
            },
        )
    });
    let chain = EntityDefinition::new("chain").with("left", AttributeType::Integer);
    vec![
        probe.with("touched", AttributeType::Integer).with("name", AttributeType::String { max_length: 100 }),
        chain,
    ]
}

/// A `probe` with that many attributes, half of them text of 16 characters and half of them numbers.
pub(crate) fn probe(attributes: u32) -> Entity {
    (0..attributes).fold(Entity::new("probe"), |probe, number| {
        probe.with(
            attribute(number),
            match number % 2 {
                0 => Value::String(format!("the value of {number:03}")),
                _ => Value::Integer(i32::try_from(number).unwrap()),
            },
        )
    })
}

fn attribute(number: u32) -> String {
    format!("attribute_{number}")
}

/// An engine with the pool that is tuned, as it is by default, or with another.
pub(crate) fn engine(allocation: Allocation) -> Engine {
    let mut settings = Settings::default();
    settings.allocation = allocation;
    settings.cache = Some(cache());
    Engine::new(settings).unwrap()
}

/// Where compiled components are kept from one run to the next.
pub(crate) fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A folder on the disk that the build is on: a temporary one might be in memory.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Registers one step of a plugin, as the plugin declares it.
pub(crate) fn with_step(host: HostBuilder, plugin: &Plugin, step: &str) -> HostBuilder {
    host.plugin_step(plugin.clone(), declared(plugin, step), None)
}

/// A step as its plugin declares it.
pub(crate) fn declared(plugin: &Plugin, step: &str) -> StepDefinition {
    plugin.declaration().steps.iter().find(|declared| declared.name == step).unwrap().clone()
}

/// Describes a host without a database: what is left is the pipeline and its steps.
pub(crate) fn without_database() -> HostBuilder {
    Host::builder().store(NoStore::new(&entities())).workers(0).time_limit(Duration::from_secs(120))
}

/// A host without a database and with that step, or with none.
pub(crate) async fn host(step: Option<(&Plugin, &str)>) -> Host {
    let host = without_database();
    match step {
        Some((plugin, step)) => with_step(host, plugin, step),
        None => host,
    }
    .build()
    .await
    .unwrap()
}

/// Runs everything on the thread that waits.
pub(crate) fn one_thread() -> Arc<Runtime> {
    Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
}

/// Runs tasks on that many threads of its own.
pub(crate) fn threads(workers: usize) -> Arc<Runtime> {
    Arc::new(
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap(),
    )
}
