//! A URL of PostgreSQL in its parts, to put other ones in.

use std::fmt;

/// `postgres://user:password@host:port/database?query`.
#[derive(Clone)]
pub(super) struct Url {
    /// With the `@`; empty if there is none.
    pub(super) user: String,
    pub(super) host: String,
    pub(super) database: String,
    /// With the `?`; empty if there is none.
    pub(super) query: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        let (rest, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
        Some(Self { user: user.into(), host: host.into(), database: database.into(), query: query.into() })
    }

    /// The same, on another host, which may have a port.
    pub(super) fn at(&self, host: impl fmt::Display) -> Self {
        Self { host: host.to_string(), ..self.clone() }
    }

    /// The same server's other database.
    pub(super) fn database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }

    /// The first host with its port, for a connection by hand.
    pub(super) fn address(&self) -> String {
        let first = self.host.split(',').next().unwrap_or_default();
        let has_port = first.rsplit(']').next().is_some_and(|end| end.contains(':'));
        if has_port { first.to_owned() } else { format!("{first}:5432") }
    }
}

/// The whole URL, its password too: what connects is to connect.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}{}/{}{}", self.user, self.host, self.database, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_replaced() {
        for (url, elsewhere, address) in [
            ("postgres://a:b@h:1/d?x=y", "postgres://a:b@p:2/e?x=y", "h:1"),
            ("postgresql://h", "postgres://p:2/e", "h:5432"),
            ("postgres://a:p@ss@[::1]/?x=/", "postgres://a:p@ss@p:2/e?x=/", "[::1]:5432"),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(url.at("p:2").database("e").to_string(), elsewhere);
            assert_eq!(url.address(), address);
        }
        assert!(Url::parse("h:1/d").is_none());
    }
}
