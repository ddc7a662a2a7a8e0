//! The properties of the execution context.

use std::sync::{Arc, Mutex};

use stagegate::{
    Cascade, ColumnSet, Entity, EntityReference, ErrorKind, NativeStep, Parameter, Query, Request, Stage,
    StepContext, Value,
};
use stagegate_tests::{Log, World, on_create, probe, string, tells, text};

use super::{file, folder, folders, inner, on, on_any, probes, user};

#[tokio::test]
async fn input_and_output_parameters_have_the_platforms_names() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let names = |parameters: stagegate::Parameters| parameters.into_keys().collect::<Vec<_>>().join(" ");
        let (message, stage) = (cx.message()?, cx.stage()?.number());
        Ok(format!("{message} {stage}: {} / {}", names(cx.input()?), names(cx.output()?)))
    });
    let world =
        World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            let mut host = host;
            for message in [
                "Create",
                "Retrieve",
                "RetrieveMultiple",
                "Assign",
                "SetState",
                "Associate",
                "CreateMultiple",
                "Delete",
            ] {
                host = host
                    .native_step("p", on_any(message, Stage::PreValidation), sees.clone())
                    .native_step("p", on_any(message, Stage::PostOperation), sees.clone());
            }
            host
        })
        .await;
    let id = uuid::Uuid::from_u128(1);
    let record = EntityReference::new("folder", id);
    let collection = stagegate::EntityCollection::new("folder", vec![folder("b")]);
    let requests = [
        Request::create(folder("a").with_id(id)),
        Request::retrieve(record.clone(), ColumnSet::All),
        Request::retrieve_multiple(Query::new("folder")),
        Request::assign(record.clone(), user(2)),
        Request::set_state(record.clone(), 1, None),
        Request::associate(record.clone(), "near", vec![record.clone()]),
        Request::delete(record),
    ];
    for request in requests {
        world.run(request).await;
    }
    let expected = [
        "Create 10: Target / ",
        "CreateMultiple 10: Targets / ",
        "Create 40: Target / id",
        "CreateMultiple 40: Targets / Ids",
        "Retrieve 10: ColumnSet Target / ",
        "Retrieve 40: ColumnSet Target / BusinessEntity",
        "RetrieveMultiple 10: Query / ",
        "RetrieveMultiple 40: Query / BusinessEntityCollection",
        "Assign 10: Assignee Target / ",
        "Assign 40: Assignee Target / ",
        "SetState 10: EntityMoniker State Status / ",
        "SetState 40: EntityMoniker State Status / ",
        "Associate 10: RelatedEntities Relationship Target / ",
        "Associate 40: RelatedEntities Relationship Target / ",
        "Delete 10: Target / ",
        "Delete 40: Target / ",
    ];
    assert_eq!(log.all(), expected);
    drop(world.run(Request::create_multiple(collection)).await);
}

#[tokio::test]
async fn correlation_and_initiating_user_stay_the_same_in_all_that_a_request_leads_to() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        Ok(format!("{} {} {}", cx.correlation_id()?, cx.initiating_user()?.as_u128(), cx.user()?.as_u128()))
    });
    let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
        let deletes = NativeStep::new(|cx| async move {
            let folder = cx.retrieve_multiple(Query::new("folder")).await?;
            let id = folder[0].id.unwrap_or_default();
            Ok(cx.delete(EntityReference::new("folder", id)).await?)
        });
        let later = on("Update", "folder", Stage::PostOperation).asynchronous();
        host.native_step("p", on("Update", "folder", Stage::PreValidation), sees.clone())
            .native_step("q", later, deletes)
            .native_step("p", on("Delete", "folder", Stage::PreOperation), sees.clone())
            .native_step("p", on("Delete", "file", Stage::PostOperation), sees.clone())
    })
    .await;
    let top = world.add(folder("a")).await;
    world.add(file("f", &top)).await;
    world.run(Request::update(folder("b").with_id(top.id)).as_user(user(3).id)).await;
    world.host.idle().await.unwrap();
    let all = log.all();
    assert_eq!(all.len(), 3, "the update, and of its job the file and the folder");
    assert!(all.iter().all(|line| *line == all[0]), "{all:?}");
    assert!(all[0].ends_with(" 3 3"));
}

#[tokio::test]
async fn a_message_without_a_second_entity_says_so() {
    let log = Log::default();
    let sees = tells(&log, |cx| Ok(format!("{:?}", cx.secondary_entity()?)));
    let world = World::new(|host| host.native_step("p", on_create("s", Stage::PostOperation), sees)).await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), ["None"]);
}

#[tokio::test]
async fn input_parameters_of_every_message_can_be_changed_before_the_core_operation() {
    for stage in [Stage::PreValidation, Stage::PreOperation] {
        let columns = NativeStep::new(|cx| async move {
            Ok(cx.set_input("ColumnSet", Parameter::Columns(ColumnSet::named(["name"])))?)
        });
        let assignee = NativeStep::new(|cx| async move { Ok(cx.set_input("Assignee", user(9))?) });
        let status = NativeStep::new(|cx| async move { Ok(cx.set_input("State", Value::Choice(1))?) });
        let version = NativeStep::new(|cx| async move {
            let id = cx.record()?.map(|record| record.id).unwrap_or_default();
            Ok(cx.set_input("Target", folder("changed").with_id(id))?)
        });
        let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            host.native_step("p", on("Retrieve", "folder", stage), columns)
                .native_step("p", on("Assign", "folder", stage), assignee)
                .native_step("p", on("SetState", "folder", stage), status)
                .native_step("p", on("Update", "folder", stage).filter(["name"]), version)
        })
        .await;
        let record = world.add(folder("a")).await;
        world.run(Request::assign(record.clone(), user(2))).await;
        world.run(Request::set_state(record.clone(), 0, None)).await;
        world.run(Request::update(folder("b").with_id(record.id))).await;
        let read = world.run(Request::retrieve(record.clone(), ColumnSet::All)).await;
        let read = read.entity().unwrap();
        assert_eq!(read.attributes.keys().collect::<Vec<_>>(), ["name"], "{stage}");
        assert_eq!(text(read, "name"), "changed");
        let all = world.run(Request::retrieve_multiple(Query::new("folder"))).await;
        let all = &all.entities()[0];
        assert_eq!(all.get("ownerid"), Some(&Value::EntityReference(user(9))));
        assert_eq!(
            (all.get("statecode"), all.get("statuscode")),
            (Some(&Value::Choice(1)), Some(&Value::Choice(2)))
        );
    }
}

#[tokio::test]
async fn a_step_cannot_put_in_place_of_a_parameter_what_it_cannot_be() {
    let world = |message: &'static str, stage, name: &'static str, parameter: Parameter| async move {
        let sets = NativeStep::new(move |cx| {
            let parameter = parameter.clone();
            async move { Ok(cx.set_input(name, parameter)?) }
        });
        World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            host.native_step("p", on_any(message, stage), sets)
        })
        .await
    };
    let other = EntityReference::new("folder", uuid::Uuid::from_u128(77));
    let cases: [(&str, &str, Parameter); 14] = [
        ("Create", "Target", other.clone().into()),
        ("Create", "Target", Entity::new("file").into()),
        ("Delete", "Target", other.clone().into()),
        ("Retrieve", "Target", other.clone().into()),
        ("Retrieve", "ColumnSet", Value::Null.into()),
        ("RetrieveMultiple", "Query", Parameter::Query(Arc::new(Query::new("file")))),
        ("RetrieveMultiple", "Query", folder("x").into()),
        ("Assign", "Target", other.clone().into()),
        ("Assign", "Assignee", Value::Integer(1).into()),
        ("SetState", "EntityMoniker", other.clone().into()),
        ("SetState", "State", string("open").into()),
        ("CreateMultiple", "Targets", stagegate::EntityCollection::new("file", vec![]).into()),
        ("CreateMultiple", "Targets", stagegate::EntityCollection::new("folder", vec![]).into()),
        ("Associate", "Target", other.into()),
    ];
    for (message, name, parameter) in cases {
        for stage in [Stage::PreValidation, Stage::PreOperation] {
            let world = world(message, stage, name, parameter.clone()).await;
            let id = uuid::Uuid::from_u128(1);
            let record = EntityReference::new("folder", id);
            let creates = message.starts_with("Create");
            if !creates {
                world.add(folder("a").with_id(id)).await;
            }
            let request = match message {
                "Create" | "CreateMultiple" => Request::create(folder("a").with_id(id)),
                "Delete" => Request::delete(record.clone()),
                "Retrieve" => Request::retrieve(record.clone(), ColumnSet::All),
                "RetrieveMultiple" => Request::retrieve_multiple(Query::new("folder")),
                "Assign" => Request::assign(record.clone(), user(2)),
                "SetState" => Request::set_state(record.clone(), 1, None),
                _ => Request::associate(record.clone(), "near", vec![record.clone()]),
            };
            let result = world.host.execute(request).await;
            let error = result.err().unwrap_or_else(|| panic!("{message} takes {parameter:?} at {stage}"));
            assert_eq!(error.location().map(|location| location.stage), Some(stage), "{message}: {error}");
            assert!(
                ["another record", "no records", name].iter().any(|text| error.message().contains(text)),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn the_number_of_targets_cannot_be_changed() {
    for names in [&["a"][..], &["a", "b", "c"]] {
        let sets = NativeStep::new(move |cx| async move { Ok(cx.set_input("Targets", probes(names))?) });
        let step = on("CreateMultiple", "probe", Stage::PreOperation);
        let world = World::new(|host| host.native_step("p", step, sets)).await;
        let error = world.host.execute(Request::create_multiple(probes(&["a", "b"]))).await.unwrap_err();
        assert_eq!(error.location().unwrap().step.plugin, "p");
        assert!(error.message().contains("Targets"), "{error}");
        assert_eq!(world.names("probe").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_asynchronous_step_changes_nothing_that_is_written() {
    let log = Log::default();
    let tries = tells(&log, |cx| {
        let target = cx.set_target([("name", string("x"))]).is_err();
        let input = cx.set_input("Target", probe("x")).is_err();
        Ok(format!("{target} {input} {:?}", cx.record()?.is_some()))
    });
    let world =
        World::new(|host| host.native_step("p", on_create("s", Stage::PostOperation).asynchronous(), tries))
            .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(world.names("probe").await, ["a"]);
    // As in any PostOperation, the target may be changed for the step itself, and that is not written.
    assert_eq!(log.all(), ["false true true"]);
}

#[tokio::test]
async fn a_context_ends_with_its_step() {
    let kept: Arc<Mutex<Option<StepContext>>> = Arc::default();
    let slot = Arc::clone(&kept);
    let world = World::new(|host| {
        let keeps = NativeStep::new(move |cx| {
            *slot.lock().unwrap() = Some(cx);
            async { Ok(()) }
        });
        host.native_step("p", on_create("s", Stage::PreOperation), keeps)
    })
    .await;
    world.create("a").await.unwrap();
    let cx = kept.lock().unwrap().take().unwrap();
    let error = cx.create(inner("too late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("after the step had ended"), "{error}");
    cx.set_target([("name", Value::Null)]).unwrap_err();
    assert_eq!(world.names("inner").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_target_that_is_a_reference_has_no_attributes_to_set() {
    for message in ["Delete", "Retrieve"] {
        let sets = NativeStep::new(|cx| async move { Ok(cx.set_target([("name", string("x"))])?) });
        let step = on(message, "probe", Stage::PreOperation);
        let world = World::new(|host| host.native_step("p", step, sets)).await;
        let record = world.add(probe("a")).await;
        let request = match message {
            "Delete" => Request::delete(record),
            _ => Request::retrieve(record, ColumnSet::All),
        };
        let error = world.host.execute(request).await.unwrap_err();
        assert!(error.message().contains(message), "{error}");
        assert_eq!(world.names("probe").await, ["a"]);
    }
}

#[tokio::test]
async fn the_response_of_a_retrieve_can_be_changed_and_the_record_stays() {
    let masks = NativeStep::new(|cx| async move {
        Ok(cx.set_output("BusinessEntity", Entity::new("probe").with("name", string("masked")))?)
    });
    let step = on("Retrieve", "probe", Stage::PostOperation);
    let world = World::new(|host| host.native_step("p", step, masks)).await;
    let record = world.add(probe("a")).await;
    assert_eq!(text(&world.get(&record).await.unwrap(), "name"), "masked");
    assert_eq!(world.names("probe").await, ["a"]);
}
