//! One message through one step.

use std::rc::Rc;

use super::operations::{entity_of, subjects};
use super::services::{FakeServices, select};
use super::{Fake, current};
use crate::context::{Context, Mode, Stage};
use crate::custom::{CustomMessage, Response};
use crate::declaration::StepDeclaration;
use crate::entity::Shape;
use crate::message::{Call, Message};
use crate::parameters::{Parameter, Parameters, parameter};
use crate::query::Query;
use crate::record::{ColumnSet, Record, Side};
use crate::request::Request;
use crate::services::{Execution, Services};
use crate::value::EntityReference;
use crate::{Fault, Result, Step, code};

/// What a step's message carries.
type Data<S> = <<S as Step>::Message as Message>::Data;

/// The custom message that a step is on.
type Custom<S> = <<S as Step>::Message as Called>::Custom;

/// The core operation takes place at its time: after a step in PreValidation or PreOperation, before one in
/// PostOperation, and not at all where the step is at MainOperation and takes its place.
impl Fake {
    /// Sends an Update through one step and answers the target as the step left it.
    ///
    /// If `changed(..)` or `changed_only` passes the Update over, the step does not run. A step on an
    /// [`AnyMessage`](crate::AnyMessage) runs too, without core operation.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if there is no such record.
    pub fn run<S: Step>(&self, record: impl Into<EntityReference>, changes: Data<S>) -> Result<Data<S>> {
        let any = <S::Message as Message>::NAME.is_empty() && S::DECLARATION.message != "Update";
        let message = if any { S::DECLARATION.message } else { "Update" };
        let record = record.into();
        let target = Record { logical_name: record.entity, ..changes.into_record() }.with_id(record.id);
        let ran = self.message::<S>(Request::about(message, target), !any)?;
        Data::<S>::from_record(ran.target_record(), Side::Target)
    }

    /// Sends a Create through one step and answers the new record as the step left it, with its identifier.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back.
    pub fn run_create<S: Step>(&self, entity: Data<S>) -> Result<<Data<S> as Shape>::Found> {
        let ran = self.message::<S>(Request::create(entity), true)?;
        let id = ran.output.borrow().value(parameter::ID).unwrap_or_default();
        Data::<S>::found(Record { id: Some(id), ..ran.target_record() })
    }

    /// Sends a Delete through one step.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if there is no such record.
    pub fn run_delete<S: Step>(&self, record: impl Into<EntityReference>) -> Result {
        self.message::<S>(Request::delete(record), true).map(drop)
    }

    /// Sends a Retrieve through one step and answers what the reader gets.
    ///
    /// # Errors
    /// What the step returned; or a fault if there is no such record.
    pub fn run_retrieve<S: Step>(&self, record: impl Into<EntityReference>) -> Result<Data<S>> {
        let ran = self.message::<S>(Request::retrieve(record, ColumnSet::All), true)?;
        let output = ran.output.borrow_mut().remove(parameter::BUSINESS_ENTITY);
        Data::<S>::from_record(output.and_then(|output| output.to()).unwrap_or_default(), Side::Output)
    }

    /// Sends a RetrieveMultiple through one step and answers what the reader gets.
    ///
    /// # Errors
    /// What the step returned; or a fault if the fake cannot do what the query asks for.
    pub fn run_retrieve_multiple<S: Step>(
        &self,
        query: Query<Data<S>>,
    ) -> Result<Vec<<Data<S> as Shape>::Found>> {
        let ran = self.message::<S>(Request::retrieve_multiple(query), true)?;
        let output = ran.output.borrow_mut().remove(parameter::BUSINESS_ENTITY_COLLECTION);
        let Some(Parameter::Entities(found)) = output else { return Ok(Vec::new()) };
        found.records.into_iter().map(Data::<S>::found).collect()
    }

    /// Calls a custom message through one step and answers the response: that of the step if it is at MainOperation, and
    /// otherwise that of what [`Fake::implement`] gave the message, as the step left it.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if the message has no main operation.
    pub fn run_call<S: Step<Message: Called>>(
        &self,
        request: Custom<S>,
    ) -> Result<<Custom<S> as CustomMessage>::Response> {
        let mut output = self.run_request::<S>(Request::call(request))?;
        Response::take(&mut |name| output.remove(name))
    }

    /// Sends any request through one step, on its message, and answers the output parameters.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if the fake does not know the message.
    pub fn run_request<S: Step>(&self, request: Request) -> Result<Parameters> {
        Ok(self.message::<S>(request, true)?.output.take())
    }

    /// The pipeline of one message with one step.
    fn message<S: Step>(&self, request: Request, core: bool) -> Result<Rc<FakeServices>> {
        let step = S::DECLARATION;
        let Request { message, parameters: mut input, user } = request;
        let fake = user.map_or_else(|| self.clone(), |user| self.as_user(user));
        if step.message != message {
            return Err(Fault::defect(format!(
                "`{}` is a step on {}: run it with the method of `Fake` for that message.",
                step.name, step.message
            )));
        }
        let entity = entity_of(&input);
        if step.entity.is_some_and(|wanted| wanted != entity) {
            return Err(Fault::defect(format!("`{}` is not a step on `{entity}`.", step.name)));
        }
        if let Some(Parameter::Value(tag)) = input.remove(parameter::TAG) {
            fake.set_shared_variable(parameter::TAG, tag);
        }
        let snapshot = fake.world.borrow().clone();
        let services = Rc::new(fake.services(&step, entity, input)?);
        let core_operation = || if core { fake.core_operation(&services) } else { Ok(()) };
        let result = match step.stage {
            Stage::MainOperation => fake.step::<S>(&services),
            Stage::PostOperation => core_operation().and_then(|()| fake.step::<S>(&services)),
            _ => fake.step::<S>(&services).and_then(|()| core_operation()),
        };
        if result.is_err() && services.execution.borrow().is_in_transaction {
            fake.world.borrow_mut().roll_back_to(snapshot);
        }
        result.map(|()| services)
    }

    fn step<S: Step>(&self, services: &Rc<FakeServices>) -> Result {
        if !passes(&S::DECLARATION, services) {
            return Ok(());
        }
        let job = services.execution.borrow().operation_id;
        if let Some(job) = job {
            self.world.borrow_mut().jobs.begin(job);
        }
        let _current = current::enter(&self.world);
        let result = crate::step::run::<S>(Context::new(Rc::clone(services) as Rc<dyn Services>));
        if job.is_some() && result.is_err() {
            self.world.borrow_mut().jobs.failed();
        }
        result?;
        if services.doomed.get() {
            return Err(Fault::new(
                "A request of the step failed, so its transaction cannot be committed, even though the step went on.",
            )
            .with_code(code::TRANSACTION_NOT_STARTED));
        }
        Ok(())
    }

    /// Does what the message is for, and keeps what the records are afterwards.
    fn core_operation(&self, services: &FakeServices) -> Result {
        let Execution { message, entity_name, .. } = services.execution.borrow().clone();
        let created = self.created_count();
        let input = services.input.borrow().clone();
        let output = self.main_operation(&message, input)?;
        let records = match (message.as_str(), output.get(parameter::ID), output.get(parameter::IDS)) {
            ("Create", Some(id), _) => id.to().into_iter().collect(),
            ("CreateMultiple", _, Some(Parameter::Ids(ids))) => ids.clone(),
            _ => Vec::new(),
        };
        let mut world = self.world.borrow_mut();
        if !records.is_empty() {
            world.forget_created(created);
        }
        if let ("Create", [id]) = (message.as_str(), records.as_slice()) {
            services.execution.borrow_mut().entity_id = Some(*id);
        }
        let created = records.into_iter().map(|id| EntityReference::new(entity_name.as_str(), id));
        let mut about: Vec<_> = created.collect();
        if about.is_empty() {
            // Of what was deleted there is nothing left, also where an alternate key named it.
            about = subjects(&world, &message, &services.input.borrow()).unwrap_or_default();
        }
        let after = about.iter().map(|reference| world.retrieve(reference, &ColumnSet::All).ok());
        *services.after.borrow_mut() = after.collect();
        *services.output.borrow_mut() = output;
        Ok(())
    }

    fn services(&self, step: &StepDeclaration, entity: String, input: Parameters) -> Result<FakeServices> {
        let mut execution = self.execution(step.stage, step.mode, step.message, entity);
        execution.owning_extension = format!("fake/{}", step.name);
        if let Some(Parameter::References(related)) = input.get(parameter::RELATED_ENTITIES)
            && let Some(other) = related.first()
        {
            execution.secondary_entity_name.clone_from(&other.entity);
        }
        let world = self.world.borrow();
        let about = match subjects(&world, step.message, &input) {
            // The key of a record that is still to be created.
            Err(fault) if fault.is_not_found() && step.message.starts_with("Upsert") => Vec::new(),
            about => about?,
        };
        if let ([one], false) = (about.as_slice(), step.message.ends_with("Multiple")) {
            let hidden = step.message == "Create" && step.stage != Stage::PostOperation;
            execution.entity_id = (!hidden).then_some(one.id);
        }
        let read = |reference| world.retrieve(reference, &ColumnSet::All);
        let before = if NEED_RECORDS.contains(&step.message) {
            about.iter().map(|reference| read(reference).map(Some)).collect::<Result<_>>()?
        } else if step.message.starts_with("Create") {
            Vec::new()
        } else {
            about.iter().map(|reference| read(reference).ok()).collect()
        };
        let mut services = FakeServices::new(self, execution, input);
        (services.before, services.own_configuration) = (before, step.configuration.map(str::to_owned));
        for image in step.images {
            if let (Some(relationship), [parent]) = (image.relationship, about.as_slice()) {
                let children = world.children(parent, relationship)?;
                let children = children.into_iter().map(|child| select(child, &image.columns()));
                services.children.insert(image.alias.to_owned(), children.collect());
            }
        }
        Ok(services)
    }

    pub(super) fn execution(&self, stage: Stage, mode: Mode, message: &str, entity: String) -> Execution {
        let asynchronous = mode == Mode::Asynchronous;
        let mut world = self.world.borrow_mut();
        let job = asynchronous.then(|| self.job.unwrap_or_else(|| (world.new_id(), world.now)));
        Execution {
            message: message.to_owned(),
            stage,
            mode,
            depth: self.depth,
            entity_name: entity,
            entity_id: None,
            secondary_entity_name: "none".to_owned(),
            owning_extension: "fake/test".to_owned(),
            user: self.user,
            initiating_user: self.user,
            correlation_id: world.new_id(),
            request_id: world.new_id(),
            operation_id: job.map(|(id, _)| id),
            operation_created_on: job.map(|(_, created_on)| created_on),
            is_in_transaction: stage != Stage::PreValidation && !asynchronous,
        }
    }

    fn created_count(&self) -> usize {
        self.world.borrow().created_count()
    }
}

/// The messages about records that there must be.
const NEED_RECORDS: &[&str] =
    &["Retrieve", "Update", "Delete", "Assign", "SetState", "UpdateMultiple", "DeleteMultiple"];

/// Whether the step's filter lets the message through.
fn passes(step: &StepDeclaration, services: &FakeServices) -> bool {
    let names = step.filtering_attributes;
    if names.is_empty() && !step.changed_only {
        return true;
    }
    let targets = match services.input.borrow().get(parameter::TARGETS) {
        Some(Parameter::Entities(targets)) => targets.records.clone(),
        _ => vec![services.target_record()],
    };
    targets.iter().enumerate().any(|(index, target)| {
        let before = services.before.get(index).and_then(Option::as_ref);
        target.attributes.iter().any(|(name, value)| {
            let listed = names.is_empty() || names.contains(&name.as_str());
            let changed = before.is_none_or(|before| before.value_or_null(name) != value);
            listed && (changed || !step.changed_only)
        })
    })
}

/// [`Call`], by its custom message.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "the step is not on a custom message", label = "not `&mut Call<M>`")]
pub trait Called: Message {
    type Custom: CustomMessage;
}

impl<M: CustomMessage> Called for Call<M> {
    type Custom = M;
}
