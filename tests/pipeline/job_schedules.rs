//! Message requests as jobs: run later, and again and again.

use stagegate::model::job::{Control, JobKind, Recurrence, Schedule, Suspension};
use stagegate::store::JobSelect;
use stagegate::{Clock, DateTime, ErrorKind, Fault, Job, JobStatus, NativeStep, Request, Stage, Uuid};
use stagegate_tests::{Log, World, on_create, probe, tells};

/// A moment that no test sees: the end of the year 9999, which every store keeps to the millisecond.
const FAR: DateTime = DateTime(253_402_300_799_000);

async fn job(world: &World, id: Uuid) -> Job {
    world.host.jobs(JobSelect::Ids(vec![id])).await.unwrap().remove(0)
}

fn every_year() -> Recurrence {
    Recurrence::new("FREQ=YEARLY", DateTime(0)).unwrap()
}

#[tokio::test]
async fn a_request_runs_as_a_job_with_all_its_steps() {
    let log = Log::default();
    let user = Uuid::from_u128(7);
    let world = World::new(|host| {
        let seen = tells(&log, |cx| Ok(format!("{} depth {}", cx.user()?, cx.depth()?)));
        host.native_step("p", on_create("sees", Stage::PreOperation), seen)
    })
    .await;
    let mut request = Request::create(probe("a"));
    request.user = Some(user);
    let id = world.host.schedule(request, Schedule::now()).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(world.names("probe").await, ["a"]);
    assert_eq!(log.all(), [format!("{user} depth 1")]);
    let done = job(&world, id).await;
    assert_eq!(
        (done.status, done.kind, done.message.as_str()),
        (JobStatus::Succeeded, JobKind::Request, "Create")
    );
    assert_eq!((done.owner, done.step.to_string().as_str()), (user, "stagegate/request"));
}

#[tokio::test]
async fn a_request_that_is_not_well_formed_is_refused_at_once() {
    let world = World::new(|host| host).await;
    let bad = Request::create(stagegate::Entity::new("nothing"));
    let error = world.host.schedule(bad, Schedule::now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap(), []);
}

#[tokio::test]
async fn a_request_waits_for_its_moment() {
    let world = World::new(|host| host).await;
    let id = world.host.schedule(Request::create(probe("a")), Schedule::at(FAR)).await.unwrap();
    world.host.idle().await.unwrap();
    let waiting = job(&world, id).await;
    assert_eq!((waiting.suspension, waiting.postpone_until), (Some(Suspension::Postponed), Some(FAR)));
    world.host.control_jobs(&[id], Control::Resume).await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(job(&world, id).await.status, JobStatus::Succeeded);
}

/// Whether a run succeeds or not, it is followed by the next, until somebody cancels it.
#[tokio::test]
async fn a_recurring_request_waits_for_its_next_moment() {
    let world = World::new(|host| {
        let refuses = NativeStep::new(|cx| async move {
            let second = cx.execute(Request::retrieve_multiple(stagegate::Query::new("probe"))).await?;
            if second.entities().is_empty() { Ok(()) } else { Err(Fault::new("one is enough")) }
        });
        host.native_step("p", on_create("refuses", Stage::PreOperation), refuses)
    })
    .await;
    let id =
        world.host.schedule(Request::create(probe("a")), Schedule::recurring(every_year())).await.unwrap();
    world.host.idle().await.unwrap();
    let next = job(&world, id).await.postpone_until;
    assert_eq!(next, every_year().next(stagegate::SystemClock.now()).unwrap());
    for (attempt, failed) in [(1, false), (2, true), (3, true)] {
        world.host.control_jobs(&[id], Control::Resume).await.unwrap();
        world.host.idle().await.unwrap();
        let job = job(&world, id).await;
        assert_eq!((job.status, job.suspension), (JobStatus::Waiting, Some(Suspension::Postponed)));
        assert_eq!((job.attempt, job.retries, job.error.is_some()), (attempt, 0, failed));
        assert_eq!((job.postpone_until, job.recurrence), (next, Some(every_year())));
    }
    world.host.control_jobs(&[id], Control::Cancel).await.unwrap();
    assert_eq!(job(&world, id).await.status, JobStatus::Canceled);
    assert_eq!(world.names("probe").await, ["a"]);
}

#[tokio::test]
async fn a_schedule_with_a_name_takes_the_place_of_the_one_before() {
    let world = World::new(|host| host).await;
    let nightly = async |name: &str, at: i64| {
        let schedule = Schedule::at(DateTime(FAR.0 + at)).named("nightly");
        world.host.schedule(Request::create(probe(name)), schedule).await.unwrap()
    };
    let first = nightly("a", 0).await;
    let second = nightly("b", 5).await;
    assert_eq!(job(&world, first).await.status, JobStatus::Canceled);
    assert_eq!(job(&world, second).await.postpone_until, Some(DateTime(FAR.0 + 5)), "its own moment");
    // Paused by somebody, it stays so although the service starts anew.
    world.host.control_jobs(&[second], Control::Pause).await.unwrap();
    let third = nightly("c", 9).await;
    assert_eq!(job(&world, third).await.suspension, Some(Suspension::Paused));
}

/// Work of the service's own, in the transaction that caused it.
#[tokio::test]
async fn a_step_schedules_a_request_in_its_transaction() {
    let world = World::new(|host| {
        let schedules = NativeStep::new(|cx| async move {
            let inner = stagegate::Entity::new("inner").with("name", stagegate::Value::from("follows"));
            cx.schedule(Request::create(inner), Schedule::now()).await?;
            match cx.target()?.map(|target| stagegate_tests::text(&target, "name")).as_deref() {
                Some("bad") => Err(Fault::new("and then it fails")),
                _ => Ok(()),
            }
        });
        host.native_step("p", on_create("schedules", Stage::PostOperation), schedules)
    })
    .await;
    world.create("bad").await.unwrap_err();
    world.host.idle().await.unwrap();
    assert_eq!(world.host.jobs(JobSelect::Newest(9)).await.unwrap(), []);
    world.create("good").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(world.names("inner").await, ["follows"]);
    let job = world.host.jobs(JobSelect::Newest(1)).await.unwrap().remove(0);
    assert_eq!(job.depth, 2, "one deeper than the request that it comes from");
}
