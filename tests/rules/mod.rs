//! What a plugin author knows of the platform's pipeline, rule by rule: a file for each part of it, written from the
//! platform's documentation and not from this code. What `tests/pipeline` shows already is not repeated.

mod batches;
mod bulk;
mod cascades;
mod concurrency;
mod context;
mod custom;
mod depth;
mod errors;
mod filters;
mod images;
mod impersonation;
mod ordering;
mod shared_variables;
mod stages;
mod transactions;

use stagegate::{
    AttributeType, Cascade, Definitions, Entity, EntityCollection, EntityDefinition, EntityReference, Fault,
    NativeStep, RelationshipDefinition, Stage, StepDefinition,
};
use stagegate_tests::{probe, string};
use uuid::Uuid;

/// A step that is named after its place.
fn on(message: &str, entity: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(format!("{message} {entity} {}", stage.number()), message, stage).on(entity)
}

/// As [`on`], for every entity.
fn on_any(message: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(format!("{message} {}", stage.number()), message, stage)
}

fn inner(name: &str) -> Entity {
    Entity::new("inner").with("name", string(name))
}

/// A record that there is not.
fn missing(entity: &str) -> EntityReference {
    EntityReference::new(entity, Uuid::from_u128(404))
}

fn user(number: u128) -> EntityReference {
    EntityReference::new("systemuser", Uuid::from_u128(number))
}

/// Creates an `inner`.
fn creates(name: &'static str) -> NativeStep {
    NativeStep::new(move |cx| async move {
        cx.create(inner(name)).await?;
        Ok(())
    })
}

fn refuses(why: &'static str) -> NativeStep {
    NativeStep::new(move |_| async move { Err(Fault::new(why)) })
}

fn probes(names: &[&str]) -> EntityCollection {
    EntityCollection::new("probe", names.iter().map(|name| probe(name)).collect())
}

/// Two levels, both with owners and states: a `folder`, and the `file`s that lie in it by `folder`.
fn folders(delete: Cascade, assign: Cascade) -> Definitions {
    let named = |name| {
        EntityDefinition::new(name)
            .with("name", AttributeType::String { max_length: 100 })
            .with_default_states()
            .user_owned()
    };
    let files = RelationshipDefinition::one_to_many("folder_files", "folder", "file", "folder");
    let lookup = AttributeType::Lookup { targets: vec!["folder".into()] };
    Definitions {
        entities: vec![named("folder"), named("file").with("folder", lookup)],
        relationships: vec![
            files.on_delete(delete).on_assign(assign),
            RelationshipDefinition::many_to_many("likes", "folder", "file"),
            RelationshipDefinition::many_to_many("near", "folder", "folder"),
        ],
        messages: vec![],
    }
}

fn folder(name: &str) -> Entity {
    Entity::new("folder").with("name", string(name))
}

fn file(name: &str, folder: &EntityReference) -> Entity {
    Entity::new("file").with("name", string(name)).with("folder", folder.clone())
}
