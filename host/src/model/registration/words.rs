//! Registrations, differences and warnings in words.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{FieldChange, Lint, Origin, Override, SecretChange, StepDiff, StepRegistration};
use crate::model::{Condition, Image, Mode};

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(source) => f.write_str(source),
            Self::Database => f.write_str("the database"),
        }
    }
}

/// `rank 1 -> 5`.
impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, from, to } = self;
        write!(f, "{field} {} -> {}", value(field, from), value(field, to))
    }
}

/// `rank 1 -> 5 (operator.toml)`, the declared value first.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, declared, value: registered, origin } = self;
        write!(f, "{field} {} -> {} ({origin})", value(field, declared), value(field, registered))
    }
}

/// `on Update of account at PostOperation, asynchronous, rank 5`.
impl fmt::Display for StepRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.definition;
        let entity = step.entity.as_deref().unwrap_or("any entity");
        write!(f, "on {} of {entity} at {}", step.message, step.stage)?;
        if step.mode == Mode::Asynchronous {
            write!(f, ", {}", step.mode)?;
        }
        write!(f, ", rank {}", step.rank)?;
        if !step.enabled {
            f.write_str(", disabled")?;
        }
        if self.secure_configuration.is_some() {
            f.write_str(", with a secure configuration")?;
        }
        Ok(())
    }
}

/// One line: `~ guard/approve_rise: rank 1 -> 5`.
impl fmt::Display for StepDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.sign(), self.registration().key())?;
        match self {
            Self::Added(registration) => registration.fmt(f),
            Self::Changed { changes, secret, .. } => {
                let changes = changes.iter().map(ToString::to_string);
                let changes: Vec<String> = changes.chain(secret.map(|secret| secret.to_string())).collect();
                f.write_str(&changes.join("; "))
            }
            Self::Gone(_) => f.write_str("the plugin no longer has it"),
        }
    }
}

impl fmt::Display for SecretChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secure_configuration {}", self.name())
    }
}

/// The steps, then what is to say of them.
impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.steps.iter().map(|step| format!("`{step}`")).collect();
        write!(f, "{} {}", steps.join(", "), self.text)
    }
}

/// A field's value. What a definition writes as a list or an object is said as a person would.
fn value(field: &str, json: &Json) -> String {
    match (field, json) {
        (_, Json::Null) => "none".into(),
        (_, Json::Array(list)) if list.is_empty() => "none".into(),
        ("when", _) => read(json, |condition: Condition| condition.to_string()),
        ("images", _) => read(json, |images: Vec<Image>| join(images.iter().map(Image::to_string))),
        ("configuration" | "description", Json::String(text)) => format!("{text:?}"),
        (_, Json::String(text)) => text.clone(),
        (_, Json::Array(list)) => join(list.iter().filter_map(Json::as_str).map(str::to_owned)),
        _ => json.to_string(),
    }
}

fn read<T: DeserializeOwned>(json: &Json, shown: impl Fn(T) -> String) -> String {
    serde_json::from_value(json.clone()).map_or_else(|_| json.to_string(), shown)
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
