//! Bulk and single messages share one pipeline.

use stagegate::{
    Entity, EntityCollection, EntityReference, ErrorKind, Fault, ImageType, NativeStep, Parameter, Request,
    Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, probe, string, tells, text};
use uuid::Uuid;

fn on(message: &str, name: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(name, message, stage).on("probe")
}

fn probes(names: &[&str]) -> EntityCollection {
    EntityCollection::new("probe", names.iter().map(|name| probe(name)).collect())
}

/// Notes the message and its targets' names.
fn sees(log: &Log) -> NativeStep {
    tells(log, |cx| {
        let input = cx.input()?;
        let names = match (input.get("Target"), input.get("Targets")) {
            (Some(Parameter::Entity(target)), None) => text(target, "name"),
            (None, Some(Parameter::Entities(targets))) => {
                targets.entities.iter().map(|target| text(target, "name")).collect::<Vec<_>>().join("+")
            }
            (None, Some(Parameter::References(targets))) => format!("{} references", targets.len()),
            (Some(target), None) => format!("{} reference", target.reference().map_or(0, |_| 1)),
            other => format!("{other:?}"),
        };
        Ok(format!("{} {} {names}", cx.message()?, cx.stage()?.number()))
    })
}

#[tokio::test]
async fn a_bulk_message_runs_its_own_steps_then_those_of_the_single_one_for_each_record() {
    let log = Log::default();
    let world = World::new(|host| {
        host.native_step("p", on("Create", "single", Stage::PreOperation).rank(-5), sees(&log))
            .native_step("p", on("CreateMultiple", "bulk", Stage::PreOperation), sees(&log))
            .native_step("p", on("Create", "after", Stage::PostOperation), sees(&log))
    })
    .await;
    let response = world.run(Request::create_multiple(probes(&["a", "b"]))).await;
    assert_eq!(response.ids().len(), 2);
    assert_eq!(
        log.all(),
        ["CreateMultiple 20 a+b", "Create 20 a", "Create 20 b", "Create 40 a", "Create 40 b"]
    );
    assert_eq!(world.names("probe").await, ["a", "b"]);
}

#[tokio::test]
async fn a_single_message_runs_the_steps_of_the_bulk_one_with_one_target() {
    let log = Log::default();
    let world = World::new(|host| {
        let mut host = host;
        for message in ["CreateMultiple", "UpdateMultiple", "DeleteMultiple"] {
            host = host.native_step("p", on(message, message, Stage::PreOperation), sees(&log));
        }
        host.native_step("p", on("Create", "own", Stage::PreOperation).rank(9), sees(&log))
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    world.run(Request::delete(record)).await;
    assert_eq!(
        log.all(),
        ["Create 20 a", "CreateMultiple 20 a", "UpdateMultiple 20 b", "DeleteMultiple 20 1 references"]
    );
}

#[tokio::test]
async fn what_a_step_changes_in_its_view_is_written() {
    let shouts = || {
        NativeStep::new(|cx| async move {
            let name = cx.target()?.map(|target| text(&target, "name")).unwrap_or_default();
            Ok(cx.set_target([("name", string(&name.to_uppercase()))])?)
        })
    };
    let marks = || {
        NativeStep::new(|cx| async move {
            let Some(Parameter::Entities(targets)) = cx.input()?.remove("Targets") else {
                return Err(Fault::new("no targets"));
            };
            let mut targets = (*targets).clone();
            for target in &mut targets.entities {
                target.attributes.insert("note".into(), string("bulk"));
            }
            Ok(cx.set_input("Targets", targets)?)
        })
    };
    let world = World::new(|host| {
        host.native_step("p", on("Create", "shout", Stage::PreOperation), shouts()).native_step(
            "p",
            on("CreateMultiple", "mark", Stage::PreOperation),
            marks(),
        )
    })
    .await;
    let mut created = world.run(Request::create_multiple(probes(&["a", "b"]))).await.ids().to_vec();
    created.push(world.add(probe("c")).await.id);
    for (id, name) in created.into_iter().zip(["A", "B", "C"]) {
        let record = world.get(&EntityReference::new("probe", id)).await.unwrap();
        assert_eq!((text(&record, "name").as_str(), text(&record, "note").as_str()), (name, "bulk"));
    }
}

#[tokio::test]
async fn a_bulk_update_filters_by_any_target_and_each_record_by_its_own() {
    let log = Log::default();
    let world = World::new(|host| {
        let filtered = |message, name| on(message, name, Stage::PreOperation).filter(["note"]);
        host.native_step("p", filtered("UpdateMultiple", "bulk"), sees(&log)).native_step(
            "p",
            filtered("Update", "single"),
            sees(&log),
        )
    })
    .await;
    let (a, b) = (world.add(probe("a")).await, world.add(probe("b")).await);
    let updates = |note: Option<&str>| {
        let noted = probe("x").with_id(b.id);
        let noted = match note {
            Some(note) => noted.with("note", string(note)),
            None => noted,
        };
        Request::update_multiple(EntityCollection::new("probe", vec![probe("y").with_id(a.id), noted]))
    };
    world.run(updates(None)).await;
    assert_eq!(log.all(), Vec::<String>::new());
    world.run(updates(Some("n"))).await;
    assert_eq!(log.all(), ["UpdateMultiple 20 y+x", "Update 20 x"]);
}

#[tokio::test]
async fn a_bulk_message_has_an_image_of_each_record() {
    let log = Log::default();
    let names = |images: Vec<Option<Entity>>| {
        let name = |image: Option<Entity>| image.map_or("none".into(), |image| text(&image, "name"));
        images.into_iter().map(name).collect::<Vec<_>>().join("+")
    };
    let bulk = tells(&log, move |cx| {
        Ok(format!("{} -> {}", names(cx.pre_images("i")?), names(cx.post_images("i")?)))
    });
    let single = tells(&log, |cx| {
        let name = |image: Option<Entity>| image.map_or("none".into(), |image| text(&image, "name"));
        Ok(format!("{} -> {}", name(cx.pre_image("i")?), name(cx.post_image("i")?)))
    });
    let world = World::new(|host| {
        let with = |message| on(message, message, Stage::PostOperation).image("i", ImageType::Both, ["name"]);
        host.native_step("p", with("UpdateMultiple"), bulk).native_step("p", with("Update"), single)
    })
    .await;
    let (a, b) = (world.add(probe("a")).await, world.add(probe("b")).await);
    let targets = vec![probe("A").with_id(a.id), probe("B").with_id(b.id)];
    world.run(Request::update_multiple(EntityCollection::new("probe", targets))).await;
    assert_eq!(log.all(), ["a+b -> A+B", "a -> A", "b -> B"]);
    world.run(Request::update(probe("c").with_id(a.id))).await;
    assert_eq!(log.all()[3..], ["A -> c", "A -> c"]);
}

#[tokio::test]
async fn one_record_that_fails_undoes_the_bulk() {
    let world = World::new(|host| {
        let refuses = NativeStep::new(|cx| async move {
            match cx.target()? {
                Some(target) if text(&target, "name") == "bad" => Err(Fault::new("not that one")),
                _ => Ok(()),
            }
        });
        host.native_step("p", on("Create", "refuse", Stage::PostOperation), refuses)
    })
    .await;
    let error = world.host.execute(Request::create_multiple(probes(&["good", "bad"]))).await.unwrap_err();
    assert_eq!(error.message(), "not that one");
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}

#[tokio::test]
async fn bulk_requests_that_make_no_sense_are_refused() {
    let world = World::new(|host| host).await;
    let record = world.add(probe("a")).await;
    let other = EntityReference::new("inner", record.id);
    let mixed = EntityCollection::new("probe", vec![probe("b"), Entity::new("inner")]);
    let bad = EntityCollection::new("probe", vec![probe("b"), probe("c").with("nmae", string("x"))]);
    let cases: [(Request, &str); 8] = [
        (Request::create_multiple(mixed), "number 1 is of `inner`, the collection of `probe`"),
        (Request::create_multiple(bad), "no attribute `nmae`"),
        (Request::update_multiple(probes(&["b"])), "needs an identifier"),
        (Request::delete_multiple(vec![]), "has no records"),
        (Request::create_multiple(probes(&[])), "has no records"),
        (Request::delete_multiple(vec![record.clone(), other]), "records of one entity"),
        (
            Request::new("CreateMultiple", Default::default()),
            "the parameter `Targets` of CreateMultiple is missing",
        ),
        (
            Request::create_multiple(probes(&["b"])).with("Target", Value::Null),
            "CreateMultiple has no parameter `Target`",
        ),
    ];
    for (request, expected) in cases {
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error}");
        assert!(error.message().contains(expected), "{error} does not say: {expected}");
    }
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn of_a_record_that_is_twice_in_an_update_the_first_counts() {
    let world = World::new(|host| host).await;
    let record = world.add(probe("a")).await;
    let targets = vec![probe("first").with_id(record.id), probe("second").with_id(record.id)];
    world.run(Request::update_multiple(EntityCollection::new("probe", targets))).await;
    assert_eq!(text(&world.get(&record).await.unwrap(), "name"), "first");
}

#[tokio::test]
async fn what_a_step_answers_in_its_view_is_answered() {
    let other = Uuid::from_u128(77);
    let single =
        NativeStep::new(move |cx| async move { Ok(cx.set_output("id", Value::UniqueIdentifier(other))?) });
    let world =
        World::new(|host| host.native_step("p", on("Create", "single", Stage::PostOperation), single)).await;
    let response = world.run(Request::create_multiple(probes(&["a", "b"]))).await;
    assert_eq!(response.ids(), [other, other]);

    let shortens = |ids: Vec<Uuid>| {
        NativeStep::new(move |cx| {
            let ids = ids.clone();
            async move { Ok(cx.set_output("Ids", Parameter::Ids(ids))?) }
        })
    };
    let bulk = |ids| {
        World::new(move |host| {
            host.native_step("p", on("CreateMultiple", "bulk", Stage::PostOperation), shortens(ids))
        })
    };
    assert_eq!(bulk(vec![other]).await.create("a").await.unwrap().id(), Some(other));
    let error = bulk(vec![]).await.create("a").await.unwrap_err();
    assert!(error.message().contains("has 1 items, not 0"), "{error}");
}

#[tokio::test]
async fn asynchronous_steps_of_the_single_message_are_queued_for_each_record() {
    let log = Log::default();
    let world = World::new(|host| {
        let later = on("Create", "later", Stage::PostOperation).asynchronous();
        host.native_step("p", later, sees(&log))
    })
    .await;
    world.run(Request::create_multiple(probes(&["a", "b"]))).await;
    world.host.idle().await.unwrap();
    let mut seen = log.all();
    seen.sort();
    assert_eq!(seen, ["Create 40 a", "Create 40 b"]);
}

#[tokio::test]
async fn delete_multiple_deletes_all_or_none() {
    let world = World::new(|host| host).await;
    let (a, b) = (world.add(probe("a")).await, world.add(probe("b")).await);
    let missing = EntityReference::new("probe", Uuid::from_u128(9));
    let error = world.host.execute(Request::delete_multiple(vec![a.clone(), missing])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(world.names("probe").await, ["a", "b"]);
    world.run(Request::delete_multiple(vec![a, b])).await;
    assert_eq!(world.names("probe").await, Vec::<String>::new());
}
