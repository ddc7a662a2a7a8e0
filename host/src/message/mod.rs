//! The core operations, one file for each kind, and the one list of them.
//!
//! A core operation is what happens at MainOperation (stage 30). It checks its request when it arrives, prepares the
//! transaction before PreOperation, and performs the operation on the store. It knows nothing of steps: what must run
//! through a pipeline of its own, it returns as data.

mod assign;
mod associate;
mod batch;
mod create;
mod custom;
mod delete;
mod rest;
mod retrieve;
mod retrieve_multiple;
mod set_state;
mod system_job;
mod targets;
mod update;
mod upsert;

pub use rest::Rest;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::definition::{OWNER_ID, USER_ENTITY};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::trace::Event;
use crate::model::{
    ColumnSet, DateTime, Entity, EntityDefinition, EntityReference, Filter, Message, Parameter, Parameters,
    Query, Request, Schema, Value, code,
};
use crate::store::{Lock, Transaction};

/// The detail of an error that says which target of a bulk message it is about, from 0.
pub(crate) const TARGET_INDEX: &str = "TargetIndex";
/// Records of a bulk message at most: they, their images and their changes are in memory together.
pub const TARGETS_MAX: usize = 5000;
/// Requests of an ExecuteMultiple or an ExecuteTransaction at most, as on the platform.
pub const REQUESTS_MAX: usize = 1000;

/// Every message with a core operation of the host's own.
pub static MESSAGES: &[&dyn CoreOperation] = &[
    &create::Create,
    &retrieve::Retrieve,
    &retrieve_multiple::RetrieveMultiple,
    &update::Update,
    &delete::Delete,
    &upsert::Upsert,
    &associate::Associate,
    &associate::Disassociate,
    &assign::Assign,
    &set_state::SetState,
    &create::CreateMultiple,
    &update::UpdateMultiple,
    &upsert::UpsertMultiple,
    &delete::DeleteMultiple,
    &batch::ExecuteTransaction,
    &batch::ExecuteMultiple,
];

/// The core operation of a message: the host's own, or that of a custom message.
pub fn find(schema: &Schema, message: &str) -> Result<&'static dyn CoreOperation> {
    let own = MESSAGES.iter().copied().find(|operation| operation.name() == message);
    if let Some(operation) = own {
        return Ok(operation);
    }
    if schema.messages.contains_key(message) {
        return Ok(&custom::Custom);
    }
    let known = MESSAGES.iter().map(|operation| operation.name());
    let known: Vec<&str> = known.chain(schema.messages.keys().map(String::as_str)).collect();
    let problem = format!("there is no message `{message}`; there are {}", known.join(", "));
    Err(Error::new(ErrorKind::InvalidRequest, problem).with_code(code::UNKNOWN_MESSAGE))
}

/// What a message is made of.
#[async_trait]
pub trait CoreOperation: Send + Sync {
    /// The message's name; empty for the operation that serves all custom messages.
    fn name(&self) -> &'static str;

    /// What its steps and its transaction may be.
    fn traits(&self) -> Traits;

    /// Checks a request as it arrives, and says what it is about. What steps change later is checked as they change it.
    /// Required attributes are not checked yet: a step may supply them.
    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject>;

    /// What must happen in the transaction before PreOperation: restrictions and cascades.
    async fn prepare(&self, _cx: Operation<'_>, _subject: &Subject, _input: &Parameters) -> Result<Prepared> {
        Ok(Prepared::default())
    }

    /// Does it, and returns the output parameters. Nothing for a message that runs as other requests, and for a custom
    /// one, whose main operation is a step.
    async fn perform(&self, _cx: Operation<'_>, _subject: &Subject, _input: &Parameters) -> Result<Done> {
        Ok(Done::default())
    }

    /// An error unless a step may set that output parameter. By default: one that is there, to another of its type.
    fn check_output(
        &self,
        _schema: &Schema,
        message: &str,
        output: &Parameters,
        name: &str,
        parameter: &Parameter,
    ) -> Result<()> {
        let known = output.get(name).ok_or_else(|| {
            let known: Vec<&str> = output.keys().map(String::as_str).collect();
            invalid(format!(
                "{message} has no output parameter `{name}` to change; there are {}",
                list(&known)
            ))
        })?;
        if let (Parameter::Ids(known), Parameter::Ids(ids)) = (known, parameter)
            && known.len() != ids.len()
        {
            let (known, given) = (known.len(), ids.len());
            return Err(invalid(format!(
                "the output parameter `{name}` of {message} has {known} items, not {given}"
            )));
        }
        if known.type_name() == parameter.type_name() {
            return Ok(());
        }
        let (known, given) = (known.type_name(), parameter.type_name());
        Err(invalid(format!("the output parameter `{name}` of {message} is of type {known}, not {given}")))
    }
}

/// The rules of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether the core operation writes.
    pub writes: bool,
    /// Whether it makes the records: before it, the message has none.
    pub creates: bool,
    /// Whether the records go: a cascade that comes back to them ends, and nothing may point to them in the end.
    pub deletes: bool,
    /// Whether steps may have pre-images.
    pub pre_image: bool,
    /// Whether steps may have post-images.
    pub post_image: bool,
    /// The parameter that names the record of an image.
    pub image_property: &'static str,
    /// Whether filtering attributes apply.
    pub filtering: bool,
    /// Whether the core operation writes the target's attributes, so that steps may change them.
    pub target_is_written: bool,
    /// Whether PreValidation's context becomes the parent of the later stages', as the platform does for these
    /// messages: shared variables set there are read from the parent context.
    pub parent_hop: bool,
    /// Which steps may be registered.
    pub steps: Steps,
    /// The message for several records where this is for one, or the other way round: its steps run too.
    pub counterpart: Option<&'static str>,
    /// How the message runs.
    pub course: Course,
}

impl Traits {
    /// What nobody else may do with the records that the message is about while it runs.
    #[must_use]
    pub fn lock(&self) -> Lock {
        match self {
            Self { deletes: true, .. } => Lock::Delete,
            Self { writes: true, creates: false, .. } => Lock::Update,
            _ => Lock::None,
        }
    }
}

/// Which steps may be registered on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Of one entity or of every.
    Any,
    /// Of every entity only.
    EveryEntity,
    /// As the custom message's definition says.
    AsDefined,
    /// None, for that reason.
    None(&'static str),
}

/// How a message runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Through the stages, to its core operation.
    Stages,
    /// Through the stages; its main operation is a step, or nothing.
    Custom,
    /// As other requests, each with its own stages.
    Requests(Composite),
}

/// The messages that run as other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Composite {
    /// A Create or an Update.
    Upsert,
    /// A CreateMultiple and an UpdateMultiple, in one transaction.
    UpsertMultiple,
    /// All of them in one transaction.
    ExecuteTransaction,
    /// Each for itself.
    ExecuteMultiple,
}

impl Traits {
    /// Of a message that reads: no images, no filter, nothing to write.
    pub const READ: Self = Self {
        writes: false,
        creates: false,
        deletes: false,
        pre_image: false,
        post_image: false,
        image_property: parameter::TARGET,
        filtering: false,
        target_is_written: false,
        parent_hop: false,
        steps: Steps::Any,
        counterpart: None,
        course: Course::Stages,
    };

    /// Of a message that runs as other requests, and has no steps for that reason.
    const fn composite(composite: Composite, reason: &'static str) -> Self {
        Self { writes: true, steps: Steps::None(reason), course: Course::Requests(composite), ..Self::READ }
    }
}

/// What a message request is about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The entity; none for a message that has none.
    pub entity: Option<Arc<EntityDefinition>>,
    /// The record; none for a query, for several records, and for a Create that leaves the identifier to the host.
    pub id: Option<Uuid>,
    /// The entity on the other side of an Associate or a Disassociate.
    pub secondary: Option<String>,
}

impl Subject {
    fn new(entity: &Arc<EntityDefinition>, id: Option<Uuid>) -> Self {
        Self { entity: Some(Arc::clone(entity)), id, secondary: None }
    }

    /// The entity, for an operation that has checked that there is one.
    pub fn definition(&self) -> Result<&Arc<EntityDefinition>> {
        self.entity.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the message has no entity"))
    }

    fn record(&self) -> Result<(&Arc<EntityDefinition>, Uuid)> {
        let id = self.id.ok_or_else(|| Error::new(ErrorKind::Internal, "the message has no identifier"));
        Ok((self.definition()?, id?))
    }
}

/// What was done before PreOperation, and what is still to be done.
#[derive(Default)]
pub struct Prepared {
    /// For the trace.
    pub events: Vec<Event>,
    /// Requests of their own, in order.
    pub cascade: Vec<Cascaded>,
}

/// What a core operation did, and what is still to be done.
#[derive(Default)]
pub struct Done {
    /// The output parameters.
    pub output: Parameters,
    /// Requests of their own, in order, before the post-images are read.
    pub cascade: Vec<Cascaded>,
    /// How to find what is left of the cascade, where it may go on as a job.
    pub rest: Option<Rest>,
}

impl From<Parameters> for Done {
    fn from(output: Parameters) -> Self {
        Self { output, ..Self::default() }
    }
}

/// What a core operation has another record go through.
pub enum Cascaded {
    /// A request about a record.
    Request(Request),
    /// A child of a record that is being deleted. Passed over if it is gone by then, or points elsewhere.
    Child {
        /// Its entity.
        definition: Arc<EntityDefinition>,
        /// The child.
        id: Uuid,
        /// The lookup that points to the parent.
        attribute: String,
        /// The record that is being deleted.
        parent: EntityReference,
        /// Whether the child is deleted too, or loses its link.
        deleted: bool,
    },
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
    /// The user as the value of `createdby` and the like.
    fn user(&self) -> Value {
        Value::EntityReference(EntityReference::new(USER_ENTITY, self.user))
    }

    /// An error unless every record that the lookups among `record`'s attributes point to exists.
    async fn check_references(&self, definition: &EntityDefinition, record: &Entity) -> Result<()> {
        for (name, value) in &record.attributes {
            let Value::EntityReference(reference) = value else { continue };
            let itself = record.id == Some(reference.id) && record.logical_name == reference.entity;
            // An owner's entity need not be defined: users may be kept elsewhere.
            if itself || (name == OWNER_ID && !self.schema.entities.contains_key(&reference.entity)) {
                continue;
            }
            if !self.exists(reference).await? {
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

    async fn exists(&self, reference: &EntityReference) -> Result<bool> {
        let definition = self.schema.entity(&reference.entity)?;
        let none = ColumnSet::Named(Vec::new());
        Ok(self.transaction.retrieve(definition, reference.id, &none, Lock::Keep).await?.is_some())
    }

    /// The identifiers of the records that a filter selects, however many they are.
    async fn ids(&self, definition: &EntityDefinition, filter: Filter) -> Result<Vec<Uuid>> {
        let id = definition.primary_id();
        let mut ids: Vec<Uuid> = Vec::new();
        loop {
            let mut filters = vec![filter.clone()];
            if let Some(last) = ids.last() {
                let last = Value::UniqueIdentifier(*last);
                filters.push(Filter::condition(&id, crate::model::Operator::Gt, last));
            }
            let query = Query {
                columns: ColumnSet::Named(Vec::new()),
                filter: Some(Filter::All(filters)),
                ..Query::new(&definition.logical_name)
            };
            let found = self.transaction.query(self.schema, &query).await?;
            ids.extend(found.entities.iter().filter_map(|record| record.id));
            if found.entities.len() < crate::model::query::RECORDS_MAX as usize {
                return Ok(ids);
            }
        }
    }
}

fn entity_parameter<'a>(message: &str, input: &'a Parameters, name: &str) -> Result<&'a Entity> {
    match input.get(name) {
        Some(Parameter::Entity(entity)) => Ok(entity),
        other => Err(missing(message, name, "an entity", other)),
    }
}

fn reference_parameter<'a>(message: &str, input: &'a Parameters, name: &str) -> Result<&'a EntityReference> {
    let given = input.get(name);
    given.and_then(Parameter::reference).ok_or_else(|| missing(message, name, "an entity reference", given))
}

fn entity_target<'a>(message: &str, input: &'a Parameters) -> Result<&'a Entity> {
    entity_parameter(message, input, parameter::TARGET)
}

fn reference_target<'a>(message: &str, input: &'a Parameters) -> Result<&'a EntityReference> {
    reference_parameter(message, input, parameter::TARGET)
}

fn choice_parameter(message: &str, input: &Parameters, name: &str) -> Result<i32> {
    match input.get(name) {
        Some(Parameter::Value(Value::Choice(number) | Value::Integer(number))) => Ok(*number),
        other => Err(missing(message, name, "a choice", other)),
    }
}

fn flag_parameter(message: &str, input: &Parameters, name: &str) -> Result<bool> {
    match input.get(name) {
        None => Ok(false),
        Some(Parameter::Value(Value::Boolean(flag))) => Ok(*flag),
        other => Err(missing(message, name, "a boolean", other)),
    }
}

/// An error if the request has a parameter that its message does not have: it would be passed over without a word.
fn check_names(message: &str, input: &Parameters, known: &[&str]) -> Result<()> {
    match input.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(invalid(format!("{message} has no parameter `{name}`; there are {}", list(known)))),
    }
}

fn missing(message: &str, name: &str, wanted: &str, got: Option<&Parameter>) -> Error {
    let problem = match got {
        None => "is missing".to_owned(),
        Some(got) => format!("is of type {}", got.type_name()),
    };
    invalid(format!("the parameter `{name}` of {message} {problem}; it must be {wanted}"))
}

fn not_found(message: &str, definition: &EntityDefinition, id: Uuid) -> Error {
    let entity = &definition.logical_name;
    let verb = message.to_lowercase();
    Error::new(ErrorKind::NotFound, format!("cannot {verb} {entity} {id}: it does not exist"))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Whether a message is about several records, each of which also runs the steps of the message for one.
#[must_use]
pub fn is_bulk(message: &str) -> bool {
    matches!(message, Message::CREATE_MULTIPLE | Message::UPDATE_MULTIPLE | Message::DELETE_MULTIPLE)
}
