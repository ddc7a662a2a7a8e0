//! Outgoing HTTP: what is not granted, what is not to be reached, and servers without an end.

use stagegate_sdk::http::HttpRequest;
use stagegate_sdk::prelude::*;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, FutureIncomingResponse, OutgoingRequest, Scheme};

/// What is granted.
const API: &str = "http://api.stagegate.test:18080/";
/// The server without an end, granted too.
const ENDLESS: &str = "http://endless.stagegate.test:18080/";
/// Calls of one run.
const CALLS: usize = 32;

/// A call that works.
fn answered(url: &str) -> Result {
    let answer = HttpRequest::get(url).send()?;
    ensure!(answer.status() == 200, "{url} answers {}", answer.status());
    Ok(())
}

/// A fault unless the host denies the call, whoever there is to answer it.
fn denied(method: &str, url: &str) -> Result {
    match HttpRequest::new(method, url).send() {
        Ok(answer) => bail!("{method} {url} was granted, and answers {}", answer.status()),
        Err(fault) => ensure!(fault.code() == code::CAPABILITY_DENIED, "{method} {url}: {fault}"),
    }
    Ok(())
}

/// Calls by methods, of hosts and at ports that are not granted.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_not_granted(_: &mut Create<Record>) -> Result {
    answered(API)?;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "G ET"] {
        let sent = HttpRequest::new(method, API).send();
        ensure!(sent.is_err(), "{method} was granted");
    }
    denied("GET", "http://other.stagegate.test:18080/")?;
    denied("GET", "http://elsewhere.stagegate.test:18081/")?;
    denied("GET", "https://api.stagegate.test:18080/")?;
    denied("GET", "http://api.stagegate.test/")?;
    for url in [
        "http://api.stagegate.test.:18080/",
        "http://user@api.stagegate.test:18080/",
        "http://api.stagegate.test:18080@other.stagegate.test:18080/",
        "http://other.stagegate.test:18080\\@api.stagegate.test:18080/",
    ] {
        ensure!(HttpRequest::get(url).send().is_err(), "{url} was granted");
    }
    Ok(())
}

/// Calls addresses by their numbers.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_of_addresses(_: &mut Create<Record>) -> Result {
    answered(API)?;
    for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"] {
        denied("GET", &format!("http://{host}:18080/"))?;
    }
    // Other spellings of what was granted at public addresses: no name, or not the granted one.
    for host in
        ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]"]
    {
        let sent = HttpRequest::get(format!("http://{host}:18080/")).send();
        ensure!(sent.is_err(), "{host} was granted");
    }
    Ok(())
}

/// Calls names that stand for what is not public.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_of_names(_: &mut Create<Record>) -> Result {
    answered(API)?;
    for name in ["inside", "private", "metadata", "mapped", "translated", "both"] {
        denied("GET", &format!("http://{name}.stagegate.test:18080/"))?;
    }
    Ok(())
}

/// Goes where a server sends it.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_by_redirect(_: &mut Create<Record>) -> Result {
    // A host that followed it would answer with what is inside.
    let answer = HttpRequest::get(API).send()?;
    ensure!(answer.status() == 302, "the redirect was followed: {}", answer.status());
    let Some(inside) = answer.header("location") else { bail!("nothing to follow") };
    denied("GET", inside)?;
    denied("GET", "http://169.254.169.254:18080/")
}

/// Calls names that stand for something else from one look-up to the next.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_by_rebinding(_: &mut Create<Record>) -> Result {
    answered(API)?;
    answered("http://rebound.stagegate.test:18080/")?;
    for _ in 0..3 {
        denied("GET", "http://flips.stagegate.test:18080/")?;
    }
    Ok(())
}

/// Writes a second request into the first.
#[step(PreOperation, entity = "probe")]
pub(crate) fn requests_in_headers(_: &mut Create<Record>) -> Result {
    answered(API)?;
    let smuggled = "GET /admin HTTP/1.1\r\nhost: api.stagegate.test:18080\r\n\r\n";
    let split = format!("a\r\n\r\n{smuggled}");
    for (name, value) in [
        ("host", "other.stagegate.test"),
        ("Host", "other.stagegate.test"),
        ("connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "x"),
        ("keep-alive", "5"),
        ("expect", "100-continue"),
        ("x", &split),
        ("x", "a\nb: c"),
        ("x y", "a"),
        ("x: a\r\ny", "b"),
        ("content-length", "+4"),
        ("content-length", "4\r\ncontent-length: 0"),
    ] {
        let sent = HttpRequest::get(API).header(name, value).body(smuggled).send();
        ensure!(sent.is_err(), "{name}: {value:?} was sent");
    }
    for (path, why) in [(" HTTP/1.1\r\nx: y\r\n\r\n", "a line break"), (" HTTP/1.1", "a space")] {
        ensure!(HttpRequest::get(format!("{API}{path}")).send().is_err(), "a path with {why} was sent");
    }
    let twice = HttpRequest::get(API).header("content-length", "0").header("content-length", "58");
    ensure!(twice.body(smuggled).send().is_err(), "two lengths were sent");
    // Less than there is: the rest would be a request of its own. And more, which the next one would be a part of.
    for length in ["1", "4000"] {
        let sent = HttpRequest::get(API).header("content-length", length).body(smuggled).send();
        ensure!(sent.is_err(), "a length of {length} was sent");
    }
    // This one is sent, without any of the body.
    HttpRequest::get(API).header("content-length", "0").body(smuggled).send().map(drop)
}

/// Begins a call and does not wait for it.
fn begun() -> Result<FutureIncomingResponse> {
    let request = OutgoingRequest::new(Fields::new());
    let set = [
        request.set_scheme(Some(&Scheme::Http)),
        request.set_authority(Some("endless.stagegate.test:18080")),
        request.set_path_with_query(Some("/")),
    ];
    ensure!(set.iter().all(Result::is_ok), "the call cannot be made");
    handle(request, None).map_err(|error| Fault::new(format!("{error:?}")))
}

/// Bytes of a response to a call that was begun, as far as it goes.
fn read(call: &FutureIncomingResponse) -> Result<u64> {
    call.subscribe().block();
    let Some(Ok(Ok(response))) = call.get() else { bail!("there was no response") };
    let (Ok(body), mut bytes) = (response.consume(), 0) else { bail!("the response has no body") };
    let Ok(stream) = body.stream() else { bail!("the body cannot be read") };
    while let Ok(piece) = stream.blocking_read(64 << 10) {
        bytes += piece.len() as u64;
    }
    Ok(bytes)
}

/// Reads as much as it gets, and throws it away, so that its own memory is no limit.
#[step(PreOperation, entity = "probe")]
pub(crate) fn response_without_end(_: &mut Create<Record>) -> Result {
    let mut total = 0;
    for _ in 0..CALLS {
        let bytes = read(&begun()?)?;
        ensure!(bytes <= 8 << 20, "a response of {bytes} bytes");
        total += bytes;
    }
    ensure!(total > 8 << 20 && total <= 32 << 20, "responses of {total} bytes");
    Ok(())
}

/// Waits for a body that never begins.
#[step(PreOperation, entity = "probe")]
pub(crate) fn head_without_end(_: &mut Create<Record>) -> Result {
    let Err(fault) = HttpRequest::get(ENDLESS).send() else { bail!("there was a response") };
    ensure!(fault.message().contains("the head of the response is too large"), "{fault}");
    Ok(())
}

/// Reads byte by byte.
#[step(PreOperation, entity = "probe")]
pub(crate) fn response_in_drops(_: &mut Create<Record>) -> Result {
    let bytes = read(&begun()?)?;
    bail!("it ended after {bytes} bytes")
}

/// Waits for an answer.
#[step(PreOperation, entity = "probe")]
pub(crate) fn call_without_answer(_: &mut Create<Record>) -> Result {
    answered(ENDLESS)
}

/// Calls for ever, also after it was refused.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_without_end(_: &mut Create<Record>) -> Result {
    loop {
        std::hint::black_box(HttpRequest::get(ENDLESS).send().is_ok());
    }
}

/// Begins as many calls as it may, and returns.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_left_open(_: &mut Create<Record>) -> Result {
    let calls = (1..CALLS).map(|_| begun()).collect::<Result<Vec<_>>>()?;
    // Whoever answers this has let the others on their way.
    answered(API)?;
    std::mem::forget(calls);
    Ok(())
}

/// Begins calls for ever, and keeps them.
#[step(PreOperation, entity = "probe")]
pub(crate) fn calls_at_once(_: &mut Create<Record>) -> Result {
    loop {
        std::mem::forget(begun());
    }
}
