//! `stagegate inspect`: what a plugin is, without running it.

use super::args::{Format, InspectArguments};
use super::failure::Failure;
use super::report::inspection::{self, Import, Inspection};
use super::report::plan::{self, Registered};
use super::surroundings::Surroundings;
use super::{Exit, load};
use crate::model::step::StepKey;
use crate::wasm::{DeclaredBy, Plugin, Source};

/// Loads the plugin and shows what is known about it.
pub(super) async fn run(
    arguments: &InspectArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let options = load::Options { no_cache: arguments.no_cache, ..Default::default() };
    let engine = load::engine(options, surroundings)?;
    let plugin = load::plugin(&engine, &arguments.path, surroundings).await?;
    let inspection = inspect(&plugin);
    let text = match arguments.format {
        Format::Text => inspection::render_text(&inspection),
        Format::Json => inspection::render_json(&inspection)
            .map(|text| text + "\n")
            .map_err(|error| Failure::new(format!("the inspection cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(Exit::Done)
}

fn inspect(plugin: &Plugin) -> Inspection {
    let report = plugin.report();
    let declaration = plugin.declaration();
    let registered = |definition: &crate::model::StepDefinition| Registered {
        key: StepKey { plugin: plugin.name().to_owned(), step: definition.name.clone() },
        definition: definition.clone(),
        native: false,
    };
    let steps: Vec<Registered> = declaration.steps.iter().map(registered).collect();
    let import = |import: &crate::wasm::Import| Import {
        name: import.name.clone(),
        provided: import.provided,
        note: import.note.to_string(),
    };
    Inspection {
        name: plugin.name().to_owned(),
        path: report.path.clone(),
        hash: report.hash.clone(),
        cached: report.source == Source::Cached,
        load: report.took,
        component_bytes: report.component_bytes,
        code_bytes: report.code_bytes,
        initial_memory_bytes: report.initial_memory_bytes,
        declared_by: match report.declared_by {
            DeclaredBy::Section => "its custom section, without running it",
            DeclaredBy::Function => "its function `declare`, run in a sandbox",
        },
        plan: plan::lines(&steps),
        declaration: declaration.clone(),
        imports: report.imports.iter().map(import).collect(),
    }
}
