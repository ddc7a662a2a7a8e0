//! Gives every value back under another name: what went in must come out.

use stagegate_sdk::prelude::*;

/// Moves the attributes `in_..` to `out_..`.
#[step(PreOperation, entity = "echo")]
fn echo(ctx: &mut Create<Record>) -> Result {
    let names: Vec<String> = ctx.target.attributes.keys().cloned().collect();
    for name in names {
        let Some(rest) = name.strip_prefix("in_") else { continue };
        let Some(value) = ctx.target.unset(&name) else { continue };
        ctx.set_shared_variable(rest, value.clone())?;
        ctx.target.set(format!("out_{rest}"), value);
    }
    Ok(())
}

plugin!(echo);
