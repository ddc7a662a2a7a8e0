//! What a step asks of its system job.

use stagegate::{DateTime, Error, ErrorKind, Fault, NativeStep, Stage, StepContext};
use stagegate_tests::{Log, World, on_create};

/// What a native step is told when it asks its job, one after the other.
async fn answers(cx: &StepContext) -> [Result<(), Error>; 3] {
    [
        cx.save_checkpoint("here").await,
        cx.report_progress(50, "halfway").await,
        cx.postpone_until(DateTime(0)),
    ]
}

#[tokio::test]
async fn a_synchronous_step_has_no_system_job() {
    let log = Log::default();
    let noted = log.clone();
    let world = World::new(|host| {
        let asks = NativeStep::new(move |cx| {
            let noted = noted.clone();
            async move {
                noted.note(format!("{} {:?}", cx.attempt()?, cx.checkpoint()?));
                for answer in answers(&cx).await {
                    let error = answer.err().ok_or_else(|| Fault::new("it has a job"))?;
                    noted.note(format!("{:?}: {error}", error.kind()));
                }
                Ok(())
            }
        });
        let reports = NativeStep::new(|cx| async move { Ok(cx.report_progress(None, "almost").await?) });
        host.native_step("p", on_create("asks", Stage::PreOperation), asks).native_step(
            "p",
            on_create("reports", Stage::PostOperation),
            reports,
        )
    })
    .await;

    let error = world.create("a").await.unwrap_err();
    let why = |action: &str, stage: &str| {
        format!(
            "the step cannot {action}: only an asynchronous step has a system job, and it runs synchronously on Create at \
             {stage}"
        )
    };
    let refused = |action| format!("InvalidRequest: {}", why(action, "PreOperation"));
    let expected = [
        "0 None".to_owned(),
        refused("save a checkpoint"),
        refused("report progress"),
        refused("postpone itself"),
    ];
    assert_eq!(log.all(), expected, "a step may go on after it");
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::InvalidRequest, why("report progress", "PostOperation").as_str())
    );
    assert_eq!(error.location().unwrap().step.to_string(), "p/reports");
}
