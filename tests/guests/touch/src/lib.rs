//! The payload of the benchmarks: reads the whole target, sets one attribute, traces one line.

use stagegate_sdk::prelude::*;

/// Reads every attribute and sets one.
#[step(PreOperation, entity = "probe")]
fn touch(ctx: &mut Create<Record>) -> Result {
    let count = ctx.target.attributes.len();
    ctx.target.set("touched", i32::try_from(count).unwrap_or(i32::MAX));
    trace!("touched {count}");
    Ok(())
}

/// Does nothing.
#[step(PreOperation, entity = "probe")]
fn pass(_ctx: &mut Create<Record>) -> Result {
    Ok(())
}

/// Creates the next record, until the depth that the record's `left` asks for.
#[step(PreOperation, entity = "chain")]
fn descend(ctx: &mut Create<Record>) -> Result {
    let left: i32 = ctx.target.value("left").unwrap_or_default();
    if left > 0 {
        ctx.org().create(Record::new("chain").with("left", left - 1))?;
    }
    Ok(())
}

plugin!(touch, pass, descend);
