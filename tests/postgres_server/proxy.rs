//! A proxy that breaks connections in the ways in which a network does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::{TestDatabase, ports, pump};
use crate::PATIENCE;

/// The longest bytes that can be cut at.
pub(super) const LONGEST: usize = 256;

/// Stands between clients and a server, on a thread of its own, and passes on what they say until it is told otherwise.
///
/// What a call asks for is the case when it returns. Dropped, the proxy is gone and its connections are cut.
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

/// Who says what a proxy is to cut at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The server never hears it.
    Client,
    /// The server has done it, and the client never knows.
    Server,
}

/// A cut that is to come.
pub struct Cut(oneshot::Receiver<()>);

impl Proxy {
    /// A proxy before a server, which is given as host and port.
    ///
    /// # Panics
    ///
    /// If there is no port.
    #[must_use]
    pub fn to(server: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = ports::candidates()
            .find_map(|port| bind((Ipv4Addr::LOCALHOST, port).into()).ok())
            .expect("a free port");
        let address = listener.local_addr().expect("it has a port");
        let control = Arc::new(Control::default());
        let (shared, server) = (Arc::clone(&control), Arc::from(server));
        let thread = std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || runtime.block_on(serve(listener, address, server, shared)))
            .expect("a thread");
        Self { address, control, thread: Some(thread) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A database's URL through this proxy.
    #[must_use]
    pub fn url(&self, database: &TestDatabase) -> String {
        database.url_through(self)
    }

    /// How many connections go through it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.control.lock().open.len()
    }

    /// Cuts all connections that there are: both sides get a reset. New ones are let through.
    pub fn cut(&self) {
        let now = self.control.change(|state| {
            state.generation += 1;
            state.generation
        });
        self.control.wait_until(|state| state.open.iter().all(|generation| *generation >= now));
    }

    /// Whether new connections are refused, as by a machine on which nothing listens. Those that there are go on.
    pub fn refuse(&self, refuse: bool) {
        self.control.change(|state| state.refuses = refuse);
        self.control.wait_until(|state| state.is_closed == refuse);
    }

    /// Passes nothing on any more, in either direction, and closes nothing, as a network that swallows all. What is
    /// said meanwhile is held; new connections are taken and lead nowhere.
    pub fn freeze(&self) {
        self.control.change(|state| state.frozen = true);
    }

    /// Passes on again, first what was held.
    pub fn thaw(&self) {
        self.control.change(|state| state.frozen = false);
    }

    /// Cuts the first connection on which these bytes are said from now on, as [`Proxy::cut`] does. Neither they nor
    /// what comes with and after them are passed on.
    ///
    /// After [`Speaker::Client`] has said `COMMIT`, the server rolls back. When [`Speaker::Server`] says `COMMIT\0`,
    /// as it does once the statement is done, it has committed. The client cannot tell the one from the other.
    ///
    /// # Panics
    ///
    /// If there is nothing to cut at, or more than 256 bytes.
    #[must_use]
    pub fn cut_at(&self, speaker: Speaker, bytes: impl Into<Vec<u8>>) -> Cut {
        let bytes = bytes.into();
        assert!((1..=LONGEST).contains(&bytes.len()), "{} bytes to cut at", bytes.len());
        let (made, cut) = oneshot::channel();
        self.control.change(|state| state.traps.push(Trap { speaker, bytes, made }));
        Cut(cut)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.change(|state| state.ended = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Cut {
    /// Waits until it is made and the connection gone.
    ///
    /// # Panics
    ///
    /// If it takes too long, or the proxy is gone.
    pub async fn made(self) {
        let made = tokio::time::timeout(PATIENCE, self.0).await.expect("somebody says what to cut at");
        made.expect("the proxy is there");
    }
}

/// What is asked of the proxy, and what it has come to.
#[derive(Default)]
pub(super) struct Control {
    state: Mutex<State>,
    /// Tells the proxy that something is asked.
    pub(super) asked: Notify,
    /// Tells who asked that something has happened.
    happened: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) ended: bool,
    pub(super) frozen: bool,
    /// Connections of an earlier one are to be cut.
    pub(super) generation: u64,
    pub(super) traps: Vec<Trap>,
    refuses: bool,
    is_closed: bool,
    /// The generation of each connection.
    open: Vec<u64>,
}

/// Bytes to cut at.
pub(super) struct Trap {
    pub(super) speaker: Speaker,
    pub(super) bytes: Vec<u8>,
    made: oneshot::Sender<()>,
}

impl Control {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing fails while it holds the lock")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.asked.notify_waiters();
        self.happened.notify_all();
        result
    }

    fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        let waits = |state: &mut State| !condition(state);
        let waited = self.happened.wait_timeout_while(self.lock(), PATIENCE, waits);
        let timed_out = waited.expect("nothing fails while it holds the lock").1.timed_out();
        assert!(!timed_out, "the proxy does not do what it is asked");
    }
}

/// A listener to hand to a runtime.
fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(
    listener: std::net::TcpListener,
    address: SocketAddr,
    server: Arc<str>,
    control: Arc<Control>,
) {
    let mut listener = TcpListener::from_std(listener).ok();
    let mut connections = JoinSet::new();
    loop {
        // Before the look at what is asked, so that nothing is missed in between.
        let mut asked = std::pin::pin!(control.asked.notified());
        asked.as_mut().enable();
        let (ended, refuses) = {
            let state = control.lock();
            (state.ended, state.refuses)
        };
        if ended {
            break;
        }
        if refuses == listener.is_some() {
            listener = match refuses {
                true => None,
                false => bind(address).and_then(TcpListener::from_std).ok(),
            };
            control.change(|state| state.is_closed = refuses);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = asked => {}
            Ok((client, _)) = accepted => {
                let (server, control) = (Arc::clone(&server), Arc::clone(&control));
                let generation = control.change(|state| {
                    state.open.push(state.generation);
                    state.generation
                });
                connections.spawn(async move {
                    let sprung = pump::run(client, &server, &control, generation).await;
                    control.change(|state| {
                        let at = state.open.iter().position(|open| *open == generation);
                        at.map(|at| state.open.swap_remove(at));
                    });
                    if let Some(trap) = sprung {
                        let _ = trap.made.send(());
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
