//! The SQLite store: the suite, and what only a file can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::job::Control;
use stagegate::model::step::StepKey;
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::store::{Access, Exchange, JobSelect, PausedStep, Store, Verdict};
use stagegate::{Job, JobStatus};
use tempfile::TempDir;

use super::support::*;

super::conformance!(suite, crate::store::sqlite::database);

/// A database in a folder of its own. Without waiting for the disk: what a loss of power leaves is not tested here.
pub(super) fn database() -> Database {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stagegate.db");
    let open = move || {
        let mut options = Options::new(&path);
        options.synchronous = Synchronous::Normal;
        SqliteStore::open(options).expect("it opens") as Arc<dyn Store>
    };
    // One process owns the file: all others are dead.
    Database { open: Box::new(open), bury: Box::new(|| {}), _guard: Box::new(folder) }
}

fn open(path: &Path) -> Result<Arc<dyn Store>, Error> {
    SqliteStore::open(Options::new(path)).map(|store| store as Arc<dyn Store>)
}

fn refusal(path: &Path) -> Error {
    let error = open(path).map(drop).expect_err("it is not usable");
    assert_eq!(error.kind(), ErrorKind::UnusableDatabase, "{error}");
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(error.message().contains(&*name), "it names the file: {error}");
    error
}

/// The names in a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A database with one record, closed.
async fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("filled.db");
    let store = open(&path).expect("it opens");
    store.define(vec![account()].into()).await.expect("valid");
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    store.close().await;
    path
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().expect("a folder");
    let mut foreign = b"SQLite format 3\0".to_vec();
    foreign.resize(4096, 0);
    let mut marked = foreign.clone();
    marked[68..72].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
    for (content, reason) in [
        (&b"just a text"[..], "not a SQLite database"),
        (&[0xFF; 5000][..], "not a SQLite database"),
        (&b"SQLite format 3\0"[..], "not a SQLite database"),
        (&foreign[..], "another program"),
        (&marked[..], "another program"),
    ] {
        let path = folder.path().join("some.db");
        fs::write(&path, content).expect("written");
        let error = refusal(&path);
        assert!(error.message().contains(reason), "{error}");
        assert_eq!(fs::read(&path).expect("read"), content);
        assert_eq!(files(folder.path()), ["some.db"], "nothing is left beside it");
    }
    refusal(folder.path());
    let error = refusal(&folder.path().join("missing").join("some.db"));
    assert!(error.message().contains("create the folder"), "{error}");
}

#[tokio::test]
async fn a_newer_version_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let mut content = fs::read(&path).expect("read");
    content[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    fs::write(&path, &content).expect("written");
    let error = refusal(&path);
    assert!(error.message().contains("newer version") && error.message().contains("9999"), "{error}");
    assert_eq!(fs::read(&path).expect("read"), content);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let mut content = fs::read(&path).expect("read");
    content[100..].fill(0xA5);
    fs::write(&path, &content).expect("written");
    let error = refusal(&path);
    assert!(error.message().contains("backup"), "{error}");
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("new.db");
    fs::write(&path, b"").expect("written");
    let store = open(&path).expect("it opens");
    assert_eq!(store.schema().version, 0);
    store.close().await;
}

#[tokio::test]
async fn a_file_has_one_host() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let store = open(&path).expect("it opens");
    let error = refusal(&path);
    assert!(error.message().contains("in use"), "{error}");
    #[cfg(unix)]
    {
        let link = folder.path().join("filled.db-link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        let error = open(&link).map(drop).expect_err("the same file by another name");
        assert!(error.message().contains("in use"), "{error}");
    }
    assert!(retrieve(&store, "account", id(1)).await.is_some(), "the first works on");
    store.close().await;
    open(&path).expect("it is free").close().await;
}

fn attach(path: &Path, busy_timeout: Duration) -> Result<Arc<dyn Store>, Error> {
    let mut options = Options::new(path);
    options.busy_timeout = busy_timeout;
    SqliteStore::attach(options).map(|store| store as Arc<dyn Store>)
}

#[tokio::test]
async fn a_guest_acts_on_jobs_beside_the_host() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let host = open(&path).expect("it opens");
    let step = StepKey { plugin: "p".into(), step: "s".into() };
    let job = Job::new(id(1), step, at(0));
    write(&host, move |tx| async move { tx.enqueue(&[job]).await }).await;
    let guest = attach(&path, Duration::from_secs(5)).expect("beside the host");
    let canceled = write(&guest, |tx| async move { tx.control_jobs(&[id(1)], Control::Cancel, at(1)).await });
    assert!(canceled.await[0].result.is_ok());
    let seen = host.jobs(JobSelect::Newest(9)).await.expect("jobs");
    assert_eq!(seen[0].status, JobStatus::Canceled);
    let paused = PausedStep { plugin: "p".into(), step: None };
    assert!(guest.pause_step(paused.clone(), true, at(2)).await.expect("written"));
    assert_eq!(host.paused_steps().await.expect("read"), [paused]);

    let exchange = Exchange {
        settlements: Vec::new(),
        claims: Vec::new(),
        worker: id(70),
        held: None,
        host: "here".into(),
        now: at(3),
    };
    expect_error(guest.define(vec![account()].into()).await, ErrorKind::InvalidRequest);
    expect_error(guest.exchange_jobs(Arc::new(exchange)).await.map(drop), ErrorKind::InvalidRequest);
    let refused = expect_error(guest.recover_jobs(id(70), at(3)).await, ErrorKind::InvalidRequest);
    assert!(refused.message().contains("is attached"), "{refused}");
    guest.close().await;
    host.close().await;
    assert_eq!(files(folder.path()), ["filled.db", "filled.db.lock"]);

    // Also when no host runs; the next one is not kept out.
    let guest = attach(&path, Duration::ZERO).expect("alone");
    let host = open(&path).expect("it is free");
    assert_eq!(guest.jobs(JobSelect::Newest(9)).await.expect("jobs").len(), 1);
    guest.close().await;
    host.close().await;
}

/// SQLite's locks on a file are this process's: closing the file anywhere in the process would give all of them up, and
/// another process that is done with the database would then think that it is the last and take its log away.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_host_keeps_its_locks_whatever_else_is_opened() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let host = open(&path).expect("it opens");
    assert!(retrieve(&host, "account", id(1)).await.is_some());
    let inode = fs::metadata(&path).expect("a file").ino();
    let locks = || {
        let all = fs::read_to_string("/proc/locks").expect("the locks");
        all.lines().filter(|line| line.contains(&format!(":{inode} "))).count()
    };
    assert!(locks() > 0, "an open database is locked");
    refusal(&path);
    assert!(locks() > 0, "after a second host");
    attach(&path, Duration::ZERO).expect("beside the host").close().await;
    assert!(locks() > 0, "after a guest");
    host.close().await;
}

#[tokio::test]
async fn a_guest_that_the_host_does_not_let_in_says_so() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    let host = open(&path).expect("it opens");
    let guest = attach(&path, Duration::from_millis(20)).expect("beside the host");
    let work: stagegate::store::Work = Box::new(move |_| {
        Box::pin(async move {
            // Reading waits for nobody.
            assert!(guest.jobs(JobSelect::Newest(9)).await.expect("jobs").is_empty());
            let refused = guest
                .run(begin(Access::Write, "cancel system jobs"), Box::new(|_| panic!("it must not run")));
            let error = expect_error(refused.await, ErrorKind::Timeout);
            for part in ["`cancel system jobs` waited 0.0 s", "the host's transaction", "try again"] {
                assert!(error.message().contains(part), "{error}");
            }
            guest.close().await;
            Verdict::Rollback
        })
    });
    host.run(begin(Access::Write, "a long plugin"), work).await.expect("it ends");
    host.close().await;
}

#[tokio::test]
async fn a_guest_makes_nothing_and_brings_nothing_up() {
    let folder = TempDir::new().expect("a folder");
    let refusal = |path: &Path, parts: &[&str]| {
        let before = fs::read(path).ok();
        let error = attach(path, Duration::ZERO).map(drop).expect_err("it is not usable");
        assert_eq!(error.kind(), ErrorKind::UnusableDatabase, "{error}");
        for part in parts {
            assert!(error.message().contains(part), "{part}: {error}");
        }
        assert_eq!(fs::read(path).ok(), before);
    };
    let path = folder.path().join("some.db");
    refusal(&path, &["some.db", "does not exist", "start a host"]);
    fs::write(&path, "").expect("written");
    refusal(&path, &["is empty", "start a host"]);
    fs::write(&path, "a text").expect("written");
    refusal(&path, &["file is not a database", "choose another path"]);
    refusal(folder.path(), &["is a folder"]);
    for (version, reason) in [(2_u32, "older version"), (9_999, "newer version")] {
        let path = filled(folder.path()).await;
        let mut content = fs::read(&path).expect("read");
        content[60..64].copy_from_slice(&version.to_be_bytes());
        fs::write(&path, &content).expect("written");
        refusal(&path, &[reason, &version.to_string()]);
        fs::remove_file(&path).expect("removed");
    }
    assert_eq!(files(folder.path()), ["filled.db.lock", "some.db"]);
}

#[tokio::test]
async fn close_leaves_one_file() {
    let folder = TempDir::new().expect("a folder");
    filled(folder.path()).await;
    assert_eq!(files(folder.path()), ["filled.db", "filled.db.lock"]);
}

#[tokio::test]
async fn what_was_committed_survives_a_crash() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("live.db");
    let store = open(&path).expect("it opens");
    store.define(vec![account()].into()).await.expect("valid");
    insert(&store, "account", id(1), Default::default()).await;
    // The files as a kill would leave them: the log not yet brought over, a transaction open.
    let account = definition(&store, "account");
    let copies = TempDir::new().expect("a folder");
    let target = copies.path().to_owned();
    let work: stagegate::store::Work = Box::new(move |tx| {
        Box::pin(async move {
            tx.insert(&account, id(2), &with_system(Default::default())).await.expect("inserted");
            for name in ["live.db", "live.db-wal"] {
                fs::copy(path.with_file_name(name), target.join(name)).expect("copied");
            }
            Verdict::Commit
        })
    });
    store.run(begin(Access::Write, "a write"), work).await.expect("it commits");
    let restarted = open(&copies.path().join("live.db")).expect("it opens");
    assert!(retrieve(&restarted, "account", id(1)).await.is_some());
    assert_eq!(retrieve(&restarted, "account", id(2)).await, None);
    restarted.close().await;
    store.close().await;
}

#[tokio::test]
async fn dropping_the_store_ends_its_threads() {
    let folder = TempDir::new().expect("a folder");
    let path = filled(folder.path()).await;
    drop(open(&path).expect("it opens"));
    // The last thread gives the file back.
    let patience = Instant::now() + Duration::from_secs(10);
    let store = loop {
        match open(&path) {
            Ok(store) => break store,
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert!(retrieve(&store, "account", id(1)).await.is_some());
    store.close().await;
}

#[tokio::test]
async fn a_write_inside_of_a_write_is_an_error_and_no_deadlock() {
    let database = database();
    let store = database.with_samples().await;
    let inner = Arc::clone(&store);
    let work: stagegate::store::Work = Box::new(move |_| {
        Box::pin(async move {
            let nested = inner.run(begin(Access::Write, "inner"), Box::new(|_| panic!("it must not run")));
            expect_error(nested.await, ErrorKind::Internal);
            // Reading beside it is possible.
            assert_eq!(retrieve(&inner, "account", id(1)).await, None);
            Verdict::Commit
        })
    });
    store.run(begin(Access::Write, "outer"), work).await.expect("it commits");
}
