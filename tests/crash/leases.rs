//! Leases: a host whose jobs others may have taken over stops them, and one that cannot tell stops them in time. A store
//! that gives one host a lease stands in for one that several hosts share; the test is the other host.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stagegate::model::job::{Outcome, Settlement};
use stagegate::store::{Claim, Exchange, Exchanged, JobSelect, Lane, Store};
use stagegate::{DateTime, Error, ErrorKind, Host, HostBuilder, Job, JobStatus, NativeStep, Stage};
use stagegate_tests::interposed::Interposed;
use stagegate_tests::{Log, PATIENCE, entity, on_create};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::support::{jobs, open, queue};

const OTHER: Uuid = Uuid::from_u128(0x0717e5);
const LONG: Duration = Duration::from_secs(60);

/// What one exchange of the host said, and whether it was answered.
#[derive(Debug)]
struct Said {
    claims: usize,
    held: Option<Vec<Uuid>>,
    settled: Vec<Uuid>,
    answered: bool,
    /// Whether it was told that the lease had run out.
    lapsed: bool,
}

/// The way between a host and its store.
struct Line {
    /// The database itself, as the other host sees it.
    database: Arc<dyn Store>,
    up: AtomicBool,
    /// Whether an exchange waits while the line is down, and does not fail.
    hangs: bool,
    restored: Notify,
    /// Whether the next exchange is told that the lease had run out.
    lapsed: AtomicBool,
    said: UnboundedSender<Said>,
    /// One after another, so that a job which is taken over is not claimed in between.
    turn: tokio::sync::Mutex<()>,
}

impl Line {
    fn new(path: &Path, hangs: bool) -> (Arc<Self>, UnboundedReceiver<Said>) {
        let (said, hears) = unbounded_channel();
        let (up, lapsed, restored) = (AtomicBool::new(true), AtomicBool::new(false), Notify::new());
        (
            Arc::new(Self {
                database: open(path),
                up,
                hangs,
                restored,
                lapsed,
                said,
                turn: Default::default(),
            }),
            hears,
        )
    }

    fn store(self: &Arc<Self>, lease: Duration) -> Arc<dyn Store> {
        let line = Arc::clone(self);
        Interposed::new(Arc::clone(&self.database))
            .lease(lease)
            .exchange(move |store, given| Arc::clone(&line).carry(store, given))
            .done()
    }

    async fn carry(self: Arc<Self>, store: Arc<dyn Store>, given: Arc<Exchange>) -> Result<Exchanged, Error> {
        let up = || self.up.load(Ordering::SeqCst);
        while self.hangs && !up() {
            self.restored.notified().await;
        }
        let result = if up() {
            self.answer(&*store, &given).await
        } else {
            Err(Error::new(ErrorKind::Store, "the connection was lost"))
        };
        let _ = self.said.send(Said {
            claims: given.claims.len(),
            held: given.held.clone(),
            settled: given.settlements.iter().map(|settlement| settlement.id).collect(),
            answered: result.is_ok(),
            lapsed: result.as_ref().is_ok_and(|exchanged| exchanged.lapsed),
        });
        result
    }

    /// Answers as a store does that several hosts share.
    async fn answer(&self, store: &dyn Store, given: &Arc<Exchange>) -> Result<Exchanged, Error> {
        let _turn = self.turn.lock().await;
        let held = given.held.clone().unwrap_or_default();
        let jobs = store.jobs(JobSelect::Ids(held)).await?;
        let lost = jobs.iter().filter(|job| job.worker != Some(given.worker)).map(|job| job.id).collect();
        let mut exchanged = store.exchange_jobs(Arc::clone(given)).await?;
        exchanged.lost = lost;
        exchanged.lapsed = self.lapsed.swap(false, Ordering::SeqCst);
        Ok(exchanged)
    }

    fn restore(&self) {
        self.up.store(true, Ordering::SeqCst);
        self.restored.notify_one();
    }

    /// The other host takes the jobs over, as if the lease were over, and begins them.
    async fn take_over(&self) -> Vec<Job> {
        let _turn = self.turn.lock().await;
        self.database.recover_jobs(OTHER, DateTime(0)).await.unwrap();
        let any = Claim { limit: 9, lane: Lane::AllBut(Vec::new()), limits: Vec::new(), suspect: true };
        self.as_other(vec![any], Vec::new()).await.claimed.remove(0)
    }

    async fn as_other(&self, claims: Vec<Claim>, settlements: Vec<Settlement>) -> Exchanged {
        let (host, now) = ("other".to_owned(), DateTime(i64::MAX / 4));
        let exchange = Exchange { settlements, claims, worker: OTHER, held: None, host, now };
        self.database.exchange_jobs(Arc::new(exchange)).await.unwrap()
    }

    async fn settle_as_other(&self, job: &Job, outcome: Outcome) -> Vec<Uuid> {
        let settlement = Settlement::new(job.id, job.attempt, OTHER, outcome, DateTime(7));
        self.as_other(Vec::new(), vec![settlement]).await.settled
    }
}

/// Sends when it is dropped.
struct Dropped(UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A step that says `began` and waits until it is let go; it says `dropped` if it is stopped.
fn waits(say: UnboundedSender<&'static str>, go: Arc<Notify>) -> NativeStep {
    NativeStep::new(move |_| {
        let (say, go) = (say.clone(), Arc::clone(&go));
        async move {
            say.send("began").unwrap();
            let dropped = Dropped(say);
            go.notified().await;
            std::mem::forget(dropped);
            Ok(())
        }
    })
}

async fn host(
    store: Arc<dyn Store>,
    step: NativeStep,
    describe: impl FnOnce(HostBuilder) -> HostBuilder,
) -> Host {
    let on = on_create("waits", Stage::PostOperation).asynchronous();
    let builder = Host::builder().store(store).define(vec![entity("probe")]).native_step("p", on, step);
    describe(builder).build().await.unwrap()
}

async fn next<T>(receiver: &mut UnboundedReceiver<T>) -> T {
    soon(receiver.recv()).await.expect("it goes on")
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes")
}

/// The next exchange for which `is` holds.
async fn until(said: &mut UnboundedReceiver<Said>, is: impl Fn(&Said) -> bool) -> Said {
    loop {
        let next = next(said).await;
        if is(&next) {
            return next;
        }
    }
}

fn drain(said: &mut UnboundedReceiver<Said>) {
    while said.try_recv().is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_another_host_took_over_is_stopped_here() {
    let folder = tempfile::tempdir().unwrap();
    let (line, mut said) = Line::new(&folder.path().join("lost.db"), false);
    let (say, mut events) = unbounded_channel();
    let host = host(line.store(LONG), waits(say, Arc::default()), |host| host.workers(1)).await;
    queue(&host, 1).await;
    assert_eq!(next(&mut events).await, "began");
    let [taken] = line.take_over().await.try_into().unwrap();
    drain(&mut said);
    line.lapsed.store(true, Ordering::SeqCst);
    let hears = until(&mut said, |said| said.lapsed).await;
    assert_eq!(hears.held, None);
    // At once, and not with the next beat: it is the very next exchange.
    assert_eq!(next(&mut said).await.held, Some(vec![taken.id]));
    assert_eq!(next(&mut events).await, "dropped");
    assert_eq!(line.settle_as_other(&taken, Outcome::Succeeded).await, [taken.id]);
    host.shutdown().await;
    while let Ok(said) = said.try_recv() {
        assert!(said.settled.is_empty(), "nothing is said of what is not ours: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_stop_before_others_may_take_them_over() {
    for hangs in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (line, mut said) = Line::new(&folder.path().join("cut.db"), hangs);
        let ((say, mut events), go) = (unbounded_channel(), Arc::new(Notify::new()));
        let lease = Duration::from_secs(2);
        let host = host(line.store(lease), waits(say, Arc::clone(&go)), |host| host.workers(1)).await;
        queue(&host, 1).await;
        assert_eq!(next(&mut events).await, "began");
        line.up.store(false, Ordering::SeqCst);
        assert_eq!(next(&mut events).await, "dropped");
        drain(&mut said);
        line.restore();

        // The store hears that nothing is held. Nothing is claimed before an exchange was answered: one that hung was sent
        // while the lease was good.
        let first = until(&mut said, |said| said.held.is_some() && said.answered).await;
        assert_eq!((first.held, first.settled.len()), (Some(Vec::new()), 0));
        assert!(hangs || first.claims == 0);
        assert_eq!(next(&mut events).await, "began", "nobody has taken it over, so it begins anew");
        go.notify_one();
        soon(host.idle()).await.unwrap();
        let [job] = jobs(&host).await.try_into().unwrap();
        assert_eq!((job.status, job.crash_count, job.retries), (JobStatus::Succeeded, 0, 0), "{job:?}");
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_took_over_during_a_cut_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let (line, mut said) = Line::new(&folder.path().join("cut.db"), false);
    let (say, mut events) = unbounded_channel();
    let host =
        host(line.store(Duration::from_secs(2)), waits(say, Arc::default()), |host| host.workers(1)).await;
    queue(&host, 1).await;
    assert_eq!(next(&mut events).await, "began");
    line.up.store(false, Ordering::SeqCst);
    assert_eq!(next(&mut events).await, "dropped");
    let [taken] = line.take_over().await.try_into().unwrap();
    drain(&mut said);
    line.restore();
    until(&mut said, |said| said.answered && said.claims > 0).await;
    assert_eq!(line.settle_as_other(&taken, Outcome::Succeeded).await, [taken.id]);
    soon(host.idle()).await.unwrap();
    let [job] = jobs(&host).await.try_into().unwrap();
    assert_eq!((job.status, job.attempt), (JobStatus::Succeeded, 2));
    host.shutdown().await;
    assert!(events.try_recv().is_err(), "it did not begin again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_is_renewed_while_jobs_run_and_while_the_host_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (line, mut said) = Line::new(&folder.path().join("long.db"), false);
    let ((say, mut events), go) = (unbounded_channel(), Arc::new(Notify::new()));
    let store = line.store(Duration::from_secs(3));
    let host =
        host(store, waits(say, Arc::clone(&go)), |host| host.workers(1).shutdown_grace(PATIENCE)).await;
    queue(&host, 1).await;
    assert_eq!(next(&mut events).await, "began");
    drain(&mut said);
    for _ in 0..3 {
        next(&mut said).await;
    }
    let stops = tokio::spawn(async move { host.shutdown().await });
    // The first of them may have been on its way.
    until(&mut said, |said| said.claims == 0).await;
    for _ in 0..2 {
        assert_eq!(next(&mut said).await.claims, 0, "it is going down");
    }
    go.notify_one();
    let last = until(&mut said, |said| !said.settled.is_empty()).await;
    assert!(last.answered);
    soon(stops).await.unwrap();
    assert!(events.try_recv().is_err(), "it was not stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_lost_job_that_comes_back_runs_beside_what_is_left_of_its_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let (line, mut said) = Line::new(&folder.path().join("back.db"), false);
    let (say, mut events) = unbounded_channel();
    let (unblock, blocked) = std::sync::mpsc::channel::<()>();
    let (blocked, runs) = (Arc::new(Mutex::new(blocked)), AtomicBool::new(false));
    // The first run cannot be stopped: it blocks its thread.
    let step = NativeStep::new(move |_| {
        say.send("began").unwrap();
        if !runs.swap(true, Ordering::SeqCst) {
            blocked.lock().unwrap().recv().unwrap();
        }
        async { Ok(()) }
    });
    let host = host(line.store(LONG), step, |host| host.workers(2)).await;
    queue(&host, 1).await;
    assert_eq!(next(&mut events).await, "began");
    let [taken] = line.take_over().await.try_into().unwrap();
    drain(&mut said);
    line.lapsed.store(true, Ordering::SeqCst);
    until(&mut said, |said| said.held.as_ref() == Some(&vec![taken.id])).await;
    // The other host hands it back, and the only other one there is takes it.
    assert_eq!(line.settle_as_other(&taken, Outcome::Unclaimed).await, [taken.id]);
    assert_eq!(next(&mut events).await, "began");
    until(&mut said, |said| said.settled == [taken.id] && said.answered).await;
    unblock.send(()).unwrap();
    soon(host.idle()).await.unwrap();
    let [job] = jobs(&host).await.try_into().unwrap();
    assert_eq!(job.status, JobStatus::Succeeded);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_share_the_work() {
    const JOBS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("shared.db"));
    let log = Log::default();
    let mut hosts = Vec::new();
    for name in ["first", "second"] {
        let store = Interposed::new(Arc::clone(&store)).lease(LONG).done();
        hosts.push(host(store, log.step(name), |host| host.workers(2)).await);
    }
    queue(&hosts[0], JOBS).await;
    // The one that settles last knows that it is over.
    let [first, second] = [hosts[0].idle(), hosts[1].idle()];
    soon(async {
        tokio::select! { idle = first => idle, idle = second => idle }
    })
    .await
    .unwrap();
    let ended = |job: &Job| (job.status, job.attempt) == (JobStatus::Succeeded, 1);
    assert!(jobs(&hosts[0]).await.iter().all(ended));
    assert_eq!(log.all().len(), JOBS, "each once");
    for host in &hosts {
        host.shutdown().await;
    }
}
