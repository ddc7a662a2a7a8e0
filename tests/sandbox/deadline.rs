//! The deadline holds, whatever the guest is at; and what is late is rolled back.
//!
//! How late a stop comes is measured by the benchmarks, not asserted here: these tests say that it comes.

use std::sync::Arc;
use std::time::Duration;

use stagegate::{ErrorKind, NativeStep, Request, Stage};
use stagegate_tests::{GUEST_MISBEHAVING, GUEST_SPIN_AT_START, PATIENCE, World, load, on_create, probe};

use super::with;

const LIMIT: Duration = Duration::from_millis(300);

/// Runs a Create that must time out at `steps`, innermost first, and then one that must work.
async fn times_out(world: &World, steps: &[&str]) {
    let request = Request::create(probe("slow")).within(LIMIT);
    let error =
        tokio::time::timeout(PATIENCE, world.host.execute(request)).await.expect("it ends").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.code(), -2_147_204_751, "SandboxClientPluginTimeout");
    let path: Vec<&str> = error.path().iter().map(|location| location.step.step.as_str()).collect();
    assert_eq!(path, steps, "{error:?}");
    assert_eq!(world.names("probe").await, Vec::<String>::new(), "it was rolled back");
    assert_eq!(world.names("inner").await, Vec::<String>::new());
    // The next request works.
    let other = stagegate::Entity::new("other").with("name", stagegate_tests::string("next"));
    world.host.define(vec![stagegate_tests::entity("other")]).await.unwrap();
    world.host.execute(Request::create(other)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_computes_or_sleeps_is_stopped_in_every_stage() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for step in ["spin", "sleep"] {
        for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
            let world = World::new(|host| with(host, &plugin, step, "probe", stage)).await;
            times_out(&world, &[step]).await;
            assert_eq!(world.names("probe").await, Vec::<String>::new(), "{step} at {stage}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_computes_while_it_starts_is_stopped() {
    let plugin = load(GUEST_SPIN_AT_START).await;
    let world = World::new(|host| with(host, &plugin, "pass", "probe", Stage::PreOperation)).await;
    times_out(&world, &["pass"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_guest_is_stopped_by_its_callers_deadline() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for step in ["spin", "sleep"] {
        let world = World::new(|host| {
            let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
            with(host, &plugin, step, "inner", Stage::PreOperation)
        })
        .await;
        times_out(&world, &[step, "nest"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_waits_in_a_call_to_the_host_is_stopped() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        // Exempt by itself, yet a sandboxed step waits for it.
        let waits = NativeStep::new(|_| std::future::pending());
        with(host, &plugin, "nest", "probe", Stage::PreOperation).native_step(
            "service",
            on_create("waits", Stage::PreOperation).on("inner"),
            waits,
        )
    })
    .await;
    times_out(&world, &["nest"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_comes_back_late_is_too_late() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| {
        // Blocks the thread, so that no timer fires before the call is back and the guest returns at once.
        let blocks = NativeStep::new(|_| async {
            std::thread::sleep(LIMIT * 2);
            Ok(())
        });
        with(host, &plugin, "nest", "probe", Stage::PreOperation).native_step(
            "service",
            on_create("blocks", Stage::PreOperation).on("inner"),
            blocks,
        )
    })
    .await;
    let request = Request::create(probe("slow")).within(LIMIT);
    let error = world.host.execute(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(world.names("probe").await, Vec::<String>::new());
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_steps_are_exempt_unless_they_ask() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for (bounded, kind) in [(false, None), (true, Some(ErrorKind::Timeout))] {
        let world = World::new(|host| {
            let slow = NativeStep::new(|_| async {
                tokio::time::sleep(LIMIT * 2).await;
                Ok(())
            });
            let slow = if bounded { slow.bounded() } else { slow };
            let host = host.native_step("service", on_create("slow", Stage::PreOperation), slow);
            // The clock stood still meanwhile: the sandboxed step after it has its time.
            with(host, &plugin, "pass", "probe", Stage::PostOperation)
        })
        .await;
        let result = world.host.execute(Request::create(probe("a")).within(LIMIT)).await;
        assert_eq!(result.err().map(|error| error.kind()), kind, "bounded: {bounded}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_holds_for_asynchronous_steps() {
    let plugin = load(GUEST_MISBEHAVING).await;
    for step in ["spin", "sleep"] {
        let world = World::new(|host| {
            let on = stagegate::StepDefinition::new(step, "Create", Stage::PostOperation)
                .on("probe")
                .asynchronous();
            host.time_limit(LIMIT).plugin_step(plugin.clone(), on, None)
        })
        .await;
        world.create("a").await.unwrap();
        tokio::time::timeout(PATIENCE, world.host.idle()).await.expect("it ends").unwrap();
        let jobs = world.host.jobs(stagegate::store::JobSelect::Newest(9)).await.unwrap();
        let [job] = jobs.try_into().unwrap();
        assert_eq!(job.error.unwrap().code, -2_147_204_751, "{step}");
        assert_eq!(world.names("probe").await, ["a"]);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn other_requests_of_the_runtime_go_on_beside_a_guest_that_computes() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, "spin", "probe", Stage::PreValidation)).await;
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let spinning = tokio::spawn({
        let (host, ended) = (world.host.clone(), Arc::clone(&ended));
        async move {
            let result = host.execute(Request::create(probe("spins")).within(PATIENCE)).await;
            ended.store(true, std::sync::atomic::Ordering::SeqCst);
            result
        }
    });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        let inner = stagegate::Entity::new("inner").with("name", stagegate_tests::string("beside"));
        world.host.execute(Request::create(inner)).await.unwrap();
    }
    assert!(!ended.load(std::sync::atomic::Ordering::SeqCst), "they were done while it computed");
    spinning.abort();
    assert!(spinning.await.is_err());
}
