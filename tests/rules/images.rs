//! Images.

use stagegate::{
    Cascade, Entity, ErrorKind, ImageType, NativeStep, Request, Result, Stage, StepContext, StepDefinition,
    Value,
};
use stagegate_tests::{Log, World, on_create, on_update, probe, string, tells, text};

use super::{folder, folders, missing, on, probes, user};

fn shows(
    log: &Log,
    read: impl Fn(&StepContext, &str) -> Result<Option<Entity>> + Clone + Send + Sync + 'static,
    attribute: &'static str,
) -> NativeStep {
    tells(log, move |cx| {
        let value = read(cx, "i")?.and_then(|image| image.get(attribute).cloned());
        Ok(value.map_or("none".into(), |value| value.to_string()))
    })
}

#[tokio::test]
async fn each_message_has_the_images_that_the_platform_gives_it() {
    let (one, two) = (user(1), user(2));
    let (open, closed) = (Value::Choice(0).to_string(), Value::Choice(1).to_string());
    let cases = [
        ("Assign", "ownerid", one.to_string(), two.to_string()),
        ("SetState", "statecode", open, closed),
        ("Update", "name", "\"old\"".to_owned(), "\"new\"".to_owned()),
        ("Delete", "name", "\"old\"".to_owned(), "none".to_owned()),
    ];
    for (message, attribute, before, after) in cases {
        for later in [false, true] {
            let log = Log::default();
            let kind = if message == "Delete" { ImageType::PreImage } else { ImageType::Both };
            let step = |plugin: &str| {
                let step = on(message, "folder", Stage::PostOperation).image("i", kind, [attribute]);
                let step = StepDefinition { name: plugin.into(), ..step };
                if later { step.asynchronous() } else { step }
            };
            let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
                host.workers(1)
                    .native_step("p", step("pre"), shows(&log, StepContext::pre_image, attribute))
                    .native_step("p", step("post"), shows(&log, StepContext::post_image, attribute))
            })
            .await;
            let record = world.add(folder("old").with("ownerid", one.clone())).await;
            world
                .run(match message {
                    "Assign" => Request::assign(record, two.clone()),
                    "SetState" => Request::set_state(record, 1, None),
                    "Update" => Request::update(folder("new").with_id(record.id)),
                    _ => Request::delete(record),
                })
                .await;
            world.host.idle().await.unwrap();
            assert_eq!(log.all(), [before.clone(), after.clone()], "{message} later: {later}");
        }
    }
}

#[tokio::test]
async fn a_step_can_have_two_images_with_other_columns() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let names = |image: Option<Entity>| {
            image.map(|image| image.attributes.keys().cloned().collect::<Vec<_>>().join("+"))
        };
        Ok(format!(
            "{:?} {:?} {:?}",
            names(cx.pre_image("a")?),
            names(cx.pre_image("b")?),
            cx.pre_image("A")?
        ))
    });
    let step = on_update("s", Stage::PreOperation).image("a", ImageType::PreImage, ["name"]).image(
        "b",
        ImageType::PreImage,
        ["note", "amount"],
    );
    let world = World::new(|host| host.native_step("p", step, sees)).await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    assert_eq!(log.all(), ["Some(\"name\") Some(\"amount+note\") None"]);
}

#[tokio::test]
async fn a_post_image_has_what_pre_operation_added_and_what_the_host_wrote() {
    let log = Log::default();
    let adds = NativeStep::new(|cx| async move { Ok(cx.set_target([("note", string("added"))])?) });
    let sees = tells(&log, |cx| {
        let image = cx.post_image("i")?.unwrap_or_else(|| Entity::new("none"));
        let id = image.id == cx.record()?.map(|record| record.id);
        Ok(format!("{} {id} {:?}", text(&image, "note"), image.get("versionnumber")))
    });
    let world = World::new(|host| {
        let after = |step: StepDefinition| step.image("i", ImageType::PostImage, [] as [&str; 0]);
        host.native_step("p", on_create("adds", Stage::PreOperation), adds)
            .native_step("p", after(on_create("create", Stage::PostOperation)), sees.clone())
            .native_step("p", after(on_update("update", Stage::PostOperation)), sees.clone())
    })
    .await;
    let record = world.add(probe("a")).await;
    world.run(Request::update(probe("b").with_id(record.id))).await;
    assert_eq!(log.all(), ["added true Some(BigInteger(1))", "added true Some(BigInteger(2))"]);
}

#[tokio::test]
async fn a_missing_record_is_reported_as_such_although_a_step_wants_its_image() {
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        let log = Log::default();
        let world = World::new(|host| {
            let with = |step: StepDefinition| step.image("i", ImageType::PreImage, ["name"]);
            host.native_step("p", with(on_update("u", stage)), log.step("ran")).native_step(
                "p",
                with(on("Delete", "probe", stage)),
                log.step("ran"),
            )
        })
        .await;
        for request in
            [Request::update(probe("a").with_id(missing("probe").id)), Request::delete(missing("probe"))]
        {
            let message = request.message.to_lowercase();
            let error = world.host.execute(request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains(&format!("cannot {message} probe")), "{stage}: {error}");
        }
    }
}

#[tokio::test]
async fn bulk_messages_have_an_image_for_each_record() {
    let log = Log::default();
    let names = |images: Vec<Option<Entity>>| {
        images
            .iter()
            .map(|image| image.as_ref().map_or("-".into(), |it| text(it, "name")))
            .collect::<Vec<_>>()
    };
    let sees = tells(&log, move |cx| {
        Ok(format!("{} {:?} {:?}", cx.message()?, names(cx.pre_images("i")?), names(cx.post_images("i")?)))
    });
    let step = |message: &str, kind| on(message, "probe", Stage::PostOperation).image("i", kind, ["name"]);
    let world = World::new(|host| {
        host.native_step("p", step("CreateMultiple", ImageType::PostImage), sees.clone()).native_step(
            "p",
            step("DeleteMultiple", ImageType::PreImage),
            sees.clone(),
        )
    })
    .await;
    let created = world.run(Request::create_multiple(probes(&["a", "b"]))).await;
    let records = created.ids().iter().map(|id| stagegate::EntityReference::new("probe", *id));
    world.run(Request::delete_multiple(records.collect())).await;
    assert_eq!(log.all(), ["CreateMultiple [] [\"a\", \"b\"]", "DeleteMultiple [\"a\", \"b\"] []"]);
}
