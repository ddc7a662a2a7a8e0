//! Expectations against facts: what differs, where, and how the file would say it right.

use std::ops::Range;

use serde_json::Value as Json;
use uuid::Uuid;

use super::node::{Kind, Node};
use super::write;
use crate::cli::fact::Fact;
use crate::cli::json::Expected;
use crate::cli::label::Labels;
use crate::cli::requests::{REFUSALS, Source};
use crate::cli::value;
use crate::model::{EntityReference, Value, ValueType};

/// An expectation that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// Its path in the document.
    pub(super) path: String,
    /// What the file says, as JSON.
    pub(super) expected: Json,
    /// What happened.
    pub(super) actual: Json,
    /// What `--update` writes; none where it cannot help.
    pub(super) edit: Option<Edit>,
}

/// A change of the file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The bytes that are replaced.
    pub(super) span: Range<usize>,
    /// What takes their place.
    pub(super) text: String,
}

/// Compares the expectations of one file.
pub(super) struct Comparison<'c> {
    pub(super) source: &'c Source,
    pub(super) labels: &'c Labels,
}

impl Comparison<'_> {
    /// Compares what was expected of a request with what it did. Without an expectation it must succeed, and gets one if
    /// it does not.
    pub(super) fn request(&self, request: &Node, expect: Option<&Node>, observed: &Fact) -> Vec<Difference> {
        let failed = observed.get("fault");
        let summary = || written(observed, self.labels).unwrap_or_else(|| Fact::Text("success".into()));
        let Some(expect) = expect else {
            let Some(fault) = failed else { return Vec::new() };
            let edit = write::appended(self.source, request, "expect", &summary(), self.labels);
            return vec![self.unlike(request, Json::from("success"), fault, edit)];
        };
        if let Kind::Object(members) = &expect.kind {
            let mut found = Vec::new();
            found.extend(self.outcome(expect, failed));
            for (name, node) in members {
                // Whether it fails at all was looked at.
                if name != "fault" || failed.is_some() {
                    self.node(node, observed.get(name), &mut found);
                }
            }
            return found;
        }
        let holds = match expect.string(self.source).as_deref() {
            Some("fault") => failed.is_some_and(is_refusal),
            _ => failed.is_none(),
        };
        if holds { Vec::new() } else { vec![self.difference(expect, &summary())] }
    }

    /// Whether a request failed that should have succeeded, succeeded that should have failed, or broke down.
    fn outcome(&self, expect: &Node, failed: Option<&Fact>) -> Option<Difference> {
        match (expect.get("fault"), failed) {
            (None, Some(fault)) => {
                let edit = write::prepended(self.source, expect, "fault", fault, self.labels);
                Some(self.unlike(expect, Json::from("success"), fault, edit))
            }
            (Some(asked), None) => {
                let edit = write::removed(self.source, expect, "fault");
                Some(self.unlike(asked, self.json(asked), &Fact::Value(Value::Null), edit))
            }
            (Some(asked), Some(fault)) if asked.get("kind").is_none() && !is_refusal(fault) => {
                Some(self.difference(asked, fault))
            }
            _ => None,
        }
    }

    /// Compares one node with the fact in its place.
    pub(super) fn node(&self, node: &Node, fact: Option<&Fact>, found: &mut Vec<Difference>) {
        let Some(fact) = fact else {
            if !node.is_null(self.source) {
                found.push(self.difference(node, &Fact::Value(Value::Null)));
            }
            return;
        };
        match (&node.kind, fact) {
            (Kind::Object(members), Fact::Object(_)) => {
                for (name, node) in members {
                    self.node(node, fact.get(name), found);
                }
            }
            (Kind::List(nodes), Fact::List(facts)) if nodes.len() == facts.len() => {
                for (node, fact) in nodes.iter().zip(facts) {
                    self.node(node, Some(fact), found);
                }
            }
            _ if self.holds(node, fact) => {}
            _ => {
                found.push(self.difference(node, &self.alike(node, fact)));
            }
        }
    }

    fn holds(&self, node: &Node, fact: &Fact) -> bool {
        let text = node.text(self.source);
        match fact {
            Fact::Value(Value::Null) => text == "null",
            Fact::Value(actual) => {
                let targets = target(actual).map(|target| vec![target.entity.clone()]).unwrap_or_default();
                let value_type = actual.value_type().unwrap_or(ValueType::String);
                let expected = value::read(text, Expected { value_type, targets: &targets });
                expected.is_ok_and(|expected| expected == *actual)
            }
            Fact::Text(actual) => node.string(self.source).is_some_and(|expected| expected == *actual),
            Fact::Message(actual) => {
                node.string(self.source).is_some_and(|part| self.labels.show(actual).contains(&part))
            }
            Fact::List(_) | Fact::Object(_) => false,
        }
    }

    /// The part of a fact that the node speaks of, or could.
    fn alike(&self, node: &Node, fact: &Fact) -> Fact {
        let (Fact::List(facts), Kind::List(nodes)) = (fact, &node.kind) else {
            return written(fact, self.labels).unwrap_or_else(|| fact.clone());
        };
        let named: Vec<&str> = nodes.iter().flat_map(Node::members).map(|(name, _)| name.as_str()).collect();
        let narrowed = |fact: &Fact| match fact {
            Fact::Object(members) if !named.is_empty() => {
                let named = members.iter().filter(|(name, _)| named.contains(&name.as_str()));
                Fact::Object(named.cloned().collect())
            }
            Fact::Object(_) => written(fact, self.labels).unwrap_or_else(|| fact.clone()),
            other => other.clone(),
        };
        Fact::List(facts.iter().map(narrowed).collect())
    }

    fn difference(&self, node: &Node, actual: &Fact) -> Difference {
        let indent = write::indent(self.source, node.span.start);
        let edit = Edit { span: node.span.clone(), text: write::fact(actual, self.labels, indent) };
        self.unlike(node, self.json(node), actual, edit)
    }

    fn unlike(&self, node: &Node, expected: Json, actual: &Fact, edit: Edit) -> Difference {
        Difference {
            span: node.span.clone(),
            path: node.path.clone(),
            expected,
            actual: actual.to_json(self.labels),
            edit: Some(edit),
        }
    }

    fn json(&self, node: &Node) -> Json {
        serde_json::from_str(node.text(self.source)).unwrap_or_default()
    }
}

/// The fact without what another run would not repeat (identifiers that the host made) and what says nothing (empty
/// lists, nulls, a first attempt).
fn written(fact: &Fact, labels: &Labels) -> Option<Fact> {
    match fact {
        Fact::Value(Value::Null) => None,
        Fact::Value(Value::UniqueIdentifier(id)) => labels.get(*id).map(|_| fact.clone()),
        Fact::Value(value) => match target(value) {
            Some(reference) if labels.get(reference.id).is_none() => None,
            _ => Some(fact.clone()),
        },
        Fact::Text(_) => Some(fact.clone()),
        Fact::Message(text) => Some(Fact::Message(repeatable(&labels.show(text)))),
        Fact::List(facts) => {
            let written: Vec<Fact> = facts.iter().filter_map(|fact| written(fact, labels)).collect();
            (!written.is_empty()).then_some(Fact::List(written))
        }
        Fact::Object(members) => {
            let written = members.iter().filter(|(name, _)| !HOSTS_OWN.contains(&name.as_str()));
            let written =
                written.filter_map(|(name, fact)| Some((name.clone(), self::written(fact, labels)?)));
            let written: Vec<(String, Fact)> = written.collect();
            (!written.is_empty()).then_some(Fact::Object(written))
        }
    }
}

/// What the host writes by itself, and records, which an author asks for.
const HOSTS_OWN: [&str; 6] =
    ["createdon", "modifiedon", "versionnumber", "attempt", "paging_cookie", "records"];

fn target(value: &Value) -> Option<&EntityReference> {
    match value {
        Value::EntityReference(reference) => Some(reference),
        _ => None,
    }
}

fn is_refusal(fault: &Fact) -> bool {
    match fault.get("kind") {
        Some(Fact::Text(kind)) => REFUSALS.iter().any(|refusal| refusal.name() == kind),
        _ => false,
    }
}

/// The longest part of a message without identifiers that the host made: another run would not repeat those.
fn repeatable(message: &str) -> String {
    let mut parts = vec![String::new()];
    for word in message.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-') {
        let trimmed = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if trimmed.len() == UUID_LENGTH && trimmed.parse::<Uuid>().is_ok() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(word);
        }
    }
    parts.into_iter().max_by_key(String::len).unwrap_or_default().trim().to_owned()
}

/// Characters of a UUID with its dashes.
const UUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_kept_without_identifiers_of_this_run() {
        let id = Uuid::from_u128(0xabcd);
        assert_eq!(repeatable("cannot add cafe to $acme"), "cannot add cafe to $acme");
        assert_eq!(repeatable(&format!("no {id}: it does not exist")), "it does not exist");
        assert_eq!(repeatable(&format!("cannot delete account {id}")), "cannot delete account");
    }
}
