//! The command line: `stagegate --plugin PATH` runs plugins, `stagegate inspect FILE` looks into one, `stagegate test
//! PATH` runs scenarios, `stagegate plan`, `diff` and `apply` are about which steps are registered, `stagegate jobs` is
//! about system jobs, and `stagegate worker` runs those.
//!
//! [`run`] is the whole program with its surroundings passed in, so that tests call it in their own process. A command
//! collects what happened as plain data (`report`), which is written as text while it grows, or as JSON at the end.
//!
//! Exit codes: 0 done; 1 a request, a job or a case of a scenario failed, `diff` found a difference, or a job was refused
//! what was asked; 2 usage, or a plugin, file or database that cannot be used; 130 interrupted.

mod apply;
mod args;
mod build;
mod check;
mod database;
mod described;
mod diff;
mod fact;
mod failure;
mod inspect;
mod jobs;
mod label;
mod load;
mod plan;
mod report;
mod requests;
mod run;
mod sample;
mod session;
mod surroundings;
mod test;
mod value;
mod worker;

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue};

pub use check::{check_requests, check_scenario};
pub use surroundings::{Output, Surroundings, Tools};

use crate::model::value_json as json;
use args::{Arguments, Command};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything went as the requests expected.
    Done,
    /// 1: a request, a job that one queued or that was watched, or a case of a scenario, did not.
    RequestFailed,
    /// 1: a system job was refused what was asked.
    Refused,
    /// 1: a database's registration is not what is described.
    Different,
    /// 2: nothing ran: wrong usage, or a plugin, a file or a database that cannot be used.
    Unusable,
    /// 130: stopped by the user. The request that ran was rolled back.
    Interrupted,
}

impl Exit {
    /// The number that the operating system gets.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::RequestFailed | Self::Refused | Self::Different => 1,
            Self::Unusable => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The program. `args` begins with its name, as the operating system gives them.
///
/// When [`Surroundings::interrupt`] is ready, the program stops: the request that runs is rolled back, what happened so
/// far is reported, and a temporary database is removed.
pub async fn run(args: impl IntoIterator<Item = OsString>, surroundings: &mut Surroundings) -> Exit {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, surroundings),
    };
    let format = arguments.format();
    let result = match arguments.command {
        Some(Command::Inspect(inspect)) => inspect::run(&inspect, surroundings).await,
        Some(Command::Test(test)) => test::run(&test, surroundings).await,
        Some(Command::Plan(arguments)) => plan::run(&arguments, surroundings).await,
        Some(Command::Diff(arguments)) => diff::run(&arguments, surroundings).await,
        Some(Command::Apply(arguments)) => apply::run(&arguments, surroundings).await,
        Some(Command::Jobs(arguments)) => jobs::run(&arguments, surroundings).await,
        Some(Command::Worker(arguments)) => worker::run(&arguments, surroundings).await,
        Some(Command::CompileChild) => return compile_child(surroundings),
        None => run::run(&arguments.run, surroundings).await,
    };
    result.unwrap_or_else(|failure| {
        failure.show(format, surroundings);
        Exit::Unusable
    })
}

/// Compiles for the host that started this process, which reads every word on the error stream as a reason. Machine code
/// goes past the surroundings, whose output is text.
fn compile_child(surroundings: &mut Surroundings) -> Exit {
    let mut input: Box<dyn Read + Send> = Box::new(std::io::empty());
    // Somebody at a terminal has no order to give, and is told so at once.
    if !surroundings.output.is_terminal() {
        std::mem::swap(&mut input, &mut surroundings.input);
    }
    match crate::wasm::compile_child(input, std::io::stdout().lock()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            surroundings.errors.line(error);
            Exit::Unusable
        }
    }
}

/// A path where a command or an option should be: most likely that of a plugin.
fn stray_path(error: &clap::Error) -> Option<&str> {
    let kinds = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    kinds.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(text))
            if !text.starts_with('-') && (text.ends_with(".wasm") || Path::new(text).exists()) =>
        {
            Some(text.as_str())
        }
        _ => None,
    })
}

/// Help and the version go where output goes; what is wrong goes where errors go.
fn usage(error: &clap::Error, surroundings: &mut Surroundings) -> Exit {
    let mut text = error.render().ansi().to_string();
    if let Some(path) = stray_path(error) {
        text.push_str(&format!("\n  to run a plugin, write `stagegate --plugin {path}`\n"));
    }
    if error.use_stderr() {
        surroundings.errors.write(&text);
        Exit::Unusable
    } else {
        surroundings.output.write(&text);
        Exit::Done
    }
}
