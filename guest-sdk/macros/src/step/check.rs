//! Parts of `#[step(..)]` that do not go together.

use syn::spanned::Spanned;
use syn::{Error, Result, Type};

use super::arguments::{Arguments, Column, Columns};
use super::last_segment;

/// What can be said about the parts together. A message behind a type alias is checked when `plugin!` is compiled.
pub(super) fn check(arguments: &Arguments, message: &Type) -> Result<()> {
    let (name, data) = last_segment(message);
    if arguments.asynchronous && arguments.stage != "PostOperation" {
        let text = "an asynchronous step runs after the commit: write `#[step(PostOperation, async, ..)]`";
        return Err(Error::new(arguments.stage.span(), text));
    }
    if let Some(part) = arguments.jobs.first().filter(|_| !arguments.asynchronous) {
        let text = format!(
            "`{part}` says how system jobs run, and a synchronous step has none: take it away, or make the step \
             asynchronous: `#[step(PostOperation, async, ..)]`"
        );
        return Err(Error::new(part.span(), text));
    }
    if arguments.stage == "MainOperation" && MESSAGES.contains(&name.as_str()) {
        let text = format!(
            "the main operation of {name} is the host's: a step runs before or after it; only a custom message has a \
             step as its main operation, on `&mut Call<M>`"
        );
        return Err(Error::new(arguments.stage.span(), text));
    }
    check_columns(arguments, &name, &data)?;
    check_children(arguments, &name)?;
    if let Some(entity) = &arguments.entity
        && data != "Record"
        && !data.is_empty()
    {
        let text = match name.as_str() {
            "Call" => {
                "a custom message says itself which entity it is on; take `entity = ..` away".to_owned()
            }
            _ => format!("`{data}` says which entity it is; `entity = ..` is for a step on `Record`"),
        };
        return Err(Error::new(entity.span(), text));
    }
    match (&arguments.message, name.as_str()) {
        (None, "AnyMessage") => {
            let text = "which message? Add `message = \"Upsert\"` to `#[step(..)]`";
            Err(Error::new(message.span(), text))
        }
        (Some(given), name) if name == "Call" || MESSAGES.contains(&name) => {
            let text =
                format!("`{name}<..>` says which message it is; `message = ..` is for `AnyMessage<..>`");
            Err(Error::new(given.span(), text))
        }
        _ => Ok(()),
    }
}

/// Which lists of columns the message `name` of `data` can have at the stage.
fn check_columns(arguments: &Arguments, name: &str, data: &str) -> Result<()> {
    let wrong = |columns: &Columns, text: &str| Err(Error::new(columns.span, text));
    let updates = matches!(name, "Update" | "UpdateMultiple" | "AnyMessage") || !MESSAGES.contains(&name);
    if let Some(changed) = &arguments.changed {
        if !updates || name == "Call" {
            let text = match name {
                "Call" => "a custom message changes no columns: take `changed(..)` away".to_owned(),
                _ => format!("`changed(..)` filters an Update; take it away, or take `&mut Update<{data}>`"),
            };
            return wrong(changed, &text);
        }
        if changed.all {
            return wrong(changed, "without `changed(..)` the step runs on every Update: take it away");
        }
    }
    if let Some(span) = arguments.changed_only.filter(|_| !updates || name == "Call") {
        let text =
            "`changed_only` is for a step on an Update: it runs only where a value is another than before";
        return Err(Error::new(span, text));
    }
    if let Some(image) = arguments.before.as_ref().or(arguments.after.as_ref()) {
        match name {
            "Retrieve" | "RetrieveMultiple" => {
                let text =
                    format!("a {name} has no images: what was read is in `ctx.output`, in PostOperation");
                return wrong(image, &text);
            }
            "Associate" | "Disassociate" | "Call" => {
                let text = "this message has no images: read the record with `ctx.org().retrieve(..)`";
                return wrong(image, text);
            }
            _ => {}
        }
    }
    if let (Some(before), "Create" | "CreateMultiple") = (&arguments.before, name) {
        let text = "there is no record before a Create: its columns are in `ctx.target`";
        return wrong(before, text);
    }
    if let (Some(after), "Delete" | "DeleteMultiple") = (&arguments.after, name) {
        return wrong(after, "there is no record after a Delete: ask for `before(..)`");
    }
    if let Some(after) = arguments.after.as_ref().filter(|_| arguments.stage != "PostOperation") {
        let text = "before the core operation there is no post-image: move the step to PostOperation, or ask for \
                    `before(..)` and read `ctx.target`";
        return wrong(after, text);
    }
    let lists = [&arguments.changed, &arguments.before, &arguments.after];
    for column in lists.into_iter().flatten().flat_map(|columns| &columns.names) {
        if let Column::Field(field) = column
            && data == "Record"
        {
            let text = format!("a `Record` has no fields: write the column as \"{field}\"");
            return Err(Error::new(field.span(), text));
        }
    }
    Ok(())
}

fn check_children(arguments: &Arguments, name: &str) -> Result<()> {
    let Some(children) = arguments.children.first() else { return Ok(()) };
    if name != "Delete" && name != "AnyMessage" && (MESSAGES.contains(&name) || name == "Call") {
        let text = "`children(..)` shows what a Delete takes along: take `&mut Delete<..>`";
        return Err(Error::new(children.span, text));
    }
    Ok(())
}

/// The messages whose argument's type says which it is, and whose main operation is the host's.
const MESSAGES: [&str; 12] = [
    "Create",
    "Update",
    "Delete",
    "Retrieve",
    "RetrieveMultiple",
    "Assign",
    "SetState",
    "Associate",
    "Disassociate",
    "CreateMultiple",
    "UpdateMultiple",
    "DeleteMultiple",
];
