//! A plugin: a component that was checked, compiled and linked, and that runs steps.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use wasmtime::component::Component;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::Declaration;
use crate::model::{Clock, SystemClock};
use crate::pipeline::execution::Execution;
use crate::pipeline::registry::Step;
use crate::pipeline::runner::{BoxFuture, Organization, Ran, Runner};
use crate::wasm::admission::{self, Import, refused};
use crate::wasm::core_dump::CoreDumps;
use crate::wasm::engine::Engine;
use crate::wasm::granted::Granted;
use crate::wasm::limits::Limits;
use crate::wasm::profile::Profiler;
use crate::wasm::run::{Run, State, declare};
use crate::wasm::v0_1::WorldPre;

/// The time that a plugin has to declare its steps, where it must be run for that.
const DECLARE_TIME: Duration = Duration::from_secs(1);

/// A loaded plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
    /// What the host that it is registered with grants; nothing until it does.
    granted: Arc<OnceLock<Arc<Granted>>>,
}

/// What an engine has sandboxes for.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) concurrency: u32,
    pub(crate) depth_limit: u32,
}

struct Inner {
    room: Room,
    name: String,
    world: WorldPre<State>,
    limits: Limits,
    declaration: Declaration,
    report: LoadReport,
    profiler: Option<Profiler>,
    core_dumps: Option<Arc<CoreDumps>>,
}

/// How a plugin was loaded, and what it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadReport {
    /// The file.
    pub path: PathBuf,
    /// BLAKE3 of its content, in hex: what identifies the plugin.
    pub hash: String,
    /// Its size.
    pub component_bytes: u64,
    /// The size of its machine code.
    pub code_bytes: u64,
    /// The linear memory that it starts with.
    pub initial_memory_bytes: u64,
    /// Where the machine code came from.
    pub source: Source,
    /// From the file to a plugin that can run.
    pub took: Duration,
    /// What it imports.
    pub imports: Vec<Import>,
    /// How its declaration was found.
    pub declared_by: DeclaredBy,
}

/// Where a plugin's machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was compiled now.
    Compiled,
    /// It was in the cache.
    Cached,
}

/// How a plugin's declaration was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredBy {
    /// By its custom section, without running it.
    Section,
    /// By calling its `declare` in a sandbox.
    Function,
}

impl Plugin {
    /// Loads the component at `path`. The blocking work, compiling above all, runs off the runtime's workers.
    ///
    /// Fails with [`ErrorKind::InvalidPlugin`] and a message that says what the file is instead of a plugin for this
    /// host, and the way out.
    pub(super) async fn load(engine: &Engine, path: &Path) -> Result<Self> {
        let started = Instant::now();
        let settings = engine.settings();
        let room = Room { concurrency: settings.concurrency, depth_limit: settings.depth_limit };
        let (profiler, core_dumps) = (settings.profiler.clone(), engine.core_dumps.clone());
        let (engine, path) = (engine.clone(), path.to_owned());
        let prepared = tokio::task::spawn_blocking(move || prepare(&engine, path)).await;
        let mut prepared = prepared.map_err(|error| {
            Error::new(ErrorKind::Internal, "the task that loads a plugin broke down").with_source(error)
        })??;
        let declaration = match prepared.declaration.take() {
            Some(declaration) => declaration,
            None => declare(&prepared.world, &prepared.limits, DECLARE_TIME).await.map_err(|error| {
                let problem = format!("could not declare its steps: {}", error.message());
                refused(&prepared.report.path, &problem).with_source(error)
            })?,
        };
        prepared.report.took = started.elapsed();
        let stem = prepared.report.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = declaration.properties.get("name").cloned().or(stem).unwrap_or_else(|| "plugin".into());
        let Prepared { world, limits, report, .. } = prepared;
        Ok(Self {
            inner: Arc::new(Inner { room, name, world, limits, declaration, report, profiler, core_dumps }),
            clock: Arc::new(SystemClock),
            granted: Arc::default(),
        })
    }

    /// The plugin as one host has it: with its clock, and with grants of its own, of which there are none yet.
    pub(crate) fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.granted = Arc::default();
        self
    }

    /// Grants it what a host does, once.
    pub(crate) fn grant(&self, granted: Granted) {
        // A second time there is none: a host is built once.
        drop(self.granted.set(Arc::new(granted)));
    }

    fn granted(&self) -> &Arc<Granted> {
        self.granted.get_or_init(|| {
            let (plugin, asks) = (self.inner.name.clone(), self.inner.declaration.asks.clone());
            Arc::new(Granted { plugin, asks, ..Granted::default() })
        })
    }

    /// Its name: what it declares, else the file's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The steps and entities that it declares.
    #[must_use]
    pub fn declaration(&self) -> &Declaration {
        &self.inner.declaration
    }

    /// The requests at once, and their depth, that its engine has sandboxes for.
    pub(crate) fn room(&self) -> Room {
        self.inner.room
    }

    /// How it was loaded.
    #[must_use]
    pub fn report(&self) -> &LoadReport {
        &self.inner.report
    }
}

impl Runner for Plugin {
    fn run<'a>(
        &'a self,
        step: &'a Arc<Step>,
        execution: Execution,
        organization: Arc<dyn Organization>,
    ) -> BoxFuture<'a, Ran> {
        let run = Run {
            world: &self.inner.world,
            limits: &self.inner.limits,
            clock: Arc::clone(&self.clock),
            granted: Arc::clone(self.granted()),
            step: Arc::clone(step),
            organization,
            profiler: self.inner.profiler.as_ref(),
            core_dumps: self.inner.core_dumps.as_deref(),
        };
        Box::pin(run.step(execution))
    }

    fn is_native(&self) -> bool {
        false
    }

    fn background(&self) -> Option<Duration> {
        self.granted().background
    }
}

struct Prepared {
    world: WorldPre<State>,
    limits: Limits,
    declaration: Option<Declaration>,
    report: LoadReport,
}

fn prepare(engine: &Engine, path: PathBuf) -> Result<Prepared> {
    let bytes = admission::read(&path)?;
    let inspection = admission::examine(&path, &bytes)?;
    inspection.check(&path, &engine.settings().limits)?;
    let hash = blake3::hash(&bytes);
    let (component, source) = compile(engine, &path, &bytes, hash)?;
    let linker = if inspection.calls_http() { &engine.http_linker } else { &engine.linker };
    let world = linker.instantiate_pre(&component).and_then(WorldPre::new).map_err(|error| {
        refused(
            &path,
            &format!("does not fit the contract 0.1.0: {error:#}; build it again with a current SDK"),
        )
    })?;
    // Moves the work of making the first copy of the memory off the first request.
    component.initialize_copy_on_write_image().map_err(|error| {
        refused(&path, &format!("has an initial memory that cannot be mapped: {error:#}"))
    })?;
    let report = LoadReport {
        hash: hash.to_hex().to_string(),
        component_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        code_bytes: u64::try_from(component.text().len()).unwrap_or(u64::MAX),
        initial_memory_bytes: inspection.initial_memory_bytes,
        source,
        took: Duration::ZERO,
        imports: inspection.imports,
        declared_by: if inspection.declaration.is_some() {
            DeclaredBy::Section
        } else {
            DeclaredBy::Function
        },
        path,
    };
    let limits = engine.settings().limits.clone();
    Ok(Prepared { world, limits, declaration: inspection.declaration, report })
}

fn compile(engine: &Engine, path: &Path, bytes: &[u8], hash: blake3::Hash) -> Result<(Component, Source)> {
    let invalid = |error: wasmtime::Error| refused(path, &format!("cannot be compiled: {error:#}"));
    let Some(cache) = &engine.cache else {
        return Ok((Component::from_binary(&engine.wasmtime, bytes).map_err(invalid)?, Source::Compiled));
    };
    let name = cache.name(&engine.wasmtime, hash);
    if let Some(entry) = cache.find(&name)
        && let Some(component) = map(engine, &entry)
    {
        return Ok((component, Source::Cached));
    }
    let code = engine.wasmtime.precompile_component(bytes).map_err(invalid)?;
    let mapped = match cache.keep(&name, &code) {
        Ok(entry) => map(engine, &entry),
        Err(error) => {
            tracing::warn!(plugin = %path.display(), %error, "cannot keep the compiled plugin in the cache");
            None
        }
    };
    match mapped {
        Some(component) => Ok((component, Source::Compiled)),
        None => Ok((Component::from_binary(&engine.wasmtime, bytes).map_err(invalid)?, Source::Compiled)),
    }
}

#[expect(unsafe_code, reason = "mapping machine code is what the cache is for")]
fn map(engine: &Engine, entry: &Path) -> Option<Component> {
    // SAFETY: the file is in a folder that only this process's user can write to, and its content was just found to
    // carry the keyed hash that only this user's processes can make.
    match unsafe { Component::deserialize_file(&engine.wasmtime, entry) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(entry = %entry.display(), %error, "a cached component cannot be used; compiling it again");
            None
        }
    }
}
