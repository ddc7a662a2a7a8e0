//! `stagegate jobs`, beside a host that runs on the database and without one.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};
use stagegate::cli::Exit;
use stagegate::model::job::{JobPolicy, Suspension};
use stagegate::model::step::StepKey;
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::store::{Access, Begin, JobFilter, JobSelect, Store, transact};
use stagegate::{DateTime, Fault, Job, JobStatus, NativeStep, OperationStatus, Stage, StepContext, Uuid};
use stagegate_tests::{World, on_create, text};
use tokio::sync::Notify;

use super::program::{Program, Ran, component};

/// A host on a database, and the program beside it.
struct Beside {
    world: World,
    program: Program,
    /// Rung by a job that has come to where it waits for its end.
    reached: Arc<Notify>,
    /// Whether the step `works` fails.
    broken: Arc<AtomicBool>,
}

impl Beside {
    /// With the steps `works`, which fails while it is broken; `holds`, which never ends; and `again`, which fails and
    /// wants to be run again in an hour. Which of them a Create queues its record's name says.
    async fn new() -> Self {
        let (reached, broken) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (rings, is_broken) = (Arc::clone(&reached), Arc::clone(&broken));
        let works = NativeStep::new(move |cx| {
            let broken = is_broken.load(Ordering::Relaxed);
            async move {
                cx.trace(format!("works on {}", name(&cx)));
                if broken { Err(Fault::new("the other side does not answer\nand so on")) } else { Ok(()) }
            }
        });
        let holds = NativeStep::new(move |_| {
            let rings = Arc::clone(&rings);
            async move {
                rings.notify_one();
                std::future::pending().await
            }
        });
        let again = NativeStep::new(|_| async {
            Err(Fault { status: OperationStatus::Retry, ..Fault::new("come back later") })
        });
        let hour = JobPolicy { retry_delay: std::time::Duration::from_secs(7200), ..JobPolicy::default() };
        let step = |name: &str| {
            let mut definition = on_create(name, Stage::PostOperation).asynchronous();
            definition.when =
                serde_json::from_value(json!({"attribute": "name", "operator": "eq", "value": name})).ok();
            assert!(definition.when.is_some());
            definition
        };
        let world = World::new(|host| {
            host.native_step("p", step("works"), works)
                .native_step("p", step("holds"), holds)
                .native_step("p", step("again").jobs(hour), again)
                .shutdown_grace(std::time::Duration::ZERO)
        })
        .await;
        Self { world, program: Program::new(), reached, broken }
    }

    /// Queues a job of a step, and returns it as it is once the host has nothing more to do.
    async fn queue(&self, step: &str) -> Job {
        self.world.create(step).await.unwrap();
        if step == "holds" {
            self.reached.notified().await;
        } else {
            self.world.host.idle().await.unwrap();
        }
        self.jobs().await.pop().unwrap()
    }

    async fn jobs(&self) -> Vec<Job> {
        self.world.host.jobs(JobSelect::Newest(99)).await.unwrap()
    }

    async fn statuses(&self) -> Vec<String> {
        self.jobs().await.iter().map(|job| job.status.to_string()).collect()
    }

    async fn run(&self, args: &str) -> Ran {
        let database = OsString::from(self.world.database.name());
        let args = std::iter::once("jobs").chain(args.split_whitespace()).map(OsString::from);
        self.program.start(args.chain(["--database".into(), database])).await
    }

    async fn json(&self, args: &str) -> Json {
        let ran = self.run(&format!("{args} --format json")).await;
        serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

fn name(cx: &StepContext) -> String {
    cx.target().unwrap().map(|target| text(&target, "name")).unwrap_or_default()
}

#[track_caller]
fn says(ran: &Ran, exit: Exit, parts: &[&str]) {
    assert_eq!(ran.exit, exit, "{}\n{}", ran.errors, ran.output);
    for part in parts {
        assert!(ran.output.contains(part), "`{part}` is not in:\n{}", ran.output);
    }
}

#[tokio::test]
async fn jobs_are_listed_with_what_they_wait_for() {
    let beside = Beside::new().await;
    says(&beside.run("list").await, Exit::Done, &["no such system jobs"]);
    let again = beside.queue("again").await;
    beside.broken.store(true, Ordering::Relaxed);
    let failed = beside.queue("works").await;
    let holds = beside.queue("holds").await;
    let ran = beside.run("list").await;
    let due = again.postpone_until.unwrap();
    let parts = [
        format!("{}  p/again  waiting: retry at {due}", again.id),
        "come back later".to_owned(),
        format!("{}  p/works  failed", failed.id),
        "the other side does not answer".to_owned(),
        format!("{}  p/holds  in progress", holds.id),
        format!("probe {}", holds.regarding.clone().unwrap().id),
    ];
    says(&ran, Exit::Done, &parts.each_ref().map(String::as_str));
    assert!(!ran.output.contains("and so on"), "the first line of an error: {}", ran.output);
    let places = [&again, &failed, &holds].map(|job| ran.output.find(&job.id.to_string()).unwrap());
    assert!(places.is_sorted(), "the newest last: {}", ran.output);

    for (filter, expected) in [
        ("", vec!["again", "works", "holds"]),
        ("--limit 1", vec!["holds"]),
        ("--plugin p", vec!["again", "works", "holds"]),
        ("--plugin q", vec![]),
        ("--step p/works", vec!["works"]),
        ("--status failed --status in-progress", vec!["works", "holds"]),
        ("--status waiting --step p/works", vec![]),
        (&format!("--regarding probe:{}", again.regarding.clone().unwrap().id), vec!["again"]),
        (&format!("--regarding inner:{}", again.regarding.clone().unwrap().id), vec![]),
    ] {
        let list = beside.json(&format!("list {filter}")).await;
        let steps: Vec<&str> =
            list["jobs"].as_array().unwrap().iter().map(|job| job["step"].as_str().unwrap()).collect();
        assert_eq!(steps, expected, "{filter}");
        assert_eq!(list["more"], filter == "--limit 1");
    }
    let job = &beside.json("list --step p/again").await["jobs"][0];
    assert_eq!(job["status"], "waiting");
    assert_eq!(job["suspension"], "retry");
    assert_eq!(job["postpone_until"], due.to_string());
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn a_job_is_shown_whole_by_the_beginning_of_its_identifier() {
    let beside = Beside::new().await;
    beside.broken.store(true, Ordering::Relaxed);
    let job = beside.queue("works").await;
    let id = job.id.to_string();
    let parts = [
        "✗ p/works  failed",
        &id,
        &format!("record      probe {}", job.regarding.unwrap().id),
        "message     Create",
        "attempts    1\n",
        "the other side does not answer",
        "0x80040265",
        "works on works",
        "what to do  mend what the error says, then `stagegate jobs retry",
    ];
    says(&beside.run(&format!("show {}", &id[..24])).await, Exit::Done, &parts);
    let shown = beside.json(&format!("show {id}")).await;
    assert_eq!(shown["job"]["id"], id.as_str());
    assert_eq!(shown["job"]["lines"], json!(["works on works"]));
    assert_eq!(shown["job"]["error"]["code"], -2_147_220_891_i64);
    assert_eq!(shown["step_paused"], false);
    assert!(shown["hint"].as_str().unwrap().contains("retry"));

    beside.queue("works").await;
    let ambiguous = beside.run(&format!("show {}", &id[..1])).await;
    ambiguous.unusable(&["more than one system job begins with", &id, "write more of"]);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn a_job_that_runs_is_canceled_beside_its_host() {
    let beside = Beside::new().await;
    let job = beside.queue("holds").await;
    says(&beside.run("list").await, Exit::Done, &["in progress"]);
    let ran = beside.run(&format!("cancel {}", job.id)).await;
    says(&ran, Exit::Done, &[&format!("{} canceling", job.id)]);
    beside.world.host.idle().await.unwrap();
    assert_eq!(beside.statuses().await, ["canceled"]);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn all_that_failed_of_a_step_are_retried() {
    let beside = Beside::new().await;
    beside.broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        beside.queue("works").await;
    }
    beside.queue("again").await;
    beside.broken.store(false, Ordering::Relaxed);
    says(&beside.run("retry --step p/works").await, Exit::Done, &["retry: 3 system jobs\n"]);
    beside.world.host.idle().await.unwrap();
    assert_eq!(beside.statuses().await, ["succeeded", "succeeded", "succeeded", "waiting"]);
    says(&beside.run("retry --plugin p").await, Exit::Done, &["retry: 0 system jobs\n"]);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn jobs_are_paused_resumed_postponed_and_deleted() {
    let beside = Beside::new().await;
    let ran = beside.run("pause-step p/works").await;
    says(&ran, Exit::Done, &["p/works is paused: its jobs are not started"]);
    says(&beside.run("pause-step p/works").await, Exit::Done, &["was paused already"]);
    let job = beside.queue("works").await;
    assert_eq!(job.status, JobStatus::WaitingForResources);
    let id = job.id;
    says(&beside.run(&format!("show {id}")).await, Exit::Done, &["`stagegate jobs resume-step p/works`"]);
    says(&beside.run("counts").await, Exit::Done, &["p/works  waiting for resources", "paused: p/works"]);

    says(&beside.run(&format!("pause {id}")).await, Exit::Done, &[&format!("{id} waiting\n")]);
    says(&beside.run("list").await, Exit::Done, &["waiting: paused"]);
    let until = "2999-01-31T06:00:00+01:00";
    says(&beside.run(&format!("postpone {id} --until {until}")).await, Exit::Done, &["waiting"]);
    says(&beside.run("list").await, Exit::Done, &["waiting: postponed until 2999-01-31T05:00:00Z"]);
    says(&beside.run("postpone --plugin p --for 2h").await, Exit::Done, &["postpone: 1 system job\n"]);
    assert_eq!(beside.jobs().await[0].suspension, Some(Suspension::Postponed));
    assert!(
        beside.jobs().await[0].postpone_until < Some(DateTime(32_475_000_000_000)),
        "nearer than the year 2999"
    );
    says(&beside.run("resume --step p/works").await, Exit::Done, &["resume: 1 system job\n"]);
    assert_eq!(beside.statuses().await, ["waiting for resources"], "its step is paused");

    says(&beside.run("pause-step p").await, Exit::Done, &["p is paused"]);
    let ran = beside.run("resume-step p/works").await;
    says(&ran, Exit::Done, &["p/works is resumed; still paused: p with all its steps"]);
    let resumed = beside.json("resume-step p").await;
    assert_eq!(resumed["changed"], true);
    assert_eq!(resumed["paused"], json!([]));
    beside.world.host.idle().await.unwrap();
    assert_eq!(beside.statuses().await, ["succeeded"]);

    let holds = beside.queue("holds").await;
    let ran = beside.run(&format!("delete {id} {}", holds.id)).await;
    let refused = format!("{} refused: cannot delete the system job", holds.id);
    let parts = [&format!("{id} deleted"), &refused, "0x8004416a", "delete: 1 system job, 1 refused"];
    says(&ran, Exit::Refused, &parts);
    assert_eq!(beside.jobs().await.len(), 1);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn what_the_platform_refuses_is_told_for_each_job() {
    let beside = Beside::new().await;
    let job = beside.queue("works").await;
    for (action, code, way_out) in [
        ("retry", "0x80044166", "only one that failed or was canceled can be"),
        ("cancel", "0x80044f00", "nothing is left to cancel"),
        ("pause", "0x80044f01", "it is over"),
        ("resume", "0x80044166", "only one that waits can be"),
        ("postpone --for 1h", "0x80044167", "it is over"),
    ] {
        let ran = beside.run(&format!("{action} {}", job.id)).await;
        says(&ran, Exit::Refused, &["refused: cannot", code, way_out]);
        let refused = beside.json(&format!("{action} {}", job.id)).await;
        assert_eq!(refused["exit_code"], 1);
        assert_eq!((&refused["done"], &refused["refused"]), (&json!(0), &json!(1)));
        assert_eq!(refused["jobs"][0]["error"]["code_hex"], code);
    }
    let ran = beside.run("retry --step p/works --status succeeded").await;
    says(&ran, Exit::Refused, &["retry: 0 system jobs, 1 refused"]);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn counts_are_for_people_programs_and_scrapers() {
    let beside = Beside::new().await;
    says(&beside.run("counts").await, Exit::Done, &["no system jobs"]);
    beside.queue("works").await;
    beside.queue("works").await;
    beside.queue("again").await;
    let ran = beside.run("counts").await;
    says(&ran, Exit::Done, &["p/again  waiting: retry     1", "p/works  succeeded          2"]);
    let counts = beside.json("counts").await;
    assert_eq!(counts["counts"][0]["suspension"], "retry");
    assert_eq!(counts["counts"][1]["count"], 2);
    assert_eq!(counts["counts"][1]["status"], "succeeded");
    let parts = [
        "# TYPE stagegate_jobs gauge\n",
        "stagegate_jobs{plugin=\"p\",step=\"works\",status=\"succeeded\",suspension=\"\"} 2\n",
        "stagegate_jobs_oldest_seconds{plugin=\"p\",step=\"again\",status=\"waiting\",suspension=\"retry\"} ",
        "\n# EOF\n",
    ];
    says(&beside.run("counts --format openmetrics").await, Exit::Done, &parts);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn a_job_is_watched_until_it_is_over() {
    let beside = Beside::new().await;
    let done = beside.queue("works").await;
    let ran = beside.run(&format!("watch {}", done.id)).await;
    says(&ran, Exit::Done, &[&format!("job {} of p/works: succeeded\n", done.id)]);
    beside.broken.store(true, Ordering::Relaxed);
    let failed = beside.queue("works").await;
    let ran = beside.run(&format!("watch {}", failed.id)).await;
    says(&ran, Exit::RequestFailed, &["failed: ", "the other side does not answer"]);

    let holds = beside.queue("holds").await;
    let watch = format!("watch {} --interval 1ms --format json", holds.id);
    let cancel = format!("cancel {}", holds.id);
    let (watched, canceled) = tokio::join!(beside.run(&watch), beside.run(&cancel));
    says(&canceled, Exit::Done, &["canceling"]);
    assert_eq!(watched.exit, Exit::Done, "{watched:?}");
    let last: Json = serde_json::from_str(watched.output.lines().last().unwrap()).unwrap();
    assert_eq!(last["job"]["status"], "canceled");
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn all_is_watched_until_an_interrupt() {
    let mut beside = Beside::new().await;
    beside.queue("works").await;
    let holds = beside.queue("holds").await;
    beside.program.interrupted = true;
    let ran = beside.run("watch").await;
    let parts = [
        " p/works succeeded: 1\n",
        " p/holds in progress: 1\n",
        &format!(" job {} of p/holds: in progress\n", holds.id),
    ];
    says(&ran, Exit::Interrupted, &parts);
    let ran = beside.run("watch --format json").await;
    let look: Json = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(look["running"][0]["id"], holds.id.to_string());
    assert_eq!(look["counts"][1]["count"], 1);
    beside.world.host.shutdown().await;
}

#[tokio::test]
async fn a_large_filter_is_worked_through_without_a_host() {
    let program = Program::new();
    let database = program.path("data.db");
    let store = SqliteStore::open(Options::new(&database)).unwrap();
    let step = StepKey { plugin: "p".into(), step: "s".into() };
    let jobs = (0..2_500).map(|number| {
        let mut job = Job::new(Uuid::from_u128(number), step.clone(), DateTime(0));
        job.status = JobStatus::Failed;
        job
    });
    let jobs: Vec<Job> = jobs.collect();
    let begin = Begin { access: Access::Write, deadline: None, label: "fill".into() };
    let fill = transact(&*store, begin, Result::is_ok, |tx| Box::pin(async move { tx.enqueue(&jobs).await }));
    fill.await.0.unwrap().unwrap();
    store.close().await;
    let jobs = |args: &'static str| {
        let args = std::iter::once("jobs").chain(args.split_whitespace()).map(OsString::from);
        program.start(args.chain(["--database".into(), database.clone().into_os_string()]))
    };
    says(&jobs("retry --plugin p").await, Exit::Done, &["retry: 2500 system jobs\n"]);
    says(&jobs("cancel --step p/s").await, Exit::Done, &["cancel: 2500 system jobs\n"]);
    says(&jobs("delete --step p/s --status canceled").await, Exit::Done, &["delete: 2500 system jobs\n"]);
    let store = SqliteStore::open(Options::new(&database)).unwrap();
    assert!(store.job_ids(JobFilter::newest(9)).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn wrong_usage_says_the_way_out() {
    let beside = Beside::new().await;
    let job = beside.queue("works").await;
    let unknown = "0000000a-0000-4000-8000-000000000001";
    for (args, parts) in [
        (&*format!("show {unknown}"), &["there is no system job 0000000a-", "`stagegate jobs list`"][..]),
        (&format!("retry {} {unknown}", job.id), &["there is no system job 0000000a-"]),
        ("show job-1", &["invalid value 'job-1'", "`stagegate jobs list` shows them"]),
        ("list --status done", &["invalid value 'done'", "write one of waiting-for-resources, waiting,"]),
        ("list --step works", &["invalid value 'works'", "as in `credit-guard/follow_up`"]),
        ("list --step p/works --plugin p", &["cannot be used with"]),
        ("list --regarding probe", &["invalid value 'probe'", "as in `account:"]),
        ("list --limit 0", &["invalid value '0'"]),
        ("cancel", &["required", "ID"]),
        ("cancel --status failed", &["required", "ID"]),
        (&format!("cancel {} --plugin p", job.id), &["cannot be used with"]),
        (&format!("postpone {}", job.id), &["required", "--until"]),
        (&format!("postpone {} --until tomorrow", job.id), &["invalid value 'tomorrow'", "RFC 3339"]),
        (&format!("postpone {} --for 10", job.id), &["the unit is missing"]),
        ("pause-step p/", &["invalid value 'p/'", "as in `credit-guard`"]),
        ("counts --format xml", &["invalid value 'xml'", "openmetrics"]),
    ] {
        let ran = beside.run(args).await;
        ran.unusable(parts);
    }
    assert_eq!(beside.statuses().await, ["succeeded"], "nothing was done");
    let missing = beside.program.path("missing.db");
    let args = ["jobs".into(), "list".into(), "--database".into(), missing.into_os_string()];
    beside.program.start(args).await.unusable(&["missing.db", "does not exist"]);
    beside.world.host.shutdown().await;
}

#[test]
fn a_run_does_not_wait_for_jobs_whose_step_is_paused() {
    let program = Program::new();
    let run = |args: &[&str]| {
        let args = args.iter().map(|arg| match *arg {
            "@guard" => component().as_os_str().to_owned(),
            "@data" => program.path("data.db").into_os_string(),
            arg => OsString::from(arg),
        });
        program.run(args.collect::<Vec<_>>())
    };
    says(&run(&["apply", "--plugin", "@guard", "--database", "@data"]), Exit::Done, &["2 new"]);
    let paused = run(&["jobs", "pause-step", "credit-guard/follow_up", "--database", "@data"]);
    says(&paused, Exit::Done, &["is paused"]);
    // Longer than a test may take: it returns since nothing can come of the job.
    let ran = run(&["--plugin", "@guard", "--database", "@data", "--jobs-timeout", "24h"]);
    says(&ran, Exit::Done, &["follow_up", "waiting for resources", "1 job not over yet"]);
    let listed = run(&["jobs", "list", "--database", "@data"]);
    says(&listed, Exit::Done, &["credit-guard/follow_up  waiting for resources"]);
    // The next run that may finds it, and shows what became of it.
    run(&["jobs", "resume-step", "credit-guard/follow_up", "--database", "@data"]);
    std::fs::write(program.path("none.json"), r#"{"requests": []}"#).unwrap();
    let none = program.path("none.json").display().to_string();
    let ran = run(&["--plugin", "@guard", "--database", "@data", "--requests", &none]);
    let parts = ["Jobs that were in the database before, and ran now", "credit-guard/follow_up  succeeded"];
    says(&ran, Exit::Done, &parts);
}

/// The program queues; the host runs, as soon as it looks.
#[tokio::test]
async fn requests_are_scheduled_for_the_host_to_run() {
    let beside = Beside::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, requests: Json| {
        let path = folder.path().join(name);
        std::fs::write(&path, json!({ "requests": requests }).to_string()).unwrap();
        path.display().to_string()
    };
    let create = |name: &str| json!({"message": "Create", "target": {"entity": "inner", "attributes": {"name": name}}});
    let one = file("one.json", json!([create("later")]));
    let nightly = "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0";
    let ran = beside.run(&format!("schedule --requests {one} --recurrence {nightly} --name nightly")).await;
    says(&ran, Exit::Done, &["stagegate/request  waiting: postponed until", "T03:00:00Z"]);
    // Again, as a script would.
    beside.run(&format!("schedule --requests {one} --recurrence {nightly} --name nightly")).await;
    assert_eq!(beside.statuses().await, ["canceled", "waiting"]);
    let two = file("two.json", json!([create("a"), create("b")]));
    beside.run(&format!("schedule --requests {two} --at 2020-01-01T00:00:00Z")).await;
    while beside.world.names("inner").await != ["a", "b"] {
        tokio::task::yield_now().await;
    }

    let unknown = json!([{"message": "Create", "target": {"entity": "nothing", "attributes": {}}}]);
    for (args, expected) in [
        (format!("schedule --requests {two} --name x"), "a schedule with a name has one request"),
        (format!("schedule --requests {one} --recurrence daily"), "write a rule of RFC 5545"),
        (format!("schedule --requests {}", file("none.json", json!([]))), "nothing to schedule"),
        (format!("schedule --requests {}", file("bad.json", unknown)), "nothing"),
    ] {
        let ran = beside.run(&args).await;
        assert_eq!(ran.exit, Exit::Unusable, "{args}");
        assert!(ran.errors.contains(expected), "{args}: {}", ran.errors);
    }
}

#[test]
fn a_cascade_with_many_children_is_a_job_where_the_run_allows_it() {
    let program = Program::new();
    let lookup = json!({"name": "parent", "type": "lookup", "targets": ["folder"]});
    let parent = "0000000a-0000-4000-8000-000000000001";
    let child = json!({"message": "Create", "target": {"entity": "page", "attributes": {
        "parent": {"entity": "folder", "id": parent}}}});
    let requests = json!({
        "entities": [
            {"logical_name": "folder", "attributes": []},
            {"logical_name": "page", "attributes": [lookup]},
        ],
        "requests": [
            {"message": "Create", "target": {"entity": "folder", "id": parent, "attributes": {}}},
            child, child,
            {"message": "Delete", "target": {"entity": "folder", "id": parent}},
        ],
    });
    std::fs::write(program.path("r.json"), requests.to_string()).unwrap();
    let file = program.path("r.json").display().to_string();
    let run = |children: &str| {
        let args = ["--requests", &file, "--cascade-jobs", children].map(OsString::from);
        let plugin = [OsString::from("--plugin"), component().as_os_str().to_owned()];
        program.run(plugin.into_iter().chain(args).collect::<Vec<_>>())
    };
    says(&run("1"), Exit::Done, &["stagegate", "cascade-delete", "1 job succeeded"]);
    let at_once = run("2");
    says(&at_once, Exit::Done, &["4 requests, 4 succeeded"]);
    assert!(!at_once.output.contains("cascade-delete"), "{}", at_once.output);
}
