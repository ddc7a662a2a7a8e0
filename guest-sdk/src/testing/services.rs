//! A message execution in a fake organization.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::Fake;
use super::world::World;
use crate::Result;
use crate::query::RecordQuery;
use crate::record::{ColumnSet, Record};
use crate::services::{Execution, Services};
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};

pub(super) struct FakeServices {
    world: Rc<RefCell<World>>,
    pub(super) execution: Execution,
    remaining: Duration,
    pub(super) configuration: Option<String>,
    secure_configuration: Option<String>,
    target: RefCell<Option<Record>>,
    /// The record before the core operation.
    pub(super) before: Option<Record>,
    /// The record after it.
    after: RefCell<Option<Record>>,
    /// Whether a request inside the transaction failed.
    pub(super) doomed: Cell<bool>,
}

impl FakeServices {
    pub(super) fn new(fake: &Fake, execution: Execution, target: Option<Record>) -> Self {
        Self {
            world: Rc::clone(&fake.world),
            execution,
            remaining: fake.remaining,
            configuration: fake.configuration.clone(),
            secure_configuration: fake.secure_configuration.clone(),
            target: RefCell::new(target),
            before: None,
            after: RefCell::new(None),
            doomed: Cell::new(false),
        }
    }

    /// Writes, deletes or reads the record, and keeps what it is afterwards.
    pub(super) fn core_operation(&self, message: &str, about: &EntityReference) -> Result {
        let mut world = self.world.borrow_mut();
        let target = self.target.borrow();
        let attributes = target.as_ref().map(|target| target.attributes.clone()).unwrap_or_default();
        match message {
            "Create" => {
                world.insert(Record { logical_name: about.entity.clone(), id: Some(about.id), attributes });
            }
            "Update" => world.update(about, attributes)?,
            "Delete" => return world.delete(about),
            _ => {}
        }
        *self.after.borrow_mut() = Some(world.retrieve(about, &ColumnSet::All)?);
        Ok(())
    }

    /// The target as the step left it, or the output of a Retrieve.
    pub(super) fn into_answer(self: Rc<Self>) -> Record {
        let answer = if self.execution.message == "Retrieve" { &self.after } else { &self.target };
        answer.borrow().clone().unwrap_or_default()
    }

    /// A request that fails inside the transaction dooms it.
    fn request<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() && self.execution.is_in_transaction {
            self.doomed.set(true);
        }
        result
    }
}

impl Services for FakeServices {
    fn context(&self) -> Execution {
        self.execution.clone()
    }

    fn now(&self) -> DateTime {
        self.world.borrow().now
    }

    fn remaining(&self) -> Duration {
        self.remaining
    }

    fn target(&self, columns: &ColumnSet) -> Option<Record> {
        let mut target = self.target.borrow().clone()?;
        if let ColumnSet::Named(names) = columns {
            target.attributes.retain(|name, _| names.contains(name));
        }
        target.id = self.execution.entity_id;
        Some(target)
    }

    fn set_target(&self, attributes: Vec<(String, Value)>) -> Result {
        if let Some(target) = self.target.borrow_mut().as_mut() {
            target.attributes.extend(attributes);
        }
        Ok(())
    }

    fn unset_target(&self, names: Vec<String>) -> Result {
        if let Some(target) = self.target.borrow_mut().as_mut() {
            target.attributes.retain(|name, _| !names.contains(name));
        }
        Ok(())
    }

    fn pre_image(&self, _: &str, columns: &ColumnSet) -> Option<Record> {
        Some(select(self.before.clone()?, columns))
    }

    fn post_image(&self, _: &str, columns: &ColumnSet) -> Option<Record> {
        Some(select(self.after.borrow().clone()?, columns))
    }

    fn output_entity(&self, columns: &ColumnSet) -> Option<Record> {
        Some(select(self.after.borrow().clone()?, columns))
    }

    fn set_output_entity(&self, attributes: Vec<(String, Value)>) -> Result {
        if let Some(output) = self.after.borrow_mut().as_mut() {
            output.attributes.extend(attributes);
        }
        Ok(())
    }

    fn shared_variable(&self, name: &str) -> Option<Value> {
        self.world.borrow().shared.get(name).cloned()
    }

    fn set_shared_variable(&self, name: &str, value: Value) -> Result {
        self.world.borrow_mut().shared.insert(name.to_owned(), value);
        Ok(())
    }

    fn parent_context(&self, _: u32) -> Option<Execution> {
        None
    }

    fn parent_shared_variable(&self, _: u32, _: &str) -> Option<Value> {
        None
    }

    fn configuration(&self) -> Option<String> {
        self.configuration.clone()
    }

    fn secure_configuration(&self) -> Option<String> {
        self.secure_configuration.clone()
    }

    fn create(&self, record: Record) -> Result<UniqueIdentifier> {
        self.request(self.world.borrow_mut().create(record))
    }

    fn retrieve(&self, target: EntityReference, columns: &ColumnSet) -> Result<Record> {
        self.request(self.world.borrow().retrieve(&target, columns))
    }

    fn update(&self, record: Record) -> Result {
        let reference = EntityReference { entity: record.logical_name, id: record.id.unwrap_or_default() };
        self.request(self.world.borrow_mut().update(&reference, record.attributes))
    }

    fn delete(&self, target: EntityReference) -> Result {
        self.request(self.world.borrow_mut().delete(&target))
    }

    fn retrieve_multiple(&self, query: RecordQuery) -> Result<Vec<Record>> {
        self.request(self.world.borrow().retrieve_multiple(&query))
    }

    fn trace(&self, line: &str) {
        self.world.borrow_mut().traces.push(line.to_owned());
    }
}

/// The named attributes of a record, null where it has none.
fn select(mut record: Record, columns: &ColumnSet) -> Record {
    if let ColumnSet::Named(names) = columns {
        let values =
            names.iter().map(|name| (name.clone(), record.attributes.remove(name).unwrap_or_default()));
        record.attributes = values.collect();
    }
    record
}
