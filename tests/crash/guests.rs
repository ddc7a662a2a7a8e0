//! Jobs whose guest breaks down in each way there is, beside jobs that are fine.

use stagegate::model::code;
use stagegate::model::job::Control;
use stagegate::wasm::Plugin;
use stagegate::{Entity, HostBuilder, JobStatus, Request, Stage, StepDefinition};
use stagegate_tests::{GUEST_MISBEHAVING, PATIENCE, World, load};
use tokio::sync::mpsc::unbounded_channel;

use super::support::{jobs, queue};

const GOOD: usize = 50;

fn with(host: HostBuilder, plugin: &Plugin, name: &str, entity: &str) -> HostBuilder {
    let on = StepDefinition::new(name, "Create", Stage::PostOperation).on(entity).asynchronous();
    host.plugin_step(plugin.clone(), on, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_breakdown_fails_its_own_job_with_the_reason() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let breakdowns = [
        ("spin", code::PLUGIN_TIMEOUT, "ran past its time limit"),
        ("overflow", code::WORKER_NOT_AVAILABLE, "stack overflowed"),
        ("allocate", code::WORKER_NOT_AVAILABLE, "32 MiB is the limit"),
        ("exit", code::WORKER_NOT_AVAILABLE, "ended its process with a failure"),
        ("abort", code::ISV_UNEXPECTED, "it aborted"),
        ("panic", code::ISV_UNEXPECTED, "the answer is not 42"),
        ("refuse", code::ISV_ABORTED, "not today"),
    ];
    let world = World::new(|host| {
        let host = host.time_limit(std::time::Duration::from_secs(2));
        let host = breakdowns.iter().fold(host, |host, (step, ..)| with(host, &plugin, step, "inner"));
        with(host, &plugin, "pass", "probe")
    })
    .await;
    world.run(Request::create(Entity::new("inner"))).await;
    queue(&world.host, GOOD).await;
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
    let jobs = jobs(&world.host).await;
    let (bad, good) = jobs.split_at(breakdowns.len());
    for ((step, code, reason), job) in breakdowns.into_iter().zip(bad) {
        assert_eq!((job.step.step.as_str(), job.status, job.attempt), (step, JobStatus::Failed, 1));
        let error = job.error.as_ref().unwrap();
        assert_eq!(error.code, code, "{error:?}");
        for part in [reason, &format!("step `{step}` of plugin `guest-misbehaving`")] {
            assert!(error.message.contains(part), "{step}: {error:?} does not say {part:?}");
        }
    }
    assert_eq!(good.len(), GOOD);
    assert!(good.iter().all(|job| job.status == JobStatus::Succeeded && job.attempt == 1), "{good:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_waits_for_one_that_spins() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let (ended, mut endings) = unbounded_channel();
    let world = World::new(|host| {
        let host = host.workers(2).observe_jobs(move |job, _| ended.send(job.step.step.clone()).unwrap());
        with(with(host, &plugin, "spin", "inner"), &plugin, "pass", "probe")
    })
    .await;
    world.run(Request::create(Entity::new("inner"))).await;
    queue(&world.host, GOOD).await;
    for _ in 0..GOOD {
        let ending = tokio::time::timeout(PATIENCE, endings.recv()).await.expect("it ends");
        assert_eq!(ending.as_deref(), Some("pass"), "the other one still runs");
    }
    let all = jobs(&world.host).await;
    let [spins] = all.iter().filter(|job| job.step.step == "spin").collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(spins.status, JobStatus::InProgress);
    world.host.control_jobs(&[spins.id], Control::Cancel).await.unwrap();
    tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it is stopped").unwrap();
    let statuses: Vec<JobStatus> = jobs(&world.host).await.iter().map(|job| job.status).collect();
    let expected = [vec![JobStatus::Canceled], vec![JobStatus::Succeeded; GOOD]].concat();
    assert_eq!(statuses, expected);
}
