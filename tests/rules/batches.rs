//! ExecuteTransaction, ExecuteMultiple and Upsert, in cases that are less than plain.

use std::time::Duration;

use stagegate::{ErrorKind, ItemResponse, NativeStep, Request, Stage, Value};
use stagegate_tests::{Log, World, on_create, probe, text};

use super::{creates, inner, missing};

fn create(name: &str) -> Request {
    Request::create(probe(name))
}

fn fails() -> Request {
    Request::delete(missing("probe"))
}

fn outcomes(responses: &[ItemResponse]) -> Vec<(u32, bool)> {
    responses.iter().map(|item| (item.index, item.result.is_ok())).collect()
}

#[tokio::test]
async fn a_batch_of_nothing_does_nothing() {
    let world = World::new(|host| host).await;
    for request in [Request::execute_transaction(vec![]), Request::execute_multiple(vec![])] {
        assert_eq!(world.run(request).await.responses().len(), 0);
    }
}

#[tokio::test]
async fn a_transaction_returns_no_responses_unless_asked() {
    let world = World::new(|host| host).await;
    let silent =
        Request::execute_transaction(vec![create("a")]).with("ReturnResponses", Value::Boolean(false));
    assert_eq!(world.run(silent).await.responses().len(), 0);
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_batch_without_a_failure_is_not_faulted() {
    let world = World::new(|host| host).await;
    let response = world.run(Request::execute_multiple(vec![create("a"), create("b")])).await;
    assert_eq!(response.parameters.get("IsFaulted"), Some(&Value::Boolean(false).into()));
    let quiet = Request::execute_multiple(vec![create("c")]).with("ReturnResponses", Value::Boolean(false));
    assert_eq!(world.run(quiet).await.responses().len(), 0);
}

#[tokio::test]
async fn any_way_to_fail_is_one_requests_own() {
    let world = World::new(|host| {
        let picky = NativeStep::new(|cx| async move {
            match cx.target()?.map(|target| text(&target, "name")).as_deref() {
                Some("panics") => panic!("a defect"),
                Some("catches") => {
                    cx.delete(missing("inner")).await.unwrap_err();
                    Ok(())
                }
                Some("refused") => Err(stagegate::Fault::new("no")),
                _ => Ok(()),
            }
        });
        host.native_step("p", on_create("picky", Stage::PreOperation), picky)
    })
    .await;
    let bad = || {
        vec![
            create("panics"),
            create("catches"),
            create("refused"),
            create("x").with("Nonsense", Value::Null),
            Request::new("Nothing", Default::default()),
            Request::execute_transaction(vec![create("lost"), create("refused")]),
        ]
    };
    let mut requests = vec![create("first")];
    requests.extend(bad());
    requests.push(create("last"));
    let response = world.run(Request::execute_multiple(requests)).await;
    let succeeded = outcomes(response.responses()).into_iter().filter(|(_, ok)| *ok).map(|(index, _)| index);
    assert_eq!(succeeded.collect::<Vec<_>>(), [0, 7]);
    assert_eq!(world.names("probe").await, ["first", "last"]);

    // Each of them undoes a transaction, which names it.
    for request in bad().into_iter().take(5) {
        let message = format!("{request:?}");
        let error =
            world.host.execute(Request::execute_transaction(vec![create("a"), request])).await.unwrap_err();
        assert!(
            error.details().contains(&("FaultedRequestIndex".into(), "1".into())),
            "{message}: {error:?}"
        );
        assert_eq!(world.names("probe").await, ["first", "last"]);
    }
}

#[tokio::test]
async fn later_requests_of_a_transaction_see_what_earlier_ones_wrote() {
    let world = World::new(|host| host).await;
    let id = stagegate::Uuid::from_u128(1);
    let record = stagegate::EntityReference::new("probe", id);
    let requests = vec![
        Request::create(probe("a").with_id(id)),
        Request::update(probe("b").with_id(id)),
        Request::retrieve(record.clone(), stagegate::ColumnSet::All),
        Request::delete(record),
    ];
    let response = world.run(Request::execute_transaction(requests)).await;
    let read = response.responses()[2].result.as_ref().unwrap();
    assert_eq!(text(read.entity().unwrap(), "name"), "b");
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn jobs_of_a_transaction_run_after_all_of_it() {
    let log = Log::default();
    let notes = log.clone();
    let world = World::new(|host| {
        let counts = NativeStep::new(move |cx| {
            let notes = notes.clone();
            async move {
                let found = cx.retrieve_multiple(stagegate::Query::new("probe")).await?.len();
                notes.note(found.to_string());
                Ok(())
            }
        });
        host.native_step("p", on_create("later", Stage::PostOperation).asynchronous(), counts)
    })
    .await;
    world.run(Request::execute_transaction(vec![create("a"), create("b")])).await;
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["2", "2"]);
    let failed = world.host.execute(Request::execute_transaction(vec![create("c"), fails()])).await;
    failed.unwrap_err();
    world.host.idle().await.unwrap();
    assert_eq!(log.all().len(), 2);
}

#[tokio::test]
async fn the_time_limit_is_that_of_the_whole_batch() {
    for make in [Request::execute_transaction, Request::execute_multiple] {
        let world = World::new(|host| {
            let hangs = NativeStep::new(|cx| async move {
                if cx.target()?.is_some_and(|target| text(&target, "name") == "hangs") {
                    std::future::pending::<()>().await;
                }
                Ok(())
            });
            host.native_step("p", on_create("hangs", Stage::PreOperation), hangs.bounded())
        })
        .await;
        let request =
            make(vec![create("a"), create("hangs"), create("b")]).within(Duration::from_millis(500));
        let atomic = request.message == "ExecuteTransaction";
        let result = world.host.execute(request).await;
        match result {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
            Ok(response) => {
                assert!(!atomic);
                assert_eq!(outcomes(response.responses()), [(0, true), (1, false), (2, false)]);
            }
        }
        let kept: &[&str] = if atomic { &[] } else { &["a"] };
        assert_eq!(world.names("probe").await, kept);
    }
}

#[tokio::test]
async fn a_request_of_a_batch_can_pass_over_steps() {
    let log = Log::default();
    let world =
        World::new(|host| host.native_step("p", on_create("s", Stage::PreOperation), log.step("ran"))).await;
    let bypass = create("a").with("BypassCustomPluginExecution", Value::Boolean(true));
    for make in [Request::execute_transaction, Request::execute_multiple] {
        world.run(make(vec![bypass.clone(), create("b")])).await;
    }
    assert_eq!(log.all(), ["ran", "ran"]);
}

#[tokio::test]
async fn batches_nest_in_steps_of_batches() {
    let world = World::new(|host| {
        let batches = NativeStep::new(|cx| async move {
            let requests = vec![Request::create(inner("x")), Request::create(inner("y"))];
            cx.execute(Request::execute_transaction(requests)).await?;
            Ok(())
        });
        host.native_step("p", on_create("early", Stage::PreValidation), batches.clone())
            .native_step("p", on_create("late", Stage::PostOperation), batches.clone())
            .native_step("p", on_create("job", Stage::PostOperation).asynchronous(), batches)
    })
    .await;
    world.run(Request::execute_transaction(vec![create("a"), create("b")])).await;
    world.host.idle().await.unwrap();
    assert_eq!(world.names("inner").await.len(), 12);
    let failed = world.host.execute(Request::execute_transaction(vec![create("c"), fails()])).await;
    failed.unwrap_err();
    world.host.idle().await.unwrap();
    assert_eq!(world.names("inner").await.len(), 12, "PreValidation too is in the transaction of its caller");
}

#[tokio::test]
async fn a_dry_run_of_a_batch_keeps_nothing_and_tells_all() {
    let world =
        World::new(|host| host.native_step("p", on_create("s", Stage::PreValidation), creates("n"))).await;
    for make in [Request::execute_transaction, Request::execute_multiple] {
        let dry = world.host.dry_run(make(vec![create("a"), create("b")])).await;
        assert_eq!(dry.result.unwrap().responses().len(), 2);
        assert_eq!(dry.changes.len(), 4);
    }
    assert_eq!(world.names("probe").await, Vec::<String>::new());
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}
