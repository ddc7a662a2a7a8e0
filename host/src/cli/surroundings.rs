//! What the program finds around it: its streams and its tools. Passed in, so that tests bring their own.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::database::VARIABLE;
use super::report::text::{Width, duration};
use crate::wasm::Program;

/// Streams, tools and folders of one run of the program.
pub struct Surroundings {
    /// Read for `--requests -`.
    pub input: Box<dyn Read + Send>,
    /// Gets the report.
    pub output: Output,
    /// Gets errors and progress.
    pub errors: Output,
    /// Ready when the program is to stop. Waited for once, while requests or jobs run or jobs are watched.
    pub interrupt: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Ready when a worker that lets its jobs end is to stop at once. Waited for once, after `interrupt`.
    pub second_interrupt: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// What `STAGEGATE_DATABASE` in the environment names, which may have a password in it.
    pub database: Option<OsString>,
    /// Whether the host's own log may be set up, which holds for the process and goes to its standard error.
    pub logs: bool,
    /// What builds plugin crates.
    pub tools: Tools,
    /// Where compiled plugins are kept; none for the user's cache directory.
    pub cache_directory: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let (output, errors) = (io::stdout(), io::stderr());
        Self {
            input: Box::new(io::stdin()),
            output: Output {
                colour: AutoStream::choice(&output) != ColorChoice::Never,
                terminal: output.is_terminal(),
                width: Width::of(&output),
                writer: Box::new(AutoStream::auto(output)),
            },
            errors: Output {
                colour: AutoStream::choice(&errors) != ColorChoice::Never,
                terminal: errors.is_terminal(),
                width: Width::of(&errors),
                writer: Box::new(AutoStream::auto(errors)),
            },
            interrupt: Box::pin(stop_signal()),
            second_interrupt: Box::pin(stop_signal()),
            database: std::env::var_os(VARIABLE),
            logs: true,
            tools: Tools { compiler: own_compiler(), ..Tools::of_process() },
            cache_directory: None,
        }
    }
}

/// This program, told to compile.
fn own_compiler() -> Option<Program> {
    let path = std::env::current_exe().ok()?;
    Some(Program { path, arguments: vec!["compile-child".into()] })
}

/// Waits for an interrupt from the keyboard, or for the operating system's wish that the program end. From the first poll
/// on, these no longer end the process by themselves.
async fn stop_signal() {
    // A signal that cannot be listened to keeps its usual effect.
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// A stream that is written to.
pub struct Output {
    writer: Box<dyn Write + Send>,
    colour: bool,
    terminal: bool,
    width: Width,
}

impl Output {
    /// A stream that is no terminal and gets no colour.
    pub fn plain(writer: impl Write + Send + 'static) -> Self {
        Self { writer: Box::new(writer), colour: false, terminal: false, width: Width::FILE }
    }

    /// Whether escape sequences for colour are welcome.
    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// Whether what was written can be written over: on a terminal that takes escape sequences.
    pub(super) fn redraws(&self) -> bool {
        self.terminal && self.colour
    }

    /// Whether somebody looks at it.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How wide a page may be.
    pub(super) fn width(&self) -> Width {
        self.width
    }

    /// Writes a text that may have escape sequences, without them where they are not welcome. A reader that has gone
    /// away (`| head`) is no error: nobody is left to tell.
    pub(super) fn write(&mut self, text: &str) {
        let result = if self.colour {
            self.writer.write_all(text.as_bytes())
        } else {
            write!(self.writer, "{}", anstream::adapter::strip_str(text))
        };
        let _ = result.and_then(|()| self.writer.flush());
    }

    /// Writes one line.
    pub(super) fn line(&mut self, line: impl Display) {
        self.write(&format!("{line}\n"));
    }

    /// Says what takes a moment: a moving line on a terminal, a plain one elsewhere.
    pub(super) fn progress(&mut self, doing: &str) -> Progress {
        let bar = if self.terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            Some(bar)
        } else {
            self.line(format_args!("{doing} ..."));
            None
        };
        Progress { bar, started: Instant::now(), doing: doing.to_owned() }
    }
}

/// Something that takes a moment. Dropped, its line disappears.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    doing: String,
}

impl Progress {
    /// Says more about where it is; only on a terminal.
    pub(super) fn detail(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {detail}", self.doing));
        }
    }

    /// Leaves a line that says how long it took.
    pub(super) fn done(self, errors: &mut Output, done: &str) {
        let took = duration(self.started.elapsed());
        drop(self);
        errors.line(format_args!("{done} in {took}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The programs that build a plugin crate and compile a component.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Cargo.
    pub cargo: OsString,
    /// The compiler, asked where the target's libraries are.
    pub rustc: OsString,
    /// What adds a missing target.
    pub rustup: OsString,
    /// What compiles components in a process of its own, within limits: `stagegate compile-child`. None: this process does,
    /// without them.
    pub compiler: Option<Program>,
}

impl Tools {
    /// Those that `cargo run` hands down in the environment, else those on the path; nothing to compile with.
    #[must_use]
    pub fn of_process() -> Self {
        let tool = |variable, name: &str| std::env::var_os(variable).unwrap_or_else(|| name.into());
        let (cargo, rustc) = (tool("CARGO", "cargo"), tool("RUSTC", "rustc"));
        Self { cargo, rustc, rustup: "rustup".into(), compiler: None }
    }
}
