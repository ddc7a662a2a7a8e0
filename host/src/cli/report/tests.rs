//! The report of made-up traces with fixed times, as text and as JSON.

use std::time::Duration;

use uuid::Uuid;

use super::plan::{self, Registered};
use super::text::Width;
use super::totals::Totals;
use super::{JobReport, PluginReport, Report, RequestReport, Verdict, json, text};
use crate::cli::Exit;
use crate::cli::requests::{Expect, Fault as ExpectedFault};
use crate::model::cause::Frame;
use crate::model::error::Remains;
use crate::model::job::{JobError, Suspension};
use crate::model::step::StepKey;
use crate::model::trace::{Change, Event, OperationRun, StepRun, Trace};
use crate::model::{
    DateTime, Error, ErrorKind, Fault, ImageType, Job, JobStatus, Location, Mode, Response, Stage,
    StepDefinition, Value,
};

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn key(step: &str) -> StepKey {
    StepKey { plugin: "credit-guard".into(), step: step.into() }
}

fn trace(message: &str, duration: u64, events: Vec<Event>) -> Trace {
    Trace {
        message: message.into(),
        entity: Some("account".into()),
        record: Some(Uuid::from_u128(0xacc)),
        user: Uuid::nil(),
        depth: 1,
        correlation_id: Uuid::from_u128(1),
        duration: us(duration),
        events,
        error: None,
    }
}

fn step(name: &str, stage: Stage, duration: u64) -> StepRun {
    StepRun {
        native: name == "count",
        plugin_hash: None,
        step: key(name),
        stage,
        mode: Mode::Synchronous,
        rank: 1,
        duration: us(duration),
        host_calls: Duration::ZERO,
        memory_bytes: 0,
        changes: Vec::new(),
        lines: Vec::new(),
        requests: Vec::new(),
        error: None,
    }
}

fn change(attribute: &str, old: Option<Value>, new: Option<Value>) -> Change {
    Change { attribute: attribute.into(), old, new }
}

fn operation(duration: u64, changes: Vec<Change>) -> Event {
    Event::Operation(OperationRun { duration: us(duration), changes, error: None })
}

/// An accepted change: a skipped step, a guest with a nested request, a native step, a job.
fn accepted() -> RequestReport {
    let mut nested = trace("Retrieve", 300, vec![Event::Began { waited: us(0) }, operation(200, Vec::new())]);
    nested.entity = Some("systemuser".into());
    nested.depth = 2;
    let mut approve = step("approve_rise", Stage::PreOperation, 1_000);
    approve.host_calls = us(450);
    approve.memory_bytes = 1_179_648;
    approve.lines = vec!["credit limit 500 -> 900".into(), "forged\u{1b}[2J".into()];
    approve.requests = vec![nested];
    approve.changes = vec![change("approved", None, Some(Value::Boolean(true)))];
    let job = Uuid::from_u128(0x0b);
    let events = vec![
        Event::Admitted { waited: us(10) },
        Event::Skipped {
            step: key("check_name"),
            stage: Stage::PreValidation,
            reason: "the target carries none of name".into(),
        },
        Event::Began { waited: us(1_500) },
        Event::Step(approve),
        operation(400, vec![change("creditlimit", Some(Value::Integer(500)), Some(Value::Integer(900)))]),
        Event::Step(step("count", Stage::PostOperation, 50)),
        Event::Queued { job, step: key("follow_up") },
        Event::Committed { took: us(800) },
    ];
    let mut queued = Job::new(job, key("follow_up"), DateTime(0));
    queued.status = JobStatus::Succeeded;
    queued.attempt = 1;
    queued.started_on = Some(DateTime(5));
    queued.completed_on = Some(DateTime(7));
    queued.trace = vec!["made a task".into()];
    let mut run = step("follow_up", Stage::PostOperation, 1_200);
    run.mode = Mode::Asynchronous;
    run.memory_bytes = 1_310_720;
    run.lines = queued.trace.clone();
    RequestReport {
        number: 1,
        note: Some("raise the limit".into()),
        expect: Expect::Success,
        message: "Update".into(),
        result: Ok(Response::default()),
        trace: Some(trace("Update", 4_000, events)),
        jobs: vec![JobReport { job: queued, runs: vec![run] }],
    }
}

fn refused() -> RequestReport {
    let location = Location {
        step: key("approve_rise"),
        stage: Stage::PreOperation,
        message: "Update".into(),
        entity: Some("account".into()),
    };
    let mut fault = Fault::new("a credit limit of 5000 needs an approver");
    fault.details = vec![("limit".into(), "1000".into())];
    let error = Error::rejected(fault).with_trace(&["credit limit 900 -> 5000".into()]).at(location);
    let mut approve = step("approve_rise", Stage::PreOperation, 500);
    approve.error = Some(error.clone());
    let mut trace = trace("Update", 700, vec![Event::Step(approve), Event::RolledBack { took: us(100) }]);
    trace.error = Some(error.clone());
    RequestReport {
        number: 2,
        note: None,
        expect: Expect::Fault(ExpectedFault::default()),
        message: "Update".into(),
        result: Err(error),
        trace: Some(trace),
        jobs: Vec::new(),
    }
}

fn report(requests: Vec<RequestReport>) -> Report {
    let approve = StepDefinition::new("approve_rise", "Update", Stage::PreOperation)
        .on("account")
        .filter(["creditlimit"])
        .image("before", ImageType::PreImage, ["creditlimit"]);
    let follow_up =
        StepDefinition::new("follow_up", "Update", Stage::PostOperation).on("account").asynchronous();
    let registered = |definition: StepDefinition, native| Registered {
        native,
        ..Registered::declared(key(&definition.name), definition)
    };
    let count = StepDefinition::new("count", "Update", Stage::PostOperation);
    Report {
        plugins: vec![PluginReport {
            name: "credit-guard".into(),
            path: "credit_guard.wasm".into(),
            cached: false,
            load: us(154_000),
            component_bytes: 65_536,
            code_bytes: 131_072,
            hash: "00ff".into(),
            steps: 2,
            warnings: vec!["the entity `lead` is not defined".into()],
        }],
        database: None,
        made_up: false,
        plan: plan::lines(&[
            registered(approve, false),
            registered(follow_up, false),
            registered(count, true),
        ]),
        requests,
        usage: Vec::new(),
        earlier_jobs: Vec::new(),
        memory_limit: 128 << 20,
        interrupted: false,
        took: us(200_000),
    }
}

fn totals(report: &Report) -> Totals {
    Totals::of(&report.requests)
}

fn rendered(report: &Report, width: Width) -> String {
    let requests: String = report.requests.iter().map(|request| text::request(request, width)).collect();
    text::beginning(report, width) + &requests + &text::ending(report, &totals(report), DateTime(0), width)
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The text report with its runs of blanks made one, so that the test is about what is said and not about columns.
fn words(report: &Report) -> String {
    let text = plain(&rendered(report, Width::FILE));
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_text_report_tells_the_whole_run() {
    let report = report(vec![accepted(), refused()]);
    let expected = "\
Stagegate 0.1.0, temporary database
credit-guard 2 steps, 64 KiB, compiled credit_guard.wasm 154 ms
note: the entity `lead` is not defined

The plan: which steps run on which message, in this order
stage rank mode step plugin
Update account
1 20 PreOperation 1 sync approve_rise credit-guard
in transaction, before the operation
if the target carries creditlimit; pre-image before(creditlimit)
2 40 PostOperation 1 sync count credit-guard (native)
in transaction, after the operation
3 40 PostOperation 1 async follow_up credit-guard
queued with the commit, runs after it
Update of any other entity
1 40 PostOperation 1 sync count credit-guard (native)
in transaction, after the operation
";
    let words = words(&report);
    assert!(words.starts_with(expected), "{words}");
    let expected = "\
The requests
1 Update account 00000000-0000-0000-0000-000000000acc committed 4.00 ms
raise the limit
10 PreValidation
· check_name credit-guard skipped: the target carries none of name
waited for the database 1.50 ms
20 PreOperation
✓ approve_rise credit-guard 1.00 ms
│ credit limit 500 -> 900
│ forged\\u{1b}[2J
✓ ↳ Retrieve systemuser 0000…000acc 0.30 ms
+ approved: true
30 MainOperation
✓ write account 0.40 ms
creditlimit: 500 -> 900
40 PostOperation
✓ count credit-guard 0.05 ms
» queued job 0000…00000b follow_up credit-guard → succeeded
commit 0.80 ms
after the commit
✓ follow_up credit-guard job 0000…00000b succeeded waited 5 ms 1.20 ms
│ made a task

2 Update account 00000000-0000-0000-0000-000000000acc refused as expected, rolled back 0.70 ms
20 PreOperation
✗ approve_rise credit-guard 0.50 ms
rollback 0.10 ms
✗ rejected a credit limit of 5000 needs an approver
in step `approve_rise` of plugin `credit-guard` at PreOperation of Update account
code 0x80040265 (-2147220891)
limit 1000
trace
│ credit limit 900 -> 5000

Where the time went
waiting for admission 0.01 ms 0 %
waiting for the database 1.50 ms 32 % ▪▪▪▪▪▪▪▪
guests 1.05 ms 22 % ▪▪▪▪▪▪
host calls 0.15 ms 3 % ▪
native steps 0.05 ms 1 %
core operations 0.60 ms 13 % ▪▪▪
commit and rollback 0.90 ms 19 % ▪▪▪▪▪
pipeline 0.45 ms 10 % ▪▪
all requests 4.71 ms
asynchronous steps 1.20 ms on their own, after the commits

load time 154 ms (1 compiled), peak memory of a guest 1.2 MiB of 128.0 MiB, all in all 200 ms
2 requests, 1 succeeded, 1 refused as expected or allowed, 1 job succeeded
";
    let from = words.find("The requests").unwrap();
    assert_eq!(&words[from..], expected.trim_end());
    assert_eq!(report.exit(), Exit::Done);
}

#[test]
fn a_run_that_contention_undid_is_shown() {
    let run = || Event::Step(step("approve_rise", Stage::PreOperation, 500));
    let reason = "cannot update account: it waited for another request, and that one for it".to_owned();
    let repeated = Event::Repeated { runs: 1, waited: us(9_000), reason };
    let events = vec![run(), Event::RolledBack { took: us(100) }, repeated, run()];
    let mut request = accepted();
    request.jobs.clear();
    request.trace = Some(trace("Update", 12_000, events));
    let report = report(vec![request]);
    let words = words(&report);
    let expected = "\
20 PreOperation
✓ approve_rise credit-guard 0.50 ms
rollback 0.10 ms
undone by contention, runs again (1) 9.00 ms
│ cannot update account: it waited for another request, and that one for it
20 PreOperation
✓ approve_rise credit-guard 0.50 ms
";
    assert!(words.contains(expected), "{words}");
    assert_eq!(totals(&report).ledger.database_wait, us(9_000));
    let json = json::render(&report, &totals(&report)).unwrap();
    assert!(json.contains("\"event\": \"repeated\""), "{json}");
}

#[test]
fn no_line_is_wider_than_the_page() {
    let report = report(vec![accepted(), refused()]);
    for (width, columns) in [(Width::FILE, 100), (Width::terminal(80), 80), (Width::terminal(60), 60)] {
        for line in plain(&rendered(&report, width)).lines() {
            assert!(line.chars().count() <= columns, "{line}");
        }
    }
}

#[test]
fn every_moment_is_counted_once() {
    let report = report(vec![accepted(), refused()]);
    let totals = totals(&report);
    let sum: Duration = totals.ledger.shares().iter().map(|(_, share)| *share).sum();
    assert_eq!(sum, totals.ledger.total);
    assert_eq!(totals.ledger.total, us(4_000 + 10 + 700));
}

#[test]
fn the_json_report_keeps_its_shape() {
    let report = report(vec![accepted(), refused()]);
    let text = json::render(&report, &totals(&report)).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let at =
        |pointer: &str| document.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer}: {text}"));
    assert_eq!(at("/format"), 1);
    assert_eq!(at("/exit_code"), 0);
    assert_eq!(document.get("database"), None);
    assert_eq!(at("/plugins/0/source"), "compiled");
    assert_eq!(at("/plugins/0/warnings"), serde_json::json!(["the entity `lead` is not defined"]));
    assert_eq!(at("/plan/0/why"), "in transaction, before the operation");
    assert_eq!(at("/plan/0/images/0/type"), "PreImage");
    assert_eq!(at("/requests/0/outcome"), "succeeded");
    let events = at("/requests/0/trace/events");
    let names: Vec<&str> =
        events.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["admitted", "skipped", "began", "step", "operation", "step", "queued", "committed"]);
    assert_eq!(at("/requests/0/trace/events/3/requests/0/entity"), "systemuser");
    assert_eq!(
        at("/requests/0/trace/events/4/changes/0"),
        serde_json::json!({"attribute": "creditlimit", "type": "integer", "old": 500, "new": 900})
    );
    assert_eq!(
        at("/requests/0/trace/events/3/changes/0"),
        serde_json::json!({"attribute": "approved", "type": "boolean", "new": true})
    );
    assert_eq!(at("/requests/0/jobs/0/status"), "succeeded");
    assert_eq!(at("/requests/0/jobs/0/runs/0/lines/0"), "made a task");
    assert_eq!(at("/totals/asynchronous_steps_us"), 1_200);
    assert_eq!(at("/requests/1/outcome"), "refused");
    assert_eq!(at("/requests/1/error/kind"), "rejected");
    assert_eq!(at("/requests/1/error/code_hex"), "0x80040265");
    assert_eq!(at("/requests/1/error/path/0/step"), "approve_rise");
    assert_eq!(at("/totals/total_us"), 4_710);
    assert_eq!(at("/totals/load_us"), 154_000);
}

#[test]
fn the_exit_code_follows_what_was_expected() {
    let ended = |expect, result| RequestReport { expect, result, ..accepted() };
    let broken = || Err(Error::new(ErrorKind::Trapped, "unreachable"));
    let rejected = || Err(Error::rejected(Fault::new("no")));
    let done = || Ok(Response::default());
    let fault = |kind: Option<&str>| {
        Expect::Fault(ExpectedFault { kind: kind.map(str::to_owned), ..Default::default() })
    };
    let cases = [
        (ended(Expect::Success, done()), Verdict::Succeeded, Exit::Done),
        (ended(Expect::Success, rejected()), Verdict::Failed, Exit::RequestFailed),
        (ended(fault(None), rejected()), Verdict::Refused, Exit::Done),
        (ended(fault(None), broken()), Verdict::Failed, Exit::RequestFailed),
        (ended(fault(Some("trapped")), broken()), Verdict::Refused, Exit::Done),
        (ended(fault(Some("trapped")), rejected()), Verdict::Failed, Exit::RequestFailed),
        (ended(fault(None), done()), Verdict::NotRefused, Exit::RequestFailed),
        (ended(Expect::Any, rejected()), Verdict::Refused, Exit::Done),
        (ended(Expect::Any, broken()), Verdict::Failed, Exit::RequestFailed),
    ];
    for (request, verdict, exit) in cases {
        assert_eq!(request.verdict(), verdict, "{:?} {:?}", request.expect, request.result);
        assert_eq!(report(vec![request]).exit(), exit);
    }
}

#[test]
fn a_failed_job_makes_the_program_fail_and_says_why() {
    let mut request = accepted();
    request.jobs[0].job.status = JobStatus::Failed;
    request.jobs[0].job.attempt = 3;
    request.jobs[0].job.error = Some(JobError { code: -1, message: "the mail server is down".into() });
    let report = report(vec![request]);
    assert_eq!(report.exit(), Exit::RequestFailed);
    let words = words(&report);
    assert!(words.contains("failed at attempt 3 1.20 ms"), "{words}");
    assert!(words.contains("the mail server is down 0xffffffff (-1)"), "{words}");
}

#[test]
fn a_job_that_is_not_over_says_what_it_waits_for() {
    let until = DateTime(1_800_000_000_000);
    for (status, suspension, blocked, text, json) in [
        (
            JobStatus::Waiting,
            Some(Suspension::Retry),
            false,
            "waiting: retry at 2027-01-15T08:00:00Z",
            "retry",
        ),
        (
            JobStatus::Waiting,
            Some(Suspension::Postponed),
            true,
            "waiting: postponed until 2027-01-15T08:00:00Z, blocked",
            "postponed",
        ),
    ] {
        let mut request = accepted();
        let job = &mut request.jobs[0].job;
        (job.status, job.suspension, job.postpone_until, job.blocked) =
            (status, suspension, Some(until), blocked);
        let report = report(vec![request]);
        assert_eq!(report.exit(), Exit::Done);
        let words = words(&report).replace('\n', " ");
        assert!(words.contains(&format!("follow_up credit-guard → {text}")), "{words}");
        assert!(words.contains(&format!("job 0000…00000b {text}")), "{words}");
        assert!(words.contains("1 job not over yet"), "{words}");
        let document = json::render(&report, &Totals::of(&report.requests)).unwrap();
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let job = &document["requests"][0]["jobs"][0];
        assert_eq!(job["status"], "waiting");
        assert_eq!(job["suspension"], json);
        assert_eq!(job["postpone_until"], until.to_string());
        assert_eq!(job["blocked"], blocked);
        assert_eq!(job["runs"][0]["step"], "follow_up");
    }
}

#[test]
fn the_error_of_a_job_is_shown_like_that_of_a_request() {
    let mut request = accepted();
    request.jobs[0].job.status = JobStatus::Failed;
    let location = Location {
        step: key("follow_up"),
        stage: Stage::PostOperation,
        message: "Update".into(),
        entity: Some("account".into()),
    };
    let frame = Frame { file: Some("src/lib.rs".into()), line: Some(7), ..Frame::new("follow_up".into()) };
    let error = Error::new(ErrorKind::Panicked, "the plugin panicked: no task")
        .with_remains(Remains { frames: vec![frame], ..Remains::default() })
        .at(location);
    request.jobs[0].runs[0].error = Some(error);
    let words = words(&report(vec![request]));
    let expected = "\
✗ panicked the plugin panicked: no task
in step `follow_up` of plugin `credit-guard` at PostOperation of Update account
code 0x80040224 (-2147220956)
backtrace
at follow_up (src/lib.rs:7)
";
    assert!(words.contains(expected), "{words}");
}
