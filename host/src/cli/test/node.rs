//! An expectation as its author wrote it: a tree of places in the file.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::cli::failure::{Failure, Place};
use crate::cli::requests::{Pairs, Source, decode, place};

/// A piece of JSON with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The bytes of the file that it takes.
    pub(super) span: Range<usize>,
    /// Its path in the document.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a piece of JSON is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// No list and no object.
    Leaf,
    /// A list.
    List(Vec<Node>),
    /// An object, in its order.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a piece of the source.
    pub(super) fn read<'s>(source: &Source, raw: &'s RawValue, path: &str) -> Result<Self, Failure> {
        let text = raw.get();
        let kind = if text.starts_with('{') {
            let pairs: Pairs<'s> = decode(source, text, path)?;
            let member = |(name, raw): (String, &'s RawValue)| {
                let node = Self::read(source, raw, &format!("{path}.{name}"))?;
                Ok((name, node))
            };
            Kind::Object(pairs.0.into_iter().map(member).collect::<Result<_, Failure>>()?)
        } else if text.starts_with('[') {
            let list: Vec<&'s RawValue> = decode(source, text, path)?;
            let element = |(index, raw)| Self::read(source, raw, &format!("{path}[{index}]"));
            Kind::List(list.into_iter().enumerate().map(element).collect::<Result<_, Failure>>()?)
        } else {
            Kind::Leaf
        };
        Ok(Self { span: span(source, raw), path: path.to_owned(), kind })
    }

    /// Its text.
    pub(super) fn text<'s>(&self, source: &'s Source) -> &'s str {
        source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// The text that it is, if it is a string.
    pub(super) fn string(&self, source: &Source) -> Option<String> {
        serde_json::from_str(self.text(source)).ok()
    }

    /// Whether it is null.
    pub(super) fn is_null(&self, source: &Source) -> bool {
        self.text(source) == "null"
    }

    /// The member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// The members of an object.
    pub(super) fn members(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// Where it is.
    pub(super) fn place(&self, source: &Source) -> Place {
        place(source, self.text(source), &self.path)
    }
}

/// The bytes of the source that a slice of it takes.
pub(super) fn span(source: &Source, raw: &RawValue) -> Range<usize> {
    let start = raw.get().as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
    start..start + raw.get().len()
}
