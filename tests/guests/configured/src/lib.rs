//! A step that tells what it was configured with.

use stagegate_sdk::prelude::*;

/// Notes both configurations in the record.
#[step(PreOperation, entity = "probe")]
fn tell(ctx: &mut Create<Record>) -> Result {
    let (open, secure) = (ctx.configuration(), ctx.secure_configuration());
    ctx.target.set("note", format!("{} / {}", open.unwrap_or_default(), secure.unwrap_or_default()));
    Ok(())
}

plugin!(tell);
