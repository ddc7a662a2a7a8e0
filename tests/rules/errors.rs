//! What a caller sees of a failure.

use stagegate::model::code;
use stagegate::{
    Cascade, ColumnSet, ErrorKind, Fault, JobStatus, NativeStep, OperationStatus, Request, Stage, Value,
};
use stagegate_tests::{World, on_create, string};

use super::{creates, file, folder, folders, missing, on};

fn fault() -> Fault {
    let mut fault = Fault::new("not today");
    fault.code = 12_345;
    fault.status = OperationStatus::Canceled;
    fault.details = vec![("why".into(), "it is Sunday".into())];
    fault
}

#[tokio::test]
async fn a_plugin_chooses_code_status_message_and_details() {
    for nested in [false, true] {
        let world = World::new(|host| {
            let throws = NativeStep::new(|_| async { Err(fault()) });
            if nested {
                host.native_step("q", on_create("nests", Stage::PreOperation), creates("n")).native_step(
                    "p",
                    on("Create", "inner", Stage::PostOperation),
                    throws,
                )
            } else {
                host.native_step("p", on_create("throws", Stage::PreOperation), throws)
            }
        })
        .await;
        let error = world.create("a").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, 12_345), "nested: {nested}");
        assert_eq!((error.message(), error.status()), ("not today", OperationStatus::Canceled));
        assert!(error.details().contains(&("why".into(), "it is Sunday".into())), "{:?}", error.details());
        assert_eq!(error.location().unwrap().step.plugin, "p", "where it arose");
    }
}

#[tokio::test]
async fn a_panic_is_an_unexpected_error_of_the_plugin() {
    let world = World::new(|host| {
        let panics = NativeStep::new(|_| async { panic!("a defect") });
        host.native_step("p", on_create("panics", Stage::PreOperation), panics)
    })
    .await;
    assert_eq!(world.create("a").await.unwrap_err().code(), code::ISV_UNEXPECTED);
}

#[tokio::test]
async fn the_users_message_has_no_place_in_it_and_the_operators_text_has() {
    let world = World::new(|host| {
        let throws = NativeStep::new(|cx| async move {
            cx.trace("a line");
            Err(fault())
        });
        host.native_step("p", on_create("throws", Stage::PreOperation), throws)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    assert_eq!(error.message(), "not today");
    assert!(error.to_string().starts_with("step `throws` of plugin `p` at PreOperation"), "{error}");
    assert!(format!("{error:?}").contains("traced: a line"));
}

#[tokio::test]
async fn a_job_keeps_the_plugins_code() {
    let world = World::new(|host| {
        let throws = NativeStep::new(|_| async { Err(fault()) });
        host.native_step("p", on_create("throws", Stage::PostOperation).asynchronous(), throws)
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let jobs = world.host.jobs(stagegate::store::JobSelect::Newest(1)).await.unwrap();
    assert_eq!(
        (jobs[0].status, jobs[0].error.as_ref().unwrap().code),
        (JobStatus::Canceled, 12_345),
        "as its status says"
    );
}

#[tokio::test]
async fn requests_that_fail_have_the_platforms_code() {
    let world = World::with(folders(Cascade::Restrict, Cascade::NoCascade), |host| host).await;
    let top = world.add(folder("a")).await;
    world.add(file("f", &top)).await;
    let update = |id| Request::update(folder("b").with_id(id));
    let cases = [
        (Request::retrieve(missing("folder"), ColumnSet::All), 0x8004_0217_u32),
        (update(missing("folder").id), 0x8004_0217),
        (Request::delete(missing("folder")), 0x8004_0217),
        (Request::assign(missing("folder"), super::user(1)), 0x8004_0217),
        (Request::set_state(missing("folder"), 1, None), 0x8004_0217),
        (Request::create(file("f", &missing("folder"))), 0x8004_0217),
        (Request::associate(top.clone(), "likes", vec![missing("file")]), 0x8004_0217),
        (Request::create(folder("a").with_id(top.id)), 0x8004_0237),
        (Request::create(folder("a").with("name", Value::Integer(1))), 0x8004_0203),
        (Request::create(folder("a").with("nmae", string("a"))), 0x8004_0203),
        (Request::delete(top.clone()), 0x8004_0227),
        (update(top.id).if_row_version(9), 0x8006_0882),
        (update(top.id).with("ConcurrencyBehavior", Value::Choice(1)), 0x8006_0883),
        (Request::new("sg_Nothing", Default::default()), 0x8006_088a),
    ];
    for (request, code) in cases {
        let message = request.message.clone();
        let error = world.host.execute(request).await.unwrap_err();
        assert_eq!(error.code() as u32, code, "{message}: {:#x} {error}", error.code());
    }
    assert_eq!(world.names("folder").await, ["a"]);
}
