//! What a Delete or an Assign does to children, in cases that are less than plain.

use std::time::Duration;

use stagegate::model::code;
use stagegate::{
    AttributeType, Cascade, Definitions, Entity, EntityCollection, EntityDefinition, EntityReference,
    ErrorKind, NativeStep, Query, RelationshipDefinition, Request, Stage, Value,
};
use stagegate_tests::{Log, World, string, tells, text};

use super::{file, folder, folders, on, user};

/// Deletes every `file` but that of the message; those that it deletes do not do it again.
fn deletes_files() -> NativeStep {
    NativeStep::new(|cx| async move {
        if cx.depth()? > 2 {
            return Ok(());
        }
        let own = cx.record()?.map(|record| record.id);
        for file in cx.retrieve_multiple(Query::new("file")).await? {
            if file.id != own {
                cx.delete(EntityReference::new("file", file.id.unwrap_or_default())).await?;
            }
        }
        Ok(())
    })
}

/// Creates one more `file` in the folder of the message.
fn adds_a_file(folder: EntityReference) -> NativeStep {
    NativeStep::new(move |cx| {
        let more = file("more", &folder);
        async move {
            cx.create(more).await?;
            Ok(())
        }
    })
}

async fn world(delete: Cascade, stage: Stage, entity: &str, step: NativeStep) -> (World, EntityReference) {
    let world = World::with(folders(delete, Cascade::NoCascade), |host| {
        host.native_step("p", on("Delete", entity, stage), step)
    })
    .await;
    let top = world.add(folder("top").with_id(TOP)).await;
    for name in ["a", "b"] {
        world.add(file(name, &top)).await;
    }
    (world, top)
}

const TOP: stagegate::Uuid = stagegate::Uuid::from_u128(1);

fn top() -> EntityReference {
    EntityReference::new("folder", TOP)
}

#[tokio::test]
async fn a_restriction_is_judged_after_pre_validation() {
    let (world, top) = world(Cascade::Restrict, Stage::PreValidation, "folder", deletes_files()).await;
    world.run(Request::delete(top)).await;
    assert_eq!(world.names("folder").await, Vec::<String>::new());
    // In PreOperation it is too late.
    let (world, top) = self::world(Cascade::Restrict, Stage::PreOperation, "folder", deletes_files()).await;
    let error = world.host.execute(Request::delete(top)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Restricted);
    assert_eq!(world.names("file").await, ["a", "b"]);
}

#[tokio::test]
async fn a_child_that_the_step_of_another_deleted_is_no_error() {
    for stage in [Stage::PreValidation, Stage::PreOperation, Stage::PostOperation] {
        let (world, top) = world(Cascade::Cascade, stage, "file", deletes_files()).await;
        let result = world.host.execute(Request::delete(top)).await;
        assert!(result.is_ok(), "{stage}: {result:?}");
        assert_eq!(world.names("file").await, Vec::<String>::new(), "{stage}");
    }
}

#[tokio::test]
async fn children_that_come_during_the_delete_do_not_stay_behind() {
    // Of the folder before and after the write, of a file, with each rule for what becomes of files.
    for delete in [Cascade::Cascade, Cascade::RemoveLink, Cascade::Restrict] {
        for (stage, entity) in [
            (Stage::PreOperation, "folder"),
            (Stage::PostOperation, "folder"),
            (Stage::PostOperation, "file"),
        ] {
            let world = World::with(folders(delete, Cascade::NoCascade), |host| {
                host.native_step("p", on("Delete", entity, stage), adds_a_file(top()))
            })
            .await;
            let top = world.add(folder("top").with_id(TOP)).await;
            if delete != Cascade::Restrict {
                world.add(file("a", &top)).await;
            }
            let result = world.host.execute(Request::delete(top.clone())).await;
            let exists = world.get(&top).await.is_some();
            assert_eq!(exists, result.is_err(), "{delete:?} {entity} {stage}: {result:?}");
            let files = world.run(Request::retrieve_multiple(Query::new("file"))).await;
            for record in files.entities() {
                let dangles = !exists && record.get("folder") == Some(&Value::EntityReference(top.clone()));
                assert!(
                    !dangles,
                    "{delete:?} {entity} {stage}: `{}` points to nothing",
                    text(record, "name")
                );
            }
        }
    }
}

#[tokio::test]
async fn removing_the_link_of_a_required_lookup_has_the_platforms_code() {
    let lookup = AttributeType::Lookup { targets: vec!["folder".into()] };
    let definitions = Definitions {
        entities: vec![
            EntityDefinition::new("folder"),
            EntityDefinition::new("file").with_required("folder", lookup),
        ],
        relationships: vec![
            RelationshipDefinition::one_to_many("folder_files", "folder", "file", "folder")
                .on_delete(Cascade::RemoveLink),
        ],
        messages: vec![],
    };
    let refused = World::attempt(definitions, |host| host).await.err().expect("refused");
    assert_eq!(refused.code(), code::REMOVE_LINK_ON_REQUIRED, "{refused}");
}

#[tokio::test]
async fn a_bulk_delete_of_a_parent_and_its_child_deletes_both() {
    for parent_first in [true, false] {
        let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| host).await;
        let top = world.add(folder("top")).await;
        let child = world.add(file("a", &top)).await;
        // One message is about one entity, so the records are parents of each other's kind.
        let definitions = EntityDefinition::new("node")
            .with("name", AttributeType::String { max_length: 9 })
            .with("up", AttributeType::Lookup { targets: vec!["node".into()] });
        let tree = RelationshipDefinition::one_to_many("nodes", "node", "node", "up");
        world
            .host
            .define(Definitions {
                entities: vec![definitions],
                relationships: vec![tree.on_delete(Cascade::Cascade)],
                messages: vec![],
            })
            .await
            .unwrap();
        let up = world.add(Entity::new("node").with("name", string("up"))).await;
        let down = world.add(Entity::new("node").with("up", up.clone())).await;
        let targets = if parent_first { vec![up, down] } else { vec![down, up] };
        let result = world.host.execute(Request::delete_multiple(targets)).await;
        assert!(result.is_ok(), "parent first: {parent_first}: {result:?}");
        assert_eq!(world.names("node").await, Vec::<String>::new());
        let both = vec![Request::delete(top), Request::delete(child)];
        let error = world.host.execute(Request::execute_transaction(both)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "single requests know nothing of each other");
        assert_eq!(world.names("file").await, ["a"]);
    }
}

#[tokio::test]
async fn an_update_of_the_owner_cascades_as_an_assign_does() {
    let world = World::with(folders(Cascade::Cascade, Cascade::Cascade), |host| host).await;
    let top = world.add(folder("top").with("ownerid", user(1))).await;
    let child = world.add(file("a", &top).with("ownerid", user(1))).await;
    world.run(Request::update(Entity::new("folder").with_id(top.id).with("ownerid", user(2)))).await;
    let owner = world.get(&child).await.unwrap().get("ownerid").cloned();
    assert_eq!(owner, Some(Value::EntityReference(user(2))));
}

#[tokio::test]
async fn an_owner_that_pre_operation_sets_instead_is_the_childrens_too() {
    for (message, stage) in [("Assign", Stage::PreOperation), ("Update", Stage::PreOperation)] {
        let sets = NativeStep::new(|cx| async move {
            match cx.message()?.as_str() {
                "Assign" => Ok(cx.set_input("Assignee", user(9))?),
                _ => Ok(cx.set_target([("ownerid", Value::EntityReference(user(9)))])?),
            }
        });
        let world = World::with(folders(Cascade::Cascade, Cascade::Cascade), |host| {
            host.native_step("p", on(message, "folder", stage), sets)
        })
        .await;
        let top = world.add(folder("top").with("ownerid", user(1))).await;
        let child = world.add(file("a", &top).with("ownerid", user(1))).await;
        world.run(Request::assign(top.clone(), user(2))).await;
        for record in [&top, &child] {
            let owner = world.get(record).await.unwrap().get("ownerid").cloned();
            assert_eq!(owner, Some(Value::EntityReference(user(9))), "{message}: {record}");
        }
    }
}

#[tokio::test]
async fn what_is_assigned_to_its_owner_or_set_to_its_state_runs_its_steps_and_touches_no_child() {
    let log = Log::default();
    let sees = tells(&log, |cx| {
        Ok(format!("{} {}", cx.message()?, cx.record()?.map_or("?".into(), |it| it.entity)))
    });
    let world = World::with(folders(Cascade::Cascade, Cascade::Cascade), |host| {
        let mut host = host;
        for entity in ["folder", "file"] {
            for message in ["Assign", "SetState"] {
                host = host.native_step("p", on(message, entity, Stage::PostOperation), sees.clone());
            }
        }
        host
    })
    .await;
    let top = world.add(folder("top").with("ownerid", user(1))).await;
    world.add(file("a", &top)).await;
    world.run(Request::assign(top.clone(), user(1))).await;
    world.run(Request::set_state(top, 0, None)).await;
    assert_eq!(log.all(), ["Assign folder", "SetState folder"]);
}

#[tokio::test]
async fn circles_of_many_to_many_relations_hold_nothing_up() {
    let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| host).await;
    let (one, two) = (world.add(folder("one")).await, world.add(folder("two")).await);
    let pairs = async || world.run(Request::retrieve_multiple(Query::new("near"))).await.entities().len();
    for (from, to) in [(&one, &two), (&two, &one), (&one, &one)] {
        world.run(Request::associate(from.clone(), "near", vec![to.clone()])).await;
    }
    world.run(Request::delete(one)).await;
    assert_eq!(pairs().await, 0);
    assert_eq!(world.names("folder").await, ["two"]);
}

#[tokio::test]
async fn the_time_limit_holds_inside_a_cascade_and_undoes_it() {
    let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
        let hangs = NativeStep::new(|_| async {
            std::future::pending::<()>().await;
            Ok(())
        });
        host.native_step("p", on("Delete", "file", Stage::PostOperation), hangs.bounded())
    })
    .await;
    let top = world.add(folder("top")).await;
    world.add(file("a", &top)).await;
    let error = world.host.execute(Request::delete(top).within(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Timeout, code::PLUGIN_TIMEOUT), "{error}");
    assert_eq!(error.location().unwrap().entity.as_deref(), Some("file"));
    assert_eq!(world.names("folder").await, ["top"]);
    assert_eq!(world.names("file").await, ["a"]);
}

#[tokio::test]
async fn a_cascade_queues_the_jobs_of_the_children_and_none_if_it_fails() {
    for refused in [false, true] {
        let log = Log::default();
        let world = World::with(folders(Cascade::Cascade, Cascade::NoCascade), |host| {
            let later = on("Delete", "file", Stage::PostOperation).asynchronous();
            let host = host.native_step("p", later, log.step("of a file"));
            let last = on("Delete", "folder", Stage::PostOperation);
            if refused { host.native_step("p", last, super::refuses("no")) } else { host }
        })
        .await;
        let top = world.add(folder("top")).await;
        let targets = ["a", "b"].map(|name| file(name, &top)).to_vec();
        world.run(Request::create_multiple(EntityCollection::new("file", targets))).await;
        assert_eq!(world.host.execute(Request::delete(top)).await.is_err(), refused);
        world.host.idle().await.unwrap();
        assert_eq!(log.all().len(), if refused { 0 } else { 2 });
    }
}
