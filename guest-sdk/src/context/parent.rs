//! The contexts that a message descends from.

use super::Stage;
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::{AttributeType, EntityReference, UniqueIdentifier};

/// The context of a message that this one descends from.
pub struct ParentContext {
    services: Handle,
    execution: Execution,
    level: u32,
}

impl ParentContext {
    pub(super) fn at(services: &Handle, level: u32) -> Option<Self> {
        let execution = services.parent_context(level)?;
        Some(Self { services: services.clone(), execution, level })
    }

    /// Its message's name.
    pub fn message(&self) -> &str {
        &self.execution.message
    }

    /// Its stage.
    pub fn stage(&self) -> Stage {
        self.execution.stage
    }

    /// Its depth.
    pub fn depth(&self) -> u32 {
        self.execution.depth
    }

    /// The logical name of its record's entity.
    pub fn entity_name(&self) -> &str {
        &self.execution.entity_name
    }

    /// Its record.
    pub fn record(&self) -> Option<EntityReference> {
        self.execution.record()
    }

    /// Who it acts as.
    pub fn user(&self) -> UniqueIdentifier {
        self.execution.user
    }

    /// One of its shared variables; none if it is not there or of another type.
    pub fn shared_variable<T: AttributeType>(&self, name: &str) -> Option<T> {
        T::from_value(self.services.parent_shared_variable(self.level, name)?)
    }

    /// The context above it.
    pub fn parent(&self) -> Option<Self> {
        Self::at(&self.services, self.level + 1)
    }
}
