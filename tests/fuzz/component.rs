//! A file that claims to be a plugin.

use std::sync::OnceLock;

use arbitrary::{Arbitrary as _, Unstructured};
use stagegate::ErrorKind;
use stagegate::wasm::{Engine, Limits, Settings, inspect};

use super::{is_refusal, runtime};
use crate::{GUEST_TOUCH, MEMORY_BYTES};

/// The most bytes of a plugin that are overwritten: more would only break its form sooner.
const CHANGES_MAX: usize = 16;

/// Looks through it, and loads what passes that: refused, or a plugin.
pub(super) fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let Some(component) = (match kind % 3 {
        0 => Some(rest.to_vec()),
        1 => generated(rest),
        _ => damaged(rest),
    }) else {
        return;
    };
    let file = tempfile::Builder::new().suffix(".wasm").tempfile().expect("a file");
    std::fs::write(file.path(), component).expect("a file that can be written");
    if let Err(error) = inspect(file.path()) {
        is_refusal(&error, &[ErrorKind::InvalidPlugin]);
    }
    // Loading runs code of the guest where there is no section to read, so it can fail as a guest can.
    if let Err(error) = runtime().block_on(engine().load(file.path())) {
        use ErrorKind::{
            Exited, InvalidPlugin, OutOfMemory, Panicked, Rejected, StackOverflow, Timeout, Trapped,
        };
        let kinds = [InvalidPlugin, Exited, OutOfMemory, Panicked, Rejected, StackOverflow, Timeout, Trapped];
        is_refusal(&error, &kinds);
    }
}

/// A valid component of any shape.
fn generated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Unstructured::new(bytes);
    wasm_smith::Component::arbitrary(&mut bytes).ok().map(|component| component.to_bytes())
}

/// A plugin with some bytes overwritten.
fn damaged(bytes: &[u8]) -> Option<Vec<u8>> {
    static PLUGIN: OnceLock<Vec<u8>> = OnceLock::new();
    let mut plugin = PLUGIN.get_or_init(|| std::fs::read(GUEST_TOUCH).expect("a guest")).clone();
    let mut bytes = Unstructured::new(bytes);
    for _ in 0..CHANGES_MAX {
        if bytes.is_empty() {
            break;
        }
        let index = bytes.choose_index(plugin.len()).ok()?;
        *plugin.get_mut(index)? = u8::arbitrary(&mut bytes).ok()?;
    }
    Some(plugin)
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut settings = Settings::default();
        let mut limits = Limits::default();
        limits.memory_bytes = MEMORY_BYTES;
        settings.limits = limits;
        settings.concurrency = 1;
        Engine::new(settings).expect("an engine")
    })
}
