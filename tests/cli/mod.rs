//! The command line, run in this process: what it refuses and how it says so.

pub(crate) mod program;

mod admission;
mod arguments;
mod bad_input;
mod capabilities;
mod compiling;
mod database;
mod jobs;
mod registration;
mod requests_file;
mod runs;
mod scenarios;
mod trust;
mod worker;
