//! Who a step acts as.

use stagegate::{Entity, Request, Stage, StepDefinition};
use stagegate_tests::{Log, World, on_create, probe, string, tells};
use uuid::Uuid;

fn sees(log: &Log) -> stagegate::NativeStep {
    tells(log, |cx| {
        let (user, initiating) = (cx.user()?.as_u128(), cx.initiating_user()?.as_u128());
        Ok(format!("{} as {user}, started by {initiating}", cx.stage()?.number()))
    })
}

#[tokio::test]
async fn a_step_that_impersonates_acts_as_its_user_and_the_others_do_not() {
    let log = Log::default();
    let (ada, robot) = (Uuid::from_u128(1), Uuid::from_u128(9));
    let world = World::new(|host| {
        let creates = stagegate::NativeStep::new(|cx| async move {
            cx.create(Entity::new("inner").with("name", string("n"))).await?;
            Ok(())
        });
        host.native_step("p", on_create("a", Stage::PreOperation).run_as(robot), sees(&log))
            .native_step("p", on_create("b", Stage::PreOperation).rank(2).run_as(robot), creates)
            .native_step(
                "p",
                StepDefinition::new("inner", "Create", Stage::PreValidation).on("inner"),
                sees(&log),
            )
            .native_step("p", on_create("c", Stage::PostOperation), sees(&log))
            .native_step("p", on_create("d", Stage::PostOperation).asynchronous().run_as(robot), sees(&log))
    })
    .await;
    world.run(Request::create(probe("a")).as_user(ada)).await;
    world.host.idle().await.unwrap();
    let expected =
        ["20 as 9, started by 1", "10 as 9, started by 1", "40 as 1, started by 1", "40 as 9, started by 1"];
    assert_eq!(log.all(), expected);
    let jobs = world.host.jobs(stagegate::store::JobSelect::Newest(1)).await.unwrap();
    assert_eq!(jobs[0].owner, robot);
}

#[tokio::test]
async fn a_step_can_issue_a_request_as_somebody_else() {
    let log = Log::default();
    let world = World::new(|host| {
        let asks = stagegate::NativeStep::new(|cx| async move {
            let inner = Request::create(Entity::new("inner").with("name", string("n")));
            cx.execute(inner.as_user(Uuid::from_u128(5))).await?;
            Ok(())
        });
        host.native_step("p", on_create("a", Stage::PreOperation), asks).native_step(
            "p",
            StepDefinition::new("inner", "Create", Stage::PostOperation).on("inner"),
            sees(&log),
        )
    })
    .await;
    world.run(Request::create(probe("a")).as_user(Uuid::from_u128(1))).await;
    assert_eq!(log.all(), ["40 as 5, started by 1"]);
}
