//! ExecuteTransaction and ExecuteMultiple.

use stagegate::{
    Entity, EntityReference, ErrorKind, Fault, ItemResponse, NativeStep, Request, Stage, StepDefinition,
    Value,
};
use stagegate_tests::{Log, World, on_create, probe, string, tells};
use uuid::Uuid;

fn create(name: &str) -> Request {
    Request::create(probe(name))
}

/// Of a record that there is not.
fn fails() -> Request {
    Request::delete(EntityReference::new("probe", Uuid::from_u128(404)))
}

fn outcomes(responses: &[ItemResponse]) -> Vec<(u32, bool)> {
    responses.iter().map(|item| (item.index, item.result.is_ok())).collect()
}

#[tokio::test]
async fn execute_transaction_is_all_or_nothing_and_names_the_request_that_failed() {
    let world = World::new(|host| host).await;
    let done = world.run(Request::execute_transaction(vec![create("a"), create("b")])).await;
    assert_eq!(outcomes(done.responses()), [(0, true), (1, true)]);
    let error = world
        .host
        .execute(Request::execute_transaction(vec![create("c"), fails(), create("d")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.details().contains(&("FaultedRequestIndex".into(), "1".into())), "{:?}", error.details());
    assert_eq!(world.names("probe").await, ["a", "b"]);
}

#[tokio::test]
async fn the_requests_of_a_transaction_share_it_and_are_initial_ones_all_the_same() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        Ok(format!("{} depth {} {}", cx.stage()?.number(), cx.depth()?, cx.correlation_id()?))
    });
    let world = World::new(|host| {
        host.native_step("p", on_create("a", Stage::PreValidation), sees.clone()).native_step(
            "p",
            on_create("b", Stage::PostOperation),
            sees.clone(),
        )
    })
    .await;
    world.run(Request::execute_transaction(vec![create("a"), create("b")])).await;
    let seen = log.all();
    let correlation = seen[0].rsplit(' ').next().unwrap().to_owned();
    let expected =
        ["10 depth 1", "40 depth 1", "10 depth 1", "40 depth 1"].map(|text| format!("{text} {correlation}"));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn execute_multiple_answers_as_its_settings_say() {
    // The platform's table, for requests of which the second and the fourth fail.
    type Case<'a> = (bool, bool, &'a [(u32, bool)], &'a [&'a str]);
    let cases: [Case<'_>; 4] = [
        (true, true, &[(0, true), (1, false), (2, true), (3, false)], &["a", "b"]),
        (true, false, &[(1, false), (3, false)], &["a", "b"]),
        (false, true, &[(0, true), (1, false)], &["a"]),
        (false, false, &[(1, false)], &["a"]),
    ];
    for (goes_on, returns, expected, kept) in cases {
        let world = World::new(|host| host).await;
        let request = Request::execute_multiple(vec![create("a"), fails(), create("b"), fails()])
            .with("ContinueOnError", Value::Boolean(goes_on))
            .with("ReturnResponses", Value::Boolean(returns));
        let response = world.run(request).await;
        assert_eq!(outcomes(response.responses()), expected, "{goes_on} {returns}");
        assert_eq!(response.parameters.get("IsFaulted"), Some(&Value::Boolean(true).into()));
        assert_eq!(world.names("probe").await, kept, "{goes_on} {returns}");
    }
}

#[tokio::test]
async fn inside_a_plugin_all_of_a_batch_is_in_the_plugins_transaction() {
    let world = World::new(|host| {
        let batches = NativeStep::new(|cx| async move {
            let inner = |name: &str| Request::create(Entity::new("inner").with("name", string(name)));
            let batch = Request::execute_multiple(vec![inner("x"), fails(), inner("y")]);
            let response = cx.execute(batch).await?;
            let answered = response.responses().iter().map(|item| item.result.is_ok()).collect::<Vec<_>>();
            // The transaction is doomed by the second, so the third fails too.
            if answered == [true, false, false] { Ok(()) } else { Err(Fault::new(format!("{answered:?}"))) }
        });
        host.native_step("p", on_create("batch", Stage::PreOperation), batches)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Doomed, "{error}");
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}

#[tokio::test]
async fn batches_that_the_platform_refuses_are_refused() {
    let world = World::new(|host| host).await;
    let many = || vec![create("a"); 1001];
    let cases = [
        (Request::execute_multiple(many()), "has 1001 requests; 1000 is the most"),
        (Request::execute_transaction(many()), "has 1001 requests; 1000 is the most"),
        (
            Request::execute_multiple(vec![Request::execute_multiple(vec![])]),
            "ExecuteMultiple cannot carry an ExecuteMultiple",
        ),
        (
            Request::execute_transaction(vec![Request::execute_multiple(vec![])]),
            "ExecuteTransaction cannot carry an ExecuteMultiple",
        ),
        (
            Request::execute_transaction(vec![Request::execute_transaction(vec![])]),
            "ExecuteTransaction cannot carry an ExecuteTransaction",
        ),
        (
            Request::new("ExecuteMultiple", Default::default()),
            "the parameter `Requests` of ExecuteMultiple is missing",
        ),
    ];
    for (request, expected) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
    let error = world.host.execute(Request::execute_multiple(many())).await.unwrap_err();
    assert_eq!(error.details(), [("MaxBatchSize".to_owned(), "1000".to_owned())]);
}

#[tokio::test]
async fn a_transaction_may_be_one_request_of_a_batch() {
    let world = World::new(|host| {
        let step = StepDefinition::new("late", "Create", Stage::PostOperation).on("probe").asynchronous();
        host.native_step("p", step, NativeStep::new(|_| async { Ok(()) }))
    })
    .await;
    let lost = Request::execute_transaction(vec![create("b"), fails()]);
    let response = world.run(Request::execute_multiple(vec![create("a"), lost, create("c")])).await;
    assert_eq!(outcomes(response.responses()), [(0, true), (1, false), (2, true)]);
    assert_eq!(world.names("probe").await, ["a", "c"]);
    let jobs = world.host.jobs(stagegate::store::JobSelect::Newest(10)).await.unwrap();
    assert_eq!(jobs.len(), 2, "a rollback leaves no job");
}
