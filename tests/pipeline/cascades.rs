//! What happens to children: at Delete, and at Assign.

use stagegate::pipeline::CASCADE_LEVELS_MAX;
use stagegate::{
    AttributeType, Cascade, Definitions, Entity, EntityDefinition, EntityReference, ErrorKind, Fault, Filter,
    ImageType, NativeStep, Query, RelationshipDefinition, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Log, World, string, tells, text};
use uuid::Uuid;

fn lookup(target: &str) -> AttributeType {
    AttributeType::Lookup { targets: vec![target.into()] }
}

/// A `parent` with children of the kind `child`, which can have children of their own kind by `up`.
fn family(delete: Cascade, assign: Cascade) -> Definitions {
    let name = || AttributeType::String { max_length: 100 };
    Definitions {
        entities: vec![
            EntityDefinition::new("parent").with("name", name()).user_owned(),
            EntityDefinition::new("child")
                .with("name", name())
                .with("parent", lookup("parent"))
                .with("up", lookup("child"))
                .with_state(0, "active", [(1, "open")])
                .with_state(1, "inactive", [(2, "closed")])
                .user_owned(),
        ],
        relationships: vec![
            RelationshipDefinition::one_to_many("parent_children", "parent", "child", "parent")
                .on_delete(delete)
                .on_assign(assign),
            RelationshipDefinition::one_to_many("child_children", "child", "child", "up")
                .on_delete(Cascade::Cascade)
                .on_assign(Cascade::Cascade),
        ],
        messages: vec![],
    }
}

fn parent(name: &str) -> Entity {
    Entity::new("parent").with("name", string(name))
}

fn child(name: &str) -> Entity {
    Entity::new("child").with("name", string(name))
}

fn on(message: &str, entity: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(format!("{message} {entity} {}", stage.number()), message, stage).on(entity)
}

/// Notes message, entity, stage, depth, and how many children a query still finds.
fn watches(log: &Log) -> NativeStep {
    let log = log.clone();
    NativeStep::new(move |cx| {
        let log = log.clone();
        async move {
            let children = cx.retrieve_multiple(Query::new("child")).await?.len();
            let entity = cx.record()?.map(|record| record.entity).unwrap_or_default();
            let (stage, depth) = (cx.stage()?.number(), cx.depth()?);
            log.note(format!("{} {entity} {stage} depth {depth}: {children} children", cx.message()?));
            Ok(())
        }
    })
}

#[tokio::test]
async fn children_are_deleted_before_pre_operation_each_with_its_own_pipeline() {
    let log = Log::default();
    let world = World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| {
        let mut host = host;
        for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
            for entity in ["parent", "child"] {
                host = host.native_step("p", on("Delete", entity, stage), watches(&log));
            }
        }
        host
    })
    .await;
    let top = world.add(parent("top")).await;
    world.add(child("a").with("parent", top.clone())).await;
    world.run(Request::delete(top)).await;
    assert_eq!(
        log.all(),
        [
            "Delete parent 10 depth 1: 1 children",
            "Delete child 10 depth 2: 1 children",
            "Delete child 20 depth 2: 1 children",
            "Delete child 40 depth 2: 0 children",
            "Delete parent 20 depth 1: 0 children",
            "Delete parent 40 depth 1: 0 children",
        ]
    );
    assert_eq!(world.names("parent").await, Vec::<String>::new());
}

#[tokio::test]
async fn links_are_removed_before_pre_operation_by_an_update_of_the_child() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let target = cx.target()?.unwrap_or_else(|| Entity::new("none"));
        Ok(format!("{} {}: {:?}", cx.message()?, cx.stage()?.number(), target.get("parent")))
    });
    let world = World::with(family(Cascade::RemoveLink, Cascade::NoCascade), |host| {
        host.native_step("p", on("Update", "child", Stage::PreOperation).filter(["parent"]), sees.clone())
            .native_step("p", on("Delete", "parent", Stage::PreOperation), log.step("Delete parent 20"))
    })
    .await;
    let top = world.add(parent("top")).await;
    let orphan = world.add(child("a").with("parent", top.clone())).await;
    world.run(Request::delete(top)).await;
    assert_eq!(log.all(), ["Update 20: Some(Null)", "Delete parent 20"]);
    assert_eq!(world.get(&orphan).await.unwrap().get("parent"), Some(&Value::Null));
}

#[tokio::test]
async fn without_steps_a_removed_link_is_written_and_stamped_all_the_same() {
    let world = World::with(family(Cascade::RemoveLink, Cascade::NoCascade), |host| host).await;
    let top = world.add(parent("top")).await;
    let orphan = world.add(child("a").with("parent", top.clone())).await;
    let user = Uuid::from_u128(7);
    world.run(Request::delete(top).as_user(user)).await;
    let orphan = world.get(&orphan).await.unwrap();
    assert_eq!(orphan.get("parent"), Some(&Value::Null));
    assert_eq!(orphan.get("versionnumber"), Some(&Value::BigInteger(2)));
    let user = EntityReference::new("systemuser", user);
    assert_eq!(orphan.get("modifiedby"), Some(&Value::EntityReference(user)));
}

#[tokio::test]
async fn a_restriction_is_checked_before_anything_is_removed() {
    let log = Log::default();
    let mut definitions = family(Cascade::Restrict, Cascade::NoCascade);
    definitions.entities.push(EntityDefinition::new("note").with("about", lookup("parent")));
    let notes = RelationshipDefinition::one_to_many("parent_notes", "parent", "note", "about");
    definitions.relationships.push(notes.on_delete(Cascade::Cascade));
    let world = World::with(definitions, |host| {
        host.native_step("p", on("Delete", "parent", Stage::PreOperation), log.step("PreOperation"))
            .native_step("p", on("Delete", "note", Stage::PreValidation), log.step("a note goes"))
    })
    .await;
    let top = world.add(parent("top")).await;
    let kept = world.add(child("a").with("parent", top.clone())).await;
    let note = world.add(Entity::new("note").with("about", top.clone())).await;
    let error = world.host.execute(Request::delete(top.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Restricted);
    assert_eq!(error.code() as u32, 0x8004_0227, "CannotDeleteDueToAssociation");
    assert!(error.message().contains("records of `child` refer to it as their `parent`"), "{error}");
    assert_eq!(log.all(), Vec::<String>::new());
    for record in [&top, &kept, &note] {
        assert!(world.get(record).await.is_some(), "{record}");
    }
}

#[tokio::test]
async fn a_fault_in_a_childs_pipeline_undoes_the_whole_delete_and_says_where() {
    let world = World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| {
        let refuses = NativeStep::new(|_| async { Err(Fault::new("this one stays")) });
        host.native_step("p", on("Delete", "child", Stage::PostOperation), refuses)
    })
    .await;
    let top = world.add(parent("top")).await;
    let kept = world.add(child("a").with("parent", top.clone())).await;
    let error = world.host.execute(Request::delete(top.clone())).await.unwrap_err();
    assert_eq!(error.message(), "this one stays");
    assert_eq!(error.location().unwrap().entity.as_deref(), Some("child"));
    assert!(world.get(&top).await.is_some() && world.get(&kept).await.is_some());
}

#[tokio::test]
async fn a_circle_of_records_and_a_long_line_of_them_end() {
    let world = World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| host).await;
    let first = world.add(child("0")).await;
    let mut last = first.clone();
    // Longer than requests of steps may nest.
    for number in 1..=CASCADE_LEVELS_MAX {
        last = world.add(child(&number.to_string()).with("up", last)).await;
    }
    world.run(Request::update(Entity::new("child").with_id(first.id).with("up", last))).await;
    world.run(Request::delete(first)).await;
    assert_eq!(world.names("child").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_cascade_of_too_many_levels_is_refused_whole() {
    let world = World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| host).await;
    let first = world.add(child("0")).await;
    let mut last = first.clone();
    for number in 0..=CASCADE_LEVELS_MAX {
        last = world.add(child(&number.to_string()).with("up", last)).await;
    }
    let error = world.host.execute(Request::delete(first.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DepthExceeded);
    assert!(error.message().contains("more than 32 levels down"), "{error}");
    assert!(world.get(&first).await.is_some() && world.get(&last).await.is_some());
}

#[tokio::test]
async fn nothing_cascades_where_the_relationship_says_so() {
    let world = World::with(family(Cascade::NoCascade, Cascade::NoCascade), |host| host).await;
    let top = world.add(parent("top")).await;
    let kept = world.add(child("a").with("parent", top.clone())).await;
    world.run(Request::delete(top.clone())).await;
    assert_eq!(world.get(&kept).await.unwrap().get("parent"), Some(&Value::EntityReference(top)));
}

#[tokio::test]
async fn the_children_of_a_delete_are_offered_as_an_image() {
    let log = Log::default();
    let names = |children: Vec<Entity>| {
        let mut names: Vec<String> = children.iter().map(|child| text(child, "name")).collect();
        names.sort();
        names.join("+")
    };
    let sees = tells(&log, move |cx| {
        Ok(format!("{}: {}", cx.stage()?.number(), names(cx.children_image("children")?)))
    });
    let with = |stage| {
        let mut step = on("Delete", "parent", stage).image("children", ImageType::PreImage, ["name"]);
        step.images[0].relationship = Some("parent_children".into());
        step
    };
    let world = World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| {
        host.native_step("p", with(Stage::PreOperation), sees.clone()).native_step(
            "p",
            with(Stage::PostOperation).asynchronous(),
            sees.clone(),
        )
    })
    .await;
    let top = world.add(parent("top")).await;
    for name in ["a", "b"] {
        world.add(child(name).with("parent", top.clone())).await;
    }
    world.run(Request::delete(top)).await;
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["20: a+b", "40: a+b"]);
}

#[tokio::test]
async fn each_delete_of_a_bulk_has_the_children_of_its_record() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        let children = cx.children_image("children")?;
        Ok(children.iter().map(|child| text(child, "name")).collect::<Vec<_>>().join("+"))
    });
    let mut step =
        on("Delete", "parent", Stage::PreOperation).image("children", ImageType::PreImage, ["name"]);
    step.images[0].relationship = Some("parent_children".into());
    let world =
        World::with(family(Cascade::Cascade, Cascade::NoCascade), |host| host.native_step("p", step, sees))
            .await;
    let (one, two) = (world.add(parent("1")).await, world.add(parent("2")).await);
    world.add(child("a").with("parent", one.clone())).await;
    world.add(child("b").with("parent", two.clone())).await;
    world.run(Request::delete_multiple(vec![one, two])).await;
    assert_eq!(log.all(), ["a", "b"]);
}

#[tokio::test]
async fn a_child_that_a_step_has_moved_elsewhere_meanwhile_stays() {
    for delete in [Cascade::Cascade, Cascade::RemoveLink] {
        let moves = NativeStep::new(|cx| async move {
            if cx.depth()? > 2 {
                return Ok(());
            }
            let named = Query { filter: Some(Filter::eq("name", "new home")), ..Query::new("parent") };
            let Some(home) = cx.retrieve_multiple(named).await?.pop().and_then(|home| home.reference())
            else {
                return Ok(());
            };
            let sibling = Query { filter: Some(Filter::eq("name", "b")), ..Query::new("child") };
            for sibling in cx.retrieve_multiple(sibling).await? {
                if sibling.get("parent") != Some(&Value::EntityReference(home.clone())) {
                    let id = sibling.id.unwrap_or_default();
                    cx.update(Entity::new("child").with_id(id).with("parent", home.clone())).await?;
                }
            }
            Ok(())
        });
        let world = World::with(family(delete, Cascade::NoCascade), |host| {
            host.native_step("p", on("Delete", "child", Stage::PreOperation), moves.clone()).native_step(
                "p",
                on("Update", "child", Stage::PreOperation).filter(["parent"]),
                moves,
            )
        })
        .await;
        let top = world.add(parent("top")).await;
        world.add(child("a").with("parent", top.clone())).await;
        let moved = world.add(child("b").with("parent", top.clone())).await;
        let home = world.add(parent("new home")).await;
        world.run(Request::delete(top)).await;
        let moved = world.get(&moved).await.unwrap();
        assert_eq!(moved.get("parent"), Some(&Value::EntityReference(home)), "{delete:?}");
    }
}

#[tokio::test]
async fn a_child_that_loses_its_link_and_its_life_in_one_cascade_is_no_error() {
    let mut definitions = family(Cascade::Cascade, Cascade::NoCascade);
    definitions
        .entities
        .push(EntityDefinition::new("note").with("about", lookup("child")).with("top", lookup("parent")));
    let about = RelationshipDefinition::one_to_many("child_notes", "child", "note", "about");
    definitions.relationships.push(about.on_delete(Cascade::Cascade));
    let log = Log::default();
    let world = World::with(definitions, |host| {
        host.native_step("p", on("Update", "note", Stage::PreOperation), log.step("Update note"))
    })
    .await;
    let top = world.add(parent("top")).await;
    let middle = world.add(child("a").with("parent", top.clone())).await;
    let note = world.add(Entity::new("note").with("about", middle).with("top", top.clone())).await;
    world.run(Request::delete(top)).await;
    assert!(world.get(&note).await.is_none());
}

fn user(number: u128) -> EntityReference {
    EntityReference::new("systemuser", Uuid::from_u128(number))
}

#[tokio::test]
async fn assign_cascades_by_its_configuration() {
    // Which of: an active child of the same owner, an inactive one of the same owner, an active one of another.
    let cases = [
        (Cascade::NoCascade, [false, false, false]),
        (Cascade::Cascade, [true, true, true]),
        (Cascade::Active, [true, false, true]),
        (Cascade::UserOwned, [true, true, false]),
    ];
    for (assign, expected) in cases {
        let world = World::with(family(Cascade::Cascade, assign), |host| host).await;
        let (old, new, other) = (user(1), user(2), user(3));
        let top = world.add(parent("top").with("ownerid", old.clone())).await;
        let child = |name: &str, owner: &EntityReference| {
            child(name).with("parent", top.clone()).with("ownerid", owner.clone())
        };
        let children = [
            world.add(child("active", &old)).await,
            world.add(child("inactive", &old).with("statecode", Value::Choice(1))).await,
            world.add(child("other", &other)).await,
        ];
        world.run(Request::assign(top.clone(), new.clone())).await;
        let owner = async |record: &EntityReference| world.get(record).await.unwrap().get("ownerid").cloned();
        assert_eq!(owner(&top).await, Some(Value::EntityReference(new.clone())));
        for (record, assigned) in children.iter().zip(expected) {
            let is_new = owner(record).await == Some(Value::EntityReference(new.clone()));
            assert_eq!(is_new, assigned, "{assign:?} {:?}", world.get(record).await);
        }
    }
}

#[tokio::test]
async fn assign_runs_as_an_update_whose_parent_is_the_assign() {
    let log = Log::default();
    let sees = |log: &Log| {
        tells(log, |cx| {
            let depth = cx.depth()?;
            Ok(format!("{} {} depth {depth}", cx.message()?, cx.stage()?.number()))
        })
    };
    let world = World::with(family(Cascade::Cascade, Cascade::Cascade), |host| {
        let mut host = host;
        for stage in [Stage::PreOperation, Stage::PostOperation] {
            host = host
                .native_step("p", on("Assign", "parent", stage), sees(&log))
                .native_step("p", on("Update", "parent", stage).filter(["ownerid"]), sees(&log))
                .native_step("p", on("Assign", "child", stage), sees(&log));
        }
        host
    })
    .await;
    let top = world.add(parent("top")).await;
    world.add(child("a").with("parent", top.clone())).await;
    world.run(Request::assign(top.clone(), user(2))).await;
    let expected = [
        "Assign 20 depth 1",
        "Update 20 depth 2",
        "Assign 20 depth 2",
        "Assign 40 depth 2",
        "Update 40 depth 2",
        "Assign 40 depth 1",
    ];
    assert_eq!(log.all(), expected);
    // The owner that it has already: no child is touched.
    world.run(Request::assign(top, user(2))).await;
    assert_eq!(
        log.all()[6..],
        ["Assign 20 depth 1", "Update 20 depth 2", "Update 40 depth 2", "Assign 40 depth 1"]
    );
}

#[tokio::test]
async fn the_pairs_of_a_many_to_many_relationship_go_with_either_side() {
    let definitions = Definitions {
        entities: vec![EntityDefinition::new("group"), EntityDefinition::new("member")],
        relationships: vec![RelationshipDefinition::many_to_many("group_member", "group", "member")],
        messages: vec![],
    };
    let world = World::with(definitions, |host| host).await;
    let (group, member) = (world.add(Entity::new("group")).await, world.add(Entity::new("member")).await);
    let pairs = async || world.host.execute(Request::retrieve_multiple(Query::new("group_member"))).await;
    world.run(Request::associate(group.clone(), "group_member", vec![member.clone()])).await;
    assert_eq!(pairs().await.unwrap().entities().len(), 1);
    world.run(Request::delete(member)).await;
    assert_eq!(pairs().await.unwrap().entities().len(), 0);
    assert!(world.get(&group).await.is_some());
}
