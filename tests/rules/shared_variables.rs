//! Shared variables, the parent context and `tag`.

use stagegate::{
    Cascade, ColumnSet, Definitions, MessageDefinition, NativeStep, Query, Request, Stage, Value,
};
use stagegate_tests::{Log, World, on_create, probe, string, tells, text};

use super::{folder, folders, inner, on, on_any, probes, user};

fn shares() -> NativeStep {
    NativeStep::new(|cx| async move { Ok(cx.set_shared_variable("x", string("early"))?) })
}

/// Notes at which level `x` is found: 0 is the step's own message.
fn finds(log: &Log) -> NativeStep {
    tells(log, |cx| {
        let mut levels = Vec::new();
        if cx.shared_variable("x")?.is_some() {
            levels.push(0);
        }
        for level in 1..4 {
            if cx.parent_shared_variable(level, "x")?.is_some() {
                levels.push(level);
            }
        }
        Ok(format!("{} {} {levels:?}", cx.message()?, cx.stage()?.number()))
    })
}

#[tokio::test]
async fn only_create_update_and_delete_hide_in_the_parent_what_pre_validation_shared() {
    let cases = [
        ("Create", 1),
        ("Update", 1),
        ("Delete", 1),
        ("Retrieve", 0),
        ("RetrieveMultiple", 0),
        ("Assign", 0),
        ("SetState", 0),
        ("Associate", 0),
        ("sg_Custom", 0),
    ];
    for (message, level) in cases {
        let log = Log::default();
        let mut definitions: Definitions = folders(Cascade::Cascade, Cascade::NoCascade);
        definitions.messages.push(MessageDefinition::new("sg_Custom"));
        let world = World::with(definitions, |host| {
            host.native_step("p", on_any(message, Stage::PreValidation), shares())
                .native_step("p", on_any(message, Stage::PreOperation), finds(&log))
                .native_step("p", on_any(message, Stage::PostOperation), finds(&log))
        })
        .await;
        let record = world.add(folder("a")).await;
        let before = log.all().len();
        world
            .run(match message {
                "Create" => Request::create(folder("b")),
                "Update" => Request::update(folder("b").with_id(record.id)),
                "Delete" => Request::delete(record),
                "Retrieve" => Request::retrieve(record, ColumnSet::All),
                "RetrieveMultiple" => Request::retrieve_multiple(Query::new("folder")),
                "Assign" => Request::assign(record, user(2)),
                "SetState" => Request::set_state(record, 1, None),
                "Associate" => Request::associate(record.clone(), "near", vec![record]),
                _ => Request::new(message, Default::default()),
            })
            .await;
        let expected = [20, 40].map(|stage| format!("{message} {stage} [{level}]"));
        assert_eq!(log.all()[before..], expected);
    }
}

#[tokio::test]
async fn a_step_finds_them_at_the_same_level_when_its_message_came_in_bulk() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on("Create", "probe", Stage::PreValidation), shares())
            .native_step("p", on("Create", "probe", Stage::PreOperation), finds(&log))
            .native_step("p", on("Create", "probe", Stage::PostOperation), finds(&log))
    })
    .await;
    world.run(Request::create_multiple(probes(&["a"]))).await;
    world.create("b").await.unwrap();
    let single = ["Create 20 [1]", "Create 40 [1]"];
    assert_eq!(log.all(), [single, single].concat());
}

#[tokio::test]
async fn a_nested_request_leaves_none_behind() {
    let log = Log::default();
    let notes = log.clone();
    let world = World::new(|host| {
        let nests = NativeStep::new(move |cx| {
            let notes = notes.clone();
            async move {
                cx.create(inner("n")).await?;
                notes.note(format!("{:?}", cx.shared_variable("x")?));
                Ok(())
            }
        });
        host.native_step("p", on_create("nests", Stage::PreOperation), nests)
            .native_step("p", on("Create", "inner", Stage::PreOperation), shares())
            .native_step("p", on_create("after", Stage::PostOperation), finds(&log))
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["None", "Create 40 []"]);
}

#[tokio::test]
async fn the_update_of_an_assign_has_the_assign_as_its_parent() {
    let log = Log::default();
    let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
        host.native_step("p", on("Assign", "folder", Stage::PreOperation), shares())
            .native_step("p", on("Update", "folder", Stage::PreValidation), finds(&log))
            .native_step("p", on("Update", "folder", Stage::PreOperation), finds(&log))
    })
    .await;
    let record = world.add(folder("a")).await;
    world.run(Request::assign(record, user(2))).await;
    // One more level from stage 20 on, where the parent is the Update itself as PreValidation saw it.
    assert_eq!(log.all(), ["Update 10 [1]", "Update 20 [2]"]);
}

#[tokio::test]
async fn a_job_has_them_as_they_were_when_it_was_queued_whatever_their_type() {
    let log = Log::default();
    let values = || {
        [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(-7),
            Value::BigInteger(i64::MIN),
            Value::Double(0.1),
            Value::Decimal("123456789.0123456789".parse().unwrap()),
            Value::Money("0.10".parse().unwrap()),
            string("é \"quoted\"\n"),
            Value::DateTime(stagegate::DateTime(1_700_000_000_123)),
            Value::UniqueIdentifier(uuid::Uuid::from_u128(5)),
            Value::Choice(3),
            Value::Choices(vec![1, 2]),
            Value::EntityReference(user(4)),
        ]
    };
    let world = World::new(|host| {
        let shares = NativeStep::new(move |cx| async move {
            for (number, value) in values().into_iter().enumerate() {
                cx.set_shared_variable(format!("v{number}"), value)?;
            }
            Ok(())
        });
        let compares = tells(&log, move |cx| {
            for (number, value) in values().into_iter().enumerate() {
                assert_eq!(cx.shared_variable(&format!("v{number}"))?, Some(value));
            }
            Ok("the same".into())
        });
        host.native_step("p", on_create("shares", Stage::PostOperation), shares).native_step(
            "p",
            on_create("later", Stage::PostOperation).asynchronous(),
            compares,
        )
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let jobs = world.host.jobs(stagegate::store::JobSelect::Newest(1)).await.unwrap();
    assert_eq!(jobs[0].error, None);
    assert_eq!(log.all(), ["the same"]);
}

#[tokio::test]
async fn a_value_that_no_job_could_be_given_is_refused() {
    for value in [Value::Double(f64::NAN), Value::DateTime(stagegate::DateTime(i64::MAX))] {
        let world = World::new(|host| {
            let shares = NativeStep::new(move |cx| {
                let value = value.clone();
                async move { Ok(cx.set_shared_variable("x", value)?) }
            });
            host.native_step("p", on_create("shares", Stage::PreOperation), shares)
        })
        .await;
        let error = world.create("a").await.unwrap_err();
        assert!(error.message().contains("the shared variable `x` cannot be"), "{error}");
    }
}

#[tokio::test]
async fn the_tag_is_of_its_request_alone() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let target = cx.target()?.map(|target| text(&target, "name")).unwrap_or_default();
        Ok(format!("{target}: {:?}", cx.shared_variable("tag")?.map(|tag| tag.to_string())))
    });
    let world = World::new(|host| {
        let nests = NativeStep::new(|cx| async move {
            cx.create(inner("without")).await?;
            cx.execute(Request::create(inner("with")).tag("own")).await?;
            Ok(())
        });
        host.native_step("p", on_create("nests", Stage::PreOperation), nests)
            .native_step("p", on("Create", "inner", Stage::PreOperation), sees.clone())
            .native_step("p", on("Create", "probe", Stage::PostOperation), sees)
    })
    .await;
    let batch = vec![Request::create(probe("tagged")).tag("item"), Request::create(probe("plain"))];
    world.run(Request::execute_multiple(batch)).await;
    let nested = ["without: None", "with: Some(\"\\\"own\\\"\")"];
    assert_eq!(log.all()[..2], nested);
    assert_eq!(log.all()[2], "tagged: Some(\"\\\"item\\\"\")");
    assert_eq!(log.all()[5], "plain: None");
}
