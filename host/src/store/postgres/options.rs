//! How to open a store: the server's address, and what one host takes of it.

use std::env;
use std::fmt;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address;
use super::connection::Driven;
use super::peer::{self, Peer};
use super::tls::Tls;
use crate::model::error::{Error, ErrorKind, Result};

/// Connections for requests that write where the address does not say: as many as a host runs at once by default.
const CONNECTIONS_DEFAULT: usize = 16;
/// Connections for requests that only read: they are short, since no step runs in them.
const READERS_DEFAULT: usize = 4;
/// How long a worker holds its jobs after its last sign of life. A host that died is noticed that late; one that is merely
/// slow has that long to come back.
const LEASE_DEFAULT: Duration = Duration::from_secs(15);
/// From which age on a transaction is one to warn of: more than twice the two minutes of a message request.
const LONG_TRANSACTION_DEFAULT: Duration = Duration::from_secs(300);
/// How long a transaction may be idle: five times the two minutes of a message request.
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
/// How long to wait for a connection where nothing else says so.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// What drives a connection.
pub(super) type Driver =
    tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// What the driver takes where the address does not say: two hours.
const KEEPALIVES_IDLE_DRIVER: Duration = Duration::from_secs(2 * 60 * 60);
/// The same as the server is asked for: a machine that is gone is noticed after 25 seconds.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_RETRIES: u32 = 3;
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(25);

/// How to open a [`PostgresStore`](super::PostgresStore).
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    pub(super) config: Config,
    /// Makes connections encrypted, as far as `config` says so.
    pub(super) connector: MakeRustlsConnect,
    /// The server and the database, without the password: what errors call it.
    pub(super) database: String,
    /// Connections for requests that write, at least one: each transaction takes one, and who finds none waits, until its
    /// deadline. Besides these and the readers, four serve the asynchronous service and the notifications.
    pub connections: usize,
    /// Connections for requests that only read, at least one: they wait for no writer.
    pub readers: usize,
    /// Whether the connections go through a pooler that gives each transaction another session, such as PgBouncer in
    /// transaction mode. Then nothing is kept in a session: statements are not prepared, and what other hosts change is
    /// looked for once a second instead of being told.
    pub pooler: bool,
    /// How long a transaction may be open without a statement before the server ends it: for hosts that are cut off in the
    /// middle of one. Longer than any request, native steps in it included.
    pub idle_timeout: Duration,
    /// How long a worker holds its jobs after its last sign of life, by the database's clock; then other hosts take them
    /// over. A host that cannot reach the database stops its jobs before.
    pub lease: Duration,
    /// How long a transaction on the database may be open, of whatever program, before the store logs a warning of it, once.
    /// While it is, no row that was deleted or changed since can be cleaned up: the table of the system jobs grows, and
    /// claims get slower with every job that is done. Looked for every 30 seconds; five minutes unless set. See
    /// [`PostgresStore::long_transactions`](super::PostgresStore::long_transactions).
    pub long_transaction: Duration,
}

impl Options {
    /// Reads an address: `postgres://user:password@host:port/database?name=value&...`, as libpq takes it, or its
    /// `key=value` form. Without a password there, the environment's `PGPASSWORD` counts.
    ///
    /// Besides libpq's parameters it takes `connections` and `pooler=transaction`, for the options of these names. `sslmode` is
    /// one of `disable`, `prefer` (the default: encrypted where the server can, whoever it is), `require`, `verify-ca` and
    /// `verify-full`; `sslrootcert` is a file of certificates in PEM, which is read here, or `system` for those that the system
    /// trusts, which count without it too. With `sslrootcert`, `verify-full` is the default.
    pub fn new(address: &str) -> Result<Self> {
        let (address, parameters) = address::split(address)?;
        let connections = match parameters.connections {
            None => CONNECTIONS_DEFAULT,
            Some(count) => count.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
                unusable(format!("`connections={count}` in the address is not a number from 1 on"))
            })?,
        };
        let pooler = match parameters.pooler.as_deref() {
            None | Some("none") => false,
            Some("transaction") => true,
            Some(other) => {
                let message = format!("`pooler={other}` in the address is neither `transaction` nor `none`");
                return Err(unusable(message));
            }
        };
        let mut config: Config = address.parse().map_err(|error: tokio_postgres::Error| {
            // The address may have a password, so only the parser's words are shown.
            unusable(format!(
                "the database's address cannot be read: {error}; it is to be like `postgres://user@host/name`"
            ))
            .with_source(error)
        })?;
        if config.get_password().is_none()
            && let Ok(password) = env::var("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT_DEFAULT);
        }
        // So that a server that is gone without a word is noticed: of what is idle, and of what is said to it.
        if config.get_keepalives_idle() == KEEPALIVES_IDLE_DRIVER {
            config.keepalives_idle(KEEPALIVES_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVES_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVES_RETRIES);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("stagegate");
        }
        if config.get_hosts().is_empty() {
            // Certificates are for names, of which an address is one.
            let names: Vec<String> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
            for name in if names.is_empty() { vec!["localhost".to_owned()] } else { names } {
                config.host(name);
            }
        }
        let tls = Tls::new(parameters.sslmode.as_deref(), parameters.sslrootcert.as_deref())?;
        // As libpq has it: nobody listens in on a socket.
        let is_local = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        config.ssl_mode(if is_local { SslMode::Disable } else { tls.mode });
        let database = name(&config);
        Ok(Self {
            config,
            connector: tls.connector,
            database,
            connections,
            readers: READERS_DEFAULT,
            pooler,
            idle_timeout: IDLE_TIMEOUT_DEFAULT,
            lease: LEASE_DEFAULT,
            long_transaction: LONG_TRANSACTION_DEFAULT,
        })
    }

    /// Connects. The second value drives the connection, until the client is gone.
    pub(super) async fn connect(&self) -> Driven<(Client, Driver, Peer)> {
        peer::connect(&self.config, &self.connector).await
    }

    /// How long it may take to connect, the greeting included, whichever of the hosts it is.
    pub(super) fn connect_timeout(&self) -> Duration {
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT_DEFAULT);
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len());
        each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX).max(1))
    }

    /// The server and the database, without user and password: what errors and reports call it.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Without the password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            config: _,
            connector: _,
            database,
            connections,
            readers,
            pooler,
            idle_timeout,
            lease,
            long_transaction,
        } = self;
        f.debug_struct("Options")
            .field("database", database)
            .field("connections", connections)
            .field("readers", readers)
            .field("pooler", pooler)
            .field("idle_timeout", idle_timeout)
            .field("lease", lease)
            .field("long_transaction", long_transaction)
            .finish_non_exhaustive()
    }
}

fn name(config: &Config) -> String {
    let mut places: Vec<String> = Vec::new();
    for (index, host) in config.get_hosts().iter().enumerate() {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        let port = config.get_ports().get(index).or_else(|| config.get_ports().first());
        places.push(port.map_or(host.clone(), |port| format!("{host}:{port}")));
    }
    let name = config.get_dbname().or_else(|| config.get_user()).unwrap_or_default();
    format!("postgres://{}/{name}", places.join(","))
}

pub(super) fn unusable(message: String) -> Error {
    Error::new(ErrorKind::UnusableDatabase, message)
}
