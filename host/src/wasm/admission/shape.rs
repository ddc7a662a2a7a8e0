//! Types of components: whether two are of one structure, and how they are written in WIT.

use std::collections::HashMap;
use std::fmt::Write as _;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncType,
    ComponentFuncTypeId, ComponentInstanceTypeId, ComponentItem, ComponentTypeId, ComponentValType,
};
use wasmparser::types::Types;

/// Characters of one line at most. A type without a name may be as large as its author likes.
const LINE_MAX: usize = 300;
/// How often a type may be another name of another one: tools make two or three.
const ALIASES_MAX: usize = 100;

/// The types of one component, with the names that its interfaces give them.
pub(super) struct Shapes {
    types: Types,
    names: HashMap<ComponentDefinedTypeId, String>,
}

impl Shapes {
    pub(super) fn new(types: Types) -> Self {
        Self { types, names: HashMap::new() }
    }

    /// What the component itself imports or exports under that name.
    pub(super) fn item(&self, name: &str, exported: bool) -> Option<ComponentEntityType> {
        let types = self.types.as_ref();
        let item = if exported {
            types.component_item_for_export(name)
        } else {
            types.component_item_for_import(name)
        };
        item.map(|item| item.ty)
    }

    /// What a component of that type imports.
    pub(super) fn imports(&self, id: ComponentTypeId) -> impl Iterator<Item = (&str, ComponentEntityType)> {
        self.types.as_ref().get(id).into_iter().flat_map(|component| items(&component.imports))
    }

    /// What a component of that type exports.
    pub(super) fn exports(&self, id: ComponentTypeId) -> impl Iterator<Item = (&str, ComponentEntityType)> {
        self.types.as_ref().get(id).into_iter().flat_map(|component| items(&component.exports))
    }

    fn members(&self, id: ComponentInstanceTypeId) -> impl Iterator<Item = (&str, ComponentEntityType)> {
        self.types.as_ref().get(id).into_iter().flat_map(|instance| items(&instance.exports))
    }

    fn member(&self, id: ComponentInstanceTypeId, name: &str) -> Option<ComponentEntityType> {
        Some(self.types.as_ref().get(id)?.exports.get(name)?.ty)
    }

    /// Takes the names that an interface gives to types.
    pub(super) fn learn_names(&mut self, id: ComponentInstanceTypeId) {
        let named: Vec<_> = self.members(id).map(|(name, item)| (name.to_owned(), item)).collect();
        for (name, item) in named {
            if let ComponentEntityType::Type { referenced, created } = item {
                for id in [created, referenced] {
                    if let ComponentAnyTypeId::Defined(id) = id {
                        self.names.entry(id).or_insert_with(|| name.clone());
                    }
                }
            }
        }
    }

    /// The types that an interface defines, or has under a name of its own.
    pub(super) fn types_of(
        &self,
        id: ComponentInstanceTypeId,
    ) -> impl Iterator<Item = (&str, ComponentDefinedTypeId)> {
        self.members(id).filter_map(|(name, item)| Some((name, defined(item)?)))
    }

    pub(super) fn type_of(&self, id: ComponentInstanceTypeId, name: &str) -> Option<ComponentDefinedTypeId> {
        defined(self.member(id, name)?)
    }

    pub(super) fn functions_of(
        &self,
        id: ComponentInstanceTypeId,
    ) -> impl Iterator<Item = (&str, ComponentFuncTypeId)> {
        self.members(id).filter_map(|(name, item)| Some((name, function(item)?)))
    }

    pub(super) fn function_of(&self, id: ComponentInstanceTypeId, name: &str) -> Option<ComponentFuncTypeId> {
        function(self.member(id, name)?)
    }

    fn function(&self, id: ComponentFuncTypeId) -> Option<&ComponentFuncType> {
        self.types.as_ref().get(id)
    }

    /// `create: func(entity: entity) -> result<unique-identifier, fault>;`
    pub(super) fn function_line(&self, name: &str, id: ComponentFuncTypeId) -> String {
        let mut text = Text { shapes: self, line: String::new() };
        let Some(function) = self.function(id) else { return String::new() };
        let kind = if function.async_ { "async func" } else { "func" };
        let _ = write!(text.line, "{name}: {kind}(");
        for (index, (name, ty)) in function.params.iter().enumerate() {
            text.put(if index > 0 { ", " } else { "" });
            text.put(name);
            text.put(": ");
            text.ty(*ty);
        }
        text.put(")");
        if let Some(result) = function.result {
            text.put(" -> ");
            text.ty(result);
        }
        text.end(";")
    }

    /// The definition of a type with a name, a line for each of its parts.
    pub(super) fn type_lines(&self, name: &str, id: ComponentDefinedTypeId) -> Vec<String> {
        let Some(definition) = self.types.as_ref().get(id) else { return Vec::new() };
        let block = |keyword: &str, parts: Vec<String>| {
            let parts = parts.into_iter().map(|part| format!("  {part}"));
            std::iter::once(format!("{keyword} {name} {{")).chain(parts).chain(["}".to_owned()]).collect()
        };
        let part = |name: &str, open: &str, ty: Option<ComponentValType>, close: &str| {
            let mut text = Text { shapes: self, line: name.to_owned() };
            if let Some(ty) = ty {
                text.put(open);
                text.ty(ty);
                text.put(close);
            }
            text.end(",")
        };
        match definition {
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter();
                block("record", fields.map(|(name, ty)| part(name, ": ", Some(*ty), "")).collect())
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter();
                block("variant", cases.map(|(name, case)| part(name, "(", case.ty, ")")).collect())
            }
            ComponentDefinedType::Enum(cases) => {
                block("enum", cases.iter().map(|case| part(case, "", None, "")).collect())
            }
            ComponentDefinedType::Flags(flags) => {
                block("flags", flags.iter().map(|flag| part(flag, "", None, "")).collect())
            }
            other => {
                let mut text = Text { shapes: self, line: format!("type {name} = ") };
                text.definition(other);
                vec![text.end(";")]
            }
        }
    }

    /// The name that an interface gave to a type, or to the one that it is another name of.
    fn name(&self, id: ComponentDefinedTypeId) -> Option<&str> {
        let mut id = id;
        for _ in 0..ALIASES_MAX {
            if let Some(name) = self.names.get(&id) {
                return Some(name);
            }
            id = self.types.peel_alias(id)?;
        }
        None
    }
}

fn items<'a>(
    items: impl IntoIterator<Item = (&'a String, &'a ComponentItem)>,
) -> impl Iterator<Item = (&'a str, ComponentEntityType)> {
    items.into_iter().map(|(name, item)| (name.as_str(), item.ty))
}

fn defined(item: ComponentEntityType) -> Option<ComponentDefinedTypeId> {
    match item {
        ComponentEntityType::Type { created: ComponentAnyTypeId::Defined(id), .. } => Some(id),
        _ => None,
    }
}

fn function(item: ComponentEntityType) -> Option<ComponentFuncTypeId> {
    match item {
        ComponentEntityType::Func(id) => Some(id),
        _ => None,
    }
}

/// Compares types of two components by structure, as the linker does. The validator bounds how deep types nest.
pub(super) struct Same<'a> {
    mine: &'a Shapes,
    theirs: &'a Shapes,
    /// What was compared: a type may be used in many places, and in itself many times over.
    known: HashMap<(ComponentDefinedTypeId, ComponentDefinedTypeId), bool>,
}

impl<'a> Same<'a> {
    pub(super) fn new(mine: &'a Shapes, theirs: &'a Shapes) -> Self {
        Self { mine, theirs, known: HashMap::new() }
    }

    /// The names of parameters do not count.
    pub(super) fn functions(&mut self, mine: ComponentFuncTypeId, theirs: ComponentFuncTypeId) -> bool {
        let (a, b) = (self.mine, self.theirs);
        let (Some(mine), Some(theirs)) = (a.function(mine), b.function(theirs)) else { return false };
        mine.async_ == theirs.async_
            && mine.params.len() == theirs.params.len()
            && mine
                .params
                .iter()
                .zip(&theirs.params)
                .all(|((_, mine), (_, theirs))| self.values(*mine, *theirs))
            && self.optional(mine.result, theirs.result)
    }

    pub(super) fn types(&mut self, mine: ComponentDefinedTypeId, theirs: ComponentDefinedTypeId) -> bool {
        if let Some(known) = self.known.get(&(mine, theirs)) {
            return *known;
        }
        let same = self.definitions(mine, theirs);
        self.known.insert((mine, theirs), same);
        same
    }

    fn values(&mut self, mine: ComponentValType, theirs: ComponentValType) -> bool {
        match (self.mine.primitive(mine), self.theirs.primitive(theirs)) {
            (ComponentValType::Type(mine), ComponentValType::Type(theirs)) => self.types(mine, theirs),
            (ComponentValType::Primitive(mine), ComponentValType::Primitive(theirs)) => mine == theirs,
            _ => false,
        }
    }

    fn optional(&mut self, mine: Option<ComponentValType>, theirs: Option<ComponentValType>) -> bool {
        match (mine, theirs) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => self.values(mine, theirs),
            _ => false,
        }
    }

    fn definitions(&mut self, mine: ComponentDefinedTypeId, theirs: ComponentDefinedTypeId) -> bool {
        use ComponentDefinedType as Defined;

        let (a, b) = (self.mine, self.theirs);
        let (Some(mine), Some(theirs)) = (a.types.as_ref().get(mine), b.types.as_ref().get(theirs)) else {
            return false;
        };
        match (mine, theirs) {
            (Defined::Primitive(a), Defined::Primitive(b)) => a == b,
            (Defined::Record(a), Defined::Record(b)) => {
                let mut pairs = a.fields.iter().zip(&b.fields);
                a.fields.len() == b.fields.len()
                    && pairs.all(|((mine, a), (theirs, b))| mine == theirs && self.values(*a, *b))
            }
            (Defined::Variant(a), Defined::Variant(b)) => {
                let mut pairs = a.cases.iter().zip(&b.cases);
                a.cases.len() == b.cases.len()
                    && pairs.all(|((mine, a), (theirs, b))| mine == theirs && self.optional(a.ty, b.ty))
            }
            (Defined::Enum(a), Defined::Enum(b)) | (Defined::Flags(a), Defined::Flags(b)) => {
                a.iter().eq(b.iter())
            }
            (Defined::Tuple(a), Defined::Tuple(b)) => {
                a.types.len() == b.types.len()
                    && a.types.iter().zip(&b.types).all(|(mine, theirs)| self.values(*mine, *theirs))
            }
            (Defined::Option { ty: a, .. }, Defined::Option { ty: b, .. })
            | (Defined::List { element: a, .. }, Defined::List { element: b, .. }) => self.values(*a, *b),
            (Defined::Result { ok: mine, err: e, .. }, Defined::Result { ok: theirs, err: f, .. }) => {
                self.optional(*mine, *theirs) && self.optional(*e, *f)
            }
            // The contract has no others.
            _ => false,
        }
    }
}

impl Shapes {
    /// A value's type, where another name of a primitive one is that.
    fn primitive(&self, ty: ComponentValType) -> ComponentValType {
        if let ComponentValType::Type(id) = ty
            && let Some(ComponentDefinedType::Primitive(primitive)) = self.types.as_ref().get(id)
        {
            return ComponentValType::Primitive(*primitive);
        }
        ty
    }
}

/// A line that stops growing when it is long enough.
struct Text<'a> {
    shapes: &'a Shapes,
    line: String,
}

impl Text<'_> {
    fn put(&mut self, text: &str) {
        if self.line.len() < LINE_MAX {
            self.line.push_str(text);
        }
    }

    fn end(mut self, end: &str) -> String {
        if self.line.len() >= LINE_MAX {
            self.line.push_str(" ...");
        }
        self.line + end
    }

    fn ty(&mut self, ty: ComponentValType) {
        // Past the end nothing is shown, and there may be a great deal of it.
        if self.line.len() >= LINE_MAX {
            return;
        }
        match ty {
            ComponentValType::Primitive(primitive) => self.put(&primitive.to_string()),
            ComponentValType::Type(id) => {
                let shapes = self.shapes;
                match (shapes.name(id), shapes.types.as_ref().get(id)) {
                    (Some(name), _) => self.put(name),
                    (None, Some(definition)) => self.definition(definition),
                    (None, None) => self.put("_"),
                }
            }
        }
    }

    fn definition(&mut self, definition: &ComponentDefinedType) {
        use ComponentDefinedType as Defined;

        match definition {
            Defined::Primitive(primitive) => self.put(&primitive.to_string()),
            Defined::List { element, .. } => self.around("list", &[Some(*element)]),
            Defined::Option { ty, .. } => self.around("option", &[Some(*ty)]),
            Defined::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().copied().map(Some).collect();
                self.around("tuple", &types);
            }
            Defined::Result { ok: None, err: None, .. } => self.put("result"),
            Defined::Result { ok, err: None, .. } => self.around("result", &[*ok]),
            Defined::Result { ok, err, .. } => self.around("result", &[*ok, *err]),
            Defined::Record(_) => self.put("record"),
            Defined::Variant(_) => self.put("variant"),
            Defined::Enum(_) => self.put("enum"),
            Defined::Flags(_) => self.put("flags"),
            Defined::Map { key, value, .. } => self.around("map", &[Some(*key), Some(*value)]),
            Defined::FixedLengthList { element, .. } => self.around("list", &[Some(*element)]),
            Defined::Own(_) => self.put("own"),
            Defined::Borrow(_) => self.put("borrow"),
            Defined::Future { .. } => self.put("future"),
            Defined::Stream { .. } => self.put("stream"),
        }
    }

    /// `result<_, fault>`
    fn around(&mut self, name: &str, types: &[Option<ComponentValType>]) {
        self.put(name);
        self.put("<");
        for (index, ty) in types.iter().enumerate() {
            self.put(if index > 0 { ", " } else { "" });
            match ty {
                Some(ty) => self.ty(*ty),
                None => self.put("_"),
            }
        }
        self.put(">");
    }
}
