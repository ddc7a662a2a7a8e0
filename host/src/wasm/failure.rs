//! What a trap means: the guest's own words, the limit that it hit, the place in its source.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::model::error::{Error, ErrorKind};
use crate::pipeline::execution::Deadline;
use crate::pipeline::timed_out;
use crate::wasm::run::Sandbox;

/// Frames of a backtrace that are shown at most.
const FRAMES_MAX: usize = 12;

/// The error for a call that trapped.
pub(super) fn of(trap: &wasmtime::Error, sandbox: &Sandbox, deadline: Deadline) -> Error {
    let output = sandbox.output.text();
    let frames = frames(trap);
    let error = classify(trap, &output, &frames, sandbox, deadline);
    let shown: Vec<&Frame> = frames.iter().filter(|frame| !frame.is_machinery()).collect();
    let mut diagnostic: Vec<String> = said(&output).map(str::to_owned).collect();
    diagnostic.extend(shown.iter().take(FRAMES_MAX).map(|frame| format!("    at {frame}")));
    if shown.len() > FRAMES_MAX {
        diagnostic.push(format!("    ({} more)", shown.len() - FRAMES_MAX));
    }
    if diagnostic.is_empty() { error } else { error.with_diagnostic(diagnostic.join("\n")) }
}

/// What the guest wrote, without advice that does not hold in a sandbox: it has no environment to set variables in.
fn said(output: &str) -> impl Iterator<Item = &str> {
    let advice = |line: &&str| line.starts_with("note: run with `RUST_BACKTRACE=");
    output.lines().filter(move |line| !line.is_empty() && !advice(line))
}

fn classify(
    trap: &wasmtime::Error,
    output: &str,
    frames: &[Frame],
    sandbox: &Sandbox,
    deadline: Deadline,
) -> Error {
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
        // WASI 0.2 tells success from failure and keeps no number.
        let how = if exit.0 == 0 { "with success" } else { "with a failure" };
        return Error::new(
            ErrorKind::Exited,
            format!("the plugin ended its process {how} (`exit`); return a fault to refuse a message"),
        );
    }
    if let Some(refusal) = &sandbox.limiter.refusal {
        return Error::new(ErrorKind::OutOfMemory, format!("the plugin ran out of its limits: {refusal}"));
    }
    match trap.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => timed_out(deadline),
        // A Rust guest's large values live on a stack in its linear memory, below which there is nothing.
        Some(Trap::MemoryOutOfBounds) if is_recursion(frames) => stack_overflow(),
        Some(Trap::StackOverflow) => stack_overflow(),
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

fn stack_overflow() -> Error {
    let message = "the plugin's stack overflowed; look for a recursion that does not end";
    Error::new(ErrorKind::StackOverflow, message)
}

/// A function on the guest's stack, and the place in its source if the component has debug information.
struct Frame {
    name: String,
    place: Option<String>,
}

impl Frame {
    /// Whether it is part of the standard library, the panic machinery or the bindings.
    fn is_machinery(&self) -> bool {
        const PREFIXES: [&str; 12] = [
            "std::",
            "core::",
            "alloc::",
            "<core::",
            "<std::",
            "<alloc::",
            "__rust",
            "_rust",
            "rust_",
            "abort",
            "wit_bindgen",
            "stagegate:plugin/",
        ];
        PREFIXES.iter().any(|prefix| self.name.starts_with(prefix))
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// The guest's stack, innermost first, with readable names.
fn frames(trap: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = trap.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    // Without the hash that makes a symbol unique.
    let readable = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    let mut frames = Vec::new();
    for frame in backtrace.frames() {
        let symbols = frame.symbols();
        if symbols.is_empty() {
            frames.extend(frame.func_name().map(|name| Frame { name: readable(name), place: None }));
        }
        for symbol in symbols {
            let Some(name) = symbol.name() else { continue };
            let place = symbol.file().zip(symbol.line()).map(|(file, line)| format!("{file}:{line}"));
            frames.push(Frame { name: readable(name), place });
        }
    }
    frames
}

/// Whether one function stands on the stack so often that it must be calling itself.
fn is_recursion(frames: &[Frame]) -> bool {
    const OFTEN: usize = 8;
    frames.iter().any(|frame| frames.iter().filter(|other| other.name == frame.name).count() >= OFTEN)
}
