//! Write Stagegate plugins in Rust.
//!
//! A plugin is a WebAssembly component: a set of *steps*, each a plain function that the host calls at a *stage* of a
//! message's pipeline. This crate gives the function typed records, and the host what it must know to call it.
//!
//! ```
//! use stagegate_sdk::prelude::*;
//!
//! /// The columns that this plugin touches; no other column crosses the boundary.
//! #[derive(Entity, Default)]
//! #[entity("account")]
//! struct Account {
//!     creditlimit: Field<Money>,
//!     creditapprovedon: Field<DateTime>,
//! }
//!
//! #[derive(Entity, Default)]
//! #[entity("systemuser")]
//! struct User {
//!     approvallimit: Field<Money>,
//! }
//!
//! /// Runs in the transaction, before the write.
//! #[step(PreOperation, changed(creditlimit), before(creditlimit))]
//! fn approve_rise(ctx: &mut Update<Account>) -> Result {
//!     let (from, to) = (ctx.before.creditlimit.or_default(), ctx.target.creditlimit.or_default());
//!     if to <= from {
//!         return Ok(());
//!     }
//!     let caller: User = ctx.org().retrieve(ctx.user())?;
//!     ensure!(to <= caller.approvallimit.or_default(), "a credit limit of {to} needs an approver");
//!
//!     trace!("credit limit {from} -> {to}");
//!     ctx.target.creditapprovedon = ctx.now().into();
//!     Ok(())
//! }
//!
//! plugin!(approve_rise, uses(User));
//!
//! // A native test, in memory:
//! use stagegate_sdk::testing::Fake;
//!
//! # fn main() {
//! let org = Fake::new();
//! let clerk = org.add(User { approvallimit: Money::new(1_000).into() });
//! let acme = org.add(Account { creditlimit: Money::new(500).into(), ..default() });
//!
//! let rise = |to| Account { creditlimit: Money::new(to).into(), ..default() };
//! let fault = org.as_user(clerk).run::<approve_rise>(acme, rise(5_000)).err().unwrap();
//! assert_eq!(fault.message(), "a credit limit of 5000.00 needs an approver");
//!
//! let target = org.as_user(clerk).run::<approve_rise>(acme, rise(900)).unwrap();
//! assert_eq!(target.creditapprovedon, org.now().into());
//! # }
//! ```
//!
//! # A step reads as a sentence
//!
//! The argument's type says the message and the entity; [`#[step]`](macro@step) says the stage, the mode, the filter
//! and the images. [`plugin!`] lists the steps, once. Both are data for the host, which finds them in the component
//! without running it; what a host would refuse does not compile.
//!
//! | argument | its parts |
//! | --- | --- |
//! | [`Create<E>`] | `target`, `after`, `id()` after the core operation |
//! | [`Update<E>`] | `target`, `before`, `after`, `id()` |
//! | [`Delete<E>`] | `before`, `id()`, [`children(..)`](Delete::children) |
//! | [`Retrieve<E>`] | `output`, `id()` |
//! | [`RetrieveMultiple<E>`] | `query` before the core operation, `output` after it |
//! | [`Assign<E>`] | `assignee`, `before`, `after`, `id()` |
//! | [`SetState<E>`] | `state`, `status`, `before`, `after`, `id()` |
//! | [`Associate<E>`], [`Disassociate<E>`] | `related`, `relationship()`, `id()` |
//! | [`CreateMultiple<E>`], [`UpdateMultiple<E>`], [`DeleteMultiple<E>`] | `targets`, each with the parts of the single message |
//! | [`Call<M>`] | `request`, and `response` after the main operation of the custom message `M` |
//! | [`AnyMessage<E>`] | `target`, `before`, `after`, `id()`, for a message that the attribute names |
//!
//! All of them dereference to [`Context`]: the user, the depth, the clock, the time that is left, the configuration,
//! the shared variables, the [system job](Context::job), and [every parameter by its name](Context::input_parameter).
//!
//! # Records
//!
//! - A struct with [`#[derive(Entity)]`](macro@Entity) stands for some columns of an entity. Its fields are all that is
//!   read, in one call. A [`Field<T>`] is absent, null or a value.
//! - What the step changes in `ctx.target`, or in another part of its argument, goes back when it returns `Ok`: only
//!   that, in one call.
//! - [`Record`] is a record whose columns are known at run time. `Update<Record>` is a step on every entity.
//! - [`Context::org`] is the organization service: it creates, reads, updates, upserts, deletes, relates, assigns and
//!   queries, by struct or by [`Record`], one or [many at once](Organization::create_multiple). What it does inside the
//!   transaction is rolled back with it. [`Context::org_as`] asks as another user, and [`Organization::execute`] runs a
//!   [`Request`] for any message.
//! - A [`Key`] names a record by an alternate key, and [`Organization::update_if`] writes only the version that was read.
//! - A [`Query`] filters, joins with a [`Link`], sorts, counts; [`Organization::pages`] goes through all that it selects.
//!
//! # Messages of one's own
//!
//! A struct with [`#[derive(CustomMessage)]`](macro@CustomMessage) is a custom message: its fields are the request's
//! parameters, and a struct with [`#[derive(Response)]`](macro@Response) has the properties of the response. The step at
//! MainOperation is what the message does, and other steps join it as they join any message. The same struct calls it:
//! `ctx.org().call(QuoteDiscount { .. })?` is the response. The trait [`CustomMessage`] has an example; the sample
//! plugin `discount` is a whole one.
//!
//! # Errors
//!
//! A [`Fault`] cancels the message and rolls its transaction back. [`ensure!`] and [`bail!`] write the user's message;
//! `?` on any other error gives the user a general sentence and its text to the trace. A panic is a defect: the host
//! reports it as one, with its text.
//!
//! [`Fault::retry`] marks a fault as worth another attempt, for callers, and for the host, which then runs a system job
//! again.
//!
//! # Asynchronous steps
//!
//! `#[step(PostOperation, async)]` runs after the commit, in a *system job* that the message's transaction queued.
//!
//! - A job may run more than once: after a failure that may pass, and after a crash of its host.
//!   [`Context::create_once`] keeps it from creating a record twice.
//! - `ordered`, `unique`, `priority`, `retries` and `auto_delete` say how the host runs the jobs of the step
//!   ([`JobOptions`]); an operator may change that.
//! - [`Context::job`] is the job itself: which attempt this is, a note for operators on how far it is, and another run
//!   at a later time.
//! - `background` is for work that is longer than a message may take: the step saves checkpoints, and another run goes on
//!   from the last one. [`SystemJob`] has an example.
//!
//! # One rule, two messages
//!
//! A step is on one message. A rule for Create and Update is two step functions and a function that they share:
//!
//! ```
//! # use stagegate_sdk::prelude::*;
//! # #[derive(Entity, Default)]
//! # #[entity("account")]
//! # struct Account {
//! #     creditlimit: Field<Money>,
//! #     rating: Field<i32>,
//! # }
//! #[step(PreOperation)]
//! fn rate_new(ctx: &mut Create<Account>) -> Result {
//!     rate(&mut ctx.target, &default())
//! }
//!
//! #[step(PreOperation, changed(creditlimit), before(creditlimit))]
//! fn rate_changed(ctx: &mut Update<Account>) -> Result {
//!     rate(&mut ctx.target, &ctx.before)
//! }
//!
//! /// A new record has nothing before it.
//! fn rate(target: &mut Account, before: &Account) -> Result {
//!     let limit = target.creditlimit.over(&before.creditlimit).or_default();
//!     ensure!(limit >= Money::ZERO, "a credit limit of {limit} is below zero");
//!     target.rating = if limit > Money::new(1_000) { 2 } else { 1 }.into();
//!     Ok(())
//! }
//!
//! plugin!(rate_new, rate_changed);
//! # fn main() {}
//! ```
//!
//! # What starts a step
//!
//! - `changed(..)` looks at which columns the target carries when the step's turn comes, not at their values. So a step
//!   in PostOperation runs also for a column that one in PreOperation added to the target; and a column that is saved
//!   with its old value counts. Where that matters, add `changed_only`: the step then runs only if one of them has another
//!   value than before.
//! - Each request of a step through [`Context::org`] is a message of its own, with all of its steps, one
//!   [deeper](Context::depth) than the step's: a request from outside has depth 1. Beyond the host's limit, 8 unless it
//!   sets another, the request is refused and the transaction rolled back. A read counts too, and so does the depth that
//!   an asynchronous step was queued at: a step that starts itself needs `changed(..)` or a condition that ends it.
//! - A message and its bulk form, as Update and UpdateMultiple, share one pipeline: a request for either runs the steps of
//!   both. So a rule belongs on one of them, and on both it runs twice.
//! - To set a column of the message's own record, change `ctx.target` in PreOperation: no second Update, no deeper run.
//!
//! # What a plugin declares
//!
//! [`plugin!`] declares, next to the steps, the entities of their messages, with the columns and types of the structs, and
//! the custom messages; `uses(User, Task)` adds entities and custom messages that only go through [`Context::org`]. The host's program shows them, and from them it
//! defines entities and makes up records to try a plugin that has no requests file; where the definitions differ from
//! what the plugin declares, it says so before it runs. So list every struct.
//!
//! # What it asks for
//!
//! Beyond the contract a plugin has nothing: no environment, no network, no secrets, clocks of a millisecond, and random
//! numbers that can be foreseen. `asks(..)` in [`plugin!`] says what it wants; the operator grants it, or a part of it,
//! and [`Context::capabilities`] gets it. What is not granted answers a fault that names the grant.
//!
//! # From step to step
//!
//! A struct with [`#[derive(Shared)]`](macro@Shared) passes from [`Context::share`] to [`Context::shared`], also into
//! the asynchronous steps of the message.
//!
//! # Building
//!
//! `crate-type = ["cdylib", "rlib"]`, then `cargo build --release --target wasm32-wasip2`. Native tests are
//! `cargo test`, with `testing::Fake` as above. The crate's README goes from an empty folder to a run in three steps.

mod capabilities;
mod context;
mod custom;
mod declaration;
mod entity;
mod fault;
mod field;
#[cfg(feature = "http")]
pub mod http;
mod json;
mod key;
mod message;
mod organization;
mod parameters;
pub mod query;
mod record;
mod request;
mod services;
mod shared;
mod step;
mod system_job;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod trace;
mod value;
mod wit;

pub use capabilities::Capabilities;
pub use context::{Context, Mode, ParentContext, Stage};
pub use custom::{CustomMessage, Response};
pub use declaration::{
    Asks, AttributeDeclaration, Binding, CONTRACT, Declaration, EntityDeclaration, HttpRule,
    ImageDeclaration, ImageType, JobOptions, MessageDeclaration, ParameterDeclaration, SDK, StepDeclaration,
    StepsAllowed,
};
pub use entity::{Column, Entity, Row, Shape};
pub use fault::{Fault, OperationStatus, Result, code};
pub use field::{EntityField, Field};
pub use key::Key;
pub use message::{
    AnyMessage, Assign, Associate, Call, Create, CreateMultiple, CreateTarget, Delete, DeleteMultiple,
    DeleteTarget, Disassociate, Message, Retrieve, RetrieveMultiple, Returned, SetState, Update,
    UpdateMultiple, UpdateTarget,
};
pub use organization::{Options, Organization, Plain, Route};
pub use parameters::{
    Parameter, ParameterField, ParameterType, Parameters, TargetField, Upserted, parameter,
};
pub use query::{Filter, Link, Query};
pub use record::{ColumnSet, EntityCollection, Record};
pub use request::Request;
pub use shared::Shared;
pub use stagegate_sdk_macros::{Choice, CustomMessage, Entity, Response, Shared, plugin, step};
pub use step::Step;
pub use system_job::SystemJob;
pub use value::{
    AttributeType, Choice, Choices, DateTime, Decimal, EntityReference, Money, ParseError, Ref,
    UniqueIdentifier, Value,
};

/// All that a plugin's source needs: `use stagegate_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::query::{
        all_of, any_of, begins_with, between, condition, ends_with, eq, ge, gt, is_in, is_not_in,
        is_not_null, is_null, le, like, lt, ne, not_begins_with, not_between, not_ends_with, not_like,
    };
    pub use crate::{
        AnyMessage, Assign, Associate, AttributeType, Call, Capabilities, Choice, Choices, ColumnSet,
        Context, Create, CreateMultiple, CustomMessage, DateTime, Decimal, Delete, DeleteMultiple,
        Disassociate, Entity, EntityCollection, EntityReference, Fault, Field, Key, Link, Message, Mode,
        Money, Organization, Parameter, Parameters, Query, Record, Ref, Request, Response, Result, Retrieve,
        RetrieveMultiple, Row, SetState, Shared, Stage, Step, SystemJob, UniqueIdentifier, Update,
        UpdateMultiple, Value, bail, code, default, ensure, parameter, plugin, step, trace,
    };
}

/// `Default::default()`, short enough for `..default()`.
pub fn default<T: Default>() -> T {
    T::default()
}

/// For the macros' expansions only.
#[doc(hidden)]
pub mod __private {
    pub use crate::custom::{Declared, Declares, put_field, take_field};
    pub use crate::json::{len as json_len, text as json_text};
    pub use crate::parameters::entity_from;
    pub use crate::record::Side;
    pub use crate::step::Entry;
    pub use crate::wit::bindings::export_plugin;
    pub use crate::wit::bindings::exports::stagegate::plugin::steps::{Declaration as DeclarationOut, Guest};
    pub use crate::wit::bindings::stagegate::plugin::types::Fault as FaultOut;
    pub use crate::wit::{bindings, declare, execute};
}
