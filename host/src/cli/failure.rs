//! Why a command ended before its requests ran: what is wrong, where, and the way out.

use std::fmt;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::args::Format;
use super::report::json::FORMAT;
use super::report::text::clean;
use super::surroundings::Surroundings;
use crate::model::Error;

/// Characters of a line in a file that are shown at most.
const SHOWN_MAX: usize = 100;

/// A failure that ends the program with exit code 2.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    /// Boxed: failures are rare, and results are moved around.
    place: Option<Box<Place>>,
    /// What a tool said, shown as it is above the message.
    output: Option<String>,
}

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// The file as the user named it.
    pub(super) file: String,
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// The path in the document; empty for its top.
    pub(super) path: String,
    /// The line's text; nothing is shown of an empty one.
    #[serde(skip)]
    pub(super) text: String,
}

impl Failure {
    /// A failure with a message that names the thing and the way out.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, output: None }
    }

    /// Says where.
    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Shows nothing of the line that it is about, where a secret may stand.
    pub(super) fn without_line(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.text.clear();
        }
        self
    }

    /// Adds what a tool said.
    pub(super) fn with_output(mut self, output: String) -> Self {
        self.output = Some(output);
        self
    }

    /// Tells people on the error stream, and machines on the output stream if they asked for JSON.
    pub(super) fn show(&self, format: Format, surroundings: &mut Surroundings) {
        if let Some(output) = &self.output {
            surroundings.errors.line(output.trim_end());
        }
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        surroundings.errors.line(format_args!("{red}error{red:#}: {self}"));
        if format == Format::Json {
            let error = ErrorJson { message: &self.message, place: self.place.as_deref() };
            let document = FailureJson { format: FORMAT, exit_code: 2, error };
            // A struct of numbers and strings always serializes.
            surroundings.output.line(serde_json::to_string_pretty(&document).unwrap_or_default());
        }
    }
}

#[derive(Serialize)]
struct FailureJson<'a> {
    format: u32,
    exit_code: u8,
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a Place>,
}

/// The place, the message and the line that it is about.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = self.place.as_deref() else { return f.write_str(&self.message) };
        let Place { file, line, column, path, text } = place;
        write!(f, "{file}:{line}:{column}: ")?;
        if !path.is_empty() {
            write!(f, "at {path}: ")?;
        }
        f.write_str(&self.message)?;
        if text.is_empty() {
            return Ok(());
        }
        // A long line is cut to the part around the place.
        let start = column.saturating_sub(60);
        let mut shown: String = text.chars().skip(start).take(SHOWN_MAX).collect();
        if text.chars().count() > start + SHOWN_MAX {
            shown.push('…');
        }
        if start > 0 {
            shown.insert(0, '…');
        }
        // Where the line begins with a mark, what follows stands one further.
        let start = start.saturating_sub(usize::from(start > 0));
        let gutter = line.to_string();
        write!(f, "\n {gutter} | {}", clean(&shown.replace('\t', " ")))?;
        let (pad, caret) = (" ".repeat(gutter.len()), " ".repeat(column.saturating_sub(start + 1)));
        write!(f, "\n {pad} | {caret}^")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.to_string();
        if let Some(diagnostic) = error.diagnostic() {
            message.push('\n');
            message.push_str(diagnostic.trim_end());
        }
        Self::new(message)
    }
}
