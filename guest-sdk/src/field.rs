//! The value of a typed column.

mod not_asked;

use std::fmt;

use not_asked::NotAsked;

use crate::record::{Record, Side};
use crate::value::{AttributeType, Value};
use crate::{Fault, Result};

/// A column of an entity: absent, null, or a value.
///
/// *Absent* is not *null*. In the target of an Update an absent column is left as it is and a null one is cleared; in
/// what was read, an absent one was not asked for and a null one is empty.
///
/// A column of an image that the step did not ask for is absent too, which hardly anybody means. To read its value, or to
/// lay another column `over` it, leaves a line in the trace that says what to add to `#[step]`; in a native test it is a
/// panic with this line, at the place of the reading. `is_absent`, `is_present` and `is_null` ask in silence.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// let mut limit: Field<Money> = Field::absent();
/// assert_eq!(limit.or_default(), Money::ZERO);
/// limit = Money::new(10).into();
/// assert_eq!(limit.get(), Some(&Money::new(10)));
/// assert!(limit.is(Money::new(10)));
/// limit.clear();
/// assert!(limit.is_null());
/// ```
#[derive(Clone)]
pub struct Field<T>(State<T>);

#[derive(Clone)]
enum State<T> {
    Absent(Option<Origin>),
    /// Of an image, without being in the step's list. It reads as absent.
    NotAsked(NotAsked),
    Null(Option<Origin>),
    Value(T),
}

/// Where a column was read, for the words of `require`.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    column: &'static str,
    side: Side,
}

impl<T> Field<T> {
    /// Not there: an Update leaves the column as it is.
    pub const fn absent() -> Self {
        Self(State::Absent(None))
    }

    /// There and empty: an Update clears the column.
    pub const fn null() -> Self {
        Self(State::Null(None))
    }

    /// With a value.
    pub const fn new(value: T) -> Self {
        Self(State::Value(value))
    }

    /// The value, if there is one.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn get(&self) -> Option<&T> {
        match &self.0 {
            State::Value(value) => Some(value),
            State::Absent(_) | State::Null(_) => None,
            State::NotAsked(not_asked) => {
                not_asked.tell();
                None
            }
        }
    }

    /// The value, if there is one, by value.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn into_option(self) -> Option<T> {
        match self.0 {
            State::Value(value) => Some(value),
            State::Absent(_) | State::Null(_) => None,
            State::NotAsked(not_asked) => {
                not_asked.tell();
                None
            }
        }
    }

    /// Whether the column is there, with a value or null.
    pub const fn is_present(&self) -> bool {
        !self.is_absent()
    }

    /// Whether the column is not there.
    pub const fn is_absent(&self) -> bool {
        matches!(self.0, State::Absent(_) | State::NotAsked(_))
    }

    /// Whether the column is there and empty.
    pub const fn is_null(&self) -> bool {
        matches!(self.0, State::Null(_))
    }

    /// Whether there is no value, as the column is absent or null. An empty text is a value.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn is_empty(&self) -> bool {
        self.get().is_none()
    }

    /// Whether the column has this value: `ctx.target.casestatus.is(Status::Closed)`.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn is(&self, value: impl Into<T>) -> bool
    where
        T: PartialEq,
    {
        self.get() == Some(&value.into())
    }

    /// This column if it is present, and otherwise the other one: `ctx.target.name.over(&ctx.before.name)` is what an
    /// Update leaves the record with.
    #[must_use]
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn over<'a>(&'a self, earlier: &'a Self) -> &'a Self {
        // Also where this column is present: an omission should not wait for the first Update that lacks it.
        if let State::NotAsked(not_asked) = &earlier.0 {
            not_asked.tell();
        }
        if self.is_present() { self } else { earlier }
    }

    /// Gives it a value.
    pub fn set(&mut self, value: impl Into<T>) {
        self.0 = State::Value(value.into());
    }

    /// Makes it null.
    pub fn clear(&mut self) {
        self.0 = State::Null(None);
    }

    /// Takes the column out, so that it stays as it is in the database.
    pub fn unset(&mut self) {
        self.0 = State::Absent(None);
    }
}

impl<T: Clone> Field<T> {
    /// The value, or `other` if the column is absent or null.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn value_or(&self, other: T) -> T {
        self.get().cloned().unwrap_or(other)
    }

    /// The value, or the type's default if the column is absent or null.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn or_default(&self) -> T
    where
        T: Default,
    {
        self.get().cloned().unwrap_or_default()
    }

    /// The value.
    ///
    /// # Errors
    /// If the column is absent or null: the fault says which, and, for a column of an image that the step did not ask
    /// for, what to add to `#[step]`.
    pub fn require(&self) -> Result<T> {
        match &self.0 {
            State::Value(value) => Ok(value.clone()),
            State::Absent(None) => Err(Fault::defect("A required column has no value: it was never set.")),
            State::Null(None) => Err(Fault::defect("A required column is null.")),
            State::Null(Some(Origin { column, side })) => {
                Err(Fault::new(format!("`{column}` is empty in {side}, and this step needs it.")))
            }
            State::Absent(Some(Origin { column, side })) => {
                Err(Fault::defect(format!("`{column}` is not in {side}, and this step needs it.")))
            }
            State::NotAsked(not_asked) => Err(Fault::defect(not_asked.to_string())),
        }
    }
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self::absent()
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Field<String> {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

/// None becomes null.
impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::null, Self::new)
    }
}

/// Where a column was read plays no part.
impl<T: PartialEq> PartialEq for Field<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (State::Value(one), State::Value(other)) => one == other,
            _ => self.is_absent() == other.is_absent() && self.is_null() == other.is_null(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Field<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Absent(_) | State::NotAsked(_) => out.write_str("Absent"),
            State::Null(_) => out.write_str("Null"),
            State::Value(value) => value.fmt(out),
        }
    }
}

/// What the field of a struct with `#[derive(Entity)]` must be: a [`Field`].
#[diagnostic::on_unimplemented(
    message = "a column of an entity is a `Field<..>`, not `{Self}`",
    label = "write `Field<{Self}>`",
    note = "a column may be absent or null, which a plain type cannot say"
)]
pub trait EntityField: Sized {
    /// The type of its values.
    type Type: AttributeType;

    #[doc(hidden)]
    fn take(record: &mut Record, column: &'static str, side: Side) -> Result<Self>;

    #[doc(hidden)]
    fn put(&self, record: &mut Record, column: &'static str);
}

impl<T: AttributeType + Clone> EntityField for Field<T> {
    type Type = T;

    fn take(record: &mut Record, column: &'static str, side: Side) -> Result<Self> {
        let origin = Some(Origin { column, side });
        let Some(value) = record.attributes.remove(column) else {
            let not_asked = NotAsked::of(column, side).map(State::NotAsked);
            return Ok(Self(not_asked.unwrap_or(State::Absent(origin))));
        };
        if value.is_null() {
            return Ok(Self(State::Null(origin)));
        }
        let found = value.type_name();
        T::from_value(value).map(Self::new).ok_or_else(|| {
            let targets = T::TARGETS.join(" or ");
            let declared = if targets.is_empty() { T::TYPE.to_owned() } else { format!("{} to {targets}", T::TYPE) };
            Fault::defect(format!(
                "`{column}` of `{}` is of the type {found}, and the plugin's struct says {declared}: change the \
                 field's type.",
                record.logical_name
            ))
        })
    }

    fn put(&self, record: &mut Record, column: &'static str) {
        match &self.0 {
            State::Absent(_) | State::NotAsked(_) => {}
            State::Null(_) => record.set(column, Value::Null),
            State::Value(value) => record.set(column, value.clone()),
        }
    }
}
