//! Queries from FetchXML.
//!
//! What is understood is listed in the documentation of queries. Anything else is an error with its place: a part that was
//! passed over would make another query.

mod element;
mod filter;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use roxmltree::{Document, NodeId, ParsingOptions};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::check::LINKS_MAX;
use crate::model::query::{Filter, Join, Link, Order, Page, Query, RECORDS_MAX};
use crate::model::{ColumnSet, EntityDefinition, Schema};

/// Bytes of a text at most: room for the most conditions and values that a query may have.
pub const LENGTH_MAX: usize = 1 << 20;
/// Elements and texts at most, for the same reason.
const NODES_MAX: u32 = 100_000;

/// Attributes that say nothing about which records there are, as tools write them.
const FETCH_SAYS_NOTHING: [&str; 2] = ["version", "no-lock"];
const LINK_SAYS_NOTHING: [&str; 2] = ["intersect", "visible"];

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

type Node<'x> = roxmltree::Node<'x, 'x>;

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

    fn page(&self, root: Node<'x>) -> Result<Option<Page>> {
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

    fn body(&mut self, node: Node<'x>, definition: &'x EntityDefinition, depth: usize) -> Result<Body> {
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
                _ => body.links.push(self.link(child, definition, depth + 1)?),
            }
        }
        Ok(body)
    }

    /// `parent` is the entity that it is linked to.
    fn link(&mut self, node: Node<'x>, parent: &'x EntityDefinition, depth: usize) -> Result<Link> {
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
        let to = self.attribute_name(node, "to", parent)?.to_owned();
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
}

/// Filters side by side all hold.
fn together(mut filters: Vec<Filter>) -> Option<Filter> {
    if filters.len() > 1 { Some(Filter::All(filters)) } else { filters.pop() }
}

fn refusal(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("the FetchXML {reason}"))
}
