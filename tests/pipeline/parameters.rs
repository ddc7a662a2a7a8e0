//! Input parameters can be changed before the core operation, output parameters after it.

use stagegate::{
    Entity, EntityCollection, EntityReference, ErrorKind, Filter, NativeStep, Operator, Parameter, Query,
    Request, Stage, StepContext, StepDefinition, Value,
};
use stagegate_tests::{World, on_create, on_update, probe, string, text};
use uuid::Uuid;

fn on(message: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(format!("{message} {}", stage.number()), message, stage).on("probe")
}

fn does(
    action: impl Fn(&StepContext) -> stagegate::Result<()> + Clone + Send + Sync + 'static,
) -> NativeStep {
    NativeStep::new(move |cx| {
        let action = action.clone();
        async move { Ok(action(&cx)?) }
    })
}

#[tokio::test]
async fn a_step_can_narrow_a_query_and_change_its_result() {
    let narrows = does(|cx| {
        let Some(Parameter::Query(query)) = cx.input()?.remove("Query") else { return Ok(()) };
        let mut query = (*query).clone();
        query.filter = Some(Filter::condition("name", Operator::Ne, string("hidden")));
        cx.set_input("Query", Parameter::Query(query.into()))
    });
    let masks = does(|cx| {
        let Some(Parameter::Entities(found)) = cx.output()?.remove("BusinessEntityCollection") else {
            return Ok(());
        };
        let mut found = (*found).clone();
        for record in &mut found.entities {
            record.attributes.insert("note".into(), string("masked"));
        }
        cx.set_output("BusinessEntityCollection", found)
    });
    let world = World::new(|host| {
        host.native_step("p", on("RetrieveMultiple", Stage::PreOperation), narrows).native_step(
            "p",
            on("RetrieveMultiple", Stage::PostOperation),
            masks,
        )
    })
    .await;
    for name in ["shown", "hidden"] {
        world.create(name).await.unwrap();
    }
    let found = world.run(Request::retrieve_multiple(Query::new("probe"))).await;
    let seen: Vec<_> =
        found.entities().iter().map(|record| (text(record, "name"), text(record, "note"))).collect();
    assert_eq!(seen, [("shown".to_owned(), "masked".to_owned())]);
}

#[tokio::test]
async fn the_target_can_be_replaced_before_the_core_operation() {
    for stage in [Stage::PreValidation, Stage::PreOperation] {
        let replaces = does(|cx| cx.set_input("Target", probe("replaced").with("amount", Value::Integer(3))));
        let world = World::new(|host| host.native_step("p", on("Create", stage), replaces)).await;
        let record = world.add(probe("a").with("note", string("gone"))).await;
        let record = world.get(&record).await.unwrap();
        assert_eq!((text(&record, "name").as_str(), record.get("note")), ("replaced", Some(&Value::Null)));
        assert_eq!(record.get("amount"), Some(&Value::Integer(3)));
    }
}

#[tokio::test]
async fn an_output_parameter_can_be_changed_in_post_operation() {
    let other = Uuid::from_u128(77);
    let changes = does(move |cx| cx.set_output("id", Value::UniqueIdentifier(other)));
    let world = World::new(|host| host.native_step("p", on("Create", Stage::PostOperation), changes)).await;
    assert_eq!(world.create("a").await.unwrap().id(), Some(other));
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_change_of_the_target_in_post_operation_does_not_persist_and_is_seen_by_later_steps() {
    let changes = does(|cx| cx.set_target([("note", string("too late"))]));
    let sees = does(|cx| {
        let note = cx.target()?.and_then(|target| target.get("note").cloned());
        assert_eq!(note, Some(string("too late")));
        Ok(())
    });
    let world = World::new(|host| {
        host.native_step("p", on_update("change", Stage::PostOperation), changes).native_step(
            "p",
            on_update("see", Stage::PostOperation).rank(2).filter(["note"]),
            sees,
        )
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    assert_eq!(world.get(&record).await.unwrap().get("note"), Some(&Value::Null));
}

#[tokio::test]
async fn changes_that_a_step_may_not_make_are_refused() {
    let stranger = || Entity::new("probe").with_id(Uuid::from_u128(404)).with("name", string("x"));
    type Change = fn(&StepContext) -> stagegate::Result<()>;
    let cases: [(StepDefinition, Change, &str); 8] = [
        (
            on("Update", Stage::PostOperation),
            |cx| cx.set_input("Target", probe("x")),
            "cannot be changed at PostOperation",
        ),
        (
            on("Update", Stage::PreOperation),
            |cx| cx.set_output("id", Value::Null),
            "cannot be set at PreOperation",
        ),
        (
            on("Update", Stage::PreOperation),
            |cx| cx.set_input("Target", Entity::new("probe").with_id(Uuid::from_u128(404))),
            "a message about another record",
        ),
        (
            on("Update", Stage::PreOperation),
            |cx| cx.set_input("Target", Entity::new("inner").with_id(Uuid::from_u128(1))),
            "a message about another record",
        ),
        (
            on("Update", Stage::PreOperation),
            |cx| cx.set_input("Tagret", Value::Null),
            "no parameter `Tagret`",
        ),
        (on("Update", Stage::PreOperation), |cx| cx.set_input("Target", Value::Null), "it must be an entity"),
        (
            on("Create", Stage::PostOperation),
            |cx| cx.set_output("ID", Value::Null),
            "no output parameter `ID`",
        ),
        (
            on("Create", Stage::PostOperation),
            |cx| cx.set_output("id", Value::Integer(1)),
            "is of type unique-identifier, not integer",
        ),
    ];
    for (definition, change, expected) in cases {
        let is_update = definition.message == "Update";
        let world = World::new(|host| host.native_step("p", definition, does(change))).await;
        let error = if is_update {
            let record = world.add(probe("a")).await;
            world.host.execute(Request::update(probe("b").with_id(record.id))).await.unwrap_err()
        } else {
            world.create("a").await.unwrap_err()
        };
        assert!(error.message().contains(expected), "{error} does not say: {expected}");
        assert_eq!(error.location().unwrap().step.plugin, "p");
        assert!(world.get(&EntityReference::new("probe", stranger().id.unwrap())).await.is_none());
    }
}

#[tokio::test]
async fn a_parameter_that_a_message_does_not_have_is_refused() {
    let world =
        World::new(|host| host.native_step("p", on_create("s", Stage::PreOperation), does(|_| Ok(())))).await;
    let cases = [
        (Request::create(probe("a")).with("Nonsense", Value::Null), "Create has no parameter `Nonsense`"),
        (Request::create(probe("a")).if_row_version(1), "Create has no parameter `RowVersion`"),
        (
            Request::new("Create", Default::default()).with("Target", EntityCollection::new("probe", vec![])),
            "`Target` of Create is of type entity collection; it must be an entity",
        ),
    ];
    for (request, expected) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
}
