//! The parameters of an address that are the host's own, or that the driver knows only in part.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::model::error::Result;

use super::options::unusable;

/// What an address says beside what the driver reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) connections: Option<String>,
    pub(super) pooler: Option<String>,
    pub(super) sslmode: Option<String>,
    pub(super) sslrootcert: Option<String>,
}

impl Parameters {
    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "connections" => Some(&mut self.connections),
            "pooler" => Some(&mut self.pooler),
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            _ => None,
        }
    }
}

/// Takes the parameters out of an address, in either of its forms. What is left is the driver's to read, and to refuse.
pub(super) fn split(address: &str) -> Result<(String, Parameters)> {
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    if is_url { split_url(address) } else { Ok(split_pairs(address)) }
}

fn split_url(address: &str) -> Result<(String, Parameters)> {
    let mut parameters = Parameters::default();
    let Some((start, query)) = address.split_once('?') else { return Ok((address.to_owned(), parameters)) };
    let mut rest = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let place = parameter.split_once('=').and_then(|(name, value)| {
            Some((name, parameters.place(name)?, percent_decode_str(value).decode_utf8()))
        });
        match place {
            Some((_, place, Ok(value))) => *place = Some(value.into_owned()),
            Some((name, _, Err(_))) => {
                return Err(unusable(format!("`{name}` in the address is not encoded in UTF-8; correct it")));
            }
            None => rest.push(parameter),
        }
    }
    let mark = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{start}{mark}{}", rest.join("&")), parameters))
}

fn split_pairs(address: &str) -> (String, Parameters) {
    let (mut parameters, mut rest) = (Parameters::default(), Vec::new());
    let mut left = address.trim();
    while let Some((name, value, behind)) = pair(left) {
        match parameters.place(name) {
            Some(place) => *place = Some(value),
            None => rest.push(Cow::Borrowed(left.strip_suffix(behind).unwrap_or(left).trim_end())),
        }
        left = behind.trim_start();
    }
    if !left.is_empty() {
        rest.push(Cow::Borrowed(left));
    }
    (rest.join(" "), parameters)
}

/// The first `name = value` of a text and what stands behind it. A value has quotes around it or ends at a space, and `\`
/// takes the next character as it is.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, behind) = text.split_once('=')?;
    let behind = behind.trim_start();
    let (quoted, inner) = behind.strip_prefix('\'').map_or((false, behind), |inner| (true, inner));
    let (mut chars, mut value) = (inner.chars(), String::new());
    loop {
        match chars.next() {
            None if quoted => return None,
            None => break,
            Some('\\') => value.extend(chars.next()),
            Some('\'') if quoted => break,
            Some(c) if !quoted && c.is_whitespace() => break,
            Some(c) => value.push(c),
        }
    }
    Some((name.trim_end(), value, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_ours_are_taken_out() {
        let ours = |address: &str| {
            let (rest, parameters) = split(address).unwrap();
            let Parameters { connections, pooler, sslmode, sslrootcert } = parameters;
            (rest, [connections, pooler, sslmode, sslrootcert].map(Option::unwrap_or_default))
        };
        for (address, rest, found) in [
            ("postgres://u:p?x@h/d", "postgres://u:p?x@h/d", ["", "", "", ""]),
            ("postgres://h/d?sslmode=require", "postgres://h/d", ["", "", "require", ""]),
            (
                "postgresql://h/d?a=b&connections=2&pooler=none&c=%20&sslrootcert=%2Fa%20b.pem",
                "postgresql://h/d?a=b&c=%20",
                ["2", "none", "", "/a b.pem"],
            ),
            ("host=h sslmode=verify-ca user=u", "host=h user=u", ["", "", "verify-ca", ""]),
            (
                r"host = h password='a \'sslmode=x\' \\' sslrootcert = '/a b' connections=4 user=a\ b",
                r"host = h password='a \'sslmode=x\' \\' user=a\ b",
                ["4", "", "", "/a b"],
            ),
            // As the driver is to complain of them.
            ("host=h nonsense", "host=h nonsense", ["", "", "", ""]),
            (
                "host=h password='open sslmode=disable",
                "host=h password='open sslmode=disable",
                ["", "", "", ""],
            ),
        ] {
            assert_eq!(ours(address), (rest.to_owned(), found.map(str::to_owned)), "{address}");
        }
        assert!(split("postgres://h/d?sslrootcert=%ff").is_err());
    }
}
