//! What the author of a request expects of it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{Error, ErrorKind, Stage};

/// What the author of a request expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Expect {
    /// That it succeeds.
    #[default]
    Success,
    /// That it fails, and how.
    Fault(Fault),
    /// Nothing: of a made-up record, a plugin may well refuse to hear.
    Any,
}

/// A failure that is expected. Without a kind, any refusal; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Fault {
    /// Its kind, such as `rejected`.
    #[serde(default, deserialize_with = "kind", skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) kind: Option<String>,
    /// Its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) code: Option<i32>,
    /// A part of the error's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) message: Option<String>,
    /// The step in which it is to arise, as `plugin/step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) step: Option<String>,
    /// The stage of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) stage: Option<Stage>,
}

/// The kinds that refuse a request: an answer, and no breakdown.
pub(in crate::cli) const REFUSALS: [ErrorKind; 11] = [
    ErrorKind::Rejected,
    ErrorKind::InvalidRequest,
    ErrorKind::NotFound,
    ErrorKind::Duplicate,
    ErrorKind::Conflict,
    ErrorKind::Denied,
    ErrorKind::Restricted,
    ErrorKind::DepthExceeded,
    ErrorKind::Doomed,
    ErrorKind::InvalidRegistration,
    ErrorKind::InvalidDefinition,
];

/// The other kinds with which a request can fail.
const BREAKDOWNS: [ErrorKind; 12] = [
    ErrorKind::Timeout,
    ErrorKind::OutOfMemory,
    ErrorKind::StackOverflow,
    ErrorKind::Panicked,
    ErrorKind::Exited,
    ErrorKind::Trapped,
    ErrorKind::Saturated,
    ErrorKind::Disabled,
    ErrorKind::Contention,
    ErrorKind::OutcomeUnknown,
    ErrorKind::Store,
    ErrorKind::Internal,
];

impl Fault {
    /// Whether a request that failed with `error` did so as expected.
    pub(in crate::cli) fn fits(&self, error: &Error) -> bool {
        self.differences(error).is_empty()
    }

    /// What is expected and does not hold for `error`, for people.
    pub(in crate::cli) fn differences(&self, error: &Error) -> Vec<String> {
        let mut differences = Vec::new();
        let actual = error.kind().name();
        match &self.kind {
            Some(kind) if kind != actual => differences.push(format!("the kind `{kind}`")),
            None if !REFUSALS.contains(&error.kind()) => {
                differences.push(format!(
                    "a refusal, and `{actual}` is none; if it is to fail like this, write \
                     `\"expect\": {{\"fault\": {{\"kind\": \"{actual}\"}}}}`"
                ));
            }
            _ => {}
        }
        if let Some(code) = self.code.filter(|code| *code != error.code()) {
            differences.push(format!("the code {code}"));
        }
        if let Some(message) = self.message.as_ref().filter(|part| !error.message().contains(part.as_str())) {
            differences.push(format!("a message with \"{message}\" in it"));
        }
        let location = error.location();
        let step = location.map(|location| location.step.to_string());
        if let Some(expected) = self.step.as_ref().filter(|expected| step.as_ref() != Some(expected)) {
            differences.push(format!("an error of the step `{expected}`"));
        }
        let stage = location.map(|location| location.stage);
        if let Some(expected) = self.stage.filter(|expected| stage != Some(*expected)) {
            differences.push(format!("an error at {expected}"));
        }
        differences
    }
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let names = || REFUSALS.into_iter().chain(BREAKDOWNS).map(ErrorKind::name);
    if names().any(|known| known == name) {
        return Ok(Some(name));
    }
    let known: Vec<&str> = names().collect();
    Err(D::Error::custom(format!("the kind `{name}` is not known; use one of {}", known.join(", "))))
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Expect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"success\", \"fault\", or {\"fault\": {\"kind\": ..., \"message\": ..., \"step\": ...}}")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expect, E> {
                match text {
                    "success" => Ok(Expect::Success),
                    "fault" => Ok(Expect::Fault(Fault::default())),
                    _ => Err(E::unknown_variant(text, &["success", "fault"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expect, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Object {
                    fault: Fault,
                }
                let object = Object::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Expect::Fault(object.fault))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Expect, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn fault(text: &str) -> Fault {
        match read(text) {
            Ok(Expect::Fault(fault)) => fault,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_plain_fault_is_a_refusal_and_no_breakdown() {
        let plain = fault("\"fault\"");
        assert_eq!(fault("{\"fault\": {}}"), plain);
        for kind in REFUSALS {
            assert!(plain.fits(&Error::new(kind, "no")), "{kind:?}");
        }
        for kind in BREAKDOWNS {
            let differences = plain.differences(&Error::new(kind, "no"));
            assert!(matches!(differences.as_slice(), [one] if one.contains(kind.name())), "{differences:?}");
        }
    }

    #[test]
    fn everything_that_is_asked_for_must_hold() {
        let timeout = Error::new(ErrorKind::Timeout, "ran past 2 s");
        assert!(fault("{\"fault\": {\"kind\": \"timeout\"}}").fits(&timeout));
        assert!(fault("{\"fault\": {\"kind\": \"timeout\", \"message\": \"2 s\"}}").fits(&timeout));
        assert!(!fault("{\"fault\": {\"kind\": \"timeout\", \"message\": \"3 s\"}}").fits(&timeout));
        assert!(!fault("{\"fault\": {\"kind\": \"rejected\"}}").fits(&timeout));
        assert!(!fault("{\"fault\": {\"message\": \"2 s\"}}").fits(&timeout));
        let rejected = Error::new(ErrorKind::Rejected, "over the limit");
        let code = rejected.code();
        assert!(fault(&format!("{{\"fault\": {{\"code\": {code}}}}}")).fits(&rejected));
        assert!(!fault("{\"fault\": {\"code\": 7}}").fits(&rejected));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(read("\"success\""), Ok(Expect::Success));
        assert!(read("\"sucess\"").unwrap_err().contains("expected `success` or `fault`"));
        let error = read("{\"fault\": {\"kind\": \"panic\"}}").unwrap_err();
        assert!(error.contains("`panic` is not known; use one of rejected"), "{error}");
        assert!(read("{\"fault\": {\"text\": \"x\"}}").unwrap_err().contains("`text`"));
        assert!(read("{\"failure\": {}}").unwrap_err().contains("`failure`"));
        assert!(read("7").unwrap_err().contains("\"fault\""));
    }
}
