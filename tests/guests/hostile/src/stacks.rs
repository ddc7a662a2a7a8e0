//! Stacks: the guest's own, and those of requests in requests.

use std::hint::black_box;

use stagegate_sdk::prelude::*;

#[expect(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth) + 1)) + 1
}

/// Recurses without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn recurse(_: &mut Create<Record>) -> Result {
    ensure!(deeper(0) == 0, "unreachable");
    Ok(())
}

/// Ends its process, with success.
#[step(PreOperation, entity = "probe")]
pub(crate) fn exit(_: &mut Create<Record>) -> Result {
    std::process::exit(0);
}

/// Panics with a message of a megabyte.
#[step(PreOperation, entity = "probe")]
pub(crate) fn panic_at_length(_: &mut Create<Record>) -> Result {
    panic!("{}", "no ".repeat(350_000));
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn wider(depth: u64) -> u64 {
    let frame = black_box([depth; 1000]);
    wider(black_box(depth) + 1) + frame[3]
}

/// Recurses with large values on the stack, which is in the guest's memory and not the host's.
#[step(PreOperation, entity = "probe")]
pub(crate) fn recurse_with_large_frames(_: &mut Create<Record>) -> Result {
    ensure!(wider(0) == 0, "unreachable");
    Ok(())
}

/// Creates a record of its own kind, and so triggers itself.
#[step(PreOperation, entity = "probe")]
pub(crate) fn recurse_through_requests(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("probe").with("name", "again"))?;
    Ok(())
}

fn down(ctx: &Context, levels: u32) -> Result {
    if black_box(levels) > 0 {
        let result = down(ctx, levels - 1);
        return black_box(result);
    }
    ctx.org().create(Record::new("probe").with("name", "again"))?;
    Ok(())
}

/// Goes deep into its own stack at each depth of the requests, before it issues the next.
#[step(PreOperation, entity = "probe")]
pub(crate) fn recurse_at_every_depth(ctx: &mut Create<Record>) -> Result {
    down(ctx, 2000)
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn call_at(ctx: &Context, depth: u64) -> u64 {
    black_box(ctx.now());
    black_box(call_at(ctx, black_box(depth) + 1)) + 1
}

/// Calls the host from ever deeper, so that one call finds the stack almost used up.
#[step(PreOperation, entity = "probe")]
pub(crate) fn call_from_the_bottom(ctx: &mut Create<Record>) -> Result {
    ensure!(call_at(ctx, 0) == 0, "unreachable");
    Ok(())
}
