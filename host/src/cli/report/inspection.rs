//! What `inspect` shows of a plugin.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::json::{FORMAT, PlanLine, us};
use super::text::{Page, Width, bytes, clean, duration};
use super::{PluginReport, plan, text};
use crate::cli::Exit;
use crate::model::capability::Capability;
use crate::model::step::Declaration;
use crate::wasm::{
    Admission, CheckedStep, Compilation, Import, Problem, Provenance, Resources, Signature, Tool,
};

/// A component that was looked into, whether this host can run it or not.
#[derive(Debug)]
pub(in crate::cli) struct Inspection {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) component_bytes: u64,
    /// What is known once it was loaded, or why it cannot be.
    pub(in crate::cli) loaded: Result<Loaded, String>,
    /// None if it has none in its custom section and could not be asked.
    pub(in crate::cli) declaration: Option<Declaration>,
    pub(in crate::cli) plan: Vec<plan::Line>,
    /// What was found in it, and all that is wrong with it.
    pub(in crate::cli) admission: Admission,
    /// What it asks for, and what it is granted.
    pub(in crate::cli) capabilities: Vec<Capability>,
}

/// A component that this host can run.
#[derive(Debug)]
pub(in crate::cli) struct Loaded {
    pub(in crate::cli) plugin: PluginReport,
    /// Where the declaration was read from, in words.
    pub(in crate::cli) declared_by: &'static str,
}

/// For people.
pub(in crate::cli) fn render_text(inspection: &Inspection, width: Width) -> String {
    let mut page = Page::new(width);
    facts(&mut page, inspection);
    problems(&mut page, &inspection.admission);
    let Some(declaration) = &inspection.declaration else {
        imports(&mut page, &inspection.admission.inspection.imports);
        return page.finish();
    };
    text::plan_table(&mut page, &inspection.plan);
    page.heading("Entities that it works with");
    if declaration.entities.is_empty() {
        page.line(1, "none are declared");
    }
    for entity in &declaration.entities {
        let attributes = entity.attributes.iter().map(|attribute| {
            let targets = attribute.targets.join("|");
            let arrow = if targets.is_empty() { "" } else { " -> " };
            format!("{} ({}{arrow}{targets})", attribute.name, attribute.attribute_type)
        });
        let attributes: Vec<String> = attributes.collect();
        page.line(1, &clean(&format!("{}: {}", entity.logical_name, attributes.join(", "))));
    }
    capabilities(&mut page, &inspection.capabilities);
    imports(&mut page, &inspection.admission.inspection.imports);
    page.finish()
}

/// What the plugin asks for, and what it gets of it.
fn capabilities(page: &mut Page, capabilities: &[Capability]) {
    page.heading("Capabilities");
    if capabilities.is_empty() {
        page.line(1, "it asks for none");
    }
    for Capability { kind, asked, granted, lacking } in capabilities {
        page.line(1, &clean(&format!("{kind:<14} asked    {asked}")));
        let parts = [("granted", granted), ("lacking", lacking)];
        for (name, part) in parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?))) {
            page.line(1, &clean(&format!("{:<14} {name}  {part}", "")));
        }
    }
}

fn facts(page: &mut Page, inspection: &Inspection) {
    let mut fact = |name: &str, value: &str| page.line(0, &format!("{name:<12}{}", clean(value)));
    if let Ok(loaded) = &inspection.loaded {
        fact("plugin", &loaded.plugin.name);
    }
    for (name, value) in inspection.declaration.iter().flat_map(|declaration| &declaration.properties) {
        if !value.is_empty() && (name != "name" || inspection.loaded.is_err()) {
            fact(name, value);
        }
    }
    provenance(&mut fact, &inspection.admission.inspection.provenance);
    fact("file", &inspection.path.display().to_string());
    let admission = &inspection.admission;
    let found = &admission.inspection;
    let size = bytes(inspection.component_bytes);
    match &inspection.loaded {
        Ok(Loaded { plugin, declared_by }) => {
            fact("sha256", &plugin.hash);
            fact("size", &format!("{size}, {} compiled", bytes(plugin.code_bytes)));
            let how = if plugin.cached { "compiled code from the cache" } else { "compiled" };
            fact("loaded", &format!("{how}, in {}", duration(plugin.load)));
            fact("declared by", declared_by);
        }
        Err(_) => {
            fact("size", &size);
            fact("exports", &found.exports.join(", "));
            fact("refused", "this host does not load it, for the problems below");
        }
    }
    fact("signature", &signature(&admission.signature));
    let needs = &found.resources;
    let Resources { core_instances, memories, tables, .. } = needs;
    let memory = bytes(needs.initial_memory_bytes);
    fact("memory", &format!("{memory} to begin with"));
    fact("sandbox", &format!("core instances: {core_instances}, memories: {memories}, tables: {tables}"));
    let Some(compilation) = &admission.compilation else { return };
    if let Some(damage) = &compilation.damaged_entry {
        fact("cache", &format!("the entry for it was not used, since {damage}; it was compiled again"));
    }
    if let Some(reason) = &compilation.not_kept {
        fact("cache", &format!("the compiled code could not be kept: {reason}"));
    }
}

/// What it says of where it comes from.
fn provenance(fact: &mut impl FnMut(&str, &str), provenance: &Provenance) {
    let tools = |tools: &BTreeSet<Tool>| {
        let tools = tools.iter().map(|tool| format!("{} {}", tool.name, tool.version).trim_end().to_owned());
        Some(tools.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    };
    let Provenance { version, description, authors, licenses, source, homepage, revision, .. } = provenance;
    let bill = provenance.packages.as_ref();
    let bill =
        bill.map(|packages| text::count(packages.len(), "package") + ", listed in JSON (cargo auditable)");
    let facts = [
        ("version", version.clone()),
        ("about", description.clone()),
        ("authors", authors.clone()),
        ("licenses", licenses.clone()),
        ("source", source.clone()),
        ("homepage", homepage.clone()),
        ("revision", revision.clone()),
        ("language", tools(&provenance.languages)),
        ("SDK", tools(&provenance.sdks)),
        ("made with", tools(&provenance.processed_by)),
        ("made of", bill),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            fact(name, &value);
        }
    }
}

fn signature(signature: &Signature) -> String {
    match signature {
        Signature::Missing => "none".to_owned(),
        Signature::Valid { key, trusted_comment } => {
            format!("valid, by the trusted key {key}: {trusted_comment}")
        }
        Signature::Untrusted { key } => {
            format!("by the key {key}, which is not trusted, so nothing is known of it")
        }
        Signature::Invalid { reason } => format!("wrong: {reason}"),
    }
}

/// One paragraph for each problem, with what differs below.
fn problems(page: &mut Page, admission: &Admission) {
    if admission.problems.is_empty() {
        return;
    }
    page.heading("Problems");
    for (index, problem) in admission.problems.iter().enumerate() {
        let weight = if problem.refuses { "" } else { "(a warning) " };
        let Problem { message, way_out, diff, .. } = problem;
        page.paragraph(1, &clean(&format!("{}. {weight}it {message}; {way_out}", index + 1)));
        for line in diff {
            page.line(3, &clean(line));
        }
    }
}

/// What the plugin is granted, and what it lacks.
fn imports(page: &mut Page, imports: &[Import]) {
    for (heading, provided) in [("Granted", true), ("Lacks", false)] {
        let imports: Vec<&Import> = imports.iter().filter(|import| import.provided == provided).collect();
        page.heading(heading);
        if imports.is_empty() {
            page.line(1, "nothing");
        }
        for (package, interfaces, note) in packages(&imports) {
            page.line(1, &clean(&format!("{package:<28} {note}")));
            page.paragraph(3, &clean(&interfaces.join(", ")));
        }
    }
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
            None => packages.push((package, vec![interface], import.note)),
        }
    }
    packages
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    exit_code: u8,
    path: Cow<'a, str>,
    component_bytes: u64,
    #[serde(flatten)]
    loaded: Option<LoadedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declaration: Option<&'a Declaration>,
    plan: Vec<PlanLine<'a>>,
    capabilities: &'a [Capability],
    imports: &'a [Import],
    exports: &'a [String],
    problems: &'a [Problem],
    resources: &'a Resources,
    steps: &'a [CheckedStep],
    signature: &'a Signature,
    provenance: &'a Provenance,
    #[serde(skip_serializing_if = "Option::is_none")]
    compilation: Option<&'a Compilation>,
}

#[derive(Serialize)]
struct LoadedJson<'a> {
    name: &'a str,
    hash: &'a str,
    source: &'static str,
    load_us: u64,
    code_bytes: u64,
    initial_memory_bytes: u64,
    declared_by: &'a str,
}

/// For machines; docs/report.md has the shape.
pub(in crate::cli) fn render_json(inspection: &Inspection) -> Result<String, serde_json::Error> {
    let loaded = inspection.loaded.as_ref().ok().map(|loaded| LoadedJson {
        name: &loaded.plugin.name,
        hash: &loaded.plugin.hash,
        source: if loaded.plugin.cached { "cached" } else { "compiled" },
        load_us: us(loaded.plugin.load),
        code_bytes: loaded.plugin.code_bytes,
        initial_memory_bytes: inspection.admission.inspection.resources.initial_memory_bytes,
        declared_by: loaded.declared_by,
    });
    serde_json::to_string_pretty(&Document {
        format: FORMAT,
        exit_code: inspection.exit().code(),
        path: inspection.path.to_string_lossy(),
        component_bytes: inspection.component_bytes,
        loaded,
        refused: inspection.loaded.as_ref().err().map(String::as_str),
        declaration: inspection.declaration.as_ref(),
        plan: inspection.plan.iter().map(PlanLine::from).collect(),
        capabilities: &inspection.capabilities,
        imports: &inspection.admission.inspection.imports,
        exports: &inspection.admission.inspection.exports,
        problems: &inspection.admission.problems,
        resources: &inspection.admission.inspection.resources,
        steps: &inspection.admission.steps,
        signature: &inspection.admission.signature,
        provenance: &inspection.admission.inspection.provenance,
        compilation: inspection.admission.compilation.as_ref(),
    })
}

impl Inspection {
    /// How the program ends: a component that cannot be loaded is a failure of `inspect` too.
    pub(in crate::cli) fn exit(&self) -> Exit {
        if self.loaded.is_ok() { Exit::Done } else { Exit::Unusable }
    }
}
