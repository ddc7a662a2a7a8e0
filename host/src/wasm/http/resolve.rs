//! From a host's name to addresses.

use std::io;
use std::net::IpAddr;

use crate::pipeline::runner::BoxFuture;

/// Finds the addresses of a host that a plugin calls. The host of the pipeline judges what it finds, and connects to
/// nothing else.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name, in the order in which they are to be tried. Called for each call anew; never for a host
    /// that is an address.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_itself() {
        let found = SystemResolver.resolve("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
