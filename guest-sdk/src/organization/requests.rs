//! The other messages, and requests for any.

use super::{Organization, Route};
use crate::Result;
use crate::custom::{CustomMessage, Response};
use crate::parameters::Parameters;
use crate::request::Request;
// A trait object's methods need no import.
#[cfg(target_arch = "wasm32")]
use crate::services::Services;
use crate::value::{Choice, EntityReference};

impl<R: Route> Organization<R> {
    /// Relates records to the target by the relationship of that name.
    ///
    /// # Errors
    /// If there is no such relationship between their entities, or one of the records does not exist.
    pub fn associate<T: Into<EntityReference>>(
        &self,
        target: impl Into<EntityReference>,
        relationship: &str,
        related: impl IntoIterator<Item = T>,
    ) -> Result {
        let related = related.into_iter().map(Into::into).collect();
        self.execute(Request::associate(target, relationship, related)).map(drop)
    }

    /// Takes the relation of records to the target away.
    ///
    /// # Errors
    /// If there is no such relationship between their entities.
    pub fn disassociate<T: Into<EntityReference>>(
        &self,
        target: impl Into<EntityReference>,
        relationship: &str,
        related: impl IntoIterator<Item = T>,
    ) -> Result {
        let related = related.into_iter().map(Into::into).collect();
        self.execute(Request::disassociate(target, relationship, related)).map(drop)
    }

    /// Gives a record another owner.
    ///
    /// # Errors
    /// If the record does not exist, or its entity has no owner.
    pub fn assign(&self, target: impl Into<EntityReference>, assignee: impl Into<EntityReference>) -> Result {
        self.execute(Request::assign(target, assignee)).map(drop)
    }

    /// Gives a record another state and status; without a status, the default one of the state.
    ///
    /// # Errors
    /// If the record does not exist, or its entity does not allow the two together.
    pub fn set_state(
        &self,
        target: impl Into<EntityReference>,
        state: impl Into<Choice>,
        status: Option<Choice>,
    ) -> Result {
        self.execute(Request::set_state(target, state, status)).map(drop)
    }

    /// Calls a custom message and answers its response.
    ///
    /// # Errors
    /// If there is no such message, or the response lacks a property that the struct needs.
    pub fn call<M: CustomMessage>(&self, message: M) -> Result<M::Response> {
        let mut output = self.execute(Request::call(message))?;
        M::Response::take(&mut |name| output.remove(name))
    }

    /// Runs a request for any message and answers its output parameters.
    ///
    /// # Errors
    /// If there is no such message.
    pub fn execute(&self, request: Request) -> Result<Parameters> {
        self.services.execute(self.route.dress(request))
    }

    /// Runs requests in their order and in one transaction, all or none: that of the step, where it has one.
    ///
    /// # Errors
    /// That of the first request that failed, with its index in the detail `FaultedRequestIndex`.
    pub fn execute_transaction(
        &self,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<Vec<Parameters>> {
        self.services.execute_transaction(self.dressed(requests))
    }

    /// Runs requests in their order, each for itself. Without `continue_on_error` the answer ends with the first that
    /// failed. Inside a transaction a request that fails dooms it all the same.
    ///
    /// # Errors
    /// If the requests could not be run at all; each one's own fault is in the answer.
    pub fn execute_multiple(
        &self,
        requests: impl IntoIterator<Item = Request>,
        continue_on_error: bool,
    ) -> Result<Vec<Result<Parameters>>> {
        self.services.execute_multiple(self.dressed(requests), continue_on_error)
    }

    fn dressed(&self, requests: impl IntoIterator<Item = Request>) -> Vec<Request> {
        requests.into_iter().map(|request| self.route.dress(request)).collect()
    }
}
