//! Rules of outgoing HTTP: which methods on which origin.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Methods that no rule can have: `CONNECT` would tunnel past every other check, `TRACE` shows a request's headers.
const FORBIDDEN: [&str; 2] = ["CONNECT", "TRACE"];

/// The scheme of a URL that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Its name in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where requests may go: scheme, host and port, written `https://api.example.com`, `https://*.example.com:8443` or
/// `http://[::1]:8080`. A `*.` in front of the host stands for one label or more, and not for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrigin {
    scheme: Scheme,
    /// In lower case; what stands behind `*` with its dot, for a suffix.
    host: String,
    is_suffix: bool,
    port: u16,
}

impl HttpOrigin {
    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it is for many hosts.
    pub(crate) fn is_suffix(&self) -> bool {
        self.is_suffix
    }

    /// Whether a request to `host`, in lower case, goes there.
    #[must_use]
    pub fn matches(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let is_host = if self.is_suffix {
            host.len() > self.host.len() && host.ends_with(&self.host) && !host.starts_with('.')
        } else {
            host == self.host
        };
        is_host && scheme == self.scheme && port == self.port
    }

    /// Whether whatever goes to `other` goes there too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_host = match (self.is_suffix, other.is_suffix) {
            (true, true) => other.host.ends_with(&self.host),
            (true, false) => return self.matches(other.scheme, &other.host, other.port),
            (false, true) => false,
            (false, false) => other.host == self.host,
        };
        is_host && other.scheme == self.scheme && other.port == self.port
    }
}

impl fmt::Display for HttpOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_suffix { "*" } else { "" };
        write!(f, "{}://{star}{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl FromStr for HttpOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "`{text}` is no origin: {problem}; write a scheme, a host and, where it is not the usual one, a port, as \
                 in `https://api.example.com` or `https://*.example.com:8443`"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(wrong("its scheme is neither `http` nor `https`")),
        };
        // The colons of an IPv6 address are inside of its brackets.
        let after_host = rest.rfind(']').map_or(0, |end| end + 1);
        let tail = rest.get(after_host..).unwrap_or_default();
        let (host, port) = match tail.find(':').map(|colon| rest.split_at(after_host + colon)) {
            Some((host, port)) => {
                let port = port.trim_start_matches(':').parse().ok().filter(|port| *port > 0);
                (host, port.ok_or_else(|| wrong("its port is no number from 1 to 65535"))?)
            }
            None => (rest, scheme.default_port()),
        };
        let (host, is_suffix) = match host.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => (suffix, true),
            Some(_) => return Err(wrong("a `*` stands only before a dot at its beginning")),
            None => (host, false),
        };
        let host = host.to_ascii_lowercase();
        if !is_host(host.strip_prefix('.').filter(|_| is_suffix).unwrap_or(&host)) {
            return Err(wrong("its host is no name and no address, or a path follows it"));
        }
        Ok(Self { scheme, host, is_suffix, port })
    }
}

/// Whether it is a DNS name in ASCII, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()));
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// What may be called: methods on an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// The methods, in capitals; at least one.
    #[serde(deserialize_with = "methods")]
    pub methods: Vec<String>,
    /// Where.
    pub origin: HttpOrigin,
}

impl HttpRule {
    /// Methods on an origin, or what is wrong with them.
    pub fn new<M: Into<String>>(methods: impl IntoIterator<Item = M>, origin: &str) -> Result<Self, String> {
        let methods = checked(methods.into_iter().map(Into::into).collect())?;
        Ok(Self { methods, origin: origin.parse()? })
    }
}

/// `GET, POST https://api.example.com`.
impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods.join(", "), self.origin)
    }
}

pub(super) fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(Vec::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn checked(methods: Vec<String>) -> Result<Vec<String>, String> {
    if methods.is_empty() {
        return Err(
            "there is no method; name those that are to be called, as in `methods = [\"GET\"]`".into()
        );
    }
    let is_method = |method: &str| {
        !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            && !FORBIDDEN.contains(&method)
    };
    match methods.iter().find(|method| !is_method(method)) {
        None => Ok(methods),
        Some(wrong) => Err(format!(
            "`{wrong}` is no method that can be granted; write one in capitals, and neither `CONNECT` nor `TRACE`"
        )),
    }
}

impl Serialize for HttpOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> HttpOrigin {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn origins_are_written_as_they_are_read() {
        for (text, shown) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.Example.com:443", "https://api.example.com"),
            ("http://*.example.com:8080", "http://*.example.com:8080"),
            ("http://[::1]:81", "http://[::1]:81"),
            ("http://10.0.0.1", "http://10.0.0.1"),
        ] {
            assert_eq!(origin(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        for (text, why) in [
            ("api.example.com", "no scheme"),
            ("ftp://a", "neither"),
            ("https://", "no name"),
            ("https://a/b", "path"),
            ("https://a:0", "port"),
            ("https://a:x", "port"),
            ("https://*", "before a dot"),
            ("https://*a.com", "before a dot"),
            ("https://a.*.com", "no name"),
            ("https://*..com", "no name"),
            ("https://user@a", "no name"),
            ("https://[1.2.3.4]", "no name"),
            ("https://a..b", "no name"),
        ] {
            let error = text.parse::<HttpOrigin>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_suffix_is_for_names_below_it_alone() {
        let suffix = origin("https://*.example.com");
        let hit = |host: &str| suffix.matches(Scheme::Https, host, 443);
        assert!(hit("api.example.com") && hit("a.b.example.com"));
        assert!(!hit("example.com") && !hit(".example.com") && !hit("badexample.com"));
        assert!(!hit("example.com.evil.net"));
        assert!(!suffix.matches(Scheme::Http, "api.example.com", 443));
        assert!(!suffix.matches(Scheme::Https, "api.example.com", 8443));
    }

    #[test]
    fn an_origin_covers_what_is_inside_of_it() {
        let covers = |one: &str, other: &str| origin(one).covers(&origin(other));
        assert!(covers("https://*.example.com", "https://api.example.com"));
        assert!(covers("https://*.example.com", "https://*.eu.example.com"));
        assert!(covers("https://a.com", "https://a.com:443"));
        assert!(!covers("https://api.example.com", "https://*.example.com"));
        assert!(!covers("https://*.example.com", "https://example.com"));
        assert!(!covers("https://a.com", "http://a.com"));
        assert!(!covers("https://a.com", "https://a.com:444"));
    }

    #[test]
    fn methods_that_would_undo_the_checks_cannot_be_granted() {
        for wrong in ["CONNECT", "TRACE", "get", "", "GET\r\nX"] {
            assert!(HttpRule::new([wrong], "https://a.com").is_err(), "{wrong:?}");
        }
        assert!(HttpRule::new(Vec::<String>::new(), "https://a.com").is_err());
        let rule = HttpRule::new(["GET", "M-SEARCH"], "https://a.com").unwrap();
        assert_eq!(rule.to_string(), "GET, M-SEARCH https://a.com");
    }
}
