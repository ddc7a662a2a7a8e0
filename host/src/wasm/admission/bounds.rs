//! Bounds that cost next to nothing to check, before a compiler sees the component. They are far above what runtimes of
//! interpreted languages need; what stays below them and is still hard to compile runs into the compiler's own limits.

use serde::Serialize;
use wasmparser::{Encoding, Payload};

use super::problem::{Problem, ProblemKind};
use super::resources::Resources;

/// Functions of all modules together. CPython with its library has some 40,000; each costs the compiler at least some
/// microseconds and some hundred bytes.
pub(super) const FUNCTIONS_MAX: u64 = 300_000;
/// Bytes of one function's body. The largest that compilers make, the loops of interpreters, have about 100 KB; the time
/// to compile one function grows faster than its size, and one function is compiled by one thread.
pub(super) const FUNCTION_BYTES_MAX: u64 = 1 << 20;
/// Types of all modules and components together. Each import of a large interface brings some dozens.
pub(super) const TYPES_MAX: u64 = 200_000;
/// Components inside of components. Composition by tools makes two or three levels.
pub(super) const NESTING_MAX: u64 = 16;
/// Instances of nested components, counted as often as they are made: a component of thirty levels that each instantiate
/// the next one twice has a few hundred bytes, and would be a billion of them to the compiler.
pub(super) const COMPONENT_INSTANCES_MAX: u64 = 1_000;

/// How much there is to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Complexity {
    /// Functions with a body, of all modules.
    pub functions: u64,
    /// Bytes of the largest function's body.
    pub largest_function_bytes: u64,
    /// Types of all modules and components.
    pub types: u64,
    /// How deep components nest; 1 without any inside.
    pub nesting: u64,
}

impl Complexity {
    /// What is too much. A function that is too large is found before, while the file is read.
    pub(super) fn problems(&self, resources: &Resources) -> Vec<Problem> {
        let bounds = [
            (
                self.functions,
                FUNCTIONS_MAX,
                "functions",
                "remove what is not used (`wasm-opt`, link-time optimization)",
            ),
            (self.types, TYPES_MAX, "types", "remove what is not used"),
            (self.nesting, NESTING_MAX, "levels of nested components", "compose it of fewer"),
            (
                resources.component_instances,
                COMPONENT_INSTANCES_MAX,
                "instances of nested components",
                "compose it of fewer",
            ),
        ];
        let over = bounds.into_iter().filter(|(found, most, ..)| found > most);
        let problem = |(found, most, what, way_out): (u64, u64, &str, &str)| {
            let message = format!("has {found} {what}, and {most} is the most that this host compiles");
            Problem::new(ProblemKind::Complexity, message, way_out)
        };
        over.map(problem).collect()
    }
}

/// Measures while a component is read from its beginning to its end.
#[derive(Default)]
pub(super) struct Measure {
    /// Whether each of what is being read is a component.
    open: Vec<bool>,
    pub(super) found: Complexity,
}

impl Measure {
    /// Takes notice of the next payload.
    pub(super) fn read(&mut self, payload: &Payload<'_>) {
        let found = &mut self.found;
        match payload {
            Payload::Version { encoding, .. } => {
                self.open.push(*encoding == Encoding::Component);
                let nesting = self.open.iter().filter(|is_component| **is_component).count();
                found.nesting = found.nesting.max(u64::try_from(nesting).unwrap_or(u64::MAX));
            }
            Payload::End(_) => {
                self.open.pop();
            }
            Payload::CodeSectionStart { count, .. } => found.functions += u64::from(*count),
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let bytes = range.end.saturating_sub(range.start);
                let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                found.largest_function_bytes = found.largest_function_bytes.max(bytes);
            }
            Payload::TypeSection(section) => found.types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => found.types += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => found.types += u64::from(section.count()),
            _ => {}
        }
    }
}
