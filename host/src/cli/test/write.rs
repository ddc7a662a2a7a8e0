//! JSON as a person would write it: what fits stands on one line.

use serde_json::Value as Json;

use super::compare::Edit;
use super::node::Node;
use crate::cli::fact::Fact;
use crate::cli::label::Labels;
use crate::cli::requests::Source;

/// Columns of a line at most.
const WIDTH: usize = 110;

/// Facts as JSON in their order, whose first line begins somewhere in a line with that indentation.
pub(super) fn fact(fact: &Fact, labels: &Labels, indent: usize) -> String {
    let short = short(fact, labels);
    if indent + short.chars().count() <= WIDTH {
        return short;
    }
    let inner = " ".repeat(indent + 2);
    let (open, close, parts): (_, _, Vec<String>) = match fact {
        Fact::List(facts) => {
            ('[', ']', facts.iter().map(|fact| self::fact(fact, labels, indent + 2)).collect())
        }
        Fact::Object(members) => {
            let member = |(name, fact): &(String, Fact)| {
                format!("{}: {}", Json::from(name.as_str()), self::fact(fact, labels, indent + 2))
            };
            ('{', '}', members.iter().map(member).collect())
        }
        _ => return short,
    };
    format!("{open}\n{inner}{}\n{}{close}", parts.join(&format!(",\n{inner}")), " ".repeat(indent))
}

/// The same on one line.
fn short(fact: &Fact, labels: &Labels) -> String {
    match fact {
        Fact::List(facts) => list(facts.iter().map(|fact| short(fact, labels))),
        Fact::Object(members) => object(members.iter().map(|(name, fact)| (name, short(fact, labels)))),
        leaf => inline(&leaf.to_json(labels)),
    }
}

/// JSON on one line.
pub(super) fn inline(value: &Json) -> String {
    match value {
        Json::Array(elements) => list(elements.iter().map(inline)),
        Json::Object(members) => object(members.iter().map(|(name, value)| (name, inline(value)))),
        other => other.to_string(),
    }
}

fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(", "))
}

fn object<'a>(members: impl Iterator<Item = (&'a String, String)>) -> String {
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}: {value}", Json::from(name.as_str()))).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

/// The indentation of the line that a byte of the source is in.
pub(super) fn indent(source: &Source, at: usize) -> usize {
    let before = source.text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.len() - line.trim_start().len()
}

/// The edit that adds a member at the end of an object, in the way in which the object is written.
pub(super) fn appended(source: &Source, object: &Node, name: &str, value: &Fact, labels: &Labels) -> Edit {
    let end = object.members().last().map_or(object.span.start + 1, |(_, node)| node.span.end);
    let text = if is_multiline(source, object) {
        let indent = indent(source, end);
        format!(",\n{}\"{name}\": {}", " ".repeat(indent), fact(value, labels, indent))
    } else {
        format!(", \"{name}\": {}", short(value, labels))
    };
    Edit { span: end..end, text }
}

/// The edit that adds a member at the beginning of an object.
pub(super) fn prepended(source: &Source, object: &Node, name: &str, value: &Fact, labels: &Labels) -> Edit {
    let at = object.span.start + 1;
    let comma = if object.members().is_empty() { "" } else { "," };
    let text = match object.members().first().filter(|_| is_multiline(source, object)) {
        Some((_, first)) => {
            let indent = indent(source, first.span.start);
            format!("\n{}\"{name}\": {}{comma}", " ".repeat(indent), fact(value, labels, indent))
        }
        None => format!(" \"{name}\": {}{comma}", short(value, labels)),
    };
    Edit { span: at..at, text }
}

/// The edit that takes a member out of an object, with the comma before it, or behind it if it is the first.
pub(super) fn removed(source: &Source, object: &Node, name: &str) -> Edit {
    let members = object.members();
    let place = members.iter().position(|(key, _)| key == name).unwrap_or_default();
    let end = members.get(place).map_or(object.span.end, |(_, node)| node.span.end);
    let before = place.checked_sub(1).and_then(|before| members.get(before));
    let start = before.map_or(object.span.start + 1, |(_, node)| node.span.end);
    let behind = source.text.get(end..).unwrap_or_default();
    let comma = if before.is_none() && place + 1 < members.len() {
        behind.find(',').map_or(0, |comma| comma + 1)
    } else {
        0
    };
    Edit { span: start..end + comma, text: String::new() }
}

fn is_multiline(source: &Source, object: &Node) -> bool {
    object.text(source).trim_start_matches('{').starts_with(['\n', '\r'])
}

/// The text with all edits made.
pub(super) fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut written = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        // Edits are of different places; one inside another would be lost, and never is made.
        written.push_str(text.get(at..edit.span.start).unwrap_or_default());
        written.push_str(&edit.text);
        at = edit.span.end;
    }
    written.push_str(text.get(at..).unwrap_or_default());
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stands_on_one_line() {
        let written = |ran: &[String], indent| {
            let facts =
                Fact::object([("ran", Some(Fact::texts(ran))), ("jobs", Some(Fact::List(Vec::new())))]);
            fact(&facts, &Labels::default(), indent)
        };
        assert_eq!(written(&["p/a".into(), "p/b".into()], 4), r#"{ "ran": ["p/a", "p/b"], "jobs": [] }"#);
        let long: Vec<String> = (0..12).map(|number| format!("plugin/step_{number}")).collect();
        let text = written(&long, 2);
        assert!(text.starts_with("{\n    \"ran\": [\n      \"plugin/step_0\",\n"), "{text}");
        assert!(text.ends_with("\n    ],\n    \"jobs\": []\n  }"), "{text}");
    }

    #[test]
    fn edits_leave_everything_else_as_it_is() {
        let edit = |span, text: &str| Edit { span, text: text.into() };
        assert_eq!(edited("{ a:1,  b:2 }", vec![edit(11..12, "33"), edit(4..5, "x")]), "{ a:x,  b:233}");
        assert_eq!(edited("ab", Vec::new()), "ab");
    }
}
