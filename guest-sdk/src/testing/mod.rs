//! Native tests of steps, without a host and without WebAssembly.
//!
//! [`Fake`] is an organization in memory. It sends one message through one step: it reads the images, sets up the
//! context, and rolls back on a fault where a host would. It knows no entity definitions, runs no other step, and
//! cascades nothing: what several steps do together is for a test against a host.
//!
//! It is stricter than a host in one thing: a step that reads an image's column without asking for it panics, and the
//! panic says what to add to `#[step]`. In a host the column reads as absent, and the trace has the line.

mod filter;
mod services;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::context::{Context, Mode, Stage};
use crate::entity::{Entity, Shape};
use crate::message::Message;
use crate::organization::Organization;
use crate::record::{ColumnSet, Record, Side};
use crate::services::{Execution, Services};
use crate::shared::Shared;
use crate::value::{AttributeType, DateTime, EntityReference, Ref, UniqueIdentifier, Value};
use crate::{Fault, Result, Row, Step, code};
use services::FakeServices;
use world::World;

pub(crate) use world::{fail, trace};

/// What a step's message carries.
type Data<S> = <<S as Step>::Message as Message>::Data;

/// An organization in memory that runs one step at a time.
///
/// Clones share their records: [`Fake::as_user`] and the other methods that answer a `Fake` give another view of the
/// same organization.
///
/// ```
/// use stagegate_sdk::prelude::*;
/// use stagegate_sdk::testing::Fake;
///
/// #[derive(Entity, Default)]
/// #[entity("contact")]
/// struct Contact {
///     fullname: Field<String>,
/// }
///
/// #[step(PreOperation)]
/// fn name_it(ctx: &mut Create<Contact>) -> Result {
///     ensure!(!ctx.target.fullname.or_default().is_empty(), "a contact needs a name");
///     Ok(())
/// }
///
/// let fault = Fake::new().run_create::<name_it>(Contact::default()).err().unwrap();
/// assert_eq!(fault.message(), "a contact needs a name");
/// ```
#[derive(Clone)]
pub struct Fake {
    world: Rc<RefCell<World>>,
    user: UniqueIdentifier,
    job: Option<(UniqueIdentifier, DateTime)>,
    depth: u32,
    remaining: Duration,
    configuration: Option<String>,
    secure_configuration: Option<String>,
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Fake {
    /// An organization without records, at 2026-01-01T00:00:00Z, whose caller is a user without record.
    pub fn new() -> Self {
        let mut world = World::new();
        Self {
            user: world.new_id(),
            world: Rc::new(RefCell::new(world)),
            job: None,
            depth: 1,
            remaining: Duration::from_secs(120),
            configuration: None,
            secure_configuration: None,
        }
    }

    /// The same organization, called by this user.
    #[must_use]
    pub fn as_user(&self, user: impl Into<UniqueIdentifier>) -> Self {
        Self { user: user.into(), ..self.clone() }
    }

    /// The same organization, called at this depth.
    #[must_use]
    pub fn at_depth(&self, depth: u32) -> Self {
        Self { depth, ..self.clone() }
    }

    /// The same organization, where asynchronous steps are run by this system job, created at this time. To run a step
    /// twice in one such view is to retry it. In any other view each run is a new job of its own.
    #[must_use]
    pub fn as_job(&self, operation_id: impl Into<UniqueIdentifier>, created_on: DateTime) -> Self {
        Self { job: Some((operation_id.into(), created_on)), ..self.clone() }
    }

    /// The same organization, with so much time left for each message.
    #[must_use]
    pub fn with_remaining(&self, remaining: Duration) -> Self {
        Self { remaining, ..self.clone() }
    }

    /// The same organization, where steps have this unsecure configuration in place of their own.
    #[must_use]
    pub fn with_configuration(&self, text: impl Into<String>) -> Self {
        Self { configuration: Some(text.into()), ..self.clone() }
    }

    /// The same organization, where steps have this secure configuration.
    #[must_use]
    pub fn with_secure_configuration(&self, text: impl Into<String>) -> Self {
        Self { secure_configuration: Some(text.into()), ..self.clone() }
    }

    /// Sets the clock, for every view of the organization. It stands still between calls.
    pub fn set_now(&self, now: DateTime) {
        self.world.borrow_mut().now = now;
    }

    /// The clock.
    pub fn now(&self) -> DateTime {
        self.world.borrow().now
    }

    /// Puts a record into the organization, under a new identifier or the one that a [`Record`] brings along. No step
    /// runs.
    pub fn add<D: Shape>(&self, entity: D) -> D::Reference {
        D::refer(self.world.borrow_mut().insert(entity.into_record()))
    }

    /// Puts a record into the organization under this identifier.
    pub fn add_with_id<E: Entity>(&self, id: impl Into<UniqueIdentifier>, entity: E) -> Ref<E> {
        E::refer(self.world.borrow_mut().insert(entity.into_record().with_id(id)))
    }

    /// A record's columns.
    ///
    /// # Errors
    /// If there is no such record, or a column is not of the struct's type.
    pub fn get<E: Entity>(&self, id: impl Into<Ref<E>>) -> Result<E> {
        let reference = id.into().into();
        E::from_record(self.world.borrow().retrieve(&reference, &E::columns())?, Side::Output)
    }

    /// A record with all of its attributes; none if there is no such record.
    pub fn get_record(&self, reference: impl Into<EntityReference>) -> Option<Record> {
        self.world.borrow().retrieve(&reference.into(), &ColumnSet::All).ok()
    }

    /// The organization service as this view's user, outside of any step.
    pub fn org(&self) -> Organization {
        Organization::new(Rc::new(self.services(Stage::PostOperation, Mode::Asynchronous, "", None)))
    }

    /// The records that steps created, oldest first, without those that a fault rolled back.
    pub fn created(&self) -> Vec<Record> {
        self.world.borrow().created()
    }

    /// Those of one entity, by its struct.
    ///
    /// # Errors
    /// If a column is not of the struct's type.
    pub fn created_of<E: Entity>(&self) -> Result<Vec<Row<E>>> {
        let records = self.created();
        records.into_iter().filter(|record| record.logical_name == E::LOGICAL_NAME).map(E::found).collect()
    }

    /// The lines that steps traced, oldest first, those of failed ones included.
    pub fn traces(&self) -> Vec<String> {
        self.world.borrow().traces.clone()
    }

    /// Shares a struct with the steps to come, as an earlier step of the message would. What steps share stays until
    /// [`Fake::forget_shared`], so running the steps of one message in turn passes it on.
    pub fn share<T: Shared>(&self, variables: T) {
        let put = &mut |name: &str, value| {
            self.world.borrow_mut().shared.insert(name.to_owned(), value);
            Ok(())
        };
        // The closure above never fails, so neither does this.
        drop(variables.share(put));
    }

    /// Sets a shared variable for the steps to come.
    pub fn set_shared_variable(&self, name: &str, value: impl Into<Value>) {
        self.world.borrow_mut().shared.insert(name.to_owned(), value.into());
    }

    /// What steps shared.
    pub fn shared<T: Shared>(&self) -> Option<T> {
        T::read(&|name| self.world.borrow().shared.get(name).cloned())
    }

    /// A shared variable.
    pub fn shared_variable<T: AttributeType>(&self, name: &str) -> Option<T> {
        self.world.borrow().shared.get(name).and_then(Value::to)
    }

    /// Drops what steps shared.
    pub fn forget_shared(&self) {
        self.world.borrow_mut().shared.clear();
    }

    /// Sends an Update through one step and answers the target as the step left it.
    ///
    /// The core operation takes place at its time: after a step in PreValidation or PreOperation, and before one in
    /// PostOperation. If `changed(..)` passes the Update over, the step does not run. A step on an
    /// [`AnyMessage`](crate::AnyMessage) runs too, without core operation.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if there is no such record.
    pub fn run<S: Step>(&self, record: impl Into<EntityReference>, changes: Data<S>) -> Result<Data<S>> {
        let target = Record { id: None, ..changes.into_record() };
        let target = self.message::<S>("Update", &record.into(), target)?;
        Data::<S>::from_record(target, Side::Target)
    }

    /// Sends a Create through one step and answers the new record as the step left it, with its identifier.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back.
    pub fn run_create<S: Step>(&self, entity: Data<S>) -> Result<<Data<S> as Shape>::Found> {
        let target = entity.into_record();
        let id = target.id.unwrap_or_else(|| self.world.borrow_mut().new_id());
        let reference = EntityReference { entity: target.logical_name.clone(), id };
        let target = self.message::<S>("Create", &reference, target)?;
        Data::<S>::found(target.with_id(id))
    }

    /// Sends a Delete through one step.
    ///
    /// # Errors
    /// What the step returned, with the transaction rolled back; or a fault if there is no such record.
    pub fn run_delete<S: Step>(&self, record: impl Into<EntityReference>) -> Result {
        let record = record.into();
        let target = Record::new(record.entity.clone());
        self.message::<S>("Delete", &record, target).map(drop)
    }

    /// Sends a Retrieve through one step and answers what the reader gets.
    ///
    /// # Errors
    /// What the step returned; or a fault if there is no such record.
    pub fn run_retrieve<S: Step>(&self, record: impl Into<EntityReference>) -> Result<Data<S>> {
        let record = record.into();
        let target = Record::new(record.entity.clone());
        let output = self.message::<S>("Retrieve", &record, target)?;
        Data::<S>::from_record(output, Side::Output)
    }

    /// The pipeline of one message with one step. Answers the target, or the output of a Retrieve.
    fn message<S: Step>(&self, message: &str, record: &EntityReference, target: Record) -> Result<Record> {
        let step = S::DECLARATION;
        let any = <S::Message as Message>::NAME.is_empty() && message == "Update";
        if step.message != message && !any {
            return Err(Fault::defect(format!(
                "`{}` is a step on {}: run it with the method of `Fake` for that message.",
                step.name, step.message
            )));
        }
        if step.entity.is_some_and(|entity| entity != record.entity) {
            return Err(Fault::defect(format!("`{}` is not a step on `{}`.", step.name, record.entity)));
        }
        let filter = step.filtering_attributes;
        let runs = filter.is_empty() || filter.iter().any(|name| target.attributes.contains_key(*name));

        let snapshot = self.world.borrow().clone();
        let mut services = self.services(step.stage, step.mode, step.message, Some((record.clone(), target)));
        if services.configuration.is_none() {
            services.configuration = step.configuration.map(str::to_owned);
        }
        if step.message != "Create" {
            services.before = Some(self.world.borrow().retrieve(record, &ColumnSet::All)?);
        }
        let services = Rc::new(services);
        let result = if step.stage == Stage::PostOperation {
            services.core_operation(step.message, record).and_then(|()| self.step::<S>(&services, runs))
        } else {
            self.step::<S>(&services, runs).and_then(|()| services.core_operation(step.message, record))
        };
        if result.is_err() && services.execution.is_in_transaction {
            self.world.borrow_mut().roll_back_to(snapshot);
        }
        result.map(|()| services.into_answer())
    }

    fn step<S: Step>(&self, services: &Rc<FakeServices>, runs: bool) -> Result {
        if !runs {
            return Ok(());
        }
        let _current = world::enter(&self.world);
        crate::step::run::<S>(Context::new(Rc::clone(services) as Rc<dyn Services>))?;
        if services.doomed.get() {
            return Err(Fault::new(
                "A request of the step failed, so its transaction cannot be committed, even though the step went on.",
            )
            .with_code(code::TRANSACTION_NOT_STARTED));
        }
        Ok(())
    }

    fn services(
        &self,
        stage: Stage,
        mode: Mode,
        message: &str,
        about: Option<(EntityReference, Record)>,
    ) -> FakeServices {
        let asynchronous = mode == Mode::Asynchronous;
        let mut world = self.world.borrow_mut();
        let known = message != "Create" || stage == Stage::PostOperation;
        let (record, target) = about.unzip();
        let job = asynchronous.then(|| self.job.unwrap_or_else(|| (world.new_id(), world.now)));
        let execution = Execution {
            message: message.to_owned(),
            stage,
            mode,
            depth: self.depth,
            entity_name: record.as_ref().map_or_else(|| "none".to_owned(), |record| record.entity.clone()),
            entity_id: record.filter(|_| known).map(|record| record.id),
            user: self.user,
            initiating_user: self.user,
            correlation_id: world.new_id(),
            request_id: world.new_id(),
            operation_id: job.map(|(id, _)| id),
            operation_created_on: job.map(|(_, created_on)| created_on),
            is_in_transaction: stage != Stage::PreValidation && !asynchronous,
        };
        FakeServices::new(self, execution, target)
    }
}
