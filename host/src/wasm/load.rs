//! From a file to a component that is compiled and linked: all of a load that blocks.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::model::error::Result;
use crate::wasm::admission::{self, Admission, Compilation, Problem, ProblemKind};
use crate::wasm::cache::{Cache, Found};
use crate::wasm::compiler;
use crate::wasm::engine::Engine;
use crate::wasm::plugin::Source;
use crate::wasm::run::State;
use crate::wasm::v0_1::WorldPre;

/// What there is of a plugin before its declaration is known.
pub(super) struct Prepared {
    pub(super) path: PathBuf,
    pub(super) component_bytes: u64,
    pub(super) admission: Admission,
    /// None if it is refused.
    pub(super) linked: Option<Linked>,
}

/// A component that can run.
pub(super) struct Linked {
    pub(super) world: WorldPre<State>,
    pub(super) hash: Arc<str>,
}

/// All that blocks: reads, judges, compiles and links.
pub(super) fn prepare(engine: &Engine, path: PathBuf) -> Result<Prepared> {
    let bytes = admission::read(&path)?;
    let inspection = admission::examine(&path, &bytes)?;
    let mut admission = Admission::of(inspection, engine.settings());
    admission.judge_signature(&engine.settings().trust, &path, &bytes);
    let component_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if admission.is_refused() {
        // It is not compiled, so nothing is lost by looking at all of it.
        admission.judge_contract(&bytes);
        return Ok(Prepared { path, component_bytes, admission, linked: None });
    }
    let hash = Sha256::digest(&bytes).into();
    let linked = obtain(engine, &bytes, &hash, &mut admission)
        .and_then(|component| link(engine, &component, &bytes, &mut admission))
        .map(|world| Linked { world, hash: hex(&hash).into() });
    Ok(Prepared { path, component_bytes, admission, linked })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Checks the compiled component against the host's interfaces. None if it does not fit, which the report then says.
fn link(
    engine: &Engine,
    component: &Component,
    bytes: &[u8],
    admission: &mut Admission,
) -> Option<WorldPre<State>> {
    let linker = if admission.inspection.calls_http() { &engine.http_linker } else { &engine.linker };
    let world = match linker.instantiate_pre(component).and_then(WorldPre::new) {
        Ok(world) => world,
        Err(error) => {
            // The linker names the first thing that does not fit, and this all of them.
            admission.judge_contract(bytes);
            if !admission.is_refused() {
                let message = format!("does not fit the contract 0.1.0: {error:#}");
                let way_out = "build it again with a current SDK";
                admission.problems.push(Problem::new(ProblemKind::Contract, message, way_out));
            }
            return None;
        }
    };
    // Moves the work of making the first copy of the memory off the first request.
    if let Err(error) = component.initialize_copy_on_write_image() {
        let message = format!("has an initial memory that cannot be mapped: {error:#}");
        let way_out = "build it with less static data";
        admission.problems.push(Problem::new(ProblemKind::Resources, message, way_out));
        return None;
    }
    Some(world)
}

/// The compiled component: out of the cache, or compiled now, one at a time. None if it is refused.
fn obtain(engine: &Engine, bytes: &[u8], hash: &[u8; 32], admission: &mut Admission) -> Option<Component> {
    let started = Instant::now();
    let cache = engine.cache.as_deref().map(|cache| (cache, cache.name(&engine.wasmtime, hash)));
    let mut damaged_entry = None;
    let mut not_kept = None;
    let (component, source) = match look(engine, cache.as_ref(), &mut damaged_entry) {
        Some(component) => (component, Source::Cached),
        None => {
            // What is refused for its shape need not be compiled to find that out.
            admission.judge_contract(bytes);
            if admission.is_refused() {
                return None;
            }
            let _compiling = engine.compiling.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody else may have compiled the same one meanwhile.
            match look(engine, cache.as_ref(), &mut damaged_entry) {
                Some(component) => (component, Source::Cached),
                None => match compile(engine, cache.as_ref(), bytes, &mut not_kept) {
                    Ok(component) => (component, Source::Compiled),
                    Err(problem) => {
                        admission.problems.push(problem);
                        return None;
                    }
                },
            }
        }
    };
    if let Some(reason) = &not_kept {
        tracing::warn!(%reason, "cannot keep a compiled plugin in the cache");
    }
    let code_bytes = u64::try_from(component.text().len()).unwrap_or(u64::MAX);
    let took = started.elapsed();
    admission.compilation = Some(Compilation { code_bytes, took, source, damaged_entry, not_kept });
    Some(component)
}

fn compile(
    engine: &Engine,
    cache: Option<&(&Cache, String)>,
    bytes: &[u8],
    not_kept: &mut Option<String>,
) -> Result<Component, Problem> {
    let code = compiler::compile(&engine.wasmtime, engine.settings(), bytes)?;
    let kept = cache.map_or(Ok(()), |(cache, name)| cache.keep(name, &code));
    *not_kept = kept.err().map(|error| error.to_string());
    execute(engine, &code).map_err(|error| {
        let message = format!("cannot be loaded once it is compiled: {error:#}");
        Problem::new(ProblemKind::Resources, message, "compose it of fewer or smaller components")
    })
}

fn look(
    engine: &Engine,
    cache: Option<&(&Cache, String)>,
    damaged: &mut Option<String>,
) -> Option<Component> {
    let (cache, name) = cache?;
    match cache.find(name) {
        Found::Nothing => None,
        Found::Damaged(damage) => {
            *damaged = Some(damage);
            None
        }
        Found::Code(code) => match execute(engine, code.bytes()) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(%error, "a cached component cannot be used; compiling it again");
                *damaged = Some(format!("it cannot be loaded: {error:#}"));
                None
            }
        },
    }
}

/// Makes machine code executable: a copy of it, so nothing that happens to a file changes it.
#[expect(unsafe_code, reason = "executing machine code is what it was compiled for")]
fn execute(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: these bytes, in this process's memory, were made by the compiler just now, or carry the keyed hash that only
    // this user's processes can make, over what the compiler made.
    unsafe { Component::deserialize(&engine.wasmtime, code) }
}
