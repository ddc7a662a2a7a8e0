//! What a host registers: what plugins declare, as manifests change it, or what its database keeps of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Host, HostBuilder, Registration, StoreChoice, open};
use crate::model::error::Result;
use crate::model::registration::{
    Diff, Explained, Lint, Manifest, Override, StepRegistration, describe, diff, lints, resolve,
};
use crate::model::step::StepKey;
use crate::model::{Definitions, Schema};
use crate::pipeline::registry::Registry;
use crate::pipeline::runner::Runner;
use crate::store::Store;
use crate::wasm::Plugin;

/// What [`HostBuilder`] is told to register, in its order.
pub(super) enum Entry {
    /// All that a plugin declares, as manifests and the database have it.
    Declared(Plugin, Arc<dyn Runner>),
    /// One step, as the service has it.
    Step(Box<Registration>),
}

/// What was registered.
#[derive(Default)]
pub(super) struct Registered {
    pub(super) registry: Registry,
    /// What is not as plugins declare it.
    pub(super) overrides: HashMap<StepKey, Vec<Override>>,
    pub(super) drift: Diff,
}

impl Host {
    /// How what plugins declare, with their manifests, differs from the registration that the database keeps and that
    /// this host runs. Of plugins without a registration in the database, nothing. [`HostBuilder::apply`] ends it.
    #[must_use]
    pub fn drift(&self) -> &Diff {
        &self.inner.drift
    }

    /// Warnings about the registered steps: what is allowed and most likely not meant.
    #[must_use]
    pub fn lints(&self) -> Vec<Lint> {
        let mut steps: Vec<_> = self.inner.pipeline.registry.iter().collect();
        steps.sort_by_key(|step| step.sequence);
        lints(steps.iter().map(|step| (&step.key, &step.definition)), Some(&self.schema()))
    }
}

impl HostBuilder {
    /// Has a manifest change how the steps of a plugin are registered; one that is added later changes what those before
    /// it left. Without effect on a plugin that has a registration in the database, but for [`Host::drift`]; and on
    /// steps of [`plugin_step`](Self::plugin_step) and [`native_step`](Self::native_step), which the service itself
    /// describes.
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.manifests.push(manifest);
        self
    }

    /// How what plugins declare, with their manifests, differs from the registration in the database. Opens the database
    /// for that and runs nothing. Fails as [`build`](Self::build) does if a step cannot be registered.
    pub async fn diff(mut self) -> Result<Diff> {
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        let stored = match self.check(&described, &opened.store.schema()) {
            Ok(()) => opened.store.registrations().await,
            Err(error) => Err(error),
        };
        opened.end().await;
        Ok(diff(&described, &stored?))
    }

    /// Writes what plugins declare, with their manifests, to the database as the registration that hosts on it run, in
    /// one transaction, and returns what differed. A stored step that its plugin no longer has is disabled, with `prune`
    /// it is removed; the steps of other plugins stay as they are. Fails, and writes nothing, if a step cannot be
    /// registered.
    pub async fn apply(mut self, prune: bool) -> Result<Diff> {
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        let result = match self.check(&described, &opened.store.schema()) {
            Ok(()) => apply(&*opened.store, &described, prune).await,
            Err(error) => Err(error),
        };
        opened.end().await;
        result
    }

    /// Opens the store and registers everything. Where that fails, the store is closed by then.
    pub(super) async fn open_and_register(&mut self) -> Result<(Arc<dyn Store>, Registered)> {
        // First, so that a manifest for something else makes no database.
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        match self.register(described, &*opened.store).await {
            Ok(registered) => Ok((opened.store, registered)),
            Err(error) => {
                opened.end().await;
                Err(error)
            }
        }
    }

    /// Makes the definitions and registers everything, in the order that decides between equal ranks: stored registrations in theirs, then the
    /// rest in the order of the builder's calls.
    async fn register(&self, described: Vec<Explained>, store: &dyn Store) -> Result<Registered> {
        let resolved = resolve(described, &store.registrations().await?)?;
        for step in &resolved.drift.steps {
            tracing::warn!(%step, "the registration in the database is not what is described");
        }
        let definitions = self.all_definitions();
        let schema = if definitions.is_empty() { store.schema() } else { store.define(definitions).await? };
        let mut registered = Registered { drift: resolved.drift, ..Registered::default() };
        for step in resolved.stored {
            self.register_explained(&schema, step, &mut registered)?;
        }
        let mut described = resolved.described;
        for entry in &self.entries {
            match entry {
                Entry::Declared(plugin, _) => {
                    let of_plugin = |step: &mut Explained| step.registration.plugin == plugin.name();
                    for step in described.extract_if(.., of_plugin) {
                        self.register_explained(&schema, step, &mut registered)?;
                    }
                }
                Entry::Step(step) => {
                    let Registration { plugin, definition, secure_configuration, runner } = &**step;
                    let (definition, secret) = (definition.clone(), secure_configuration.clone());
                    let runner = Arc::clone(runner);
                    registered.registry.register(&schema, plugin, definition, secret, runner)?;
                }
            }
        }
        Ok(registered)
    }

    fn register_explained(
        &self,
        schema: &Schema,
        step: Explained,
        registered: &mut Registered,
    ) -> Result<()> {
        let key = step.registration.key();
        let StepRegistration { plugin, definition, secure_configuration } = step.registration;
        let secret = secure_configuration.filter(|secret| !secret.is_empty());
        let secret = secret.map(|secret| secret.expose().to_owned());
        let runners = self.entries.iter().filter_map(|entry| match entry {
            Entry::Declared(declared, runner) if declared.name() == plugin => Some(runner),
            _ => None,
        });
        for runner in runners {
            let runner = Arc::clone(runner);
            registered.registry.register(schema, &plugin, definition.clone(), secret.clone(), runner)?;
        }
        registered.overrides.insert(key, step.overrides);
        Ok(())
    }

    fn describe(&self) -> Result<Vec<Explained>> {
        let plugins = self.entries.iter().filter_map(|entry| match entry {
            Entry::Declared(plugin, _) => Some((plugin.name(), plugin.declaration())),
            Entry::Step(_) => None,
        });
        describe(&plugins.collect::<Vec<_>>(), &self.manifests)
    }

    /// What is defined before the steps are registered: the builder's definitions, and the custom messages that plugins
    /// declare.
    fn all_definitions(&self) -> Definitions {
        let mut definitions = self.definitions.clone();
        for plugin in &self.plugins {
            definitions.messages.extend(plugin.declaration().messages.iter().cloned());
        }
        definitions
    }

    /// An error unless what is described can be registered: a database must not keep what no host starts with.
    fn check(&self, described: &[Explained], schema: &Schema) -> Result<()> {
        let schema = schema.extended(&self.all_definitions())?;
        let mut scratch = Registered::default();
        described.iter().try_for_each(|step| self.register_explained(&schema, step.clone(), &mut scratch))
    }
}

async fn apply(store: &dyn Store, described: &[Explained], prune: bool) -> Result<Diff> {
    let diff = diff(described, &store.registrations().await?);
    let update = diff.update(prune);
    if !update.is_empty() {
        store.update_registrations(update).await?;
    }
    Ok(diff)
}

/// A store for one use.
struct Opened {
    store: Arc<dyn Store>,
    /// Whether it was opened for that, and not by the embedder.
    is_ours: bool,
}

impl Opened {
    async fn new(choice: Option<StoreChoice>) -> Result<Self> {
        let is_ours = !matches!(choice, Some(StoreChoice::Open(_)));
        Ok(Self { store: open(choice).await?, is_ours })
    }

    async fn end(self) {
        if self.is_ours {
            self.store.close().await;
        }
    }
}
