//! JSON as a person would write it: what fits stands on one line.

use serde_json::Value as Json;

use super::compare::Edit;
use super::node::{Kind, Node};
use crate::cli::requests::Source;

/// Columns of a line at most.
const WIDTH: usize = 110;

/// JSON whose first line begins somewhere in a line with that indentation.
pub(super) fn json(value: &Json, indent: usize) -> String {
    let inline = inline(value);
    if indent + inline.chars().count() <= WIDTH {
        return inline;
    }
    let inner = " ".repeat(indent + 2);
    let outer = " ".repeat(indent);
    let parts: Vec<String> = match value {
        Json::Array(elements) => {
            elements.iter().map(|element| format!("{inner}{}", json(element, indent + 2))).collect()
        }
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{inner}{}: {}", Json::from(name.as_str()), json(value, indent + 2)))
            .collect(),
        _ => return inline,
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    format!("{open}\n{}\n{outer}{close}", parts.join(",\n"))
}

/// JSON on one line.
pub(super) fn inline(value: &Json) -> String {
    match value {
        Json::Array(elements) => {
            format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Json::Object(members) if !members.is_empty() => {
            let member = |(name, value): (&String, &Json)| {
                format!("{}: {}", Json::from(name.as_str()), inline(value))
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The indentation of the line that a byte of the source is in.
pub(super) fn indent(source: &Source, at: usize) -> usize {
    let before = source.text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.len() - line.trim_start().len()
}

/// The edit that adds a member to an object, in the way in which the object is written.
pub(super) fn added(source: &Source, object: &Node, name: &str, value: &Json) -> Edit {
    let members = match &object.kind {
        Kind::Object(members) => members.as_slice(),
        _ => &[],
    };
    let end = members.last().map_or(object.span.start + 1, |(_, node)| node.span.end);
    let multiline = object.text(source).trim_start_matches('{').starts_with(['\n', '\r']);
    let text = if multiline {
        let indent = indent(source, end);
        format!(",\n{}\"{name}\": {}", " ".repeat(indent), json(value, indent))
    } else {
        format!(", \"{name}\": {}", inline(value))
    };
    Edit { span: end..end, text }
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
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stands_on_one_line() {
        assert_eq!(super::json(&json!({"ran": ["p/a", "p/b"], "x": {}}), 4), r#"{ "ran": ["p/a", "p/b"], "x": {} }"#);
        let long: Vec<String> = (0..12).map(|number| format!("plugin/step_{number}")).collect();
        let text = super::json(&json!({ "ran": long }), 2);
        assert!(text.starts_with("{\n    \"ran\": [\n      \"plugin/step_0\",\n"), "{text}");
        assert!(text.ends_with("\n    ]\n  }"), "{text}");
    }

    #[test]
    fn edits_leave_everything_else_as_it_is() {
        let edit = |span, text: &str| Edit { span, text: text.into() };
        assert_eq!(edited("{ a:1,  b:2 }", vec![edit(11..12, "33"), edit(4..5, "x")]), "{ a:x,  b:233}");
        assert_eq!(edited("ab", Vec::new()), "ab");
    }
}
