//! What `inspect` shows of a plugin.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::json::{FORMAT, PlanLine, us};
use super::text::{Page, bytes, clean, duration};
use super::{plan, text};
use crate::model::step::Declaration;

/// A plugin that was loaded and not run.
#[derive(Debug)]
pub(in crate::cli) struct Inspection {
    pub(in crate::cli) name: String,
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) hash: String,
    pub(in crate::cli) cached: bool,
    pub(in crate::cli) load: Duration,
    pub(in crate::cli) component_bytes: u64,
    pub(in crate::cli) code_bytes: u64,
    /// The memory that an instance begins with.
    pub(in crate::cli) initial_memory_bytes: u64,
    /// Where the declaration was read from, in words.
    pub(in crate::cli) declared_by: &'static str,
    pub(in crate::cli) declaration: Declaration,
    pub(in crate::cli) plan: Vec<plan::Line>,
    pub(in crate::cli) imports: Vec<Import>,
}

/// Something that the plugin asks of the host.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Import {
    pub(in crate::cli) name: String,
    /// Whether the host has it.
    pub(in crate::cli) provided: bool,
    /// What that gives the plugin, or why it is missing.
    pub(in crate::cli) note: String,
}

/// For people.
pub(in crate::cli) fn render_text(inspection: &Inspection) -> String {
    let mut page = Page::default();
    let mut fact = |name: &str, value: &str| page.line(0, &format!("{name:<12}{}", clean(value)));
    fact("plugin", &inspection.name);
    for (name, value) in &inspection.declaration.properties {
        if name != "name" {
            fact(name, value);
        }
    }
    fact("file", &inspection.path.display().to_string());
    fact("hash", &inspection.hash);
    let (component, code) = (bytes(inspection.component_bytes), bytes(inspection.code_bytes));
    fact("size", &format!("{component}, {code} compiled"));
    fact("memory", &format!("{} to begin with", bytes(inspection.initial_memory_bytes)));
    let how = if inspection.cached { "compiled code from the cache" } else { "compiled" };
    fact("loaded", &format!("{how}, in {}", duration(inspection.load)));
    fact("declared by", inspection.declared_by);

    text::plan_table(&mut page, &inspection.plan);
    page.heading("Entities that it works with");
    if inspection.declaration.entities.is_empty() {
        page.line(1, "none are declared");
    }
    for entity in &inspection.declaration.entities {
        let attributes = entity.attributes.iter().map(|attribute| {
            let targets = attribute.targets.join("|");
            let arrow = if targets.is_empty() { "" } else { " -> " };
            format!("{} ({}{arrow}{targets})", attribute.name, attribute.attribute_type)
        });
        let attributes: Vec<String> = attributes.collect();
        page.line(1, &clean(&format!("{}: {}", entity.logical_name, attributes.join(", "))));
    }
    for (heading, provided) in [("Granted", true), ("Lacks", false)] {
        let imports: Vec<&Import> =
            inspection.imports.iter().filter(|import| import.provided == provided).collect();
        page.heading(heading);
        if imports.is_empty() {
            page.line(1, "nothing");
        }
        for (package, interfaces, note) in packages(&imports) {
            page.line(1, &clean(&format!("{package:<28} {note}")));
            page.paragraph(3, &clean(&interfaces.join(", ")));
        }
    }
    page.finish()
}

/// Imports with one note, by package: the standard library alone imports a dozen interfaces of one.
fn packages<'i>(imports: &[&'i Import]) -> Vec<(String, Vec<&'i str>, &'i str)> {
    let mut packages: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for import in imports {
        let (path, version) = import.name.split_once('@').unwrap_or((&import.name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        let package = format!("{package} {version}");
        match packages.iter_mut().find(|(other, _, note)| *other == package && *note == import.note) {
            Some((_, interfaces, _)) => interfaces.push(interface),
            None => packages.push((package, vec![interface], &import.note)),
        }
    }
    packages
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    exit_code: u8,
    name: &'a str,
    path: std::borrow::Cow<'a, str>,
    hash: &'a str,
    source: &'static str,
    load_us: u64,
    component_bytes: u64,
    code_bytes: u64,
    initial_memory_bytes: u64,
    declared_by: &'a str,
    declaration: &'a Declaration,
    plan: Vec<PlanLine<'a>>,
    imports: &'a [Import],
}

/// For machines; docs/report.md has the shape.
pub(in crate::cli) fn render_json(inspection: &Inspection) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Document {
        format: FORMAT,
        exit_code: 0,
        name: &inspection.name,
        path: inspection.path.to_string_lossy(),
        hash: &inspection.hash,
        source: if inspection.cached { "cached" } else { "compiled" },
        load_us: us(inspection.load),
        component_bytes: inspection.component_bytes,
        code_bytes: inspection.code_bytes,
        initial_memory_bytes: inspection.initial_memory_bytes,
        declared_by: inspection.declared_by,
        declaration: &inspection.declaration,
        plan: inspection.plan.iter().map(PlanLine::from).collect(),
        imports: &inspection.imports,
    })
}
