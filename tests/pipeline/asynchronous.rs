//! Asynchronous steps: jobs in the transaction, run after the commit, their outcome kept.

use stagegate::store::JobSelect;
use stagegate::{
    DateTime, Decimal, EntityCollection, EntityReference, ErrorKind, Fault, ImageType, Job, JobStatus,
    NativeStep, Request, Stage, StepDefinition, Value,
};
use stagegate_tests::{Database, Log, World, on_create, on_update, probe, string, text};
use uuid::Uuid;

async fn jobs(world: &World) -> Vec<Job> {
    world.host.jobs(JobSelect::Newest(100)).await.unwrap()
}

#[tokio::test]
async fn a_job_runs_after_the_commit_and_keeps_its_outcome() {
    let log = Log::default();
    let seen = log.clone();
    let world = World::new(|host| {
        let follows = NativeStep::new(move |cx| {
            let seen = seen.clone();
            async move {
                cx.trace("following up");
                seen.note(format!("{} {}", cx.mode()?, cx.stage()?));
                let id = cx.record()?.unwrap();
                let record = cx.retrieve(id, stagegate::ColumnSet::All).await?;
                seen.note(format!("finds {}", text(&record, "name")));
                Ok(())
            }
        });
        host.native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), follows)
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["asynchronous PostOperation", "finds a"]);
    let [job] = jobs(&world).await.try_into().unwrap();
    assert_eq!(job.status, JobStatus::Succeeded);
    assert_eq!(job.step.to_string(), "p/follows");
    assert_eq!(job.message, "Create");
    assert_eq!(job.regarding.unwrap().id, id);
    assert_eq!((job.attempt, job.depth), (1, 1));
    assert_eq!(job.trace, ["following up"]);
    assert!(job.started_on.is_some() && job.completed_on.is_some());
}

#[tokio::test]
async fn a_transaction_queues_so_much_and_no_more() {
    let log = Log::default();
    let world = World::new(|host| {
        let shares = NativeStep::new(|cx| async move {
            cx.set_shared_variable("large", string(&"x".repeat(1_000_000)))?;
            Ok(())
        });
        let first = StepDefinition::new("shares", "CreateMultiple", Stage::PreOperation).on("probe");
        host.native_step("p", first, shares).native_step(
            "p",
            on_create("follows", Stage::PostOperation).asynchronous(),
            log.step("ran"),
        )
    })
    .await;
    let create = |count| {
        let probes = (0..count).map(|number: u32| probe(&number.to_string())).collect();
        world.host.execute(Request::create_multiple(EntityCollection::new("probe", probes)))
    };
    let error = create(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let said = "cannot queue a job for the step p/follows beside 67 others: their contexts would have more than 64 MiB";
    assert!(error.message().contains(said), "{error}");
    assert!(world.names("probe").await.is_empty() && jobs(&world).await.is_empty());

    create(2).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["ran", "ran"]);
}

#[tokio::test]
async fn a_rolled_back_request_leaves_no_job() {
    let log = Log::default();
    let world = World::new(|host| {
        let refuses = NativeStep::new(|_| async { Err(Fault::new("no")) });
        let after = StepDefinition::new("refuses", "Update", Stage::PostOperation).on("probe");
        let nests = NativeStep::new(|cx| async move {
            cx.create(probe("nested")).await?;
            Ok(())
        });
        host.native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), log.step("ran"))
            .native_step("p", on_update("nests", Stage::PreOperation), nests)
            .native_step("p", after, refuses)
    })
    .await;
    let id = world.create("a").await.unwrap().id().unwrap();
    world.host.execute(Request::update(probe("b").with_id(id))).await.unwrap_err();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["ran"], "the one of the first Create alone");
    assert_eq!(jobs(&world).await.len(), 1);
}

#[tokio::test]
async fn a_failed_job_keeps_the_error() {
    let world = World::new(|host| {
        let fails = NativeStep::new(|cx| async move {
            cx.trace("trying");
            Err(Fault::new("the other side does not answer"))
        });
        host.native_step("p", on_create("fails", Stage::PostOperation).asynchronous(), fails)
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let [job] = jobs(&world).await.try_into().unwrap();
    assert_eq!(job.status, JobStatus::Failed);
    let error = job.error.unwrap();
    assert_eq!(error.code, -2_147_220_891);
    assert!(error.message.contains("the other side does not answer"), "{error:?}");
    assert!(error.message.contains("step `fails` of plugin `p`"), "{error:?}");
    assert_eq!(job.trace, ["trying"]);
    assert_eq!(world.names("probe").await, ["a"], "what was committed stays");
}

#[tokio::test]
async fn a_job_has_the_context_of_when_it_was_queued() {
    let log = Log::default();
    let seen = log.clone();
    let world = World::new(|host| {
        let shares = NativeStep::new(|cx| async move { Ok(cx.set_shared_variable("x", Value::Integer(3))?) });
        let early = NativeStep::new(|cx| async move { Ok(cx.set_shared_variable("y", Value::Integer(4))?) });
        let follows = NativeStep::new(move |cx| {
            let seen = seen.clone();
            async move {
                let before = cx.pre_image("i")?.unwrap();
                let after = cx.post_image("i")?.unwrap();
                seen.note(format!("{} -> {}", text(&before, "name"), text(&after, "name")));
                seen.note(format!("{:?} {:?}", cx.shared_variable("x")?, cx.parent_shared_variable(1, "y")?));
                Ok(())
            }
        });
        let on = on_update("follows", Stage::PostOperation).asynchronous();
        host.native_step("p", on.image("i", ImageType::Both, ["name"]), follows)
            .native_step("p", on_update("shares", Stage::PreOperation), shares)
            .native_step("p", on_update("early", Stage::PreValidation), early)
            .workers(1)
    })
    .await;
    let id = world.create("one").await.unwrap().id().unwrap();
    for name in ["two", "three"] {
        world.host.execute(Request::update(probe(name).with_id(id))).await.unwrap();
    }
    world.host.idle().await.unwrap();
    let shared = "Some(Integer(3)) Some(Integer(4))";
    assert_eq!(log.all(), ["one -> two", shared, "two -> three", shared]);
}

#[tokio::test]
async fn a_job_has_values_of_every_type_as_they_were() {
    let id = Uuid::from_u128(1 << 127);
    let values = [
        Value::Null,
        Value::Boolean(false),
        Value::Integer(i32::MIN),
        Value::BigInteger(i64::MAX),
        Value::Double(f64::MIN_POSITIVE),
        Value::Double(-1e300),
        Value::Decimal(Decimal::MAX),
        Value::Money("-0.0001".parse().unwrap()),
        string(""),
        string("\0 \u{10FFFF} \" \\"),
        Value::DateTime(DateTime::MIN),
        Value::DateTime(DateTime(-1)),
        Value::UniqueIdentifier(id),
        Value::Choice(-1),
        Value::Choices(vec![3, i32::MAX]),
        Value::EntityReference(EntityReference::new("probe", id)),
    ];
    let (shared, expected) = (values.clone(), values.clone());
    let log = Log::default();
    let seen = log.clone();
    let world = World::new(|host| {
        let shares = NativeStep::new(move |cx| {
            let shared = shared.clone();
            async move {
                for (number, value) in shared.into_iter().enumerate() {
                    cx.set_shared_variable(number.to_string(), value)?;
                }
                Ok(())
            }
        });
        let follows = NativeStep::new(move |cx| {
            let (seen, expected) = (seen.clone(), expected.clone());
            async move {
                for (number, value) in expected.into_iter().enumerate() {
                    let found = cx.shared_variable(&number.to_string())?;
                    seen.note(format!("{} {value}", found == Some(value.clone())));
                }
                Ok(())
            }
        });
        host.native_step("p", on_create("shares", Stage::PreOperation), shares).native_step(
            "p",
            on_create("follows", Stage::PostOperation).asynchronous(),
            follows,
        )
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), values.map(|value| format!("true {value}")));
}

#[tokio::test]
async fn requests_of_an_asynchronous_step_are_transactions_of_their_own() {
    let world = World::new(|host| {
        let follows = NativeStep::new(|cx| async move {
            assert_eq!(cx.depth()?, 1);
            cx.create(stagegate::Entity::new("inner").with("name", string("kept"))).await?;
            let missing = EntityReference::new("inner", Uuid::from_u128(1));
            cx.delete(missing).await.unwrap_err();
            cx.create(stagegate::Entity::new("inner").with("name", string("kept too"))).await?;
            Err(Fault::new("and then it fails"))
        });
        host.native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), follows)
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(world.names("inner").await, ["kept", "kept too"]);
}

#[tokio::test]
async fn queued_jobs_outlive_the_host() {
    let database = Database::fresh();
    let log = Log::default();
    let build = |workers, log: &Log| {
        database
            .host()
            .workers(workers)
            .native_step("p", on_create("follows", Stage::PostOperation).asynchronous(), log.step("ran"))
            .build()
    };
    let first = build(0, &log).await.unwrap();
    first.define(vec![stagegate_tests::entity("probe")]).await.unwrap();
    first.execute(Request::create(probe("a"))).await.unwrap();
    first.shutdown().await;
    assert_eq!(log.all(), Vec::<String>::new());

    let second = build(2, &log).await.unwrap();
    second.idle().await.unwrap();
    assert_eq!(log.all(), ["ran"]);
    second.shutdown().await;
}

#[tokio::test]
async fn a_panic_in_a_step_fails_its_job_alone() {
    let log = Log::default();
    let world =
        World::new(|host| {
            let panics = NativeStep::new(|_| async { panic!("a defect of the service") });
            host.native_step("p", on_create("panics", Stage::PostOperation).asynchronous(), panics)
                .native_step("p", on_create("fine", Stage::PostOperation).asynchronous(), log.step("ran"))
        })
        .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let statuses: Vec<JobStatus> = jobs(&world).await.iter().map(|job| job.status).collect();
    assert_eq!(statuses, [JobStatus::Failed, JobStatus::Succeeded]);
    assert_eq!(log.all(), ["ran"]);
}

#[tokio::test]
async fn a_host_deletes_the_jobs_that_are_past_their_retention() {
    let database = Database::fresh();
    let build = |retention| {
        let ends = NativeStep::new(|cx| async move {
            match cx.target()?.map(|target| text(&target, "name")).as_deref() {
                Some("bad") => Err(Fault::new("a dead letter")),
                _ => Ok(()),
            }
        });
        database
            .host()
            .define(vec![stagegate_tests::entity("probe")])
            .job_retention(retention)
            .native_step("p", on_create("ends", Stage::PostOperation).asynchronous(), ends)
            .build()
    };
    let keeps = build(None).await.unwrap();
    for name in ["good", "bad"] {
        keeps.execute(Request::create(probe(name))).await.unwrap();
    }
    keeps.idle().await.unwrap();
    assert_eq!(keeps.jobs(JobSelect::Newest(9)).await.unwrap().len(), 2);
    keeps.shutdown().await;

    let deletes = build(Some(std::time::Duration::ZERO)).await.unwrap();
    let left = loop {
        let jobs = deletes.jobs(JobSelect::Newest(9)).await.unwrap();
        if jobs.len() < 2 {
            break jobs;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(left[0].status, JobStatus::Failed, "a dead letter stays");
}
