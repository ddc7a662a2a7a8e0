//! Where steps may be registered, and the platform's code where they may not.

use stagegate::model::code;
use stagegate::{
    AttributeType, Binding, Definitions, EntityDefinition, ErrorKind, Image, ImageType, MessageDefinition,
    NativeStep, Stage, StepDefinition, StepsAllowed,
};
use stagegate_tests::{World, entity};

fn definitions() -> Definitions {
    Definitions {
        entities: vec![
            entity("probe"),
            EntityDefinition::new("owned").with("name", AttributeType::Integer).user_owned(),
        ],
        relationships: vec![],
        messages: vec![
            MessageDefinition::new("Closed").allow(StepsAllowed::None),
            MessageDefinition::new("Later").allow(StepsAllowed::AsyncOnly),
            MessageDefinition::new("Bound").bound(Binding::Entity("probe".into())),
        ],
    }
}

fn any(message: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new("s", message, stage)
}

fn step(message: &str, stage: Stage) -> StepDefinition {
    any(message, stage).on("probe")
}

async fn register(definition: StepDefinition) -> Result<World, stagegate::Error> {
    let nothing = NativeStep::new(|_| async { Ok(()) });
    World::attempt(definitions(), |host| host.native_step("plugin", definition, nothing)).await
}

#[tokio::test]
async fn registrations_that_break_a_rule_are_refused_with_the_platforms_code() {
    use ImageType::{Both, PostImage, PreImage};
    use Stage::{MainOperation, PostOperation, PreOperation, PreValidation};

    let mut elsewhere = step("Update", PreOperation).image("i", PreImage, ["name"]);
    elsewhere.images[0].message_property = Some("EntityMoniker".into());
    let mut children = step("Update", PreOperation).image("i", PreImage, ["name"]);
    children.images[0].relationship = Some("r".into());
    let mut early = step("Delete", PreValidation).image("i", PreImage, ["name"]);
    early.images[0].relationship = Some("r".into());
    let cases = [
        (step("Create", MainOperation), code::INVALID_STAGE, "cannot run at MainOperation (30)"),
        (
            step("Create", PreOperation).asynchronous(),
            code::INVALID_STAGE,
            "is asynchronous, which only PostOperation (40) allows",
        ),
        (step("Createe", PreOperation), code::UNKNOWN_MESSAGE, "there is no message `Createe`"),
        (step("Upsert", PreOperation), code::STEP_NOT_ALLOWED, "register steps on those"),
        (step("UpsertMultiple", PreOperation), code::STEP_NOT_ALLOWED, "register steps on those"),
        (any("ExecuteMultiple", PreOperation), code::STEP_NOT_ALLOWED, "only carries other requests"),
        (any("ExecuteTransaction", PreOperation), code::STEP_NOT_ALLOWED, "only carries other requests"),
        (step("Associate", PreOperation), code::MESSAGE_NOT_FOR_ENTITY, "steps for every entity only"),
        (step("Disassociate", PreOperation), code::MESSAGE_NOT_FOR_ENTITY, "steps for every entity only"),
        (step("Assign", PreOperation), code::MESSAGE_NOT_FOR_ENTITY, "there is not for `probe`"),
        (step("SetState", PreOperation), code::MESSAGE_NOT_FOR_ENTITY, "there is not for `probe`"),
        (any("Closed", PreOperation), code::STEP_NOT_ALLOWED, "allows no steps"),
        (any("Later", PostOperation), code::STEP_NOT_ALLOWED, "allows asynchronous steps only"),
        (any("Bound", PreOperation).on("owned"), code::MESSAGE_NOT_FOR_ENTITY, "not bound to that entity"),
        (
            step("Create", PreOperation).filter(["name"]),
            code::STEP_NOT_ALLOWED,
            "only Update and UpdateMultiple allow",
        ),
        (
            step("Delete", PreOperation).changed_only(),
            code::STEP_NOT_ALLOWED,
            "only Update and UpdateMultiple allow",
        ),
        (
            step("Create", PreOperation).image("i", PreImage, ["name"]),
            code::INVALID_IMAGE_TYPE,
            "has a pre-image",
        ),
        (
            step("Delete", PostOperation).image("i", PostImage, ["name"]),
            code::INVALID_IMAGE_TYPE,
            "has a post-image",
        ),
        (
            step("Retrieve", PreOperation).image("i", PreImage, ["name"]),
            code::NO_IMAGES,
            "its message has none",
        ),
        (any("Associate", PostOperation).image("i", Both, ["name"]), code::NO_IMAGES, "its message has none"),
        (
            step("Update", PreOperation).image("i", PostImage, ["name"]),
            code::NO_POST_IMAGE_BEFORE,
            "only in PostOperation (40)",
        ),
        (elsewhere, code::INVALID_MESSAGE_PROPERTY, "the record is in `Target`"),
        (children, code::INVALID_IMAGE_TYPE, "an image of children"),
        (early, code::INVALID_IMAGE_TYPE, "PreValidation still finds them"),
        (
            step("Update", PreOperation).image("", PreImage, ["name"]),
            code::INVALID_IMAGE_TYPE,
            "an image without an alias",
        ),
        (
            step("Update", PostOperation).image("i", Both, ["name"]).image("i", PostImage, ["name"]),
            code::INVALID_IMAGE_TYPE,
            "two images of one alias",
        ),
        (StepDefinition::new("", "Create", PreOperation), code::STEP_NOT_ALLOWED, "needs a name"),
    ];
    for (definition, code, expected) in cases {
        let error = register(definition).await.err().unwrap_or_else(|| panic!("accepted: {expected}"));
        assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
        assert!(error.message().contains(expected), "{error} does not say {expected:?}");
        assert!(error.message().contains("`plugin`"), "{error} does not name the plugin");
        assert_eq!(error.code(), code, "{error}: {:#x}", error.code());
    }
}

#[tokio::test]
async fn steps_can_be_registered_where_the_platform_allows_them() {
    use Stage::{MainOperation, PostOperation, PreOperation, PreValidation};
    let messages = [
        "Create",
        "Update",
        "Delete",
        "Retrieve",
        "RetrieveMultiple",
        "CreateMultiple",
        "UpdateMultiple",
        "DeleteMultiple",
    ];
    for message in messages {
        for stage in [PreValidation, PreOperation, PostOperation] {
            register(step(message, stage)).await.unwrap_or_else(|error| panic!("{message} {stage}: {error}"));
        }
    }
    let mut moniker = any("SetState", PostOperation).image("i", ImageType::Both, ["name"]);
    moniker.images.push(Image { alias: "j".into(), ..moniker.images[0].clone() });
    moniker.images[1].message_property = Some("EntityMoniker".into());
    let others = [
        any("Associate", PreOperation),
        any("Disassociate", PostOperation),
        any("Assign", PreOperation).on("owned").image("i", ImageType::PreImage, ["name"]),
        any("Assign", PreOperation),
        moniker,
        any("Later", PostOperation).asynchronous(),
        any("Bound", PreOperation).on("probe"),
        any("Bound", MainOperation),
        any("Closed", MainOperation),
        step("Update", PreOperation).rank(-7),
    ];
    for definition in others {
        let message = definition.message.clone();
        register(definition).await.unwrap_or_else(|error| panic!("{message}: {error}"));
    }
}

#[tokio::test]
async fn a_custom_message_has_one_main_operation() {
    let nothing = || NativeStep::new(|_| async { Ok(()) });
    let main = |name: &str| StepDefinition::new(name, "Bound", Stage::MainOperation);
    let result = World::attempt(definitions(), |host| {
        host.native_step("p", main("first"), nothing()).native_step("p", main("second"), nothing())
    });
    let error = result.await.err().unwrap();
    assert_eq!(error.code(), code::INVALID_STAGE);
    assert!(error.message().contains("`p/first` is one"), "{error}");
}
