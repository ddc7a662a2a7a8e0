//! Custom messages.

use super::Message;
use super::images::{apply, is_after, is_before};
use crate::context::{Context, Stage};
use crate::custom::{CustomMessage, Response};
use crate::declaration::{EntityDeclaration, MessageDeclaration};
use crate::parameters::{Parameter, Parameters};
use crate::record::Record;
use crate::{Fault, Result, Step};

/// A custom message is called.
///
/// The step at MainOperation *is* the message: `fn approve(ctx: &mut Call<Approve>) -> Result<Approved>`, or `-> Result`
/// for a message without response. Other steps return `Result`, as on any message. What one changes in `request` before
/// the main operation is what that sees, and what one changes in `response` after it is what the caller gets.
///
/// [`CustomMessage`] has an example.
pub struct Call<M: CustomMessage> {
    pub(super) context: Context,
    read: Parameters,
    answered: bool,
    /// What the message was called with.
    pub request: M,
    /// What the caller gets, in PostOperation: none if the message has no main operation, or that left out a property
    /// that the struct needs.
    pub response: Option<M::Response>,
}

impl<M: CustomMessage> Message for Call<M> {
    type Data = Record;
    type Answer = M::Response;
    const NAME: &'static str = M::DECLARATION.name;
    const DECLARED_ENTITY: Option<&'static EntityDeclaration> = M::TARGET;
    const DECLARED_MESSAGE: Option<&'static MessageDeclaration> = Some(&M::DECLARATION);

    fn load<S: Step>(context: Context) -> Result<Self> {
        let mut read = Parameters::default();
        let request = {
            let mut get = |name: &str| {
                let parameter = context.input_parameter(name)?;
                if const { is_before::<S>() } {
                    read.insert(name.to_owned(), parameter.clone());
                }
                Some(parameter)
            };
            M::take(&mut get)?
        };
        let mut response = None;
        if const { is_after::<S>() } {
            let mut get = |name: &str| {
                let parameter = context.output_parameter(name)?;
                read.insert(name.to_owned(), parameter.clone());
                Some(parameter)
            };
            response = M::Response::take(&mut get).ok();
        }
        Ok(Self { read, answered: false, request, response, context })
    }

    fn answer(&mut self, answer: M::Response) {
        (self.response, self.answered) = (Some(answer), true);
    }

    fn store<S: Step>(self) -> Result {
        let Self { context, read, request, response, answered } = self;
        if const { is_before::<S>() } {
            let as_read = written(M::take(&mut |name| read.get(name).cloned())?, M::put);
            let changed = changed(&read, &as_read, written(request, M::put))?;
            return changed.into_iter().try_for_each(|(name, now)| context.set_input_parameter(&name, now));
        }
        let Some(response) = response else { return Ok(()) };
        let now = written(response, M::Response::put);
        let changed = if const { is_after::<S>() } {
            match M::Response::take(&mut |name| read.get(name).cloned()) {
                Ok(as_read) => changed(&read, &written(as_read, M::Response::put), now)?,
                // The main operation left a property out, and this step answers in its place.
                Err(_) => now,
            }
        } else if const { is_main::<S>() } && answered {
            now
        } else {
            return Ok(());
        };
        changed.into_iter().try_for_each(|(name, now)| context.set_output_parameter(&name, now))
    }
}

const fn is_main<S: Step>() -> bool {
    matches!(S::DECLARATION.stage, Stage::MainOperation)
}

fn written<T>(data: T, put: fn(T, &mut Parameters)) -> Parameters {
    let mut parameters = Parameters::default();
    put(data, &mut parameters);
    parameters
}

/// The parameters that differ from what was read. A struct may cover a part of a record only: what it was read as tells
/// which changes are the step's, and the rest of the record stays.
fn changed(read: &Parameters, as_read: &Parameters, now: Parameters) -> Result<Parameters> {
    if let Some((name, _)) = as_read.iter().find(|(name, _)| now.get(name).is_none()) {
        return Err(Fault::defect(format!(
            "The parameter `{name}` was given, and a step cannot take it away: give it another value."
        )));
    }
    let differs = now.into_iter().filter(|(name, parameter)| as_read.get(name) != Some(parameter));
    Ok(differs
        .map(|(name, now)| {
            let whole = merged(read.get(&name), as_read.get(&name), now);
            (name, whole)
        })
        .collect())
}

fn merged(read: Option<&Parameter>, as_read: Option<&Parameter>, now: Parameter) -> Parameter {
    match (read, as_read, now) {
        (Some(Parameter::Entity(read)), Some(Parameter::Entity(as_read)), Parameter::Entity(now)) => {
            let mut whole = read.clone();
            apply(&mut whole, as_read, &now);
            Parameter::Entity(whole)
        }
        (Some(Parameter::Entities(read)), Some(Parameter::Entities(as_read)), Parameter::Entities(now))
            if read.records.len() == now.records.len() =>
        {
            let mut whole = read.clone();
            let parts = as_read.records.iter().zip(&now.records);
            for (whole, (as_read, now)) in whole.records.iter_mut().zip(parts) {
                apply(whole, as_read, now);
            }
            Parameter::Entities(whole)
        }
        (_, _, now) => now,
    }
}
