//! What is wrong with a component: one message for each problem, all of them at once.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::model::error::{Error, ErrorKind};

/// One reason why a component is no plugin for this host, or will not do what its author means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// What it is about, to decide by.
    pub kind: ProblemKind,
    /// Whether it keeps the component from being loaded.
    pub refuses: bool,
    /// What is wrong, said of the component: "imports ...".
    pub message: String,
    /// What to do about it.
    pub way_out: String,
    /// Where two sides differ, a line each: those that begin with `-` are what the component was built with, those with
    /// `+` what this host has, the others where that is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
}

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// It is not signed, or not by whom it should be.
    Signature,
    /// It is a component of another world.
    World,
    /// It imports what this host does not have.
    Import,
    /// Its contract is not this host's: another version, or another shape.
    Contract,
    /// It begins with more than a sandbox has.
    Resources,
    /// It is too intricate to be compiled.
    Complexity,
    /// It could not be compiled within its limits, or not at all.
    Compilation,
    /// What it declares could not be found out.
    Declaration,
    /// A step that it declares breaks a rule of registration.
    Step,
}

impl Problem {
    /// A problem that keeps the component from being loaded.
    pub(in crate::wasm) fn new(
        kind: ProblemKind,
        message: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        let (message, way_out) = (message.into(), way_out.into());
        Self { kind, refuses: true, message, way_out, diff: Vec::new() }
    }

    /// One that an operator can mend by a manifest, and that registration refuses if nobody does.
    pub(in crate::wasm) fn warning(mut self) -> Self {
        self.refuses = false;
        self
    }

    pub(in crate::wasm) fn with_diff(mut self, diff: Vec<String>) -> Self {
        self.diff = diff;
        self
    }
}

/// The message, the way out, and the difference on lines of its own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.way_out)?;
        self.diff.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// The error of a load that all of these problems keep from being done.
pub(in crate::wasm) fn refusal(path: &Path, problems: &[Problem]) -> Error {
    let path = path.display();
    let text = match problems {
        [only] => format!("{path} {only}"),
        all => {
            let numbered = all.iter().enumerate();
            let lines: Vec<String> =
                numbered.map(|(index, problem)| format!("  {}. {problem}", index + 1)).collect();
            format!("{path} has {} problems:\n{}", all.len(), lines.join("\n"))
        }
    };
    Error::new(ErrorKind::InvalidPlugin, text)
}
