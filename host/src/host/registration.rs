//! What a host registers: what plugins declare, as manifests change it, or what its database keeps of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Host, HostBuilder, PlannedStep, Registration, StoreChoice, open};
use crate::model::error::Result;
use crate::model::registration::{
    Diff, Explained, Lint, Manifest, Override, StepRegistration, describe, diff, lints, resolve,
};
use crate::model::step::StepKey;
use crate::model::{Binding, Definitions, MessageDefinition, Schema};
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

/// What a host would run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Planned {
    /// See [`Host::plan`].
    pub steps: Vec<PlannedStep>,
    /// See [`Host::lints`]. Without a database, nothing that depends on definitions.
    pub lints: Vec<Lint>,
    /// See [`Host::drift`].
    pub drift: Diff,
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
    /// The registered steps in the order in which they run: by message, then stage, rank and registration.
    #[must_use]
    pub fn plan(&self) -> Vec<PlannedStep> {
        plan(&self.inner.pipeline.registry, &self.inner.overrides)
    }

    /// Warnings about the registered steps: what is allowed and most likely not meant.
    #[must_use]
    pub fn lints(&self) -> Vec<Lint> {
        lints_of(&self.inner.pipeline.registry, Some(&self.schema()))
    }

    /// How what plugins declare, with their manifests, differs from the registration that the database keeps and that
    /// this host runs. Of plugins without a registration in the database, nothing. [`HostBuilder::apply`] ends it.
    #[must_use]
    pub fn drift(&self) -> &Diff {
        &self.inner.drift
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

    /// What the host would run, without running or writing anything. It needs no database; without one, nothing is
    /// stored or defined but what the builder itself defines. Fails as [`build`](Self::build) does.
    pub async fn plan(mut self) -> Result<Planned> {
        let described = self.describe()?;
        let opened = match self.store.take() {
            Some(choice) => Some(Opened::new(Some(choice)).await?),
            None => None,
        };
        let result = self.look(described, opened.as_ref()).await;
        if let Some(opened) = opened {
            opened.end().await;
        }
        result
    }

    /// How what plugins declare, with their manifests, differs from the registration in the database. Opens the database
    /// for that and runs nothing. Fails as [`build`](Self::build) does if a step cannot be registered.
    pub async fn diff(mut self) -> Result<Diff> {
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        let result = self.compare(&described, &*opened.store).await;
        opened.end().await;
        result
    }

    /// Writes what plugins declare, with their manifests, to the database as the registration that hosts on it run, in
    /// one transaction, and returns what differed. A stored step that its plugin no longer has is disabled, with `prune`
    /// it is removed; the steps of other plugins stay as they are. Fails, and writes nothing, if a step cannot be
    /// registered.
    pub async fn apply(mut self, prune: bool) -> Result<Diff> {
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        let result = self.bring(&described, &*opened.store, prune).await;
        opened.end().await;
        result
    }

    /// Opens the store, registers everything and makes the definitions. Where that fails, the store is closed by then,
    /// and as it was.
    pub(super) async fn open_and_register(&mut self) -> Result<(Arc<dyn Store>, Registered)> {
        // First, so that a manifest for something else makes no database.
        let described = self.describe()?;
        let opened = Opened::new(self.store.take()).await?;
        match self.register_and_define(described, &*opened.store).await {
            Ok(registered) => Ok((opened.store, registered)),
            Err(error) => {
                opened.end().await;
                Err(error)
            }
        }
    }

    async fn register_and_define(&self, described: Vec<Explained>, store: &dyn Store) -> Result<Registered> {
        let schema = self.schema(&store.schema())?;
        let registered = self.register(described, &store.registrations().await?, &schema)?;
        for step in &registered.drift.steps {
            tracing::warn!(%step, "the registration in the database is not what is described");
        }
        let mut definitions = self.definitions.clone();
        definitions.messages.extend(definable(self.declared_messages(), &definitions, &store.schema()));
        if !definitions.is_empty() {
            store.define(definitions).await?;
        }
        Ok(registered)
    }

    async fn look(&self, described: Vec<Explained>, opened: Option<&Opened>) -> Result<Planned> {
        let (stored, schema) = match opened {
            Some(opened) => (opened.store.registrations().await?, opened.store.schema()),
            None => (Vec::new(), Arc::default()),
        };
        let schema = self.schema(&schema)?;
        let Registered { registry, overrides, drift } = self.register(described, &stored, &schema)?;
        let lints = lints_of(&registry, opened.map(|_| &*schema));
        Ok(Planned { steps: plan(&registry, &overrides), lints, drift })
    }

    async fn compare(&self, described: &[Explained], store: &dyn Store) -> Result<Diff> {
        // On trial: a database must not keep what no host starts with.
        let (mut trial, schema) = (Registered::default(), self.schema(&store.schema())?);
        for step in described {
            self.register_explained(step.clone(), &schema, &mut trial)?;
        }
        Ok(diff(described, &store.registrations().await?))
    }

    async fn bring(&self, described: &[Explained], store: &dyn Store, prune: bool) -> Result<Diff> {
        let diff = self.compare(described, store).await?;
        let update = diff.update(prune);
        if !update.is_empty() {
            store.update_registrations(update).await?;
        }
        Ok(diff)
    }

    /// Registers everything in the order that decides between equal ranks: stored registrations in theirs, then the
    /// rest in the order of the builder's calls.
    fn register(
        &self,
        described: Vec<Explained>,
        stored: &[StepRegistration],
        schema: &Schema,
    ) -> Result<Registered> {
        let resolved = resolve(described, stored)?;
        let mut registered = Registered { drift: resolved.drift, ..Registered::default() };
        for step in resolved.stored {
            self.register_explained(step, schema, &mut registered)?;
        }
        let mut described = resolved.described;
        for entry in &self.entries {
            match entry {
                Entry::Declared(plugin, _) => {
                    let of_plugin = |step: &mut Explained| step.registration.plugin == plugin.name();
                    for step in described.extract_if(.., of_plugin) {
                        self.register_explained(step, schema, &mut registered)?;
                    }
                }
                Entry::Step(step) => {
                    let Registration { plugin, definition, secure_configuration, runner } = &**step;
                    let (definition, secret) = (definition.clone(), secure_configuration.clone());
                    registered.registry.register(schema, plugin, definition, secret, Arc::clone(runner))?;
                }
            }
        }
        Ok(registered)
    }

    fn register_explained(
        &self,
        step: Explained,
        schema: &Schema,
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
            let (definition, secret) = (definition.clone(), secret.clone());
            registered.registry.register(schema, &plugin, definition, secret, Arc::clone(runner))?;
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

    /// The custom messages that plugins bring along.
    fn declared_messages(&self) -> Vec<MessageDefinition> {
        self.plugins.iter().flat_map(|plugin| &plugin.declaration().messages).cloned().collect()
    }

    /// The definitions as they will be when the host runs, and the declared messages that are still to come: those of
    /// entities that are not defined yet.
    fn schema(&self, stored: &Arc<Schema>) -> Result<Arc<Schema>> {
        let mut definitions = self.definitions.clone();
        let declared = self.declared_messages();
        if definitions.is_empty() && declared.is_empty() {
            return Ok(Arc::clone(stored));
        }
        definitions.messages.extend(definable(declared.clone(), &definitions, stored));
        let mut schema = stored.extended(&definitions)?;
        for message in declared {
            schema.messages.entry(message.name.clone()).or_insert_with(|| message.into());
        }
        Ok(Arc::new(schema))
    }
}

/// The messages whose entity is defined, in `schema` or together with them.
pub(super) fn definable(
    messages: Vec<MessageDefinition>,
    definitions: &Definitions,
    schema: &Schema,
) -> Vec<MessageDefinition> {
    let is_defined = |entity: &String| {
        let mut new = definitions.entities.iter();
        schema.entities.contains_key(entity) || new.any(|new| new.logical_name == *entity)
    };
    let fits = |message: &MessageDefinition| {
        let bound = match &message.binding {
            Binding::Global => None,
            Binding::Entity(entity) | Binding::EntityCollection(entity) => Some(entity),
        };
        let parameters = message.parameters.iter().chain(&message.properties);
        bound.into_iter().chain(parameters.filter_map(|parameter| parameter.entity.as_ref())).all(is_defined)
    };
    messages.into_iter().filter(fits).collect()
}

fn plan(registry: &Registry, overrides: &HashMap<StepKey, Vec<Override>>) -> Vec<PlannedStep> {
    let planned = registry.iter().map(|step| PlannedStep {
        key: step.key.clone(),
        definition: step.definition.clone(),
        native: step.runner.is_native(),
        sequence: step.sequence,
        overrides: overrides.get(&step.key).cloned().unwrap_or_default(),
        has_secure_configuration: step.secure_configuration.is_some(),
    });
    planned.collect()
}

fn lints_of(registry: &Registry, schema: Option<&Schema>) -> Vec<Lint> {
    let mut steps: Vec<_> = registry.iter().collect();
    steps.sort_by_key(|step| step.sequence);
    lints(steps.iter().map(|step| (&step.key, &step.definition)), schema)
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
