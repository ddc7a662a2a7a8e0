//! A server of HTTP/1.1 as small as a test needs it, and names for it. It is our own and shares no code with the host's
//! client, and it can do what a good server does not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use stagegate::wasm::http::Resolve;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The port of plain servers: the guest asks for it, so each server has an address of its own.
pub(super) const PORT: u16 = 18_080;
/// The port of servers with TLS.
pub(super) const TLS_PORT: u16 = 18_443;

/// What a server does with a request.
pub(super) enum Answer {
    /// Writes this and closes the connection.
    Whole(Vec<u8>),
    /// Writes this and keeps the connection open.
    Part(Vec<u8>),
}

/// A response with a body.
pub(super) fn response(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Whole(
        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// A server on an address of the loopback range that no other test has.
pub(super) struct Server {
    pub(super) address: IpAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server that answers each request, given as its text.
    pub(super) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(PORT, None, answer).await
    }

    pub(super) async fn start_tls(
        config: Arc<ServerConfig>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TLS_PORT, Some(config.into()), answer).await
    }

    async fn serve(
        port: u16,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = own_address();
        let listener = TcpListener::bind((address, port)).await.unwrap();
        let (seen, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (seen, answer, tls) = (Arc::clone(&seen), Arc::clone(&answer), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => exchange(stream, &seen, &*answer).await,
                            Some(tls) => match tls.accept(stream).await {
                                Ok(stream) => exchange(stream, &seen, &*answer).await,
                                Err(_) => None,
                            },
                        }
                    });
                }
            }
        });
        Self { address, seen, task }
    }

    /// The requests that came, as their texts.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request, and what becomes of it. None if the other side breaks off.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
) -> Option<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => request.extend(&piece[..read]),
        }
    }
    let request = String::from_utf8(request).unwrap();
    seen.lock().unwrap().push(request.clone());
    match answer(&request) {
        Answer::Whole(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.shutdown().await.ok()
        }
        Answer::Part(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            // Until the other side has enough.
            stream.read(&mut [0; 1]).await.ok().map(drop)
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    match length {
        Some(length) => body.len() >= length,
        None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
        None => true,
    }
}

/// An address of the loopback range for one server.
fn own_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()[3];
    // 127.0.0.0/16 is left to everybody else.
    IpAddr::V4(Ipv4Addr::new(127, high | 1, low, next.max(1)))
}

/// Names, each with the addresses of one look-up after another; the last stays.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    pub(super) fn with(self, name: &str, addresses: &[IpAddr]) -> Self {
        self.0.lock().unwrap().entry(name.to_owned()).or_default().push(addresses.to_vec());
        self
    }
}

impl Resolve for Names {
    fn resolve(
        &self,
        host: &str,
    ) -> stagegate::pipeline::runner::BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap();
        let found = names.get_mut(host).map(|turns| match turns.len() {
            1 => turns[0].clone(),
            _ => turns.remove(0),
        });
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

/// A certificate for a name, by an authority whose own is in PEM.
pub(super) fn certificate(name: &str) -> (Arc<ServerConfig>, String) {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&authority).unwrap().pem();
    let (issuer, key) = (Issuer::new(params, authority), KeyPair::generate().unwrap());
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    (Arc::new(config.unwrap()), pem)
}
