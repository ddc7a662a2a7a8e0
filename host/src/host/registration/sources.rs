//! What an embedder has to register, and what becomes of it with what a database keeps.

use std::collections::HashMap;
use std::sync::Arc;

use crate::host::Registration;
use crate::model::capability::Grants;
use crate::model::error::{Error, Result};
use crate::model::registration::{Diff, Explained, Manifest, Override, StepRegistration, describe, resolve};
use crate::model::step::StepKey;
use crate::model::{Binding, Definitions, MessageDefinition, Schema};
use crate::pipeline::registry::Registry;
use crate::pipeline::runner::Runner;
use crate::wasm::Plugin;
use crate::wasm::http::Resolve;

/// What [`HostBuilder`] is told to register, in its order.
pub(in crate::host) enum Entry {
    /// All that a plugin declares, as manifests and the database have it.
    Declared(Plugin, Arc<dyn Runner>),
    /// One step, as the service has it.
    Step(Box<Registration>),
}

/// What an embedder has to register.
#[derive(Default)]
pub(in crate::host) struct Sources {
    pub(in crate::host) entries: Vec<Entry>,
    pub(in crate::host) manifests: Vec<Manifest>,
    pub(in crate::host) plugins: Vec<Plugin>,
    /// What the embedder grants, by the plugins' names.
    pub(in crate::host) given: Vec<(String, Grants)>,
    /// Whoever runs steps of plugins: each has grants of its own.
    pub(in crate::host) guests: Vec<Plugin>,
    pub(in crate::host) resolver: Option<Arc<dyn Resolve>>,
    pub(in crate::host) definitions: Definitions,
}

/// What was registered.
#[derive(Clone, Default)]
pub(in crate::host) struct Registered {
    pub(in crate::host) registry: Arc<Registry>,
    /// What is not as plugins declare it.
    pub(in crate::host) overrides: HashMap<StepKey, Vec<Override>>,
    pub(in crate::host) drift: Diff,
    /// What the database kept of it.
    pub(in crate::host) stored: Vec<StepRegistration>,
    /// Why what the database keeps by now is not in it.
    pub(in crate::host) outdated: Option<Error>,
}

/// What is being registered.
#[derive(Default)]
struct Draft {
    registry: Registry,
    overrides: HashMap<StepKey, Vec<Override>>,
}

impl Sources {
    /// What a host on a database with these registrations and definitions runs.
    pub(in crate::host) fn registered(
        &self,
        stored: Vec<StepRegistration>,
        schema: &Arc<Schema>,
    ) -> Result<Registered> {
        let schema = self.schema(schema)?;
        self.register(self.describe()?, stored, &schema)
    }

    /// Fails as a host would that is to run what is described.
    pub(in crate::host) fn check(&self, described: &[Explained], schema: &Schema) -> Result<()> {
        let mut trial = Draft::default();
        described.iter().try_for_each(|step| self.register_explained(step.clone(), schema, &mut trial))
    }

    /// Registers everything in the order that decides between equal ranks: stored registrations in theirs, then the
    /// rest in the order of the builder's calls.
    pub(in crate::host) fn register(
        &self,
        described: Vec<Explained>,
        stored: Vec<StepRegistration>,
        schema: &Schema,
    ) -> Result<Registered> {
        let resolved = resolve(described, &stored)?;
        let mut draft = Draft::default();
        for step in resolved.stored {
            self.register_explained(step, schema, &mut draft)?;
        }
        let mut described = resolved.described;
        for entry in &self.entries {
            match entry {
                Entry::Declared(plugin, _) => {
                    let of_plugin = |step: &mut Explained| step.registration.plugin == plugin.name();
                    for step in described.extract_if(.., of_plugin) {
                        self.register_explained(step, schema, &mut draft)?;
                    }
                }
                Entry::Step(step) => {
                    let Registration { plugin, definition, secure_configuration, runner } = &**step;
                    let (definition, secret) = (definition.clone(), secure_configuration.clone());
                    draft.registry.register(schema, plugin, definition, secret, Arc::clone(runner))?;
                }
            }
        }
        let Draft { registry, overrides } = draft;
        let registry = Arc::new(registry);
        Ok(Registered { registry, overrides, drift: resolved.drift, stored, outdated: None })
    }

    fn register_explained(&self, step: Explained, schema: &Schema, draft: &mut Draft) -> Result<()> {
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
            draft.registry.register(schema, &plugin, definition, secret, Arc::clone(runner))?;
        }
        draft.overrides.insert(key, step.overrides);
        Ok(())
    }

    pub(in crate::host) fn describe(&self) -> Result<Vec<Explained>> {
        let plugins = self.entries.iter().filter_map(|entry| match entry {
            Entry::Declared(plugin, _) => Some((plugin.name(), plugin.declaration())),
            Entry::Step(_) => None,
        });
        describe(&plugins.collect::<Vec<_>>(), &self.manifests)
    }

    /// The custom messages that plugins bring along.
    pub(in crate::host) fn declared_messages(&self) -> Vec<MessageDefinition> {
        self.plugins.iter().flat_map(|plugin| &plugin.declaration().messages).cloned().collect()
    }

    /// The definitions as they will be when the host runs, and the declared messages that are still to come: those of
    /// entities that are not defined yet.
    pub(in crate::host) fn schema(&self, stored: &Arc<Schema>) -> Result<Arc<Schema>> {
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
pub(in crate::host) fn definable(
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
