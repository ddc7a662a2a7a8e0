//! The messages: what a step takes as its argument.

mod associate;
mod bulk;
mod call;
mod images;
mod owner_and_state;
mod record;
mod retrieve_multiple;

use std::ops::Deref;

pub use associate::{Associate, Disassociate};
pub use bulk::{CreateMultiple, CreateTarget, DeleteMultiple, DeleteTarget, UpdateMultiple, UpdateTarget};
pub use call::Call;
pub use owner_and_state::{Assign, SetState};
pub use record::{AnyMessage, Create, Delete, Retrieve, Update};
pub use retrieve_multiple::{RetrieveMultiple, Returned};

use crate::context::Context;
use crate::custom::CustomMessage;
use crate::declaration::{EntityDeclaration, MessageDeclaration};
use crate::entity::Shape;
use crate::{Fault, Result, Step};

/// A message as the argument of a step: [`Create`], [`Update`] and the others of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message",
    note = "a step takes one argument: `&mut Update<E>`, where `E` is an entity's struct or `Record`; or with Create, \
            Delete, Retrieve, RetrieveMultiple, Assign, SetState, Associate, Disassociate, CreateMultiple, \
            UpdateMultiple, DeleteMultiple or AnyMessage; or `&mut Call<M>`, where `M` is a custom message"
)]
pub trait Message: Sized {
    /// What it carries.
    type Data: Shape;

    /// What the main operation of a custom message returns; `()` for any other message.
    type Answer;

    /// The message's name; empty for [`AnyMessage`], whose step names it.
    const NAME: &'static str;

    #[doc(hidden)]
    const DECLARED_ENTITY: Option<&'static EntityDeclaration> = <Self::Data as Shape>::DECLARED;

    #[doc(hidden)]
    const DECLARED_MESSAGE: Option<&'static MessageDeclaration> = None;

    #[doc(hidden)]
    fn load<S: Step>(context: Context) -> Result<Self>;

    /// Takes what the step at MainOperation returned.
    #[doc(hidden)]
    fn answer(&mut self, _: Self::Answer) {}

    #[doc(hidden)]
    fn store<S: Step>(self) -> Result;
}

macro_rules! dereference {
    ($($message:ident)+) => {$(
        impl<D: Shape> Deref for $message<D> {
            type Target = Context;

            fn deref(&self) -> &Context {
                &self.context
            }
        }
    )+};
}

dereference! {
    Create Update Delete Retrieve AnyMessage RetrieveMultiple Assign SetState Associate Disassociate CreateMultiple
    UpdateMultiple DeleteMultiple
}

impl<M: CustomMessage> Deref for Call<M> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// Which record the message is about.
fn primary<D: Shape>(context: &Context) -> Option<D::Reference> {
    context.record().map(D::refer)
}

fn without_record(context: &Context) -> Fault {
    Fault::defect(format!("The message {} came without the record that it is about.", context.message()))
}

fn without_parameter(context: &Context, name: &str) -> Fault {
    Fault::defect(format!("The message {} came without its parameter `{name}`.", context.message()))
}
