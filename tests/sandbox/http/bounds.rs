//! How long a call may take, how much it may bring, and what becomes of the transaction that it is made from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stagegate::store::Store;
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::wasm::{Engine, Settings};
use stagegate::{Error, ErrorKind, Request, Stage};
use stagegate_tests::interposed::{Interposed, Moment};
use stagegate_tests::web::{Answer, Names, Server, response};
use stagegate_tests::{GUEST_CAPABILITIES, PATIENCE, World, load, probe, string};

use super::{API, PLUGIN, api, hello, rule, told, with, world};

/// A world that calls this server. Its guests have room for the largest response that there may be.
async fn calling(step: &str, server: &Server) -> World {
    let names = Names::default().with("api.stagegate.test", &[server.address]);
    let grants = api().http(rule("POST", "http://*.stagegate.test:18080").private()).memory(64);
    world(step, grants, names).await
}

fn silent(_: &str) -> Answer {
    Answer::Part(Vec::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_ended_by_the_deadline() {
    let server = Server::start(silent).await;
    let world = calling("call", &server).await;
    let request = Request::create(probe("a").with("note", string(&format!("GET {API}/"))));
    let request = request.within(Duration::from_millis(300));
    let error =
        tokio::time::timeout(PATIENCE, world.host.execute(request)).await.expect("it ends").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.location().unwrap().step.step, "call");
    assert_eq!(server.seen().len(), 1);
    assert_eq!(world.names("probe").await, Vec::<String>::new());
    server.left_alone().await;
    assert_eq!(server.ports_kept(), 0, "the host closed the connection, and is done with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_may_wait_for_less() {
    let never = Server::start(silent).await;
    let world = calling("call", &never).await;
    let note = format!("GET {API}/\ntimeout-ms: 50");
    let answer = told(&world, &note).await;
    assert!(answer.starts_with("Retry: ") && answer.contains("did not begin in time"), "{answer}");

    let stops =
        Server::start(|_| Answer::Part(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf".to_vec())).await;
    let answer = told(&calling("call", &stops).await, &note).await;
    assert!(answer.starts_with("Retry: ") && answer.contains("stopped in the middle"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_bounded() {
    const TOO_MUCH: usize = (8 << 20) + 1;
    let declared = Server::start(|_| {
        let head = format!("HTTP/1.1 200 X\r\ncontent-length: {TOO_MUCH}\r\n\r\n");
        Answer::Part(head.into_bytes())
    })
    .await;
    let streamed = Server::start(|_| {
        let mut bytes = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + TOO_MUCH, b'x');
        Answer::Whole(bytes)
    })
    .await;
    let head = Server::start(|_| {
        let field = "x".repeat(100 << 10);
        response(200, &format!("x: {field}\r\n"), "")
    })
    .await;
    let broken =
        Server::start(|_| Answer::Whole(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nhal".to_vec())).await;
    for (server, expected) in [
        (&declared, "the response has more than 8388608 bytes"),
        (&streamed, "the response has more than 8388608 bytes"),
        (&head, "the head of the response is too large"),
        (&broken, "the server broke off"),
    ] {
        let answer = told(&calling("call", server).await, &format!("GET {API}/")).await;
        assert!(answer.contains(expected), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_bounded_and_so_is_their_number() {
    let server = Server::start(hello).await;
    let world = calling("call", &server).await;
    assert_eq!(told(&world, &format!("POST {API}/\n\n@1000000")).await, "200 hello");
    let answer = told(&world, &format!("POST {API}/\n\n@1100000")).await;
    assert!(answer.contains("the request has more than 1048576 bytes"), "{answer}");
    assert_eq!(server.seen().len(), 1);

    let again = calling("call_again", &server).await;
    let answer = told(&again, &format!("GET {API}/")).await;
    assert!(answer.starts_with("32, then ") && answer.contains("has made 32 calls"), "{answer}");
    // What a guest may ask for in vain is bounded too: a refusal costs the host something.
    let answer = told(&again, "GET http://other.example/").await;
    assert!(answer.starts_with("32, then ") && answer.contains("has been refused 32 calls"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_may_allow_no_call_at_all() {
    let server = Server::start(hello).await;
    let names = Names::default().with("api.stagegate.test", &[server.address]);
    let mut settings = Settings::default();
    settings.limits.http.calls = 0;
    let plugin = Engine::new(settings).unwrap().load(GUEST_CAPABILITIES).await.unwrap();
    let world = World::new(|host| {
        with(host, &plugin, "call", "probe", Stage::PreOperation).grant(PLUGIN, api()).resolver(names)
    });
    let answer = told(&world.await, &format!("GET {API}/")).await;
    assert!(answer.contains("has made 0 calls"), "{answer}");
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_makes_no_call_that_changes_something() {
    let server = Server::start(hello).await;
    let world = calling("call_or_fail", &server).await;
    let dry = async |note: String| {
        let request = Request::create(probe("a").with("note", string(&note)));
        world.host.dry_run(request).await
    };
    let read = dry(format!("GET {API}/")).await;
    read.result.unwrap();
    assert_eq!(read.changes.len(), 2, "{:?}", read.changes);
    let write = dry(format!("POST {API}/\n\nbody")).await;
    let error = write.result.unwrap_err();
    assert!(error.message().contains("a dry run makes no call by `POST`"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_called_others_is_not_run_again() {
    let server = Server::start(hello).await;
    let names = Names::default().with("api.stagegate.test", &[server.address]);
    let plugin = load(GUEST_CAPABILITIES).await;
    let start = async |stage: Stage, grants| {
        let hits = Arc::new(AtomicU32::new(0));
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(Options::new(folder.path().join("contended.db"))).unwrap();
        let faults = {
            let hits = Arc::clone(&hits);
            move |moment: &Moment| {
                let meets = moment.label == "Create probe" && moment.run == 1 && moment.name == "commit";
                meets.then(|| {
                    hits.fetch_add(1, Ordering::Relaxed);
                    Error::new(ErrorKind::Contention, "two requests waited for each other")
                })
            }
        };
        let store: Arc<dyn Store> = Interposed::new(store).faults(faults).done();
        let world = World::new(|host| {
            with(host.store(store), &plugin, "call", "probe", stage)
                .grant(PLUGIN, grants)
                .resolver(names.clone())
        })
        .await;
        let request = Request::create(probe("a").with("note", string(&format!("GET {API}/"))));
        let result = world.host.execute(request).await;
        assert_eq!(hits.load(Ordering::Relaxed), 1);
        (result, world, folder)
    };
    let (result, world, _folder) = start(Stage::PreOperation, api()).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    let why = "the calls by HTTP of its step guest-capabilities/call would be made twice";
    assert!(error.message().contains(why), "{error}");
    assert_eq!((server.seen().len(), world.names("probe").await.len()), (1, 0));

    // Before the transaction it is no part of what is run again, and a call that is refused has not left.
    for (stage, grants, calls) in [
        (Stage::PreValidation, api(), 2),
        (Stage::PreOperation, stagegate::model::capability::Grants::new(), 2),
    ] {
        let (result, world, _folder) = start(stage, grants).await;
        result.unwrap();
        assert_eq!((server.seen().len(), world.names("probe").await.len()), (calls, 1), "{stage}");
    }
}
