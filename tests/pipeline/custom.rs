//! Custom messages: typed parameters, a main operation that is a step, steps as the definition allows.

use stagegate::{
    AttributeType, Binding, Definitions, Entity, EntityDefinition, EntityReference, ErrorKind, Fault,
    MessageDefinition, NativeStep, Parameter, ParameterType, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, string, tells};
use uuid::Uuid;

fn definitions() -> Definitions {
    let quote = EntityDefinition::new("quote").with("total", AttributeType::Integer);
    let discount = MessageDefinition::new("sg_Discount")
        .bound(Binding::Entity("quote".into()))
        .parameter("percent", ParameterType::Integer)
        .optional_parameter("reason", ParameterType::String)
        .property("total", ParameterType::Integer)
        .property("labels", ParameterType::StringArray);
    Definitions {
        entities: vec![quote],
        relationships: vec![],
        messages: vec![discount, MessageDefinition::new("sg_Ping").property("pong", ParameterType::String)],
    }
}

fn integer(parameter: Option<&Parameter>) -> i32 {
    match parameter {
        Some(Parameter::Value(Value::Integer(number))) => *number,
        _ => 0,
    }
}

/// Takes the percentage off the quote and answers the new total.
fn takes_off() -> NativeStep {
    NativeStep::new(|cx| async move {
        let percent = integer(cx.input()?.get("percent"));
        let record = cx.record()?.ok_or_else(|| Fault::new("on which quote?"))?;
        let quote = cx.retrieve(record.clone(), stagegate::ColumnSet::All).await?;
        let Some(Value::Integer(total)) = quote.get("total") else { return Err(Fault::new("no total")) };
        let total = total * (100 - percent) / 100;
        cx.update(Entity::new("quote").with_id(record.id).with("total", Value::Integer(total))).await?;
        cx.set_output("total", Value::Integer(total))?;
        Ok(cx.set_output("labels", Parameter::Strings(vec!["cheap".into()]))?)
    })
}

fn discount(quote: &EntityReference, percent: i32) -> Request {
    Request::new("sg_Discount", Default::default())
        .with("Target", quote.clone())
        .with("percent", Value::Integer(percent))
}

fn on(message: &str, name: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(name, message, stage)
}

#[tokio::test]
async fn the_main_operation_is_a_step_at_stage_30_between_the_others() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let total = integer(cx.output()?.get("total"));
        Ok(format!("{} of {}: total {total}", cx.stage()?.number(), cx.message()?))
    });
    let world = World::with(definitions(), |host| {
        host.native_step("main", on("sg_Discount", "main", Stage::MainOperation), takes_off())
            .native_step("p", on("sg_Discount", "a", Stage::PreValidation), sees.clone())
            .native_step("p", on("sg_Discount", "b", Stage::PreOperation).on("quote"), sees.clone())
            .native_step("p", on("sg_Discount", "c", Stage::PostOperation), sees.clone())
    })
    .await;
    let quote = world.add(Entity::new("quote").with("total", Value::Integer(200))).await;
    let response = world.run(discount(&quote, 10)).await;
    assert_eq!(integer(response.parameters.get("total")), 180);
    assert_eq!(response.parameters.get("labels"), Some(&Parameter::Strings(vec!["cheap".into()])));
    assert_eq!(world.get(&quote).await.unwrap().get("total"), Some(&Value::Integer(180)));
    let expected =
        ["10 of sg_Discount: total 0", "20 of sg_Discount: total 0", "40 of sg_Discount: total 180"];
    assert_eq!(log.all(), expected);
}

#[tokio::test]
async fn the_main_operation_is_in_the_transaction() {
    let world =
        World::with(definitions(), |host| {
            let refuses = NativeStep::new(|_| async { Err(Fault::new("too cheap")) });
            host.native_step("main", on("sg_Discount", "main", Stage::MainOperation), takes_off())
                .native_step("p", on("sg_Discount", "c", Stage::PostOperation), refuses)
        })
        .await;
    let quote = world.add(Entity::new("quote").with("total", Value::Integer(200))).await;
    let error = world.host.execute(discount(&quote, 10)).await.unwrap_err();
    assert_eq!(error.to_string(), "step `c` of plugin `p` at PostOperation of sg_Discount quote: too cheap");
    assert_eq!(world.get(&quote).await.unwrap().get("total"), Some(&Value::Integer(200)));
}

#[tokio::test]
async fn without_a_main_operation_the_message_succeeds_and_answers_nothing() {
    let log = Log::default();
    let world = World::with(definitions(), |host| {
        host.native_step("p", on("sg_Ping", "later", Stage::PostOperation).asynchronous(), log.step("pinged"))
    })
    .await;
    let response = world.run(Request::new("sg_Ping", Default::default())).await;
    assert_eq!(response.parameters.len(), 0);
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["pinged"]);
}

#[tokio::test]
async fn requests_that_do_not_fit_the_definition_are_refused() {
    let world = World::with(definitions(), |host| host).await;
    let quote = EntityReference::new("quote", Uuid::from_u128(1));
    let cases = [
        (
            discount(&quote, 1).with("percent", string("ten")),
            "`percent` of sg_Discount must be of type integer, not string",
        ),
        (
            Request::new("sg_Discount", Default::default()).with("Target", quote.clone()),
            "`percent` of sg_Discount is missing",
        ),
        (
            discount(&quote, 1).with("precent", Value::Integer(1)),
            "no parameter `precent`; there are percent, reason",
        ),
        (
            Request::new("sg_Discount", Default::default()).with("percent", Value::Integer(1)),
            "`Target` of sg_Discount is missing",
        ),
        (
            discount(&EntityReference::new("account", Uuid::from_u128(1)), 1),
            "is bound to `quote` and cannot be called on a `account`",
        ),
        (Request::new("sg_Nothing", Default::default()), "there is no message `sg_Nothing`"),
    ];
    for (request, expected) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_response_property_must_be_one_and_of_its_type() {
    for (name, value, expected) in [
        ("totl", Value::Integer(1), "no response property `totl`; there are total, labels"),
        ("total", string("x"), "`total` of sg_Discount must be of type integer, not string"),
    ] {
        let sets = NativeStep::new(move |cx| {
            let value = value.clone();
            async move { Ok(cx.set_output(name, value)?) }
        });
        let world = World::with(definitions(), |host| {
            host.native_step("main", on("sg_Discount", "main", Stage::MainOperation), sets)
        })
        .await;
        let quote = world.add(Entity::new("quote")).await;
        let error = world.host.execute(discount(&quote, 1)).await.unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_message_that_is_defined_at_run_time_can_be_called_at_once() {
    let world = World::with(definitions(), |host| host).await;
    let more = Definitions { messages: vec![MessageDefinition::new("sg_Later")], ..Definitions::default() };
    world.host.define(more).await.unwrap();
    world.run(Request::new("sg_Later", Default::default())).await;
    assert!(world.host.schema().messages.contains_key("sg_Later"));
}
