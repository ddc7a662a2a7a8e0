//! How a server of a test's own ends: stopped, killed, or with the process that has started it.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use stagegate_tests::postgres::{Options, Pooler, Server};
use tokio_postgres::error::SqlState;

use super::{ask, connect};

const CHILD: &str = "STAGEGATE_CHILD_POSTGRES";

#[tokio::test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn what_was_committed_survives_a_kill_and_the_rest_does_not() {
    let server = Server::start(&Options::default().on_disk());
    let database = server.database();
    let client = connect(&database.url()).await.unwrap();
    assert_eq!(ask(&client, "SHOW fsync").await, "on");
    client.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    // One that works while its server is killed.
    let other = connect(&database.url()).await.unwrap();
    let sleeps = tokio::spawn(async move { other.batch_execute("SELECT pg_sleep(3600)").await });

    let process = server.process_id().unwrap();
    server.kill();
    assert_eq!(server.process_id(), None);
    sleeps.await.unwrap().expect_err("its server is gone");
    client.batch_execute("COMMIT").await.expect_err("its server is gone");
    TcpStream::connect(server.address()).expect_err("nobody listens");

    server.start_again();
    assert_ne!(server.process_id().unwrap(), process);
    assert!(server.log().contains("automatic recovery in progress"), "{}", server.log());
    let client = connect(&database.url()).await.unwrap();
    assert_eq!(ask(&client, "SELECT string_agg(a::text, ' ') FROM t").await, "1");
}

#[tokio::test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn a_stopped_server_starts_again_with_its_settings() {
    let server = Server::start(&Options::default().with("max_connections", "20"));
    let database = server.database();
    let client = connect(&database.url()).await.unwrap();
    assert_eq!(ask(&client, "SHOW max_connections").await, "20");
    let sleeps = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(3600)").await });
    while server.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0" {
        tokio::task::yield_now().await;
    }
    server.stop_immediately();
    sleeps.await.unwrap().expect_err("its server is gone");
    connect(&database.url()).await.map(drop).expect_err("nobody listens");
    server.start_again();
    assert_eq!(server.execute("SHOW max_connections"), "20", "through the connection that was lost");
}

#[tokio::test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
async fn a_tests_user_is_bound_by_what_binds_users() {
    let server = Server::start(&Options::default());
    let database = server.database();
    let client = connect(&database.url()).await.unwrap();
    assert_eq!(ask(&client, "SHOW is_superuser").await, "off");
    client.batch_execute("CREATE SCHEMA its_own; CREATE TABLE public.t (a int)").await.unwrap();
    let client = connect(&database.admin_url()).await.unwrap();
    assert_eq!(ask(&client, "SHOW is_superuser").await, "on");
    let wrong = database.url().replacen("stagegate:", "stagegate:not", 1);
    let error = connect(&wrong).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD), "{error:?}");
}

#[test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
fn a_dropped_server_leaves_nothing() {
    for is_up in [true, false] {
        let server = Server::start(&Options::default());
        let (folder, address) = (server.folder().to_owned(), server.address());
        if !is_up {
            server.kill();
        }
        assert!(folder.join("data").is_dir());
        drop(server);
        check_that_nothing_is_left(&folder, &address);
    }
}

#[test]
#[cfg_attr(not(postgres_programs), ignore = "no PostgreSQL programs: apt-get install postgresql")]
fn a_killed_process_leaves_nothing() {
    let (mut child, started) = start_child();
    assert_eq!(started.len(), if cfg!(pgbouncer) { 2 } else { 1 }, "the server and the pooler before it");
    for (folder, address) in &started {
        assert!(Path::new(folder).is_dir());
        TcpStream::connect(address).unwrap();
    }
    let mut errors = child.stderr.take().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // The server's watchdog has inherited it, and so ends it when it is done.
    let mut said = String::new();
    errors.read_to_string(&mut said).unwrap();
    assert!(!said.contains("cannot be removed"), "{said}");
    for (folder, address) in &started {
        check_that_nothing_is_left(Path::new(folder), address);
    }
}

/// The test binary, run again to start a server and a pooler: the process, the folder and the address of each.
fn start_child() -> (Child, Vec<(String, String)>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "postgres::ends::process", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        // Held open as long as this process lives.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix('@').map(str::to_owned));
    let words: Vec<&str> = said.as_deref().unwrap().split(' ').collect();
    let started = words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
    (child, started)
}

#[test]
#[ignore = "the process that another test starts, and kills"]
fn process() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let server = Server::start(&Options::default());
    let _busy = server.database();
    // On a line of its own: the test harness leaves one unfinished.
    let pooler = cfg!(pgbouncer).then(|| Pooler::to(&server));
    let before = pooler
        .as_ref()
        .map_or_else(String::new, |pooler| format!(" {} {}", pooler.folder().display(), pooler.address()));
    println!("\n@{} {}{before}", server.folder().display(), server.address());
    // It ends with its parent, if that one does not kill it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn check_that_nothing_is_left(folder: &Path, address: &str) {
    assert!(!folder.exists(), "{}", folder.display());
    TcpStream::connect(address).expect_err("nobody listens");
}
