//! The execution of one message: what a step may change of it, and what all of one transaction share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::message::{CoreOperation, Subject};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::step::SYSTEM_USER;
use crate::model::{Attributes, DateTime, Entity, Message, Parameter, Schema, Stage, Value};
use crate::pipeline::context::{Context, SHARED_BYTES_MAX, SHARED_VARIABLES_MAX, records_of};
use crate::pipeline::options::{Bypass, Options};
use crate::pipeline::recorder::Record;
use crate::pipeline::registry::Registry;
use crate::pipeline::runner::SystemJob;
use crate::pipeline::scope::Scope;
use crate::pipeline::supervision::MemoryMeter;

/// When a message request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The time that the request was given, for the error that says it was not enough.
    pub limit: Duration,
}

impl Deadline {
    /// `limit` from now; none if that is past all time.
    #[must_use]
    pub fn after(limit: Duration) -> Option<Self> {
        Instant::now().checked_add(limit).map(|at| Self { at, limit })
    }

    /// Whether it has passed.
    #[must_use]
    pub fn is_past(self) -> bool {
        Instant::now() >= self.at
    }
}

/// A message on its way through the pipeline. Owned by whoever works on it: the pipeline, or the step that runs. Copied
/// only by a transaction that may have to be run again: then the copy is where it begins anew.
#[derive(Clone)]
pub struct Execution {
    /// What steps see. Boxed, since executions move into each step and back, and nest.
    pub context: Box<Context>,
    /// The definitions that the request sees.
    pub schema: Arc<Schema>,
    /// The steps that there were when the request came.
    pub(crate) registry: Arc<Registry>,
    /// What the message does.
    pub(crate) operation: &'static dyn CoreOperation,
    /// What it is about.
    pub(crate) subject: Subject,
    /// When the message request is over; none while an exempt native step runs.
    pub(crate) deadline: Option<Deadline>,
    /// Whether the deadline is that of a sandboxed step that waits for this execution.
    pub(crate) inherited: bool,
    /// The open transaction.
    pub(crate) scope: Option<Arc<Scope>>,
    /// Where the trace goes; none if nobody asked for one.
    pub(crate) record: Option<Record>,
    /// The steps that the request passes over.
    pub(crate) bypass: Bypass,
    /// Whether the request may pass over steps.
    pub(crate) trusted: bool,
    /// Whether its cascade may go on as a job.
    pub(crate) defers: bool,
    /// The job that its cascade goes on as.
    pub(crate) deferred: Option<Uuid>,
    /// The system job that the step runs in, for an asynchronous one.
    pub(crate) job: Option<Arc<dyn SystemJob>>,
    /// Counts the memory of the step's plugin.
    pub(crate) memory: Option<Arc<MemoryMeter>>,
}

/// Where a request comes from: what it takes over.
#[derive(Clone)]
pub struct Origin {
    /// The context of the step, or of the message whose cascade it is; none from outside.
    pub(crate) parent: Option<Arc<Context>>,
    pub(crate) depth: u32,
    pub(crate) user: Uuid,
    pub(crate) initiating_user: Option<Uuid>,
    pub(crate) correlation: Option<(Uuid, DateTime)>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) inherited: bool,
    pub(crate) scope: Option<Arc<Scope>>,
    pub(crate) record: Option<Record>,
    pub(crate) cascade: u32,
    /// Whether it may pass over steps.
    pub(crate) trusted: bool,
    /// Whether its cascade may go on as a job: not if it is part of one itself.
    pub(crate) defers: bool,
    /// What a request hands on to those that it runs as.
    pub(crate) options: Options,
}

impl Origin {
    /// Of a request from outside.
    pub(crate) fn outside(schema: Arc<Schema>, registry: Arc<Registry>) -> Self {
        Self {
            parent: None,
            depth: 1,
            user: SYSTEM_USER,
            initiating_user: None,
            correlation: None,
            schema,
            registry,
            deadline: None,
            inherited: false,
            scope: None,
            record: None,
            cascade: 0,
            trusted: true,
            defers: true,
            options: Options::default(),
        }
    }

    /// Takes the right to pass over steps away: the request comes from code that is not trusted.
    #[must_use]
    pub fn sandboxed(mut self) -> Self {
        self.trusted = false;
        self
    }
}

impl Execution {
    /// The origin of a request that the running step issues.
    #[must_use]
    pub fn nested(&self) -> Origin {
        Origin {
            parent: Some(Arc::new(self.context.to_parent())),
            depth: self.context.depth.saturating_add(1),
            // A sandboxed step that waits for the request also waits for what exempt native steps do in it.
            inherited: self.deadline.is_some(),
            cascade: 0,
            trusted: true,
            defers: true,
            options: Options::default(),
            ..self.sibling()
        }
    }

    /// The origin of a request that the message's own core operation issues. However many levels a cascade has, its
    /// requests are one deeper than the one that began it: they come from no step, so there is no loop of steps in them.
    pub(crate) fn cascading(&self) -> Origin {
        let cascade = self.context.cascade.saturating_add(1);
        let depth = self.context.depth.saturating_add(u32::from(cascade == 1));
        Origin {
            parent: Some(Arc::new(self.context.to_parent())),
            depth,
            cascade,
            // Assign and SetState have their own record go through an Update: its cascade is the first.
            defers: self.defers
                && !matches!(self.context.message.as_str(), Message::UPDATE | Message::DELETE),
            options: Options::default(),
            ..self.sibling()
        }
    }

    /// The origin of a request that runs in this one's place, with its options.
    pub(crate) fn sibling(&self) -> Origin {
        Origin {
            parent: self.context.parent.clone(),
            depth: self.context.depth,
            user: self.context.user,
            initiating_user: Some(self.context.initiating_user),
            correlation: Some((self.context.correlation_id, self.context.correlated_since)),
            schema: Arc::clone(&self.schema),
            registry: Arc::clone(&self.registry),
            deadline: self.deadline,
            inherited: self.inherited,
            scope: self.scope.clone(),
            record: self.record.clone(),
            cascade: self.context.cascade,
            trusted: self.trusted,
            defers: self.defers,
            options: Options {
                tag: self.context.shared.get(parameter::TAG).cloned(),
                bypass: self.bypass.clone(),
            },
        }
    }

    /// Sets attributes of the target, checked against the definition; an error changes nothing. In PreOperation and
    /// before, the core operation writes them.
    pub fn set_target(&mut self, attributes: Attributes) -> Result<()> {
        self.target_for_change()?;
        self.subject.definition()?.check_values(&attributes)?;
        Arc::make_mut(self.target_for_change()?).attributes.extend(attributes);
        Ok(())
    }

    /// Takes attributes out of the target.
    pub fn unset_target(&mut self, names: &[String]) -> Result<()> {
        let target = Arc::make_mut(self.target_for_change()?);
        for name in names {
            target.attributes.remove(name);
        }
        Ok(())
    }

    fn target_for_change(&mut self) -> Result<&mut Arc<Entity>> {
        let message = &self.context.message;
        match self.context.input.get_mut(parameter::TARGET) {
            Some(Parameter::Entity(entity)) if self.operation.traits().target_is_written => Ok(entity),
            _ => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the target of {message} has no attributes to change; only those of Create and Update have"
                ),
            )),
        }
    }

    /// Changes an input parameter, in PreValidation and PreOperation. An error changes nothing.
    pub fn set_input(&mut self, name: &str, parameter: Parameter) -> Result<()> {
        if self.context.stage > Stage::PreOperation {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the input parameter `{name}` of {} cannot be changed at {}; PreValidation and PreOperation can",
                    self.context.message, self.context.stage
                ),
            ));
        }
        let mut input = self.context.input.clone();
        input.insert(name.to_owned(), parameter);
        let subject = self.operation.check(&self.schema, &self.context.message, &input)?;
        let entity = |subject: &Subject| subject.entity.as_ref().map(|entity| entity.logical_name.clone());
        if entity(&subject) != entity(&self.subject)
            || subject.id != self.subject.id
            || records_of(&input, None) != records_of(&self.context.input, None)
        {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the input parameter `{name}` of {} would make it a message about another record or entity; issue \
                     a request of its own for that",
                    self.context.message
                ),
            ));
        }
        self.context.input = input;
        Ok(())
    }

    /// Changes an output parameter, in PostOperation, or sets it at MainOperation. An error changes nothing.
    pub fn set_output(&mut self, name: &str, parameter: Parameter) -> Result<()> {
        let Context { message, stage, output, .. } = &*self.context;
        if *stage < Stage::MainOperation {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the output parameter `{name}` of {message} cannot be set at {stage}; PostOperation can"
                ),
            ));
        }
        self.operation.check_output(&self.schema, message, output, name, &parameter)?;
        self.context.output.insert(name.to_owned(), parameter);
        Ok(())
    }

    /// Changes the record that a Retrieve returns.
    pub fn set_output_entity(&mut self, attributes: Attributes) -> Result<()> {
        let Some(Parameter::Entity(entity)) = self.context.output.get_mut(parameter::BUSINESS_ENTITY) else {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "{} at {} has no output entity to change; a Retrieve has one in PostOperation",
                    self.context.message, self.context.stage
                ),
            ));
        };
        for name in attributes.keys() {
            self.subject.definition()?.readable_type(name)?;
        }
        Arc::make_mut(entity).attributes.extend(attributes);
        Ok(())
    }

    /// Sets a shared variable, within [`SHARED_VARIABLES_MAX`] and [`SHARED_BYTES_MAX`].
    pub fn set_shared(&mut self, name: String, value: Value) -> Result<()> {
        let shared = &self.context.shared;
        if name == parameter::TAG && shared.contains_key(&name) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "the shared variable `tag` is the request's and cannot be changed; use another name",
            ));
        }
        if !value.can_be_written() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the shared variable `{name}` cannot be {value}: asynchronous steps get what is written, which is \
                     finite numbers and the years -9999 to 9999"
                ),
            ));
        }
        let others = shared.iter().filter(|(other, _)| **other != name);
        let bytes: usize = others.clone().map(|(name, value)| name.len() + value.size()).sum();
        if others.count() >= SHARED_VARIABLES_MAX || bytes + name.len() + value.size() > SHARED_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "the shared variable `{name}` does not fit: a message has {SHARED_VARIABLES_MAX} of them and \
                     {SHARED_BYTES_MAX} bytes at most; keep large data in a record"
                ),
            ));
        }
        Arc::make_mut(&mut self.context.shared).insert(name, value);
        Ok(())
    }
}
