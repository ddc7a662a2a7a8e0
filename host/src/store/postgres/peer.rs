//! Where a connection leads.
//!
//! The driver goes through the hosts of an address and the addresses of their names by itself, and does not tell where it
//! has arrived. A request to cancel has to go to the same server, so here it is done one by one.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use super::connection::Driven;
use super::options::Driver;

const PORT_DEFAULT: u16 = 5432;

/// A host, which may have more than one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    host: Host,
    /// None of a socket in the file system, and of a name without an address.
    address: Option<IpAddr>,
    port: u16,
}

/// Connects to the first that lets us in. The second value drives the connection, until the client is gone.
pub(super) async fn connect(
    config: &Config,
    connector: &MakeRustlsConnect,
) -> Driven<(Client, Driver, Peer)> {
    let mut failed = None;
    for host in hosts(config) {
        for peer in host.resolved(config).await {
            match peer.config(config).connect(connector.clone()).await {
                Ok((client, driver)) => return Ok((client, driver, peer)),
                Err(error) => failed = Some(error),
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        // The address makes no sense. It is the driver's to say so.
        None => {
            let (client, driver) = config.connect(connector.clone()).await?;
            let peer = Peer { host: Host::Tcp(String::new()), address: None, port: PORT_DEFAULT };
            Ok((client, driver, peer))
        }
    }
}

/// The hosts of an address, in the order in which they are to be tried. None if their parts do not belong together.
fn hosts(config: &Config) -> Vec<Peer> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let fits = |count: usize, most: usize| count <= most || count == hosts.len();
    if !fits(addresses.len(), 0) || !fits(ports.len(), 1) {
        return Vec::new();
    }
    let peer = |(index, host): (usize, &Host)| Peer {
        host: host.clone(),
        address: addresses.get(index).copied(),
        port: ports.get(index).or(ports.first()).copied().unwrap_or(PORT_DEFAULT),
    };
    let mut peers: Vec<Peer> = hosts.iter().enumerate().map(peer).collect();
    shuffle(config, &mut peers);
    peers
}

/// Where the address says that load is to be spread.
fn shuffle(config: &Config, peers: &mut [Peer]) {
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        peers.sort_by_cached_key(|_| Uuid::new_v4());
    }
}

impl Peer {
    /// The same by each of its addresses; by its name if that has none, which the driver is to say.
    async fn resolved(self, config: &Config) -> Vec<Self> {
        let (Host::Tcp(name), None) = (&self.host, self.address) else { return vec![self] };
        let Ok(addresses) = lookup_host((name.as_str(), self.port)).await else { return vec![self] };
        let mut peers: Vec<Self> =
            addresses.map(|address| Self { address: Some(address.ip()), ..self.clone() }).collect();
        shuffle(config, &mut peers);
        if peers.is_empty() { vec![self] } else { peers }
    }

    /// The same configuration with this host alone.
    fn config(&self, all: &Config) -> Config {
        let mut config = Config::new();
        if let Some(user) = all.get_user() {
            config.user(user);
        }
        if let Some(password) = all.get_password() {
            config.password(password);
        }
        if let Some(name) = all.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = all.get_options() {
            config.options(options);
        }
        if let Some(name) = all.get_application_name() {
            config.application_name(name);
        }
        if let Some(timeout) = all.get_connect_timeout() {
            config.connect_timeout(*timeout);
        }
        if let Some(timeout) = all.get_tcp_user_timeout() {
            config.tcp_user_timeout(*timeout);
        }
        if let Some(interval) = all.get_keepalives_interval() {
            config.keepalives_interval(interval);
        }
        if let Some(retries) = all.get_keepalives_retries() {
            config.keepalives_retries(retries);
        }
        config
            .ssl_mode(all.get_ssl_mode())
            .ssl_negotiation(all.get_ssl_negotiation())
            .keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle())
            .target_session_attrs(all.get_target_session_attrs())
            .channel_binding(all.get_channel_binding())
            .load_balance_hosts(all.get_load_balance_hosts());
        match &self.host {
            Host::Tcp(name) => config.host(name.as_str()),
            #[cfg(unix)]
            Host::Unix(folder) => config.host_path(folder),
        };
        if let Some(address) = self.address {
            config.hostaddr(address);
        }
        config.port(self.port);
        config
    }

    /// Sends a request to cancel, and waits until the server has acted on it: so what comes next on the connection is not
    /// ended in its place.
    pub(super) async fn cancel(
        &self,
        token: &CancelToken,
        connector: &MakeRustlsConnect,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        match &self.host {
            Host::Tcp(name) => {
                let place = self.address.map_or_else(|| name.clone(), |address| address.to_string());
                let stream = TcpStream::connect((place, self.port)).await?;
                send(token, stream, connector, name).await
            }
            #[cfg(unix)]
            Host::Unix(folder) => {
                let socket = folder.join(format!(".s.PGSQL.{}", self.port));
                send(token, tokio::net::UnixStream::connect(socket).await?, connector, "").await
            }
        }
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    token: &CancelToken,
    stream: S,
    connector: &MakeRustlsConnect,
    name: &str,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let tls = MakeTlsConnect::<Heard<S>>::make_tls_connect(&mut connector.clone(), name)?;
    Ok(token.cancel_query_raw(Heard(stream), tls).await?)
}

/// A stream that is shut down once the other side has closed it, which a server does when it has acted on a request to
/// cancel. PgBouncer 1.18 ends with all its connections if it is left before.
struct Heard<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        loop {
            let mut bytes = [0; 64];
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // A server that goes without a word has closed it too.
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Err(error));
                }
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_what_is_said_of_all() {
        let said = "user=u password=p dbname=d options=o application_name=a sslmode=require sslnegotiation=direct \
                    connect_timeout=1 tcp_user_timeout=2 keepalives=0 keepalives_idle=3 keepalives_interval=4 \
                    keepalives_retries=5 target_session_attrs=read-write channel_binding=require \
                    load_balance_hosts=random";
        let all: Config = format!("{said} host=a,b hostaddr=127.0.0.1,::1 port=1,2").parse().unwrap();
        let mut found: Vec<Config> = hosts(&all).iter().map(|peer| peer.config(&all)).collect();
        found.sort_by_key(|config| config.get_ports().to_vec());
        let alone = |place: &str| format!("{said} {place}").parse::<Config>().unwrap();
        assert_eq!(found, [alone("host=a hostaddr=127.0.0.1 port=1"), alone("host=b hostaddr=::1 port=2")]);
        #[cfg(unix)]
        {
            let all: Config = "host=/run user=u".parse().unwrap();
            let [peer] = hosts(&all).try_into().unwrap();
            assert_eq!(peer.config(&all), *"host=/run port=5432 user=u".parse::<Config>().as_mut().unwrap());
        }
        for wrong in ["host=a,b hostaddr=127.0.0.1", "host=a,b,c port=1,2"] {
            assert_eq!(hosts(&wrong.parse().unwrap()), []);
        }
    }
}
