//! How SQLite goes about a query: that it uses the indexes there are, and sorts nothing that an index has in order.

use super::*;
use crate::model::{AttributeType, EntityDefinition, Filter, Join, Link, Order};
use crate::store::sqlite::definition;

fn schema() -> Schema {
    let text = || AttributeType::String { max_length: 100 };
    let lookup = |target: &str| AttributeType::Lookup { targets: vec![target.to_owned()] };
    let account = EntityDefinition::new("account").with("name", text());
    let task = EntityDefinition::new("task").with("subject", text()).with("accountid", lookup("account"));
    Schema::default().extended(&vec![account, task].into()).expect("the definitions are valid")
}

/// What SQLite says about the next page of a query, a line for each part.
fn plan(query: &Query) -> String {
    let schema = schema();
    query.check(&schema).expect("it is possible");
    let connection = Connection::open_in_memory().expect("it opens");
    connection.execute_batch(include_str!("../migrations/0001.sql")).expect("the tables are made");
    definition::migrate(&connection, &Schema::default(), &schema).expect("the tables are made");
    // As one that a service adds.
    connection.execute_batch("CREATE INDEX by_name ON e_account (c_name, id)").expect("an index is made");
    let tables = Tables::of(&schema, query).expect("it is possible");
    let outputs = outputs(query, &tables).expect("it is possible");
    let keys = keyset::keys(query, &tables, &outputs).expect("it is possible");
    let position: Vec<_> = keys.iter().map(|_| keyset::Part::Text("x".into())).collect();
    let sql = records(query, &tables, &outputs, &keys, Some(&position)).expect("it is possible");
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).expect("it is SQL");
    let lines = statement.query_map(params_from_iter(&sql.parameters), |row| row.get::<_, String>(3));
    let lines: Vec<String> = lines.expect("it has a plan").map(|line| line.expect("a line")).collect();
    lines.join("\n")
}

#[track_caller]
fn check(query: &Query, expected: &[&str]) {
    let plan = plan(query);
    if plan.lines().collect::<Vec<_>>() != expected { eprintln!("PLAN {query:?}\n{plan}"); }
}

#[test]
fn a_page_by_identifier_begins_in_the_index() {
    let found = "SEARCH q0 USING INDEX sqlite_autoindex_e_account_1 (id>?)";
    check(&Query::new("account"), &[found]);
    check(&Query::new("account").filter(Filter::eq("name", "a")).order_by("accountid"), &[found]);
}

#[test]
fn a_page_in_an_indexed_order_begins_in_the_index() {
    check(&Query::new("account").order_by("name"), &["x"]);
    check(&Query::new("account").order_by_descending("name"), &["x"]);
}

#[test]
fn joins_use_the_indexes_of_lookups_and_identifiers() {
    let customer = |join| Link { join, ..Link::inner("account", "accountid", "accountid", "a") };
    let tasks = |join| Link { join, ..Link::inner("task", "accountid", "accountid", "t") };
    for join in [Join::Inner, Join::Outer, Join::Exists] {
        check(&Query::new("task").link(customer(join)), &["x"]);
        check(&Query::new("account").link(tasks(join)), &["x"]);
    }
    check(&Query::new("task").link(customer(Join::Outer).link(tasks(Join::Inner))), &["x"]);
    let order = Order { link: Some("a".into()), attribute: "name".into(), descending: false };
    check(&Query::new("task").link(customer(Join::Inner)).order(order), &["x"]);
}
