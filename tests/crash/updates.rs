//! Jobs that were queued under other plugins and definitions than those of the host that runs them.

use std::path::Path;

use stagegate::model::job::Control;
use stagegate::model::step::StepKey;
use stagegate::store::{JobFilter, JobSelect};
use stagegate::{
    AttributeType, Host, HostBuilder, ImageType, Job, JobStatus, NativeStep, Request, Stage, StepDefinition,
};
use stagegate_tests::{Log, PATIENCE, entity, on_update, probe, text};

use super::support::{jobs, open};

fn step(name: &str) -> StepDefinition {
    on_update(name, Stage::PostOperation).asynchronous()
}

fn host(path: &Path) -> HostBuilder {
    Host::builder().store(open(path))
}

async fn idle(host: &Host) {
    tokio::time::timeout(PATIENCE, host.idle()).await.expect("it ends").unwrap();
}

/// Changes a probe three times on a host that runs no jobs, and closes it.
async fn queue_on(host: HostBuilder) {
    let host = host.define(vec![entity("probe")]).workers(0).build().await.unwrap();
    let id = host.execute(Request::create(probe("new"))).await.unwrap().id().unwrap();
    for name in ["1", "2", "3"] {
        host.execute(Request::update(probe(name).with_id(id))).await.unwrap();
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_step_that_has_changed_run_and_those_of_one_that_is_gone_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("updated.db");
    let log = Log::default();
    let first = step("a").rank(9).image("before", ImageType::PreImage, ["name"]);
    queue_on(host(&path).native_step("p", first, log.step("old")).native_step(
        "p",
        step("b"),
        log.step("old"),
    ))
    .await;

    // The step is on another attribute now, and wants other images than its jobs were queued with.
    let other = step("a").rank(1).filter(["amount"]).image("after", ImageType::PostImage, ["note"]);
    let seen = log.clone();
    let notes = NativeStep::new(move |cx| {
        let seen = seen.clone();
        async move {
            let images = (cx.pre_image("before")?.is_some(), cx.post_image("after")?.is_some());
            seen.note(format!("a {} {images:?}", text(&cx.target()?.unwrap(), "name")));
            Ok(())
        }
    });
    let second = host(&path).native_step("p", other, notes).workers(1).build().await.unwrap();
    idle(&second).await;
    assert_eq!(log.all(), ["a 1 (false, false)", "a 2 (false, false)", "a 3 (false, false)"]);
    let failed = JobFilter::newest(9).in_status([JobStatus::Failed]);
    let of_b = failed.of(&StepKey { plugin: "p".into(), step: "b".into() });
    let dead = second.jobs(JobSelect::Filter(of_b)).await.unwrap();
    assert_eq!(dead.len(), 3);
    for job in &dead {
        let error = job.error.as_ref().unwrap();
        for part in ["step p/b", "is not registered", "load its plugin and retry"] {
            assert!(error.message.contains(part), "{error:?} does not say {part:?}");
        }
        assert_eq!((job.attempt, job.retries), (1, 0), "to try again would not help");
    }
    second.shutdown().await;

    let third = host(&path).native_step("p", step("b"), log.step("b")).workers(1).build().await.unwrap();
    idle(&third).await;
    assert_eq!(log.all().len(), 3, "a dead letter waits for somebody");
    let ids: Vec<_> = dead.iter().map(|job| job.id).collect();
    for controlled in third.control_jobs(&ids, Control::Retry).await.unwrap() {
        controlled.result.unwrap();
    }
    idle(&third).await;
    assert_eq!(log.all()[3..], ["b", "b", "b"]);
    let all = jobs(&third).await;
    assert!(all.iter().all(|job: &Job| job.status == JobStatus::Succeeded), "{all:?}");
    third.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_about_an_entity_that_has_new_attributes_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("extended.db");
    let log = Log::default();
    queue_on(host(&path).native_step("p", step("a"), log.step("old"))).await;
    let seen = log.clone();
    let writes = NativeStep::new(move |cx| {
        let seen = seen.clone();
        async move {
            let target = cx.target()?.unwrap();
            let id = target.id.unwrap();
            cx.update(
                stagegate::Entity::new("probe").with_id(id).with("city", stagegate_tests::string("Bern")),
            )
            .await?;
            seen.note(text(&target, "name"));
            Ok(())
        }
    });
    let extended = entity("probe").with("city", AttributeType::String { max_length: 9 });
    // Not on what the step itself writes, or it would go on for ever.
    let on = step("a").filter(["name"]);
    let next =
        host(&path).define(vec![extended]).native_step("p", on, writes).workers(1).build().await.unwrap();
    idle(&next).await;
    assert_eq!(log.all(), ["1", "2", "3"]);
    assert!(jobs(&next).await.iter().all(|job| job.status == JobStatus::Succeeded));
    next.shutdown().await;
}
