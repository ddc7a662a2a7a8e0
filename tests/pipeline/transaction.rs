//! What is kept and what is undone.

use stagegate::{ColumnSet, Entity, ErrorKind, Fault, NativeStep, Request, Stage, Value};
use stagegate_tests::{World, on_create, on_update, probe, string, text};

#[tokio::test]
async fn a_fault_in_any_stage_of_the_transaction_undoes_everything() {
    for stage in [Stage::PreOperation, Stage::PostOperation] {
        let world = World::new(|host| {
            let writes = NativeStep::new(|cx| async move {
                cx.create(Entity::new("inner").with("name", string("written on the way"))).await?;
                Ok(())
            });
            let refuses = NativeStep::new(|cx| async move {
                cx.trace("looked at it");
                Err(Fault::new("not like this"))
            });
            host.native_step("p", on_create("writes", Stage::PreOperation), writes).native_step(
                "p",
                on_create("refuses", stage).rank(2),
                refuses,
            )
        })
        .await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert_eq!(error.code(), -2_147_220_891, "IsvAborted");
        assert_eq!(error.message(), "not like this");
        assert_eq!(
            error.to_string(),
            format!("step `refuses` of plugin `p` at {stage} of Create probe: not like this")
        );
        assert_eq!(error.trace(), ["looked at it"]);
        assert_eq!(world.names("probe").await, Vec::<String>::new());
        assert_eq!(world.names("inner").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_pre_validation_writes_of_an_initial_request_is_its_own_transaction() {
    let world = World::new(|host| {
        let writes = NativeStep::new(|cx| async move {
            cx.create(Entity::new("inner").with("name", string("kept"))).await?;
            Err(Fault::new("no"))
        });
        host.native_step("p", on_create("writes", Stage::PreValidation), writes)
    })
    .await;
    world.create("a").await.unwrap_err();
    assert_eq!(world.names("inner").await, ["kept"]);
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn pre_validation_of_a_nested_request_is_part_of_its_callers_transaction() {
    let world = World::new(|host| {
        let nests = NativeStep::new(|cx| async move {
            cx.create(probe("nested")).await?;
            Err(Fault::new("after all, no"))
        });
        let writes = NativeStep::new(|cx| async move {
            cx.create(Entity::new("inner").with("name", string("from PreValidation"))).await?;
            Ok(())
        });
        host.native_step(
            "p",
            stagegate::StepDefinition::new("nests", "Update", Stage::PreOperation).on("probe"),
            nests,
        )
        .native_step("p", on_create("writes", Stage::PreValidation), writes)
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    assert_eq!(world.names("inner").await, ["from PreValidation"]);
    world.host.execute(Request::update(probe("b").with_id(id))).await.unwrap_err();
    assert_eq!(world.names("inner").await, ["from PreValidation"], "the nested one is undone");
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_caught_failure_dooms_the_transaction() {
    let world = World::new(|host| {
        let catches = NativeStep::new(|cx| async move {
            let missing = stagegate::EntityReference::new("inner", uuid::Uuid::from_u128(1));
            let error = cx.delete(missing).await.unwrap_err();
            assert!(error.is_not_found(), "{error}");
            let again = cx.create(Entity::new("inner").with("name", string("x"))).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::Doomed);
            Ok(())
        });
        host.native_step("p", on_create("catches", Stage::PreOperation), catches)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Doomed);
    assert!(error.message().contains("cannot delete inner"), "it names the cause: {error}");
    assert_eq!(error.location().unwrap().step.step, "catches");
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn pre_operation_changes_the_target_with_no_second_update() {
    let world = World::new(|host| {
        let fills = NativeStep::new(|cx| async move {
            assert_eq!(cx.record()?, None, "a Create has no id yet");
            cx.set_target([("note", string("set on the way")), ("amount", Value::Integer(7))])?;
            Ok(cx.unset_target(&["name".to_owned()])?)
        });
        let sees = NativeStep::new(|cx| async move {
            assert!(cx.record()?.is_some(), "now the id is known");
            assert_eq!(cx.target()?.unwrap().get("amount"), Some(&Value::Integer(7)));
            // Too late for the database.
            Ok(cx.set_target([("note", string("after the fact"))])?)
        });
        host.native_step("p", on_create("fills", Stage::PreOperation), fills).native_step(
            "p",
            on_create("sees", Stage::PostOperation),
            sees,
        )
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    let reference = stagegate::EntityReference::new("probe", id);
    let all = world.host.execute(Request::retrieve(reference, ColumnSet::All)).await.unwrap();
    let record = all.entity().unwrap();
    assert_eq!(text(record, "note"), "set on the way");
    assert_eq!(record.get("name"), Some(&Value::Null));
    assert_eq!(record.get("versionnumber"), Some(&Value::BigInteger(1)), "written once");
}

#[tokio::test]
async fn a_wrong_change_of_the_target_is_refused_and_changes_nothing() {
    let world = World::new(|host| {
        let wrong = NativeStep::new(|cx| async move {
            let error = cx.set_target([("note", string("fine")), ("amount", string("seven"))]).unwrap_err();
            assert!(error.message().contains("must be of type integer, not string"), "{error}");
            assert_eq!(cx.target()?.unwrap().get("note"), None);
            Ok(())
        });
        host.native_step("p", on_update("wrong", Stage::PreOperation), wrong)
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    world.host.execute(Request::update(probe("b").with_id(id))).await.unwrap();
    assert_eq!(world.names("probe").await, ["b"]);
}

#[tokio::test]
async fn concurrent_updates_of_one_record_lose_nothing() {
    let world = World::new(|host| {
        let counts = NativeStep::new(|cx| async move {
            let id = cx.record()?.unwrap();
            let amount = cx.retrieve(id, ColumnSet::named(["amount"])).await?;
            let next = match amount.get("amount") {
                Some(Value::Integer(amount)) => amount + 1,
                _ => 1,
            };
            Ok(cx.set_target([("amount", Value::Integer(next))])?)
        });
        host.native_step("p", on_update("counts", Stage::PreOperation), counts)
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let host = world.host.clone();
        tasks.spawn(async move { host.execute(Request::update(probe("a").with_id(id))).await.unwrap() });
    }
    tasks.join_all().await;
    let reference = stagegate::EntityReference::new("probe", id);
    let record = world.host.execute(Request::retrieve(reference, ColumnSet::All)).await.unwrap();
    assert_eq!(record.entity().unwrap().get("amount"), Some(&Value::Integer(40)));
    assert_eq!(record.entity().unwrap().get("versionnumber"), Some(&Value::BigInteger(41)));
}

#[tokio::test]
async fn a_dropped_request_is_rolled_back_and_the_next_one_works() {
    let reached = std::sync::Arc::new(tokio::sync::Notify::new());
    let signal = reached.clone();
    let world = World::new(|host| {
        let hangs = NativeStep::new(move |cx| {
            let signal = signal.clone();
            async move {
                if cx.target()?.is_some_and(|target| text(&target, "name") == "hangs") {
                    cx.create(Entity::new("inner").with("name", string("written"))).await?;
                    signal.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
        host.native_step("p", on_create("hangs", Stage::PostOperation), hangs)
    })
    .await;
    let host = world.host.clone();
    let request = tokio::spawn(async move { host.execute(Request::create(probe("hangs"))).await });
    reached.notified().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    world.create("next").await.unwrap();
    assert_eq!(world.names("probe").await, ["next"]);
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_native_step_that_panics_fails_its_message_alone() {
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        let world = World::new(|host| {
            let panics = NativeStep::new(|cx| async move {
                let name = cx.target()?.map(|target| text(&target, "name"));
                assert_ne!(name.as_deref(), Some("bad"), "a defect of the service");
                Ok(())
            });
            host.native_step("p", on_create("panics", stage), panics)
        })
        .await;
        let error = world.create("bad").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(error.message().contains("a defect of the service"), "{error}");
        assert_eq!(error.location().unwrap().step.step, "panics");
        world.create("good").await.unwrap();
        assert_eq!(world.names("probe").await, ["good"]);
    }
}
