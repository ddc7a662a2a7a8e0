//! Filters, conditions and orders.

use super::{Node, Reader, value};
use crate::model::error::Result;
use crate::model::query::check::DEPTH_MAX;
use crate::model::query::{Filter, Link, Operator, Order};
use crate::model::{EntityDefinition, Value, ValueType};

/// What tools write beside a value, for people.
const SAYS_NOTHING: [&str; 2] = ["uiname", "uitype"];

const NOT_IN_A_FILTER: &str = "in a filter a link is `any` or `not any`; move other links out of the filter";
const NO_ALTERNATIVE: &str = "a link cannot be an alternative; move it out of the `or` filter, or ask twice";

impl<'x> Reader<'x> {
    /// `links` takes those that are in the filter, as long as every group around them holds as a whole.
    pub(super) fn filter(
        &mut self,
        node: Node<'x>,
        definition: &'x EntityDefinition,
        mut links: Option<&mut Vec<Link>>,
        link_depth: usize,
        depth: usize,
    ) -> Result<Filter> {
        if depth > DEPTH_MAX {
            return Err(self.wrong(node, &format!("filters nest more than {DEPTH_MAX} deep; flatten them")));
        }
        self.allow(node, &["type"], &[])?;
        let any = match node.attribute("type") {
            None | Some("and") => false,
            Some("or") => true,
            Some(other) => {
                return Err(self.wrong_attribute(
                    node,
                    "type",
                    &format!("`{other}` is neither `and` nor `or`"),
                ));
            }
        };
        if any {
            links = None;
        }
        let mut parts = Vec::new();
        for child in self.children(node, &["condition", "filter", "link-entity"])? {
            match child.tag_name().name() {
                "condition" => parts.push(self.condition(child, definition)?),
                "filter" => {
                    let links = links.as_deref_mut();
                    parts.push(self.filter(child, definition, links, link_depth, depth + 1)?);
                }
                _ => {
                    let asks = matches!(child.attribute("link-type"), Some("any" | "not any"));
                    match &mut links {
                        Some(links) if asks => links.push(self.link(child, definition, link_depth + 1)?),
                        Some(_) => return Err(self.wrong(child, NOT_IN_A_FILTER)),
                        None => return Err(self.wrong(child, NO_ALTERNATIVE)),
                    }
                }
            }
        }
        Ok(if any { Filter::Any(parts) } else { Filter::All(parts) })
    }

    fn condition(&self, node: Node<'x>, definition: &'x EntityDefinition) -> Result<Filter> {
        self.allow(node, &["attribute", "operator", "value", "entityname"], &SAYS_NOTHING)?;
        let (link, definition) = self.named(node, definition)?;
        let attribute = self.attribute_name(node, "attribute", definition)?;
        let name = self.needed(node, "operator")?;
        // An older spelling.
        let Some(operator) = Operator::parse(if name == "neq" { "ne" } else { name }) else {
            let reason =
                format!("there is no operator `{name}`; the documentation of queries lists those there are");
            return Err(self.wrong_attribute(node, "operator", &reason));
        };
        let attribute_type = definition.readable_type(attribute)?;
        let Some(operand) = operator.operand(attribute_type) else {
            let reason = format!("`{operator}` is not possible: `{attribute}` is a {attribute_type}");
            return Err(self.wrong_attribute(node, "operator", &reason));
        };
        let values = self.values(node, operand)?;
        let arity = operator.arity();
        if !arity.accepts(values.len()) {
            let count = values.len();
            return Err(self.wrong(node, &format!("`{operator}` takes {arity}, not {count}")));
        }
        Ok(Filter::Condition { link, attribute: attribute.to_owned(), operator, values })
    }

    /// The attribute `value` and the elements `value`.
    fn values(&self, node: Node<'x>, operand: ValueType) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        if let Some(text) = node.attribute("value") {
            let typed = value::parse(text, operand);
            values.push(typed.map_err(|reason| self.wrong_attribute(node, "value", &reason))?);
        }
        for child in self.children(node, &["value"])? {
            self.allow(child, &[], &SAYS_NOTHING)?;
            if let Some(element) = child.children().find(Node::is_element) {
                return Err(self.unknown(element, &[]));
            }
            // In pieces, where a comment is between them.
            let text: String =
                child.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
            values.push(value::parse(&text, operand).map_err(|reason| self.wrong(child, &reason))?);
        }
        Ok(values)
    }

    pub(super) fn order(&self, node: Node<'x>, definition: &'x EntityDefinition) -> Result<Order> {
        self.allow(node, &["attribute", "descending", "entityname"], &[])?;
        let (link, definition) = self.named(node, definition)?;
        let attribute = self.attribute_name(node, "attribute", definition)?.to_owned();
        Ok(Order { link, attribute, descending: self.flag(node, "descending")? })
    }

    /// The link that `entityname` names, by its alias, and whose attributes are meant.
    fn named(
        &self,
        node: Node<'x>,
        definition: &'x EntityDefinition,
    ) -> Result<(Option<String>, &'x EntityDefinition)> {
        let Some(name) = node.attribute("entityname") else { return Ok((None, definition)) };
        match self.links.iter().find(|link| link.alias == name) {
            Some(link) => Ok((Some(name.to_owned()), link.definition)),
            None => Err(self.wrong_attribute(node, "entityname", &format!("no link has the alias `{name}`"))),
        }
    }
}
