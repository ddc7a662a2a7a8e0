//! Servers of HTTP/1.1 as small as a test needs them, and names for them. They are our own and share no code with the
//! host's client, and they can do what a good server does not.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use stagegate::pipeline::runner::BoxFuture;
use stagegate::wasm::http::Resolve;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The port of plain servers. The system could pick one for each, but what a plugin is granted is at most what it asks for,
/// port included, and that is in its bytes. So each server has an address of its own instead.
pub const PORT: u16 = 18_080;
/// The port of servers with TLS.
pub const TLS_PORT: u16 = 18_443;

/// What a server does with a request.
pub enum Answer {
    /// Writes this and closes the connection.
    Whole(Vec<u8>),
    /// Writes this and keeps the connection open.
    Part(Vec<u8>),
    /// Writes the first, and then the second again and again, each time after a pause, as long as the other side listens.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

/// A response with a body.
#[must_use]
pub fn response(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Whole(
        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// A server on an address of the loopback range that no other has.
pub struct Server {
    /// Its address.
    pub address: IpAddr,
    seen: Arc<Mutex<Vec<String>>>,
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server on [`PORT`] that answers each request, given as its text.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(PORT, answer).await
    }

    /// A server on another port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub async fn start_at(port: u16, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(port, None, answer).await
    }

    /// A server with TLS on [`TLS_PORT`].
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub async fn start_tls(
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
        let listener = TcpListener::bind((address, port)).await.expect("an address of its own");
        let (seen, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let (opened, open) = watch::channel(0);
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    let (seen, answer, tls) = (Arc::clone(&seen), Arc::clone(&answer), tls.clone());
                    let connection = Connection::new(&opened);
                    tokio::spawn(async move {
                        let _connection = connection;
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
        Self { address, seen, open, task }
    }

    /// The requests that came, as their texts.
    ///
    /// # Panics
    ///
    /// If a connection's task broke down while it noted one.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("what was seen").clone()
    }

    /// The requests that came since this was last asked.
    ///
    /// # Panics
    ///
    /// If a connection's task broke down while it noted one.
    #[must_use]
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("what was seen"))
    }

    /// Ports that the system keeps for others since they have closed a connection to this server.
    ///
    /// # Panics
    ///
    /// Where the system does not tell it as Linux does.
    #[must_use]
    pub fn ports_kept(&self) -> usize {
        const TIME_WAIT: &str = "06";
        let IpAddr::V4(address) = self.address else { panic!("an address of IPv4") };
        let here = format!("{:08X}", u32::from_le_bytes(address.octets()));
        let connections = std::fs::read_to_string("/proc/net/tcp").expect("the connections of the system");
        let other_and_state = |line: &str| {
            let mut fields = line.split_whitespace().skip(2);
            Some((fields.next()?.starts_with(&here), fields.next()? == TIME_WAIT))
        };
        connections.lines().filter_map(other_and_state).filter(|both| *both == (true, true)).count()
    }

    /// Waits until nobody has a connection any more.
    ///
    /// # Panics
    ///
    /// If the server broke down.
    pub async fn left_alone(&self) {
        self.open.clone().wait_for(|open| *open == 0).await.expect("the server");
    }
}

/// Counts among those that are open while it lives.
struct Connection(watch::Sender<usize>);

impl Connection {
    fn new(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
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
    let request = String::from_utf8(request).expect("a request in UTF-8");
    seen.lock().expect("what was seen").push(request.clone());
    match answer(&request) {
        Answer::Whole(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.shutdown().await.ok()?;
            // Whatever still comes is a request of its own to a server that keeps connections.
            let mut more = Vec::new();
            let _ = stream.read_to_end(&mut more).await;
            if !more.is_empty() {
                seen.lock().expect("what was seen").push(String::from_utf8_lossy(&more).into_owned());
            }
            Some(())
        }
        Answer::Part(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            // Until the other side has enough.
            stream.read(&mut [0; 1]).await.ok().map(drop)
        }
        Answer::Endless(first, again, pause) => {
            stream.write_all(&first).await.ok()?;
            loop {
                tokio::time::sleep(pause).await;
                stream.write_all(&again).await.ok()?;
            }
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
pub struct Names(Arc<Mutex<BTreeMap<String, Turns>>>);

#[derive(Default)]
struct Turns {
    addresses: Vec<Vec<IpAddr>>,
    next: usize,
}

impl Names {
    /// With the addresses of a name's next look-up.
    ///
    /// # Panics
    ///
    /// If a look-up broke down.
    #[must_use]
    pub fn with(self, name: &str, addresses: &[IpAddr]) -> Self {
        self.lock().entry(name.to_owned()).or_default().addresses.push(addresses.to_vec());
        self
    }

    /// Every name begins anew with the addresses of its first look-up.
    ///
    /// # Panics
    ///
    /// If a look-up broke down.
    pub fn begin_anew(&self) {
        self.lock().values_mut().for_each(|turns| turns.next = 0);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Turns>> {
        self.0.lock().expect("the names")
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let found = self.lock().get_mut(host).map(|turns| {
            let turn = turns.next.min(turns.addresses.len() - 1);
            turns.next += 1;
            turns.addresses[turn].clone()
        });
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}
