//! Elements and their attributes: what must be there, what may be, and the error with its place for all else.

use std::sync::Arc;

use super::{Node, Reader, refusal};
use crate::model::EntityDefinition;
use crate::model::error::{Error, Result};

impl<'x> Reader<'x> {
    pub(super) fn entity(&self, node: Node<'x>) -> Result<&'x Arc<EntityDefinition>> {
        let name = self.needed(node, "name")?;
        self.schema.entity(name).map_err(|error| self.wrong_attribute(node, "name", error.message()))
    }

    /// The name of an attribute that `definition` has.
    pub(super) fn attribute_name(
        &self,
        node: Node<'x>,
        name: &str,
        definition: &EntityDefinition,
    ) -> Result<&'x str> {
        let attribute = self.needed(node, name)?;
        definition
            .readable_type(attribute)
            .map_err(|error| self.wrong_attribute(node, name, error.message()))?;
        Ok(attribute)
    }

    pub(super) fn needed(&self, node: Node<'x>, name: &str) -> Result<&'x str> {
        let element = node.tag_name().name();
        node.attribute(name)
            .ok_or_else(|| self.wrong(node, &format!("`{element}` needs the attribute `{name}`")))
    }

    pub(super) fn number(&self, node: Node<'x>, name: &str) -> Result<Option<u32>> {
        let Some(text) = node.attribute(name) else { return Ok(None) };
        let number = text.trim().parse();
        number.map(Some).map_err(|_| self.wrong_attribute(node, name, &format!("`{text}` is not a number")))
    }

    pub(super) fn flag(&self, node: Node<'x>, name: &str) -> Result<bool> {
        match node.attribute(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => {
                Err(self.wrong_attribute(node, name, &format!("`{other}` is neither `true` nor `false`")))
            }
        }
    }

    /// The elements in an element, which must be of these names.
    pub(super) fn children(&self, node: Node<'x>, known: &[&str]) -> Result<Vec<Node<'x>>> {
        let mut elements = Vec::new();
        for child in node.children() {
            if child.is_element() {
                let name = child.tag_name();
                if name.namespace().is_some() || !known.contains(&name.name()) {
                    return Err(self.unknown(child, known));
                }
                elements.push(child);
            } else if child.text().is_some_and(|text| child.is_text() && !text.trim().is_empty()) {
                let element = node.tag_name().name();
                return Err(self.wrong(child, &format!("`{element}` has no text; remove it")));
            }
        }
        Ok(elements)
    }

    pub(super) fn unknown(&self, node: Node<'x>, known: &[&str]) -> Error {
        let name = node.tag_name().name();
        let parent = node.parent_element().map_or("fetch", |parent| parent.tag_name().name());
        self.wrong(node, &format!("the element `{name}` is not supported in `{parent}`; {}", possible(known)))
    }

    /// An error unless every attribute is known, or known to say nothing.
    pub(super) fn allow(&self, node: Node<'x>, known: &[&str], says_nothing: &[&str]) -> Result<()> {
        for attribute in node.attributes() {
            let name = attribute.name();
            if attribute.namespace().is_some() || !(known.contains(&name) || says_nothing.contains(&name)) {
                let element = node.tag_name().name();
                let reason =
                    format!("the attribute `{name}` is not supported on `{element}`; {}", possible(known));
                return Err(self.wrong_at(attribute.range().start, &reason));
            }
        }
        Ok(())
    }

    pub(super) fn wrong(&self, node: Node<'x>, reason: &str) -> Error {
        self.wrong_at(node.range().start, reason)
    }

    pub(super) fn wrong_attribute(&self, node: Node<'x>, name: &str, reason: &str) -> Error {
        let start = node.attribute_node(name).map_or(node.range(), |attribute| attribute.range()).start;
        self.wrong_at(start, &format!("`{name}`: {reason}"))
    }

    fn wrong_at(&self, byte: usize, reason: &str) -> Error {
        let place = self.document.text_pos_at(byte);
        refusal(&format!("at line {}, column {}: {reason}", place.row, place.col))
    }
}

fn possible(known: &[&str]) -> String {
    if known.is_empty() { "remove it".into() } else { format!("possible are {}", known.join(", ")) }
}
