//! System jobs: told of without end, put off for ever, queued by the thousand.

use stagegate_sdk::prelude::*;

/// Bytes of a checkpoint at most.
const CHECKPOINT: usize = 1 << 20;

/// Saves checkpoints without end, each as large as it may be.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn checkpoints(ctx: &mut Create<Record>) -> Result {
    let (job, data) = (ctx.job(), vec![b'x'; CHECKPOINT]);
    loop {
        job.save_checkpoint(&data)?;
    }
}

/// Saves what is as large as it may be, and what is larger.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn checkpoint_too_large(ctx: &mut Create<Record>) -> Result {
    let job = ctx.job();
    job.save_checkpoint(vec![b'x'; CHECKPOINT])?;
    for bytes in [CHECKPOINT + 1, 7 * CHECKPOINT] {
        crate::refused("a larger checkpoint", job.save_checkpoint(vec![b'y'; bytes]))?;
    }
    let kept = job.checkpoint().unwrap_or_default();
    ensure!(kept == vec![b'x'; CHECKPOINT], "another checkpoint is there, of {} bytes", kept.len());
    Ok(())
}

/// Reads its checkpoint without end.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn checkpoint_again_and_again(ctx: &mut Create<Record>) -> Result {
    let job = ctx.job();
    job.save_checkpoint(vec![b'x'; CHECKPOINT])?;
    loop {
        std::hint::black_box(job.checkpoint());
    }
}

/// Reports progress without end.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn progress(ctx: &mut Create<Record>) -> Result {
    let (job, note) = (ctx.job(), "x".repeat(1000));
    loop {
        job.report_progress(50, &note)?;
    }
}

/// Puts itself off to a moment that is over, each time.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn put_off_for_ever(ctx: &mut Create<Record>) -> Result {
    ctx.job().postpone_until(ctx.now())
}

/// Has each of a bulk message's records queue a job.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_jobs(ctx: &mut Create<Record>) -> Result {
    ctx.org().create_multiple((0..5_000).map(|_| Record::new("inner").with("name", "one of many")))?;
    Ok(())
}

/// The same, where each job has a copy of a mebibyte.
#[step(PreOperation, entity = "probe")]
pub(crate) fn huge_jobs(ctx: &mut Create<Record>) -> Result {
    for number in 0..4 {
        ctx.set_shared_variable(&number.to_string(), "x".repeat(250 << 10))?;
    }
    thousands_of_jobs(ctx)
}

/// Queues a job with each record, without end.
#[step(PreOperation, entity = "probe")]
pub(crate) fn jobs_without_end(ctx: &mut Create<Record>) -> Result {
    loop {
        ctx.org().create(Record::new("inner").with("name", "one of many"))?;
    }
}

/// Queues two jobs, which do the same.
#[step(PostOperation, async, background, entity = "probe")]
pub(crate) fn jobs_in_jobs(ctx: &mut Create<Record>) -> Result {
    for _ in 0..2 {
        ctx.org().create(Record::new("inner").with("name", "one of many"))?;
    }
    Ok(())
}

/// One of those jobs.
#[step(PostOperation, async, entity = "inner")]
pub(crate) fn job_in_jobs(ctx: &mut Create<Record>) -> Result {
    jobs_in_jobs(ctx)
}
