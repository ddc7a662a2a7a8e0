//! Assign and SetState.

use super::images::{after, before, is_before};
use super::{Message, primary, without_parameter, without_record};
use crate::context::Context;
use crate::entity::Shape;
use crate::parameters::parameter;
use crate::value::{AttributeType, Choice, EntityReference};
use crate::{Result, Step};

/// A record gets another owner.
///
/// What the step changes in `assignee` before the core operation decides who.
pub struct Assign<D: Shape> {
    pub(super) context: Context,
    id: D::Reference,
    read: EntityReference,
    /// The new owner: a user or a team.
    pub assignee: EntityReference,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> Assign<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

impl<D: Shape> Message for Assign<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "Assign";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
        let assignee: EntityReference = input(&context, parameter::ASSIGNEE)?;
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: assignee.clone(), assignee, before, after, context })
    }

    fn store<S: Step>(self) -> Result {
        if is_before::<S>() && self.assignee != self.read {
            return self.context.set_input_parameter(parameter::ASSIGNEE, self.assignee);
        }
        Ok(())
    }
}

/// A record gets another state and status.
///
/// What the step changes in `state` and `status` before the core operation decides which.
pub struct SetState<D: Shape> {
    pub(super) context: Context,
    id: D::Reference,
    read: (Choice, Option<Choice>),
    /// The new state: `ctx.state.is(State::Inactive)`.
    pub state: Choice,
    /// The new status; none for the default one of the state.
    pub status: Option<Choice>,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> SetState<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

impl<D: Shape> Message for SetState<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "SetState";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
        let state = input(&context, parameter::STATE)?;
        let status = Some(input(&context, parameter::STATUS)?).filter(|status| *status != DEFAULT_STATUS);
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: (state, status), state, status, before, after, context })
    }

    fn store<S: Step>(self) -> Result {
        if is_before::<S>() && self.state != self.read.0 {
            self.context.set_input_parameter(parameter::STATE, self.state)?;
        }
        if is_before::<S>() && self.status != self.read.1 {
            self.context.set_input_parameter(parameter::STATUS, self.status.unwrap_or(DEFAULT_STATUS))?;
        }
        Ok(())
    }
}

/// What the parameter `Status` holds for the default of the state.
const DEFAULT_STATUS: Choice = Choice(-1);

fn input<T: AttributeType>(context: &Context, name: &str) -> Result<T> {
    let parameter = context.input_parameter(name);
    parameter.and_then(|parameter| parameter.to()).ok_or_else(|| without_parameter(context, name))
}
