//! What is outside of a host under attack by HTTP: servers, their names, and what an operator has granted.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use stagegate::HostBuilder;
use stagegate::model::capability::{Grants, HttpGrant, HttpRule};

use crate::web::{Answer, Names, Server};

/// What is outside, as data.
#[derive(Clone, Copy)]
pub struct Outside {
    /// The servers.
    pub sites: &'static [Site],
    /// Names besides those of the servers.
    pub names: &'static [Name],
    /// What is granted.
    pub grants: &'static [Allowed],
}

/// A server.
#[derive(Clone, Copy)]
pub struct Site {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub port: u16,
    /// What it does with a request.
    pub answers: fn(&str) -> Answer,
    /// How many requests it must see of each strike: the judge of whether an attack gets through.
    pub sees: Sees,
}

/// How many requests a server must see.
#[derive(Clone, Copy)]
pub enum Sees {
    /// None: it is what the attack is after.
    Nothing,
    /// So many: the attack is told from calls that never work by one that does.
    Times(usize),
    /// At most so many.
    AtMost(usize),
}

/// A name, with what it stands for in one look-up after another; the last stays.
#[derive(Clone, Copy)]
pub struct Name(pub &'static str, pub &'static [&'static [At]]);

/// What a name stands for.
#[derive(Clone, Copy)]
pub enum At {
    /// The server of that name.
    Site(&'static str),
    /// This address.
    Address(&'static str),
}

/// Calls of an origin that are granted: GET.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// Scheme, host and port.
    pub origin: &'static str,
    /// Whether at addresses that are not public.
    pub private: bool,
}

/// How long a server waits for the end of connections that the host has left.
const LEAVING: Duration = Duration::from_secs(30);

/// The servers of an attack, while it goes on.
pub(super) struct Sites {
    servers: Vec<(&'static Site, Server)>,
    /// How many requests each has seen, as far as they are judged.
    counts: Mutex<Vec<usize>>,
    names: Names,
}

impl Sites {
    pub(super) async fn open(outside: &Outside) -> Self {
        let mut servers = Vec::new();
        for site in outside.sites {
            servers.push((site, Server::start_at(site.port, site.answers).await));
        }
        let of_sites = servers.iter().map(|(site, server)| (site.name, server.address));
        let names = of_sites.fold(Names::default(), |names, (name, address)| names.with(name, &[address]));
        let counts = Mutex::new(vec![0; servers.len()]);
        let sites = Self { servers, counts, names: Names::default() };
        let address = |at: &At| match at {
            At::Site(name) => sites.server(name).address,
            At::Address(text) => text.parse::<IpAddr>().expect("an address"),
        };
        let turns = outside.names.iter().flat_map(|Name(name, turns)| turns.iter().map(move |at| (name, at)));
        let names = turns.fold(names, |names, (name, at)| {
            let addresses: Vec<_> = at.iter().map(address).collect();
            names.with(name, &addresses)
        });
        Self { names, ..sites }
    }

    fn server(&self, name: &str) -> &Server {
        let found = self.servers.iter().find(|(site, _)| site.name == name);
        &found.expect("a server of that name").1
    }

    /// What a host is told of them.
    pub(super) fn describe(&self, host: HostBuilder, plugin: &str, outside: &Outside) -> HostBuilder {
        let grants = outside.grants.iter().fold(Grants::new(), |grants, allowed| {
            let rule = HttpRule::new(["GET"], allowed.origin).expect("an origin");
            let grant = HttpGrant::new(rule);
            grants.http(if allowed.private { grant.private() } else { grant })
        });
        host.grant(plugin, grants).resolver(self.names.clone())
    }

    /// Another strike: names begin anew.
    pub(super) fn begin_anew(&self) {
        self.names.begin_anew();
    }

    /// Whether the servers have seen what they must of so many strikes, and otherwise what was wrong.
    pub(super) fn judge(&self, strikes: usize) -> Result<(), String> {
        let mut counts = self.counts.lock().expect("the counts");
        for ((site, server), count) in self.servers.iter().zip(&mut *counts) {
            let seen = server.take_seen();
            *count += seen.len();
            let is_as_it_must = match site.sees {
                Sees::Nothing => *count == 0,
                Sees::Times(times) => *count == times * strikes,
                Sees::AtMost(most) => *count <= most * strikes,
            };
            if !is_as_it_must {
                let last = seen.last().map_or("", String::as_str);
                return Err(format!(
                    "{} has seen {count} requests of {strikes} strikes, the last {last:?}",
                    site.name
                ));
            }
            if let Some(doubled) = seen.iter().find(|request| request.matches(" HTTP/1.1\r\n").count() != 1) {
                return Err(format!("{} has seen a request in a request: {doubled:?}", site.name));
            }
        }
        Ok(())
    }

    /// Whether the host leaves the servers when the plugin's run is over.
    pub(super) async fn are_left_alone(&self) -> Result<(), String> {
        for (site, server) in &self.servers {
            let left = tokio::time::timeout(LEAVING, server.left_alone()).await;
            left.map_err(|_elapsed| format!("a connection to {} is left open", site.name))?;
        }
        Ok(())
    }
}
