//! Pre- and post-images, each with its own attributes.

use stagegate::model::definition::system_attribute;
use stagegate::{Entity, ImageType, NativeStep, Request, Stage, StepDefinition, Value};
use stagegate_tests::{Log, World, on_create, on_update, string};

fn shows(log: &Log, alias: &'static str) -> NativeStep {
    let log = log.clone();
    NativeStep::new(move |cx| {
        let log = log.clone();
        async move {
            let show = |side: &str, image: Option<Entity>| {
                let attributes = image.map(|image| {
                    let own = image.attributes.iter().filter(|(name, _)| system_attribute(name).is_none());
                    own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
                });
                log.note(format!("{side}: {}", attributes.unwrap_or_else(|| "none".into())));
            };
            show("pre", cx.pre_image(alias)?);
            show("post", cx.post_image(alias)?);
            Ok(())
        }
    })
}

#[tokio::test]
async fn images_show_the_record_before_and_after_the_core_operation() {
    let both = |name, attributes: &[&str]| {
        on_update(name, Stage::PostOperation).image("i", ImageType::Both, attributes.to_vec())
    };
    let cases: [(StepDefinition, [&str; 2]); 6] = [
        (both("named", &["name"]), ["pre: name=\"old\"", "post: name=\"new\""]),
        (both("not changed", &["amount"]), ["pre: amount=5", "post: amount=5"]),
        (both("all", &[]), ["pre: amount=5 name=\"old\" note=null", "post: amount=5 name=\"new\" note=null"]),
        (
            on_update("pre only", Stage::PreOperation).image("i", ImageType::PreImage, ["name", "note"]),
            ["pre: name=\"old\" note=null", "post: none"],
        ),
        (
            on_update("early", Stage::PreValidation).image("i", ImageType::PreImage, ["name"]),
            ["pre: name=\"old\"", "post: none"],
        ),
        (
            on_update("another alias", Stage::PostOperation).image("other", ImageType::Both, ["name"]),
            ["pre: none", "post: none"],
        ),
    ];
    for (definition, expected) in cases {
        let log = Log::default();
        let name = definition.name.clone();
        let world = World::new(|host| host.native_step("p", definition, shows(&log, "i"))).await;
        let old = Entity::new("probe").with("name", string("old")).with("amount", Value::Integer(5));
        let id = world.host.execute(Request::create(old)).await.unwrap().id().unwrap();
        let new = Entity::new("probe").with_id(id).with("name", string("new"));
        world.host.execute(Request::update(new)).await.unwrap();
        assert_eq!(log.all(), expected, "{name}");
    }
}

#[tokio::test]
async fn each_step_sees_its_own_attributes_although_they_are_read_together() {
    let log = Log::default();
    let world = World::new(|host| {
        let image = |name: &str, attribute: &str| {
            on_update(name, Stage::PreOperation).image("i", ImageType::PreImage, [attribute.to_owned()])
        };
        host.native_step("p", image("a", "name"), shows(&log, "i")).native_step(
            "p",
            image("b", "amount"),
            shows(&log, "i"),
        )
    })
    .await;
    let id = world.create("old").await.unwrap().id().unwrap();
    let new = Entity::new("probe").with_id(id).with("name", string("new"));
    world.host.execute(Request::update(new)).await.unwrap();
    assert_eq!(log.all(), ["pre: name=\"old\"", "post: none", "pre: amount=null", "post: none"]);
}

#[tokio::test]
async fn create_has_a_post_image_and_delete_a_pre_image() {
    let log = Log::default();
    let world = World::new(|host| {
        let delete = StepDefinition::new("on delete", "Delete", Stage::PostOperation).on("probe");
        host.native_step(
            "p",
            on_create("on create", Stage::PostOperation).image("i", ImageType::PostImage, ["name"]),
            shows(&log, "i"),
        )
        .native_step("p", delete.image("i", ImageType::PreImage, ["name"]), shows(&log, "i"))
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    world.host.execute(Request::delete(stagegate::EntityReference::new("probe", id))).await.unwrap();
    assert_eq!(log.all(), ["pre: none", "post: name=\"a\"", "pre: name=\"a\"", "post: none"]);
}
