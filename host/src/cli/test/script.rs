//! Scripted steps: native steps whose actions a scenario file lists, so that a rule needs no plugin to be shown.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::raw::{RawAction, RawFail};
use super::template::{Memory, Template};
use crate::cli::failure::Failure;
use crate::cli::label;
use crate::cli::requests::{Pairs, RawRequest, Reader, decode, each, object};
use crate::cli::value;
use crate::model::{Attributes, Fault, OperationStatus, Parameters, Request, StepDefinition, Value};
use crate::pipeline::native::{NativeStep, StepContext};

/// A step and what it does.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    /// The plugin that it counts as one of.
    pub(super) plugin: String,
    /// Its registration.
    pub(super) definition: StepDefinition,
    actions: Arc<Vec<Action>>,
}

/// The plugin of steps that do not say one.
const PLUGIN: &str = "scenario";

#[derive(Debug)]
enum Action {
    Set(Attributes),
    Unset(Vec<String>),
    Input(Parameters),
    Output(Parameters),
    Share(Vec<(String, Value)>),
    Trace(Template),
    Fail { message: Template, code: Option<i32>, status: OperationStatus },
    Request { request: Request, catch: bool },
}

impl Scripted {
    /// Reads a step: `plugin` and `do`, and the keys of a registration.
    pub(super) fn read<'s>(reader: &Reader<'s, '_>, raw: &'s RawValue, path: &str) -> Result<Self, Failure> {
        let Pairs(members) = object(reader.source, raw.get(), path)?;
        let mut plugin = PLUGIN.to_owned();
        let mut actions: Vec<&'s RawValue> = Vec::new();
        let mut registration = serde_json::Map::new();
        for (name, raw) in &members {
            match name.as_str() {
                "plugin" => plugin = decode(reader.source, raw.get(), &format!("{path}.plugin"))?,
                "do" => actions = decode(reader.source, raw.get(), &format!("{path}.do"))?,
                _ => {
                    let mut value = decode(reader.source, raw.get(), &format!("{path}.{name}"))?;
                    if name == "run_as" || name == "when" {
                        label::resolve(&mut value);
                    }
                    registration.insert(name.clone(), value);
                }
            }
        }
        let definition: StepDefinition =
            serde_path_to_error::deserialize(serde_json::Value::Object(registration)).map_err(|error| {
                // The registration was put together anew, so its members are found again by name.
                let key = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
                let found = members.iter().find(|(name, _)| *name == key).map(|(_, raw)| *raw);
                let at = if found.is_some() { format!("{path}.{key}") } else { path.to_owned() };
                reader.wrong(error.into_inner().to_string(), found.unwrap_or(raw), &at)
            })?;
        let actions =
            each(&actions, &format!("{path}.do"), |raw, path| Action::read(reader, &definition, raw, path))?;
        Ok(Self { plugin, definition, actions: Arc::new(actions) })
    }

    /// The step to register.
    pub(super) fn native(&self) -> NativeStep {
        let actions = Arc::clone(&self.actions);
        NativeStep::new(move |cx| {
            let actions = Arc::clone(&actions);
            async move {
                let mut memory = Memory::default();
                for action in actions.iter() {
                    action.run(&cx, &mut memory).await?;
                }
                Ok(())
            }
        })
    }
}

impl Action {
    fn read<'s>(
        reader: &Reader<'s, '_>,
        step: &StepDefinition,
        raw: &'s RawValue,
        path: &str,
    ) -> Result<Self, Failure> {
        let request = |raw: &'s RawValue, path: &str| {
            let request: RawRequest<'s> = object(reader.source, raw.get(), path)?;
            reader.request(&request, None, path)
        };
        Ok(match object(reader.source, raw.get(), path)? {
            RawAction::Set(pairs) => Self::Set(set(reader, step, &pairs, raw, path)?),
            RawAction::Unset(names) => Self::Unset(names),
            RawAction::Input(pairs) => {
                let (message, entity) = (step.message.as_str(), step.entity.as_deref());
                Self::Input(reader.input(message, entity, &pairs, &format!("{path}.input"))?)
            }
            RawAction::Output(pairs) => {
                let (message, entity) = (step.message.as_str(), step.entity.as_deref());
                Self::Output(reader.output(message, entity, &pairs, &format!("{path}.output"))?)
            }
            RawAction::Share(pairs) => Self::Share(share(reader, &pairs, path)?),
            RawAction::Trace(raw) => Self::Trace(template(reader, raw, &format!("{path}.trace"))?),
            RawAction::Fail(raw) => fail(reader, raw, &format!("{path}.fail"))?,
            RawAction::Request(raw) => {
                Self::Request { request: request(raw, &format!("{path}.request"))?, catch: false }
            }
            RawAction::Try(raw) => {
                Self::Request { request: request(raw, &format!("{path}.try"))?, catch: true }
            }
        })
    }

    async fn run(&self, cx: &StepContext, memory: &mut Memory) -> Result<(), Fault> {
        match self {
            Self::Set(attributes) => cx.set_target(attributes.clone())?,
            Self::Unset(names) => cx.unset_target(names)?,
            Self::Input(parameters) => {
                for (name, parameter) in parameters {
                    cx.set_input(name, parameter.clone())?;
                }
            }
            Self::Output(parameters) => {
                for (name, parameter) in parameters {
                    cx.set_output(name, parameter.clone())?;
                }
            }
            Self::Share(variables) => {
                for (name, value) in variables {
                    cx.set_shared_variable(name, value.clone())?;
                }
            }
            Self::Trace(template) => cx.trace(template.fill(cx, memory)?),
            Self::Fail { message, code, status } => {
                let mut fault = Fault::new(message.fill(cx, memory)?);
                fault.code = code.unwrap_or(fault.code);
                fault.status = *status;
                return Err(fault);
            }
            Self::Request { request, catch } => match cx.execute(request.clone()).await {
                Ok(response) => memory.response = Some(response),
                Err(error) if *catch => memory.caught = Some(error),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }
}

fn set<'s>(
    reader: &Reader<'s, '_>,
    step: &StepDefinition,
    pairs: &Pairs<'s>,
    raw: &RawValue,
    path: &str,
) -> Result<Attributes, Failure> {
    let Some(entity) = &step.entity else {
        let message = "`set` needs the step's \"entity\", which gives the values their types";
        return Err(reader.wrong(message, raw, path));
    };
    let definition = reader.schema.entity(entity);
    let definition = definition.map_err(|error| reader.wrong(error.message(), raw, path))?;
    reader.attributes(definition, pairs, &format!("{path}.set"))
}

fn share<'s>(
    reader: &Reader<'s, '_>,
    pairs: &Pairs<'s>,
    path: &str,
) -> Result<Vec<(String, Value)>, Failure> {
    let variable = |(name, raw): &(String, &'s RawValue)| {
        let read = value::literal(raw.get());
        let read = read.map_err(|message| reader.wrong(message, raw, &format!("{path}.share.{name}")))?;
        Ok((name.clone(), read))
    };
    pairs.0.iter().map(variable).collect()
}

fn fail<'s>(reader: &Reader<'s, '_>, raw: &'s RawValue, path: &str) -> Result<Action, Failure> {
    if !raw.get().starts_with('{') {
        let message = template(reader, raw, path)?;
        return Ok(Action::Fail { message, code: None, status: OperationStatus::Failed });
    }
    let given: RawFail<'s> = object(reader.source, raw.get(), path)?;
    Ok(Action::Fail {
        message: template(reader, given.message, &format!("{path}.message"))?,
        code: given.code,
        status: given.status.unwrap_or(OperationStatus::Failed),
    })
}

fn template<'s>(reader: &Reader<'s, '_>, raw: &'s RawValue, path: &str) -> Result<Template, Failure> {
    let text: String = decode(reader.source, raw.get(), path)?;
    Template::parse(&text).map_err(|message| reader.wrong(message, raw, path))
}
