//! Texts with facts of the context in them: `{target.name}` in what a scripted step traces.

use uuid::Uuid;

use crate::cli::fact::{self, Fact};
use crate::cli::label::Labels;
use crate::model::error::Result;
use crate::model::{Entity, Error, Response, Value};
use crate::pipeline::native::StepContext;

/// What a placeholder can begin with.
const FACTS: [&str; 21] = [
    "message",
    "entity",
    "secondary_entity",
    "record",
    "stage",
    "mode",
    "depth",
    "user",
    "initiating_user",
    "correlation",
    "configuration",
    "target",
    "pre",
    "post",
    "children",
    "input",
    "output",
    "shared",
    "parent",
    "response",
    "caught",
];

/// A text with placeholders.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Fact(Vec<String>),
}

/// What a script remembers of its requests.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What the last one returned.
    pub(super) response: Option<Response>,
    /// Why the last one that was caught failed.
    pub(super) caught: Option<Error>,
}

impl Template {
    /// Reads a text; `{{` and `}}` are braces. The error says what is wrong with a placeholder.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '{' | '}' if characters.peek() == Some(&character) => {
                    characters.next();
                    plain.push(character);
                }
                '{' => {
                    let name: String = characters.by_ref().take_while(|c| *c != '}').collect();
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(Part::Fact(path(&name)?));
                }
                other => plain.push(other),
            }
        }
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// The text with the facts as they are now. One that there is not is shown as `absent`.
    pub(super) fn fill(&self, cx: &StepContext, memory: &Memory) -> Result<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Fact(path) => {
                    let found = find(cx, memory, path)?;
                    text.push_str(&found.map_or_else(|| "absent".into(), |fact| show(&fact)));
                }
            }
        }
        Ok(text)
    }
}

fn path(name: &str) -> Result<Vec<String>, String> {
    let path: Vec<String> = name.split('.').map(|segment| segment.trim().to_owned()).collect();
    match path.first() {
        Some(first) if FACTS.contains(&first.as_str()) => Ok(path),
        _ => Err(format!(
            "`{{{name}}}` names no fact; begin with one of {}, and write {{{{ for a brace",
            FACTS.join(", ")
        )),
    }
}

fn find(cx: &StepContext, memory: &Memory, path: &[String]) -> Result<Option<Fact>> {
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    let text = |text: String| Some(Fact::Text(text));
    let id = |id: Uuid| Some(Fact::Value(Value::UniqueIdentifier(id)));
    let record = |record: Option<Entity>| record.as_ref().map(fact::attributes);
    // The name after the first, and what is left then.
    let (name, below) = rest.split_first().map_or(("", rest), |(name, below)| (name.as_str(), below));
    let (fact, rest) = match first.as_str() {
        "message" => (text(cx.message()?), rest),
        "stage" => (text(cx.stage()?.to_string()), rest),
        "mode" => (text(cx.mode()?.to_string()), rest),
        "depth" => (text(cx.depth()?.to_string()), rest),
        "user" => (id(cx.user()?), rest),
        "initiating_user" => (id(cx.initiating_user()?), rest),
        "secondary_entity" => (cx.secondary_entity()?.and_then(text), rest),
        "correlation" => (id(cx.correlation_id()?), rest),
        "entity" => {
            let record = cx.record()?.map(|record| record.entity);
            let target = cx.target()?.map(|target| target.logical_name);
            (record.or(target).and_then(text), rest)
        }
        "record" => (cx.record()?.and_then(|record| id(record.id)), rest),
        "configuration" => (cx.configuration().and_then(|given| text(given.to_owned())), rest),
        "target" => (record(cx.target()?), rest),
        "input" => (Some(fact::parameters(&cx.input()?)), rest),
        "output" => (Some(fact::parameters(&cx.output()?)), rest),
        "shared" => (cx.shared_variable(name)?.map(Fact::Value), below),
        "parent" => {
            let levels = path.iter().take_while(|segment| *segment == "parent").count();
            let level = u32::try_from(levels).unwrap_or(u32::MAX);
            let name = path.get(levels + 1).map_or("", String::as_str);
            (cx.parent_shared_variable(level, name)?.map(Fact::Value), path.get(levels + 2..).unwrap_or(&[]))
        }
        "pre" => return Ok(image(cx.pre_images(name)?, below)),
        "post" => return Ok(image(cx.post_images(name)?, below)),
        "children" => {
            (Some(Fact::List(cx.children_image(name)?.iter().map(fact::attributes).collect())), below)
        }
        "response" => (memory.response.as_ref().map(|response| fact::parameters(&response.parameters)), rest),
        "caught" => (memory.caught.as_ref().map(fact::error), rest),
        _ => (None, rest),
    };
    Ok(fact.and_then(|fact| descend(fact, rest)))
}

/// What of an image is meant: of the record that a number names, or of the first.
fn image(records: Vec<Option<Entity>>, path: &[String]) -> Option<Fact> {
    let place = path.first().and_then(|name| name.parse().ok());
    let rest = if place.is_some() { path.get(1..).unwrap_or_default() } else { path };
    let record = records.into_iter().nth(place.unwrap_or(0)).flatten()?;
    descend(fact::attributes(&record), rest)
}

fn descend(fact: Fact, path: &[String]) -> Option<Fact> {
    let Some((name, rest)) = path.split_first() else { return Some(fact) };
    match fact {
        Fact::Value(Value::EntityReference(reference)) => match name.as_str() {
            "id" => descend(Fact::Value(Value::UniqueIdentifier(reference.id)), rest),
            "entity" => descend(Fact::Text(reference.entity), rest),
            _ => None,
        },
        Fact::List(facts) => facts.into_iter().nth(name.parse().ok()?).and_then(|fact| descend(fact, rest)),
        other => other.get(name).cloned().and_then(|fact| descend(fact, rest)),
    }
}

/// A string as it is, and everything else as JSON.
fn show(fact: &Fact) -> String {
    match fact.to_json(&Labels::default()) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_fact_is_refused_with_those_that_there_are() {
        assert!(Template::parse("{target.name} and {{braces}}").is_ok());
        let error = Template::parse("{targt.name}").unwrap_err();
        assert!(error.contains("`{targt.name}` names no fact") && error.contains("target"), "{error}");
    }
}
