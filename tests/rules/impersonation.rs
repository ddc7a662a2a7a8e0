//! Who steps act as, and who the records say that it was.

use stagegate::{Cascade, Entity, NativeStep, Request, Stage, Value};
use stagegate_tests::{Log, World, on_create, probe, tells, text};

use super::{creates, folder, folders, inner, on, user};

fn by(record: &Entity, attribute: &str) -> u128 {
    match record.get(attribute) {
        Some(Value::EntityReference(user)) => user.id.as_u128(),
        _ => u128::MAX,
    }
}

#[tokio::test]
async fn what_an_impersonating_step_writes_is_its_users_and_the_core_operation_is_the_callers() {
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        for asynchronous in [false, true] {
            if asynchronous && stage != Stage::PostOperation {
                continue;
            }
            let step = on_create("s", stage).run_as(user(9).id);
            let step = if asynchronous { step.asynchronous() } else { step };
            let world = World::new(|host| host.native_step("p", step, creates("n"))).await;
            let response = world.run(Request::create(probe("a")).as_user(user(1).id)).await;
            world.host.idle().await.unwrap();
            let id = response.id().unwrap();
            let outer = world.get(&stagegate::EntityReference::new("probe", id)).await.unwrap();
            let query = stagegate::Query::new("inner");
            let inner = world.run(Request::retrieve_multiple(query)).await.entities()[0].clone();
            assert_eq!((by(&outer, "createdby"), by(&inner, "createdby")), (1, 9), "{stage}");
            assert_eq!((by(&outer, "modifiedby"), by(&inner, "modifiedby")), (1, 9), "{stage}");
        }
    }
}

#[tokio::test]
async fn without_impersonation_jobs_act_as_the_calling_user() {
    let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
        let copies = NativeStep::new(|cx| async move {
            match cx.target()? {
                Some(target) if text(&target, "name") == "a" => cx.create(folder("copy")).await.map(drop)?,
                _ => {}
            }
            Ok(())
        });
        host.native_step("p", on("Create", "folder", Stage::PostOperation).asynchronous(), copies)
    })
    .await;
    world.run(Request::create(folder("a")).as_user(user(7).id)).await;
    world.host.idle().await.unwrap();
    let all = world.run(Request::retrieve_multiple(stagegate::Query::new("folder"))).await;
    assert_eq!(all.entities().len(), 2);
    for record in all.entities() {
        assert_eq!((by(record, "createdby"), by(record, "ownerid")), (7, 7), "{}", text(record, "name"));
    }
}

#[tokio::test]
async fn the_innermost_impersonation_counts_and_ends_with_its_step() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let (message, stage) = (cx.message()?, cx.stage()?.number());
        Ok(format!("{message} {stage} {} {}", cx.user()?.as_u128(), cx.initiating_user()?.as_u128()))
    });
    let world = World::new(|host| {
        let asks = NativeStep::new(|cx| async move {
            cx.execute(Request::create(inner("n")).as_user(user(5).id)).await?;
            Ok(())
        });
        host.native_step("p", on_create("outer", Stage::PreOperation).run_as(user(9).id), asks)
            .native_step("p", on("Create", "inner", Stage::PreValidation), sees.clone())
            .native_step("p", on("Create", "inner", Stage::PreOperation).run_as(user(3).id), sees.clone())
            .native_step("p", on("Create", "inner", Stage::PostOperation), sees.clone())
            .native_step("p", on_create("after", Stage::PostOperation), sees)
    })
    .await;
    world.run(Request::create(probe("a")).as_user(user(1).id)).await;
    assert_eq!(log.all(), ["Create 10 5 1", "Create 20 3 1", "Create 40 5 1", "Create 40 1 1"]);
}

#[tokio::test]
async fn each_request_of_a_batch_can_have_a_user_of_its_own_and_else_has_the_batchs() {
    for make in [Request::execute_transaction, Request::execute_multiple] {
        let world = World::new(|host| host).await;
        let requests = vec![Request::create(probe("a")), Request::create(probe("b")).as_user(user(2).id)];
        let request = make(requests).as_user(user(1).id);
        let message = request.message.clone();
        world.run(request).await;
        let all = world.run(Request::retrieve_multiple(stagegate::Query::new("probe"))).await;
        let mut seen: Vec<_> =
            all.entities().iter().map(|record| (text(record, "name"), by(record, "createdby"))).collect();
        seen.sort();
        assert_eq!(seen, [("a".to_owned(), 1), ("b".to_owned(), 2)], "{message}");
    }
}
