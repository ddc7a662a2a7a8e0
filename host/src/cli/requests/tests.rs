//! Requests of every message as files write them, and what is wrong with others.

use std::sync::Arc;

use super::{RawRequest, Reader, Source, object};
use crate::cli::label::Id;
use crate::model::request::parameter;
use crate::model::{
    AttributeType, Binding, ColumnSet, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, Filter, Join, Link, MessageDefinition, Operator, Order, Page, Parameter, ParameterType,
    Query, Request, Schema, Value,
};

fn schema() -> Schema {
    let account = EntityDefinition::new("account")
        .with("name", AttributeType::String { max_length: 100 })
        .with("number", AttributeType::String { max_length: 20 })
        .with("total", AttributeType::Money { precision: 2 })
        .with_key("by_number", ["number"]);
    let contact = EntityDefinition::new("contact")
        .with("name", AttributeType::String { max_length: 100 })
        .with("parent", AttributeType::Lookup { targets: vec!["account".into()] });
    let score = MessageDefinition::new("sg_Score")
        .bound(Binding::Entity("account".into()))
        .parameter("weight", ParameterType::Float)
        .optional_parameter("labels", ParameterType::StringArray)
        .optional_parameter("more", ParameterType::EntityCollection)
        .optional_parameter("of", ParameterType::EntityReference);
    let definitions =
        Definitions { entities: vec![account, contact], relationships: vec![], messages: vec![score] };
    Schema::default().extended(&definitions).unwrap()
}

fn read(text: &str) -> Result<Request, String> {
    let source = Source { name: "requests.json".into(), text: text.into() };
    let schema = schema();
    let reader = Reader { source: &source, schema: &schema };
    let raw: RawRequest<'_> = object(&source, &source.text, "").map_err(|failure| failure.to_string())?;
    reader.request(&raw, None, "request").map_err(|failure| failure.to_string())
}

#[track_caller]
fn check(text: &str, expected: Request) {
    assert_eq!(read(text), Ok(expected), "{text}");
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let error = read(text).unwrap_err();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

fn acme() -> EntityReference {
    EntityReference::new("account", Id::parse("$acme").unwrap().0)
}

fn account() -> Entity {
    Entity::new("account").with_id(acme().id)
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}

const ACME: &str = r#"{"entity": "account", "id": "$acme"}"#;

#[test]
fn records_are_written_by_their_attributes_and_named_by_identifier_or_key() {
    check(
        r#"{"message": "Create", "target": {"entity": "account", "attributes": {"name": "Acme"}}}"#,
        Request::create(Entity::new("account").with("name", string("Acme"))),
    );
    check(
        r#"{"message": "Update", "target": {"entity": "account", "id": "$acme"}, "row_version": 3}"#,
        Request::update(account()).if_row_version(3),
    );
    let keyed = || Entity::new("account").with_key("number", string("A-1"));
    check(
        r#"{"message": "Update", "target": {"entity": "account", "key": {"number": "A-1"}}}"#,
        Request::update(keyed()),
    );
    check(
        r#"{"message": "Upsert", "target": {"entity": "account", "key": {"number": "A-1"}}}"#,
        Request::upsert(keyed()),
    );
    check(&format!(r#"{{"message": "Delete", "target": {ACME}}}"#), Request::delete(acme()));
    check(
        r#"{"message": "Delete", "target": {"entity": "account", "key": {"number": "A-1"}}}"#,
        Request::new("Delete", Default::default()).with("Target", keyed()),
    );
    check(
        &format!(r#"{{"message": "Retrieve", "target": {ACME}, "columns": ["name"]}}"#),
        Request::retrieve(acme(), ColumnSet::named(["name"])),
    );
    check(
        &format!(r#"{{"message": "Retrieve", "target": {ACME}, "user": "$ada"}}"#),
        Request::retrieve(acme(), ColumnSet::All).as_user(Id::parse("$ada").unwrap().0),
    );
}

#[test]
fn messages_about_relations_owners_and_states_have_keys_of_their_own() {
    let related = || vec![EntityReference::new("contact", Id::parse("$ann").unwrap().0)];
    let text = |message: &str| {
        format!(
            r#"{{"message": "{message}", "target": {ACME}, "relationship": "r",
                "related": [{{"entity": "contact", "id": "$ann"}}]}}"#
        )
    };
    check(&text("Associate"), Request::associate(acme(), "r", related()));
    check(&text("Disassociate"), Request::disassociate(acme(), "r", related()));
    let ada = EntityReference::new("systemuser", Id::parse("$ada").unwrap().0);
    check(
        &format!(
            r#"{{"message": "Assign", "target": {ACME}, "assignee": {{"entity": "systemuser", "id": "$ada"}}}}"#
        ),
        Request::assign(acme(), ada),
    );
    check(
        &format!(r#"{{"message": "SetState", "target": {ACME}, "state": 1}}"#),
        Request::set_state(acme(), 1, None),
    );
    check(
        &format!(r#"{{"message": "SetState", "target": {ACME}, "state": 1, "status": 3}}"#),
        Request::set_state(acme(), 1, Some(3)),
    );
}

#[test]
fn several_records_and_requests_are_lists() {
    let records = || EntityCollection::new("account", vec![account()]);
    let text = |message: &str| format!(r#"{{"message": "{message}", "targets": [{ACME}]}}"#);
    check(&text("CreateMultiple"), Request::create_multiple(records()));
    check(&text("UpdateMultiple"), Request::update_multiple(records()));
    check(&text("UpsertMultiple"), Request::upsert_multiple(records()));
    check(&text("DeleteMultiple"), Request::delete_multiple(vec![acme()]));
    let requests = format!(r#""requests": [{{"message": "Delete", "target": {ACME}}}]"#);
    check(
        &format!(r#"{{"message": "ExecuteTransaction", {requests}}}"#),
        Request::execute_transaction(vec![Request::delete(acme())]),
    );
    check(
        &format!(r#"{{"message": "ExecuteMultiple", {requests}, "continue_on_error": false}}"#),
        Request::execute_multiple(vec![Request::delete(acme())])
            .with(parameter::CONTINUE_ON_ERROR, Value::Boolean(false)),
    );
}

#[test]
fn parameters_without_a_key_are_written_by_their_names() {
    let score = || Request::new("sg_Score", Default::default()).with("Target", acme());
    check(
        &format!(r#"{{"message": "sg_Score", "target": {ACME}, "parameters": {{"weight": 2}}}}"#),
        score().with("weight", Value::Double(2.0)),
    );
    check(
        &format!(
            r#"{{"message": "sg_Score", "target": {ACME}, "tag": "x",
                "parameters": {{"labels": ["a"], "more": [{ACME}], "of": {ACME}}}}}"#
        ),
        score()
            .with("labels", Parameter::Strings(vec!["a".into()]))
            .with("more", EntityCollection::new("account", vec![account()]))
            .with("of", acme())
            .tag("x"),
    );
    check(
        &format!(
            r#"{{"message": "Delete", "target": {ACME},
                "parameters": {{"ConcurrencyBehavior": 1, "BypassCustomPluginExecution": true}}}}"#
        ),
        Request::delete(acme())
            .with(parameter::CONCURRENCY_BEHAVIOR, Value::Choice(1))
            .with(parameter::BYPASS_PLUGINS, Value::Boolean(true)),
    );
}

#[test]
fn queries_have_joins_pages_and_values_typed_by_their_operators() {
    let link = Link {
        entity: "account".into(),
        from: "accountid".into(),
        to: "parent".into(),
        alias: "a".into(),
        join: Join::Outer,
        columns: ColumnSet::named(["name"]),
        filter: Some(Filter::condition("total", Operator::Gt, Value::Money(5.into()))),
        links: vec![],
    };
    let on_link = Filter::Condition {
        link: Some("a".into()),
        attribute: "createdon".into(),
        operator: Operator::LastXDays,
        values: vec![Value::Integer(7)],
    };
    let query = Query {
        columns: ColumnSet::named(["name"]),
        filter: Some(on_link),
        orders: vec![Order { link: Some("a".into()), attribute: "name".into(), descending: true }],
        page: Some(Page { size: 2, cookie: None }),
        distinct: true,
        count: true,
        links: vec![link],
        ..Query::new("contact")
    };
    check(
        r#"{"message": "RetrieveMultiple", "query": {
            "entity": "contact", "columns": ["name"], "page": {"size": 2}, "distinct": true, "count": true,
            "links": [{"entity": "account", "from": "accountid", "to": "parent", "alias": "a", "join": "outer",
                "columns": ["name"], "filter": {"attribute": "total", "operator": "gt", "value": 5}}],
            "filter": {"link": "a", "attribute": "createdon", "operator": "last-x-days", "value": 7},
            "orders": [{"link": "a", "attribute": "name", "descending": true}]}}"#,
        Request::retrieve_multiple(query),
    );
    let fetched =
        read(r#"{"message": "RetrieveMultiple", "fetch": "<fetch><entity name='account'/></fetch>"}"#);
    let fetched = fetched.unwrap().parameters.remove(parameter::QUERY);
    assert!(matches!(fetched, Some(Parameter::Query(query)) if Arc::clone(&query).entity == "account"));
}

#[test]
fn what_is_missing_or_too_much_is_named_with_the_way_out() {
    refused(r#"{"message": "Create"}"#, &["request.message", "Create needs a target: add \"target\""]);
    refused(r#"{"message": "Assign", "target": {"entity": "account", "id": "$a"}}"#, &["needs an assignee"]);
    refused(r#"{"message": "ExecuteMultiple"}"#, &["ExecuteMultiple needs requests"]);
    refused(
        r#"{"message": "Delete", "target": {"entity": "account"}}"#,
        &["request.target", "Delete needs the record", "\"key\""],
    );
    refused(
        r#"{"message": "Delete", "target": {"entity": "account", "id": "$a", "attributes": {"name": "x"}}}"#,
        &["request.target.attributes.name", "takes no attributes"],
    );
    refused(
        &format!(r#"{{"message": "Create", "target": {ACME}, "row_version": 1}}"#),
        &["request.row_version", "Create has no `row_version`; remove it"],
    );
    refused(r#"{"message": "Creat"}"#, &["`Creat` is not known", "Create", "sg_Score", "`messages`"]);
    refused(
        r#"{"message": "RetrieveMultiple", "query": {"entity": "account"}, "fetch": "<fetch><entity name='account'/></fetch>"}"#,
        &["request.query", "as \"query\" or as \"fetch\""],
    );
    refused(r#"{"message": "RetrieveMultiple", "fetch": "<fetch/>"}"#, &["request.fetch"]);
    refused(
        r#"{"message": "ExecuteMultiple", "requests": [{"message": "Creat"}]}"#,
        &["request.requests[0].message"],
    );
}

#[test]
fn parameters_that_do_not_fit_are_named() {
    let with = |parameters: &str| {
        format!(r#"{{"message": "sg_Score", "target": {ACME}, "parameters": {parameters}}}"#)
    };
    refused(&with(r#"{"weight": "x"}"#), &["request.parameters.weight", "expected double", "\"x\""]);
    refused(&with(r#"{"wight": 1}"#), &["request.parameters.wight", "takes no `wight` here", "weight"]);
    refused(&with(r#"{"RowVersion": 1}"#), &["write it beside `parameters`, as `row_version`"]);
    refused(&with(r#"{"tag": 1}"#), &["write it beside `parameters`, as `tag`"]);
    refused(&with(r#"{"BypassCustomPluginExecution": 1}"#), &["expected boolean", "found 1"]);
}

#[test]
fn queries_that_make_no_sense_are_refused_where_they_are_wrong() {
    let query = |rest: &str| {
        format!(r#"{{"message": "RetrieveMultiple", "query": {{"entity": "contact", {rest}}}}}"#)
    };
    let link = r#"{"entity": "account", "from": "accountid", "to": "parent", "alias": "a"}"#;
    refused(
        &query(r#""filter": {"link": "b", "attribute": "name", "operator": "null"}"#),
        &["query.filter", "no join with the alias `b`"],
    );
    refused(&query(&format!(r#""links": [{link}, {link}]"#)), &["query.links[1]", "the alias `a`"]);
    refused(
        &query(r#""links": [{"entity": "account", "from": "accountid", "to": "up", "alias": "a"}]"#),
        &["query.links[0].to", "`up`"],
    );
    refused(&query(r#""orders": [{"attribute": "nam"}]"#), &["query.orders[0]", "did you mean `name`"]);
    refused(
        &query(r#""filter": {"attribute": "name", "operator": "between", "values": ["a"]}"#),
        &["query.filter.operator", "`between` takes"],
    );
    refused(
        &query(r#""filter": {"attribute": "name", "operator": "today"}"#),
        &["query.filter.operator", "`today` is not possible", "string"],
    );
    refused(&query(r#""filter": {"any": [{"all": [{}]}]}"#), &["query.filter.any[0].all[0]", "a filter is"]);
}
