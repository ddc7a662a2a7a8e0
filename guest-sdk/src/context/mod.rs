//! What a step is told about its message.

mod parent;

use std::fmt;
use std::time::Duration;

pub use parent::ParentContext;

use crate::Result;
use crate::capabilities::Capabilities;
use crate::entity::Shape;
use crate::organization::{Options, Organization};
use crate::parameters::Parameter;
use crate::record::ColumnSet;
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::shared::Shared;
use crate::system_job::SystemJob;
use crate::value::{AttributeType, DateTime, EntityReference, UniqueIdentifier, Value};

/// A moment of a message's pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// 10: before the transaction of an initial request; inside its caller's for a nested one.
    PreValidation = 10,
    /// 20: in the transaction, before the core operation.
    PreOperation = 20,
    /// 30: the core operation: the host's own, or the step that is a custom message's.
    MainOperation = 30,
    /// 40: in the transaction, after the core operation; asynchronous steps run after the commit.
    PostOperation = 40,
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// At its stage, with the caller waiting.
    Synchronous,
    /// Later, by the asynchronous service, outside of the caller's transaction.
    Asynchronous,
}

/// The part of a step's argument that every message has: `Update<E>` and the others dereference to it.
pub struct Context {
    services: Handle,
    execution: Execution,
}

impl Context {
    pub(crate) fn new(services: Handle) -> Self {
        Self { execution: services.context(), services }
    }

    pub(crate) fn services(&self) -> &Handle {
        &self.services
    }

    /// The organization service, as the step's user.
    pub fn org(&self) -> Organization {
        Organization::new(self.services.clone())
    }

    /// The organization service, as another user.
    pub fn org_as(&self, user: impl Into<UniqueIdentifier>) -> Organization<Options> {
        self.org().as_user(user)
    }

    /// The message's name, for example `Update`.
    pub fn message(&self) -> &str {
        &self.execution.message
    }

    /// The stage that the step runs at.
    pub fn stage(&self) -> Stage {
        self.execution.stage
    }

    /// How the step runs.
    pub fn mode(&self) -> Mode {
        self.execution.mode
    }

    /// 1 for a request from outside, one more for each request issued by a plugin's step.
    pub fn depth(&self) -> u32 {
        self.execution.depth
    }

    /// The logical name of the entity of the message's record; `none` where it has none.
    pub fn entity_name(&self) -> &str {
        &self.execution.entity_name
    }

    /// The logical name of the entity on the other side of an Associate or Disassociate; `none` elsewhere.
    pub fn secondary_entity_name(&self) -> &str {
        &self.execution.secondary_entity_name
    }

    /// The step that runs, as `plugin/step`.
    pub fn owning_extension(&self) -> &str {
        &self.execution.owning_extension
    }

    /// The message's record. None where it has none, and in a Create before PostOperation.
    pub fn record(&self) -> Option<EntityReference> {
        self.execution.record()
    }

    /// Who the step acts as.
    pub fn user(&self) -> UniqueIdentifier {
        self.execution.user
    }

    /// Who started the work.
    pub fn initiating_user(&self) -> UniqueIdentifier {
        self.execution.initiating_user
    }

    /// The same for all nested and asynchronous work that one request leads to.
    pub fn correlation_id(&self) -> UniqueIdentifier {
        self.execution.correlation_id
    }

    /// This message execution.
    pub fn request_id(&self) -> UniqueIdentifier {
        self.execution.request_id
    }

    /// The system job that runs an asynchronous step. Another attempt has the same one, so it serves
    /// as an idempotency key.
    pub fn operation_id(&self) -> Option<UniqueIdentifier> {
        self.execution.operation_id
    }

    /// When that system job was created.
    pub fn operation_created_on(&self) -> Option<DateTime> {
        self.execution.operation_created_on
    }

    /// Whether the step's own writes are part of a transaction that a fault rolls back.
    pub fn is_in_transaction(&self) -> bool {
        self.execution.is_in_transaction
    }

    /// The system job that an asynchronous step runs in: its attempt, checkpoint and progress, and how to run again
    /// later. A synchronous step has none, see [`SystemJob`].
    pub fn job(&self) -> SystemJob {
        SystemJob::new(self.services.clone())
    }

    /// Creates a record once per system job, however often an asynchronous step is run again: an attempt that finds the
    /// record of an earlier one answers its reference.
    ///
    /// The record's identifier comes from the job's, the entity's name and `key`, which tells apart the records of one
    /// entity that one job creates: a word, an index, or another record's identifier, and the same in every attempt.
    /// An identifier that a [`Record`](crate::Record) brings along stays.
    ///
    /// It is meant for asynchronous steps, where each request is a transaction of its own and a failed one dooms
    /// nothing. In a synchronous step, which is not run again, it is [`Organization::create`].
    ///
    /// # Errors
    /// Those of [`Organization::create`].
    pub fn create_once<D: Shape>(&self, key: impl fmt::Display, entity: D) -> Result<D::Reference> {
        let Some(job) = self.operation_id() else { return self.org().create(entity) };
        let mut record = entity.into_record();
        let id = *record.id.get_or_insert_with(|| job.derive(&[&record.logical_name, &key.to_string()]));
        let reference = EntityReference::new(record.logical_name.as_str(), id);
        match self.services.create(record) {
            // The fault may be about a record that a plugin creates along with this one. So: is this one there?
            Err(fault) if fault.is_duplicate() => {
                let kept = self.services.retrieve(reference.clone(), &ColumnSet::Named(Vec::new()));
                kept.map_err(|_| fault).map(|_| D::refer(reference))
            }
            created => created.map(|_| D::refer(reference)),
        }
    }

    /// The host's time. Use it and not a clock of one's own: tests and replays set it.
    pub fn now(&self) -> DateTime {
        self.services.now()
    }

    /// The time until the message's deadline. Past it the step is stopped and everything is rolled back.
    pub fn remaining(&self) -> Duration {
        self.services.remaining()
    }

    /// The step's unsecure configuration.
    pub fn configuration(&self) -> Option<String> {
        self.services.configuration()
    }

    /// The step's secure configuration: set by an operator, and not to be shown or traced.
    pub fn secure_configuration(&self) -> Option<String> {
        self.services.secure_configuration()
    }

    /// What the operator of the host grants the plugin: environment variables, secrets, configuration values.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.services.clone())
    }

    /// Keeps a line with the step's run. The macro [`trace!`](crate::trace!) formats one.
    pub fn trace(&self, line: impl fmt::Display) {
        self.services.trace(&line.to_string());
    }

    /// Shares a struct with `#[derive(Shared)]` with the later steps of this message, asynchronous ones included.
    ///
    /// # Errors
    /// Past the host's limit of variables or of bytes.
    pub fn share<T: Shared>(&self, variables: T) -> Result {
        variables.share(&mut |name, value| self.services.set_shared_variable(name, value))
    }

    /// What an earlier step shared with [`Context::share`]; none unless all of its fields are there.
    ///
    /// It looks in the message's own variables first and then in its parent's. So it finds what PreValidation of the
    /// same Create, Update or Delete shared, which the platform keeps in the parent's context for the later stages,
    /// and what the step that issued this message shared in its own.
    pub fn shared<T: Shared>(&self) -> Option<T> {
        T::read(&|name| self.find_shared(name))
    }

    /// Sets one shared variable.
    ///
    /// # Errors
    /// Past the host's limit of variables or of bytes.
    pub fn set_shared_variable(&self, name: &str, value: impl Into<Value>) -> Result {
        self.services.set_shared_variable(name, value.into())
    }

    /// One shared variable, looked up as [`Context::shared`] does; none if it is not there or of another type.
    pub fn shared_variable<T: AttributeType>(&self, name: &str) -> Option<T> {
        T::from_value(self.find_shared(name)?)
    }

    /// The names of the input parameters.
    pub fn input_parameters(&self) -> Vec<String> {
        self.services.input_parameters()
    }

    /// An input parameter by the platform's name ([`parameter`](crate::parameter) has them) or that of a custom
    /// message's definition.
    pub fn input_parameter(&self, name: &str) -> Option<Parameter> {
        self.services.input_parameter(name)
    }

    /// Changes an input parameter, in PreValidation and PreOperation.
    ///
    /// # Errors
    /// If the message does not have it or not of that type, or if another record or entity would become its subject.
    pub fn set_input_parameter(&self, name: &str, parameter: impl Into<Parameter>) -> Result {
        self.services.set_input_parameter(name, parameter.into())
    }

    /// The names of the output parameters: none before PostOperation, but for the step at MainOperation.
    pub fn output_parameters(&self) -> Vec<String> {
        self.services.output_parameters()
    }

    /// An output parameter, for example `id` of a Create.
    pub fn output_parameter(&self, name: &str) -> Option<Parameter> {
        self.services.output_parameter(name)
    }

    /// Changes an output parameter, in PostOperation, or sets it at MainOperation.
    ///
    /// # Errors
    /// If the message does not have it or not of that type.
    pub fn set_output_parameter(&self, name: &str, parameter: impl Into<Parameter>) -> Result {
        self.services.set_output_parameter(name, parameter.into())
    }

    /// The context that this message was issued in; none for a request from outside.
    pub fn parent(&self) -> Option<ParentContext> {
        ParentContext::at(&self.services, 1)
    }

    fn find_shared(&self, name: &str) -> Option<Value> {
        self.services.shared_variable(name).or_else(|| self.services.parent_shared_variable(1, name))
    }
}
