//! What these tests share: a host on PostgreSQL with an asynchronous step whose effect is there once, and what is in the
//! database afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stagegate::model::JobPolicy;
use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::{
    Entity, ErrorKind, Fault, Host, HostBuilder, Job, JobStatus, NativeStep, OperationStatus, Query, Request,
    Stage, StepContext, StepDefinition,
};
use stagegate_tests::{PATIENCE, entity, on_create, text};

use crate::crash::support::jobs;

pub(super) async fn open(url: &str, change: impl FnOnce(&mut Options)) -> Arc<dyn Store> {
    let mut options = Options::new(url).unwrap();
    change(&mut options);
    PostgresStore::open(options).await.unwrap()
}

/// An asynchronous step on Create of a probe that is tried again at once, and as often as it takes.
pub(super) fn on() -> StepDefinition {
    let policy =
        JobPolicy { retries: 10_000, retry_delay: Duration::from_millis(20), ..JobPolicy::default() };
    on_create("works", Stage::PostOperation).asynchronous().jobs(policy)
}

pub(super) fn describe(store: Arc<dyn Store>, works: NativeStep) -> HostBuilder {
    Host::builder().store(store).define(vec![entity("probe"), entity("inner")]).native_step("p", on(), works)
}

/// A record with the job's own identifier. Whatever keeps it from being written may be over a moment later.
pub(super) async fn write_effect(cx: &StepContext) -> Result<(), Fault> {
    let id = cx.operation_id()?.unwrap();
    match cx.create(Entity::new("inner").with_id(id)).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Duplicate => Ok(()),
        Err(error) => {
            let expected = [ErrorKind::Store, ErrorKind::OutcomeUnknown, ErrorKind::Timeout];
            assert!(expected.contains(&error.kind()), "{error:?}");
            Err(Fault { status: OperationStatus::Retry, ..Fault::new(error.to_string()) })
        }
    }
}

/// Waits until no job is ready or running. The look itself may fail with the connection.
pub(super) async fn idle(host: &Host) {
    let idles = async {
        while let Err(error) = host.idle().await {
            assert!(error.is_retryable(), "{error:?}");
        }
        // Those that wait for another try are not waited for.
        while jobs(host).await.iter().any(|job| job.status != JobStatus::Succeeded) {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, idles).await.is_err() {
        let left: Vec<Job> =
            jobs(host).await.into_iter().filter(|job| job.status != JobStatus::Succeeded).collect();
        panic!("these do not end: {left:?}");
    }
}

/// How often each name is there.
pub(super) async fn names(host: &Host) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for record in all(host, "probe").await {
        *names.entry(text(&record, "name")).or_default() += 1;
    }
    names
}

/// Each probe has a job that succeeded, and each job its effect, once.
pub(super) async fn each_has_its_effect_once(host: &Host) -> Vec<Job> {
    let jobs = jobs(host).await;
    let mut probes: Vec<_> = all(host, "probe").await.iter().map(|record| record.id.unwrap()).collect();
    let mut regarding: Vec<_> = jobs.iter().map(|job| job.regarding.as_ref().unwrap().id).collect();
    probes.sort_unstable();
    regarding.sort_unstable();
    assert_eq!(regarding, probes, "a job for each record, none lost and none doubled");
    let mut effects: Vec<_> = all(host, "inner").await.iter().map(|record| record.id.unwrap()).collect();
    let mut expected: Vec<_> = jobs.iter().map(|job| job.id).collect();
    effects.sort_unstable();
    expected.sort_unstable();
    assert_eq!(effects, expected, "an effect of each job, none lost and none doubled");
    assert!(jobs.iter().all(|job| job.status == JobStatus::Succeeded), "{jobs:?}");
    jobs
}

async fn all(host: &Host, entity: &str) -> Vec<Entity> {
    let found = host.execute(Request::retrieve_multiple(Query::new(entity))).await.unwrap();
    let records = found.entities().to_vec();
    assert!(records.len() < 5000, "all are on one page");
    records
}
