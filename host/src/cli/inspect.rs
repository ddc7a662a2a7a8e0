//! `stagegate inspect`: what a component is, also one that this host cannot run.

use std::path::Path;

use super::args::{Format, InspectArguments};
use super::failure::Failure;
use super::report::inspection::{self, Inspection, Loaded};
use super::report::plan::{self, Registered};
use super::surroundings::Surroundings;
use super::{Exit, build, described, load};
use crate::model::capability::{Capability, Grants, capabilities};
use crate::model::registration::granted;
use crate::model::step::{Declaration, StepKey};
use crate::model::{Manifest, StepDefinition};
use crate::wasm::{Admission, Admitted, DeclaredBy, Plugin};

/// Looks into the component, loads it if it can be loaded, and shows what is known about it.
pub(super) async fn run(
    arguments: &InspectArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let manifests = described::operator(&arguments.manifests)?;
    let path = build::component(&arguments.path, surroundings)?;
    let trust = Some(&arguments.trust);
    let InspectArguments { no_cache, compile, .. } = *arguments;
    let options = load::Options { no_cache, trust, compile, ..Default::default() };
    let engine = load::engine(options, surroundings)?;
    let progress = surroundings.errors.progress(&format!("loading {}", path.display()));
    let Admitted { admission, plugin } = engine.admit(&path).await?;
    if let Ok(plugin) = &plugin {
        progress.done(&mut surroundings.errors, &load::how(plugin));
    }
    let inspection = inspect(&path, admission, plugin, &manifests)?;
    let text = match arguments.format {
        Format::Text => inspection::render_text(&inspection, surroundings.output.width()),
        Format::Json => inspection::render_json(&inspection)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(format!("the inspection cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(inspection.exit())
}

fn inspect(
    path: &Path,
    admission: Admission,
    plugin: crate::Result<Plugin>,
    manifests: &[Manifest],
) -> Result<Inspection, Failure> {
    let (declaration, loaded) = match plugin {
        Ok(plugin) => (Some(plugin.declaration().clone()), Ok(facts(&plugin))),
        Err(error) => (admission.inspection.declaration.clone(), Err(error.to_string())),
    };
    let name = loaded.as_ref().map(|loaded| loaded.plugin.name.clone()).ok();
    let capabilities = match &declaration {
        Some(declaration) => compare(declaration, name.as_deref(), manifests)?,
        None => Vec::new(),
    };
    Ok(Inspection {
        path: path.to_owned(),
        component_bytes: std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default(),
        plan: declaration.as_ref().map(|declaration| plan_of(declaration, name)).unwrap_or_default(),
        loaded,
        declaration,
        admission,
        capabilities,
    })
}

/// What the plugin asks for, and what manifests grant of it.
fn compare(
    declaration: &Declaration,
    name: Option<&str>,
    manifests: &[Manifest],
) -> Result<Vec<Capability>, Failure> {
    let name = name.or_else(|| declaration.properties.get("name").map(String::as_str)).unwrap_or_default();
    let granted = granted(&[(name, declaration)], &[], manifests)?;
    Ok(capabilities(&declaration.asks, granted.get(name).unwrap_or(&Grants::new())))
}

fn facts(plugin: &Plugin) -> Loaded {
    Loaded {
        plugin: load::report(plugin),
        declared_by: match plugin.report().declared_by {
            DeclaredBy::Section => "its custom section, without running it",
            DeclaredBy::Function => "its function `declare`, run in a sandbox",
        },
    }
}

fn plan_of(declaration: &Declaration, name: Option<String>) -> Vec<plan::Line> {
    let plugin = name.or_else(|| declaration.properties.get("name").cloned()).unwrap_or_default();
    let registered = |definition: &StepDefinition| {
        let key = StepKey { plugin: plugin.clone(), step: definition.name.clone() };
        Registered::declared(key, definition.clone())
    };
    let steps: Vec<Registered> = declaration.steps.iter().map(registered).collect();
    plan::lines(&steps)
}
