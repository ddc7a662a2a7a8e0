//! The macros of `stagegate-sdk`, which re-exports them all: use them from there.

mod asks;
mod choice;
mod custom;
mod entity;
mod plugin;
mod shared;
mod step;

use proc_macro::TokenStream;

/// Makes a struct stand for some columns of an entity.
///
/// `#[entity("logicalname")]` names the entity. Every field is a `Field<T>`, and its name is the column's;
/// `#[column("logicalname")]` on a field overrides it.
#[proc_macro_derive(Entity, attributes(entity, column))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| entity::expand(&input)))
}

/// Makes an enum with numbered cases the type of a choice: `enum Status { Open = 1, Closed = 2 }`.
///
/// A number that is none of the cases is an error when a column is read, so give the enum every option of the choice.
#[proc_macro_derive(Choice)]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| choice::expand(&input)))
}

/// Makes a struct a custom message: its fields are the request's parameters.
///
/// `#[message("sg_Approve")]` names the message; after the name it takes
///
/// | part | meaning |
/// | --- | --- |
/// | `response = Approved` | the struct of the response; without it, there is none |
/// | `collection = Account` | the message is on the records of that entity |
/// | `steps = "none"`, `"async-only"` | which steps plugins may register on it; all unless told |
///
/// A parameter's name is its field's in PascalCase; `#[parameter("Name")]` gives it another. An `Option<..>` may be left
/// out. `#[target]` on a field of the type `Ref<E>` binds the message to that entity: the field is the record that it is
/// called on.
#[proc_macro_derive(CustomMessage, attributes(message, parameter, target))]
pub fn derive_custom_message(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| custom::expand_message(&input)))
}

/// Makes a struct the response of a custom message: its fields are the properties, named as parameters are.
#[proc_macro_derive(Response, attributes(parameter, target))]
pub fn derive_response(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| custom::expand_response(&input)))
}

/// Makes a struct travel from step to step: each field is a shared variable, `Rise.from` for `from` of `struct Rise`.
#[proc_macro_derive(Shared)]
pub fn derive_shared(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| shared::expand(&input)))
}

/// Makes a function a step.
///
/// The argument's type says the message and the entity: `&mut Update<Account>`. The attribute says the rest:
///
/// | part | meaning |
/// | --- | --- |
/// | `PreValidation`, `PreOperation`, `PostOperation` | the stage; comes first |
/// | `MainOperation` | in its place: the step is the main operation of a custom message, and returns its response |
/// | `sync`, `async` | the mode; `sync` unless told; `async` needs `PostOperation` |
/// | `ordered` | with `async`: jobs about the same record run one after another, in the order in which they were queued |
/// | `unique` | with `async`: a new job takes the place of one about the same record that has not started |
/// | `priority = -5` | with `async`: jobs with a smaller number run first; 0 unless told |
/// | `retries = 2` | with `async`: how often a job is run again before it fails; 4 unless told |
/// | `auto_delete` | with `async`: a job that succeeds is deleted |
/// | `background` | with `async`: made for longer than a message may take; it saves checkpoints |
/// | `rank = 10` | the order within the stage, ascending; 1 unless told |
/// | `changed(name, creditlimit)` | Update: run only if the target carries one of these |
/// | `changed_only` | Update: run only if one of them, or any column without `changed(..)`, has another value than before |
/// | `before(..)`, `after(..)` | the columns of the pre-image and the post-image, or `all` |
/// | `children("incident_tasks", Task)` | Delete: the children by that relationship, as they were before the cascade: the columns of a struct, `"subject", ..`, or `all` |
/// | `entity = "account"` | the entity of a step on `Record`; without it, every entity |
/// | `message = "Upsert"` | the message of a step on `AnyMessage` |
/// | `name = ".."` | the step's name; the function's unless told |
/// | `configuration = ".."` | the unsecure configuration unless an operator sets another |
/// | `description = ".."` | what it is for; the first paragraph of the doc comment unless told |
///
/// Columns are the names of the struct's fields; for a `Record` they are strings.
#[proc_macro_attribute]
pub fn step(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let function = syn::parse_macro_input!(function as syn::ItemFn);
    match syn::parse(arguments).and_then(|arguments| step::expand(&arguments, &function)) {
        Ok(tokens) => tokens.into(),
        Err(error) => step::with_stub(&error, &function).into(),
    }
}

/// Lists the plugin's steps, once, at the root of its crate: `plugin!(approve_rise, follow_up);`. A step of a module
/// is `cases::close_children`.
///
/// It makes the component's export, and the declaration that a host reads without running the component. The entities
/// of the steps' messages, and custom messages with their entities, are declared by themselves; `uses(User, Task)` after
/// the steps adds those that the plugin only uses through the organization service, entities and custom messages alike,
/// so that a host can check that they are defined.
///
/// `asks(..)` says what the plugin asks of its host beyond the contract; the operator of the host grants of it what they
/// will, and the plugin runs without the rest:
///
/// | part | meaning |
/// | --- | --- |
/// | `http(GET, POST, "https://api.example.com")` | calls with these methods to scheme, host and port; `*.example.com` for any name below; may be there several times |
/// | `environment("REGION", ..)` | environment variables of the host |
/// | `secrets("bureau_key", ..)` | secrets, by name |
/// | `configuration("rounds", ..)` | values that the operator configures, by key |
/// | `random` | random numbers that nobody can foresee |
/// | `clocks` | clocks finer than a millisecond |
/// | `memory(64)` | MiB of memory above the limit of every plugin |
/// | `background("2h")` | the longest time of one run of a background step |
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).map(|input| plugin::expand(&input)))
}

fn expand(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
