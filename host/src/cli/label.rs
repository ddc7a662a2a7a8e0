//! Identifiers as files write them: a UUID, or a label such as `$acme`, which is the same identifier wherever it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use uuid::Uuid;

/// An identifier that is read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) Uuid);

impl Id {
    /// The identifier that a text means.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('$') {
            Some(name) if is_name(name) => Some(Self(of(name))),
            _ => text.parse().ok().map(Self),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let expected = "expected a UUID, or a label such as `$acme`";
            serde::de::Error::custom(format!("{expected}, found \"{text}\""))
        })
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A UUID, or a label such as `$acme`, which is the same identifier wherever it stands.",
            "pattern": "^(\\$[A-Za-z0-9_-]+|[0-9A-Fa-f-]{32,36})$"
        })
    }
}

/// The label in a text, if it is one.
pub(super) fn find(text: &str) -> Option<&str> {
    text.strip_prefix('$').filter(|name| is_name(name)).map(|_| text)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The identifier of a label: of its name alone, so that two files mean the same by it. A UUID of version 8, which no
/// host makes by itself.
fn of(name: &str) -> Uuid {
    let hash = blake3::hash(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.as_bytes()).for_each(|(byte, hashed)| *byte = *hashed);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The labels of a file, to show identifiers by.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(BTreeMap<Uuid, String>);

impl Labels {
    /// The labels in a document; malformed text has none.
    pub(super) fn of(text: &str) -> Self {
        let mut labels = Self::default();
        labels.collect(&serde_json::from_str(text).unwrap_or_default());
        labels
    }

    fn collect(&mut self, json: &Json) {
        match json {
            Json::String(text) => self.add(text),
            Json::Array(elements) => elements.iter().for_each(|element| self.collect(element)),
            Json::Object(members) => {
                for (key, value) in members {
                    self.add(key);
                    self.collect(value);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        if let (Some(label), Some(Id(id))) = (find(text), Id::parse(text)) {
            self.0.insert(id, label.to_owned());
        }
    }

    /// The label of an identifier.
    pub(super) fn get(&self, id: Uuid) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// An identifier by its label, or as it is.
    pub(super) fn name(&self, id: Uuid) -> String {
        self.get(id).map_or_else(|| id.to_string(), str::to_owned)
    }

    /// A text with labels in place of the identifiers that have one.
    pub(super) fn show(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for (id, label) in &self.0 {
            let id = id.to_string();
            if shown.contains(&id) {
                shown = shown.replace(&id, label);
            }
        }
        shown
    }
}

/// A piece of JSON in which every text that is a label is the identifier that it means.
pub(super) fn resolve(json: &mut Json) {
    match json {
        Json::String(text) => {
            if let (Some(_), Some(Id(id))) = (find(text), Id::parse(text)) {
                *text = id.to_string();
            }
        }
        Json::Array(elements) => elements.iter_mut().for_each(resolve),
        Json::Object(members) => members.values_mut().for_each(resolve),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_identifier_and_shown_again() {
        let acme = Id::parse("$acme").unwrap().0;
        assert_eq!(Id::parse("$acme"), Some(Id(acme)));
        assert_ne!(Id::parse("$Acme"), Some(Id(acme)));
        assert_eq!(acme.get_version_num(), 8);
        let labels = Labels::of(r#"{"a": [{"id": "$acme"}], "$other": 1}"#);
        assert_eq!(labels.show(&format!("no account {acme} here")), "no account $acme here");
        assert_eq!(labels.name(Id::parse("$other").unwrap().0), "$other");
        assert_eq!(labels.name(Uuid::nil()), Uuid::nil().to_string());
    }

    #[test]
    fn what_is_no_identifier_is_said() {
        for text in ["", "$", "$a b", "me", "$5.00"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
        let error = serde_json::from_str::<Id>("\"me\"").unwrap_err().to_string();
        assert!(error.contains("expected a UUID, or a label such as `$acme`, found \"me\""), "{error}");
    }
}
