//! The store behind a pooler that gives each transaction another session.

use std::sync::Arc;

use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{Entity, Host, NativeStep, Request, Stage};
use stagegate_tests::postgres::{Pooler, Server};
use stagegate_tests::{Log, PATIENCE, entity, on_create, probe};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::super::support::Database;

crate::store::conformance!(
    suite,
    crate::store::postgres::pooled::database,
    #[cfg_attr(not(pgbouncer), ignore = "no PgBouncer: apt-get install pgbouncer")]
);

/// As every store of the suite has it, behind PgBouncer.
pub(super) fn database() -> Database {
    let database = Server::shared().database();
    let url = format!("{}?pooler=transaction", database.url_behind(Pooler::shared()));
    super::on(url, database.url(), Box::new(database))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(pgbouncer), ignore = "no PgBouncer: apt-get install pgbouncer")]
async fn hosts_behind_it_share_their_jobs_and_see_each_others_definitions() {
    let database = Server::shared().database();
    let url = format!("{}?pooler=transaction", database.url_behind(Pooler::shared()));
    // As many jobs as both have places: they end once all of them run.
    let (at_once, log) = (Arc::new(Barrier::new(4)), Log::default());
    let start = |name: &'static str| {
        let (url, at_once, log) = (url.clone(), Arc::clone(&at_once), log.clone());
        async move {
            let store = PostgresStore::open(Options::new(&url).unwrap()).await.unwrap();
            let follows = NativeStep::new(move |_| {
                let (at_once, log) = (Arc::clone(&at_once), log.clone());
                async move {
                    at_once.wait().await;
                    log.note(name);
                    Ok(())
                }
            });
            let step = on_create("follows", Stage::PostOperation).asynchronous();
            let builder = Host::builder().store(Arc::clone(&store) as Arc<dyn Store>).workers(2);
            let host =
                builder.define(vec![entity("probe")]).native_step("p", step, follows).build().await.unwrap();
            (host, store)
        }
    };
    let ((one, _), (other, seen)) = tokio::join!(start("one"), start("other"));
    let mut creates = JoinSet::new();
    for number in 0..4 {
        let one = one.clone();
        creates.spawn(async move { one.execute(Request::create(probe(&number.to_string()))).await.unwrap() });
    }
    creates.join_all().await;
    tokio::time::timeout(PATIENCE, other.idle()).await.expect("both run jobs").unwrap();
    let mut ran = log.all();
    ran.sort();
    assert_eq!(ran, ["one", "one", "other", "other"]);

    one.define(vec![entity("later")]).await.unwrap();
    let defined = async {
        while seen.schema().entity("later").is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, defined).await.expect("the other host looks");
    let later = Entity { logical_name: "later".to_owned(), ..probe("late") };
    other.execute(Request::create(later)).await.unwrap();
    tokio::join!(one.shutdown(), other.shutdown());
}
