//! SetState: gives a record another state and status, by an Update of its own.

use async_trait::async_trait;

use super::update::{current, state_of};
use super::{
    Cascaded, CoreOperation, Done, Operation, Subject, Traits, check_names, choice_parameter, invalid,
    reference_parameter,
};
use crate::model::definition::{STATE_CODE, STATUS_CODE};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{Entity, Message, Parameters, Request, Schema, Value};

/// The status that stands for the state's default.
const STATUS_DEFAULT: i32 = -1;

pub(super) struct SetState;

#[async_trait]
impl CoreOperation for SetState {
    fn name(&self) -> &'static str {
        Message::SET_STATE
    }

    fn traits(&self) -> Traits {
        Traits {
            writes: true,
            pre_image: true,
            post_image: true,
            image_property: parameter::ENTITY_MONIKER,
            ..Traits::READ
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::ENTITY_MONIKER, parameter::STATE, parameter::STATUS])?;
        let target = reference_parameter(message, input, parameter::ENTITY_MONIKER)?;
        let definition = schema.entity(&target.entity)?;
        if definition.states.is_empty() {
            return Err(invalid(format!(
                "records of `{}` have no state, so {message} does not apply; define states for the entity",
                target.entity
            )));
        }
        // Whether they fit the record is decided when it is written.
        definition.check_values(&changes(input)?.attributes)?;
        Ok(Subject::new(definition, Some(target.id)))
    }

    /// The Update carries the status too if the state's default is wanted, so that its steps are filtered by both.
    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let (definition, id) = subject.record()?;
        let mut changes = changes(input)?;
        let current = current(cx, definition, id, true, false).await?;
        definition.resolve_state(state_of(&current), &mut changes.attributes)?;
        let update = Entity { logical_name: definition.logical_name.clone(), id: Some(id), ..changes };
        Ok(Done { cascade: vec![Cascaded::Request(Request::update(update))], ..Done::default() })
    }
}

fn changes(input: &Parameters) -> Result<Entity> {
    let state = choice_parameter(Message::SET_STATE, input, parameter::STATE)?;
    let mut changes = Entity::new("").with(STATE_CODE, Value::Choice(state));
    let status = match input.get(parameter::STATUS) {
        None => STATUS_DEFAULT,
        Some(_) => choice_parameter(Message::SET_STATE, input, parameter::STATUS)?,
    };
    if status != STATUS_DEFAULT {
        changes = changes.with(STATUS_CODE, Value::Choice(status));
    }
    Ok(changes)
}
