//! What a trap means: the guest's own words, the limit that it hit, the place in its source.

use std::time::Instant;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::model::error::{Error, ErrorKind};
use crate::pipeline::timed_out;
use crate::wasm::run::Sandbox;

/// Frames of a backtrace that are shown at most.
const FRAMES_MAX: usize = 12;

/// The error for a call that trapped.
pub(super) fn of(trap: &wasmtime::Error, sandbox: &Sandbox, deadline: Instant) -> Error {
    let output = sandbox.output.text();
    let error = classify(trap, &output, sandbox, deadline);
    let diagnostic = [output.trim_end().to_owned(), backtrace(trap)];
    let diagnostic: Vec<String> = diagnostic.into_iter().filter(|part| !part.is_empty()).collect();
    if diagnostic.is_empty() { error } else { error.with_diagnostic(diagnostic.join("\n")) }
}

fn classify(trap: &wasmtime::Error, output: &str, sandbox: &Sandbox, deadline: Instant) -> Error {
    // An error of our own that a host function or the epoch callback raised.
    if let Some(error) = trap.downcast_ref::<Error>() {
        return error.clone();
    }
    if trap.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Error::new(
            ErrorKind::Saturated,
            "the host has no room for another sandbox now; try again, or give the engine more concurrency",
        );
    }
    if let Some(exit) = trap.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Error::new(
            ErrorKind::Exited,
            format!("the plugin called exit({}); return a fault to refuse a message", exit.0),
        );
    }
    if let Some(refusal) = &sandbox.limiter.refusal {
        return Error::new(ErrorKind::OutOfMemory, format!("the plugin ran out of its limits: {refusal}"));
    }
    match trap.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => timed_out(deadline),
        Some(Trap::StackOverflow) => Error::new(
            ErrorKind::StackOverflow,
            "the plugin's stack overflowed; look for a recursion that does not end",
        ),
        _ => match panic_message(output) {
            Some(panic) => Error::new(ErrorKind::Panicked, format!("the plugin panicked: {panic}")),
            None => Error::new(ErrorKind::Trapped, format!("the plugin was stopped: {}", cause(trap))),
        },
    }
}

/// The innermost cause, without wasmtime's own frame list.
fn cause(trap: &wasmtime::Error) -> String {
    if trap.downcast_ref::<Trap>().is_some_and(|trap| *trap == Trap::UnreachableCodeReached) {
        return "it aborted (`unreachable`) without a message".into();
    }
    let text = trap.root_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A Rust guest's panic message from its standard error, with the place in its source.
fn panic_message(output: &str) -> Option<String> {
    let (_, panic) = output.rsplit_once(" panicked at ")?;
    let (place, rest) = panic.split_once(":\n")?;
    let message = rest.split("\nnote: ").next().unwrap_or(rest).trim();
    Some(format!("{message} ({place})"))
}

/// The guest's own frames, innermost first, without those of its panic machinery and standard library.
fn backtrace(trap: &wasmtime::Error) -> String {
    let Some(backtrace) = trap.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let mut lines = Vec::new();
    for frame in backtrace.frames() {
        let symbols = frame.symbols();
        if symbols.is_empty() {
            lines.extend(frame.func_name().map(|name| (name.to_owned(), None)));
        }
        for symbol in symbols {
            let Some(name) = symbol.name() else { continue };
            let place = symbol.file().zip(symbol.line()).map(|(file, line)| format!("{file}:{line}"));
            lines.push((name.to_owned(), place));
        }
    }
    lines.retain(|(name, _)| !is_machinery(name));
    lines
        .into_iter()
        .take(FRAMES_MAX)
        .map(|(name, place)| match place {
            Some(place) => format!("    at {name} ({place})"),
            None => format!("    at {name}"),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_machinery(name: &str) -> bool {
    const PREFIXES: [&str; 10] = [
        "std::",
        "core::",
        "alloc::",
        "__rust",
        "_rust",
        "rust_",
        "abort",
        "<alloc",
        "wit_bindgen",
        "__rustc",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
