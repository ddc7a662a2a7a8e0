//! How requests reach the host: by the function for their message, or with options, as requests for any message.

use super::Organization;
use crate::parameters::{ParameterType, Parameters, parameter};
use crate::query::QueryExpression;
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::request::Request;
// A trait object's methods need no import.
#[cfg(target_arch = "wasm32")]
use crate::services::Services;
use crate::value::{EntityReference, UniqueIdentifier, Value};
use crate::{Fault, Result};

/// What all requests of an [`Organization`] have in common: nothing, or [`Options`].
///
/// A type, so that the compiler knows which functions of the host a component needs.
pub trait Route: Clone {
    #[doc(hidden)]
    const PLAIN: bool;

    #[doc(hidden)]
    fn options(&self) -> Options;

    #[doc(hidden)]
    fn dress(&self, request: Request) -> Request;
}

/// Requests of the step's user, with nothing more to them.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// Requests of another user, or with a tag.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) user: Option<UniqueIdentifier>,
    pub(super) tag: Option<Value>,
}

impl Route for Plain {
    const PLAIN: bool = true;

    fn options(&self) -> Options {
        Options::default()
    }

    fn dress(&self, request: Request) -> Request {
        request
    }
}

impl Route for Options {
    const PLAIN: bool = false;

    fn options(&self) -> Options {
        self.clone()
    }

    /// A request's own options count.
    fn dress(&self, mut request: Request) -> Request {
        request.user = request.user.or(self.user);
        match &self.tag {
            Some(tag) if request.parameters.get(parameter::TAG).is_none() => request.tag(tag.clone()),
            _ => request,
        }
    }
}

/// Each branch is decided when the plugin is compiled, and the other one is not in the component.
impl<R: Route> Organization<R> {
    pub(super) fn send_create(&self, record: Record) -> Result<UniqueIdentifier> {
        if const { R::PLAIN } {
            return self.services.create(record);
        }
        output(self.execute(Request::create(record))?, "Create", parameter::ID)
    }

    pub(super) fn send_retrieve(&self, reference: EntityReference, columns: ColumnSet) -> Result<Record> {
        if const { R::PLAIN } {
            return self.services.retrieve(reference, &columns);
        }
        let request = Request::retrieve(reference, columns);
        output(self.execute(request)?, "Retrieve", parameter::BUSINESS_ENTITY)
    }

    pub(super) fn send_update(&self, record: Record) -> Result {
        if const { R::PLAIN } {
            return self.services.update(record);
        }
        self.execute(Request::update_record(record)).map(drop)
    }

    pub(super) fn send_delete(&self, reference: EntityReference) -> Result {
        if const { R::PLAIN } {
            return self.services.delete(reference);
        }
        self.execute(Request::delete(reference)).map(drop)
    }

    pub(super) fn send_retrieve_multiple(&self, query: QueryExpression) -> Result<EntityCollection> {
        if const { R::PLAIN } {
            return self.services.retrieve_multiple(query);
        }
        let request = Request::new("RetrieveMultiple").with(parameter::QUERY, query);
        output(self.execute(request)?, "RetrieveMultiple", parameter::BUSINESS_ENTITY_COLLECTION)
    }
}

/// The output parameter that a message always has.
pub(super) fn output<T: ParameterType>(mut output: Parameters, message: &str, name: &str) -> Result<T> {
    output.remove(name).and_then(T::from_parameter).ok_or_else(|| without(message, name))
}

#[cold]
pub(super) fn without(message: &str, name: &str) -> Fault {
    Fault::defect(format!("The message {message} returned without its output parameter `{name}`."))
}
