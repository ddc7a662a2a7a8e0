//! Associate and Disassociate.

use super::images::is_before;
use super::{Message, primary, without_parameter, without_record};
use crate::context::Context;
use crate::entity::Shape;
use crate::parameters::{Parameter, parameter};
use crate::value::EntityReference;
use crate::{Result, Step};

/// The two messages are alike but for their names.
macro_rules! relations {
    ($($(#[$doc:meta])* $message:ident, $name:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// What the step changes in `related` before the core operation decides which records.
        pub struct $message<D: Shape> {
            pub(super) context: Context,
            id: D::Reference,
            relationship: String,
            read: Vec<EntityReference>,
            /// The records on the other side.
            pub related: Vec<EntityReference>,
        }

        impl<D: Shape> $message<D> {
            /// The record that they are related to.
            pub fn id(&self) -> D::Reference {
                self.id.clone()
            }

            /// The relationship's name.
            pub fn relationship(&self) -> &str {
                &self.relationship
            }
        }

        impl<D: Shape> Message for $message<D> {
            type Data = D;
            type Answer = ();
            const NAME: &'static str = $name;

            fn load<S: Step>(context: Context) -> Result<Self> {
                let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
                let (relationship, related) = relation(&context)?;
                Ok(Self { id, relationship, read: related.clone(), related, context })
            }

            fn store<S: Step>(self) -> Result {
                if is_before::<S>() && self.related != self.read {
                    return self.context.set_input_parameter(parameter::RELATED_ENTITIES, self.related);
                }
                Ok(())
            }
        }
    )+};
}

relations! {
    /// Records are related to a record.
    Associate, "Associate";
    /// Records are no longer to be related to a record.
    Disassociate, "Disassociate";
}

fn relation(context: &Context) -> Result<(String, Vec<EntityReference>)> {
    let relationship = context.input_parameter(parameter::RELATIONSHIP);
    let relationship = relationship
        .and_then(|name| name.to())
        .ok_or_else(|| without_parameter(context, parameter::RELATIONSHIP))?;
    match context.input_parameter(parameter::RELATED_ENTITIES) {
        Some(Parameter::References(related)) => Ok((relationship, related)),
        _ => Err(without_parameter(context, parameter::RELATED_ENTITIES)),
    }
}
