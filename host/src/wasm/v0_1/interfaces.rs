//! The host's side of the interfaces that a plugin imports.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use super::bindings::stagegate::plugin::{execution_context, organization_service, tracing_service, types};
use super::convert::{
    attributes_in, collection_out, columns_in, context_out, entity_in, entity_out, fault_out,
    fault_record_out, id_out, parameter_in, parameter_out, parameters_out, query_in, reference_in,
    request_in, selected_out, value_in, value_out,
};
use crate::model::error::{Error, ErrorKind};
use crate::model::request::parameter;
use crate::model::{Query, Request, Response, Value};
use crate::pipeline::context::Side;
use crate::pipeline::execution::Execution;
use crate::wasm::run::State;

/// What a guest gets from a call that can be refused: a value, or a fault to handle. A trap must be written out.
pub(super) type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

impl types::Host for State {}

impl execution_context::Host for State {
    fn context(&mut self) -> wasmtime::Result<execution_context::Execution> {
        let active = self.active()?;
        Ok(context_out(&active.execution.context, &active.step.key))
    }

    fn now(&mut self) -> wasmtime::Result<i64> {
        Ok(self.clock.now().0)
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        let left = self.deadline.at.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn target(&mut self, columns: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        let context = &self.active()?.execution.context;
        Ok(match context.target() {
            Some(target) => Some(selected_out(target, columns)),
            None => context.target_entity(&columns_in(columns)).as_ref().map(entity_out),
        })
    }

    fn set_target(&mut self, attributes: Vec<types::Attribute>) -> Answer<()> {
        self.change(|execution| execution.set_target(attributes_in(attributes)?))
    }

    fn unset_target(&mut self, names: Vec<String>) -> Answer<()> {
        self.change(|execution| execution.unset_target(&names))
    }

    fn pre_image(
        &mut self,
        alias: String,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Option<types::Entity>> {
        let active = self.active()?;
        let image = active.execution.context.image(&active.step, Side::Pre, &alias, &columns_in(columns));
        Ok(image.as_ref().map(entity_out))
    }

    fn post_image(
        &mut self,
        alias: String,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Option<types::Entity>> {
        let active = self.active()?;
        let image = active.execution.context.image(&active.step, Side::Post, &alias, &columns_in(columns));
        Ok(image.as_ref().map(entity_out))
    }

    fn pre_images(
        &mut self,
        alias: String,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Vec<Option<types::Entity>>> {
        self.images(Side::Pre, &alias, columns)
    }

    fn post_images(
        &mut self,
        alias: String,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Vec<Option<types::Entity>>> {
        self.images(Side::Post, &alias, columns)
    }

    fn children_image(
        &mut self,
        alias: String,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Vec<types::Entity>> {
        let active = self.active()?;
        let children = active.execution.context.children_image(&active.step, &alias, &columns_in(columns));
        Ok(children.iter().map(entity_out).collect())
    }

    fn input_parameters(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.active()?.execution.context.input.keys().cloned().collect())
    }

    fn input_parameter(&mut self, name: String) -> wasmtime::Result<Option<types::Parameter>> {
        Ok(self.active()?.execution.context.input.get(&name).and_then(parameter_out))
    }

    fn set_input_parameter(&mut self, name: String, parameter: types::Parameter) -> Answer<()> {
        self.change(|execution| execution.set_input(&name, parameter_in(parameter)?))
    }

    fn output_parameters(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.active()?.execution.context.output.keys().cloned().collect())
    }

    fn output_parameter(&mut self, name: String) -> wasmtime::Result<Option<types::Parameter>> {
        Ok(self.active()?.execution.context.output.get(&name).and_then(parameter_out))
    }

    fn set_output_parameter(&mut self, name: String, parameter: types::Parameter) -> Answer<()> {
        self.change(|execution| execution.set_output(&name, parameter_in(parameter)?))
    }

    fn output_entity(&mut self, columns: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        Ok(self.active()?.execution.context.output_entity().map(|entity| selected_out(entity, columns)))
    }

    fn set_output_entity(&mut self, attributes: Vec<types::Attribute>) -> Answer<()> {
        self.change(|execution| execution.set_output_entity(attributes_in(attributes)?))
    }

    fn shared_variable(&mut self, name: String) -> wasmtime::Result<Option<types::Value>> {
        Ok(self.active()?.execution.context.shared.get(&name).map(value_out))
    }

    fn set_shared_variable(&mut self, name: String, value: types::Value) -> Answer<()> {
        self.change(|execution| execution.set_shared(name, value_in(value)?))
    }

    fn parent_context(&mut self, level: u32) -> wasmtime::Result<Option<execution_context::Execution>> {
        let active = self.active()?;
        Ok(active.execution.context.ancestor(level).map(|context| context_out(context, &active.step.key)))
    }

    fn parent_shared_variable(&mut self, level: u32, name: String) -> wasmtime::Result<Option<types::Value>> {
        let ancestor = self.active()?.execution.context.ancestor(level);
        Ok(ancestor.and_then(|context| context.shared.get(&name)).map(value_out))
    }

    fn configuration(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.active()?.step.definition.configuration.clone())
    }

    fn secure_configuration(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.active()?.step.secure_configuration.clone())
    }
}

impl organization_service::Host for State {
    fn create(
        &mut self,
        entity: types::Entity,
    ) -> impl Future<Output = Answer<types::UniqueIdentifier>> + Send {
        self.request("organization-service.create", entity_in(entity).map(Request::create), |response| {
            response.id().map(id_out).ok_or_else(|| no_output("Create"))
        })
    }

    fn retrieve(
        &mut self,
        target: types::EntityReference,
        columns: types::ColumnSet,
    ) -> impl Future<Output = Answer<types::Entity>> + Send {
        let request = Request::retrieve(reference_in(target), columns_in(columns));
        self.request("organization-service.retrieve", Ok(request), |response| {
            response.entity().map(entity_out).ok_or_else(|| no_output("Retrieve"))
        })
    }

    fn update(&mut self, entity: types::Entity) -> impl Future<Output = Answer<()>> + Send {
        self.request("organization-service.update", entity_in(entity).map(Request::update), |_| Ok(()))
    }

    fn delete(&mut self, target: types::EntityReference) -> impl Future<Output = Answer<()>> + Send {
        self.request("organization-service.delete", Ok(Request::delete(reference_in(target))), |_| Ok(()))
    }

    fn retrieve_multiple(
        &mut self,
        query: types::Query,
    ) -> impl Future<Output = Answer<types::EntityCollection>> + Send {
        self.request(
            "organization-service.retrieve-multiple",
            query_in(query).map(Request::retrieve_multiple),
            records_out,
        )
    }

    fn fetch(&mut self, fetch_xml: String) -> impl Future<Output = Answer<types::EntityCollection>> + Send {
        let request = self
            .active()
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
            .and_then(|active| Query::from_fetch_xml(&fetch_xml, &active.execution.schema));
        self.request("organization-service.fetch", request.map(Request::retrieve_multiple), records_out)
    }

    fn execute(
        &mut self,
        request: organization_service::Request,
    ) -> impl Future<Output = Answer<Vec<types::NamedParameter>>> + Send {
        self.request("organization-service.execute", request_in(request), |response| {
            Ok(parameters_out(&response.parameters))
        })
    }

    fn execute_transaction(
        &mut self,
        requests: Vec<organization_service::Request>,
    ) -> impl Future<Output = Answer<Vec<Vec<types::NamedParameter>>>> + Send {
        let requests = requests.into_iter().map(request_in).collect::<Result<Vec<_>, _>>();
        self.request(
            "organization-service.execute-transaction",
            requests.map(Request::execute_transaction),
            |response| {
                let responses = response.responses().iter().filter_map(|item| item.result.as_ref().ok());
                Ok(responses.map(|response| parameters_out(&response.parameters)).collect())
            },
        )
    }

    fn execute_multiple(
        &mut self,
        requests: Vec<organization_service::Request>,
        continue_on_error: bool,
    ) -> impl Future<Output = Answer<Vec<Result<Vec<types::NamedParameter>, types::Fault>>>> + Send {
        let requests = requests.into_iter().map(request_in).collect::<Result<Vec<_>, _>>();
        let request = requests.map(|requests| {
            Request::execute_multiple(requests)
                .with(parameter::CONTINUE_ON_ERROR, Value::Boolean(continue_on_error))
        });
        self.request("organization-service.execute-multiple", request, |response| {
            let results = response.responses().iter().map(|item| match &item.result {
                Ok(response) => Ok(parameters_out(&response.parameters)),
                Err(fault) => Err(fault_record_out(fault.clone())),
            });
            Ok(results.collect())
        })
    }
}

fn records_out(response: &Response) -> Result<types::EntityCollection, Error> {
    response.collection().map(collection_out).ok_or_else(|| no_output("RetrieveMultiple"))
}

impl tracing_service::Host for State {
    fn trace(&mut self, line: String) -> wasmtime::Result<()> {
        if let Some(active) = &self.active {
            tracing::debug!(plugin = active.step.key.plugin, step = active.step.key.step, "{line}");
        }
        self.lines.push(line);
        Ok(())
    }
}

impl State {
    fn images(
        &mut self,
        side: Side,
        alias: &str,
        columns: types::ColumnSet,
    ) -> wasmtime::Result<Vec<Option<types::Entity>>> {
        let active = self.active()?;
        let images = active.execution.context.images(&active.step, side, alias, &columns_in(columns));
        Ok(images.iter().map(|image| image.as_ref().map(entity_out)).collect())
    }

    fn change(&mut self, change: impl FnOnce(&mut Execution) -> Result<(), Error>) -> Answer<()> {
        Ok(change(&mut self.active()?.execution).map_err(|error| self.refuse(error)))
    }

    /// Issues a request, in the call of that name.
    async fn request<T>(
        &mut self,
        name: &'static str,
        request: Result<Request, Error>,
        answer: impl FnOnce(&Response) -> Result<T, Error> + Send,
    ) -> Answer<T> {
        let request = match request {
            Ok(request) => request,
            Err(error) => return Ok(Err(self.refuse(error))),
        };
        let active = self.active()?;
        let call = Arc::clone(&active.organization).execute(active.execution.nested().sandboxed(), request);
        self.wait(name, async { answer(&call.await?) }).await
    }

    /// Waits for a call to the host, `interface.function`, within what is left of the step's time. Past the deadline the
    /// guest is not asked any more: the error traps.
    pub(super) async fn wait<T>(
        &mut self,
        name: &'static str,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Answer<T> {
        let asked = Instant::now();
        self.place.calls(name);
        let outcome = tokio::time::timeout_at(self.call_bound.into(), call).await;
        let timed_out = || crate::pipeline::timed_out(self.deadline, self.place.computing());
        let outcome = outcome.unwrap_or_else(|_elapsed| Err(timed_out()));
        // What the pipeline found to be over between two steps is over in this call.
        let outcome = outcome.map_err(|error| if error.is_between_steps() { timed_out() } else { error });
        self.place.answered(self.deadline.is_past());
        if let Some(track) = &self.track {
            track.call(name, asked);
        }
        match outcome {
            Ok(value) => Ok(Ok(value)),
            Err(error) if error.is_timeout() => Err(error.in_host_call(name).into()),
            Err(error) => Ok(Err(self.refuse(error))),
        }
    }

    /// Remembers an error that the guest is told as a fault: if it passes the fault on, the error's own place counts.
    pub(super) fn refuse(&mut self, error: Error) -> types::Fault {
        let fault = fault_out(&error);
        self.last_refusal = Some(error);
        fault
    }
}

fn no_output(message: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{message} returned without its output parameter"))
}
