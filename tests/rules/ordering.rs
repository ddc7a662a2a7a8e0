//! In which order steps run.

use stagegate::{NativeStep, Request, Stage};
use stagegate_tests::{Log, World, on_create, probe};

use super::{inner, on};

#[tokio::test]
async fn a_nested_request_ends_all_its_stages_before_the_outer_step_goes_on() {
    let log = Log::default();
    let notes = log.clone();
    let world = World::new(|host| {
        let nests = NativeStep::new(move |cx| {
            let notes = notes.clone();
            async move {
                notes.note("before");
                cx.create(inner("n")).await?;
                notes.note("after");
                Ok(())
            }
        });
        host.native_step("p", on("Create", "inner", Stage::PostOperation), log.step("inner 40"))
            .native_step("p", on("Create", "inner", Stage::PreValidation), log.step("inner 10"))
            .native_step("p", on_create("nests", Stage::PreOperation), nests)
            .native_step("p", on_create("second", Stage::PreOperation).rank(2), log.step("second"))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["before", "inner 10", "inner 40", "after", "second"]);
}

#[tokio::test]
async fn the_whole_range_of_ranks_counts_and_1_is_the_default() {
    let log = Log::default();
    let world = World::new(|host| {
        let step = |name: &str| on_create(name, Stage::PostOperation);
        host.native_step("p", step("max").rank(i32::MAX), log.step("max"))
            .native_step("p", step("two").rank(2), log.step("two"))
            .native_step("p", step("default"), log.step("default"))
            .native_step("p", step("zero").rank(0), log.step("zero"))
            .native_step("p", step("min").rank(i32::MIN), log.step("min"))
            .native_step("q", step("default").rank(1), log.step("of another plugin"))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["min", "zero", "default", "of another plugin", "two", "max"]);
}

#[tokio::test]
async fn asynchronous_steps_start_after_all_synchronous_ones_whatever_their_rank() {
    let log = Log::default();
    let world = World::new(|host| {
        let later = |name: &str| on_create(name, Stage::PostOperation).asynchronous();
        host.workers(1)
            .native_step("p", later("first").rank(-100), log.step("job 1"))
            .native_step("p", later("second").rank(-50), log.step("job 2"))
            .native_step("p", on_create("sync", Stage::PostOperation).rank(100), log.step("sync"))
    })
    .await;
    world.host.execute(Request::create(probe("a"))).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["sync", "job 1", "job 2"]);
}
