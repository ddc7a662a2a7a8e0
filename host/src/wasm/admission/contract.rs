//! How the contract that a component was built with differs from this host's, in the words of WIT.
//!
//! The bytes of a component have the whole shape of what it imports and exports. It is compared as the linker compares
//! it, by structure, and shown by its names. The bytes may be anybody's, so nothing reads them here but the validator,
//! which is made for that: decoders of WIT are made for what tools have written, and one runs out of its stack where
//! packages use each other.

use std::sync::LazyLock;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId, ComponentTypeId,
};
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use super::shape::{Same, Shapes};
use super::split;
use crate::wasm::v0_1::CONTRACT;

/// Lines of one interface's difference at most: a component that differs by more is of another contract, and the error
/// is to be read.
const LINES_MAX: usize = 60;

/// An interface of the contract that a component has in another shape than this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Its name as the component has it, with the version.
    pub(super) interface: String,
    /// Whether the component exports it.
    pub(super) exported: bool,
    /// What differs.
    pub(super) lines: Vec<String>,
}

/// Compares each interface of the contract in the component. An error says why its shape cannot be read.
pub(super) fn differences(component: &[u8]) -> Result<Vec<Difference>, String> {
    let host = HOST.as_ref().map_err(Clone::clone)?;
    Ok(compare(&World::of_component(component)?, host))
}

/// The contract as this host has it, as it is in its bindings.
static HOST: LazyLock<Result<World, String>> = LazyLock::new(|| World::of_contract(CONTRACT));

/// The interfaces of the contract in a world.
struct World {
    shapes: Shapes,
    interfaces: Vec<Interface>,
}

struct Interface {
    name: String,
    exported: bool,
    id: ComponentInstanceTypeId,
}

impl World {
    fn of_component(component: &[u8]) -> Result<Self, String> {
        let (shapes, imports, exports) = read(component)?;
        let mut world = Self { shapes, interfaces: Vec::new() };
        for (names, exported) in [(imports, false), (exports, true)] {
            for name in names {
                let item = world.shapes.item(&name, exported);
                world.add(name, exported, item);
            }
        }
        Ok(world)
    }

    /// The contract is encoded as the type of a component that has it, inside of components that name it.
    fn of_contract(encoded: &[u8]) -> Result<Self, String> {
        let (shapes, _, exports) = read(encoded)?;
        let outer = exports.iter().find_map(|name| as_component(shapes.item(name, true)?));
        let Some(world) = outer
            .and_then(|outer| shapes.exports(outer).find_map(|(_, item)| as_component(item)).or(Some(outer)))
        else {
            return Err("the bindings do not have it".to_owned());
        };
        let imports = shapes.imports(world).map(|(name, item)| (name.to_owned(), false, item));
        let exports = shapes.exports(world).map(|(name, item)| (name.to_owned(), true, item));
        let all: Vec<_> = imports.chain(exports).collect();
        let mut world = Self { shapes, interfaces: Vec::new() };
        for (name, exported, item) in all {
            world.add(name, exported, Some(item));
        }
        Ok(world)
    }

    fn add(&mut self, name: String, exported: bool, item: Option<ComponentEntityType>) {
        if let Some(ComponentEntityType::Instance(id)) = item
            && name.starts_with(super::PACKAGE)
        {
            self.shapes.learn_names(id);
            self.interfaces.push(Interface { name, exported, id });
        }
    }

    /// The interface of that name, whatever the version.
    fn find(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| split(&interface.name).0 == split(name).0)
    }
}

fn as_component(item: ComponentEntityType) -> Option<ComponentTypeId> {
    match item {
        ComponentEntityType::Component(id)
        | ComponentEntityType::Type { referenced: ComponentAnyTypeId::Component(id), .. } => Some(id),
        _ => None,
    }
}

/// The types of a component, and the names of its imports and exports. Functions are not looked into.
fn read(component: &[u8]) -> Result<(Shapes, Vec<String>, Vec<String>), String> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| error.to_string())?;
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports
                    .extend(section.clone().into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports
                    .extend(section.clone().into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
        if let ValidPayload::End(types) = validator.payload(&payload).map_err(|error| error.to_string())? {
            depth -= 1;
            if depth == 0 {
                return Ok((Shapes::new(types), imports, exports));
            }
        }
    }
    Err("it has no end".to_owned())
}

fn compare(guest: &World, host: &World) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut fits = true;
    for mine in &guest.interfaces {
        let Some(theirs) = host.find(&mine.name) else { continue };
        let same = Same::new(&guest.shapes, &host.shapes);
        let mut pair =
            Pair { same, guest: &guest.shapes, mine: mine.id, host: &host.shapes, theirs: theirs.id };
        let mut lines = pair.types();
        fits &= pair.functions(mine.exported, &mut lines);
        if lines.len() > LINES_MAX {
            let more = lines.len() - LINES_MAX;
            lines.truncate(LINES_MAX);
            lines.push(format!("  and {more} lines more"));
        }
        if !lines.is_empty() {
            differences.push(Difference { interface: mine.name.clone(), exported: mine.exported, lines });
        }
    }
    // The linker looks at functions, and at the types in them. A type that none of them has may differ.
    if fits { Vec::new() } else { differences }
}

/// An interface as the component has it, and as the host does.
struct Pair<'a> {
    same: Same<'a>,
    guest: &'a Shapes,
    mine: ComponentInstanceTypeId,
    host: &'a Shapes,
    theirs: ComponentInstanceTypeId,
}

impl Pair<'_> {
    fn types(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, mine) in self.guest.types_of(self.mine) {
            let asked = || self.guest.type_lines(name, mine);
            match self.host.type_of(self.theirs, name) {
                Some(theirs) if self.same.types(mine, theirs) => {}
                Some(theirs) => lines.extend(diff(&asked(), &self.host.type_lines(name, theirs))),
                None => lines.extend(diff(&asked(), &[])),
            }
        }
        lines
    }

    /// Whether all fit. A component need not import all that there is, but must export all that the host calls.
    fn functions(&mut self, exported: bool, lines: &mut Vec<String>) -> bool {
        let mut fits = true;
        for (name, mine) in self.guest.functions_of(self.mine) {
            let asked = [self.guest.function_line(name, mine)];
            match self.host.function_of(self.theirs, name) {
                Some(theirs) if self.same.functions(mine, theirs) => continue,
                Some(theirs) => {
                    let offered = [self.host.function_line(name, theirs)];
                    // Where the words are the same, what differs is in a type, which is shown where it is defined.
                    if asked != offered {
                        lines.extend(diff(&asked, &offered));
                    }
                }
                // What the host does not call is nothing to it.
                None if exported => continue,
                None => lines.extend(diff(&asked, &[])),
            }
            fits = false;
        }
        for (name, theirs) in self.host.functions_of(self.theirs).filter(|_| exported) {
            if self.guest.function_of(self.mine, name).is_none() {
                lines.extend(diff(&[], &[self.host.function_line(name, theirs)]));
                fits = false;
            }
        }
        fits
    }
}

/// A difference by lines: `-` is what the component has, `+` what the host has.
fn diff(asked: &[String], offered: &[String]) -> Vec<String> {
    let operations = similar::capture_diff_slices(similar::Algorithm::Myers, asked, offered);
    let changes = operations.iter().flat_map(|operation| operation.iter_changes(asked, offered));
    let line = |change: similar::Change<String>| {
        let sign = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        format!("{sign} {}", change.value())
    };
    changes.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_of_the_bindings_has_every_interface_that_is_offered() {
        let host = HOST.as_ref().unwrap();
        for name in super::super::OFFERED {
            assert!(host.find(&format!("stagegate:plugin/{name}@0.1.0")).is_some(), "{name}");
        }
        assert!(host.find(super::super::STEPS).is_some_and(|steps| steps.exported));
        assert_eq!(compare(host, host), []);
    }

    #[test]
    fn what_is_no_component_has_no_shape() {
        assert!(differences(b"\0asm\x0d\0\x01\0\x07\xff").is_err());
        assert!(differences(b"\0asm\x0d\0\x01").is_err());
        assert_eq!(differences(b"\0asm\x0d\0\x01\0"), Ok(Vec::new()));
    }
}
