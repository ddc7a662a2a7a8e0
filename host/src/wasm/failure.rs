//! What a trap means: the guest's own words, the limit that it hit, the place in its source.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::model::cause::{Cause, Exhausted, Frame, QuotaOf, Resource, TrapCode};
use crate::model::error::{Error, ErrorKind, Remains};
use crate::pipeline::execution::Deadline;
use crate::pipeline::{SATURATED_RETRY_AFTER, timed_out};
use crate::wasm::limits::{Limits, Refusal};
use crate::wasm::run::State;

/// The error for a call that trapped, of a guest with those limits.
pub(super) fn of(trap: &wasmtime::Error, state: &State, limits: &Limits, deadline: Deadline) -> Error {
    let output = state.sandbox.output.text();
    let frames = frames(trap);
    let error = classify(trap, &output, &frames, state, limits, deadline);
    let last_words: Vec<&str> = said(&output).collect();
    let last_words = (!last_words.is_empty()).then(|| last_words.join("\n"));
    let is_own = |frame: &Frame| !is_machinery(&frame.function, frame.file.as_deref());
    let frames: Vec<Frame> = frames.into_iter().filter(is_own).collect();
    // What passes through from a step further in is not about this guest.
    if !error.path().is_empty() {
        return error;
    }
    error.with_remains(Remains { last_words, frames, core_dump: None })
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
    state: &State,
    limits: &Limits,
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
        )
        .with_retry_after(SATURATED_RETRY_AFTER);
    }
    if let Some(exit) = trap.downcast_ref::<wasmtime_wasi::I32Exit>() {
        // WASI 0.2 tells success from failure and keeps no number.
        let how = if exit.0 == 0 { "with success" } else { "with a failure" };
        return Error::new(
            ErrorKind::Exited,
            format!("the plugin ended its process {how} (`exit`); return a fault to refuse a message"),
        );
    }
    let code = trap.downcast_ref::<Trap>().copied();
    if let (Some(Refusal::Quota(quota)), true) = (state.sandbox.limiter.refusal, gave_up(code)) {
        return over_quota(quota);
    }
    if let Some(exhausted) = exhausted(trap, code, state, limits) {
        return out_of_memory(exhausted, state);
    }
    let error = match code {
        Some(Trap::Interrupt) => return timed_out(deadline, state.place.computing()),
        // A Rust guest's large values live on a stack in its linear memory, below which there is nothing.
        Some(Trap::MemoryOutOfBounds) if is_recursion(frames) => stack_overflow(),
        Some(Trap::StackOverflow) => stack_overflow(),
        _ => match panic_message(output, frames) {
            Some(panic) => Error::new(ErrorKind::Panicked, format!("the plugin panicked: {panic}")),
            None => Error::new(ErrorKind::Trapped, format!("the plugin was stopped: {}", cause(trap))),
        },
    };
    error.with_cause(Cause::Trap(code.map_or(TrapCode::RefusedCall, trap_code)))
}

/// Whether a growth that was refused is the cause: if the guest then gave up, which compiled languages do by
/// `unreachable`. No other trap is: the guest may have gone on for long since.
fn gave_up(code: Option<Trap>) -> bool {
    matches!(code, None | Some(Trap::UnreachableCodeReached | Trap::MemoryOutOfBounds))
}

/// The error of a guest that found its plugin's memory taken by others of its sandboxes.
fn over_quota(bytes: u64) -> Error {
    let message = format!(
        "all sandboxes of the plugin together may have {} MiB of memory, and this one needed more; try again, or raise \
         `memory_bytes` of the plugin's quota",
        bytes >> 20
    );
    Error::new(ErrorKind::Saturated, message)
        .with_cause(Cause::OverQuota(QuotaOf::Memory))
        .with_retry_after(SATURATED_RETRY_AFTER)
}

/// The limit that the guest broke down at.
fn exhausted(
    trap: &wasmtime::Error,
    code: Option<Trap>,
    state: &State,
    limits: &Limits,
) -> Option<Exhausted> {
    if let (Some(Refusal::Limit(refusal)), true) = (state.sandbox.limiter.refusal, gave_up(code)) {
        return Some(refusal);
    }
    // wasmtime has no types for these; a test goes through both.
    let text = trap.root_cause().to_string();
    let (resource, limit) = match () {
        () if code.is_some() => return None,
        () if text.contains("store handle limit exceeded") => (Resource::Handles, limits.handles),
        () if text.contains("resource table has no free keys") => (Resource::Handles, limits.handles),
        () if text.contains("fuel allocated for hostcalls") => (Resource::CallBytes, limits.call_bytes),
        () => return None,
    };
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    Some(Exhausted { resource, limit, peak: None, asked: None })
}

fn out_of_memory(exhausted: Exhausted, state: &State) -> Error {
    let way_out = match exhausted.resource {
        // Nothing is granted yet to a plugin that declares its steps.
        Resource::Memory if state.active.is_none() => "allocate less".into(),
        Resource::Memory => state.granted.more_memory(),
        Resource::TableElements => "raise the limit of the engine (`Limits::table_elements`)".into(),
        Resource::Handles => {
            "let go of those that it is done with, or raise the limit of the engine (`Limits::handles`)"
                .into()
        }
        Resource::CallBytes => {
            "pass less at once, or raise the limit of the engine (`Limits::call_bytes`)".into()
        }
    };
    let message = format!("the plugin ran out of its limits: {exhausted}; {way_out}");
    Error::new(ErrorKind::OutOfMemory, message).with_cause(Cause::Exhausted(exhausted))
}

fn trap_code(trap: Trap) -> TrapCode {
    match trap {
        Trap::UnreachableCodeReached => TrapCode::UnreachableCodeReached,
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapCode::IntegerDivisionByZero,
        Trap::BadConversionToInteger => TrapCode::BadConversionToInteger,
        Trap::CannotEnterComponent => TrapCode::CannotEnterComponent,
        Trap::CannotLeaveComponent => TrapCode::CannotLeaveComponent,
        Trap::InvalidChar
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer => TrapCode::InvalidValue,
        other => TrapCode::Other(kebab(&format!("{other:?}"))),
    }
}

/// `CastFailure` as `cast-failure`, as all names of traps are written.
fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// The innermost cause, without wasmtime's own frame list.
fn cause(trap: &wasmtime::Error) -> String {
    if trap.downcast_ref::<Trap>().is_some_and(|trap| *trap == Trap::UnreachableCodeReached) {
        return "it aborted (`unreachable`) without a message".into();
    }
    let text = trap.root_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A Rust guest's panic message from its standard error, with the place in its source. One that is longer than what is
/// kept of the output is told from the stack, since its beginning is gone.
fn panic_message(output: &str, frames: &[Frame]) -> Option<String> {
    let Some((_, panic)) = output.rsplit_once(" panicked at ") else {
        let is_panic = frames.iter().any(|frame| frame.function.starts_with("core::panicking::"));
        return is_panic.then(|| "with a message that is longer than what is kept of its output".into());
    };
    let (place, rest) = panic.split_once(":\n")?;
    let message = rest.split("\nnote: ").next().unwrap_or(rest).trim();
    Some(format!("{message} ({place})"))
}

fn stack_overflow() -> Error {
    let message = "the plugin's stack overflowed; look for a recursion that does not end";
    Error::new(ErrorKind::StackOverflow, message)
}

/// Whether a function is part of the standard library, the panic machinery or the bindings.
pub(super) fn is_machinery(function: &str, file: Option<&str>) -> bool {
    // Where the compiler of Rust says that its own library is, whose inlined functions have no path in their names, and the
    // C library below it.
    const LIBRARIES: [&str; 2] = ["/rustc/", "wasisdk://"];
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
    PREFIXES.iter().any(|prefix| function.starts_with(prefix))
        || file.is_some_and(|file| LIBRARIES.iter().any(|library| file.starts_with(library)))
}

/// Characters of a name in a frame at most: a component may call its functions what it likes.
const NAME_MAX: usize = 300;
/// Frames that are kept at most, those that are inlined in others among them.
const FRAMES_MAX: usize = 64;

/// The name of a function as people write it, without the hash that makes a symbol unique.
pub(super) fn readable(symbol: &str) -> String {
    // What is longer is no name of a compiler's.
    let symbol = symbol.char_indices().nth(4 * NAME_MAX).map_or(symbol, |(end, _)| symbol.split_at(end).0);
    short(&format!("{:#}", rustc_demangle::demangle(symbol)))
}

fn short(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", name.split_at(end).0),
        None => name.to_owned(),
    }
}

/// The guest's stack, innermost first, with readable names.
fn frames(trap: &wasmtime::Error) -> Vec<Frame> {
    let Some(backtrace) = trap.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let mut frames = Vec::new();
    for frame in backtrace.frames() {
        let symbols = frame.symbols();
        if symbols.is_empty() {
            frames.extend(frame.func_name().map(|name| Frame::new(readable(name))));
        }
        for (index, symbol) in symbols.iter().enumerate() {
            // The last is the function itself, whose name has its path; the others are inlined in it.
            let own = frame.func_name().filter(|_| index + 1 == symbols.len());
            let Some(name) = own.or(symbol.name()) else { continue };
            let mut shown = Frame::new(readable(name));
            shown.file = symbol.file().map(short);
            shown.line = symbol.line();
            frames.push(shown);
        }
    }
    frames.truncate(FRAMES_MAX);
    frames
}

/// Whether one function stands on the stack so often that it must be calling itself.
fn is_recursion(frames: &[Frame]) -> bool {
    const OFTEN: usize = 8;
    frames.iter().any(|frame| frames.iter().filter(|other| other.function == frame.function).count() >= OFTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_bounded() {
        for (symbol, expected) in
            [("_ZN5guest4spin17h0123456789abcdefE", "guest::spin"), ("spin", "spin"), ("ünïcode", "ünïcode")]
        {
            assert_eq!(readable(symbol), expected);
        }
        for symbol in ["x".repeat(1 << 20), "ü".repeat(1 << 20), format!("_ZN{}E", "1x".repeat(1 << 10))] {
            assert!(readable(&symbol).chars().count() <= NAME_MAX + 1, "{} bytes", symbol.len());
        }
    }

    #[test]
    fn a_trap_that_has_no_name_here_keeps_wasmtimes() {
        assert_eq!(trap_code(Trap::CastFailure), TrapCode::Other("cast-failure".into()));
        assert_eq!(trap_code(Trap::AtomicWaitNonSharedMemory).name(), "atomic-wait-non-shared-memory");
    }
}
