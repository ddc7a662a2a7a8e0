//! Requests that are not well formed, and the core operations without any step.

use stagegate::{
    AttributeType, ColumnSet, Entity, EntityDefinition, EntityReference, ErrorKind, Query, Request, Value,
};
use stagegate_tests::{World, probe, string};
use uuid::Uuid;

async fn world() -> World {
    let world = World::new(|host| host).await;
    let account = EntityDefinition::new("account")
        .with_required("name", AttributeType::String { max_length: 5 })
        .with("limit", AttributeType::Money { precision: 2 })
        .with("kind", AttributeType::Choice { options: vec![1, 2] })
        .with("parent", AttributeType::Lookup { targets: vec!["account".into()] });
    let contact = EntityDefinition::new("contact")
        .with_required("account", AttributeType::Lookup { targets: vec!["account".into()] });
    world.host.define(vec![account, contact]).await.unwrap();
    world
}

fn account(name: &str) -> Entity {
    Entity::new("account").with("name", string(name))
}

#[tokio::test]
async fn bad_requests_say_what_is_wrong_and_leave_nothing() {
    let world = world().await;
    let nowhere = EntityReference::new("account", Uuid::from_u128(9));
    let money = |text: &str| Value::Money(text.parse().unwrap());
    let cases = [
        (
            Request::create(Entity::new("acount")),
            "the entity `acount` is not defined; did you mean `account`?",
        ),
        (
            Request::create(account("a").with("limitt", Value::Null)),
            "no attribute `limitt`; did you mean `limit`?",
        ),
        (Request::create(account("a").with("limit", string("1"))), "must be of type money, not string"),
        (Request::create(account("a").with("limit", money("1.234"))), "it can have 2 decimals"),
        (Request::create(account("a").with("limit", money("99999999999999999"))), "the largest magnitude is"),
        (Request::create(account("a\0b")), "has the character U+0000"),
        (Request::create(account("abcdef")), "has 6 characters; 5 is the most"),
        (Request::create(account("a").with("kind", Value::Choice(3))), "not one of the options [1, 2]"),
        (Request::create(account("a").with("createdon", Value::Null)), "written by the host alone"),
        (
            Request::create(account("a").with("parent", Value::EntityReference(nowhere.clone()))),
            "does not exist",
        ),
        (
            Request::create(
                account("a").with(
                    "parent",
                    Value::EntityReference(EntityReference::new("contact", Uuid::from_u128(9))),
                ),
            ),
            "it can point to account",
        ),
        (Request::create(Entity::new("account")), "needs a value for `name`"),
        (Request::create(account("a").with("name", Value::Null)), "is required and cannot be null"),
        (Request::update(account("a")), "needs an identifier"),
        (Request::update(account("a").with_id(nowhere.id)), "cannot update account"),
        (Request::delete(nowhere.clone()), "cannot delete account"),
        (Request::retrieve(nowhere.clone(), ColumnSet::All), "cannot retrieve account"),
        (
            Request::retrieve(nowhere.clone(), ColumnSet::named(["nmae"])),
            "no attribute `nmae`; did you mean `name`?",
        ),
        (Request::retrieve_multiple(Query::new("nothing")), "the entity `nothing` is not defined"),
        (Request::new("Crate", stagegate::Parameters::new()), "there is no message `Crate`"),
        (Request::new("Create", stagegate::Parameters::new()), "the parameter `Target` of Create is missing"),
    ];
    for (request, expected) in cases {
        let error = world.host.execute(request).await.expect_err(expected);
        assert!(error.message().contains(expected), "{error} does not say {expected:?}");
        assert!(error.location().is_none(), "no step had a part in it");
    }
    assert_eq!(world.names("account").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_identifier_is_taken_once() {
    let world = world().await;
    let id = Uuid::from_u128(5);
    world.host.execute(Request::create(probe("a").with_id(id))).await.unwrap();
    let error = world.host.execute(Request::create(probe("b").with_id(id))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate);
    assert!(error.message().contains(&id.to_string()), "{error}");
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_delete_clears_lookups_and_is_restricted_by_required_ones() {
    let world = world().await;
    let create = async |entity| world.host.execute(Request::create(entity)).await.unwrap().id().unwrap();
    let reference = |id| EntityReference::new("account", id);
    let parent = create(account("up")).await;
    let child = create(account("down").with("parent", Value::EntityReference(reference(parent)))).await;

    world.host.execute(Request::delete(reference(parent))).await.unwrap();
    let columns = ColumnSet::named(["parent"]);
    let child_record = world.host.execute(Request::retrieve(reference(child), columns)).await.unwrap();
    assert_eq!(child_record.entity().unwrap().get("parent"), Some(&Value::Null));

    create(Entity::new("contact").with("account", Value::EntityReference(reference(child)))).await;
    let error = world.host.execute(Request::delete(reference(child))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Restricted);
    assert!(error.message().contains("records of `contact` refer to it as their `account`"), "{error}");
    assert_eq!(world.names("account").await, ["down"]);
}

#[tokio::test]
async fn definitions_that_break_a_rule_change_nothing() {
    let world = world().await;
    let before = world.host.schema();
    let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.into()] };
    let cases = [
        (vec![EntityDefinition::new("Account")], "cannot be the logical name"),
        (
            vec![EntityDefinition::new("a").with("x", lookup("nowhere"))],
            "points to `nowhere`, which is not defined",
        ),
        (
            vec![
                EntityDefinition::new("egg").with_required("from", lookup("hen")),
                EntityDefinition::new("hen").with_required("from", lookup("egg")),
            ],
            "form a cycle",
        ),
        (vec![EntityDefinition::new("a").with("createdon", AttributeType::DateTime)], "the host uses itself"),
        (
            vec![
                EntityDefinition::new("a")
                    .with("x", AttributeType::Boolean)
                    .with("x", AttributeType::Boolean),
            ],
            "is there twice",
        ),
        (
            vec![EntityDefinition::new("account").with("limit", AttributeType::Boolean)],
            "its type is money, not boolean",
        ),
        (
            vec![EntityDefinition::new("account").with_required("more", AttributeType::Boolean)],
            "add it as optional",
        ),
    ];
    for (definitions, expected) in cases {
        let error = world.host.define(definitions).await.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
        assert!(error.message().contains(expected), "{error} does not say {expected:?}");
    }
    assert_eq!(world.host.schema().version, before.version);
    world.host.execute(Request::create(account("a"))).await.unwrap();
}
