//! Expectations against facts: what differs, where, and how the file would say it right.

use std::ops::Range;

use serde_json::Value as Json;

use super::node::{Kind, Node};
use super::write;
use crate::cli::fact::Fact;
use crate::cli::json;
use crate::cli::label::Labels;
use crate::cli::requests::{REFUSALS, Source};
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
    /// it does not say so.
    pub(super) fn request(&self, request: &Node, expect: Option<&Node>, observed: &Fact) -> Vec<Difference> {
        let failed = observed.get("fault");
        let whole = |node: &Node, expected: Json, edit: Edit| {
            vec![Difference {
                span: node.span.clone(),
                path: node.path.clone(),
                expected,
                actual: self.summary(observed),
                edit: Some(edit),
            }]
        };
        let Some(expect) = expect else {
            if failed.is_none() {
                return Vec::new();
            }
            let edit = write::added(self.source, request, "expect", &self.summary(observed));
            return whole(request, Json::from("success"), edit);
        };
        let replaced = || self.edit(expect, &self.summary(observed));
        let refusal = failed.is_some_and(is_refusal);
        match (&expect.kind, expect.string(self.source).as_deref()) {
            (Kind::Object(_), _) => {
                let asked = expect.get("fault");
                let fits = match (asked, failed) {
                    (Some(asked), Some(_)) => refusal || asked.get("kind").is_some(),
                    (asked, failed) => asked.is_some() == failed.is_some(),
                };
                if !fits {
                    let expected = asked.map_or(Json::from("success"), |node| self.json(node));
                    return whole(expect, expected, replaced());
                }
                let mut found = Vec::new();
                for (name, node) in expect.members() {
                    self.node(node, observed.get(name), &mut found);
                }
                found
            }
            (_, Some("fault")) if refusal => Vec::new(),
            (_, Some("success")) if failed.is_none() => Vec::new(),
            _ => whole(expect, self.json(expect), replaced()),
        }
    }

    /// Compares one node with the fact in its place.
    pub(super) fn node(&self, node: &Node, fact: Option<&Fact>, found: &mut Vec<Difference>) {
        let Some(fact) = fact else {
            if !node.is_null(self.source) {
                found.push(self.difference(node, Json::Null));
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
                let actual = self.alike(node, fact).to_json(self.labels);
                found.push(self.difference(node, actual));
            }
        }
    }

    fn holds(&self, node: &Node, fact: &Fact) -> bool {
        let text = node.text(self.source);
        match fact {
            Fact::Value(Value::Null) => text == "null",
            Fact::Value(value) => {
                let targets = target(value).map(|target| vec![target.entity.clone()]).unwrap_or_default();
                let expected = json::Expected {
                    value_type: value.value_type().unwrap_or(ValueType::String),
                    targets: &targets,
                };
                json::from_json(text, expected).is_ok_and(|expected| expected == *value)
            }
            Fact::Text(actual) => node.string(self.source).is_some_and(|expected| expected == *actual),
            Fact::Message(actual) => node.string(self.source).is_some_and(|part| actual.contains(&part)),
            Fact::List(_) | Fact::Object(_) => false,
        }
    }

    /// The part of a fact that the node speaks of, or could.
    fn alike(&self, node: &Node, fact: &Fact) -> Fact {
        let Fact::List(facts) = fact else { return fact.clone() };
        let Kind::List(nodes) = &node.kind else { return fact.clone() };
        let named: Vec<&str> =
            nodes.iter().flat_map(Node::members).map(|(name, _)| name.as_str()).collect();
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

    fn difference(&self, node: &Node, actual: Json) -> Difference {
        Difference {
            span: node.span.clone(),
            path: node.path.clone(),
            expected: self.json(node),
            edit: Some(self.edit(node, &actual)),
            actual,
        }
    }

    fn edit(&self, node: &Node, actual: &Json) -> Edit {
        Edit { span: node.span.clone(), text: write::json(actual, write::indent(self.source, node.span.start)) }
    }

    fn json(&self, node: &Node) -> Json {
        serde_json::from_str(node.text(self.source)).unwrap_or_default()
    }

    /// Everything about a request that is worth writing down.
    fn summary(&self, observed: &Fact) -> Json {
        let Fact::Object(members) = observed else { return Json::Null };
        let told = members.iter().filter(|(name, _)| name != "records");
        let told = told.filter_map(|(name, fact)| Some((name.clone(), written(fact, self.labels)?)));
        match Fact::Object(told.collect()).to_json(self.labels) {
            Json::Object(members) if members.is_empty() => Json::from("success"),
            json => json,
        }
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
        Fact::Text(_) | Fact::Message(_) => Some(fact.clone()),
        Fact::List(facts) => {
            let written: Vec<Fact> = facts.iter().filter_map(|fact| written(fact, labels)).collect();
            (!written.is_empty()).then_some(Fact::List(written))
        }
        Fact::Object(members) => {
            let written = members.iter().filter(|(name, _)| !HOSTS_OWN.contains(&name.as_str()));
            let written = written.filter_map(|(name, fact)| Some((name.clone(), self::written(fact, labels)?)));
            let written: Vec<(String, Fact)> = written.collect();
            (!written.is_empty()).then_some(Fact::Object(written))
        }
    }
}

/// What the host writes by itself.
const HOSTS_OWN: [&str; 5] = ["createdon", "modifiedon", "versionnumber", "attempt", "paging_cookie"];

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
