//! Which jobs run when, and how many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stagegate::model::job::{JobPolicy, Rate};
use stagegate::store::{JobSelect, PausedStep};
use stagegate::{JobStatus, NativeStep, Request, Stage, StepContext};
use stagegate_tests::{Log, World, on_create, on_update, probe, tells, text};
use tokio::sync::Semaphore;

fn plugin() -> PausedStep {
    PausedStep { plugin: "p".into(), step: None }
}

fn name_of(cx: &StepContext) -> Result<String, stagegate::Error> {
    Ok(cx.target()?.map(|target| text(&target, "name")).unwrap_or_default())
}

#[tokio::test]
async fn a_step_that_is_paused_runs_when_it_is_resumed_in_the_order_of_queueing() {
    let log = Log::default();
    let world = World::new(|host| {
        let step = on_create("notes", Stage::PostOperation).asynchronous();
        host.native_step("p", step, tells(&log, name_of)).workers(1)
    })
    .await;
    assert!(world.host.pause_step(plugin()).await.unwrap());
    for name in ["a", "b", "c"] {
        world.create(name).await.unwrap();
    }
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), Vec::<String>::new());
    assert_eq!(world.host.paused_steps().await.unwrap(), [plugin()]);
    assert!(world.host.resume_step(plugin()).await.unwrap());
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["a", "b", "c"]);
}

#[tokio::test]
async fn smaller_priorities_run_first() {
    let log = Log::default();
    let world = World::new(|host| {
        let step = |name: &str, priority| {
            let policy = JobPolicy { priority, ..JobPolicy::default() };
            on_create(name, Stage::PostOperation).asynchronous().jobs(policy)
        };
        host.native_step("p", step("later", 5), log.step("later"))
            .native_step("p", step("usual", 0), log.step("usual"))
            .native_step("p", step("first", -1), log.step("first"))
            .workers(1)
    })
    .await;
    world.host.pause_step(plugin()).await.unwrap();
    world.create("a").await.unwrap();
    world.create("b").await.unwrap();
    world.host.resume_step(plugin()).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["first", "first", "usual", "usual", "later", "later"]);
}

/// A step of which `most` runs at once were seen. Each run lets the others come before it goes on.
fn counting(running: &Arc<AtomicU32>, most: &Arc<AtomicU32>) -> NativeStep {
    let (running, most) = (Arc::clone(running), Arc::clone(most));
    NativeStep::new(move |_| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    })
}

#[tokio::test]
async fn a_step_runs_as_often_at_once_as_it_may() {
    for (concurrency, expected) in [(Some(1), 1), (Some(2), 2), (None, 4)] {
        let (running, most) = (Arc::default(), Arc::default());
        let world = World::new(|host| {
            let policy = JobPolicy { concurrency, ..JobPolicy::default() };
            let step = on_create("counts", Stage::PostOperation).asynchronous().jobs(policy);
            host.native_step("p", step, counting(&running, &most)).workers(4)
        })
        .await;
        world.host.pause_step(plugin()).await.unwrap();
        for _ in 0..20 {
            world.create("a").await.unwrap();
        }
        world.host.resume_step(plugin()).await.unwrap();
        world.host.idle().await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), expected, "{concurrency:?}");
    }
}

#[tokio::test]
async fn a_step_starts_as_many_in_a_time_as_it_may() {
    let started = Arc::new(Semaphore::new(0));
    let counts = Arc::clone(&started);
    let world = World::new(|host| {
        let rate = Some(Rate { count: 2, per: Duration::from_secs(3600) });
        let policy = JobPolicy { rate, ..JobPolicy::default() };
        let step = on_create("limited", Stage::PostOperation).asynchronous().jobs(policy);
        let limited = NativeStep::new(move |_| {
            counts.add_permits(1);
            async { Ok(()) }
        });
        host.native_step("p", step, limited)
    })
    .await;
    for _ in 0..5 {
        world.create("a").await.unwrap();
    }
    started.acquire_many(2).await.unwrap().forget();
    // Another step is not held up by it, and by the time it is over the third would have been seen.
    let status = |status| async move { status };
    loop {
        let jobs = world.host.jobs(JobSelect::Newest(9)).await.unwrap();
        let ended = jobs.iter().filter(|job| job.status == JobStatus::Succeeded).count();
        if ended == 2 {
            let ready = jobs.iter().filter(|job| job.status == JobStatus::WaitingForResources).count();
            assert_eq!(status(ready).await, 3);
            break;
        }
        assert!(ended < 2, "the rate is kept");
        tokio::task::yield_now().await;
    }
    assert_eq!(started.available_permits(), 0);
}

#[tokio::test]
async fn jobs_about_a_record_run_one_after_another_in_the_order_of_queueing() {
    let log = Log::default();
    let seen = log.clone();
    let world = World::new(|host| {
        let ordered = JobPolicy { ordered: true, ..JobPolicy::default() };
        let follows = NativeStep::new(move |cx| {
            let seen = seen.clone();
            async move {
                let (id, name) = (cx.record()?.unwrap().id, name_of(&cx)?);
                seen.note(format!("{id} {name} begins"));
                // Whoever is second has all the time to overtake.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                seen.note(format!("{id} {name} ends"));
                Ok(())
            }
        });
        let step = on_update("follows", Stage::PostOperation).asynchronous().jobs(ordered);
        host.native_step("p", step, follows).workers(4)
    })
    .await;
    let one = world.add(probe("one")).await.id;
    let other = world.add(probe("other")).await.id;
    for number in 0..10 {
        for id in [one, other] {
            world.run(Request::update(probe(&number.to_string()).with_id(id))).await;
        }
    }
    world.host.idle().await.unwrap();
    for id in [one, other] {
        let lines: Vec<String> =
            log.all().into_iter().filter(|line| line.starts_with(&id.to_string())).collect();
        let expected: Vec<String> = (0..10)
            .flat_map(|number| [format!("{id} {number} begins"), format!("{id} {number} ends")])
            .collect();
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn of_unique_jobs_about_a_record_the_newest_runs() {
    let log = Log::default();
    let world = World::new(|host| {
        let unique = JobPolicy { unique: true, ..JobPolicy::default() };
        let step = on_update("totals", Stage::PostOperation).asynchronous().jobs(unique);
        host.native_step("p", step, tells(&log, name_of)).workers(1)
    })
    .await;
    let one = world.add(probe("one")).await.id;
    let other = world.add(probe("other")).await.id;
    world.host.pause_step(plugin()).await.unwrap();
    for (id, name) in [(one, "a"), (other, "b"), (one, "c"), (one, "d")] {
        world.run(Request::update(probe(name).with_id(id))).await;
    }
    world.host.resume_step(plugin()).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["d", "b"], "at the place of the first");
    let jobs = world.host.jobs(JobSelect::Newest(9)).await.unwrap();
    let statuses: Vec<JobStatus> = jobs.iter().map(|job| job.status).collect();
    let (done, off) = (JobStatus::Succeeded, JobStatus::Canceled);
    assert_eq!(statuses, [off, done, off, done]);
    let error = jobs[0].error.as_ref().unwrap();
    assert!(error.message.contains(&jobs[2].id.to_string()), "{error:?}");
}
