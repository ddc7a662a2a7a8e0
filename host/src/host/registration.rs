//! What a host registers: what plugins declare, as manifests change it, or what its database keeps of them.

pub(super) mod sources;

use std::collections::HashMap;
use std::sync::Arc;

use super::{Host, HostBuilder, PlannedStep, StoreChoice, open};
use crate::model::Schema;
use crate::model::error::{Error, Result};
use crate::model::registration::{Diff, Explained, Lint, Manifest, Override, diff, lints};
use crate::model::step::StepKey;
use crate::pipeline::registry::Registry;
use crate::store::Store;
use sources::{Registered, definable};

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

impl Host {
    /// The registered steps in the order in which they run: by message, then stage, rank and registration.
    #[must_use]
    pub fn plan(&self) -> Vec<PlannedStep> {
        let registered = self.inner.registrations.current.get();
        plan(&registered.registry, &registered.overrides)
    }

    /// Warnings about the registered steps: what is allowed and most likely not meant.
    #[must_use]
    pub fn lints(&self) -> Vec<Lint> {
        lints_of(&self.inner.registrations.current.get().registry, Some(&self.schema()))
    }

    /// How what plugins declare, with their manifests, differs from the registration that the database keeps and that
    /// this host runs. Of plugins without a registration in the database, nothing. [`HostBuilder::apply`] ends it.
    /// Changes with what other hosts register.
    #[must_use]
    pub fn drift(&self) -> Diff {
        self.inner.registrations.current.get().drift.clone()
    }

    /// Why this host still runs what was registered before; none if it runs what its database keeps. Another host on the
    /// database has registered what cannot be run with the plugins of this one. It goes on as before, [`Host::drift`] says
    /// how they differ, and the next change that it can run ends it.
    #[must_use]
    pub fn outdated(&self) -> Option<Error> {
        self.inner.registrations.current.get().outdated.clone()
    }
}

impl HostBuilder {
    /// Has a manifest change how the steps of a plugin are registered; one that is added later changes what those before
    /// it left. Without effect on a plugin that has a registration in the database, but for [`Host::drift`]; and on
    /// steps of [`plugin_step`](Self::plugin_step) and [`native_step`](Self::native_step), which the service itself
    /// describes.
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.sources.manifests.push(manifest);
        self
    }

    /// What the host would run, without running or writing anything. It needs no database; without one, nothing is
    /// stored or defined but what the builder itself defines. Fails as [`build`](Self::build) does.
    pub async fn plan(mut self) -> Result<Planned> {
        let described = self.sources.describe()?;
        self.sources.grants()?;
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
        let described = self.sources.describe()?;
        self.sources.grants()?;
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
        let described = self.sources.describe()?;
        self.sources.grants()?;
        let opened = Opened::new(self.store.take()).await?;
        let result = self.bring(&described, &*opened.store, prune).await;
        opened.end().await;
        result
    }

    /// Opens the store, registers everything and makes the definitions. Where that fails, the store is closed by then,
    /// and as it was.
    pub(super) async fn open_and_register(&mut self) -> Result<(Arc<dyn Store>, Registered)> {
        // First, so that a manifest for something else makes no database.
        let described = self.sources.describe()?;
        self.sources.hand_out().await?;
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
        let schema = self.sources.schema(&store.schema())?;
        let registered = self.sources.register(described, store.registrations().await?, &schema)?;
        for step in &registered.drift.steps {
            tracing::warn!(%step, "the registration in the database is not what is described");
        }
        let mut definitions = self.sources.definitions.clone();
        definitions.messages.extend(definable(
            self.sources.declared_messages(),
            &definitions,
            &store.schema(),
        ));
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
        let schema = self.sources.schema(&schema)?;
        let Registered { registry, overrides, drift, .. } =
            self.sources.register(described, stored, &schema)?;
        let lints = lints_of(&registry, opened.map(|_| &*schema));
        Ok(Planned { steps: plan(&registry, &overrides), lints, drift })
    }

    async fn compare(&self, described: &[Explained], store: &dyn Store) -> Result<Diff> {
        // On trial: a database must not keep what no host starts with.
        self.sources.check(described, &*self.sources.schema(&store.schema())?)?;
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
