//! The side that compiles: limits itself, then answers one order.

use std::io::{BufRead, BufReader, Read, Write};

use super::{Order, compatibility};
use crate::model::error::{Error, ErrorKind, Result};
use crate::wasm::engine::code_config;

/// Bytes of an order at most.
const ORDER_BYTES_MAX: u64 = 1 << 10;
/// Added to the priority's number, as much as there is: whoever serves requests goes first.
#[cfg(unix)]
const NICE: i32 = 19;

/// Compiles one component for a host: reads its order and the component from `input`, writes machine code to `output`.
/// The whole process gets the limits of the order, a low priority, and no right to write a file, so it should end after
/// this.
///
/// Fails if the component cannot be compiled, or if the host was built with another version of this crate. The message is
/// for the standard error stream; the process should then end with a code that is not 0. What runs into a limit ends the
/// process.
pub fn compile_child(input: impl Read, mut output: impl Write) -> Result<()> {
    // Before anything else, as whoever loads many plugins starts many. Some systems let nobody change a priority, and it is no
    // matter of safety.
    #[cfg(unix)]
    let _ = rustix::process::nice(NICE);
    let mut input = BufReader::new(input);
    let broken = |error: std::io::Error| failed("the host cannot be heard").with_source(error);
    let mut line = String::new();
    input.by_ref().take(ORDER_BYTES_MAX).read_line(&mut line).map_err(broken)?;
    let order: Order = serde_json::from_str(&line).map_err(|error| {
        let message = "no order of a host: this is what a host starts to compile a plugin; `stagegate inspect PATH` has one \
                       compiled and shows what comes of it";
        failed(message).with_source(error)
    })?;
    let engine = wasmtime::Engine::new(&code_config(order.has_places))
        .map_err(|error| failed(&format!("{error:#}")))?;
    if compatibility(&engine) != order.compatibility {
        return Err(failed(
            "the program that compiles is of another version than the host; name the one that came with it",
        ));
    }
    limit(&order)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(broken)?;
    let code = engine.precompile_component(&component).map_err(|error| failed(&format!("{error:#}")))?;
    output.write_all(&code).and_then(|()| output.flush()).map_err(broken)
}

/// Sets the limits of this process, for good.
#[cfg(unix)]
fn limit(order: &Order) -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    // Where memory that is only reserved does not count, as it does not on Linux, the limit is of what is used: the
    // allocator reserves 64 MiB for each thread.
    #[cfg(target_os = "linux")]
    const MEMORY: Resource = Resource::Data;
    #[cfg(not(target_os = "linux"))]
    const MEMORY: Resource = Resource::As;

    let limits = [
        (MEMORY, order.memory_bytes),
        (Resource::Cpu, order.seconds),
        // It has no business with files, and a dump of its memory would be one.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| failed("cannot limit itself").with_source(error))?;
    }
    Ok(())
}

/// The host still bounds its time.
#[cfg(not(unix))]
fn limit(_order: &Order) -> Result<()> {
    Ok(())
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::InvalidPlugin, message)
}
