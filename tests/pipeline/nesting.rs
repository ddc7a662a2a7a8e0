//! Depth, correlation, users and the path of an error through nested requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use stagegate::model::code;
use stagegate::store::JobSelect;
use stagegate::{Clock, DateTime, Entity, ErrorKind, Fault, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::{Log, World, on_create, probe, string};
use uuid::Uuid;

fn inner(name: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(name, "Create", stage).on("inner")
}

fn nests() -> NativeStep {
    NativeStep::new(|cx| async move {
        cx.create(Entity::new("inner").with("name", string("n"))).await?;
        Ok(())
    })
}

#[tokio::test]
async fn a_step_that_triggers_itself_is_stopped_at_the_depth_limit() {
    for (limit, expected) in [(None, 8), (Some(3), 3), (Some(1), 1)] {
        let log = Log::default();
        let seen = log.clone();
        let world = World::new(|host| {
            let again = NativeStep::new(move |cx| {
                let seen = seen.clone();
                async move {
                    seen.note(cx.depth()?.to_string());
                    cx.create(probe("again")).await?;
                    Ok(())
                }
            });
            let host = host.native_step("p", on_create("again", Stage::PostOperation), again);
            match limit {
                Some(limit) => host.depth_limit(limit),
                None => host,
            }
        })
        .await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DepthExceeded);
        assert_eq!(error.code(), -2_147_204_734, "SdkCorrelationTokenDepthTooHigh");
        let depths: Vec<String> = (1..=expected).map(|depth: u32| depth.to_string()).collect();
        assert_eq!(log.all(), depths);
        let path = vec!["Create probe"; expected as usize + 1].join(" -> ");
        assert!(error.message().contains(&format!("deep: {path};")), "{error} does not show {path}");
        assert_eq!(world.names("probe").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn nested_work_keeps_the_correlation_and_the_user() {
    let log = Log::default();
    let user = Uuid::from_u128(7);
    let notes = |log: &Log| {
        let log = log.clone();
        NativeStep::new(move |cx| {
            let log = log.clone();
            async move {
                log.note(format!("{} {}", cx.user()?, cx.correlation_id()?));
                Ok(())
            }
        })
    };
    let world = World::new(|host| {
        host.native_step("p", on_create("outer", Stage::PreValidation), notes(&log))
            .native_step("p", on_create("nests", Stage::PreOperation), nests())
            .native_step("p", inner("inner", Stage::PreOperation), notes(&log))
    })
    .await;
    world.host.execute(Request::create(probe("a")).as_user(user)).await.unwrap();
    let all = log.all();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0], all[1]);
    assert!(all[0].starts_with(&user.to_string()));
}

#[tokio::test]
async fn an_error_names_the_steps_that_it_passed() {
    let world = World::new(|host| {
        let refuses = NativeStep::new(|_| async { Err(Fault::new("not there")) });
        host.native_step("outer", on_create("nests", Stage::PreOperation), nests()).native_step(
            "deep",
            inner("refuses", Stage::PostOperation),
            refuses,
        )
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    let path: Vec<String> = error.path().iter().map(|location| location.step.to_string()).collect();
    assert_eq!(error.message(), "not there");
    assert_eq!(path, ["deep/refuses", "outer/nests"]);
}

/// A step that creates another record of its own kind, later, and so on.
fn chain(log: &Log) -> NativeStep {
    let log = log.clone();
    NativeStep::new(move |cx| {
        let log = log.clone();
        async move {
            log.note(format!("{} {}", cx.depth()?, cx.correlation_id()?));
            cx.create(probe("again")).await?;
            Ok(())
        }
    })
}

#[tokio::test]
async fn depth_goes_on_through_asynchronous_steps_and_the_loop_is_reported_as_a_path() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on_create("chain", Stage::PostOperation).asynchronous(), chain(&log))
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let seen = log.all();
    let correlation = seen[0].split(' ').next_back().unwrap();
    let expected: Vec<String> = (1..=8).map(|depth| format!("{depth} {correlation}")).collect();
    assert_eq!(seen, expected, "one correlation, eight levels");
    let jobs = world.host.jobs(JobSelect::Newest(1)).await.unwrap();
    let error = jobs[0].error.as_ref().unwrap();
    assert_eq!(error.code, code::DEPTH_TOO_HIGH);
    let path = ["Create probe"; 9].join(" -> ");
    assert!(error.message.contains(&path), "{} does not show {path}", error.message);
    assert_eq!(world.names("probe").await.len(), 8);
}

/// A clock that a test moves.
#[derive(Clone, Debug, Default)]
struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> DateTime {
        DateTime(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn after_an_hour_a_correlation_counts_its_depth_anew() {
    let (log, hands) = (Log::default(), Hands::default());
    let step = chain(&log);
    let clock = hands.clone();
    let world = World::new(|host| {
        // By itself it would end after eight; an hour passes with every run but the last.
        let seen = log.clone();
        let ages = NativeStep::new(move |_| {
            if seen.all().len() < 12 {
                clock.0.fetch_add(3_600_000, Ordering::SeqCst);
            }
            async { Ok(()) }
        });
        host.clock(hands)
            .native_step("p", on_create("chain", Stage::PostOperation).asynchronous(), step)
            .native_step("p", on_create("ages", Stage::PostOperation), ages)
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let depths: Vec<String> =
        log.all().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    let expected = [vec!["1"; 12], vec!["2", "3", "4", "5", "6", "7", "8"]].concat();
    assert_eq!(depths, expected);
}
