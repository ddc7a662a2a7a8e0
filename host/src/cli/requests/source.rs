//! The text of a requests file, read piece by piece, each with its place for errors.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use crate::cli::failure::{Failure, Place};
use crate::cli::json;

/// The text of a requests file.
#[derive(Debug)]
pub(in crate::cli) struct Source {
    /// As the user named it.
    pub(in crate::cli) name: String,
    /// What it says.
    pub(in crate::cli) text: String,
}

impl Source {
    /// The text of a file; `kind` says what file it is to be, and `hint` what it is to hold.
    pub(in crate::cli) fn read(path: &Path, kind: &str, hint: &str) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            let standard = if kind == "requests" { ", or `-` for standard input" } else { "" };
            Failure::new(format!(
                "the {kind} file `{name}` cannot be read: {error}; name a JSON file{standard}"
            ))
        })?;
        Self::new(&name, bytes, hint)
    }

    /// The text that the bytes are.
    pub(in crate::cli) fn new(name: &str, bytes: Vec<u8>, hint: &str) -> Result<Self, Failure> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::new(format!("{name}: the byte {at} is not UTF-8; save the file as UTF-8"))
        })?;
        // Editors on some systems begin a file with a mark that JSON does not know.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        if text.trim().is_empty() {
            return Err(Failure::new(format!("{name} is empty; {hint}")));
        }
        Ok(Self { name: name.to_owned(), text })
    }
}

/// Reads each element of a list, with its path.
pub(in crate::cli) fn each<'s, T>(
    list: &[&'s RawValue],
    name: &str,
    read: impl Fn(&'s RawValue, &str) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    list.iter().enumerate().map(|(index, raw)| read(raw, &format!("{name}[{index}]"))).collect()
}

/// Reads an object. Without the check, a list of its members' values would pass too.
pub(in crate::cli) fn object<'s, T: Deserialize<'s>>(
    source: &Source,
    text: &'s str,
    path: &str,
) -> Result<T, Failure> {
    let start = text.trim_start();
    if !start.is_empty() && !start.starts_with('{') {
        // Malformed text is told as such.
        decode::<&RawValue>(source, text, path)?;
        return Err(Failure::new(format!("expected an object, found {}", json::found(start.trim_end())))
            .at(place(source, start, path)));
    }
    decode(source, text, path)
}

/// Reads a piece of the source's text.
pub(in crate::cli) fn decode<'s, T: Deserialize<'s>>(
    source: &Source,
    text: &'s str,
    path: &str,
) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| {
            let start = locate(text, error.path());
            (join(path, &error.path().to_string()), start, error.into_inner())
        })
        .and_then(|value| deserializer.end().map(|()| value).map_err(|error| (path.to_owned(), text, error)));
    result.map_err(|(path, start, error)| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message =
            message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message).to_owned();
        if error.is_data() {
            // The value is well formed and not what it should be: its reader looks at its beginning.
            return Failure::new(message).at(place(source, start, &path));
        }
        Failure::new(message).at(place_of(source, offset(source, text) + position(text, line, column), &path))
    })
}

/// The part of `text` that a path leads to, as far as it leads.
fn locate<'s>(text: &'s str, path: &serde_path_to_error::Path) -> &'s str {
    let mut part = text.trim_start();
    for segment in path {
        let next = match segment {
            Segment::Map { key } => serde_json::from_str::<BTreeMap<String, &RawValue>>(part)
                .ok()
                .and_then(|members| members.get(key).copied()),
            Segment::Seq { index } => serde_json::from_str::<Vec<&RawValue>>(part)
                .ok()
                .and_then(|elements| elements.get(*index).copied()),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(next) = next else { break };
        part = next.get();
    }
    part
}

fn join(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        // How serde_path_to_error spells the top, and what it cannot name.
        (_, "." | "?") => outer.to_owned(),
        ("", _) => inner.to_owned(),
        _ if inner.starts_with('[') => format!("{outer}{inner}"),
        _ => format!("{outer}.{inner}"),
    }
}

/// The byte in `text` that a line and column of serde_json mean. Its columns count bytes from 1; 0 is the line's end.
fn position(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// Where `part`, a slice of the source's text, begins in it.
fn offset(source: &Source, part: &str) -> usize {
    (part.as_ptr().addr()).saturating_sub(source.text.as_ptr().addr()).min(source.text.len())
}

/// The place where `part`, a slice of the source's text, begins.
pub(in crate::cli) fn place(source: &Source, part: &str, path: &str) -> Place {
    place_of(source, offset(source, part), path)
}

fn place_of(source: &Source, offset: usize, path: &str) -> Place {
    let text = &source.text;
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (before, after) = text.split_at(offset);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let head = before.get(start..).unwrap_or_default();
    let tail = after.split('\n').next().unwrap_or_default().trim_end();
    Place {
        file: source.name.clone(),
        line: before.matches('\n').count() + 1,
        column: head.chars().count() + 1,
        path: path.to_owned(),
        text: format!("{head}{tail}"),
    }
}
