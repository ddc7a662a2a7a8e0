//! The process that is killed: the test binary, run again to be a service with one asynchronous step.
//!
//! It tells its parent what it does in lines on its standard output that begin with `@`, and waits where it is to die.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use stagegate::store::{Exchange, Store};
use stagegate::{Host, HostBuilder, NativeStep, Result, Stage};
use stagegate_tests::interposed::Interposed;
use stagegate_tests::{AUDIT_TRAIL, PATIENCE, entity, load, on_create, text};

use super::support::{open, queue, write_effect};

/// Jobs that a child queues.
pub(super) const JOBS: usize = 1000;
/// Jobs that it does before it stops in the midst of its work.
const DONE: usize = 300;

const ENDS_AT: &str = "STAGEGATE_CHILD_ENDS_AT";
const STEP: &str = "STAGEGATE_CHILD_STEP";
const DATABASE: &str = "STAGEGATE_CHILD_DATABASE";

/// Where a child waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndsAt {
    /// The jobs are queued and none is claimed.
    Queued,
    /// The first jobs are claimed and none has started.
    Claimed,
    /// Some jobs are done, and others have started and done nothing yet.
    Running,
    /// Some jobs have had their effect, and it is not yet known that they are done.
    Effect,
    /// What is to be settled is on its way to the store.
    Settling,
    /// It is settled, and the service does not know yet.
    Settled,
    /// It goes on, until it is killed or done.
    Nowhere,
}

impl EndsAt {
    const ALL: [Self; 7] = [
        Self::Queued,
        Self::Claimed,
        Self::Running,
        Self::Effect,
        Self::Settling,
        Self::Settled,
        Self::Nowhere,
    ];
}

/// What the child's step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Native code that writes the effect.
    Native,
    /// The sample plugin that keeps an audit trail.
    Guest,
    /// As the native one, and takes the process down where the record is called so.
    Poison,
}

impl Step {
    const ALL: [Self; 3] = [Self::Native, Self::Guest, Self::Poison];
}

/// A running child. Dropped, it is killed.
pub(super) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Child {
    pub(super) fn start(step: Step, ends_at: EndsAt, database: &Path) -> Self {
        let (step, ends_at) = (format!("{step:?}"), format!("{ends_at:?}"));
        let database = database.to_str().unwrap();
        Self::run("crash::child::process", &[(STEP, &step), (ENDS_AT, &ends_at), (DATABASE, database)])
    }

    /// Runs a test of this binary that is ignored, as a process of its own.
    pub(super) fn run(test: &str, environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .envs(environment.iter().copied())
            // Held open as long as the parent lives.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(std::result::Result::ok) {
                if let Some(said) = line.strip_prefix('@') {
                    let _ = sender.send(said.to_owned());
                }
            }
        });
        Self { process, lines, heard: Vec::new() }
    }

    /// Waits until the child has said `what` so many times. False if it ends before.
    pub(super) fn hear(&mut self, what: &str, times: usize) -> bool {
        while self.heard(what) < times {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(error) => panic!("the child does not say `{what}`: {error}"),
            }
        }
        true
    }

    fn heard(&self, what: &str) -> usize {
        self.heard.iter().filter(|line| *line == what).count()
    }

    /// Kills the child with a signal that it cannot catch, and returns how many runs it had begun.
    pub(super) fn kill(mut self) -> usize {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // What it said before it died is still to be read.
        self.heard.extend(self.lines.iter());
        self.heard("run")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail if it is dead already, and that is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "the process that the failure tests start, and kill"]
fn process() {
    let Ok(database) = env::var(DATABASE) else { return };
    let step = Step::ALL.into_iter().find(|step| env::var(STEP) == Ok(format!("{step:?}"))).unwrap();
    let ends_at = EndsAt::ALL.into_iter().find(|end| env::var(ENDS_AT) == Ok(format!("{end:?}"))).unwrap();
    end_with_the_parent();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(live(step, ends_at, PathBuf::from(database)));
}

async fn live(step: Step, ends_at: EndsAt, database: PathBuf) {
    let settled = Arc::new(AtomicUsize::new(0));
    let store = Interposed::new(open(&database))
        .exchange(move |store, given| exchange(ends_at, store, given, Arc::clone(&settled)))
        .done();
    let is_new = store.schema().entity("probe").is_err();
    let runs = Arc::new(AtomicUsize::new(0));
    let works = NativeStep::new(move |cx| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            say("run");
            if step == Step::Poison && text(&cx.target()?.unwrap(), "name") == "100" {
                std::process::abort();
            }
            if ends_at == EndsAt::Running && run >= DONE {
                wait_for_the_end().await;
            }
            write_effect(&cx).await?;
            if ends_at == EndsAt::Effect && run >= DONE {
                wait_for_the_end().await;
            }
            Ok(())
        }
    });
    let host = describe(Host::builder().store(store), step, works).await.build().await.unwrap();
    if is_new {
        queue(&host, if step == Step::Poison { 201 } else { JOBS }).await;
    }
    if ends_at == EndsAt::Queued {
        wait_for_the_end().await;
    }
    host.idle().await.unwrap();
    say("idle");
    std::future::pending::<()>().await;
}

/// The service that both the child and whoever takes over from it run.
pub(super) async fn describe(host: HostBuilder, step: Step, works: NativeStep) -> HostBuilder {
    match step {
        Step::Guest => {
            let plugin = load(AUDIT_TRAIL).await;
            let entries = plugin.declaration().definitions().unwrap();
            host.define(vec![entity("probe")]).define(entries).plugin(plugin)
        }
        Step::Native | Step::Poison => {
            let on = on_create("works", Stage::PostOperation).asynchronous();
            host.define(vec![entity("probe"), entity("inner")]).native_step("p", on, works)
        }
    }
}

async fn exchange(
    ends_at: EndsAt,
    store: Arc<dyn Store>,
    given: Arc<Exchange>,
    settled: Arc<AtomicUsize>,
) -> Result<stagegate::store::Exchanged> {
    let settles = given.settlements.len();
    let in_the_midst = settles > 0 && settled.fetch_add(settles, Ordering::Relaxed) >= DONE;
    match ends_at {
        EndsAt::Queued => std::future::pending().await,
        EndsAt::Settling if in_the_midst => wait_for_the_end().await,
        _ => {}
    }
    let exchanged = store.exchange_jobs(given).await?;
    match ends_at {
        EndsAt::Claimed if exchanged.claimed.iter().any(|jobs| !jobs.is_empty()) => wait_for_the_end().await,
        EndsAt::Settled if in_the_midst => wait_for_the_end().await,
        _ => Ok(exchanged),
    }
}

/// Whatever that one dies of.
pub(super) fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}

pub(super) fn say(what: &str) {
    // On a line of its own: the test harness leaves one unfinished.
    println!("\n@{what}");
}

async fn wait_for_the_end() -> ! {
    say("here");
    std::future::pending().await
}
