//! Parameters and requests, as the contract's types and this crate's.

use super::bindings::stagegate::plugin::{organization_service, types};
use super::convert::*;
use super::queries::{query_in, query_out};
use crate::parameters::{Parameter, Parameters, Upserted};
use crate::request::Request;

pub(super) fn parameter_in(parameter: types::Parameter) -> Parameter {
    match parameter {
        types::Parameter::Value(value) => Parameter::Value(value_in(value)),
        types::Parameter::Strings(texts) => Parameter::Strings(texts),
        types::Parameter::Ids(ids) => Parameter::Ids(ids.into_iter().map(identifier_in).collect()),
        types::Parameter::Entity(entity) => Parameter::Entity(record_in(entity)),
        types::Parameter::Entities(entities) => Parameter::Entities(collection_in(entities)),
        types::Parameter::References(references) => {
            Parameter::References(references.into_iter().map(reference_in).collect())
        }
        types::Parameter::Columns(columns) => Parameter::Columns(columns_in(columns)),
        types::Parameter::Query(query) => Parameter::Query(query_in(query)),
        types::Parameter::Upserts(results) => {
            let results = results.into_iter().map(|result| Upserted {
                target: reference_in(result.target),
                record_created: result.record_created,
            });
            Parameter::Upserts(results.collect())
        }
    }
}

pub(super) fn parameter_out(parameter: Parameter) -> types::Parameter {
    match parameter {
        Parameter::Value(value) => types::Parameter::Value(value_out(value)),
        Parameter::Strings(texts) => types::Parameter::Strings(texts),
        Parameter::Ids(ids) => types::Parameter::Ids(ids.into_iter().map(identifier_out).collect()),
        Parameter::Entity(record) => types::Parameter::Entity(record_out(record)),
        Parameter::Entities(entities) => types::Parameter::Entities(collection_out(entities)),
        Parameter::References(references) => {
            types::Parameter::References(references.into_iter().map(reference_out).collect())
        }
        Parameter::Columns(columns) => types::Parameter::Columns(columns_out(&columns)),
        Parameter::Query(query) => types::Parameter::Query(query_out(query)),
        Parameter::Upserts(results) => {
            let results = results.into_iter().map(|result| types::UpsertResult {
                target: reference_out(result.target),
                record_created: result.record_created,
            });
            types::Parameter::Upserts(results.collect())
        }
    }
}

pub(super) fn parameters_in(parameters: Vec<types::NamedParameter>) -> Parameters {
    parameters.into_iter().map(|named| (named.name, parameter_in(named.parameter))).collect()
}

pub(super) fn request_out(request: Request) -> organization_service::Request {
    let named = request
        .parameters
        .into_iter()
        .map(|(name, parameter)| types::NamedParameter { name, parameter: parameter_out(parameter) });
    organization_service::Request {
        message: request.message,
        parameters: named.collect(),
        user: request.user.map(identifier_out),
    }
}
