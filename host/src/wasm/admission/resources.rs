//! What a component takes of a sandbox, counted in its bytes: a nested component is counted as often as it is
//! instantiated.

use serde::Serialize;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    Encoding, Instance, Payload,
};

use super::problem::{Problem, ProblemKind};
use crate::wasm::engine::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use crate::wasm::limits::Limits;

/// Bytes of a page of linear memory.
const WASM_PAGE_BYTES: u64 = 64 << 10;

/// What one run of a component takes of a sandbox before it asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Resources {
    /// Instances of core modules.
    pub core_instances: u64,
    /// Instances of components within it.
    pub component_instances: u64,
    /// Linear memories.
    pub memories: u64,
    /// What all of them have to begin with.
    pub initial_memory_bytes: u64,
    /// Tables.
    pub tables: u64,
    /// The elements that all of them have to begin with.
    pub initial_table_elements: u64,
}

impl Resources {
    fn add(&mut self, other: Self) {
        let sum = |mine: &mut u64, theirs: u64| *mine = mine.saturating_add(theirs);
        sum(&mut self.core_instances, other.core_instances);
        sum(&mut self.component_instances, other.component_instances);
        sum(&mut self.memories, other.memories);
        sum(&mut self.initial_memory_bytes, other.initial_memory_bytes);
        sum(&mut self.tables, other.tables);
        sum(&mut self.initial_table_elements, other.initial_table_elements);
    }

    /// What a sandbox has too little of, `asked` MiB of memory more than its limits included.
    pub(super) fn problems(&self, limits: &Limits, asked: u32) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut over = |what: &str, wanted: u64, most: u64, way_out: &str| {
            if wanted > most {
                let message = format!("needs {wanted} {what}, and a sandbox has {most}");
                problems.push(Problem::new(ProblemKind::Resources, message, way_out));
            }
        };
        let compose = "compose it of fewer components";
        over("core instances", self.core_instances, u64::from(CORE_INSTANCES_PER_COMPONENT), compose);
        over("memories", self.memories, u64::from(MEMORIES_PER_COMPONENT), compose);
        over("tables", self.tables, u64::from(TABLES_PER_COMPONENT), compose);
        let elements = u64::try_from(limits.table_elements).unwrap_or(u64::MAX);
        let raise = "make it smaller, or raise the host's limit of table elements";
        over("table elements to begin with", self.initial_table_elements, elements, raise);
        let most = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX);
        let most = most.saturating_add(u64::from(asked) << 20);
        if self.initial_memory_bytes > most {
            let (needs, most) = (self.initial_memory_bytes >> 10, most >> 10);
            problems.push(Problem::new(
                ProblemKind::Resources,
                format!("starts with {needs} KiB of memory, and {most} KiB is the limit of a plugin"),
                "raise the limit (`--memory`, `Limits::memory_bytes`), have it ask for more (`memory(MIB)` in `asks(..)`), or \
                 build it with less static data",
            ));
        }
        problems
    }
}

/// Counts while a component is read from its beginning to its end.
#[derive(Default)]
pub(super) struct Counter {
    open: Vec<Open>,
}

/// A component or a module that is being read. What it cannot tell, a module that is imported for one, is none.
#[derive(Default)]
struct Open {
    is_module: bool,
    modules: Vec<Option<Resources>>,
    components: Vec<Option<Resources>>,
    /// Of one instance.
    total: Resources,
}

impl Counter {
    /// Takes notice of the next payload; answers what the whole takes when that was the last one.
    pub(super) fn read(&mut self, payload: &Payload<'_>) -> Option<Resources> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.open.push(Open { is_module: *encoding == Encoding::Module, ..Open::default() });
            }
            Payload::End(_) => return self.close(),
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone().into_iter().flatten() {
                    self.alias(&alias);
                }
            }
            other => {
                if let Some(open) = self.open.last_mut() {
                    open.read(other);
                }
            }
        }
        None
    }

    fn close(&mut self) -> Option<Resources> {
        let done = self.open.pop()?;
        let Some(outer) = self.open.last_mut() else { return Some(done.total) };
        if done.is_module {
            outer.modules.push(Some(done.total));
        } else {
            outer.components.push(Some(done.total));
        }
        None
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::Outer { kind, count, index } => {
                let outer = usize::try_from(count).ok().and_then(|count| self.open.iter().rev().nth(count));
                let found = |list: &[Option<Resources>]| list.get(index as usize).copied().flatten();
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let found = outer.and_then(|outer| found(&outer.modules));
                        self.last(|open| open.modules.push(found));
                    }
                    ComponentOuterAliasKind::Component => {
                        let found = outer.and_then(|outer| found(&outer.components));
                        self.last(|open| open.components.push(found));
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.last(|open| open.modules.push(None));
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.last(|open| open.components.push(None));
            }
            ComponentAlias::InstanceExport { .. } | ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    fn last(&mut self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.last_mut() {
            change(open);
        }
    }
}

impl Open {
    fn read(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::MemorySection(section) => {
                for memory in section.clone().into_iter().flatten() {
                    self.total.memories += 1;
                    let bytes = memory.initial.saturating_mul(WASM_PAGE_BYTES);
                    let sum = &mut self.total.initial_memory_bytes;
                    *sum = sum.saturating_add(bytes);
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone().into_iter().flatten() {
                    self.total.tables += 1;
                    let sum = &mut self.total.initial_table_elements;
                    *sum = sum.saturating_add(table.ty.initial);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone().into_iter().flatten() {
                    if let Instance::Instantiate { module_index, .. } = instance {
                        let mut used = of(&self.modules, module_index);
                        used.core_instances = used.core_instances.saturating_add(1);
                        self.total.add(used);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone().into_iter().flatten() {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        let mut used = of(&self.components, component_index);
                        used.component_instances = used.component_instances.saturating_add(1);
                        self.total.add(used);
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone().into_iter().flatten() {
                    match import.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(None),
                        ComponentTypeRef::Component(_) => self.components.push(None),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone().into_iter().flatten() {
                    // An export is an item of its own, with the next index.
                    match export.kind {
                        ComponentExternalKind::Module => {
                            let same = of(&self.modules, export.index);
                            self.modules.push(Some(same));
                        }
                        ComponentExternalKind::Component => {
                            self.components.push(Some(of(&self.components, export.index)));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// What cannot be told counts as nothing: such a component is bounded when it is compiled, and when it runs.
fn of(list: &[Option<Resources>], index: u32) -> Resources {
    list.get(index as usize).copied().flatten().unwrap_or_default()
}
