//! A neighbour that has a secret.

use stagegate_sdk::prelude::*;

/// Notes its secret in the record.
#[step(PreOperation, entity = "inner")]
fn tell_secret(ctx: &mut Create<Record>) -> Result {
    let secret = ctx.capabilities().secret("theirs")?;
    ctx.target.set("note", secret);
    Ok(())
}

plugin!(tell_secret, asks(secrets("theirs")));
