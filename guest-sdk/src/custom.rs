//! Custom messages: operations of one's own, with typed parameters, in the same pipeline.

use crate::declaration::{EntityDeclaration, MessageDeclaration, ParameterDeclaration};
use crate::parameters::{Parameter, ParameterField, Parameters};
use crate::{Fault, Result};

/// A custom message as a struct: its fields are the request's parameters.
///
/// `#[derive(CustomMessage)]` with `#[message("name")]` implements it. It declares the message, so a host can define it;
/// [`Call`](crate::Call) is the argument of a step on it, and [`Organization::call`](crate::Organization::call) calls it.
///
/// ```
/// use stagegate_sdk::prelude::*;
/// use stagegate_sdk::testing::Fake;
///
/// # #[derive(Entity, Default)]
/// # #[entity("account")]
/// # struct Account {
/// #     creditlimit: Field<Money>,
/// # }
/// /// Raises a credit limit.
/// #[derive(CustomMessage)]
/// #[message("sg_RaiseLimit", response = Raised)]
/// struct RaiseLimit {
///     /// The message is bound to the entity of this field; without it, to none.
///     #[target]
///     account: Ref<Account>,
///     /// The parameter `ByAmount`.
///     by_amount: Money,
///     /// One that a request may leave out, under another name than the field's.
///     #[parameter("Why")]
///     reason: Option<String>,
/// }
///
/// #[derive(Response)]
/// struct Raised {
///     new_limit: Money,
/// }
///
/// /// The message's main operation: what it returns is the response.
/// #[step(MainOperation)]
/// fn raise(ctx: &mut Call<RaiseLimit>) -> Result<Raised> {
///     let account: Account = ctx.org().retrieve(ctx.request.account)?;
///     let new_limit = account.creditlimit.or_default() + ctx.request.by_amount;
///     ctx.org().update(ctx.request.account, Account { creditlimit: new_limit.into() })?;
///     Ok(Raised { new_limit })
/// }
///
/// /// A step on it, like on any message: it sees, and may change, the request before the main operation.
/// #[step(PreOperation)]
/// fn cap(ctx: &mut Call<RaiseLimit>) -> Result {
///     ctx.request.by_amount = ctx.request.by_amount.min(Money::new(1_000));
///     Ok(())
/// }
///
/// plugin!(raise, cap);
///
/// # fn main() {
/// let org = Fake::new();
/// let account = org.add(Account { creditlimit: Money::new(500).into() });
/// let raised =
///     org.run_call::<raise>(RaiseLimit { account, by_amount: Money::new(50), reason: None }).unwrap();
/// assert_eq!(raised.new_limit, Money::new(550));
/// # }
/// ```
///
/// A parameter's name is the field's in PascalCase. `#[message(..)]` takes, after the name, `response = Type`,
/// `collection = Account` for a message on the records of an entity, and `steps = "none"` or `"async-only"` where plugins
/// may not register all kinds of steps on it. [`ParameterType`](crate::ParameterType) lists the types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a custom message",
    label = "add `#[derive(CustomMessage)]` and `#[message(\"name\")]` to this type"
)]
pub trait CustomMessage: Sized {
    /// What it returns: a struct with `#[derive(Response)]`, or `()`.
    type Response: Response;

    /// The message, as the plugin declares it.
    const DECLARATION: MessageDeclaration;

    /// The entity that it is bound to, with the columns of the struct in its `#[target]`.
    #[doc(hidden)]
    const TARGET: Option<&'static EntityDeclaration>;

    #[doc(hidden)]
    fn take(get: &mut dyn FnMut(&str) -> Option<Parameter>) -> Result<Self>;

    #[doc(hidden)]
    fn put(self, parameters: &mut Parameters);
}

/// What a custom message returns, as a struct: its fields are the response's properties.
///
/// `#[derive(Response)]` implements it, by the rules of [`CustomMessage`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the response of a custom message",
    label = "add `#[derive(Response)]` to this type"
)]
pub trait Response: Sized {
    /// The properties.
    const PROPERTIES: &'static [ParameterDeclaration];

    #[doc(hidden)]
    fn take(get: &mut dyn FnMut(&str) -> Option<Parameter>) -> Result<Self>;

    #[doc(hidden)]
    fn put(self, parameters: &mut Parameters);
}

impl Response for () {
    const PROPERTIES: &'static [ParameterDeclaration] = &[];

    fn take(_: &mut dyn FnMut(&str) -> Option<Parameter>) -> Result<Self> {
        Ok(())
    }

    fn put(self, _: &mut Parameters) {}
}

/// What an entry of `uses(..)` is: an entity's struct, or a custom message's.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub enum Declared {
    Entity(&'static EntityDeclaration),
    Message(&'static MessageDeclaration),
}

/// What `uses(..)` may list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no declaration",
    label = "neither an entity's struct nor a custom message's",
    note = "uses(..) lists structs with `#[derive(Entity)]` or `#[derive(CustomMessage)]`"
)]
#[doc(hidden)]
pub trait Declares {
    const DECLARED: Declared;
}

/// A field of a struct, for the derives.
#[doc(hidden)]
pub fn take_field<F: ParameterField>(
    get: &mut dyn FnMut(&str) -> Option<Parameter>,
    name: &'static str,
) -> Result<F> {
    let parameter = get(name);
    let found = parameter.as_ref().map(Parameter::type_name);
    F::from_optional(parameter).ok_or_else(|| mismatch(name, found))
}

#[doc(hidden)]
pub fn put_field<F: ParameterField>(field: F, parameters: &mut Parameters, name: &'static str) {
    if let Some(parameter) = field.into_optional() {
        parameters.insert(name.to_owned(), parameter);
    }
}

/// Not generic, so that a component holds it once.
#[cold]
fn mismatch(name: &str, found: Option<&str>) -> Fault {
    Fault::defect(match found {
        None => format!(
            "The parameter `{name}` is not there, and the plugin's struct needs it: make the field an `Option`, or \
             set it."
        ),
        Some(found) => format!(
            "The parameter `{name}` is of the type {found}, which is not that of the field in the plugin's struct, or \
             of another entity: change the field's type."
        ),
    })
}
