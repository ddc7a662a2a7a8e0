//! Shared variables as structs.

use crate::Result;
use crate::value::Value;

/// A struct that travels from step to step as shared variables.
///
/// `#[derive(Shared)]` implements it: each field is a variable of its own, `Rise.from` for the field `from` of
/// `struct Rise`, so a plugin in another language can read it too.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// #[derive(Shared)]
/// struct Rise {
///     from: Money,
///     to: Money,
/// }
/// # let rise = Rise { from: Money::new(1), to: Money::new(2) };
/// # assert!(rise.from < rise.to);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a shared variable",
    label = "add `#[derive(Shared)]` to this type",
    note = "a single value goes with `set_shared_variable(name, value)`"
)]
pub trait Shared: Sized {
    #[doc(hidden)]
    fn share(self, put: &mut dyn FnMut(&str, Value) -> Result) -> Result;

    #[doc(hidden)]
    fn read(get: &dyn Fn(&str) -> Option<Value>) -> Option<Self>;
}
