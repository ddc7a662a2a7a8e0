//! The optional parameters that any request may have: the tag, and steps that are passed over.

use stagegate::model::code;
use stagegate::{EntityCollection, ErrorKind, NativeStep, Request, Stage, Value};
use stagegate_tests::{Log, World, on_create, probe, string, tells};

#[tokio::test]
async fn the_tag_is_a_shared_variable_of_every_step_and_cannot_be_changed() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let tag = cx.shared_variable("tag")?;
        let refused = cx.set_shared_variable("tag", Value::Null).is_err();
        Ok(format!("{} {tag:?} {refused}", cx.stage()?.number()))
    });
    let world = World::new(|host| {
        host.native_step("p", on_create("a", Stage::PreValidation), sees.clone())
            .native_step("p", on_create("b", Stage::PreOperation), sees.clone())
            .native_step("p", on_create("c", Stage::PostOperation).asynchronous(), sees.clone())
    })
    .await;
    world.run(Request::create(probe("a")).tag("import")).await;
    world.host.idle().await.unwrap();
    let expected = [10, 20, 40].map(|stage| format!("{stage} Some(String(\"import\")) true"));
    assert_eq!(log.all(), expected);
    world.create("b").await.unwrap();
    assert_eq!(log.all()[3], "10 None false", "without a tag the name is free");
}

#[tokio::test]
async fn a_request_can_pass_over_steps_that_allow_it() {
    let cases: [(&str, Value, &[&str]); 7] = [
        ("BypassBusinessLogicExecution", string("CustomSync"), &["fixed", "async"]),
        ("BypassBusinessLogicExecution", string("CustomAsync"), &["sync", "fixed"]),
        ("BypassBusinessLogicExecution", string("CustomSync, CustomAsync"), &["fixed"]),
        ("BypassBusinessLogicExecutionStepIds", string("p/sync"), &["fixed", "async"]),
        ("BypassBusinessLogicExecutionStepIds", string("p/fixed,p/async"), &["sync", "fixed"]),
        ("BypassCustomPluginExecution", Value::Boolean(true), &["fixed", "async"]),
        ("BypassCustomPluginExecution", Value::Boolean(false), &["sync", "fixed", "async"]),
    ];
    for (name, value, expected) in cases {
        let log = Log::default();
        let world = World::new(|host| {
            host.native_step("p", on_create("sync", Stage::PreOperation), log.step("sync"))
                .native_step(
                    "p",
                    on_create("fixed", Stage::PreOperation).rank(2).not_bypassable(),
                    log.step("fixed"),
                )
                .native_step("p", on_create("async", Stage::PostOperation).asynchronous(), log.step("async"))
        })
        .await;
        let request = Request::create(probe("a")).with(name, value.clone());
        let traced = world.host.trace(request).await;
        assert_eq!(traced.result.unwrap().parameters.len(), 1);
        world.host.idle().await.unwrap();
        assert_eq!(log.all(), expected, "{name} {value}");
    }
}

#[tokio::test]
async fn what_is_passed_over_is_that_of_the_request_and_not_of_those_that_it_leads_to() {
    let log = Log::default();
    let world = World::new(|host| {
        let nests = NativeStep::new(|cx| async move {
            cx.create(stagegate::Entity::new("inner").with("name", string("n"))).await?;
            Ok(())
        });
        host.native_step("p", on_create("nests", Stage::PreOperation).not_bypassable(), nests).native_step(
            "p",
            stagegate::StepDefinition::new("inner", "Create", Stage::PreOperation).on("inner"),
            log.step("inner"),
        )
    })
    .await;
    world.run(Request::create(probe("a")).with("BypassCustomPluginExecution", Value::Boolean(true))).await;
    assert_eq!(log.all(), ["inner"]);
}

#[tokio::test]
async fn what_a_request_runs_as_has_its_options() {
    let requests = [
        Request::upsert(probe("a").with_id(uuid::Uuid::from_u128(1))),
        Request::upsert_multiple(EntityCollection::new(
            "probe",
            vec![probe("b").with_id(uuid::Uuid::from_u128(2))],
        )),
        Request::execute_transaction(vec![Request::create(probe("c"))]),
        Request::execute_multiple(vec![Request::create(probe("d"))]),
    ];
    for request in requests {
        let log = Log::default();
        let sees = tells(&log, |cx| Ok(format!("{:?}", cx.shared_variable("tag")?)));
        let world =
            World::new(|host| {
                host.native_step("p", on_create("passed over", Stage::PreOperation), log.step("ran"))
                    .native_step("p", on_create("sees", Stage::PostOperation).not_bypassable(), sees)
            })
            .await;
        let message = request.message.clone();
        world.run(request.tag("t").with("BypassCustomPluginExecution", Value::Boolean(true))).await;
        assert_eq!(log.all(), ["Some(String(\"t\"))"], "{message}");
    }
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let world = World::new(|host| host).await;
    for (name, value, expected) in [
        ("BypassBusinessLogicExecution", string("Everything"), "must be CustomSync, CustomAsync or both"),
        ("BypassBusinessLogicExecution", Value::Boolean(true), "must be text with commas"),
        ("BypassCustomPluginExecution", string("yes"), "must be a boolean"),
    ] {
        let error = world.host.execute(Request::create(probe("a")).with(name, value)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, code::INVALID_ARGUMENT));
        assert!(error.message().contains(expected), "{error}");
    }
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}
