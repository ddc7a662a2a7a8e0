//! A message execution in a fake organization.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use super::Fake;
use super::operations::perform;
use crate::context::Stage;
use crate::parameters::{Parameter, Parameters, parameter};
use crate::query::QueryExpression;
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::request::Request;
use crate::services::{Execution, Services};
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};
use crate::{Fault, Result, code};

pub(super) struct FakeServices {
    pub(super) fake: Fake,
    pub(super) execution: RefCell<Execution>,
    /// Of the step, unless the fake has one.
    pub(super) own_configuration: Option<String>,
    pub(super) input: RefCell<Parameters>,
    pub(super) output: RefCell<Parameters>,
    /// The records before the core operation.
    pub(super) before: Vec<Option<Record>>,
    /// The records after it.
    pub(super) after: RefCell<Vec<Option<Record>>>,
    /// The children before it, by the alias of their image.
    pub(super) children: BTreeMap<String, Vec<Record>>,
    /// Whether a request inside the transaction failed.
    pub(super) doomed: Cell<bool>,
}

impl FakeServices {
    pub(super) fn new(fake: &Fake, execution: Execution, input: Parameters) -> Self {
        Self {
            fake: fake.clone(),
            execution: RefCell::new(execution),
            own_configuration: None,
            input: RefCell::new(input),
            output: RefCell::default(),
            before: Vec::new(),
            after: RefCell::default(),
            children: BTreeMap::new(),
            doomed: Cell::new(false),
        }
    }

    /// The target, if it is a record.
    pub(super) fn target_record(&self) -> Record {
        match self.input.borrow().get(parameter::TARGET) {
            Some(Parameter::Entity(record)) => record.clone(),
            _ => Record::default(),
        }
    }

    /// Changes the record of a parameter, if there is one.
    fn change(&self, place: &RefCell<Parameters>, name: &str, change: impl FnOnce(&mut Record)) {
        let mut parameters = place.borrow_mut();
        if let Some(Parameter::Entity(mut record)) = parameters.remove(name) {
            change(&mut record);
            parameters.set(name, record);
        }
    }

    /// Runs a request of the step. One that fails has done nothing, and dooms the transaction that it is inside of.
    fn request<T>(&self, run: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let snapshot = self.fake.world.borrow().clone();
        let result = run(self);
        if result.is_err() {
            self.fake.world.borrow_mut().roll_back_to(snapshot);
            if self.execution.borrow().is_in_transaction {
                self.doomed.set(true);
            }
        }
        result
    }

    fn send(&self, request: Request) -> Result<Parameters> {
        let fake = match request.user {
            Some(user) => self.fake.as_user(user),
            None => self.fake.clone(),
        };
        fake.main_operation(&request.message, request.parameters)
    }
}

impl Fake {
    /// The main operation of a message: a custom one's, or the platform's.
    pub(super) fn main_operation(&self, message: &str, input: Parameters) -> Result<Parameters> {
        let implementation = self.world.borrow().implementations.get(message).cloned();
        match implementation {
            Some(run) => run(self, input),
            None => perform(&mut self.world.borrow_mut(), message, &input),
        }
    }
}

impl Services for FakeServices {
    fn context(&self) -> Execution {
        self.execution.borrow().clone()
    }

    fn now(&self) -> DateTime {
        self.fake.now()
    }

    fn remaining(&self) -> Duration {
        self.fake.remaining
    }

    fn target(&self, columns: &ColumnSet) -> Option<Record> {
        let mut record = match self.input.borrow().get(parameter::TARGET)? {
            Parameter::Entity(record) => record.clone(),
            Parameter::Value(Value::EntityReference(reference)) => {
                Record::new(reference.entity.clone()).with_id(reference.id)
            }
            _ => return None,
        };
        if let ColumnSet::Named(names) = columns {
            record.attributes.retain(|name, _| names.contains(name));
        }
        record.id = record.id.or(self.execution.borrow().entity_id);
        Some(record)
    }

    fn set_target(&self, attributes: Vec<(String, Value)>) -> Result {
        self.change(&self.input, parameter::TARGET, |target| target.attributes.extend(attributes));
        Ok(())
    }

    fn unset_target(&self, names: Vec<String>) -> Result {
        self.change(&self.input, parameter::TARGET, |target| {
            target.attributes.retain(|name, _| !names.contains(name));
        });
        Ok(())
    }

    fn pre_image(&self, _: &str, columns: &ColumnSet) -> Option<Record> {
        Some(select(self.before.first()?.clone()?, columns))
    }

    fn post_image(&self, _: &str, columns: &ColumnSet) -> Option<Record> {
        Some(select(self.after.borrow().first()?.clone()?, columns))
    }

    fn pre_images(&self, _: &str, columns: &ColumnSet) -> Vec<Option<Record>> {
        select_all(&self.before, columns)
    }

    fn post_images(&self, _: &str, columns: &ColumnSet) -> Vec<Option<Record>> {
        select_all(&self.after.borrow(), columns)
    }

    fn children_image(&self, alias: &str, columns: &ColumnSet) -> Vec<Record> {
        let children = self.children.get(alias).into_iter().flatten();
        children.map(|child| select(child.clone(), columns)).collect()
    }

    fn input_parameters(&self) -> Vec<String> {
        self.input.borrow().iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn input_parameter(&self, name: &str) -> Option<Parameter> {
        self.input.borrow().get(name).cloned()
    }

    fn set_input_parameter(&self, name: &str, parameter: Parameter) -> Result {
        let stages = [Stage::PreValidation, Stage::PreOperation];
        self.set(&self.input, &stages, name, parameter)
    }

    fn output_parameters(&self) -> Vec<String> {
        self.output.borrow().iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn output_parameter(&self, name: &str) -> Option<Parameter> {
        self.output.borrow().get(name).cloned()
    }

    fn set_output_parameter(&self, name: &str, parameter: Parameter) -> Result {
        let stages = [Stage::MainOperation, Stage::PostOperation];
        self.set(&self.output, &stages, name, parameter)
    }

    fn output_entity(&self, columns: &ColumnSet) -> Option<Record> {
        match self.output.borrow().get(parameter::BUSINESS_ENTITY)? {
            Parameter::Entity(record) => Some(select(record.clone(), columns)),
            _ => None,
        }
    }

    fn set_output_entity(&self, attributes: Vec<(String, Value)>) -> Result {
        self.change(&self.output, parameter::BUSINESS_ENTITY, |output| output.attributes.extend(attributes));
        Ok(())
    }

    fn shared_variable(&self, name: &str) -> Option<Value> {
        self.fake.world.borrow().shared.get(name).cloned()
    }

    fn set_shared_variable(&self, name: &str, value: Value) -> Result {
        self.fake.world.borrow_mut().shared.insert(name.to_owned(), value);
        Ok(())
    }

    fn parent_context(&self, _: u32) -> Option<Execution> {
        None
    }

    fn parent_shared_variable(&self, _: u32, _: &str) -> Option<Value> {
        None
    }

    fn configuration(&self) -> Option<String> {
        self.fake.configuration.clone().or_else(|| self.own_configuration.clone())
    }

    fn secure_configuration(&self) -> Option<String> {
        self.fake.secure_configuration.clone()
    }

    fn create(&self, record: Record) -> Result<UniqueIdentifier> {
        self.request(|this| this.fake.world.borrow_mut().create(record))
    }

    fn retrieve(&self, target: EntityReference, columns: &ColumnSet) -> Result<Record> {
        self.request(|this| this.fake.world.borrow().retrieve(&target, columns))
    }

    fn update(&self, record: Record) -> Result {
        self.execute(Request::update_record(record)).map(drop)
    }

    fn delete(&self, target: EntityReference) -> Result {
        self.request(|this| this.fake.world.borrow_mut().delete(&target))
    }

    fn retrieve_multiple(&self, query: QueryExpression) -> Result<EntityCollection> {
        self.request(|this| super::select::select(&this.fake.world.borrow(), &query))
    }

    fn fetch(&self, _: &str) -> Result<EntityCollection> {
        self.request(|_| {
            let text = "The fake reads no FetchXML: write the query with `Query`, or test against a host.";
            Err(Fault::defect(text))
        })
    }

    fn execute(&self, request: Request) -> Result<Parameters> {
        self.request(|this| this.send(request))
    }

    fn execute_transaction(&self, requests: Vec<Request>) -> Result<Vec<Parameters>> {
        self.request(|this| {
            let responses = requests.into_iter().enumerate().map(|(index, request)| {
                let response = this.send(request);
                response.map_err(|fault| fault.with_detail("FaultedRequestIndex", index.to_string()))
            });
            responses.collect()
        })
    }

    fn execute_multiple(
        &self,
        requests: Vec<Request>,
        continue_on_error: bool,
    ) -> Result<Vec<Result<Parameters>>> {
        let mut responses = Vec::new();
        for request in requests {
            let response = self.execute(request);
            let failed = response.is_err();
            responses.push(response);
            if failed && !continue_on_error {
                break;
            }
        }
        Ok(responses)
    }

    fn attempt(&self) -> u32 {
        self.job_attempt()
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        self.job_checkpoint()
    }

    fn save_checkpoint(&self, data: &[u8]) -> Result {
        self.save_job_checkpoint(data)
    }

    fn report_progress(&self, percent: Option<u8>, note: &str) -> Result {
        self.report_job_progress(percent, note)
    }

    fn postpone_until(&self, moment: DateTime) -> Result {
        self.postpone_job_until(moment)
    }

    fn environment(&self, name: &str) -> Result<Option<String>> {
        self.fake.granted_environment(name)
    }

    fn secret(&self, name: &str) -> Result<String> {
        self.fake.granted_secret(name)
    }

    fn configuration_value(&self, key: &str) -> Result<String> {
        self.fake.granted_configuration(key)
    }

    fn trace(&self, line: &str) {
        self.fake.world.borrow_mut().traces.push(line.to_owned());
    }
}

impl FakeServices {
    /// A parameter keeps its type, and changes at its stages only.
    fn set(&self, place: &RefCell<Parameters>, stages: &[Stage], name: &str, parameter: Parameter) -> Result {
        let stage = self.execution.borrow().stage;
        let known = place.borrow().get(name).map(Parameter::type_name);
        let problem = if !stages.contains(&stage) {
            format!("not in {stage:?}")
        } else if known.is_some_and(|known| known != parameter.type_name()) {
            format!("not to one of the type {}", parameter.type_name())
        } else {
            place.borrow_mut().insert(name.to_owned(), parameter);
            return Ok(());
        };
        let text = format!("The parameter `{name}` cannot be changed: {problem}.");
        Err(Fault::new(text).with_code(code::INVALID_ARGUMENT))
    }
}

/// The named attributes of a record, null where it has none.
pub(super) fn select(mut record: Record, columns: &ColumnSet) -> Record {
    if let ColumnSet::Named(names) = columns {
        let values =
            names.iter().map(|name| (name.clone(), record.attributes.remove(name).unwrap_or_default()));
        record.attributes = values.collect();
    }
    record
}

fn select_all(records: &[Option<Record>], columns: &ColumnSet) -> Vec<Option<Record>> {
    records.iter().map(|record| record.clone().map(|record| select(record, columns))).collect()
}
