//! A plugin: a component that was checked, compiled and linked, and that runs steps.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::Declaration;
use crate::model::{Clock, SystemClock};
use crate::pipeline::execution::Execution;
use crate::pipeline::registry::Step;
use crate::pipeline::runner::{BoxFuture, Organization, Ran, Runner};
use crate::wasm::admission::{self, Admission, Import, Problem, ProblemKind};
use crate::wasm::core_dump::CoreDumps;
use crate::wasm::engine::Engine;
use crate::wasm::granted::Granted;
use crate::wasm::limits::Limits;
use crate::wasm::load::{Linked, Prepared, prepare};
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
    /// SHA-256 of its content, in hex: what identifies the plugin. Registries and bills of materials name files by it too.
    pub hash: Arc<str>,
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
    /// All that was found out about it.
    pub admission: Admission,
}

/// A component that was judged.
pub struct Admitted {
    /// What was found out about it.
    pub admission: Admission,
    /// The plugin; or, if it is refused, an error that says all of the report's problems.
    pub plugin: Result<Plugin>,
}

/// Where a plugin's machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Judges the component at `path`, and loads it if it can be loaded.
    pub(super) async fn admit(engine: &Engine, path: &Path) -> Result<Admitted> {
        let started = Instant::now();
        let (profiler, core_dumps) = (engine.settings().profiler.clone(), engine.core_dumps.clone());
        let (own, path) = (engine.clone(), path.to_owned());
        let prepared = tokio::task::spawn_blocking(move || prepare(&own, path)).await;
        let mut prepared = prepared.map_err(|error| {
            Error::new(ErrorKind::Internal, "the task that loads a plugin broke down").with_source(error)
        })??;
        let limits = engine.settings().limits.clone();
        let mut declaration = prepared.admission.inspection.declaration.clone();
        let declared_by = if declaration.is_some() { DeclaredBy::Section } else { DeclaredBy::Function };
        if let (None, Some(linked)) = (&declaration, &prepared.linked) {
            match declare(&linked.world, &limits, DECLARE_TIME).await {
                Ok(declared) => {
                    prepared.admission.judge_steps(&declared);
                    declaration = Some(declared);
                }
                Err(error) => {
                    let problem = format!("could not declare its steps: {}", error.message());
                    let way_out = "let `declare` do nothing but say them";
                    prepared.admission.problems.push(Problem::new(
                        ProblemKind::Declaration,
                        problem,
                        way_out,
                    ));
                }
            }
        }
        let Prepared { path, component_bytes, admission, linked } = prepared;
        let (Some(Linked { world, hash }), Some(declaration), false) =
            (linked, declaration, admission.is_refused())
        else {
            let plugin = Err(admission::refusal(&path, &admission.problems));
            return Ok(Admitted { admission, plugin });
        };
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = declaration.properties.get("name").cloned().or(stem).unwrap_or_else(|| "plugin".into());
        let compilation = admission.compilation.as_ref();
        let report = LoadReport {
            hash,
            component_bytes,
            code_bytes: compilation.map_or(0, |compilation| compilation.code_bytes),
            initial_memory_bytes: admission.inspection.resources.initial_memory_bytes,
            source: compilation.map_or(Source::Compiled, |compilation| compilation.source),
            took: started.elapsed(),
            imports: admission.inspection.imports.clone(),
            declared_by,
            admission: admission.clone(),
            path,
        };
        let settings = engine.settings();
        let room = Room { concurrency: settings.concurrency, depth_limit: settings.depth_limit };
        let inner = Arc::new(Inner { room, name, world, limits, declaration, report, profiler, core_dumps });
        let plugin = Self { inner, clock: Arc::new(SystemClock), granted: Arc::default() };
        Ok(Admitted { admission, plugin: Ok(plugin) })
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
            step,
            organization,
            profiler: self.inner.profiler.as_ref(),
            core_dumps: self.inner.core_dumps.as_deref(),
        };
        Box::pin(run.step(execution))
    }

    fn is_native(&self) -> bool {
        false
    }

    fn content_hash(&self) -> Option<&Arc<str>> {
        Some(&self.inner.report.hash)
    }

    fn background(&self) -> Option<Duration> {
        self.granted().background
    }
}
