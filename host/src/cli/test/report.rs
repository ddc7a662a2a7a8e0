//! What came of the cases, for people and machines.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::case::Case;
use super::compare::Difference;
use super::runner::Outcome;
use super::write;
use crate::cli::Exit;
use crate::cli::failure::{Failure, Place};
use crate::cli::report::json::FORMAT;
use crate::cli::report::text::{clean, duration};
use crate::cli::requests::place;

const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const DIM: Style = Style::new().dimmed();

/// All that ran.
pub(super) struct Report {
    /// The cases, in the order of the files.
    pub(super) ran: Vec<Ran>,
    /// From the program's start.
    pub(super) took: Duration,
}

/// A case that ran.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    /// Whether the file was corrected to what happened.
    pub(super) updated: bool,
}

impl Report {
    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        if self.ran.iter().all(Ran::succeeded) { Exit::Done } else { Exit::RequestFailed }
    }

    /// The cases of each file, in order.
    pub(super) fn by_file(&self) -> Vec<(&str, Vec<&Ran>)> {
        let mut files: Vec<(&str, Vec<&Ran>)> = Vec::new();
        for ran in &self.ran {
            match files.last_mut() {
                Some((file, cases)) if *file == ran.case.source.name => cases.push(ran),
                _ => files.push((&ran.case.source.name, vec![ran])),
            }
        }
        files
    }

    /// For people: a line for each case, what differs below those that failed, and the sums.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (file, cases) in self.by_file() {
            let _ = writeln!(text, "{}", clean(file));
            for ran in cases {
                let (style, mark) = match (ran.succeeded(), ran.updated) {
                    (true, false) => (GOOD, "✓"),
                    (true, true) => (GOOD, "✎"),
                    (false, _) => (BAD, "✗"),
                };
                let (name, took) = (clean(&ran.case.name), duration(ran.outcome.took));
                let _ = writeln!(text, "  {style}{mark}{style:#} {name}  {DIM}{took}{DIM:#}");
                if !ran.succeeded() {
                    text.push_str(&ran.details());
                }
            }
        }
        let failed = self.ran.iter().filter(|ran| !ran.succeeded()).count();
        let updated = self.ran.iter().filter(|ran| ran.updated).count();
        let (style, took) = (if failed == 0 { GOOD } else { BAD }, duration(self.took));
        let passed = self.ran.len() - failed - updated;
        let _ = write!(text, "\n{style}{passed} passed, {failed} failed{style:#}");
        if updated > 0 {
            let _ = write!(text, ", {updated} updated");
        }
        let _ = writeln!(text, " in {took}");
        text
    }

    /// For machines.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let cases = self.ran.iter().map(|ran| CaseJson {
            file: &ran.case.source.name,
            name: &ran.case.name,
            outcome: match (ran.succeeded(), ran.updated) {
                (true, false) => "passed",
                (true, true) => "updated",
                (false, _) => "failed",
            },
            took_us: u64::try_from(ran.outcome.took.as_micros()).unwrap_or(u64::MAX),
            differences: ran.outcome.differences.iter().map(|found| ran.difference(found)).collect(),
            error: ran.outcome.broken.as_deref(),
        });
        let document = Document { format: FORMAT, exit_code: self.exit().code(), cases: cases.collect() };
        serde_json::to_string_pretty(&document)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(format!("the outcome cannot be written as JSON: {error}")))
    }
}

impl Ran {
    /// Whether all is as expected, or the file says so now.
    pub(super) fn succeeded(&self) -> bool {
        self.outcome.broken.is_none() && (self.outcome.differences.is_empty() || self.updated)
    }

    /// What is not as expected, with the places.
    pub(super) fn details(&self) -> String {
        let mut text = String::new();
        if let Some(broken) = &self.outcome.broken {
            let raw = self.case.source.text.get(self.case.span.clone()).unwrap_or_default();
            let at = place(&self.case.source, raw, "");
            let _ = writeln!(text, "      {}:{}: {}", at.file, at.line, clean(broken));
        }
        for difference in &self.outcome.differences {
            let at = self.place(difference);
            let _ = writeln!(text, "      {}:{}: {DIM}{}{DIM:#}", at.file, at.line, at.path);
            if let Some(note) = self.note(difference) {
                let _ = writeln!(text, "        {DIM}{}{DIM:#}", clean(note));
            }
            show(&mut text, &difference.expected, &difference.actual);
        }
        text
    }

    fn place(&self, difference: &Difference) -> Place {
        let raw = self.case.source.text.get(difference.span.clone()).unwrap_or_default();
        place(&self.case.source, raw, &difference.path)
    }

    /// The note of the request that the difference is of.
    fn note(&self, difference: &Difference) -> Option<&str> {
        let request = self.case.requests.iter().find(|step| {
            step.node.span.start <= difference.span.start && difference.span.end <= step.node.span.end
        });
        request.and_then(|step| step.note.as_deref())
    }

    fn difference<'a>(&'a self, found: &'a Difference) -> DifferenceJson<'a> {
        DifferenceJson { place: self.place(found), expected: &found.expected, actual: &found.actual }
    }
}

/// Both sides: under each other where they are short, else line by line.
fn show(text: &mut String, expected: &Json, actual: &Json) {
    let (short_expected, short_actual) = (write::inline(expected), write::inline(actual));
    let lists = expected.is_array() && actual.is_array();
    if !lists && short_expected.len().max(short_actual.len()) <= 90 {
        let _ = writeln!(text, "        {BAD}- {}{BAD:#}", clean(&short_expected));
        let _ = writeln!(text, "        {GOOD}+ {}{GOOD:#}", clean(&short_actual));
        return;
    }
    let (expected, actual) = (lines(expected), lines(actual));
    for change in TextDiff::from_lines(&expected, &actual).iter_all_changes() {
        let line = clean(change.value().trim_end());
        let _ = match change.tag() {
            ChangeTag::Delete => writeln!(text, "        {BAD}- {line}{BAD:#}"),
            ChangeTag::Insert => writeln!(text, "        {GOOD}+ {line}{GOOD:#}"),
            ChangeTag::Equal => writeln!(text, "          {line}"),
        };
    }
}

/// A list with a line for each element, and anything else as it is written in a file.
fn lines(json: &Json) -> String {
    match json {
        Json::Array(elements) if elements.is_empty() => "[]\n".to_owned(),
        Json::Array(elements) => elements.iter().map(|element| write::inline(element) + "\n").collect(),
        other => serde_json::to_string_pretty(other).unwrap_or_default() + "\n",
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    exit_code: u8,
    cases: Vec<CaseJson<'a>>,
}

#[derive(Serialize)]
struct CaseJson<'a> {
    file: &'a str,
    name: &'a str,
    outcome: &'static str,
    took_us: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<DifferenceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct DifferenceJson<'a> {
    place: Place,
    expected: &'a Json,
    actual: &'a Json,
}
