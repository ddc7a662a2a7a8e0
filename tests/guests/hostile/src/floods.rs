//! Floods: more of everything that a plugin may call.

use stagegate_sdk::prelude::*;

/// Calls the host without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn host_calls(ctx: &mut Create<Record>) -> Result {
    loop {
        std::hint::black_box(ctx.now());
    }
}

/// Traces without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn traces(ctx: &mut Create<Record>) -> Result {
    let line = "x".repeat(1000);
    loop {
        ctx.trace(&line);
    }
}

/// Writes to its output without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn output(_: &mut Create<Record>) -> Result {
    let line = "x".repeat(4000);
    loop {
        println!("{line}");
        eprintln!("{line}");
    }
}

/// Creates records without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn creates(ctx: &mut Create<Record>) -> Result {
    loop {
        ctx.org().create(Record::new("inner").with("name", "one of many"))?;
    }
}

/// Queries without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn queries(ctx: &mut Create<Record>) -> Result {
    loop {
        ctx.org().retrieve_multiple(Query::<Record>::of("inner"))?;
    }
}

/// Goes on after every refusal.
#[step(PreOperation, entity = "probe")]
pub(crate) fn caught_failures(ctx: &mut Create<Record>) -> Result {
    loop {
        refused_again(ctx);
    }
}

fn refused_again(ctx: &Context) {
    let wrong = ctx.org().create(Record::new("no such entity"));
    std::hint::black_box(wrong.is_err());
}

/// Issues ten requests that each issue ten, as deep as requests nest.
#[step(PreOperation, entity = "probe")]
pub(crate) fn requests_in_requests(ctx: &mut Create<Record>) -> Result {
    if ctx.depth() < 8 {
        for _ in 0..10 {
            ctx.org().create(Record::new("probe").with("name", "again"))?;
        }
    }
    Ok(())
}

/// Takes random numbers without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn random_bytes(_: &mut Create<Record>) -> Result {
    loop {
        std::hint::black_box(wasip2::random::random::get_random_bytes(1 << 20));
    }
}
