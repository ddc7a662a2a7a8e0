//! Page cookies: where a query goes on, in a form that notices an edit.
//!
//! A cookie has a hash over what it belongs to and what it says. The hash is not secret: whoever takes the trouble can make
//! one, and gets no more than the same query with another filter would give. So there is no key to keep, and a cookie
//! holds across restarts, restored backups and hosts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::model::DateTime;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::Query;

/// Bytes of each of the two hashes: enough against accidents, and short.
const HASH_BYTES: usize = 16;

type Hash = [u8; HASH_BYTES];

/// A cookie of `query` that says `position`.
pub(crate) fn seal(query: &Query, position: &[u8]) -> Result<String> {
    let about = fingerprint(query)?;
    let mut bytes = Vec::with_capacity(2 * HASH_BYTES + position.len());
    bytes.extend(hash(&about, position));
    bytes.extend(about);
    bytes.extend(position);
    Ok(BASE64.encode(bytes))
}

/// What a cookie of `query` says.
pub(crate) fn open(query: &Query, cookie: &str) -> Result<Vec<u8>> {
    let bytes = BASE64.decode(cookie).unwrap_or_default();
    let parts = bytes.split_first_chunk::<HASH_BYTES>().and_then(|(seal, rest)| {
        let (about, position) = rest.split_first_chunk::<HASH_BYTES>()?;
        (*seal == hash(about, position)).then_some((about, position))
    });
    match parts {
        None => Err(refusal(query, "was changed or cut off on its way")),
        Some((about, _)) if *about != fingerprint(query)? => Err(refusal(query, "belongs to another query")),
        Some((_, position)) => Ok(position.to_vec()),
    }
}

/// The cookie of a query that depends on the time: with the moment from which its pages are counted, so that all of them
/// have the same bounds.
pub(crate) fn seal_moment(query: &Query, now: DateTime, cookie: &str) -> Result<String> {
    seal(query, &[now.0.to_be_bytes().as_slice(), cookie.as_bytes()].concat())
}

/// What was given to [`seal_moment`].
pub(crate) fn open_moment(query: &Query, cookie: &str) -> Result<(DateTime, String)> {
    let bytes = open(query, cookie)?;
    let parts = bytes.split_first_chunk().and_then(|(moment, cookie)| {
        Some((DateTime(i64::from_be_bytes(*moment)), String::from_utf8(cookie.to_vec()).ok()?))
    });
    parts.ok_or_else(|| refusal(query, "was changed on its way"))
}

/// The error of a cookie that a query does not take.
pub(crate) fn refusal(query: &Query, reason: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!(
            "the page cookie for the query over `{}` {reason}; hand back the one that came with the page before, as it \
             is and with the same query, or begin with the first page",
            query.entity
        ),
    )
}

/// Stands for all of a query but its page: another size may follow, and the count is asked for once.
fn fingerprint(query: &Query) -> Result<Hash> {
    let query = Query { page: None, count: false, ..query.clone() };
    let text = serde_json::to_vec(&query).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("could not write the query over `{}`: {error}", query.entity))
    })?;
    Ok(short(blake3::Hasher::new_derive_key("stagegate query").update(&text)))
}

fn hash(about: &Hash, position: &[u8]) -> Hash {
    short(blake3::Hasher::new_derive_key("stagegate page cookie").update(about).update(position))
}

fn short(hasher: &blake3::Hasher) -> Hash {
    let mut bytes = Hash::default();
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_comes_back_and_an_edited_one_does_not() {
        let query = Query::new("account").order_by("name");
        let cookie = seal(&query, b"here").expect("it seals");
        assert_eq!(open(&query, &cookie).expect("it opens"), b"here");
        assert_eq!(open(&query.clone().page(7).count(), &cookie).expect("it opens"), b"here");
        for index in 0..cookie.len() {
            let mut edited = cookie.clone().into_bytes();
            edited[index] = if edited[index] == b'A' { b'B' } else { b'A' };
            let edited = String::from_utf8(edited).expect("letters");
            assert!(open(&query, &edited).is_err(), "{edited}");
            assert!(open(&query, &cookie[..index]).is_err(), "{index}");
        }
        for text in ["", "x", "=", "<cookie page=\"1\"/>"] {
            let error = open(&query, text).expect_err("no cookie");
            assert!(error.message().contains("was changed or cut off"), "{error}");
        }
        let error = open(&Query::new("account"), &cookie).expect_err("another query");
        assert!(error.message().contains("belongs to another query"), "{error}");
    }

    #[test]
    fn a_moment_comes_back() {
        let query = Query::new("account");
        let cookie = seal_moment(&query, DateTime(-5), "inner").expect("it seals");
        assert_eq!(open_moment(&query, &cookie).expect("it opens"), (DateTime(-5), "inner".into()));
        let plain = seal(&query, b"short").expect("it seals");
        assert!(open_moment(&query, &plain).is_err());
    }
}
