//! Steps and the system jobs that they run in.

use std::time::Duration;

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::{Fake, Progress};

/// Counts to three from its checkpoint, and fails after the number that the target names.
#[step(PostOperation, async, background)]
fn count(ctx: &mut Create<Record>) -> Result {
    let job = ctx.job();
    let done = job.checkpoint().and_then(|checkpoint| checkpoint.first().copied()).unwrap_or_default();
    trace!("attempt {} from {done}", job.attempt());
    for number in done + 1..=3 {
        job.save_checkpoint([number])?;
        job.report_progress(number * 33, format_args!("number {number}"))?;
        if ctx.target.value::<i32>("fails_at") == Some(number.into()) {
            return Err(Fault::retry("not now"));
        }
    }
    Ok(())
}

fn failing_at(number: i32) -> Record {
    Record::new("probe").with("fails_at", number)
}

#[test]
fn an_attempt_goes_on_from_the_checkpoint_of_the_one_before() {
    let org = Fake::new();
    let job = org.as_job(UniqueIdentifier::from_u128(7), org.now());
    job.run_create::<count>(failing_at(2)).unwrap_err();
    job.run_create::<count>(Record::new("probe")).unwrap();
    // Another job begins from the start.
    org.run_create::<count>(failing_at(1)).unwrap_err();
    assert_eq!(org.traces(), ["attempt 1 from 0", "attempt 2 from 2", "attempt 1 from 0"]);
    assert_eq!(org.checkpoints(), [[1], [2], [3], [1]]);
    let progress = |percent, note: &str| Progress { percent: Some(percent), note: note.to_owned() };
    let reported = [
        progress(33, "number 1"),
        progress(66, "number 2"),
        progress(99, "number 3"),
        progress(33, "number 1"),
    ];
    assert_eq!(org.progress(), reported);
}

#[test]
fn a_test_gives_the_attempt_and_the_checkpoint() {
    let org = Fake::new();
    org.at_attempt(5).with_checkpoint([2]).run_create::<count>(Record::new("probe")).unwrap();
    assert_eq!(org.traces(), ["attempt 5 from 2"]);
    assert_eq!(org.checkpoints(), [[3]], "what a test gives, no step saved");
}

/// Postpones itself twice, and fails if the target says so.
#[step(PostOperation, async)]
fn postpone(ctx: &mut Create<Record>) -> Result {
    ctx.job().postpone_until(ctx.now() + Duration::from_secs(60))?;
    ctx.job().postpone_until(ctx.now() + Duration::from_secs(5))?;
    ensure!(ctx.target.value::<i32>("fails_at").is_none(), "no");
    Ok(())
}

#[test]
fn a_step_that_succeeds_postpones_its_job() {
    let org = Fake::new();
    org.run_create::<postpone>(Record::new("probe")).unwrap();
    assert_eq!(org.postponed_until(), Some(org.now() + Duration::from_secs(5)), "the last call counts");
    org.run_create::<postpone>(failing_at(0)).unwrap_err();
    assert_eq!(org.postponed_until(), None);
}

/// Asks its job for what the target names, and traces the answer.
#[step(PostOperation, async)]
fn ask_asynchronously(ctx: &mut Create<Record>) -> Result {
    ask(&ctx.job(), &ctx.target)
}

#[step(PostOperation)]
fn ask_synchronously(ctx: &mut Create<Record>) -> Result {
    ask(&ctx.job(), &ctx.target)
}

fn ask(job: &SystemJob, target: &Record) -> Result {
    let size = usize::try_from(target.value::<i32>("size").unwrap_or_default())?;
    match target.value::<String>("function").unwrap_or_default().as_str() {
        "save" => job.save_checkpoint(vec![0; size]),
        "percent" => job.report_progress(u8::try_from(size)?, ""),
        "note" => job.report_progress(None, "x".repeat(size)),
        "postpone" => job.postpone_until(DateTime::from_millis(i64::MAX)),
        _ => {
            trace!("{} {:?}", job.attempt(), job.checkpoint());
            Ok(())
        }
    }
}

#[test]
fn what_a_host_refuses_the_fake_refuses() {
    let asking = |function: &str, size: usize| {
        let size = i32::try_from(size).unwrap();
        Record::new("probe").with("function", function).with("size", size)
    };
    let check = |function: &str, size: usize, expected: Option<&str>| {
        let fault = Fake::new().run_create::<ask_asynchronously>(asking(function, size)).err();
        assert_eq!(fault.as_ref().map(Fault::message), expected, "{function} {size}");
        assert!(fault.is_none_or(|fault| fault.code() == code::INVALID_ARGUMENT));
    };
    let most = SystemJob::CHECKPOINT_BYTES_MAX;
    check("save", most, None);
    check("save", most + 1, Some("A checkpoint of 1048577 bytes is too large: it has 1048576 at most."));
    check("percent", 100, None);
    check("percent", 101, Some("The progress cannot be 101 percent: it goes from 0 to 100."));
    check("note", 1000, None);
    check("note", 1001, Some("A progress note of 1001 bytes is too long: it has 1000 at most."));
    let far = "The step cannot postpone itself so far: a moment is in the years -9999 to 9999.";
    check("postpone", 0, Some(far));

    for (function, action) in
        [("save", "save a checkpoint"), ("note", "report progress"), ("postpone", "postpone itself")]
    {
        let fault = Fake::new().run_create::<ask_synchronously>(asking(function, 0)).err().unwrap();
        let expected = format!("The step cannot {action}: only an asynchronous step has a system job.");
        assert_eq!(fault.message(), expected);
    }
    let org = Fake::new();
    org.with_checkpoint("x").at_attempt(3).run_create::<ask_synchronously>(asking("", 0)).unwrap();
    assert_eq!(org.traces(), ["0 None"]);
}
