//! Which Rust types an attribute may have.

use super::{Choice, Choices, DateTime, Decimal, EntityReference, Money, Ref, UniqueIdentifier, Value};
use crate::Entity;

/// A Rust type that an attribute or a shared variable may have.
///
/// The types of this crate are all that a host knows; `#[derive(Choice)]` implements it for an enum of one's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of an attribute",
    label = "not a type of an attribute",
    note = "use one of bool, i32, i64, f64, Decimal, Money, String, DateTime, UniqueIdentifier, Choice, Choices, \
            Ref<E>, EntityReference, or an enum with #[derive(Choice)]"
)]
pub trait AttributeType: Sized {
    /// The type's name in a declaration, for example `money`.
    const TYPE: &'static str;

    /// For a lookup, the entities that it may point to; empty for any.
    const TARGETS: &'static [&'static str] = &[];

    /// As a value.
    fn into_value(self) -> Value;

    /// From a value; none if it is null or of another type.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! attribute_types {
    ($($rust:ty, $case:ident, $name:literal;)+) => {$(
        impl AttributeType for $rust {
            const TYPE: &'static str = $name;

            fn into_value(self) -> Value {
                Value::$case(self)
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }
    )+};
}

attribute_types! {
    bool, Boolean, "boolean";
    i32, Integer, "integer";
    i64, BigInteger, "big-integer";
    f64, Double, "double";
    Decimal, Decimal, "decimal";
    Money, Money, "money";
    String, String, "string";
    DateTime, DateTime, "date-time";
    UniqueIdentifier, UniqueIdentifier, "unique-identifier";
    Choice, Choice, "choice";
    Choices, Choices, "choices";
    EntityReference, EntityReference, "lookup";
}

/// A reference to a record of another entity is not a `Ref<E>`: `from_value` answers none.
impl<E: Entity> AttributeType for Ref<E> {
    const TYPE: &'static str = "lookup";
    const TARGETS: &'static [&'static str] = &[E::LOGICAL_NAME];

    fn into_value(self) -> Value {
        Value::EntityReference(self.into())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::EntityReference(to) if to.entity == E::LOGICAL_NAME => Some(Self::new(to.id)),
            _ => None,
        }
    }
}
