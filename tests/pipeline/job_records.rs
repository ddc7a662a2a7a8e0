//! System jobs as records of the entity `asyncoperation`: queried, read, and moved by Update, from outside and by steps.

use stagegate::model::code;
use stagegate::model::job::{POSTPONE_UNTIL, SYSTEM_JOB_ENTITY};
use stagegate::store::{JobSelect, PausedStep};
use stagegate::{
    AttributeType, DateTime, Definitions, Entity, EntityDefinition, EntityReference, ErrorKind, Fault,
    Filter, JobStatus, Link, NativeStep, Operator, Query, Request, Stage, Value,
};
use stagegate_tests::{World, on_create, text};

/// A host with three jobs, `a` done, `b` failed, and `c` ready in a step that is paused.
async fn world() -> World {
    let world = World::new(|host| {
        let follows = NativeStep::new(|cx| async move {
            match cx.target()?.map(|target| text(&target, "name")).as_deref() {
                Some("b") => Err(Fault::new("not b")),
                _ => Ok(()),
            }
        });
        host.native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), follows)
    })
    .await;
    for name in ["a", "b"] {
        world.create(name).await.unwrap();
    }
    world.host.idle().await.unwrap();
    world.host.pause_step(PausedStep { plugin: "p".into(), step: Some("follows".into()) }).await.unwrap();
    world.create("c").await.unwrap();
    world
}

async fn records(world: &World) -> Vec<EntityReference> {
    let jobs = world.host.jobs(JobSelect::Newest(9)).await.unwrap();
    jobs.iter().map(|job| EntityReference::new(SYSTEM_JOB_ENTITY, job.id)).collect()
}

async fn found(world: &World, query: Query) -> Vec<Entity> {
    world.run(Request::retrieve_multiple(query)).await.entities().to_vec()
}

#[tokio::test]
async fn a_job_is_read_as_a_record() {
    let world = world().await;
    let failed = world.get(&records(&world).await[1]).await.unwrap();
    let job = &world.host.jobs(JobSelect::Newest(2)).await.unwrap()[0];
    for (attribute, expected) in [
        ("name", Value::String("p/follows".into())),
        ("stepname", Value::String("follows".into())),
        ("messagename", Value::String("Create".into())),
        ("primaryentitytype", Value::String("probe".into())),
        ("regardingobjectid", Value::UniqueIdentifier(job.regarding.as_ref().unwrap().id)),
        ("correlationid", Value::UniqueIdentifier(job.correlation_id)),
        ("statecode", Value::Choice(3)),
        ("statuscode", Value::Choice(31)),
        ("errorcode", Value::Integer(code::ISV_ABORTED)),
        (
            "message",
            Value::String("step `follows` of plugin `p` at PostOperation of Create probe: not b".into()),
        ),
        ("attemptcount", Value::Integer(1)),
        ("isblocked", Value::Boolean(false)),
        ("retainjobhistory", Value::Boolean(true)),
        ("createdon", Value::DateTime(job.created_on)),
        ("completedon", Value::DateTime(job.completed_on.unwrap())),
        (POSTPONE_UNTIL, Value::Null),
    ] {
        assert_eq!(failed.get(attribute), Some(&expected), "{attribute}");
    }
    let Some(Value::Double(seconds)) = failed.get("executiontimespan") else { panic!("{failed:?}") };
    assert_eq!(*seconds, job.execution_time.as_secs_f64());
}

#[tokio::test]
async fn jobs_are_queried_with_everything_that_queries_can() {
    let world = world().await;
    let names = async |query: Query| -> Vec<String> {
        found(&world, query).await.iter().map(|record| text(record, "p.name")).collect()
    };
    // Joined to the record that they are about, which is no lookup.
    let about = Link::inner("probe", "probeid", "regardingobjectid", "p").select(["name"]);
    let base = Query::new(SYSTEM_JOB_ENTITY).link(about).order_by("createdon");
    assert_eq!(names(base.clone()).await, ["a", "b", "c"]);
    let with = |filter| base.clone().filter(filter);
    let state = |operator, state| Filter::condition("statecode", operator, Value::Choice(state));
    assert_eq!(names(with(state(Operator::Eq, 3))).await, ["a", "b"]);
    assert_eq!(names(with(state(Operator::Ne, 3))).await, ["c"]);
    let step = Filter::condition("name", Operator::Eq, Value::String("P/FOLLOWS".into()));
    assert_eq!(names(with(step)).await.len(), 3, "text is compared without regard to case, as everywhere");
    let xml = "<fetch><entity name='asyncoperation'><attribute name='statuscode'/>
        <filter><condition attribute='message' operator='like' value='%not b%'/></filter></entity></fetch>";
    let query = Query::from_fetch_xml(xml, &world.host.schema()).unwrap();
    assert_eq!(found(&world, query).await.len(), 1);
}

#[tokio::test]
async fn an_update_moves_a_job() {
    let world = world().await;
    let ready = records(&world).await[2].clone();
    let update = async |attribute: &str, value: Value| {
        let target = Entity::new(SYSTEM_JOB_ENTITY).with_id(ready.id).with(attribute, value);
        world.host.execute(Request::update(target)).await
    };
    let status = async || world.get(&ready).await.unwrap().get("statuscode").cloned();
    update("statecode", Value::Choice(1)).await.unwrap();
    assert_eq!(status().await, Some(Value::Choice(10)));
    let moment = Value::DateTime(DateTime(4_000_000_000_000));
    update(POSTPONE_UNTIL, moment.clone()).await.unwrap();
    assert_eq!(world.get(&ready).await.unwrap().get(POSTPONE_UNTIL), Some(&moment));
    update("statecode", Value::Choice(0)).await.unwrap();
    assert_eq!(status().await, Some(Value::Choice(0)));
    for (attribute, value, expected) in [
        ("statuscode", Value::Choice(31), code::JOB_NOT_TO_COMPLETED),
        ("statecode", Value::Choice(2), code::INVALID_JOB_STATE),
        ("name", Value::String("x".into()), code::INVALID_ARGUMENT),
    ] {
        assert_eq!(update(attribute, value).await.unwrap_err().code(), expected, "{attribute}");
    }
    // A transaction that is rolled back has moved nothing.
    let cancel = Entity::new(SYSTEM_JOB_ENTITY).with_id(ready.id).with("statecode", Value::Choice(3));
    let bad = Request::delete(EntityReference::new("probe", ready.id));
    let both = Request::execute_transaction(vec![Request::update(cancel.clone()), bad]);
    world.host.execute(both).await.unwrap_err();
    assert_eq!(status().await, Some(Value::Choice(0)));
    world.run(Request::update(cancel)).await;
    assert_eq!(status().await, Some(Value::Choice(32)));
    let error = update("statecode", Value::Choice(0)).await.unwrap_err();
    assert_eq!(error.code(), code::JOB_NOT_TO_READY);
}

#[tokio::test]
async fn only_a_job_that_is_over_is_deleted() {
    let world = world().await;
    let [done, failed, ready] = records(&world).await.try_into().unwrap();
    let error = world.host.execute(Request::delete(ready.clone())).await.unwrap_err();
    assert_eq!(error.code(), code::CANNOT_DELETE_JOB);
    for over in [done, failed] {
        world.run(Request::delete(over.clone())).await;
        assert_eq!(world.get(&over).await, None);
    }
    assert_eq!(records(&world).await, [ready]);
}

#[tokio::test]
async fn the_host_alone_makes_jobs() {
    let world = world().await;
    let job = || Entity::new(SYSTEM_JOB_ENTITY);
    for request in [Request::create(job()), Request::upsert(job().with_id(stagegate::Uuid::from_u128(1)))] {
        let error = world.host.execute(request.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{request:?}");
        assert!(error.message().contains("the host makes the system jobs"), "{error}");
    }
    let own = EntityDefinition::new(SYSTEM_JOB_ENTITY).with("mine", AttributeType::Integer);
    let error = world.host.define(vec![own]).await.unwrap_err();
    assert!(error.message().contains("is the host's own"), "{error}");
    let targets = vec![SYSTEM_JOB_ENTITY.to_owned()];
    let points = EntityDefinition::new("note").with("about", AttributeType::Lookup { targets });
    let error = world.host.define(vec![points]).await.unwrap_err();
    assert!(error.message().contains("loses its records with time"), "{error}");
    // What a listing has can be defined again.
    let schema = world.host.schema();
    let entities: Vec<EntityDefinition> = schema.entities.values().map(|entity| (**entity).clone()).collect();
    assert_eq!(world.host.define(Definitions::from(entities)).await.unwrap().version, schema.version);
}

/// A step that finds the jobs of its record that wait, and calls them off: in the transaction, so that they are gone with
/// it or not at all.
#[tokio::test]
async fn a_step_calls_off_jobs_of_its_record() {
    let world = World::new(|host| {
        let calls_off = NativeStep::new(|cx| async move {
            let record = cx.record()?.unwrap();
            let of_it = Filter::All(vec![
                Filter::condition("regardingobjectid", Operator::Eq, Value::UniqueIdentifier(record.id)),
                Filter::condition("statecode", Operator::Eq, Value::Choice(0)),
            ]);
            let query = Query::new(SYSTEM_JOB_ENTITY).filter(of_it);
            for job in cx.retrieve_multiple(query).await? {
                let target = Entity::new(SYSTEM_JOB_ENTITY).with_id(job.id.unwrap());
                cx.update(target.with("statecode", Value::Choice(3))).await?;
            }
            Ok(())
        });
        let on_delete =
            stagegate::StepDefinition::new("calls_off", "Delete", Stage::PreOperation).on("probe");
        let idle = NativeStep::new(|_| async { Ok(()) });
        host.native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), idle)
            .native_step("q", on_delete, calls_off)
    })
    .await;
    world.host.pause_step(PausedStep { plugin: "p".into(), step: None }).await.unwrap();
    let id = world.create("a").await.unwrap().id().unwrap();
    world.create("b").await.unwrap();
    world.run(Request::delete(EntityReference::new("probe", id))).await;
    let statuses: Vec<JobStatus> =
        world.host.jobs(JobSelect::Newest(9)).await.unwrap().iter().map(|job| job.status).collect();
    assert_eq!(statuses, [JobStatus::Canceled, JobStatus::WaitingForResources]);
}
