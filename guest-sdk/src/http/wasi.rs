//! A call through `wasi:http`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use super::{HttpRequest, HttpResponse};
use crate::{Fault, OperationStatus, Result, code};

/// Bytes that a stream of WASI takes at once.
const WRITE_BYTES: usize = 4096;
/// Bytes that are read at once.
const READ_BYTES: u64 = 64 << 10;
/// How the host begins the text of a call that is not granted.
const DENIED: &str = "HTTP request denied: ";

pub(super) fn send(request: &HttpRequest) -> Result<HttpResponse> {
    let body = &request.body;
    let outgoing = OutgoingRequest::new(fields(request)?);
    let url = Url::of(&request.url)?;
    let set = [
        outgoing.set_method(&method(&request.method)),
        outgoing.set_scheme(Some(&url.scheme)),
        outgoing.set_authority(Some(url.authority)),
        outgoing.set_path_with_query(Some(url.path)),
    ];
    if set.iter().any(Result::is_err) {
        let text =
            format!("`{} {}` cannot be called: correct the method or the URL.", request.method, request.url);
        return Err(Fault::defect(text));
    }
    let sink = if body.is_empty() { None } else { outgoing.body().ok() };
    let future =
        outgoing_handler::handle(outgoing, options(request)).map_err(|error| failed(request, &error))?;
    if let Some(sink) = sink {
        // What keeps the host from taking it is the response's error.
        drop(write(sink, body));
    }
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(error))) => return Err(failed(request, &error)),
        Some(Err(())) | None => return Err(Fault::defect("A call by HTTP ended without a response.")),
    };
    receive(request, &response)
}

fn fields(request: &HttpRequest) -> Result<Fields> {
    let fields = Fields::new();
    let refused = |name: &str| {
        Fault::defect(format!(
            "The header `{name}` cannot be sent: leave it out, or correct its name and value."
        ))
    };
    for (name, value) in &request.headers {
        fields.append(name, value.as_bytes()).map_err(|_| refused(name))?;
    }
    let is_length = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-length");
    if !request.body.is_empty() && !request.headers.iter().any(is_length) {
        let length = request.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|_| refused("content-length"))?;
    }
    Ok(fields)
}

fn options(request: &HttpRequest) -> Option<RequestOptions> {
    let timeout = u64::try_from(request.timeout?.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // A host that knows no such times ends the call by its own.
    drop(options.set_connect_timeout(Some(timeout)));
    drop(options.set_first_byte_timeout(Some(timeout)));
    drop(options.set_between_bytes_timeout(Some(timeout)));
    Some(options)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

struct Url<'a> {
    scheme: Scheme,
    authority: &'a str,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn of(text: &'a str) -> Result<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            _ => {
                let text =
                    format!("`{text}` is no URL that can be called: begin it with `https://` or `http://`.");
                return Err(Fault::defect(text));
            }
        };
        // A fragment is not for the server.
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        Ok(Self { scheme, authority, path: if path.is_empty() { "/" } else { path } })
    }
}

fn write(sink: OutgoingBody, body: &[u8]) -> Result<(), ()> {
    let stream = sink.write()?;
    for piece in body.chunks(WRITE_BYTES) {
        stream.blocking_write_and_flush(piece).map_err(drop)?;
    }
    drop(stream);
    OutgoingBody::finish(sink, None).map_err(drop)
}

fn receive(request: &HttpRequest, response: &IncomingResponse) -> Result<HttpResponse> {
    let mut received = HttpResponse::new(response.status());
    for (name, value) in response.headers().entries() {
        received.headers.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
    let Ok(body) = response.consume() else { return Ok(received) };
    received.body = read(request, &body)?;
    Ok(received)
}

fn read(request: &HttpRequest, body: &IncomingBody) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Ok(stream) = body.stream() else { return Ok(bytes) };
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error).unwrap_or_else(|| code_of(&error.to_debug_string()));
                return Err(failed(request, &code));
            }
        }
    }
}

/// The code of a body's error by its text: some hosts (wasmtime 48) have no other for it.
fn code_of(text: &str) -> ErrorCode {
    let number = || text.split_whitespace().find_map(|word| word.parse().ok());
    if text.contains("body size exceeds limit") {
        ErrorCode::HttpResponseBodySize(number())
    } else if text.contains("read timeout") {
        ErrorCode::ConnectionReadTimeout
    } else {
        ErrorCode::HttpResponseIncomplete
    }
}

/// A failed call in words.
fn failed(request: &HttpRequest, error: &ErrorCode) -> Fault {
    let called = format!("{} {}", request.method, request.url.split(['?', '#']).next().unwrap_or_default());
    if let ErrorCode::InternalError(Some(text)) = error {
        return match text.strip_prefix(DENIED) {
            Some(denied) => Fault::new(denied).with_code(code::CAPABILITY_DENIED),
            None => Fault::defect(format!("The call {called} failed: {text}")),
        };
    }
    let (what, again) = words(error);
    let fault = Fault::defect(format!("The call {called} failed: {what}."));
    if again { fault.with_status(OperationStatus::Retry) } else { fault }
}

/// What happened, and whether another attempt may succeed.
fn words(error: &ErrorCode) -> (String, bool) {
    let text = |text: &str| text.to_owned();
    match error {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => {
            (text("the host's name has no address"), true)
        }
        ErrorCode::ConnectionRefused => (text("the server takes no connection"), true),
        ErrorCode::DestinationUnavailable => (text("the server is not reached"), true),
        ErrorCode::ConnectionTimeout => (text("the connection took too long"), true),
        ErrorCode::HttpResponseTimeout => (text("the response did not begin in time"), true),
        ErrorCode::ConnectionReadTimeout => (text("the response stopped in the middle for too long"), true),
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
            (text("the server broke off"), true)
        }
        ErrorCode::TlsCertificateError => (text("the server's certificate is not trusted"), false),
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => {
            (text("TLS did not come about"), false)
        }
        ErrorCode::HttpResponseBodySize(Some(most)) => {
            (format!("the response has more than {most} bytes, or all calls together too many"), false)
        }
        ErrorCode::HttpRequestBodySize(Some(most)) => {
            (format!("the request has more than {most} bytes, or all calls together too many"), false)
        }
        ErrorCode::HttpResponseHeaderSectionSize(_) => (text("the head of the response is too large"), false),
        other => (format!("{other}"), false),
    }
}
