//! Steps, and how they are run.

use crate::Result;
use crate::context::Context;
use crate::declaration::{self, EntityDeclaration, MessageDeclaration, StepDeclaration};
use crate::message::Message;

/// A step: what `#[step]` makes of a function, under the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "not a step",
    note = "put `#[step(PreOperation)]`, or another stage, on the function of that name"
)]
pub trait Step {
    /// The message that it is on.
    type Message: Message;

    /// Where it joins the pipeline.
    const DECLARATION: StepDeclaration;

    /// Calls the function.
    ///
    /// # Errors
    /// What the function returns.
    fn run(message: &mut Self::Message) -> Result;
}

/// A step without its type, for a plugin's list.
#[derive(Clone, Copy)]
pub struct Entry {
    pub(crate) declaration: StepDeclaration,
    pub(crate) entity: Option<&'static EntityDeclaration>,
    pub(crate) message: Option<&'static MessageDeclaration>,
    pub(crate) run: fn(Context) -> Result,
}

impl Entry {
    /// The entry of a step. Evaluated by the compiler, which refuses a step that no host would register.
    pub const fn of<S: Step>() -> Self {
        Self {
            declaration: declaration::checked::<S>(),
            entity: <S::Message as Message>::DECLARED_ENTITY,
            message: <S::Message as Message>::DECLARED_MESSAGE,
            run: run::<S>,
        }
    }
}

/// Reads what the step asked for, calls it, and sends back what it changed, if it returned `Ok`.
pub(crate) fn run<S: Step>(context: Context) -> Result {
    let mut message = S::Message::load::<S>(context)?;
    S::run(&mut message)?;
    message.store::<S>()
}
