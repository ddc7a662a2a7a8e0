//! What statements are given: values by what they mean. Each store has its own way to hand them over.

use std::borrow::Cow;

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::model::DateTime;

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Parameter<'v> {
    /// No value, of a column of that kind.
    Null(Kind),
    /// Yes or no.
    Boolean(bool),
    /// A whole number; an option of a choice.
    Integer(i64),
    /// A finite floating point number.
    Real(f64),
    /// An exact number.
    Decimal {
        /// The number.
        number: Decimal,
        /// Times 10 to the power of its column's precision.
        scaled: i64,
    },
    /// Text without U+0000.
    Text(Cow<'v, str>),
    /// An identifier.
    Id(Uuid),
    /// A moment.
    Moment(DateTime),
}

/// The kinds of parameters, and of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// Boolean.
    Boolean,
    /// Integer, big-integer and choice.
    Integer,
    /// Double.
    Real,
    /// Decimal and money.
    Decimal,
    /// String and choices, and the entity of a lookup.
    Text,
    /// Unique-identifier and lookup.
    Id,
    /// Date-time.
    Moment,
}

impl<'v> Parameter<'v> {
    /// Text; none if it has U+0000, at which databases end text or refuse it.
    pub(in crate::store) fn text(text: impl Into<Cow<'v, str>>) -> Option<Self> {
        let text = text.into();
        (!text.contains('\0')).then_some(Self::Text(text))
    }

    /// An exact number with that many decimals. None if there are more than a number can have.
    pub(in crate::store) fn scaled(scaled: i64, precision: u8) -> Option<Self> {
        let number = Decimal::try_new(scaled, u32::from(precision)).ok()?;
        Some(Self::Decimal { number, scaled })
    }

    /// Its kind.
    pub(in crate::store) fn kind(&self) -> Kind {
        match self {
            Self::Null(kind) => *kind,
            Self::Boolean(_) => Kind::Boolean,
            Self::Integer(_) => Kind::Integer,
            Self::Real(_) => Kind::Real,
            Self::Decimal { .. } => Kind::Decimal,
            Self::Text(_) => Kind::Text,
            Self::Id(_) => Kind::Id,
            Self::Moment(_) => Kind::Moment,
        }
    }

    /// The same, borrowed from this one.
    pub(in crate::store) fn borrowed(&self) -> Parameter<'_> {
        match self {
            Self::Text(text) => Parameter::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }

    /// With its text in lower case, as far as it is ASCII.
    pub(in crate::store) fn folded(self) -> Self {
        match self {
            Self::Text(text) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                let mut text = text.into_owned();
                text.make_ascii_lowercase();
                Self::Text(Cow::Owned(text))
            }
            other => other,
        }
    }
}
