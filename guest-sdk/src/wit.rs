//! The host's side of the contract: the only module that knows the generated bindings.

#[rustfmt::skip]
#[allow(unsafe_code, missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
pub mod bindings;
mod convert;
mod declared;
mod parameters;
mod queries;

use std::time::Duration;

use bindings::exports::stagegate::plugin::steps as exported;
use bindings::stagegate::plugin::{
    capabilities, execution_context, organization_service, system_job, tracing_service, types,
};
use convert::*;
use declared::*;
use parameters::*;
use queries::*;

use crate::context::Context;
use crate::declaration::Declaration;
use crate::parameters::{Parameter, Parameters};
use crate::query::QueryExpression;
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::request::Request;
use crate::services::{Execution, Handle, Services};
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};
use crate::{Fault, Result};

/// The plugin's declaration, for the component's export.
pub fn declare(declaration: &Declaration) -> exported::Declaration {
    exported::Declaration {
        steps: declaration.steps.iter().map(|entry| step_out(&entry.declaration)).collect(),
        entities: declaration
            .entities()
            .into_iter()
            .map(|(logical_name, attributes)| exported::EntityDeclaration {
                logical_name: logical_name.to_owned(),
                attributes: attributes.iter().map(attribute_out).collect(),
            })
            .collect(),
        messages: declaration.messages().into_iter().map(message_out).collect(),
        properties: declaration
            .properties()
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        asks: asks_out(&declaration.asks),
    }
}

/// Runs one step, for the component's export.
pub fn execute(declaration: &Declaration, step: &str) -> Result<(), types::Fault> {
    let entry = declaration.steps.iter().find(|entry| entry.declaration.name == step);
    let result = match entry {
        Some(entry) => (entry.run)(Context::new(host())),
        None => Err(Fault::defect(format!(
            "The plugin `{}` {} has no step `{step}`: register the component again.",
            declaration.name, declaration.version
        ))),
    };
    result.map_err(|fault| fault_out(&fault))
}

/// Sends a line to the host.
pub(crate) fn trace(line: &str) {
    tracing_service::trace(line);
}

/// The host that runs this component.
#[derive(Clone)]
pub(crate) struct Host;

#[cfg(target_arch = "wasm32")]
fn host() -> Handle {
    Host
}

#[cfg(not(target_arch = "wasm32"))]
fn host() -> Handle {
    std::rc::Rc::new(Host)
}

impl Services for Host {
    fn context(&self) -> Execution {
        execution_in(execution_context::context())
    }

    fn now(&self) -> DateTime {
        DateTime::from_millis(execution_context::now())
    }

    fn remaining(&self) -> Duration {
        Duration::from_millis(execution_context::remaining_ms())
    }

    fn target(&self, columns: &ColumnSet) -> Option<Record> {
        execution_context::target(&columns_out(columns)).map(record_in)
    }

    fn set_target(&self, attributes: Vec<(String, Value)>) -> Result {
        execution_context::set_target(&attributes_out(attributes)).map_err(fault_in)
    }

    fn unset_target(&self, names: Vec<String>) -> Result {
        execution_context::unset_target(&names).map_err(fault_in)
    }

    fn pre_image(&self, alias: &str, columns: &ColumnSet) -> Option<Record> {
        execution_context::pre_image(alias, &columns_out(columns)).map(record_in)
    }

    fn post_image(&self, alias: &str, columns: &ColumnSet) -> Option<Record> {
        execution_context::post_image(alias, &columns_out(columns)).map(record_in)
    }

    fn pre_images(&self, alias: &str, columns: &ColumnSet) -> Vec<Option<Record>> {
        images_in(execution_context::pre_images(alias, &columns_out(columns)))
    }

    fn post_images(&self, alias: &str, columns: &ColumnSet) -> Vec<Option<Record>> {
        images_in(execution_context::post_images(alias, &columns_out(columns)))
    }

    fn children_image(&self, alias: &str, columns: &ColumnSet) -> Vec<Record> {
        execution_context::children_image(alias, &columns_out(columns)).into_iter().map(record_in).collect()
    }

    fn input_parameters(&self) -> Vec<String> {
        execution_context::input_parameters()
    }

    fn input_parameter(&self, name: &str) -> Option<Parameter> {
        execution_context::input_parameter(name).map(parameter_in)
    }

    fn set_input_parameter(&self, name: &str, parameter: Parameter) -> Result {
        execution_context::set_input_parameter(name, &parameter_out(parameter)).map_err(fault_in)
    }

    fn output_parameters(&self) -> Vec<String> {
        execution_context::output_parameters()
    }

    fn output_parameter(&self, name: &str) -> Option<Parameter> {
        execution_context::output_parameter(name).map(parameter_in)
    }

    fn set_output_parameter(&self, name: &str, parameter: Parameter) -> Result {
        execution_context::set_output_parameter(name, &parameter_out(parameter)).map_err(fault_in)
    }

    fn output_entity(&self, columns: &ColumnSet) -> Option<Record> {
        execution_context::output_entity(&columns_out(columns)).map(record_in)
    }

    fn set_output_entity(&self, attributes: Vec<(String, Value)>) -> Result {
        execution_context::set_output_entity(&attributes_out(attributes)).map_err(fault_in)
    }

    fn shared_variable(&self, name: &str) -> Option<Value> {
        execution_context::shared_variable(name).map(value_in)
    }

    fn set_shared_variable(&self, name: &str, value: Value) -> Result {
        execution_context::set_shared_variable(name, &value_out(value)).map_err(fault_in)
    }

    fn parent_context(&self, level: u32) -> Option<Execution> {
        execution_context::parent_context(level).map(execution_in)
    }

    fn parent_shared_variable(&self, level: u32, name: &str) -> Option<Value> {
        execution_context::parent_shared_variable(level, name).map(value_in)
    }

    fn configuration(&self) -> Option<String> {
        execution_context::configuration()
    }

    fn secure_configuration(&self) -> Option<String> {
        execution_context::secure_configuration()
    }

    fn create(&self, record: Record) -> Result<UniqueIdentifier> {
        organization_service::create(&record_out(record)).map(identifier_in).map_err(fault_in)
    }

    fn retrieve(&self, target: EntityReference, columns: &ColumnSet) -> Result<Record> {
        organization_service::retrieve(&reference_out(target), &columns_out(columns))
            .map(record_in)
            .map_err(fault_in)
    }

    fn update(&self, record: Record) -> Result {
        organization_service::update(&record_out(record)).map_err(fault_in)
    }

    fn delete(&self, target: EntityReference) -> Result {
        organization_service::delete(&reference_out(target)).map_err(fault_in)
    }

    fn retrieve_multiple(&self, query: QueryExpression) -> Result<EntityCollection> {
        organization_service::retrieve_multiple(&query_out(query)).map(collection_in).map_err(fault_in)
    }

    fn fetch(&self, fetch_xml: &str) -> Result<EntityCollection> {
        organization_service::fetch(fetch_xml).map(collection_in).map_err(fault_in)
    }

    fn execute(&self, request: Request) -> Result<Parameters> {
        organization_service::execute(&request_out(request)).map(parameters_in).map_err(fault_in)
    }

    fn execute_transaction(&self, requests: Vec<Request>) -> Result<Vec<Parameters>> {
        let requests: Vec<_> = requests.into_iter().map(request_out).collect();
        organization_service::execute_transaction(&requests)
            .map(|responses| responses.into_iter().map(parameters_in).collect())
            .map_err(fault_in)
    }

    fn execute_multiple(
        &self,
        requests: Vec<Request>,
        continue_on_error: bool,
    ) -> Result<Vec<Result<Parameters>>> {
        let requests: Vec<_> = requests.into_iter().map(request_out).collect();
        organization_service::execute_multiple(&requests, continue_on_error)
            .map(|responses| {
                let results = responses.into_iter();
                results.map(|result| result.map(parameters_in).map_err(fault_in)).collect()
            })
            .map_err(fault_in)
    }

    fn attempt(&self) -> u32 {
        system_job::attempt()
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        system_job::checkpoint()
    }

    fn save_checkpoint(&self, data: &[u8]) -> Result {
        system_job::save_checkpoint(data).map_err(fault_in)
    }

    fn report_progress(&self, percent: Option<u8>, note: &str) -> Result {
        system_job::report_progress(percent, note).map_err(fault_in)
    }

    fn postpone_until(&self, moment: DateTime) -> Result {
        system_job::postpone_until(moment.as_millis()).map_err(fault_in)
    }

    fn environment(&self, name: &str) -> Result<Option<String>> {
        capabilities::environment(name).map_err(fault_in)
    }

    fn secret(&self, name: &str) -> Result<String> {
        capabilities::secret(name).map_err(fault_in)
    }

    fn configuration_value(&self, key: &str) -> Result<String> {
        capabilities::configuration(key).map_err(fault_in)
    }

    fn trace(&self, line: &str) {
        trace(line);
    }
}
