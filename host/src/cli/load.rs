//! From a path that the user named to a loaded plugin.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};

use super::args::{CompileArguments, LimitArguments, TrustArguments};
use super::build;
use super::failure::Failure;
use super::report::PluginReport;
use super::surroundings::Surroundings;
use crate::wasm::{Compiler, Engine, Plugin, ProblemKind, Profiler, Settings, Source, Trust, TrustedKey};

/// Requests that run at once: those of the program's own, and the asynchronous service's.
pub(super) const CONCURRENCY: u32 = 8;

/// What the user may set of an engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) no_cache: bool,
    pub(super) memory_bytes: Option<u64>,
    pub(super) depth: Option<u32>,
    /// Requests that run at once, jobs included; else the program's own number.
    pub(super) concurrency: Option<u32>,
    /// What takes samples of the plugins.
    pub(super) profiler: Option<Profiler>,
    /// Where core dumps of plugins go.
    pub(super) core_dumps: Option<PathBuf>,
    /// Whose plugins are loaded; everybody's if that is not said.
    pub(super) trust: Option<&'a TrustArguments>,
    /// What a plugin may take to be compiled.
    pub(super) compile: CompileArguments,
}

impl Options<'_> {
    /// Those of the command line.
    pub(super) fn of(limits: &LimitArguments) -> Self {
        Self { memory_bytes: limits.memory, depth: limits.depth, ..Self::default() }
    }
}

/// An engine with the user's limits. A cache that cannot be used is said and done without.
pub(super) fn engine(options: Options<'_>, surroundings: &mut Surroundings) -> Result<Engine, Failure> {
    let concurrency = options.concurrency.unwrap_or(CONCURRENCY);
    let Options { profiler, core_dumps, .. } = options;
    let mut settings = Settings { concurrency, profiler, core_dumps, ..Settings::default() };
    if let Some(memory) = options.memory_bytes {
        settings.limits.memory_bytes = usize::try_from(memory).unwrap_or(usize::MAX);
    }
    if let Some(depth) = options.depth {
        settings.depth_limit = depth;
    }
    settings.trust = options.trust.map(trust).transpose()?.unwrap_or_default();
    settings.compiler.program.clone_from(&surroundings.tools.compiler);
    limit(&mut settings.compiler, options.compile);
    if !options.no_cache {
        settings.cache = surroundings.cache_directory.clone().or_else(user_cache);
    }
    if settings.cache.is_none() {
        return Ok(Engine::new(settings)?);
    }
    Engine::new(settings.clone()).or_else(|error| {
        settings.cache = None;
        // Without the cache it works: then the cache was the problem. Else the first error is the one to tell.
        let engine = Engine::new(settings).map_err(|_| Failure::from(error.clone()))?;
        surroundings.errors.line(format_args!("compiled plugins are not kept: {error}"));
        Ok(engine)
    })
}

/// The operator's keys: each the text of one, or a file that has it.
fn trust(arguments: &TrustArguments) -> Result<Trust, Failure> {
    let mut trust = Trust { require_signatures: arguments.require_signatures, ..Trust::default() };
    for key in &arguments.keys {
        let text = if Path::new(key).is_file() { std::fs::read_to_string(key) } else { Ok(key.clone()) };
        let parsed = text.map_err(|error| error.to_string());
        let parsed = parsed.and_then(|text| TrustedKey::parse(&text).map_err(|error| error.to_string()));
        let parsed = parsed
            .map_err(|problem| Failure::new(format!("the trusted key `{key}` cannot be used: {problem}")));
        trust.keys.push(parsed?);
    }
    Ok(trust)
}

fn limit(compiler: &mut Compiler, arguments: CompileArguments) {
    let CompileArguments { compile_timeout, compile_memory } = arguments;
    compiler.time = compile_timeout.unwrap_or(compiler.time);
    compiler.memory_bytes = compile_memory.unwrap_or(compiler.memory_bytes);
}

fn user_cache() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "stagegate").map(|folders| folders.cache_dir().join("compiled"))
}

/// Loads the plugins that the user named, after building those that are crates.
pub(super) async fn plugins(
    engine: &Engine,
    paths: &[PathBuf],
    surroundings: &mut Surroundings,
) -> Result<Vec<Plugin>, Failure> {
    check_distinct(paths)?;
    let mut plugins = Vec::new();
    for path in paths {
        plugins.push(plugin(engine, path, surroundings).await?);
    }
    Ok(plugins)
}

/// Loads one plugin, after building it if it is a crate.
pub(super) async fn plugin(
    engine: &Engine,
    path: &Path,
    surroundings: &mut Surroundings,
) -> Result<Plugin, Failure> {
    let path = build::component(path, surroundings)?;
    component(engine, &path, surroundings).await
}

/// A plugin that is named twice would register each of its steps twice.
fn check_distinct(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for path in paths {
        // One that does not exist is told when it is loaded.
        if let Ok(canonical) = path.canonicalize()
            && !seen.insert(canonical)
        {
            return Err(Failure::new(format!(
                "the plugin `{}` is named twice; remove one `--plugin`",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Loads a component.
pub(super) async fn component(
    engine: &Engine,
    path: &Path,
    surroundings: &mut Surroundings,
) -> Result<Plugin, Failure> {
    let progress = surroundings.errors.progress(&format!("loading {}", path.display()));
    let plugin = engine.load(path).await?;
    progress.done(&mut surroundings.errors, &how(&plugin));
    warn(&plugin, surroundings);
    Ok(plugin)
}

/// Says what speaks against a signature that is not required.
fn warn(plugin: &Plugin, surroundings: &mut Surroundings) {
    let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let report = plugin.report();
    // What else there is to warn of is about steps, which manifests may mend.
    let problems = report.admission.problems.iter().filter(|problem| problem.kind == ProblemKind::Signature);
    for problem in problems {
        let path = report.path.display();
        surroundings.errors.line(format_args!("{yellow}warning{yellow:#}: {path} {problem}"));
    }
}

/// What was done to load a plugin.
pub(super) fn how(plugin: &Plugin) -> String {
    match plugin.report().source {
        Source::Compiled => format!("compiled {}", plugin.name()),
        Source::Cached => format!("loaded {} from the cache", plugin.name()),
    }
}

/// What the report says of a loaded plugin.
pub(super) fn report(plugin: &Plugin) -> PluginReport {
    let report = plugin.report();
    PluginReport {
        name: plugin.name().to_owned(),
        path: report.path.clone(),
        cached: report.source == Source::Cached,
        load: report.took,
        component_bytes: report.component_bytes,
        code_bytes: report.code_bytes,
        hash: report.hash.to_string(),
        steps: plugin.declaration().steps.len(),
        warnings: Vec::new(),
    }
}
