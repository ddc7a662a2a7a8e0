//! Calls by HTTP, where the operator of the host grants them: the feature `http`.
//!
//! A plugin asks with `asks(http(GET, "https://api.example.com"))` in [`plugin!`](crate::plugin!). A call that is not
//! granted answers a fault with the code [`CAPABILITY_DENIED`](crate::code::CAPABILITY_DENIED), which says what is lacking.
//!
//! ```
//! use stagegate_sdk::http::{HttpRequest, HttpResponse};
//! use stagegate_sdk::prelude::*;
//! use stagegate_sdk::testing::Fake;
//!
//! #[step(PreValidation, entity = "account")]
//! fn rate(ctx: &mut Create<Record>) -> Result {
//!     let key = ctx.capabilities().secret("bureau_key")?;
//!     let response = HttpRequest::get("https://api.bureau.example/rating")
//!         .header("authorization", format!("Bearer {key}"))
//!         .send()?;
//!     ensure!(response.status() == 200, "the bureau does not know the company");
//!     ctx.target.set("rating", response.text()?);
//!     Ok(())
//! }
//!
//! plugin!(rate, asks(http(GET, "https://api.bureau.example"), secrets("bureau_key")));
//!
//! # fn main() {
//! let fake = Fake::new().with_secret("bureau_key", "abc");
//! fake.answer_http(|request| {
//!     assert_eq!(request.url(), "https://api.bureau.example/rating");
//!     Ok(HttpResponse::new(200).with_body("AA"))
//! });
//! let target = fake.run_create::<rate>(Record::new("account")).unwrap();
//! assert_eq!(target.value::<String>("rating").unwrap(), "AA");
//! # }
//! ```
//!
//! A call inside of a transaction keeps it open meanwhile, and others wait for it: PreValidation and asynchronous steps are
//! the place for calls. What a call has done elsewhere is not undone by a rollback.

#[cfg(target_arch = "wasm32")]
mod wasi;

use std::fmt;
use std::time::Duration;

use crate::{Fault, Result};

/// A request, to be [sent](HttpRequest::send).
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

impl HttpRequest {
    /// A request with any method, in capitals.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// With one more header. The host sets `host`, and those of the connection.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With so much time at most for the connection, for the response to begin, and between two pieces of it. Without,
    /// and at the latest, the message's deadline ends the call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, in their order.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The bytes of the body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Makes the call and reads the whole response. Any status is a response; a redirect is not followed.
    ///
    /// # Errors
    /// [`CAPABILITY_DENIED`](crate::code::CAPABILITY_DENIED) if it is not granted. A fault with the status
    /// [`Retry`](crate::OperationStatus::Retry) if another attempt may succeed: the server was not reached, or broke off.
    pub fn send(self) -> Result<HttpResponse> {
        #[cfg(target_arch = "wasm32")]
        return wasi::send(&self);
        #[cfg(not(target_arch = "wasm32"))]
        return crate::testing::answer(&self);
    }
}

/// Headers may hold a secret, so they are not shown.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        out.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body", &self.body.len())
            .finish()
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpResponse {
    /// A response with nothing but a status: for tests.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status, for example 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The bytes of the body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// If it is no UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body)
            .map_err(|_| Fault::defect("The response to a call by HTTP is no text in UTF-8."))
    }
}
