//! The values of attributes, parameters and shared variables.

mod attribute_type;
mod date_time;
mod identifier;
mod money;

use std::fmt;

pub use attribute_type::AttributeType;
pub use date_time::DateTime;
pub use identifier::{EntityReference, ParseError, Ref, UniqueIdentifier};
pub use money::Money;
pub use rust_decimal::Decimal;

/// One option of a choice, by its number. `#[derive(Choice)]` on an enum gives the options names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice(pub i32);

impl Choice {
    /// As the option of an enum with `#[derive(Choice)]`; none if its number is not among them.
    pub fn to<T: AttributeType>(self) -> Option<T> {
        Value::Choice(self).to()
    }

    /// Whether it is this option: `ctx.state.is(State::Inactive)`.
    pub fn is(self, option: impl Into<Self>) -> bool {
        self == option.into()
    }
}

/// The options of an attribute that holds several, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Choices(pub Vec<i32>);

/// A value whose type is known at run time.
///
/// Typed code does not meet it: a [`Field<T>`](crate::Field) converts. It is what a [`Record`](crate::Record) holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value. Written to an attribute, it clears it.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// A whole number of 64 bits.
    BigInteger(i64),
    /// A floating point number; a host refuses NaN and the infinities.
    Double(f64),
    /// An exact decimal number.
    Decimal(Decimal),
    /// An exact amount of money.
    Money(Money),
    /// Text.
    String(String),
    /// A moment in UTC.
    DateTime(DateTime),
    /// A unique identifier.
    UniqueIdentifier(UniqueIdentifier),
    /// One option of a choice.
    Choice(Choice),
    /// Options of a choices attribute.
    Choices(Choices),
    /// A reference to a record (a lookup).
    EntityReference(EntityReference),
}

impl Value {
    /// The value as a `T`; none if it is null or of another type.
    pub fn to<T: AttributeType>(&self) -> Option<T> {
        T::from_value(self.clone())
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The name of the value's type, as a declaration writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => bool::TYPE,
            Self::Integer(_) => i32::TYPE,
            Self::BigInteger(_) => i64::TYPE,
            Self::Double(_) => f64::TYPE,
            Self::Decimal(_) => Decimal::TYPE,
            Self::Money(_) => Money::TYPE,
            Self::String(_) => String::TYPE,
            Self::DateTime(_) => DateTime::TYPE,
            Self::UniqueIdentifier(_) => UniqueIdentifier::TYPE,
            Self::Choice(_) => Choice::TYPE,
            Self::Choices(_) => Choices::TYPE,
            Self::EntityReference(_) => EntityReference::TYPE,
        }
    }
}

/// For people: a null is the empty text, a reference is `entity(id)`, choices are separated by commas.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Boolean(value) => value.fmt(out),
            Self::Integer(value) => value.fmt(out),
            Self::BigInteger(value) => value.fmt(out),
            Self::Double(value) => value.fmt(out),
            Self::Decimal(value) => value.fmt(out),
            Self::Money(value) => value.fmt(out),
            Self::String(value) => value.fmt(out),
            Self::DateTime(value) => value.fmt(out),
            Self::UniqueIdentifier(value) => value.fmt(out),
            Self::Choice(value) => value.0.fmt(out),
            Self::Choices(value) => {
                for (index, option) in value.0.iter().enumerate() {
                    if index > 0 {
                        out.write_str(",")?;
                    }
                    option.fmt(out)?;
                }
                Ok(())
            }
            Self::EntityReference(value) => value.fmt(out),
        }
    }
}

impl<T: AttributeType> From<T> for Value {
    fn from(value: T) -> Self {
        value.into_value()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}
