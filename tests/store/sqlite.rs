//! The SQLite store: the suite, and what only a file can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stagegate::model::error::{Error, ErrorKind};
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::store::{Access, Store, Verdict};
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
    Database { open: Box::new(open), _guard: Box::new(folder) }
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
