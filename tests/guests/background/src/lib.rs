//! Steps that work with their system job. Tests register the ones that they need, with a configuration that says how far.

use std::time::Duration;

use stagegate_sdk::prelude::*;

/// Counts from its checkpoint to the number in its configuration. For each number it creates an `inner`, named after the
/// job and the number, once in all runs.
#[step(PostOperation, async, entity = "probe", ordered, background, configuration = "5")]
fn count(ctx: &mut Create<Record>) -> Result {
    let job = ctx.job();
    let (operation, last) = (ctx.operation_id().unwrap_or_default(), configured(ctx)?);
    let done = match job.checkpoint() {
        Some(checkpoint) => u32::from_le_bytes(checkpoint.as_slice().try_into()?),
        None => 0,
    };
    trace!("attempt {} goes on from {done}", job.attempt());
    for number in done + 1..=last {
        let inner = Record::new("inner").with("name", format!("{operation}/{number}"));
        ctx.create_once(number, inner)?;
        job.save_checkpoint(number.to_le_bytes())?;
        job.report_progress(u8::try_from(number * 100 / last)?, format_args!("{number} of {last}"))?;
    }
    Ok(())
}

/// Asks to be run again until the attempt in its configuration.
#[step(PostOperation, async, entity = "probe", configuration = "3")]
fn again(ctx: &mut Create<Record>) -> Result {
    let (attempt, enough) = (ctx.job().attempt(), configured(ctx)?);
    trace!("attempt {attempt}");
    if attempt < enough {
        return Err(Fault::retry(format!("attempt {attempt} of {enough}")));
    }
    Ok(())
}

/// Puts its work off for an hour, and then says what it saved before.
#[step(PostOperation, async, entity = "probe")]
fn later(ctx: &mut Create<Record>) -> Result {
    let job = ctx.job();
    if job.attempt() == 1 {
        job.save_checkpoint("seen")?;
        return job.postpone_until(ctx.now() + Duration::from_hours(1));
    }
    trace!("{}", String::from_utf8(job.checkpoint().unwrap_or_default())?);
    Ok(())
}

/// Saves one checkpoint and then computes for ever.
#[step(PostOperation, async, entity = "probe")]
fn spins(ctx: &mut Create<Record>) -> Result {
    ctx.job().save_checkpoint("spinning")?;
    loop {
        std::hint::black_box(());
    }
}

fn configured(ctx: &Context) -> Result<u32> {
    Ok(ctx.configuration().unwrap_or_default().parse()?)
}

plugin!(count, again, later, spins);
