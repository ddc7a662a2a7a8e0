//! The server is killed and started again, while requests and jobs go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use stagegate::Request;
use stagegate::{Error, ErrorKind, Host, NativeStep};
use stagegate_tests::postgres::{Options, Server};
use stagegate_tests::{PATIENCE, probe};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::support::{describe, each_has_its_effect_once, idle, names, open, write_effect};

const TASKS: usize = 6;
/// Requests that succeed before the server is killed, each time.
const BEFORE: usize = 60;
const KILLS: usize = 3;

/// A Create and what became of it.
type Created = (String, Result<(), Error>);

/// What became of creates, by the names of the records.
#[derive(Default)]
struct Ends {
    done: BTreeSet<String>,
    unknown: BTreeSet<String>,
    undone: BTreeSet<String>,
}

impl Ends {
    fn note(&mut self, (name, result): Created) {
        match result {
            Ok(()) => self.done.insert(name),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => self.unknown.insert(name),
            Err(error) => {
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, true), "{error:?}");
                self.undone.insert(name)
            }
        };
    }

    async fn succeed(&mut self, count: usize, created: &mut UnboundedReceiver<Created>) {
        let enough = self.done.len() + count;
        let comes = async {
            while self.done.len() < enough {
                let created = created.recv().await.unwrap();
                self.note(created);
            }
        };
        timeout(PATIENCE, comes).await.expect("requests succeed");
    }
}

async fn create_all_the_time(
    host: Host,
    task: usize,
    goes_on: Arc<AtomicBool>,
    created: tokio::sync::mpsc::UnboundedSender<Created>,
) {
    let mut number = 0;
    while goes_on.load(Ordering::Relaxed) {
        let name = format!("{task}-{number}");
        let result = host.execute(Request::create(probe(&name))).await.map(drop);
        created.send((name, result)).unwrap();
        number += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn what_was_acknowledged_is_there_and_goes_on() {
    let server = Server::start(&Options::default());
    let database = server.database();
    let store = open(&database.url(), |_| ()).await;
    let works = NativeStep::new(|cx| async move { write_effect(&cx).await });
    let host = describe(store, works).build().await.unwrap();

    let goes_on = Arc::new(AtomicBool::new(true));
    let (sender, mut created) = unbounded_channel();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            tokio::spawn(create_all_the_time(host.clone(), task, Arc::clone(&goes_on), sender.clone()))
        })
        .collect();
    drop(sender);
    let mut ends = Ends::default();
    for _ in 0..KILLS {
        ends.succeed(BEFORE, &mut created).await;
        tokio::task::block_in_place(|| {
            server.kill();
            server.start_again();
        });
    }
    ends.succeed(BEFORE, &mut created).await;
    goes_on.store(false, Ordering::Relaxed);
    for task in tasks {
        timeout(PATIENCE, task).await.expect("it ends").unwrap();
    }
    while let Some(created) = created.recv().await {
        ends.note(created);
    }
    idle(&host).await;

    let names = names(&host).await;
    assert!(!ends.undone.is_empty() || !ends.unknown.is_empty(), "some were hit");
    assert!(names.values().all(|count| *count == 1), "none is doubled: {names:?}");
    let there: BTreeSet<String> = names.into_keys().collect();
    assert!(ends.done.is_subset(&there), "{:?} are lost", ends.done.difference(&there));
    assert!(ends.undone.is_disjoint(&there), "{:?} are not undone", ends.undone.intersection(&there));
    let jobs = each_has_its_effect_once(&host).await;
    assert!(jobs.iter().all(|job| job.crash_count == 0), "no host has died");
    println!("{} done, {} undone, {} unknown", ends.done.len(), ends.undone.len(), ends.unknown.len());
    host.shutdown().await;
    tokio::task::block_in_place(|| until_alone(&server));
}

/// Waits until no connection of the host is left.
fn until_alone(server: &Server) {
    let patience = Instant::now() + PATIENCE;
    while server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stagegate'") != "0"
    {
        assert!(Instant::now() < patience, "connections are left");
    }
}
