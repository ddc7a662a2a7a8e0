//! Ten hosts, each a process of its own, start at once on an empty database.

use std::env;

use stagegate::NativeStep;
use stagegate_tests::PATIENCE;
use stagegate_tests::postgres::Server;
use tokio::time::timeout;

use super::support::{describe, open};
use crate::crash::child::{Child, end_with_the_parent, say};
use crate::postgres::{ask, connect};

const DATABASE: &str = "STAGEGATE_CHILD_STARTS_ON";
const HOSTS: usize = 10;

#[test]
#[ignore = "the process that another test starts ten times"]
fn process() {
    let Ok(url) = env::var(DATABASE) else { return };
    end_with_the_parent();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&url, |_| ()).await;
        let nothing = NativeStep::new(|_| async { Ok(()) });
        let _host = describe(store, nothing).build().await.unwrap();
        say("here");
        std::future::pending::<()>().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
async fn ten_processes_start_at_once() {
    let database = Server::shared().database();
    let url = database.url();
    let start = move || {
        let start = |_| Child::run("crash::postgres::starts::process", &[(DATABASE, &url)]);
        let mut children: Vec<Child> = (0..HOSTS).map(start).collect();
        assert!(children.iter_mut().all(|child| child.hear("here", 1)), "one of them failed");
        children
    };
    let children = tokio::task::spawn_blocking(start).await.unwrap();
    let client = connect(&database.admin_url()).await.unwrap();
    assert_eq!(ask(&client, "SELECT count(*)::text FROM stagegate_migration").await, "1");
    assert_eq!(ask(&client, "SELECT version::text FROM schema_version").await, "1", "defined once");
    let all_work = async {
        while ask(&client, "SELECT count(*)::text FROM worker").await != HOSTS.to_string() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all_work).await.expect("each runs jobs");
    for child in children {
        child.kill();
    }
}
