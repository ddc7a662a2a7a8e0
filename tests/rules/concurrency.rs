//! Many at once.

use std::sync::Arc;
use std::time::Duration;

use stagegate::model::code;
use stagegate::{
    AttributeType, Entity, EntityDefinition, ErrorKind, Host, NativeStep, Request, Stage, Value,
};
use stagegate_tests::{World, on_create, on_update, probe, string};
use tokio::sync::{Notify, OnceCell};

use super::inner;

async fn at_once(world: &World, requests: Vec<Request>) -> Vec<stagegate::Result<stagegate::Response>> {
    let start = |request| {
        let host = world.host.clone();
        tokio::spawn(async move { host.execute(request).await })
    };
    let running: Vec<_> = requests.into_iter().map(start).collect();
    let mut results = Vec::new();
    for request in running {
        results.push(request.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creates_of_one_key_or_identifier_one_wins() {
    let product = EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 9 })
        .with_key("by_number", ["number"]);
    let world = World::with(vec![product], |host| host).await;
    let by_key = || Request::create(Entity::new("product").with("number", string("7")));
    let by_id = || Request::create(Entity::new("product").with_id(stagegate::Uuid::from_u128(1)));
    for (make, code) in [
        (&by_key as &dyn Fn() -> Request, code::DUPLICATE_KEY),
        (&by_id as &dyn Fn() -> Request, code::DUPLICATE_RECORD),
    ] {
        let results = at_once(&world, (0..8).map(|_| make()).collect()).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Duplicate, code), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_conditional_updates_of_one_version_one_wins() {
    let world = World::new(|host| host).await;
    let record = world.add(probe("a")).await;
    let update =
        |number: i32| Request::update(probe(&number.to_string()).with_id(record.id)).if_row_version(1);
    let results = at_once(&world, (0..8).map(update).collect()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.code(), code::CONCURRENCY_VERSION_MISMATCH, "{error}");
    }
    assert_eq!(world.get(&record).await.unwrap().get("versionnumber"), Some(&Value::BigInteger(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_deletes_of_a_record_one_wins_and_updates_find_it_or_not() {
    let world = World::new(|host| host).await;
    let record = world.add(probe("a")).await;
    let mut requests: Vec<_> = (0..4).map(|_| Request::delete(record.clone())).collect();
    requests.extend((0..4).map(|_| Request::update(probe("b").with_id(record.id))));
    let results = at_once(&world, requests).await;
    assert_eq!(results[..4].iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(stagegate::Error::is_not_found));
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_version_is_that_of_the_record_when_the_request_is_carried_out() {
    // What PreValidation of an initial request does is done before, so the version that was asked for is gone.
    let world = World::new(|host| {
        let touches = NativeStep::new(|cx| async move {
            if cx.depth()? == 1 {
                let id = cx.record()?.map(|record| record.id).unwrap_or_default();
                cx.update(probe("touched").with_id(id)).await?;
            }
            Ok(())
        });
        host.native_step("p", on_update("touches", Stage::PreValidation), touches)
    })
    .await;
    let record = world.add(probe("a")).await;
    let update = Request::update(probe("b").with_id(record.id)).if_row_version(1);
    let error = world.host.execute(update).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(world.names("probe").await, ["touched"]);
}

#[tokio::test]
async fn a_stale_version_is_refused_and_nothing_of_it_stays() {
    let log = stagegate_tests::Log::default();
    let world =
        World::new(|host| host.native_step("p", on_update("s", Stage::PreOperation), log.step("ran"))).await;
    let record = world.add(probe("a")).await;
    let update = Request::update(probe("b").with_id(record.id)).if_row_version(7);
    world.host.execute(update).await.unwrap_err();
    world.host.execute(Request::delete(record).if_row_version(7)).await.unwrap_err();
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_full_host_says_so_when_the_time_is_up_and_works_again_afterwards() {
    let (reached, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, wait) = (Arc::clone(&reached), Arc::clone(&release));
    let world = World::new(|host| {
        let holds = NativeStep::new(move |_| {
            let (signal, wait) = (Arc::clone(&signal), Arc::clone(&wait));
            async move {
                signal.notify_one();
                wait.notified().await;
                Ok(())
            }
        });
        host.concurrency(1).native_step("p", on_create("holds", Stage::PreValidation), holds)
    })
    .await;
    let host = world.host.clone();
    let running = tokio::spawn(async move { host.execute(Request::create(probe("a"))).await });
    reached.notified().await;
    let hasty = || Request::create(inner("b")).within(Duration::from_millis(20));
    let error = world.host.execute(hasty()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Saturated, code::HOST_NOT_AVAILABLE));
    assert!(error.is_retryable() && error.retry_after().is_some(), "{error:?}");
    assert!(error.message().contains("all 1 places"), "{error}");
    release.notify_one();
    running.await.unwrap().unwrap();
    world.host.execute(hasty()).await.unwrap();
}

#[tokio::test]
async fn a_step_that_goes_around_its_context_is_told_so_and_does_not_hang() {
    // The host itself, called inside of a step: it would wait for a place, or for the transaction that it is in.
    for stage in [Stage::PreValidation, Stage::PreOperation] {
        let slot: Arc<OnceCell<Host>> = Arc::default();
        let host = Arc::clone(&slot);
        let world = World::new(|builder| {
            let step = NativeStep::new(move |_| {
                let host = Arc::clone(&host);
                async move {
                    let request = Request::create(inner("x")).within(Duration::from_millis(50));
                    let error = host.get().unwrap().execute(request).await.unwrap_err();
                    Err(stagegate::Fault::new(format!("{:?}", error.kind())))
                }
            });
            builder.concurrency(1).native_step("p", on_create("s", stage), step)
        })
        .await;
        slot.set(world.host.clone()).ok().unwrap();
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.message(), "Saturated", "{stage}");
        assert_eq!(world.names("inner").await, Vec::<String>::new());
    }
}
