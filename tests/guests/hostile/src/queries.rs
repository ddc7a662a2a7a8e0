//! Queries that cost the host more than they cost the plugin.

use std::fmt::Write as _;

use stagegate_sdk::__private::bindings::stagegate::plugin::organization_service::{fetch, retrieve_multiple};
use stagegate_sdk::__private::bindings::stagegate::plugin::types::{
    ColumnSet, Condition, FilterNode, Join, Link, Query, Value,
};
use stagegate_sdk::prelude::{Create, Record, Result, like, step};

use crate::boundary::passed_on;

fn of(entity: &str) -> Query {
    Query {
        entity: entity.to_owned(),
        columns: ColumnSet::All,
        filter: Vec::new(),
        links: Vec::new(),
        orders: Vec::new(),
        top: None,
        page: None,
        distinct: false,
        count: false,
    }
}

fn link(number: u32, parent: Option<u32>) -> Link {
    Link {
        parent,
        entity: "inner".to_owned(),
        from: "name".to_owned(),
        to: "name".to_owned(),
        alias: format!("a{number}"),
        join: Join::Inner,
        columns: ColumnSet::Named(Vec::new()),
        filter: Vec::new(),
    }
}

fn ask(query: &Query) -> Result {
    passed_on(retrieve_multiple(query)).map(drop)
}

/// Creates records with one name, and joins them with themselves until there are more rows than anybody can count.
#[step(PreOperation, entity = "probe")]
pub(crate) fn join_bomb(ctx: &mut Create<Record>) -> Result {
    ctx.org().create_multiple((0..40).map(|_| Record::new("inner").with("name", "same")))?;
    let mut query = of("inner");
    query.links = (0..8).map(|number| link(number, number.checked_sub(1))).collect();
    query.count = true;
    ask(&query)
}

/// A pattern with a wildcard at every place, on texts that almost match it.
#[step(PreOperation, entity = "probe")]
pub(crate) fn like_bomb(ctx: &mut Create<Record>) -> Result {
    let note = "a".repeat(1000);
    ctx.org().create_multiple((0..100).map(|_| Record::new("inner").with("note", note.as_str())))?;
    let pattern = format!("{}b", "%a_".repeat(150));
    ctx.org().retrieve_multiple(stagegate_sdk::Query::<Record>::of("inner").filter(like("note", pattern)))?;
    Ok(())
}

/// Links that each hang on the one before, tens of thousands of them.
#[step(PreOperation, entity = "probe")]
pub(crate) fn link_chain(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.links = (0..40_000).map(|number| link(number, number.checked_sub(1))).collect();
    ask(&query)
}

/// Thousands of links to the same entity.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_links(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.links = (0..10_000).map(|number| link(number, None)).collect();
    ask(&query)
}

/// A filter in a filter, tens of thousands deep.
#[step(PreOperation, entity = "probe")]
pub(crate) fn filter_chain(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.filter = (1..50_000).map(|child| FilterNode::AllOf(vec![child])).collect();
    query.filter.push(FilterNode::AllOf(Vec::new()));
    ask(&query)
}

/// A filter that contains itself.
#[step(PreOperation, entity = "probe")]
pub(crate) fn filter_cycle(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.filter = vec![FilterNode::AnyOf(vec![1]), FilterNode::AnyOf(vec![0])];
    ask(&query)
}

/// A filter whose every level contains the next one twice.
#[step(PreOperation, entity = "probe")]
pub(crate) fn filter_shared(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.filter = (1..31).map(|child| FilterNode::AllOf(vec![child, child])).collect();
    query.filter.push(FilterNode::AllOf(Vec::new()));
    ask(&query)
}

/// A condition with tens of thousands of values.
#[step(PreOperation, entity = "probe")]
pub(crate) fn thousands_of_values(_: &mut Create<Record>) -> Result {
    let mut query = of("inner");
    query.filter = vec![FilterNode::Condition(Condition {
        link: None,
        attribute: "amount".to_owned(),
        operator: "in".to_owned(),
        values: (0..100_000).map(Value::Integer).collect(),
    })];
    ask(&query)
}

/// FetchXML whose filters nest thousands deep.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fetch_xml_deep(_: &mut Create<Record>) -> Result {
    let (open, close) = ("<filter>".repeat(50_000), "</filter>".repeat(50_000));
    fetched(&format!("<fetch><entity name='inner'>{open}{close}</entity></fetch>"))
}

/// FetchXML whose links nest thousands deep.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fetch_xml_links(_: &mut Create<Record>) -> Result {
    let open = "<link-entity name='inner' from='name' to='name'>".repeat(15_000);
    let close = "</link-entity>".repeat(15_000);
    fetched(&format!("<fetch><entity name='inner'>{open}{close}</entity></fetch>"))
}

/// FetchXML with entities that each stand for ten of the one before.
#[step(PreOperation, entity = "probe")]
pub(crate) fn fetch_xml_entities(_: &mut Create<Record>) -> Result {
    let mut text = String::from("<!DOCTYPE fetch [<!ENTITY a0 'x'>");
    for number in 1..20 {
        write!(text, "<!ENTITY a{number} '{}'>", format!("&a{};", number - 1).repeat(10))?;
    }
    text.push_str("]><fetch><entity name='inner'><attribute name='&a19;'/></entity></fetch>");
    fetched(&text)
}

fn fetched(text: &str) -> Result {
    passed_on(fetch(text)).map(drop)
}
