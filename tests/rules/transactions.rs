//! Which work shares a transaction, and what a caught failure does to it.

use std::sync::Arc;

use stagegate::model::code;
use stagegate::{
    ColumnSet, EntityReference, ErrorKind, Fault, NativeStep, Request, Stage, StepContext, StepDefinition,
};
use stagegate_tests::{World, on_create, on_update, probe, string, text};
use tokio::sync::Notify;

use super::{creates, inner, missing, on, refuses};

/// Keeps one, fails at the second, keeps a third.
async fn one_of_three_fails(cx: StepContext) -> Result<(), Fault> {
    cx.create(inner("first")).await?;
    cx.delete(missing("inner")).await.unwrap_err();
    cx.create(inner("third")).await?;
    Ok(())
}

/// The first of a transaction that fails as a whole.
async fn transaction_that_fails(cx: StepContext) -> Result<(), Fault> {
    let requests = vec![Request::create(inner("lost")), Request::delete(missing("inner"))];
    cx.execute(Request::execute_transaction(requests)).await.unwrap_err();
    Ok(())
}

/// Of which each is for itself.
async fn multiple_of_which_one_fails(cx: StepContext) -> Result<(), Fault> {
    let requests = vec![
        Request::create(inner("first")),
        Request::delete(missing("inner")),
        Request::create(inner("third")),
    ];
    cx.execute(Request::execute_multiple(requests)).await?;
    Ok(())
}

#[tokio::test]
async fn outside_of_a_transaction_each_request_of_a_step_is_its_own() {
    let early = || on_create("s", Stage::PreValidation);
    let late = || on_create("s", Stage::PostOperation).asynchronous();
    for definition in [early, late] {
        let cases: [(NativeStep, &[&str]); 3] = [
            (NativeStep::new(one_of_three_fails), &["first", "third"]),
            (NativeStep::new(transaction_that_fails), &[]),
            (NativeStep::new(multiple_of_which_one_fails), &["first", "third"]),
        ];
        for (number, (step, kept)) in cases.into_iter().enumerate() {
            let world = World::new(|host| host.native_step("p", definition(), step)).await;
            world.create("a").await.unwrap();
            world.host.idle().await.unwrap();
            assert_eq!(world.names("inner").await, kept, "case {number} of {:?}", definition().mode);
            assert_eq!(world.names("probe").await, ["a"]);
        }
    }
}

#[tokio::test]
async fn in_a_transaction_a_failure_that_a_step_caught_dooms_it() {
    for stage in [Stage::PreOperation, Stage::PostOperation] {
        let cases: [NativeStep; 2] =
            [NativeStep::new(transaction_that_fails), NativeStep::new(multiple_of_which_one_fails)];
        for step in cases {
            let world = World::new(|host| host.native_step("p", on_create("s", stage), step)).await;
            let error = world.create("a").await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Doomed, code::TRANSACTION_DOOMED));
            assert!(error.message().contains("cannot delete inner"), "{error}");
            assert_eq!(world.names("inner").await, Vec::<String>::new());
            assert_eq!(world.names("probe").await, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn pre_validation_of_a_nested_request_dooms_its_callers_transaction() {
    let world = World::new(|host| {
        host.native_step("p", on_update("outer", Stage::PreOperation), creates("nested")).native_step(
            "p",
            on("Create", "inner", Stage::PreValidation),
            NativeStep::new(|cx| async move {
                cx.delete(missing("inner")).await.unwrap_err();
                Ok(())
            }),
        )
    })
    .await;
    let record = world.add(probe("a")).await;
    let error = world.host.execute(Request::update(probe("b").with_id(record.id))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Doomed, "{error}");
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn any_failed_request_dooms() {
    let taken = inner("taken").with_id(uuid::Uuid::from_u128(1));
    let cases = [
        (Request::create(taken.clone()), ErrorKind::Duplicate),
        (Request::create(inner("x").with("nmae", string("x"))), ErrorKind::InvalidRequest),
        (Request::update(inner("x").with_id(missing("inner").id)), ErrorKind::NotFound),
        (Request::retrieve(missing("inner"), ColumnSet::All), ErrorKind::NotFound),
        (Request::new("Nothing", Default::default()), ErrorKind::InvalidRequest),
        (Request::create(probe("refused")), ErrorKind::Rejected),
    ];
    for (request, kind) in cases {
        let message = request.message.clone();
        let world = World::new(|host| {
            let catches = NativeStep::new(move |cx| {
                let request = request.clone();
                async move {
                    let error = cx.execute(request).await.unwrap_err();
                    assert_eq!(error.kind(), kind, "{error}");
                    Ok(())
                }
            });
            host.native_step("p", on_update("s", Stage::PostOperation), catches).native_step(
                "p",
                on_create("no", Stage::PostOperation),
                NativeStep::new(|cx| async move {
                    match cx.target()? {
                        Some(target) if text(&target, "name") == "refused" => Err(Fault::new("no")),
                        _ => Ok(()),
                    }
                }),
            )
        })
        .await;
        world.add(taken.clone()).await;
        let record = world.add(probe("a")).await;
        let error = world.host.execute(Request::update(probe("b").with_id(record.id))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Doomed, "{message} {kind:?}: {error}");
        assert_eq!(world.names("probe").await, ["a"]);
    }
}

#[tokio::test]
async fn a_step_that_refuses_after_a_failure_that_it_caught_says_its_own_words() {
    let world = World::new(|host| {
        let step = NativeStep::new(|cx| async move {
            cx.delete(missing("inner")).await.unwrap_err();
            Err(Fault::new("there is no such thing"))
        });
        host.native_step("p", on_create("s", Stage::PreOperation), step)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Rejected, "there is no such thing"));
}

#[tokio::test]
async fn what_a_step_of_a_retrieve_writes_is_in_a_transaction_too() {
    let cases = [(Stage::PreOperation, false), (Stage::PostOperation, false), (Stage::PostOperation, true)];
    for (stage, refused) in cases {
        let world = World::new(|host| {
            let host = host.native_step("p", on("Retrieve", "probe", stage), creates("read"));
            let second = on("Retrieve", "probe", stage).rank(2);
            if refused { host.native_step("q", second, refuses("no")) } else { host }
        })
        .await;
        let record = world.add(probe("a")).await;
        let result = world.host.execute(Request::retrieve(record, ColumnSet::All)).await;
        assert_eq!(result.is_err(), refused);
        let kept: &[&str] = if refused { &[] } else { &["read"] };
        assert_eq!(world.names("inner").await, kept, "{stage} {refused}");
    }
}

#[tokio::test]
async fn a_transaction_whose_caller_goes_away_leaves_nothing() {
    let reached = Arc::new(Notify::new());
    let signal = Arc::clone(&reached);
    let world = World::new(|host| {
        let hangs = NativeStep::new(move |cx| {
            let signal = Arc::clone(&signal);
            async move {
                if cx.target()?.is_some_and(|target| text(&target, "name") == "hangs") {
                    signal.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
        let later = on_create("later", Stage::PostOperation).asynchronous();
        host.native_step("p", on_create("hangs", Stage::PostOperation), hangs).native_step(
            "p",
            later,
            creates("of a job"),
        )
    })
    .await;
    for stage in ["in a transaction", "in a batch"] {
        let requests = ["a", "hangs", "b"].map(|name| Request::create(probe(name))).to_vec();
        let request = match stage {
            "in a transaction" => Request::execute_transaction(requests),
            _ => Request::execute_multiple(requests),
        };
        let host = world.host.clone();
        let running = tokio::spawn(async move { host.execute(request).await });
        reached.notified().await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        world.create("next").await.unwrap();
        world.host.idle().await.unwrap();
    }
    assert_eq!(world.names("probe").await, ["a", "next", "next"], "of the batch alone, what was done");
    assert_eq!(world.names("inner").await, ["of a job"; 3]);
}

#[tokio::test]
async fn a_record_that_its_own_step_deletes_ends_the_message() {
    // (message, stage, whether the message can still succeed)
    let cases = [
        ("Update", Stage::PreOperation, false),
        ("Update", Stage::PostOperation, true),
        ("Delete", Stage::PreOperation, false),
        ("Create", Stage::PostOperation, true),
    ];
    for (message, stage, succeeds) in cases {
        let world = World::new(|host| {
            let deletes = NativeStep::new(|cx| async move {
                match (cx.depth()?, cx.record()?) {
                    (1, Some(record)) if cx.message()? != "Create" => Ok(cx.delete(record).await?),
                    (1, Some(record)) if cx.target()?.is_some_and(|it| text(&it, "name") == "goes") => {
                        Ok(cx.delete(record).await?)
                    }
                    _ => Ok(()),
                }
            });
            host.native_step("p", StepDefinition::new("s", message, stage).on("probe"), deletes)
        })
        .await;
        let record = world.add(probe("a")).await;
        let request = match message {
            "Update" => Request::update(probe("b").with_id(record.id)),
            "Delete" => Request::delete(record.clone()),
            _ => Request::create(probe("goes")),
        };
        let result = world.host.execute(request).await;
        let kept: &[&str] = if succeeds && message != "Create" { &[] } else { &["a"] };
        assert_eq!(world.names("probe").await, kept, "{message} {stage}: {result:?}");
        match result {
            Ok(_) => assert!(succeeds, "{message} {stage}"),
            Err(error) => {
                assert!(!succeeds, "{message} {stage}: {error}");
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_upsert_by_key_in_a_step_is_in_the_transaction() {
    use stagegate::{AttributeType, Entity, EntityDefinition};
    let product = EntityDefinition::new("product")
        .with("number", AttributeType::String { max_length: 9 })
        .with("name", AttributeType::String { max_length: 9 })
        .with_key("by_number", ["number"]);
    let world = World::with(vec![product, stagegate_tests::entity("probe")], |host| {
        let upserts = NativeStep::new(|cx| async move {
            for name in ["one", "two"] {
                let product =
                    Entity::new("product").with_key("number", string("7")).with("name", string(name));
                let response = cx.execute(Request::upsert(product)).await?;
                cx.trace(format!("{:?}", response.record_created()));
            }
            match cx.target()? {
                Some(target) if text(&target, "name") == "bad" => Err(Fault::new("no")),
                _ => Ok(()),
            }
        });
        host.native_step("p", on_create("s", Stage::PreOperation), upserts)
    })
    .await;
    let error = world.create("bad").await.unwrap_err();
    assert_eq!(error.trace(), ["Some(true)", "Some(false)"]);
    assert_eq!(world.names("product").await, Vec::<String>::new());
    world.create("good").await.unwrap();
    assert_eq!(world.names("product").await, ["two"]);
    assert!(world.get(&EntityReference::new("product", uuid::Uuid::from_u128(1))).await.is_none());
}
