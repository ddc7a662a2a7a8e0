//! Files that are read without running anything, for tools that write them.

use std::sync::Arc;

use uuid::Uuid;

use super::failure::Failure;
use super::requests::{Document, Source};
use super::test;
use crate::model::Schema;

/// What the program would refuse of a requests file before it runs anything: its form, its definitions, and the values of its
/// requests. `name` is what the refusal calls the file; it has the line, the column, and the way out.
///
/// The values are read by the file's own definitions alone, so a file that relies on those of a database or a plugin is refused.
pub fn check_requests(name: &str, bytes: Vec<u8>) -> Result<(), String> {
    let read = || -> Result<(), Failure> {
        let source = Source::new(name, bytes, "write a requests file")?;
        let document = Document::parse(&source)?;
        let mut schema = Schema::default();
        if let Some(defined) = &document.defined {
            schema = schema.extended(&defined.definitions).map_err(|error| defined.failure(&error))?;
        }
        document.requests(&schema, Uuid::nil()).map(drop)
    };
    read().map_err(|failure| failure.to_string())
}

/// What the program would refuse of a scenario before it runs anything, as [`check_requests`]. No plugin is loaded, so a
/// scenario that names one is refused.
pub fn check_scenario(name: &str, bytes: Vec<u8>) -> Result<(), String> {
    let read = || -> Result<(), Failure> {
        let source = Arc::new(Source::new(name, bytes, "write a scenario")?);
        test::check(&source)
    };
    read().map_err(|failure| failure.to_string())
}
