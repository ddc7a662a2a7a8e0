use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("contact")]
struct Contact {
    firstname: Field<String>,
    lastname: Field<String>,
    fullname: Field<String>,
}

/// Keeps the full name in step with its parts.
#[step(PreOperation, changed(firstname, lastname), before(firstname, lastname))]
fn full_name(ctx: &mut Update<Contact>) -> Result {
    let first = ctx.target.firstname.over(&ctx.before.firstname).or_default();
    let last = ctx.target.lastname.over(&ctx.before.lastname).or_default();
    ensure!(!last.is_empty(), "a contact needs a last name");
    ctx.target.fullname = format!("{first} {last}").trim().into();
    Ok(())
}

plugin!(full_name);
