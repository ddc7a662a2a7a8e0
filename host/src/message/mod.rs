//! The core operations, one file each, and the one list of them.
//!
//! A core operation is what happens at MainOperation (stage 30). It checks its request when it arrives, prepares the
//! transaction before PreOperation, and performs the operation on the store. It knows nothing of steps.

mod create;
mod delete;
mod retrieve;
mod retrieve_multiple;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::trace::Event;
use crate::model::{DateTime, Entity, EntityDefinition, EntityReference, Parameter, Parameters, Schema};
use crate::store::Transaction;

/// Every message with a core operation.
pub static MESSAGES: &[&dyn CoreOperation] = &[
    &create::Create,
    &retrieve::Retrieve,
    &retrieve_multiple::RetrieveMultiple,
    &update::Update,
    &delete::Delete,
];

/// The core operation of a message.
pub fn find(message: &str) -> Result<&'static dyn CoreOperation> {
    MESSAGES.iter().copied().find(|operation| operation.name() == message).ok_or_else(|| {
        let known: Vec<&str> = MESSAGES.iter().map(|operation| operation.name()).collect();
        let known = known.join(", ");
        Error::new(ErrorKind::InvalidRequest, format!("there is no message `{message}`; there are {known}"))
    })
}

/// What a message is made of.
#[async_trait]
pub trait CoreOperation: Send + Sync {
    /// The message's name.
    fn name(&self) -> &'static str;

    /// What its steps and its transaction may be.
    fn traits(&self) -> Traits;

    /// Checks a request as it arrives, and says what it is about. What steps change later is checked as they change it.
    /// Required attributes are not checked yet: a step may supply them.
    fn check(&self, schema: &Schema, input: &Parameters) -> Result<Subject>;

    /// What must happen in the transaction before PreOperation: restrictions and cascades. Returns what it did, for the
    /// trace.
    async fn prepare(&self, _cx: Operation<'_>, _subject: &Subject) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }

    /// Does it, and returns the output parameters.
    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Parameters>;
}

/// The rules of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether the core operation writes.
    pub writes: bool,
    /// Whether it makes the record: before it, the message has none.
    pub creates: bool,
    /// Whether steps may have pre-images.
    pub pre_image: bool,
    /// Whether steps may have post-images.
    pub post_image: bool,
    /// Whether filtering attributes apply.
    pub filtering: bool,
    /// Whether the core operation writes the target's attributes, so that steps may change them.
    pub target_is_written: bool,
    /// Whether PreValidation's context becomes the parent of the later stages', as the platform does for these
    /// messages: shared variables set there are read from the parent context.
    pub parent_hop: bool,
}

impl Traits {
    /// Of a message that reads: no images, no filter, nothing to write.
    pub const READ: Self = Self {
        writes: false,
        creates: false,
        pre_image: false,
        post_image: false,
        filtering: false,
        target_is_written: false,
        parent_hop: false,
    };
}

/// What a message request is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The entity.
    pub definition: Arc<EntityDefinition>,
    /// The record; none for a query, and for a Create that leaves the identifier to the host.
    pub id: Option<Uuid>,
}

/// What a core operation works with.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    /// The open transaction.
    pub transaction: &'a dyn Transaction,
    /// The definitions that the request sees.
    pub schema: &'a Schema,
    /// The host's time.
    pub now: DateTime,
    /// Who asks.
    pub user: Uuid,
}

impl Operation<'_> {
    /// An error unless every record that the lookups among `record`'s attributes point to exists.
    async fn check_references(&self, definition: &EntityDefinition, record: &Entity) -> Result<()> {
        for (name, value) in &record.attributes {
            let crate::model::Value::EntityReference(reference) = value else { continue };
            let itself = record.id == Some(reference.id) && record.logical_name == reference.entity;
            let target = self.schema.entity(&reference.entity)?;
            let none = crate::model::ColumnSet::Named(Vec::new());
            if !itself && self.transaction.retrieve(target, reference.id, &none).await?.is_none() {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "`{name}` of `{}` points to {reference}, which does not exist; create it first",
                        definition.logical_name
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn entity_target<'a>(message: &str, input: &'a Parameters) -> Result<&'a Entity> {
    match input.get(parameter::TARGET) {
        Some(Parameter::Entity(entity)) => Ok(entity),
        other => Err(missing(message, parameter::TARGET, "an entity", other)),
    }
}

fn reference_target<'a>(message: &str, input: &'a Parameters) -> Result<&'a EntityReference> {
    let target = input.get(parameter::TARGET);
    target
        .and_then(Parameter::reference)
        .ok_or_else(|| missing(message, parameter::TARGET, "an entity reference", target))
}

fn missing(message: &str, name: &str, wanted: &str, got: Option<&Parameter>) -> Error {
    let problem = if got.is_none() { "is missing" } else { "is of another type" };
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the parameter `{name}` of {message} {problem}; it must be {wanted}"),
    )
}

fn not_found(message: &str, definition: &EntityDefinition, id: Uuid) -> Error {
    let entity = &definition.logical_name;
    Error::new(ErrorKind::NotFound, format!("cannot {message} {entity} {id}: it does not exist"))
}

fn internal(message: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{message} reached its core operation without an identifier"))
}
