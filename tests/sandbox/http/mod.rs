//! Outgoing HTTP: what is granted reaches its server, and nothing else leaves the host.

mod bounds;
mod certificates;

use std::net::IpAddr;

use stagegate::model::capability::{Grants, HttpGrant, HttpRule};
use stagegate::{Request, Stage};
use stagegate_tests::web::{Answer, Names, Server, response};
use stagegate_tests::{GUEST_CAPABILITIES, World, load, probe, string, text};

use super::with;
use certificates::certificate;

const PLUGIN: &str = "guest-capabilities";
const API: &str = "http://api.stagegate.test:18080";

fn rule(method: &str, origin: &str) -> HttpGrant {
    HttpGrant::new(HttpRule::new([method], origin).unwrap())
}

/// GET on the API, at private addresses too.
fn api() -> Grants {
    Grants::new().http(rule("GET", API).private())
}

async fn world(step: &str, grants: Grants, names: Names) -> World {
    let plugin = load(GUEST_CAPABILITIES).await;
    World::new(|host| {
        with(host, &plugin, step, "probe", Stage::PreOperation).grant(PLUGIN, grants).resolver(names)
    })
    .await
}

/// What the step makes of a note.
async fn told(world: &World, note: &str) -> String {
    let record = world.add(probe("a").with("note", string(note))).await;
    text(&world.get(&record).await.unwrap(), "note")
}

fn hello(_: &str) -> Answer {
    response(200, "", "hello")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_granted_reaches_its_server() {
    let server = Server::start(hello).await;
    let names = Names::default().with("api.stagegate.test", &[server.address]);
    let grants = api().http(rule("POST", "http://*.stagegate.test:18080").private());
    let world = world("call", grants, names).await;
    assert_eq!(told(&world, &format!("GET {API}/a?b=c\nx-own: 1")).await, "200 hello");
    assert_eq!(told(&world, &format!("POST {API}\n\nsome text")).await, "200 hello");
    let seen = server.seen();
    assert_eq!(seen[0], "GET /a?b=c HTTP/1.1\r\nhost: api.stagegate.test:18080\r\nx-own: 1\r\n\r\n");
    assert!(seen[1].starts_with("POST / HTTP/1.1\r\n"), "{seen:?}");
    assert!(seen[1].contains("content-length: 9\r\n") && seen[1].ends_with("\r\n\r\nsome text"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_does_not_leave_the_host() {
    let server = Server::start(hello).await;
    let names = Names::default()
        .with("api.stagegate.test", &[server.address])
        .with("other.stagegate.test", &[server.address])
        .with("other.test", &[server.address]);
    let world = world("call", api(), names).await;
    for (note, expected) in [
        (
            "POST http://api.stagegate.test:18080/",
            "the call `POST http://api.stagegate.test:18080`; it asks for it",
        ),
        ("GET http://other.stagegate.test:18080/", "`methods = [\"GET\"]`"),
        (
            "GET http://api.stagegate.test:18081/",
            "it does not ask for it either: add `http(GET, \"http://api.",
        ),
        ("GET http://api.stagegate.test/", "`GET http://api.stagegate.test`; it does not ask"),
        ("GET https://api.stagegate.test:18080/", "the call `GET https://api.stagegate.test:18080`"),
        ("GET http://other.test:18080/", "the call `GET http://other.test:18080`"),
        ("GET http://api.stagegate.test.:18080/", "is not a URL"),
        ("GET http://user@api.stagegate.test:18080/", "is not a URL"),
        ("GET http://api.stagegate.test:18080@other.test:18080/", "is not a URL"),
        ("CONNECT http://api.stagegate.test:18080/", "the call `CONNECT"),
        ("GET ftp://api.stagegate.test:18080/", "begin it with"),
    ] {
        let told = told(&world, note).await;
        assert!(told.contains(expected), "{note}: {told}");
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_not_public_is_refused_unless_granted() {
    let server = Server::start(hello).await;
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let names = Names::default()
        .with("loopback.stagegate.test", &[server.address])
        .with("mapped.stagegate.test", &[address("::ffff:127.0.0.1")])
        .with("private.stagegate.test", &[address("10.0.0.7")])
        .with("metadata.stagegate.test", &[address("169.254.169.254")])
        // Nobody connects to the first one: every address counts.
        .with("both.stagegate.test", &[address("8.8.8.8"), server.address])
        .with("none.stagegate.test", &[]);
    let grants = Grants::new()
        .http(rule("GET", "http://*.stagegate.test:18080"))
        .http(rule("GET", "http://127.0.0.1:18080"));
    let world = world("call", grants, names).await;
    for (host, expected) in [
        ("loopback.stagegate.test", "which is loopback; its operator can grant it with `private = true`"),
        ("mapped.stagegate.test", "which is loopback"),
        ("private.stagegate.test", "private.stagegate.test is 10.0.0.7, which is private"),
        ("metadata.stagegate.test", "169.254.169.254, which is link-local"),
        ("both.stagegate.test", "which is loopback"),
        ("127.0.0.1", "127.0.0.1 is 127.0.0.1, which is loopback"),
    ] {
        let told = told(&world, &format!("GET http://{host}:18080/")).await;
        assert!(told.starts_with("denied: the plugin") && told.contains(expected), "{host}: {told}");
    }
    for host in ["none", "unknown"] {
        let told = told(&world, &format!("GET http://{host}.stagegate.test:18080/")).await;
        assert!(told.starts_with("Retry: ") && told.contains("has no address"), "{told}");
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_a_call_of_its_own() {
    let inside = Server::start(hello).await;
    let redirects = |_: &str| response(302, "location: http://inside.stagegate.test:18080/\r\n", "moved");
    let outside = Server::start(redirects).await;
    let names = Names::default()
        .with("api.stagegate.test", &[outside.address])
        .with("inside.stagegate.test", &[inside.address]);
    let note = format!("GET {API}/");
    let calls = world("call", api(), names.clone()).await;
    assert_eq!(told(&calls, &note).await, "302 moved", "the host follows none");

    // The private address is granted of the one host, and of the other its name alone.
    let grants = api().http(rule("GET", "http://inside.stagegate.test:18080"));
    let follows = world("follow", grants, names).await;
    let told = told(&follows, &note).await;
    assert!(told.contains("inside.stagegate.test is 127.") && told.contains("loopback"), "{told}");
    assert_eq!(inside.seen(), Vec::<String>::new());
}

/// A name that means something else from one look-up to the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_to_the_address_that_was_judged() {
    let (one, other) = (Server::start(hello).await, Server::start(|_| response(200, "", "other")).await);
    let names = Names::default()
        .with("api.stagegate.test", &[one.address])
        .with("api.stagegate.test", &[other.address]);
    let calls = world("call", api(), names).await;
    let note = format!("GET {API}/");
    assert_eq!(told(&calls, &note).await, "200 hello", "one look-up for the judgement and the connection");
    assert_eq!((one.seen().len(), other.seen().len()), (1, 0));
    assert_eq!(told(&calls, &note).await, "200 other", "and another for the next call");

    let names = Names::default()
        .with("api.stagegate.test", &[one.address])
        .with("api.stagegate.test", &["10.0.0.7".parse().unwrap()]);
    let public = world("call", Grants::new().http(rule("GET", API)), names).await;
    for why in ["loopback", "private"] {
        let told = told(&public, &note).await;
        assert!(told.starts_with("denied: ") && told.contains(why), "each is judged anew: {told}");
    }
    assert_eq!(one.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_cannot_smuggle_another_request() {
    let server = Server::start(hello).await;
    let names = Names::default().with("api.stagegate.test", &[server.address]);
    let grants = Grants::new().http(
        HttpGrant::new(HttpRule::new(["GET", "POST"], "http://*.stagegate.test:18080").unwrap()).private(),
    );
    let calls = world("call", grants, names).await;
    for header in [
        "host: other.stagegate.test",
        "Host: other.stagegate.test",
        "connection: keep-alive",
        "transfer-encoding: chunked",
        "te: trailers",
        "trailer: x",
        "upgrade: h2c",
        "proxy-authorization: x",
        "keep-alive: 5",
        "expect: 100-continue",
        "x: a\u{1}b",
        "x y: a",
    ] {
        let told = told(&calls, &format!("POST {API}/\n{header}\n\nbody")).await;
        assert!(told.contains("cannot be sent: leave it out"), "{header}: {told}");
    }
    for lengths in [
        "content-length: 2",
        "content-length: 40",
        "content-length: 4\ncontent-length: 4",
        "content-length: +4",
    ] {
        let told = told(&calls, &format!("POST {API}/\n{lengths}\n\nbody")).await;
        assert!(!told.starts_with("200"), "{lengths}: {told}");
    }
    // A server that got one whole would have answered it.
    assert_eq!(server.seen(), Vec::<String>::new());
    assert_eq!(told(&calls, &format!("POST {API}/\ncontent-length: 4\n\nbody")).await, "200 hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_by_the_authorities_that_are_granted() {
    const SECURE: &str = "https://secure.stagegate.test:18443";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    let (config, authority) = certificate("secure.stagegate.test");
    std::fs::write(&file, authority).unwrap();
    let server = Server::start_tls(config, hello).await;
    let (config, authority) = certificate("other.stagegate.test");
    let misnamed = Server::start_tls(config, hello).await;
    let other = folder.path().join("other.pem");
    std::fs::write(&other, authority).unwrap();

    let call = async |grant: HttpGrant, server: &Server| {
        let names = Names::default().with("secure.stagegate.test", &[server.address]);
        let world = world("call", Grants::new().http(grant.private()), names).await;
        told(&world, &format!("GET {SECURE}/")).await
    };
    let secure = || rule("GET", SECURE);
    assert_eq!(call(secure().authorities(&file), &server).await, "200 hello");
    assert!(server.seen()[0].contains("host: secure.stagegate.test:18443\r\n"));
    for (grant, server) in [
        // Another authority's certificate, and one for another name.
        (secure().authorities(&other), &server),
        (secure().authorities(&other), &misnamed),
    ] {
        let told = call(grant, server).await;
        assert!(told.contains("the server's certificate is not trusted"), "{told}");
    }
    assert_eq!((server.seen().len(), misnamed.seen().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_calls_is_in_the_ledger() {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(80);
    let slow = Server::start(|_| {
        std::thread::sleep(PAUSE);
        response(200, "", "late")
    })
    .await;
    let names = Names::default().with("api.stagegate.test", &[slow.address]);
    let world = world("call", api(), names).await;
    let request = Request::create(probe("a").with("note", string(&format!("GET {API}/"))));
    let traced = world.host.trace(request).await;
    traced.result.unwrap();
    let ledger = traced.trace.unwrap().ledger();
    assert!(ledger.host_calls >= PAUSE, "{ledger:?}");
    assert!(ledger.total >= ledger.host_calls + ledger.guests, "{ledger:?}");
}
