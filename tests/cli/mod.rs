//! The command line, run in this process: what it refuses and how it says so.

pub(crate) mod program;

mod arguments;
mod bad_input;
mod capabilities;
mod database;
mod jobs;
mod registration;
mod requests_file;
mod runs;
mod scenarios;
mod worker;
