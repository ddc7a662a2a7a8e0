//! A connection to the server, and the statements that it has prepared.
//!
//! The driver sends a message when a future is first polled, and the server answers in that order: so statements that are
//! polled together share a round trip. A future may be dropped at any moment: its answer is still read, and thrown away.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use lru::LruCache;
use tokio::runtime::Handle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Options;
use super::peer::Peer;
use crate::store::sql::Sql;

/// The prepared statements that a connection keeps: a shape of request takes a handful.
const STATEMENTS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(511);
/// How long the server has to take a request to cancel, and then to end what runs.
pub(super) const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// A result with the driver's error.
pub(super) type Driven<T> = Result<T, tokio_postgres::Error>;

/// A parameter with PostgreSQL's type of it.
pub(super) type Bound<'v> = (&'v (dyn ToSql + Sync), Type);

/// A connection to the server.
pub(super) struct Connection {
    client: Arc<Client>,
    /// For requests to cancel, which take a connection of their own.
    peer: Peer,
    connector: MakeRustlsConnect,
    statements: Arc<Mutex<Statements>>,
    /// Whether the session is this connection's alone, and keeps what was prepared in it.
    prepares: bool,
    /// Whether a request to cancel may still be on its way, to hit whatever runs when it comes.
    canceled: AtomicBool,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The records of requests.
    Requests,
    /// The asynchronous service.
    Jobs,
}

type Statements = LruCache<String, Statement>;

/// A statement that can be sent at once.
pub(super) enum Ready<'s> {
    /// The server has it.
    Prepared(Statement),
    /// It is sent with its parameters.
    Text(&'s str),
}

impl Connection {
    /// Connects, and sets what holds for the session. A task drives the connection until it ends.
    pub(super) async fn open(options: &Options, purpose: Purpose) -> Driven<Self> {
        let (client, connection, peer) = options.connect().await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        let connection = Self::of(client, peer, options);
        if !options.pooler {
            connection.batch(&settings(options, purpose)).await?;
        }
        Ok(connection)
    }

    /// The connection of a client that is connected.
    pub(super) fn of(client: Client, peer: Peer, options: &Options) -> Self {
        Self {
            client: Arc::new(client),
            peer,
            connector: options.connector.clone(),
            statements: Arc::new(Mutex::new(LruCache::new(STATEMENTS_MAX))),
            prepares: !options.pooler,
            canceled: AtomicBool::new(false),
        }
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether another transaction can have it: not while the server may still act on a request to end a statement.
    pub(super) fn is_reusable(&self) -> bool {
        !self.is_closed() && !self.canceled.load(Ordering::Relaxed)
    }

    /// Notes that the server has ended the statement that it was asked to end.
    pub(super) fn note_canceled(&self) {
        self.canceled.store(false, Ordering::Relaxed);
    }

    /// Runs statements without parameters or answers.
    pub(super) async fn batch(&self, text: &str) -> Driven<()> {
        self.client.batch_execute(text).await
    }

    /// Makes a statement ready to be sent, which takes a round trip the first time.
    pub(super) async fn ready<'s>(&self, text: &'s str, types: &[Type]) -> Driven<Ready<'s>> {
        if !self.prepares {
            return Ok(Ready::Text(text));
        }
        if let Some(statement) = lock(&self.statements).get(text) {
            return Ok(Ready::Prepared(statement.clone()));
        }
        let (client, statements) = (Arc::clone(&self.client), Arc::clone(&self.statements));
        let (text, types) = (text.to_owned(), types.to_vec());
        let prepare = async move {
            let statement = client.prepare_typed(&text, &types).await?;
            lock(&statements).put(text, statement.clone());
            Ok(Ready::Prepared(statement))
        };
        ToItsEnd { future: Some(Box::pin(prepare)), has_begun: false }.await
    }

    /// Sends a statement that is ready, when first polled, and reads its rows.
    pub(super) async fn send(&self, ready: &Ready<'_>, parameters: &[Bound<'_>]) -> Driven<Vec<Row>> {
        let stream = match ready {
            Ready::Prepared(statement) => {
                self.client.query_raw(statement, parameters.iter().map(|(value, _)| *value)).await?
            }
            Ready::Text(text) => self.client.query_typed_raw(text, parameters.iter().cloned()).await?,
        };
        stream.try_collect().await
    }

    /// As [`Connection::send`], for how many rows it wrote.
    pub(super) async fn send_counted(&self, ready: &Ready<'_>, parameters: &[Bound<'_>]) -> Driven<u64> {
        match ready {
            Ready::Prepared(statement) => {
                self.client.execute_raw(statement, parameters.iter().map(|(value, _)| *value)).await
            }
            Ready::Text(text) => self.client.execute_typed(text, parameters).await,
        }
    }

    /// Runs a statement and reads its rows.
    pub(super) async fn rows(&self, text: &str, parameters: &[Bound<'_>]) -> Driven<Vec<Row>> {
        let types: Vec<Type> = parameters.iter().map(|(_, ty)| ty.clone()).collect();
        let ready = self.ready(text, &types).await?;
        self.send(&ready, parameters).await
    }

    /// Has the server end the statement that runs on this connection, if one does, and waits until it has acted on that.
    /// Where this fails it may still do so later, so the connection is to be closed unless the server says that it
    /// [did](Connection::note_canceled).
    pub(super) async fn cancel(&self) {
        self.canceled.store(true, Ordering::Relaxed);
        let token = self.client.cancel_token();
        match tokio::time::timeout(CANCEL_TIMEOUT, self.peer.cancel(&token, &self.connector)).await {
            Ok(Ok(())) => self.canceled.store(false, Ordering::Relaxed),
            Ok(Err(error)) => tracing::warn!(%error, "cannot have the database end a statement"),
            Err(_) => tracing::warn!("the database does not take the request to end a statement"),
        }
    }
}

fn lock(statements: &Mutex<Statements>) -> std::sync::MutexGuard<'_, Statements> {
    statements.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has begun and is then dropped goes on in a task: a statement that the server prepares has a name by then, and is
/// kept instead of lost.
struct ToItsEnd<T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        if let (Some(future), true, Ok(runtime)) = (self.future.take(), self.has_begun, Handle::try_current())
        {
            // Not for ever, since it keeps the connection open.
            runtime.spawn(tokio::time::timeout(CANCEL_TIMEOUT, future));
        }
    }
}

/// Sets those of the settings that the server has: so that it notices soon when this host is gone without a word, and
/// takes back what it held.
fn settings(options: &Options, purpose: Purpose) -> String {
    let idle = options.idle_timeout.as_millis();
    // To compile a plan takes a hundred times as long as to run any of these statements, and the planner would, thinking that
    // one without an index is dear.
    //
    // A plan that was made while there were few jobs is kept, and would read all of them when there are many. Each statement
    // of the jobs has an index. And each has one plan, whatever its parameters: to make another takes as long as to run it.
    let (scans, plans) =
        if purpose == Purpose::Jobs { ("off", "force_generic_plan") } else { ("on", "auto") };
    format!(
        "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES
             ('client_connection_check_interval', '2000'), ('idle_in_transaction_session_timeout', '{idle}'),
             ('enable_seqscan', '{scans}'), ('plan_cache_mode', '{plans}'), ('jit', 'off'),
             ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')
         ) AS wanted (name, value) USING (name)"
    )
}

/// The parameters of a statement with their types.
pub(super) fn bound<'v>(sql: &'v Sql<'_>) -> Vec<Bound<'v>> {
    sql.parameters
        .iter()
        .map(|parameter| (parameter as &(dyn ToSql + Sync), parameter.kind().postgres_type()))
        .collect()
}
