//! Cascades with many children, which go on as jobs where the host allows it.

use stagegate::model::job::{Control, JobKind};
use stagegate::pipeline::host_job::CascadeThresholds;
use stagegate::store::JobSelect;
use stagegate::{
    AttributeType, Cascade, Definitions, Entity, EntityDefinition, EntityReference, Fault, Job, JobStatus,
    NativeStep, RelationshipDefinition, Request, Stage, StepDefinition, Uuid, Value,
};
use stagegate_tests::{Log, World, string, text};

const CHILDREN: usize = 250;

fn family(delete: Cascade) -> Definitions {
    let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.into()] };
    let name = || AttributeType::String { max_length: 100 };
    let entities = vec![
        EntityDefinition::new("parent").with("name", name()).user_owned(),
        EntityDefinition::new("child").with("name", name()).with("parent", lookup("parent")).user_owned(),
    ];
    let children = RelationshipDefinition::one_to_many("children", "parent", "child", "parent");
    let relationships = vec![children.on_delete(delete).on_assign(Cascade::Cascade)];
    Definitions { entities, relationships, messages: vec![] }
}

/// A host on which a Delete with more than 200 children and an Assign with more than 100 go on as jobs.
async fn world(delete: Cascade, log: &Log, refuses: bool) -> World {
    let (log, refused) = (log.clone(), log.clone());
    World::with(family(delete), |host| {
        let on_delete = |entity, stage: Stage| {
            StepDefinition::new(format!("{entity} {}", stage.number()), "Delete", stage).on(entity)
        };
        let notes = |what: &'static str| log.step(what);
        let guards = NativeStep::new(move |cx| {
            let refused = refused.clone();
            async move {
                let child = cx.retrieve(cx.record()?.unwrap(), stagegate::ColumnSet::All).await?;
                let is_first_time = !refused.all().iter().any(|line| line == "refused");
                if refuses && text(&child, "name") == "7" && is_first_time {
                    refused.note("refused");
                    return Err(Fault::new("not number 7"));
                }
                Ok(())
            }
        });
        host.asynchronous_cascades(CascadeThresholds { delete: 200, assign: 100 })
            .native_step("p", on_delete("parent", Stage::PreValidation), notes("parent 10"))
            .native_step("p", on_delete("parent", Stage::PreOperation), notes("parent 20"))
            .native_step("p", on_delete("parent", Stage::PostOperation), notes("parent 40"))
            .native_step("p", on_delete("child", Stage::PreOperation), guards)
    })
    .await
}

async fn parent_with(world: &World, children: usize) -> EntityReference {
    let parent = world.add(Entity::new("parent").with("name", string("p"))).await;
    for start in (0..children).step_by(1000) {
        let requests = (start..children.min(start + 1000)).map(|number| {
            let child = Entity::new("child").with("name", string(&number.to_string()));
            Request::create(child.with("parent", Value::EntityReference(parent.clone())))
        });
        world.run(Request::execute_transaction(requests.collect())).await;
    }
    parent
}

async fn only_job(world: &World) -> Job {
    world.host.idle().await.unwrap();
    world.host.jobs(JobSelect::Newest(1)).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_delete_with_many_children_goes_on_as_a_job() {
    let log = Log::default();
    let world = world(Cascade::Cascade, &log, false).await;
    let parent = parent_with(&world, CHILDREN).await;
    let response = world.run(Request::delete(parent.clone())).await;
    let Some(stagegate::Parameter::Value(Value::UniqueIdentifier(id))) =
        response.parameters.get("AsyncJobId")
    else {
        panic!("{response:?}");
    };
    let job = only_job(&world).await;
    assert_eq!((job.id, job.status, job.kind), (*id, JobStatus::Succeeded, JobKind::CascadeDelete));
    assert_eq!(job.regarding, Some(parent.clone()));
    assert_eq!(job.progress.unwrap().note, format!("200 of {CHILDREN} children of {parent}"));
    assert_eq!(world.names("child").await, Vec::<String>::new());
    assert_eq!(world.get(&parent).await, None);
    assert_eq!(log.all(), ["parent 10", "parent 10", "parent 20", "parent 40"], "asked for, and then done");
}

#[tokio::test]
async fn a_delete_with_few_children_is_done_at_once() {
    let log = Log::default();
    let world = world(Cascade::Cascade, &log, false).await;
    let parent = parent_with(&world, 200).await;
    let response = world.run(Request::delete(parent)).await;
    assert!(response.parameters.is_empty());
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap(), []);
    assert_eq!(log.all(), ["parent 10", "parent 20", "parent 40"]);
}

#[tokio::test]
async fn links_to_the_record_are_removed_by_the_job() {
    let world = world(Cascade::RemoveLink, &Log::default(), false).await;
    let parent = parent_with(&world, CHILDREN).await;
    world.run(Request::delete(parent.clone())).await;
    assert_eq!(only_job(&world).await.status, JobStatus::Succeeded);
    assert_eq!(world.get(&parent).await, None);
    assert_eq!(world.names("child").await.len(), CHILDREN);
}

#[tokio::test]
async fn a_restriction_refuses_at_once() {
    let world = world(Cascade::Restrict, &Log::default(), false).await;
    let parent = parent_with(&world, CHILDREN).await;
    world.host.execute(Request::delete(parent)).await.unwrap_err();
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap(), []);
}

/// One child that is refused keeps none of the others, but the record; run again, the job goes on with what is left.
#[tokio::test]
async fn a_refused_child_fails_the_job_which_can_be_run_again() {
    let world = world(Cascade::Cascade, &Log::default(), true).await;
    let parent = parent_with(&world, CHILDREN).await;
    world.run(Request::delete(parent.clone())).await;
    let job = only_job(&world).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error.unwrap().message.contains("not number 7"));
    assert_eq!(world.names("child").await, ["7"]);
    assert!(world.get(&parent).await.is_some());
    world.host.control_jobs(&[job.id], Control::Retry).await.unwrap();
    assert_eq!(only_job(&world).await.status, JobStatus::Succeeded);
    assert_eq!(world.get(&parent).await, None);
}

#[tokio::test]
async fn a_new_owner_of_many_children_is_a_job() {
    let world = world(Cascade::Cascade, &Log::default(), false).await;
    let parent = parent_with(&world, 101).await;
    let owner = EntityReference::new("systemuser", Uuid::from_u128(77));
    world.run(Request::assign(parent.clone(), owner.clone())).await;
    let owner = Value::EntityReference(owner);
    assert_eq!(world.get(&parent).await.unwrap().get("ownerid"), Some(&owner), "the record's own at once");
    let job = only_job(&world).await;
    assert_eq!((job.status, job.kind), (JobStatus::Succeeded, JobKind::CascadeAssign));
    let children =
        world.run(Request::retrieve_multiple(stagegate::Query::new("child").select(["ownerid"]))).await;
    assert_eq!(children.entities().len(), 101);
    assert!(children.entities().iter().all(|child| child.get("ownerid") == Some(&owner)));
}

/// What was asked for in a transaction that is rolled back is not asked for.
#[tokio::test]
async fn a_rollback_leaves_no_cascade() {
    let world = world(Cascade::Cascade, &Log::default(), false).await;
    let parent = parent_with(&world, CHILDREN).await;
    let missing = EntityReference::new("parent", Uuid::from_u128(1));
    let requests = vec![Request::delete(parent.clone()), Request::delete(missing)];
    world.host.execute(Request::execute_transaction(requests)).await.unwrap_err();
    world.host.idle().await.unwrap();
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap(), []);
    assert!(world.get(&parent).await.is_some());
}

/// A step that gives the child its parent back would keep the job at it for ever.
#[tokio::test]
async fn a_cascade_that_steps_undo_comes_to_an_end() {
    let world = World::with(family(Cascade::RemoveLink), |host| {
        let links_again = NativeStep::new(|cx| async move {
            let before = cx.pre_image("i")?.unwrap();
            Ok(cx.set_target([("parent", before.get("parent").cloned().unwrap())])?)
        });
        let on_update = StepDefinition::new("links", "Update", Stage::PreOperation).on("child");
        host.asynchronous_cascades(CascadeThresholds { delete: 1, assign: 1 }).native_step(
            "p",
            on_update.image("i", stagegate::ImageType::PreImage, ["parent"]),
            links_again,
        )
    })
    .await;
    let parent = parent_with(&world, 3).await;
    world.run(Request::delete(parent.clone())).await;
    let job = only_job(&world).await;
    assert_eq!(job.status, JobStatus::Failed);
    let error = job.error.unwrap().message;
    assert!(error.contains("comes to no end: 3 children are left"), "{error}");
    assert!(world.get(&parent).await.is_some());
}
