//! Dry runs: everything runs, nothing stays, the differences are told.

use stagegate::{
    ChangeKind, Entity, EntityReference, ErrorKind, Fault, NativeStep, Request, Stage, StepDefinition,
};
use stagegate_tests::{World, on_create, on_update, probe, string};

#[tokio::test]
async fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let world = World::new(|host| {
        let writes = || {
            NativeStep::new(|cx| async move {
                cx.create(Entity::new("inner").with("name", string(&format!("at {}", cx.stage()?)))).await?;
                Ok(())
            })
        };
        host.native_step("p", on_update("early", Stage::PreValidation), writes())
            .native_step("p", on_update("late", Stage::PostOperation), writes())
            .native_step("p", on_update("job", Stage::PostOperation).asynchronous(), writes())
    })
    .await;
    let record = world.add(probe("old")).await;
    let dry = world.host.dry_run(Request::update(probe("new").with_id(record.id))).await;
    dry.result.unwrap();
    let told: Vec<_> =
        dry.changes.iter().map(|change| (change.record.entity.as_str(), change.kind)).collect();
    assert_eq!(
        told,
        [("inner", ChangeKind::Created), ("inner", ChangeKind::Created), ("probe", ChangeKind::Updated)]
    );
    let name = dry.changes[2].attributes.iter().find(|change| change.attribute == "name").unwrap();
    assert_eq!((&name.old, &name.new), (&Some(string("old")), &Some(string("new"))));
    let jobs: Vec<_> = dry.jobs.iter().map(|job| job.step.to_string()).collect();
    assert_eq!(jobs, ["p/job"]);
    assert!(dry.trace.is_some_and(|trace| trace.error.is_none()));

    assert_eq!(world.names("probe").await, ["old"]);
    assert_eq!(world.names("inner").await, Vec::<String>::new(), "not even what PreValidation wrote");
    assert_eq!(world.host.jobs(stagegate::store::JobSelect::Newest(9)).await.unwrap(), []);
}

#[tokio::test]
async fn a_dry_run_of_a_delete_names_what_goes_with_it() {
    use stagegate::{AttributeType, Cascade, Definitions, EntityDefinition, RelationshipDefinition};
    let lookup = AttributeType::Lookup { targets: vec!["top".into()] };
    let definitions = Definitions {
        entities: vec![EntityDefinition::new("top"), EntityDefinition::new("part").with("top", lookup)],
        relationships: vec![
            RelationshipDefinition::one_to_many("top_parts", "top", "part", "top")
                .on_delete(Cascade::Cascade),
        ],
        messages: vec![],
    };
    let world = World::with(definitions, |host| host).await;
    let top = world.add(Entity::new("top")).await;
    let part = world.add(Entity::new("part").with("top", top.clone())).await;
    let dry = world.host.dry_run(Request::delete(top.clone())).await;
    let told: Vec<_> = dry.changes.iter().map(|change| (&change.record, change.kind)).collect();
    assert_eq!(told, [(&part, ChangeKind::Deleted), (&top, ChangeKind::Deleted)]);
    assert!(world.get(&top).await.is_some() && world.get(&part).await.is_some());
}

#[tokio::test]
async fn a_dry_run_that_fails_says_why_and_where() {
    let world = World::new(|host| {
        let refuses = NativeStep::new(|_| async { Err(Fault::new("no")) });
        host.native_step("p", on_create("refuse", Stage::PostOperation), refuses)
    })
    .await;
    let dry = world.host.dry_run(Request::create(probe("a"))).await;
    let error = dry.result.unwrap_err();
    assert_eq!(error.location().unwrap().step.step, "refuse");
    assert_eq!((dry.changes.len(), dry.jobs.len()), (0, 0));
    let missing = EntityReference::new("nothing", uuid::Uuid::nil());
    let dry = world.host.dry_run(Request::delete(missing)).await;
    assert_eq!(dry.result.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(dry.trace.is_none());
}

#[tokio::test]
async fn what_a_step_creates_and_deletes_again_is_no_change() {
    let world = World::new(|host| {
        let undoes = NativeStep::new(|cx| async move {
            let id = cx.create(Entity::new("inner").with("name", string("x"))).await?;
            Ok(cx.delete(EntityReference::new("inner", id)).await?)
        });
        host.native_step("p", StepDefinition::new("s", "Create", Stage::PreOperation).on("probe"), undoes)
    })
    .await;
    let dry = world.host.dry_run(Request::create(probe("a"))).await;
    assert_eq!(dry.changes.len(), 1, "{:?}", dry.changes);
}
