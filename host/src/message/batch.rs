//! ExecuteTransaction and ExecuteMultiple: requests that come together.

use async_trait::async_trait;

use super::{
    Composite, CoreOperation, REQUESTS_MAX, Subject, Traits, check_names, flag_parameter, invalid, missing,
};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{Message, Parameter, Parameters, Schema};

pub(super) struct ExecuteTransaction;

#[async_trait]
impl CoreOperation for ExecuteTransaction {
    fn name(&self) -> &'static str {
        Message::EXECUTE_TRANSACTION
    }

    fn traits(&self) -> Traits {
        Traits::composite(Composite::ExecuteTransaction, REASON)
    }

    fn check(&self, _schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::REQUESTS, parameter::RETURN_RESPONSES])?;
        check(message, input)
    }
}

pub(super) struct ExecuteMultiple;

#[async_trait]
impl CoreOperation for ExecuteMultiple {
    fn name(&self) -> &'static str {
        Message::EXECUTE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits::composite(Composite::ExecuteMultiple, REASON)
    }

    fn check(&self, _schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        let known = [parameter::REQUESTS, parameter::RETURN_RESPONSES, parameter::CONTINUE_ON_ERROR];
        check_names(message, input, &known)?;
        flag_parameter(message, input, parameter::CONTINUE_ON_ERROR)?;
        check(message, input)
    }
}

const REASON: &str = "it only carries other requests: register steps on their messages";

fn check(message: &str, input: &Parameters) -> Result<Subject> {
    let requests = match input.get(parameter::REQUESTS) {
        Some(Parameter::Requests(requests)) => requests,
        other => return Err(missing(message, parameter::REQUESTS, "requests", other)),
    };
    flag_parameter(message, input, parameter::RETURN_RESPONSES)?;
    if requests.len() > REQUESTS_MAX {
        let problem = format!("{message} has {} requests; {REQUESTS_MAX} is the most", requests.len());
        return Err(invalid(problem).with_detail("MaxBatchSize", REQUESTS_MAX.to_string()));
    }
    let nests = |name: &str| matches!(name, Message::EXECUTE_MULTIPLE | Message::EXECUTE_TRANSACTION);
    // As on the platform: a batch may hold a transaction, and nothing else nests.
    let inner = requests.iter().find(|request| {
        nests(&request.message)
            && !(message == Message::EXECUTE_MULTIPLE && request.message == Message::EXECUTE_TRANSACTION)
    });
    match inner {
        None => Ok(Subject::default()),
        Some(inner) => Err(invalid(format!(
            "{message} cannot carry an {}; put its requests into this one, or issue it by itself",
            inner.message
        ))),
    }
}
