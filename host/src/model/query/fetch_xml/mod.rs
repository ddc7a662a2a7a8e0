//! Queries from FetchXML.
//!
//! What is understood is listed in the documentation of queries. Anything else is an error with its place: a part that was
//! passed over would make another query.

#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use roxmltree::{Document, Node, NodeId, ParsingOptions};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::check::{DEPTH_MAX, LINKS_MAX};
use crate::model::query::{Filter, Join, Link, Operator, Order, Page, Query, RECORDS_MAX};
use crate::model::{ColumnSet, EntityDefinition, Schema};

/// Bytes of a text at most: room for the most conditions and values that a query may have.
pub const LENGTH_MAX: usize = 1 << 20;
/// Elements and texts at most, for the same reason.
const NODES_MAX: u32 = 100_000;

/// Attributes that say nothing about which records there are, as tools write them.
const FETCH_SAYS_NOTHING: [&str; 2] = ["version", "no-lock"];
const LINK_SAYS_NOTHING: [&str; 2] = ["intersect", "visible"];
const CONDITION_SAYS_NOTHING: [&str; 2] = ["uiname", "uitype"];

impl Query {
    /// The query that FetchXML writes. Its values get their types from `schema`. Whether it is a possible query as a whole
    /// is for [`Query::check`].
    pub fn from_fetch_xml(text: &str, schema: &Schema) -> Result<Self> {
        if text.len() > LENGTH_MAX {
            return Err(refusal(&format!("has {} bytes; {LENGTH_MAX} is the most", text.len())));
        }
        // No document types: entities of one's own could make much out of little.
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options)
            .map_err(|error| refusal(&format!("cannot be read: {error}")))?;
        let mut reader = Reader { document: &document, schema, links: Vec::new(), orders: Vec::new() };
        reader.name_links()?;
        reader.fetch()
    }
}

struct Reader<'x> {
    document: &'x Document<'x>,
    schema: &'x Schema,
    links: Vec<Named<'x>>,
    orders: Vec<Order>,
}

/// A `link-entity`, known before what names it.
struct Named<'x> {
    node: NodeId,
    alias: String,
    definition: &'x Arc<EntityDefinition>,
}

/// What `entity` and `link-entity` have in common.
#[derive(Default)]
struct Body {
    columns: Option<ColumnSet>,
    filters: Vec<Filter>,
    links: Vec<Link>,
}

impl<'x> Reader<'x> {
    /// Finds the links first: a condition may name one that comes later. One without an alias gets one.
    fn name_links(&mut self) -> Result<()> {
        let nodes = self.document.descendants().filter(|node| node.has_tag_name("link-entity"));
        let nodes: Vec<_> = nodes.take(LINKS_MAX + 1).collect();
        if let Some(node) = nodes.get(LINKS_MAX) {
            return Err(self.wrong(*node, &format!("there are more than {LINKS_MAX} links; split the query")));
        }
        let given: Vec<&str> = nodes.iter().filter_map(|node| node.attribute("alias")).collect();
        let mut number = 0;
        for node in nodes {
            let definition = self.entity(node)?;
            let alias = node.attribute("alias").map_or_else(
                || loop {
                    number += 1;
                    let alias = format!("{}{number}", definition.logical_name);
                    if !given.contains(&alias.as_str()) {
                        break alias;
                    }
                },
                str::to_owned,
            );
            self.links.push(Named { node: node.id(), alias, definition });
        }
        Ok(())
    }

    fn fetch(mut self) -> Result<Query> {
        let root = self.document.root_element();
        if !root.has_tag_name("fetch") {
            let name = root.tag_name().name();
            return Err(self.wrong(root, &format!("the element `{name}` is no query; begin with `fetch`")));
        }
        let known = [
            "top",
            "count",
            "page",
            "paging-cookie",
            "returntotalrecordcount",
            "distinct",
            "aggregate",
            "mapping",
            "output-format",
        ];
        self.allow(root, &known, &FETCH_SAYS_NOTHING)?;
        for (name, only) in
            [("aggregate", "false"), ("mapping", "logical"), ("output-format", "xml-platform")]
        {
            if let Some(value) = root.attribute(name).filter(|value| *value != only) {
                return Err(self.wrong_attribute(
                    root,
                    name,
                    &format!("`{value}` is not supported; remove it"),
                ));
            }
        }
        let children = self.children(root, &["entity"])?;
        let [entity] = children.as_slice() else {
            return Err(self.wrong(root, "`fetch` must have one `entity`"));
        };
        self.allow(*entity, &["name"], &[])?;
        let definition = self.entity(*entity)?;
        let body = self.body(*entity, definition, 0)?;
        let mut query = Query::new(definition.logical_name.as_str());
        query.top = self.number(root, "top")?;
        query.page = self.page(root)?;
        query.count = self.flag(root, "returntotalrecordcount")?;
        query.distinct = self.flag(root, "distinct")?;
        query.columns = body.columns.unwrap_or(ColumnSet::All);
        query.filter = together(body.filters);
        query.links = body.links;
        query.orders = self.orders;
        Ok(query)
    }

    fn page(&self, root: Node<'x, 'x>) -> Result<Option<Page>> {
        let (size, number) = (self.number(root, "count")?, self.number(root, "page")?);
        let cookie = root.attribute("paging-cookie").filter(|cookie| !cookie.is_empty());
        if size.or(number).is_none() && cookie.is_none() {
            return Ok(None);
        }
        if number.is_some_and(|number| number != 1) && cookie.is_none() {
            let reason = "a page is found by what came before it; add the `paging-cookie` of the page before";
            return Err(self.wrong_attribute(root, "page", reason));
        }
        Ok(Some(Page { size: size.unwrap_or(RECORDS_MAX), cookie: cookie.map(str::to_owned) }))
    }

    fn body(&mut self, node: Node<'x, 'x>, definition: &'x EntityDefinition, depth: usize) -> Result<Body> {
        let mut body = Body::default();
        for child in
            self.children(node, &["attribute", "all-attributes", "order", "filter", "link-entity"])?
        {
            match child.tag_name().name() {
                "attribute" => {
                    self.allow(child, &["name"], &[])?;
                    let name = self.attribute_name(child, "name", definition)?.to_owned();
                    match body.columns.get_or_insert(ColumnSet::Named(Vec::new())) {
                        ColumnSet::Named(names) => names.push(name),
                        ColumnSet::All => {}
                    }
                }
                "all-attributes" => {
                    self.allow(child, &[], &[])?;
                    body.columns = Some(ColumnSet::All);
                }
                "order" => {
                    let order = self.order(child, definition)?;
                    self.orders.push(order);
                }
                "filter" => {
                    let filter = self.filter(child, definition, Some(&mut body.links), depth, 0)?;
                    body.filters.push(filter);
                }
                _ => body.links.push(self.link(child, depth + 1)?),
            }
        }
        Ok(body)
    }

    fn link(&mut self, node: Node<'x, 'x>, depth: usize) -> Result<Link> {
        if depth > LINKS_MAX {
            return Err(self.wrong(node, &format!("links nest more than {LINKS_MAX} deep")));
        }
        self.allow(node, &["name", "from", "to", "alias", "link-type"], &LINK_SAYS_NOTHING)?;
        let join = match node.attribute("link-type") {
            None | Some("inner") => Join::Inner,
            Some("outer") => Join::Outer,
            Some("exists" | "in" | "any") => Join::Exists,
            Some("not any") => Join::NotExists,
            Some(other) => {
                let reason =
                    format!("`{other}` is not supported; use inner, outer, exists, in, any or not any");
                return Err(self.wrong_attribute(node, "link-type", &reason));
            }
        };
        let named = self.links.iter().find(|link| link.node == node.id());
        let Some(Named { alias, definition, .. }) = named else {
            return Err(self.wrong(node, "a link must be in an `entity`, a `link-entity` or a `filter`"));
        };
        let (alias, definition) = (alias.clone(), *definition);
        let from = self.attribute_name(node, "from", definition)?.to_owned();
        let to = self.needed(node, "to")?.to_owned();
        let mut link =
            Link { join, ..Link::inner(definition.logical_name.as_str(), from, to, alias.as_str()) };
        // An order inside of a link is on the link, unless it says otherwise.
        let before = self.orders.len();
        let body = self.body(node, definition, depth)?;
        for order in self.orders.iter_mut().skip(before).filter(|order| order.link.is_none()) {
            order.link = Some(alias.clone());
        }
        link.columns = body.columns.unwrap_or(ColumnSet::Named(Vec::new()));
        link.filter = together(body.filters);
        link.links = body.links;
        Ok(link)
    }

    /// `links` takes those that are in the filter, as long as every group around them holds as a whole.
    fn filter(
        &mut self,
        node: Node<'x, 'x>,
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
                _ => match &mut links {
                    Some(links) if matches!(child.attribute("link-type"), Some("any" | "not any")) => {
                        links.push(self.link(child, link_depth + 1)?);
                    }
                    Some(_) => {
                        return Err(self.wrong(
                            child,
                            "in a filter a link is `any` or `not any`; move other links out of the filter",
                        ));
                    }
                    None => {
                        return Err(self.wrong(
                            child,
                            "a link cannot be an alternative; move it out of the `or` filter, or ask twice",
                        ));
                    }
                },
            }
        }
        Ok(if any { Filter::Any(parts) } else { Filter::All(parts) })
    }

    fn condition(&self, node: Node<'x, 'x>, definition: &'x EntityDefinition) -> Result<Filter> {
        self.allow(node, &["attribute", "operator", "value", "entityname"], &CONDITION_SAYS_NOTHING)?;
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
        let children = self.children(node, &["value"])?;
        let mut values = Vec::with_capacity(children.len().max(1));
        if let Some(text) = node.attribute("value") {
            let typed = value::parse(text, operand);
            values.push(typed.map_err(|reason| self.wrong_attribute(node, "value", &reason))?);
        }
        for child in children {
            self.allow(child, &[], &CONDITION_SAYS_NOTHING)?;
            if let Some(element) = child.children().find(Node::is_element) {
                return Err(self.unknown(element, &[]));
            }
            let typed = value::parse(child.text().unwrap_or_default(), operand);
            values.push(typed.map_err(|reason| self.wrong(child, &reason))?);
        }
        let arity = operator.arity();
        if !arity.accepts(values.len()) {
            let count = values.len();
            return Err(self.wrong(node, &format!("`{operator}` takes {arity}, not {count}")));
        }
        Ok(Filter::Condition { link, attribute: attribute.to_owned(), operator, values })
    }

    fn order(&self, node: Node<'x, 'x>, definition: &'x EntityDefinition) -> Result<Order> {
        self.allow(node, &["attribute", "descending", "entityname"], &[])?;
        let (link, definition) = self.named(node, definition)?;
        let attribute = self.attribute_name(node, "attribute", definition)?.to_owned();
        Ok(Order { link, attribute, descending: self.flag(node, "descending")? })
    }

    /// The link that `entityname` names, by its alias, and whose attributes are meant.
    fn named(
        &self,
        node: Node<'x, 'x>,
        definition: &'x EntityDefinition,
    ) -> Result<(Option<String>, &'x EntityDefinition)> {
        let Some(name) = node.attribute("entityname") else { return Ok((None, definition)) };
        match self.links.iter().find(|link| link.alias == name) {
            Some(link) => Ok((Some(name.to_owned()), link.definition)),
            None => Err(self.wrong_attribute(node, "entityname", &format!("no link has the alias `{name}`"))),
        }
    }

    fn entity(&self, node: Node<'x, 'x>) -> Result<&'x Arc<EntityDefinition>> {
        let name = self.needed(node, "name")?;
        self.schema.entity(name).map_err(|error| self.wrong_attribute(node, "name", error.message()))
    }

    /// The name of an attribute that `definition` has.
    fn attribute_name(
        &self,
        node: Node<'x, 'x>,
        name: &str,
        definition: &EntityDefinition,
    ) -> Result<&'x str> {
        let attribute = self.needed(node, name)?;
        definition
            .readable_type(attribute)
            .map_err(|error| self.wrong_attribute(node, name, error.message()))?;
        Ok(attribute)
    }

    fn needed(&self, node: Node<'x, 'x>, name: &str) -> Result<&'x str> {
        let element = node.tag_name().name();
        node.attribute(name)
            .ok_or_else(|| self.wrong(node, &format!("`{element}` needs the attribute `{name}`")))
    }

    fn number(&self, node: Node<'x, 'x>, name: &str) -> Result<Option<u32>> {
        let Some(text) = node.attribute(name) else { return Ok(None) };
        let number = text.trim().parse();
        number.map(Some).map_err(|_| self.wrong_attribute(node, name, &format!("`{text}` is not a number")))
    }

    fn flag(&self, node: Node<'x, 'x>, name: &str) -> Result<bool> {
        match node.attribute(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => {
                Err(self.wrong_attribute(node, name, &format!("`{other}` is neither `true` nor `false`")))
            }
        }
    }

    /// The elements in an element, which must be of these names.
    fn children(&self, node: Node<'x, 'x>, known: &[&str]) -> Result<Vec<Node<'x, 'x>>> {
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

    fn unknown(&self, node: Node<'x, 'x>, known: &[&str]) -> Error {
        let name = node.tag_name().name();
        let parent = node.parent_element().map_or("fetch", |parent| parent.tag_name().name());
        self.wrong(node, &format!("the element `{name}` is not supported in `{parent}`; {}", possible(known)))
    }

    /// An error unless every attribute is known, or known to say nothing.
    fn allow(&self, node: Node<'x, 'x>, known: &[&str], says_nothing: &[&str]) -> Result<()> {
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

    fn wrong(&self, node: Node<'x, 'x>, reason: &str) -> Error {
        self.wrong_at(node.range().start, reason)
    }

    fn wrong_attribute(&self, node: Node<'x, 'x>, name: &str, reason: &str) -> Error {
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

/// Filters side by side all hold.
fn together(mut filters: Vec<Filter>) -> Option<Filter> {
    if filters.len() > 1 { Some(Filter::All(filters)) } else { filters.pop() }
}

fn refusal(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the FetchXML {reason}"))
}
