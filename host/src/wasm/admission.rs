//! What a component is and wants, found out before it is compiled: so that a file that is no plugin gets an answer that
//! says what it is instead.

mod bounds;
mod contract;
mod file;
mod problem;
mod provenance;
mod report;
mod resources;
mod scan;
mod shape;

use std::path::Path;

use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::Declaration;

pub use bounds::Complexity;
pub(super) use file::read;
pub(super) use problem::refusal;
pub use problem::{Problem, ProblemKind};
pub use provenance::{Package, Provenance, Tool};
pub use report::{Admission, CheckedStep, Compilation, Validity};
pub use resources::Resources;

/// Components and modules inside one another at most. Tools nest them two or three deep; the time to check grows with the
/// square of the depth.
const NESTING_MAX: usize = 32;
/// The first bytes of WebAssembly.
const MAGIC: &[u8; 4] = b"\0asm";
/// The package of the contract.
const PACKAGE: &str = "stagegate:plugin/";
/// The contract's version that this host offers.
const VERSION: (u64, u64, u64) = (0, 1, 0);
/// The interface that a plugin must export.
const STEPS: &str = "stagegate:plugin/steps";
/// The interfaces of the contract that a plugin may import.
const OFFERED: [&str; 6] =
    ["types", "capabilities", "execution-context", "organization-service", "system-job", "tracing-service"];

/// The interfaces of WASI with which a plugin calls others by HTTP.
const OUTGOING: [&str; 2] = ["wasi:http/types", "wasi:http/outgoing-handler"];

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Import {
    /// Its name with package and version.
    pub name: String,
    /// Whether the host has it.
    pub provided: bool,
    /// What the guest gets by it, or why it is not there.
    pub note: &'static str,
}

/// What was found in the bytes of a component.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// What it imports, and whether the host has it.
    pub imports: Vec<Import>,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// The declaration in its custom section, where it has one.
    pub declaration: Option<Declaration>,
    /// What one run of it takes of a sandbox before it asks for more.
    pub resources: Resources,
    /// How much there is to compile.
    pub complexity: Complexity,
    /// What it says of where it comes from.
    pub provenance: Provenance,
}

impl Inspection {
    /// Whether it calls others by HTTP.
    pub(super) fn calls_http(&self) -> bool {
        self.imports.iter().any(|import| OUTGOING.contains(&split(&import.name).0))
    }

    /// What it lacks: the export by which it is a plugin, and every import that the host does not have.
    fn world_problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = check_exports(&self.exports).into_iter().collect();
        for import in self.imports.iter().filter(|import| !import.provided) {
            let is_contract = import.name.starts_with(PACKAGE);
            let kind = if is_contract { ProblemKind::Contract } else { ProblemKind::Import };
            let (why, way_out) = import.note.rsplit_once("; ").unwrap_or((import.note, "do without it"));
            problems.push(Problem::new(kind, format!("imports `{}`: {why}", import.name), way_out));
        }
        problems
    }
}

/// Looks through the component at `path`, also one that this host cannot run: what it would be granted and what it
/// lacks. Nothing is compiled or run. Reads the file, so it blocks.
///
/// Fails with [`ErrorKind::InvalidPlugin`] if the file is no component.
pub fn inspect(path: &Path) -> Result<Inspection> {
    examine(path, &read(path)?)
}

/// Looks through a component's bytes.
pub(super) fn examine(path: &Path, bytes: &[u8]) -> Result<Inspection> {
    let refused = |problem: String| refused(path, &problem);
    if !bytes.starts_with(MAGIC) {
        return Err(refused("is not WebAssembly: it does not begin with the bytes of a component; build the plugin with \
             `cargo build --release --target wasm32-wasip2` and name the .wasm file, or name the crate's folder".into()));
    }
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut declaration = None;
    let mut measure = bounds::Measure::default();
    let mut counter = resources::Counter::default();
    let mut resources = Resources::default();
    let mut provenance = Provenance::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| {
            refused(format!("is damaged: {} at byte {}; build it again", error.message(), error.offset()))
        })?;
        measure.read(&payload);
        if let Some(counted) = counter.read(&payload) {
            resources = counted;
        }
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(refused(
                    "is a core WebAssembly module, not a component; build it for the target wasm32-wasip2, or wrap it \
                     with `wasm-tools component new`"
                        .into(),
                ));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Err(refused(format!(
                        "nests components more than {NESTING_MAX} deep; build it with fewer inside one another"
                    )));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section.into_iter().flatten() {
                    imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section.into_iter().flatten() {
                    exports.push(export.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if section.name() != Declaration::SECTION => {
                provenance.read(&section, depth);
            }
            Payload::CustomSection(section) => {
                if declaration.is_some() {
                    return Err(refused(format!("has two custom sections `{}`", Declaration::SECTION)));
                }
                declaration = Some(serde_json::from_slice(section.data()).map_err(|error| {
                    refused(format!(
                        "has a custom section `{}` that is not a declaration: {error}",
                        Declaration::SECTION
                    ))
                })?);
            }
            _ => {}
        }
    }
    let imports = imports.iter().map(|name| import(name)).collect();
    Ok(Inspection { imports, exports, declaration, resources, complexity: measure.found, provenance })
}

fn check_exports(exports: &[String]) -> Option<Problem> {
    let Some(steps) = exports.iter().find(|name| split(name).0 == STEPS) else {
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Some(Problem::new(
            ProblemKind::World,
            format!(
                "is a component of another world: it exports {found}, and a plugin exports `{STEPS}@0.1.0`"
            ),
            "write `plugin!(...)` with stagegate-sdk, or build it for the world `plugin`",
        ));
    };
    match split(steps).1 {
        Some(version) if is_compatible(version) => None,
        version => {
            let (why, way_out) = incompatible(version);
            Some(Problem::new(ProblemKind::Contract, format!("exports `{steps}`: {why}"), way_out))
        }
    }
}

fn import(name: &str) -> Import {
    let (interface, version) = split(name);
    let (provided, note) = if let Some(interface) = interface.strip_prefix(PACKAGE) {
        if !OFFERED.contains(&interface) {
            (false, "this host's contract 0.1.0 has no such interface; update the host, or use an older SDK")
        } else if version.is_some_and(is_compatible) {
            (true, "the contract")
        } else {
            (
                false,
                "it was built for a newer or another line of the contract than this host's 0.1.0; update the host, \
                     or build it with an SDK 0.1",
            )
        }
    } else {
        wasi(interface, version)
    };
    Import { name: name.to_owned(), provided, note }
}

/// What a guest gets by each of WASI's packages: the standard library imports most of them, used or not.
fn wasi(interface: &str, version: Option<(u64, u64, u64)>) -> (bool, &'static str) {
    let is_p2 = matches!(version, Some((0, 2, _)));
    let package = interface.split('/').next().unwrap_or_default();
    match package {
        "wasi:io" | "wasi:cli" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" | "wasi:sockets"
        | "wasi:http"
            if !is_p2 =>
        {
            (false, "only WASI 0.2 is offered; build it for the target wasm32-wasip2")
        }
        "wasi:io" => (true, "streams and polling"),
        "wasi:cli" => (true, "no arguments, no environment; standard error is kept for error messages"),
        "wasi:clocks" => (true, "clocks of a millisecond, finer if granted; prefer the contract's `now`"),
        "wasi:random" => (true, "random numbers that follow from the execution, real ones if granted"),
        "wasi:filesystem" => (true, "an empty file system: nothing is granted"),
        "wasi:sockets" => (true, "every address is refused: nothing is granted"),
        "wasi:http" if OUTGOING.contains(&interface) => (true, "calls that are granted; others are refused"),
        "wasi:http" => (false, "only outgoing requests are offered"),
        _ => (false, "this host does not offer it"),
    }
}

/// An interface's name and version: `a:b/c@0.1.0`.
fn split(name: &str) -> (&str, Option<(u64, u64, u64)>) {
    let Some((interface, version)) = name.split_once('@') else { return (name, None) };
    let mut parts = version.split(['.', '-', '+']).map(str::parse::<u64>);
    let version = match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some((major, minor, patch)),
        _ => None,
    };
    (interface, version)
}

/// Whether a version of the contract is one that this host's offer satisfies: the same line, and no newer patch.
fn is_compatible(version: (u64, u64, u64)) -> bool {
    (version.0, version.1) == (VERSION.0, VERSION.1) && version.2 <= VERSION.2
}

fn incompatible(version: Option<(u64, u64, u64)>) -> (String, &'static str) {
    let (major, minor, patch) = VERSION;
    let way_out = if version.is_some_and(|version| version > VERSION) {
        "update the host, or build the plugin with an older SDK"
    } else {
        "build the plugin again with a current SDK"
    };
    (format!("this host offers the contract {major}.{minor}.{patch}"), way_out)
}

/// The error for a file that cannot be a plugin.
pub(super) fn refused(path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidPlugin, format!("{} {problem}", path.display()))
}
