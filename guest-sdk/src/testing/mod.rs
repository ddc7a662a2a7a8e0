//! Native tests of steps, without a host and without WebAssembly.
//!
//! [`Fake`] is an organization in memory. It sends one message through one step: it reads the images, sets up the
//! context, and rolls back on a fault where a host would. It knows the messages of the platform, and custom ones that a
//! test [implements](Fake::implement); it knows no entity definitions, runs no other step, and cascades nothing: what
//! several steps do together is for a test against a host. Where it cannot do what was asked for, its fault says so.
//!
//! It is stricter than a host in one thing: a step that reads an image's column without asking for it panics, and the
//! panic says what to add to `#[step]`. In a host the column reads as absent, and the trace has the line.

mod capabilities;
mod current;
mod dates;
mod filter;
#[cfg(feature = "http")]
mod http;
mod jobs;
mod operations;
mod run;
mod select;
mod services;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::context::{Mode, Stage};
use crate::custom::{CustomMessage, Response};
use crate::entity::{Column, Entity, Shape};
use crate::organization::Organization;
use crate::parameters::Parameters;
use crate::record::{ColumnSet, Record, Side};
use crate::shared::Shared;
use crate::value::{AttributeType, DateTime, EntityReference, Ref, UniqueIdentifier, Value};
use crate::{Result, Row};
use world::{Relationship, World};

pub(crate) use current::{fail, trace};
#[cfg(feature = "http")]
pub(crate) use http::answer;
pub use jobs::Progress;
#[doc(hidden)]
pub use run::Called;

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
    attempt: Option<u32>,
    checkpoint: Option<Vec<u8>>,
    depth: u32,
    remaining: Duration,
    configuration: Option<String>,
    secure_configuration: Option<String>,
    granted: capabilities::Granted,
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
            attempt: None,
            checkpoint: None,
            depth: 1,
            remaining: Duration::from_secs(120),
            configuration: None,
            secure_configuration: None,
            granted: capabilities::Granted::default(),
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
    /// twice in one such view is to retry it: the second run is the next attempt, and finds the checkpoint of the first.
    /// In any other view each run is a new job of its own.
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
        let outside = self.execution(Stage::PostOperation, Mode::Asynchronous, "", "none".to_owned());
        Organization::new(Rc::new(services::FakeServices::new(self, outside, Parameters::default())))
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

    /// Gives a custom message a main operation, for the steps and calls to come. The organization service is the
    /// caller's.
    ///
    /// ```
    /// # use stagegate_sdk::prelude::*;
    /// # use stagegate_sdk::testing::Fake;
    /// #[derive(CustomMessage)]
    /// #[message("sg_Convert", response = Converted)]
    /// struct Convert {
    ///     amount: Money,
    /// }
    ///
    /// #[derive(Response)]
    /// struct Converted {
    ///     amount: Money,
    /// }
    ///
    /// let fake = Fake::new();
    /// fake.implement(|request: Convert, _: &Organization| Ok(Converted { amount: request.amount * 2 }));
    /// assert_eq!(fake.org().call(Convert { amount: Money::new(2) }).unwrap().amount, Money::new(4));
    /// ```
    pub fn implement<M: CustomMessage>(
        &self,
        run: impl Fn(M, &Organization) -> Result<M::Response> + 'static,
    ) {
        let implementation = move |fake: &Self, mut input: Parameters| {
            let request = M::take(&mut |name| input.remove(name))?;
            let mut output = Parameters::default();
            run(request, &fake.org())?.put(&mut output);
            Ok(output)
        };
        let name = M::DECLARATION.name.to_owned();
        self.world.borrow_mut().implementations.insert(name, Rc::new(implementation));
    }

    /// Makes a relationship known, for Associate and Disassociate and for the children of a Delete: one record to those
    /// of `E` whose lookup points to it.
    pub fn one_to_many<E: Entity, P>(&self, name: &str, lookup: Column<Ref<P>>) {
        let child = E::LOGICAL_NAME.to_owned();
        let relationship = Relationship::OneToMany { child, lookup: lookup.into() };
        self.world.borrow_mut().relationships.insert(name.to_owned(), relationship);
    }

    /// Makes a relationship known, for Associate and Disassociate: records to any number of others.
    pub fn many_to_many(&self, name: &str) {
        self.world.borrow_mut().relationships.insert(name.to_owned(), Relationship::ManyToMany);
    }

    /// The records that a record is related to by a relationship that is known.
    ///
    /// # Errors
    /// If the relationship is not known.
    pub fn related(
        &self,
        record: impl Into<EntityReference>,
        relationship: &str,
    ) -> Result<Vec<EntityReference>> {
        let (world, record) = (self.world.borrow(), record.into());
        if !matches!(world.relationships.get(relationship), Some(Relationship::ManyToMany)) {
            let children = world.children(&record, relationship)?;
            return Ok(children.iter().filter_map(Record::reference).collect());
        }
        let pairs = world.pairs.iter().filter(|(name, one, _)| name == relationship && *one == record);
        Ok(pairs.map(|(_, _, other)| other.clone()).collect())
    }
}
