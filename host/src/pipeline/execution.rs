//! The execution of one message: what a step is told, what it may change, and what all of one transaction share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message::{CoreOperation, Subject};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::step::SYSTEM_USER;
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, Image, ImageType, Message, Mode, Parameter, Parameters, Schema,
    Stage, Value,
};
use crate::pipeline::options::{Bypass, Options};
use crate::pipeline::recorder::Record;
use crate::pipeline::registry::{Registry, Step};
use crate::pipeline::runner::SystemJob;
use crate::pipeline::scope::Scope;
use crate::pipeline::supervision::MemoryMeter;

/// Shared variables of a message at most, and their bytes: they are copied to every asynchronous job.
pub const SHARED_VARIABLES_MAX: usize = 1000;
/// Bytes of all shared variables of a message at most.
pub const SHARED_BYTES_MAX: usize = 1 << 20;

/// Shared variables by name.
pub type SharedVariables = BTreeMap<String, Value>;

/// The facts about a message execution, as its steps see them. Cloning shares the records. What is not there is not written:
/// a job that waits carries its context through every write of its row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The message.
    pub message: String,
    /// The stage that is running.
    pub stage: Stage,
    /// How the running step runs.
    pub mode: Mode,
    /// 1 for a request from outside.
    pub depth: u32,
    /// The entity that the message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The record that the message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Uuid>,
    /// The entity on the other side of an Associate or a Disassociate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_entity: Option<String>,
    /// Who the step acts as.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub user: Uuid,
    /// Who started the work.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub initiating_user: Uuid,
    /// The same for everything that one request leads to.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub correlation_id: Uuid,
    /// When the first request of the correlation arrived.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub correlated_since: DateTime,
    /// How many levels of a cascade are between this request and the step, or the caller from outside, that began it; 0
    /// for a request that they issued.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cascade: u32,
    /// This execution.
    pub request_id: Uuid,
    /// The system job that runs the step, for an asynchronous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationContext>,
    /// Whether the step's writes can be rolled back with the message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_in_transaction: bool,
    /// The input parameters.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub input: Parameters,
    /// The output parameters, from PostOperation on.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub output: Parameters,
    /// The shared variables.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub shared: Arc<SharedVariables>,
    /// The record before the core operation, with every attribute that some step's image asks for; of a bulk message
    /// each of its records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_images: Vec<Option<Arc<Entity>>>,
    /// The record after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_images: Vec<Option<Arc<Entity>>>,
    /// In a Delete, the children before the cascade, by relationship; of a bulk message those of each of its records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, Vec<Arc<Vec<Entity>>>>,
    /// The context that this one came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<Context>>,
}

fn is_empty(shared: &Arc<SharedVariables>) -> bool {
    shared.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_unset(moment: &DateTime) -> bool {
    *moment == DateTime::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The system job behind an asynchronous run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationContext {
    /// Its identifier.
    pub id: Uuid,
    /// When it was queued.
    pub created_on: DateTime,
}

impl Context {
    /// The context as those that come from it see it: without its parameters and images, which nobody reads there. A
    /// second owner of the target would make the next change of it copy every attribute, and a job's snapshot would have
    /// it twice.
    pub(crate) fn to_parent(&self) -> Self {
        Self {
            message: self.message.clone(),
            entity: self.entity.clone(),
            secondary_entity: self.secondary_entity.clone(),
            operation: self.operation.clone(),
            input: Parameters::new(),
            output: Parameters::new(),
            shared: Arc::clone(&self.shared),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: BTreeMap::new(),
            parent: self.parent.clone(),
            ..*self
        }
    }

    /// The context as a job of an asynchronous step keeps it. Its ancestors are of the same correlation, which is written
    /// once.
    pub(crate) fn to_snapshot(&self) -> Self {
        fn lean(ancestor: &Context) -> Arc<Context> {
            Arc::new(Context {
                correlation_id: Uuid::nil(),
                correlated_since: DateTime::default(),
                parent: ancestor.parent.as_deref().map(lean),
                ..ancestor.to_parent()
            })
        }
        let parent = self.parent.as_deref().map(lean);
        Self { mode: Mode::Asynchronous, is_in_transaction: false, parent, ..self.clone() }
    }

    /// The context that such a snapshot is of.
    pub(crate) fn of_snapshot(mut snapshot: Self) -> Self {
        let mut ancestor = &mut snapshot.parent;
        while let Some(context) = ancestor {
            let context = Arc::make_mut(context);
            context.correlation_id = snapshot.correlation_id;
            context.correlated_since = snapshot.correlated_since;
            ancestor = &mut context.parent;
        }
        snapshot
    }

    /// The context `level` steps up: 1 is the parent.
    #[must_use]
    pub fn ancestor(&self, level: u32) -> Option<&Self> {
        let mut context = self;
        for _ in 0..level {
            context = context.parent.as_deref()?;
        }
        Some(context)
    }

    /// The target, where the message has a record as one.
    #[must_use]
    pub fn target(&self) -> Option<&Entity> {
        match self.input.get(parameter::TARGET) {
            Some(Parameter::Entity(entity)) => Some(entity),
            _ => None,
        }
    }

    /// What a step sees as its target: the record, or a bare reference to it.
    #[must_use]
    pub fn target_entity(&self, columns: &ColumnSet) -> Option<Entity> {
        match self.input.get(parameter::TARGET)? {
            Parameter::Entity(entity) => Some(entity.select(columns)),
            parameter => {
                let reference = parameter.reference()?;
                Some(Entity::new(&reference.entity).with_id(reference.id))
            }
        }
    }

    /// The record that a Retrieve returns, from PostOperation on.
    #[must_use]
    pub fn output_entity(&self) -> Option<&Entity> {
        match self.output.get(parameter::BUSINESS_ENTITY)? {
            Parameter::Entity(entity) => Some(entity),
            _ => None,
        }
    }

    /// One side of an image that `step` registered, narrowed to `columns`; of a bulk message that of its first record.
    #[must_use]
    pub fn image(&self, step: &Step, side: Side, alias: &str, columns: &ColumnSet) -> Option<Entity> {
        let image = step.image(side, alias)?;
        let record = self.records(side).first()?.as_ref()?;
        Some(record.select(&narrowed(image, columns)))
    }

    /// One side of an image for each record of the message; empty if the step registered none of that alias.
    #[must_use]
    pub fn images(&self, step: &Step, side: Side, alias: &str, columns: &ColumnSet) -> Vec<Option<Entity>> {
        let Some(image) = step.image(side, alias) else { return Vec::new() };
        let columns = narrowed(image, columns);
        let records = self.records(side).iter();
        records.map(|record| record.as_ref().map(|record| record.select(&columns))).collect()
    }

    /// The children that an image of a Delete asked for, as they were before the cascade.
    #[must_use]
    pub fn children_image(&self, step: &Step, alias: &str, columns: &ColumnSet) -> Vec<Entity> {
        let image = step.definition.images.iter().find(|image| image.alias == alias);
        let Some((image, relationship)) = image.and_then(|image| Some((image, image.relationship.as_ref()?)))
        else {
            return Vec::new();
        };
        let columns = narrowed(image, columns);
        let children = self.children.get(relationship).and_then(|records| records.first());
        let children = children.into_iter().flat_map(|children| children.iter());
        children.map(|child| child.select(&columns)).collect()
    }

    /// The records that the message is about, in the order of its targets.
    pub(crate) fn subjects(&self) -> Vec<Option<Uuid>> {
        records_of(&self.input, self.record)
    }

    /// The record that the message's target of that index is.
    pub(crate) fn subject(&self, index: usize) -> Option<Uuid> {
        match self.input.get(parameter::TARGETS) {
            Some(Parameter::Entities(targets)) => targets.entities.get(index)?.id,
            Some(Parameter::References(targets)) => targets.get(index).map(|target| target.id),
            _ => self.record.filter(|_| index == 0),
        }
    }

    fn records(&self, side: Side) -> &[Option<Arc<Entity>>] {
        match side {
            Side::Pre => &self.pre_images,
            Side::Post => &self.post_images,
        }
    }
}

fn records_of(input: &Parameters, record: Option<Uuid>) -> Vec<Option<Uuid>> {
    match input.get(parameter::TARGETS) {
        Some(Parameter::Entities(targets)) => targets.entities.iter().map(|target| target.id).collect(),
        Some(Parameter::References(targets)) => targets.iter().map(|target| Some(target.id)).collect(),
        _ => vec![record],
    }
}

/// What of an image's columns `columns` selects.
fn narrowed(image: &Image, columns: &ColumnSet) -> ColumnSet {
    match columns {
        _ if image.attributes.is_empty() => columns.clone(),
        ColumnSet::All => ColumnSet::Named(image.attributes.clone()),
        ColumnSet::Named(names) => {
            ColumnSet::Named(names.iter().filter(|name| image.attributes.contains(name)).cloned().collect())
        }
    }
}

/// A side of the core operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before it.
    Pre,
    /// After it.
    Post,
}

impl Side {
    /// Whether images of that type have this side.
    #[must_use]
    pub fn is_of(self, image_type: ImageType) -> bool {
        match self {
            Self::Pre => image_type.is_pre(),
            Self::Post => image_type.is_post(),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn context(depth: u32, parent: Option<Context>) -> Context {
        Context {
            message: Message::CREATE.to_owned(),
            stage: Stage::PostOperation,
            mode: Mode::Synchronous,
            depth,
            entity: None,
            record: None,
            secondary_entity: None,
            user: Uuid::nil(),
            initiating_user: Uuid::nil(),
            correlation_id: Uuid::from_u128(7),
            correlated_since: DateTime(5),
            cascade: 0,
            request_id: Uuid::from_u128(depth.into()),
            operation: None,
            is_in_transaction: true,
            input: Parameters::new(),
            output: Parameters::new(),
            shared: Arc::default(),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: BTreeMap::new(),
            parent: parent.map(Arc::new),
        }
    }

    #[test]
    fn a_snapshot_has_the_correlation_once_and_gives_it_back_to_every_ancestor() {
        let nested = context(3, Some(context(2, Some(context(1, None)))));
        let written = rmp_serde::to_vec_named(&nested.to_snapshot()).unwrap();
        let names = written.windows(14).filter(|bytes| bytes == b"correlation_id");
        assert_eq!(names.count(), 1);
        let read = Context::of_snapshot(rmp_serde::from_slice(&written).unwrap());
        assert_eq!((read.mode, read.is_in_transaction), (Mode::Asynchronous, false));
        for level in 0..3 {
            let (then, now) = (nested.ancestor(level).unwrap(), read.ancestor(level).unwrap());
            assert_eq!(
                (now.correlation_id, now.correlated_since),
                (then.correlation_id, then.correlated_since)
            );
            assert_eq!((now.request_id, now.depth), (then.request_id, then.depth));
        }
        assert!(read.ancestor(3).is_none());
    }
}
