//! Custom messages, in cases that are less than plain.

use std::sync::Arc;

use stagegate::model::code;
use stagegate::{
    Binding, ColumnSet, Definitions, EntityReference, ErrorKind, JobStatus, MessageDefinition, NativeStep,
    Parameter, ParameterType, Request, Stage, StepsAllowed, Value, store::JobSelect,
};
use stagegate_tests::{Database, Log, World, entity, on_create, probe, string, tells};

use super::{creates, missing, on_any, probes, refuses};

fn messages(messages: Vec<MessageDefinition>) -> Definitions {
    Definitions { entities: vec![entity("probe"), entity("inner")], relationships: vec![], messages }
}

fn call(message: &str) -> Request {
    Request::new(message, Default::default())
}

#[tokio::test]
async fn each_type_of_parameter_takes_its_own_values_alone() {
    use ParameterType as T;
    let record = Parameter::Entity(Arc::new(probe("a")));
    let cases: [(ParameterType, Parameter); 13] = [
        (T::Boolean, Value::Boolean(true).into()),
        (T::DateTime, Value::DateTime(stagegate::DateTime(0)).into()),
        (T::Decimal, Value::Decimal(1.into()).into()),
        (T::Entity, record),
        (T::EntityCollection, probes(&["a"]).into()),
        (T::EntityReference, missing("probe").into()),
        (T::Float, Value::Double(1.5).into()),
        (T::Integer, Value::Integer(1).into()),
        (T::Money, Value::Money(1.into()).into()),
        (T::Picklist, Value::Choice(1).into()),
        (T::String, string("a").into()),
        (T::StringArray, Parameter::Strings(vec!["a".into()])),
        (T::Guid, Value::UniqueIdentifier(missing("x").id).into()),
    ];
    for (parameter_type, _) in &cases {
        let definition = MessageDefinition::new("sg_m")
            .parameter("value", *parameter_type)
            .optional_parameter("maybe", *parameter_type)
            .property("result", *parameter_type);
        let echoes = NativeStep::new(|cx| async move {
            let value = cx.input()?.remove("value").unwrap_or(Parameter::Value(Value::Null));
            Ok(cx.set_output("result", value)?)
        });
        let world = World::with(messages(vec![definition]), |host| {
            host.native_step("p", on_any("sg_m", Stage::MainOperation), echoes)
        })
        .await;
        for (other, value) in &cases {
            for name in ["value", "maybe"] {
                let own = cases.iter().find(|(own, _)| own == parameter_type).map(|(_, value)| value.clone());
                let request = call("sg_m").with("value", own.clone().unwrap()).with(name, value.clone());
                let result = world.host.execute(request).await;
                if other == parameter_type {
                    assert_eq!(result.unwrap().parameters.get("result").cloned(), own, "{parameter_type:?}");
                } else {
                    let error = result.err().unwrap_or_else(|| panic!("{other:?} as {parameter_type:?}"));
                    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
                    assert!(error.message().contains(&format!("`{name}` of sg_m must be")), "{error}");
                }
            }
        }
        world
            .run(call("sg_m").with("value", cases_value(&cases, *parameter_type)).with("maybe", Value::Null))
            .await;
        let error = world.host.execute(call("sg_m").with("value", Value::Null)).await.unwrap_err();
        assert!(error.message().contains("`value`"), "a required parameter is not null: {error}");
    }
}

fn cases_value(cases: &[(ParameterType, Parameter)], wanted: ParameterType) -> Parameter {
    cases.iter().find(|(own, _)| *own == wanted).map(|(_, value)| value.clone()).unwrap()
}

#[tokio::test]
async fn a_message_of_which_nothing_is_defined_is_unknown_everywhere() {
    let world = World::new(|host| host).await;
    let error = world.host.execute(call("sg_Nothing")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, code::UNKNOWN_MESSAGE), "{error}");
    let step = on_any("sg_Nothing", Stage::MainOperation);
    let refused = World::attempt(vec![entity("probe")], |host| host.native_step("p", step, refuses("x")));
    assert_eq!(refused.await.err().unwrap().code(), code::UNKNOWN_MESSAGE);
}

#[tokio::test]
async fn a_message_bound_to_a_collection_has_no_target() {
    let log = Log::default();
    let definition = MessageDefinition::new("sg_All").bound(Binding::EntityCollection("probe".into()));
    let sees = tells(&log, |cx| Ok(format!("{:?} {:?}", cx.record()?, cx.input()?.len())));
    let world = World::with(messages(vec![definition]), |host| {
        host.native_step("p", on_any("sg_All", Stage::PreOperation).on("probe"), sees)
    })
    .await;
    world.run(call("sg_All")).await;
    assert_eq!(log.all(), ["None 0"]);
    let error = world.host.execute(call("sg_All").with("Target", missing("probe"))).await.unwrap_err();
    assert!(error.message().contains("no parameter `Target`"), "{error}");
}

#[tokio::test]
async fn a_custom_message_in_a_step_is_part_of_its_transaction_one_level_deeper() {
    let log = Log::default();
    let world = World::with(messages(vec![MessageDefinition::new("sg_Note")]), |host| {
        let calls = NativeStep::new(|cx| async move {
            cx.execute(call("sg_Note")).await?;
            Ok(())
        });
        let depth = tells(&log, |cx| Ok(format!("{} {}", cx.message()?, cx.depth()?)));
        host.native_step("p", on_create("calls", Stage::PreOperation), calls)
            .native_step("main", on_any("sg_Note", Stage::MainOperation), creates("of the message"))
            .native_step("p", on_any("sg_Note", Stage::PostOperation), depth)
            .native_step("q", on_create("no", Stage::PostOperation), refuses("no"))
    })
    .await;
    world.create("a").await.unwrap_err();
    assert_eq!(log.all(), ["sg_Note 2"]);
    assert_eq!(world.names("inner").await, Vec::<String>::new());
    world.run(call("sg_Note")).await;
    assert_eq!(world.names("inner").await, ["of the message"]);
}

#[tokio::test]
async fn pre_operation_changes_what_the_main_operation_gets_and_post_operation_what_it_answers() {
    let definition = MessageDefinition::new("sg_Echo")
        .optional_parameter("text", ParameterType::String)
        .property("text", ParameterType::String);
    let read = |parameter: Option<Parameter>| match parameter {
        Some(Parameter::Value(Value::String(text))) => text,
        _ => "-".into(),
    };
    let world = World::with(messages(vec![definition]), |host| {
        let before = NativeStep::new(|cx| async move { Ok(cx.set_input("text", string("b"))?) });
        let main = NativeStep::new(move |cx| async move {
            let text = read(cx.input()?.remove("text"));
            Ok(cx.set_output("text", string(&format!("{text}m")))?)
        });
        let after = NativeStep::new(move |cx| async move {
            let text = read(cx.output()?.remove("text"));
            Ok(cx.set_output("text", string(&format!("{text}a")))?)
        });
        host.native_step("p", on_any("sg_Echo", Stage::PreOperation), before)
            .native_step("p", on_any("sg_Echo", Stage::MainOperation), main)
            .native_step("p", on_any("sg_Echo", Stage::PostOperation), after)
    })
    .await;
    let response = world.run(call("sg_Echo")).await;
    assert_eq!(read(response.parameters.get("text").cloned()), "bma");
}

#[tokio::test]
async fn what_a_definition_fixed_stays_and_a_new_parameter_must_be_optional() {
    let first = MessageDefinition::new("sg_m").parameter("a", ParameterType::String);
    let world = World::with(messages(vec![first.clone()]), |host| host).await;
    let cases = [
        first.clone().parameter("b", ParameterType::String),
        first.clone().bound(Binding::Entity("probe".into())),
        first.clone().allow(StepsAllowed::None),
        MessageDefinition::new("sg_m").parameter("a", ParameterType::Integer),
        MessageDefinition::new("Create"),
        MessageDefinition::new("sg m"),
        MessageDefinition::new("sg_n").bound(Binding::Entity("nothing".into())),
        MessageDefinition::new("sg_n")
            .parameter("a", ParameterType::String)
            .parameter("a", ParameterType::String),
        MessageDefinition::new("sg_n")
            .bound(Binding::Entity("probe".into()))
            .parameter("Target", ParameterType::String),
        MessageDefinition::new("sg_n").parameter("tag", ParameterType::String),
    ];
    for definition in cases {
        let shown = format!("{definition:?}");
        let more = Definitions { messages: vec![definition], ..Definitions::default() };
        let error = world.host.define(more).await.err().unwrap_or_else(|| panic!("taken: {shown}"));
        assert_eq!(error.kind(), ErrorKind::InvalidDefinition, "{error}");
    }
    let more = first.optional_parameter("b", ParameterType::String).property("c", ParameterType::String);
    let more = Definitions { messages: vec![more], ..Definitions::default() };
    world.host.define(more).await.unwrap();
    world.run(call("sg_m").with("a", string("x")).with("b", string("y"))).await;
}

#[tokio::test]
async fn a_job_runs_although_the_definition_of_its_message_grew_and_not_without_its_step() {
    let database = Database::fresh();
    let log = Log::default();
    let first = MessageDefinition::new("sg_m").optional_parameter("a", ParameterType::String);
    let later = on_any("sg_m", Stage::PostOperation).asynchronous();
    let gone = on_create("gone", Stage::PostOperation).asynchronous();
    let host = database
        .host()
        .workers(0)
        .define(messages(vec![first.clone()]))
        .native_step("p", later.clone(), log.step("not yet"))
        .native_step("p", gone, log.step("not yet"))
        .build()
        .await
        .unwrap();
    host.execute(call("sg_m").with("a", string("x"))).await.unwrap();
    host.execute(Request::create(probe("a"))).await.unwrap();
    host.shutdown().await;
    let sees = tells(&log, |cx| Ok(format!("{} {}", cx.message()?, cx.input()?.contains_key("a"))));
    let more = first.optional_parameter("b", ParameterType::Integer).property("c", ParameterType::String);
    let host =
        database.host().define(messages(vec![more])).native_step("p", later, sees).build().await.unwrap();
    let jobs = async || host.jobs(JobSelect::Newest(9)).await.unwrap();
    while jobs().await[0].status != JobStatus::Succeeded {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.all(), ["sg_m true"]);
    if let Database::Postgres(_) = database {
        // Another host may have the step.
        assert_eq!(jobs().await[1].status, JobStatus::WaitingForResources);
    } else {
        host.idle().await.unwrap();
        let jobs = jobs().await;
        assert_eq!(jobs[1].status, JobStatus::Failed);
        let error = jobs[1].error.as_ref().unwrap();
        assert!(error.message.contains("p/gone") && error.message.contains("not registered"), "{error:?}");
    }
    host.shutdown().await;
}

#[tokio::test]
async fn a_bound_message_on_a_record_that_is_not_there_is_the_main_operations_matter() {
    let definition = MessageDefinition::new("sg_Do").bound(Binding::Entity("probe".into()));
    let world = World::with(messages(vec![definition]), |host| {
        let reads = NativeStep::new(|cx| async move {
            let record = cx.record()?.unwrap_or_else(|| EntityReference::new("none", missing("x").id));
            cx.retrieve(record, ColumnSet::All).await?;
            Ok(())
        });
        host.native_step("p", on_any("sg_Do", Stage::MainOperation), reads)
    })
    .await;
    let error = world.host.execute(call("sg_Do").with("Target", missing("probe"))).await.unwrap_err();
    assert_eq!(error.code(), code::OBJECT_DOES_NOT_EXIST, "{error}");
}
