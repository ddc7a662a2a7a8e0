//! Depth and the loops that it ends.

use stagegate::model::code;
use stagegate::{Cascade, ErrorKind, JobStatus, NativeStep, Request, Stage, store::JobSelect};
use stagegate_tests::{Log, World, on_create, probe, tells};

use super::{creates, file, folder, folders, inner, on};

#[tokio::test]
async fn depth_goes_on_through_jobs_and_a_loop_of_jobs_ends() {
    let log = Log::default();
    let notes = log.clone();
    let world = World::new(|host| {
        let again = NativeStep::new(move |cx| {
            let notes = notes.clone();
            async move {
                notes.note(cx.depth()?.to_string());
                cx.create(probe("again")).await?;
                Ok(())
            }
        });
        host.native_step("p", on_create("again", Stage::PostOperation).asynchronous(), again)
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    assert_eq!(log.all(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(world.names("probe").await.len(), 8);
    let jobs = world.host.jobs(JobSelect::Newest(20)).await.unwrap();
    let (last, others) = jobs.split_last().unwrap();
    assert!(others.iter().all(|job| job.status == JobStatus::Succeeded));
    assert_eq!((last.status, last.depth), (JobStatus::Failed, 8));
    assert_eq!(last.error.as_ref().unwrap().code, code::DEPTH_TOO_HIGH);
}

#[tokio::test]
async fn depth_counts_what_is_nested_and_not_how_much_there_is() {
    let log = Log::default();
    let world = World::new(|host| {
        let many = NativeStep::new(|cx| async move {
            for _ in 0..20 {
                cx.create(inner("n")).await?;
            }
            let two = vec![Request::create(inner("t")), Request::create(inner("u"))];
            cx.execute(Request::execute_transaction(two)).await?;
            Ok(())
        });
        host.native_step("p", on_create("many", Stage::PreOperation), many).native_step(
            "p",
            on("Create", "inner", Stage::PreOperation),
            tells(&log, |cx| Ok(cx.depth()?.to_string())),
        )
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(log.all(), vec!["2"; 22]);
}

#[tokio::test]
async fn a_cascade_at_the_limit_still_runs_and_what_its_steps_issue_is_refused() {
    for (limit, nests, allowed) in [(1, false, true), (1, true, false), (2, true, false), (3, true, true)] {
        let log = Log::default();
        let mut definitions = folders(Cascade::Cascade, Cascade::NoCascade);
        definitions.entities.push(stagegate_tests::entity("inner"));
        let world = World::with(definitions, |host| {
            let step = on("Delete", "file", Stage::PostOperation);
            let depth = tells(&log, |cx| Ok(cx.depth()?.to_string()));
            let host = host.depth_limit(limit).native_step("p", step.clone(), depth);
            if nests { host.native_step("q", step, creates("note")) } else { host }
        })
        .await;
        let top = world.add(folder("a")).await;
        world.add(file("f", &top)).await;
        let result = world.host.execute(Request::delete(top)).await;
        assert_eq!(log.all(), ["2"]);
        let left = world.names("file").await.len();
        match result {
            Ok(_) => assert!(allowed && left == 0, "limit {limit}"),
            Err(error) => {
                assert!(!allowed && left == 1, "limit {limit}: {error}");
                assert_eq!(error.kind(), ErrorKind::DepthExceeded);
            }
        }
    }
}
