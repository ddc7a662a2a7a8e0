//! The optional parameters that any request may have: they are the pipeline's, and no core operation sees them.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{Mode, Parameter, Parameters, Value};
use crate::pipeline::registry::Step;

/// What a request asks of the pipeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// A value for all of its steps.
    pub(crate) tag: Option<Value>,
    /// The steps that it passes over.
    pub(crate) bypass: Bypass,
}

/// The steps that a request passes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bypass {
    synchronous: bool,
    asynchronous: bool,
    steps: Vec<String>,
}

impl Options {
    /// Takes the options out of a request's parameters. Only trusted code may pass over steps: otherwise a plugin could
    /// take the rules of others away.
    pub(crate) fn take(message: &str, parameters: &mut Parameters, trusted: bool) -> Result<Self> {
        let mut options = Self::default();
        if let Some(tag) = parameters.remove(parameter::TAG) {
            let Parameter::Value(tag) = tag else {
                return Err(wrong(message, parameter::TAG, "a plain value"));
            };
            options.tag = Some(tag);
        }
        let bypass = &mut options.bypass;
        for part in texts(message, parameters, parameter::BYPASS_BUSINESS_LOGIC)? {
            match part.as_str() {
                "CustomSync" => bypass.synchronous = true,
                "CustomAsync" => bypass.asynchronous = true,
                _ => {
                    return Err(wrong(
                        message,
                        parameter::BYPASS_BUSINESS_LOGIC,
                        "CustomSync, CustomAsync or both",
                    ));
                }
            }
        }
        bypass.steps = texts(message, parameters, parameter::BYPASS_STEPS)?;
        match parameters.remove(parameter::BYPASS_PLUGINS) {
            None => {}
            Some(Parameter::Value(Value::Boolean(flag))) => bypass.synchronous |= flag,
            Some(_) => return Err(wrong(message, parameter::BYPASS_PLUGINS, "a boolean")),
        }
        if !trusted && options.bypass != Bypass::default() {
            return Err(Error::new(
                ErrorKind::Denied,
                format!("{message} cannot pass over steps when a plugin issues it; leave the parameter out"),
            ));
        }
        Ok(options)
    }

    /// These, and where they say nothing, those of the request that this one runs as.
    pub(crate) fn or(mut self, outer: Self) -> Self {
        self.tag = self.tag.or(outer.tag);
        self.bypass.synchronous |= outer.bypass.synchronous;
        self.bypass.asynchronous |= outer.bypass.asynchronous;
        self.bypass.steps.extend(outer.bypass.steps);
        self
    }
}

impl Bypass {
    /// Whether the request passes over a step.
    pub(crate) fn covers(&self, step: &Step) -> bool {
        let mode = match step.definition.mode {
            Mode::Synchronous => self.synchronous,
            Mode::Asynchronous => self.asynchronous,
        };
        step.definition.bypassable && (mode || self.steps.iter().any(|named| *named == step.key.to_string()))
    }
}

/// The parts of a text with commas.
fn texts(message: &str, parameters: &mut Parameters, name: &str) -> Result<Vec<String>> {
    match parameters.remove(name) {
        None => Ok(Vec::new()),
        Some(Parameter::Value(Value::String(text))) => {
            Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
        }
        Some(_) => Err(wrong(message, name, "text with commas")),
    }
}

fn wrong(message: &str, name: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the parameter `{name}` of {message} must be {wanted}"))
}
