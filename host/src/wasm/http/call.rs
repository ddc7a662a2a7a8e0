//! One call, from its URL to the head of the response.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody};

use super::body::{Bound, Budget, Received, Sent};
use super::busy::Busy;
use super::limits::HttpLimits;
use super::resolve::Resolve;
use super::{Answer, address, denied, refused};
use crate::model::capability::{Scheme, is_host};
use crate::model::step::StepKey;
use crate::pipeline::execution::Deadline;
use crate::pipeline::scope::Fate;

/// Addresses of one name that are tried at most.
const ADDRESSES_MAX: usize = 8;

/// Where a call goes.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) scheme: Scheme,
    /// In lower case; an IPv6 address in its brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Way {
    /// Of a request's URL. What a resolver might read in another way than we do is refused.
    pub(super) fn of(request: &Request<WasiBody>) -> Result<Self> {
        let uri = request.uri();
        // Without the URL, which may hold a secret.
        let wrong =
            || refused("this is not a URL that can be called; write scheme, host and path alone".into());
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let (host, port) = (authority.host(), authority.port_u16());
        let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if authority.as_str() != whole || !is_host(host) || port == Some(0) {
            return Err(wrong());
        }
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port: port.unwrap_or(scheme.default_port()) })
    }

    /// The address, if the host is one.
    fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A call that is granted.
pub(super) struct Call {
    pub(super) way: Way,
    pub(super) private: bool,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) options: RequestOptions,
    pub(super) deadline: Deadline,
    pub(super) limits: HttpLimits,
    pub(super) budget: Arc<Budget>,
    pub(super) busy: Arc<Busy>,
    /// The transaction that it is made from, and the step.
    pub(super) left: Option<(Arc<Fate>, StepKey)>,
    pub(super) plugin: String,
}

impl Call {
    /// Makes the call. Each wait ends with the deadline of the message at the latest.
    pub(super) async fn send(self, request: Request<WasiBody>) -> Answer {
        let connect_by = self.by(self.options.connect_timeout);
        let addresses = within(connect_by, Error::DnsTimeout, self.addresses()).await?;
        // From here on it is seen outside.
        if let Some((fate, step)) = &self.left {
            fate.note_call(step);
        }
        let stream = within(connect_by, Error::ConnectionTimeout, self.connect(&addresses)).await?;
        match self.tls.clone().filter(|_| self.way.scheme == Scheme::Https) {
            None => self.exchange(stream, request).await,
            Some(config) => {
                let name = self.server_name()?;
                let connecting = async {
                    let connecting = TlsConnector::from(config).connect(name, stream);
                    connecting.await.map_err(|error| tls_error(&error))
                };
                let stream = within(connect_by, Error::ConnectionTimeout, connecting).await?;
                self.exchange(stream, request).await
            }
        }
    }

    /// The addresses of the host, all of which may be called.
    async fn addresses(&self) -> Result<Vec<IpAddr>> {
        let found = match self.way.address() {
            Some(address) => vec![address],
            None => self.resolver.resolve(&self.way.host).await.map_err(|error| {
                tracing::debug!(host = self.way.host, %error, "a host's name is not resolved");
                Error::DnsError { rcode: None, info_code: None }
            })?,
        };
        if found.is_empty() {
            return Err(Error::DestinationNotFound);
        }
        let wrong = found.iter().find_map(|found| Some((found, address::private(*found)?)));
        if let Some((address, why)) = wrong.filter(|_| !self.private) {
            let Self { plugin, way, .. } = self;
            return Err(denied(&format!(
                "the plugin `{plugin}` is not granted calls of addresses that are not public, and {} is {address}, which \
                 is {why}; its operator can grant it with `private = true` at `{way}`",
                way.host
            )));
        }
        Ok(found)
    }

    /// A connection to one of these addresses and to no other.
    async fn connect(&self, addresses: &[IpAddr]) -> Result<TcpStream> {
        let mut last = None;
        for address in addresses.iter().take(ADDRESSES_MAX) {
            match TcpStream::connect(SocketAddr::new(*address, self.way.port)).await {
                Ok(stream) => {
                    // The request is written whole, so waiting for more would only delay it.
                    drop(stream.set_nodelay(true));
                    // Its connection is for this call alone, and over with it. Closed in the usual way it would keep a port
                    // of the machine for a minute, and a plugin that leaves enough calls would use up all of them.
                    drop(stream.set_zero_linger());
                    return Ok(stream);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(match last.map(|error| error.kind()) {
            Some(io::ErrorKind::ConnectionRefused) => Error::ConnectionRefused,
            Some(io::ErrorKind::TimedOut) => Error::ConnectionTimeout,
            _ => Error::DestinationUnavailable,
        })
    }

    fn server_name(&self) -> Result<ServerName<'static>> {
        match self.way.address() {
            Some(address) => Ok(ServerName::from(address)),
            None => ServerName::try_from(self.way.host.clone()).map_err(|_| Error::HttpRequestUriInvalid),
        }
    }

    /// The request and the head of the response, on a connection that is for this call alone.
    async fn exchange(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        mut request: Request<WasiBody>,
    ) -> Answer {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(self.limits.head_bytes);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // Dropped with the response's body, or with this future.
        let connection = wasmtime_wasi::runtime::spawn(connection);
        let first_by = self.by(self.options.first_byte_timeout);
        let exceeded = Arc::new(OnceLock::new());
        let declared = length(request.headers());
        let between = self.between();
        let Self { limits, budget, busy, .. } = self;
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = Uri::try_from(path).map_err(|_| Error::HttpRequestUriInvalid)?;
        let request = request.map(|body| {
            Sent::new(body, declared, limits.request_bytes, Arc::clone(&budget), Arc::clone(&exceeded))
        });
        let sending = async {
            sender.send_request(request).await.map_err(|error| match exceeded.get() {
                Some(most) => Error::HttpRequestBodySize(Some(*most)),
                None => broken(error),
            })
        };
        let response = within(first_by, Error::HttpResponseTimeout, sending).await?;
        check(&response, &limits)?;
        let bound = Bound::new(limits.response_bytes, budget);
        let response = response.map(|body| Received::new(body, bound, between, busy).boxed_unsync());
        let ended = async move {
            drop(connection.await);
            Ok(())
        };
        Ok((response, Box::new(ended)))
    }

    /// When a wait ends for which the guest wants `own` at most.
    fn by(&self, own: Option<Duration>) -> Instant {
        let own = own.and_then(|own| Instant::now().checked_add(own));
        own.map_or(self.deadline.at, |own| own.min(self.deadline.at))
    }

    fn between(&self) -> Duration {
        let left = self.deadline.at.saturating_duration_since(Instant::now());
        self.options.between_bytes_timeout.map_or(left, |own| own.min(left))
    }
}

async fn within<T>(by: Instant, late: Error, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout_at(by.into(), work).await.unwrap_or(Err(late))
}

/// Whether the head of a response promises what a guest may have.
fn check(response: &Response<hyper::body::Incoming>, limits: &HttpLimits) -> Result<()> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::HttpUpgradeFailed);
    }
    // The buffer that bounds it grows in steps.
    let head: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head > limits.head_bytes {
        return Err(Error::HttpResponseHeaderSectionSize(u32::try_from(limits.head_bytes).ok()));
    }
    match length(response.headers()).filter(|length| *length > limits.response_bytes) {
        Some(_) => Err(Error::HttpResponseBodySize(Some(limits.response_bytes))),
        None => Ok(()),
    }
}

/// The length that a head declares of its body.
fn length(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What a broken exchange is told as.
fn broken(error: hyper::Error) -> Error {
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Error::ConnectionTerminated
    } else {
        Error::Hyper(error)
    }
}

fn tls_error(error: &io::Error) -> Error {
    tracing::debug!(%error, "TLS of a call by HTTP failed");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        _ => Error::TlsProtocolError,
    }
}
