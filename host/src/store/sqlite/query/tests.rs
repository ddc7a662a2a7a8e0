//! How SQLite goes about a query: that it uses the indexes there are, and sorts nothing that an index has in order.

use super::*;
use uuid::Uuid;

use crate::model::{AttributeType, EntityDefinition, Filter, Join, Link, Order};
use crate::store::sql::parameter::Kind;
use crate::store::sql::query::position::{Part, Position};
use crate::store::sqlite::{Options, definition, open};

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
    let folder = tempfile::tempdir().expect("a folder");
    let connection = open::writer(&Options::new(folder.path().join("plan.db"))).expect("it opens");
    definition::migrate(&connection, &Schema::default(), &schema).expect("the tables are made");
    // As one that a service adds.
    connection.execute_batch("CREATE INDEX by_name ON e_account (c_name, id)").expect("an index is made");
    let selection = Selection::of(DIALECT, &schema, query).expect("it is possible");
    let parts = selection.keys.iter().map(|key| match key.field.kind() {
        Kind::Id => Part::Id(Uuid::nil()),
        Kind::Text => Part::Text("x".into()),
        _ => Part::Integer(0),
    });
    let position = Position::of(DIALECT, &selection.keys, parts.collect());
    let position = position.expect("the keys can have it");
    let sql = selection.records(Some(&position)).expect("it is possible");
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).expect("it is SQL");
    let lines = statement.query_map(params_from_iter(&sql.parameters), |row| row.get::<_, String>(3));
    let lines: Vec<String> = lines.expect("it has a plan").map(|line| line.expect("a line")).collect();
    lines.join("\n")
}

/// The first line of the plan, and whether it sorts all of the rows.
#[track_caller]
fn check(query: &Query, first: &str, sorts: bool) {
    let plan = plan(query);
    assert!(plan.starts_with(first), "{plan}\n{query:?}");
    assert_eq!(plan.contains("USE TEMP B-TREE FOR ORDER BY"), sorts, "{plan}\n{query:?}");
}

const BY_ID: &str = "SEARCH q0 USING INDEX sqlite_autoindex_e_account_1 (id>?)";

#[test]
fn a_page_by_identifier_begins_in_the_index() {
    check(&Query::new("account"), BY_ID, false);
    check(&Query::new("account").order_by("accountid"), BY_ID, false);
    let filtered = Query::new("account").filter(Filter::eq("name", "a"));
    check(&filtered, "SEARCH q0 USING INDEX by_name (c_name=? AND id>?)", false);
    let descending = "SEARCH q0 USING INDEX sqlite_autoindex_e_account_1 (id<?)";
    check(&Query::new("account").order_by_descending("accountid"), descending, false);
}

#[test]
fn a_page_in_an_indexed_order_begins_in_the_index() {
    check(&Query::new("account").order_by("name"), "SEARCH q0 USING INDEX by_name (c_name>?)", false);
    // Nulls come last and are a second range, so the index gives the order and no beginning.
    check(&Query::new("account").order_by_descending("name"), "SCAN q0 USING INDEX by_name", false);
    check(&Query::new("account").order_by("createdon"), "SCAN q0", true);
}

#[test]
fn joins_use_the_indexes_of_lookups_and_identifiers() {
    let tasks = |join| Link { join, ..Link::inner("task", "accountid", "accountid", "t") };
    let customer = |join| Link { join, ..Link::inner("account", "accountid", "accountid", "a") };
    for join in [Join::Outer, Join::Exists, Join::NotExists] {
        check(&Query::new("account").link(tasks(join)), BY_ID, false);
    }
    for join in [Join::Inner, Join::Outer, Join::Exists, Join::NotExists] {
        let query = Query::new("task").link(customer(join));
        check(&query, "SEARCH q0 USING INDEX sqlite_autoindex_e_task_1 (id>?)", false);
    }
    // What is inside of an outer join is asked for and not built first.
    let inside = Query::new("task").link(customer(Join::Outer).link(tasks(Join::Inner)));
    check(&inside, "SEARCH q0 USING INDEX sqlite_autoindex_e_task_1 (id>?)", false);
    assert!(!plan(&inside).contains("MATERIALIZE"));
    let plan = plan(&Query::new("account").link(tasks(Join::Outer)));
    assert!(plan.contains("SEARCH q1 USING INDEX i_task_1 (c_accountid=?)"), "{plan}");
    let order = Order { link: Some("a".into()), attribute: "name".into(), descending: false };
    let by_name = Query::new("task").link(customer(Join::Inner)).order(order);
    // Without a limit it would walk that index in order. With one it takes the sorting of so few for cheaper.
    check(&by_name, "SCAN q0 USING INDEX i_task_1", true);
}
