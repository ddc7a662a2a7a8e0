//! Outgoing HTTP: what a plugin calls through `wasi:http`.
//!
//! A call passes in this order: its rule (method, scheme, host, port), the number of calls, the resolver, **every**
//! address that it found, the connection to one of exactly these, TLS, and then HTTP/1.1 on a connection of its own. So
//! a name that means something else a moment later changes nothing, and nothing of one call can leak into another.
//! The host follows no redirect: a guest that does makes a call of its own, which is checked as such. There is no proxy.

mod address;
mod body;
mod busy;
mod call;
mod handler;
mod limits;
mod permit;
mod resolve;
mod tls;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderName, Request, Response, header};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, Result, WasiBody, WasiHttpHooks,
};

use crate::pipeline::execution::Deadline;
use crate::pipeline::registry::Step;
use crate::pipeline::scope::Fate;
use crate::wasm::granted::Granted;
use body::Budget;
use busy::Busy;
use call::{Call, Way};
pub(super) use handler::add_to_linker;
pub use limits::HttpLimits;
pub(crate) use permit::{Calls, Permit};
pub use resolve::{Resolve, SystemResolver};
pub(crate) use tls::client as tls_client;

/// Headers that a guest cannot set besides those that WASI's implementation forbids: they are for one connection, whose
/// other end is ours.
const FORBIDDEN: [HeaderName; 3] = [header::TE, header::TRAILER, header::EXPECT];
/// Bytes that a guest writes to a request's body at once.
const CHUNK_BYTES: usize = 64 << 10;

type Answer = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<()>> + Send>)>;

/// The calls of one run.
pub(super) struct Outgoing {
    granted: Arc<Granted>,
    limits: HttpLimits,
    deadline: Deadline,
    made: AtomicU32,
    /// Calls that were not made.
    refused: AtomicU32,
    budget: Arc<Budget>,
    busy: Arc<Busy>,
    /// None while a plugin declares its steps.
    step: Option<Arc<Step>>,
    /// Of the transaction that the step is in.
    fate: Option<Arc<Fate>>,
}

impl Outgoing {
    pub(super) fn new(
        granted: Arc<Granted>,
        limits: &HttpLimits,
        deadline: Deadline,
        step: Option<Arc<Step>>,
        fate: Option<Arc<Fate>>,
    ) -> Self {
        Self {
            granted,
            limits: limits.clone(),
            deadline,
            made: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            budget: Arc::new(Budget::new(limits.total_bytes)),
            busy: Arc::default(),
            step,
            fate,
        }
    }

    /// The time in which a call was waited for.
    pub(super) fn waited(&self) -> Duration {
        self.busy.total()
    }

    /// Why it makes no call any more, once as many were made or refused as there may be.
    pub(super) fn spent(&self) -> Option<String> {
        let most = self.limits.calls;
        let is_spent = |count: &AtomicU32| count.load(Ordering::Relaxed) >= most;
        let what = if is_spent(&self.made) {
            "made"
        } else if is_spent(&self.refused) {
            "been refused"
        } else {
            return None;
        };
        Some(format!(
            "the step has {what} {most} calls, which is the most of one run; make fewer, or give the engine's limits more \
             (`http.calls`)"
        ))
    }

    /// What can be judged of a call before anything is done for it.
    fn prepare(&self, request: &Request<WasiBody>, options: Option<RequestOptions>) -> Result<Call> {
        let Some(step) = &self.step else {
            return Err(refused("a plugin calls nobody to declare its steps".into()));
        };
        check_headers(request)?;
        let way = Way::of(request)?;
        let permit = self
            .granted
            .calls
            .permit(&way, request.method().as_str())
            .ok_or_else(|| denied(&permit::lacking(&self.granted, &way, request.method().as_str())))?;
        if self.fate.as_ref().is_some_and(|fate| fate.is_dry()) && !request.method().is_safe() {
            let method = request.method();
            return Err(refused(format!("a dry run makes no call by `{method}`, which could not be undone")));
        }
        // Where no call may be made at all, the first one comes to here.
        if let Some(problem) = self.spent() {
            return Err(refused(problem));
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(Call {
            way,
            private: permit.private,
            tls: permit.tls.clone(),
            resolver: Arc::clone(&self.granted.calls.resolver),
            options: options.unwrap_or_default(),
            deadline: self.deadline,
            limits: self.limits.clone(),
            budget: Arc::clone(&self.budget),
            busy: Arc::clone(&self.busy),
            left: self.fate.clone().map(|fate| (fate, step.key.clone())),
            plugin: self.granted.plugin.clone(),
        })
    }
}

impl WasiHttpHooks for Outgoing {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        // Whoever means TLS says so: the rule names a scheme.
        None
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _ended: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let call = self.prepare(&request, options);
        if let Err(error) = &call {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(plugin = self.granted.plugin, %error, "a call by HTTP is refused");
        }
        let busy = Arc::clone(&self.busy);
        Box::new(async move {
            let call = call?;
            let _waiting = busy.enter();
            call.send(request).await
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    fn p2_error_from_hyper(
        &mut self,
        error: &hyper::Error,
    ) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        tracing::debug!(plugin = self.granted.plugin, ?error, "a call by HTTP failed");
        wasmtime_wasi_http::p2::bindings::http::types::ErrorCode::HttpProtocolError
    }
}

fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || FORBIDDEN.contains(name)
}

/// Headers that would say something else of the message than its bytes do were refused when the guest set them; this is
/// the second look, since here is where they would do harm.
fn check_headers(request: &Request<WasiBody>) -> Result<()> {
    let headers = request.headers();
    // The one that is there comes from the URL.
    let hosts = headers.get_all(header::HOST).iter().count();
    let forbidden = headers.keys().find(|name| is_forbidden(name) && **name != header::HOST);
    let doubled = headers.get_all(header::CONTENT_LENGTH).iter().count() > 1;
    match forbidden {
        Some(name) => Err(refused(format!("a plugin cannot set the header `{name}`; leave it out"))),
        None if hosts > 1 => Err(refused("a plugin cannot set the header `host`; leave it out".into())),
        None if doubled => Err(refused("`content-length` is there twice; leave it out".into())),
        None => Ok(()),
    }
}

/// The error of a call without its grant. WASI's code for it has no text, and the text is what helps; the beginning is for
/// those who tell it from others.
fn denied(problem: &str) -> Error {
    Error::InternalError(Some(format!("HTTP request denied: {problem}")))
}

/// An error that tells the guest why.
fn refused(problem: String) -> Error {
    Error::InternalError(Some(problem))
}
