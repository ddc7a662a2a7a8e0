//! Queries, as the contract's types and this crate's. The contract has no recursive types: children are indexes.

use super::bindings::stagegate::plugin::types;
use super::convert::*;
use crate::query::{Filter, Join, LinkEntity, Order, Page, QueryExpression};

pub(super) fn query_out(query: QueryExpression) -> types::Query {
    let mut links = Vec::new();
    links_out(query.links, None, &mut links);
    types::Query {
        entity: query.entity,
        columns: columns_out(&query.columns),
        filter: filter_out(query.filter),
        links,
        orders: query.orders.into_iter().map(order_out).collect(),
        top: query.top,
        page: query.page.map(|page| types::Page { size: page.size, cookie: page.cookie }),
        distinct: query.distinct,
        count: query.count,
    }
}

pub(super) fn query_in(query: types::Query) -> QueryExpression {
    QueryExpression {
        entity: query.entity,
        columns: columns_in(query.columns),
        filter: filter_in(query.filter),
        links: links_in(query.links),
        orders: query.orders.into_iter().map(order_in).collect(),
        top: query.top,
        page: query.page.map(|page| Page { size: page.size, cookie: page.cookie }),
        distinct: query.distinct,
        count: query.count,
    }
}

fn order_out(order: Order) -> types::Order {
    types::Order { link: order.link, attribute: order.attribute, descending: order.descending }
}

fn order_in(order: types::Order) -> Order {
    Order { link: order.link, attribute: order.attribute, descending: order.descending }
}

/// Appends links, parents before children.
#[expect(clippy::cast_possible_truncation, reason = "a component of 32 bits has no list longer than that")]
fn links_out(links: Vec<LinkEntity>, parent: Option<u32>, flat: &mut Vec<types::Link>) {
    for link in links {
        let index = flat.len() as u32;
        flat.push(types::Link {
            parent,
            entity: link.entity,
            from: link.from,
            to: link.to,
            alias: link.alias,
            join: match link.join {
                Join::Inner => types::Join::Inner,
                Join::Outer => types::Join::Outer,
                Join::Exists => types::Join::Exists,
                Join::NotExists => types::Join::NotExists,
            },
            columns: columns_out(&link.columns),
            filter: filter_out(link.filter),
        });
        links_out(link.links, Some(index), flat);
    }
}

fn links_in(links: Vec<types::Link>) -> Vec<LinkEntity> {
    let mut flat: Vec<_> = links.into_iter().map(|link| (link.parent, link_in(link))).collect();
    let mut roots = Vec::new();
    // From the last one: a link is whole once all that come after it have found their parents.
    while let Some((parent, mut link)) = flat.pop() {
        link.links.reverse();
        match parent.and_then(|parent| flat.get_mut(parent as usize)) {
            Some((_, parent)) => parent.links.push(link),
            None => roots.push(link),
        }
    }
    roots.reverse();
    roots
}

fn link_in(link: types::Link) -> LinkEntity {
    LinkEntity {
        entity: link.entity,
        from: link.from,
        to: link.to,
        alias: link.alias,
        join: match link.join {
            types::Join::Inner => Join::Inner,
            types::Join::Outer => Join::Outer,
            types::Join::Exists => Join::Exists,
            types::Join::NotExists => Join::NotExists,
        },
        columns: columns_in(link.columns),
        filter: filter_in(link.filter),
        links: Vec::new(),
    }
}

fn filter_out(filter: Option<Filter>) -> Vec<types::FilterNode> {
    let mut nodes = Vec::new();
    if let Some(root) = filter {
        flatten(root, &mut nodes);
    }
    nodes
}

/// Appends a filter, parents before children, and answers its index.
#[expect(clippy::cast_possible_truncation, reason = "a component of 32 bits has no list longer than that")]
fn flatten(filter: Filter, nodes: &mut Vec<types::FilterNode>) -> u32 {
    use types::{Condition, FilterNode};

    let index = nodes.len();
    let (children, group): (_, fn(Vec<u32>) -> FilterNode) = match filter {
        Filter::Condition { link, attribute, operator, values } => {
            nodes.push(FilterNode::Condition(Condition {
                link,
                attribute,
                operator: operator.into_owned(),
                values: values.into_iter().map(value_out).collect(),
            }));
            return index as u32;
        }
        Filter::All(children) => (children, FilterNode::AllOf),
        Filter::Any(children) => (children, FilterNode::AnyOf),
    };
    // A placeholder, as the children's indexes are known only after it.
    nodes.push(FilterNode::AllOf(Vec::new()));
    let children = children.into_iter().map(|child| flatten(child, nodes)).collect();
    if let Some(node) = nodes.get_mut(index) {
        *node = group(children);
    }
    index as u32
}

fn filter_in(nodes: Vec<types::FilterNode>) -> Option<Filter> {
    let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
    unflatten(&mut nodes, 0)
}

/// Takes a node and its children out of the list, so that each is used once.
fn unflatten(nodes: &mut [Option<types::FilterNode>], index: usize) -> Option<Filter> {
    let node = nodes.get_mut(index)?.take()?;
    let mut children = |indexes: Vec<u32>| {
        indexes.into_iter().filter_map(|index| unflatten(nodes, index as usize)).collect()
    };
    match node {
        types::FilterNode::AllOf(indexes) => Some(Filter::All(children(indexes))),
        types::FilterNode::AnyOf(indexes) => Some(Filter::Any(children(indexes))),
        types::FilterNode::Condition(condition) => Some(Filter::Condition {
            link: condition.link,
            attribute: condition.attribute,
            operator: condition.operator.into(),
            values: condition.values.into_iter().map(value_in).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Link, Query, all_of, any_of, eq, is_null};
    use crate::record::Record;

    /// What a step on a RetrieveMultiple reads is what the caller wrote.
    #[test]
    fn a_query_comes_back_as_it_went() {
        let nested = all_of([eq("a", 1), any_of([is_null("b").of("two"), eq("c", "x")]), any_of([])]);
        let inner = Link::of("three", "f", "g").alias("two").outer().filter(eq("d", true));
        let link = Link::of("one", "h", "i").columns(["j"]).filter(nested.clone()).link(inner);
        let query = Query::of("account")
            .filter(nested)
            .link(link)
            .link(Link::of("four", "k", "l").not_exists())
            .order(Order::by("m").of("one").descending())
            .order_by("n")
            .page_after(7, "cookie")
            .distinct()
            .with_count();
        let expression: QueryExpression = query.into();
        assert_eq!(query_in(query_out(expression.clone())), expression);
        let plain: QueryExpression = Query::<Record>::of("account").top(3).into();
        assert_eq!(query_in(query_out(plain.clone())), plain);
    }
}
