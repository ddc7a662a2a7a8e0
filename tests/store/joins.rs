//! Joins: what they leave, what they return, and what is refused.

use std::sync::Arc;

use stagegate::model::error::ErrorKind;
use stagegate::model::{
    AttributeType, ColumnSet, EntityDefinition, Filter, Join, Link, Operator, Order, Query, Value,
};
use stagegate::store::Store;

use super::queries::ask;
use super::support::*;

/// Accounts 1 to 3 and tasks 11 to 14, two of them of account 1, one of account 2, one of none.
pub(super) async fn business(database: &Database) -> Arc<dyn Store> {
    let store = database.with_samples().await;
    for (number, name) in [(1, "Alpha"), (2, "beta"), (3, "Gamma")] {
        insert(&store, "account", id(number), attributes([("name", string(name))])).await;
    }
    for (number, subject, account) in [(11, "call", 1), (12, "mail", 1), (13, "call", 2), (14, "rest", 0)] {
        let account = if account == 0 { Value::Null } else { reference("account", id(account)) };
        let task = attributes([("subject", string(subject)), ("accountid", account)]);
        insert(&store, "task", id(number), task).await;
    }
    store
}

fn tasks(join: Join) -> Link {
    Link { join, ..Link::inner("task", "accountid", "accountid", "t") }
}

/// Each record as its number and the values of its attributes, one line each.
async fn check(store: &Arc<dyn Store>, query: Query, expected: &[&str]) {
    let found = ask(store, query.clone()).await.expect("the query runs");
    let lines: Vec<String> = found
        .entities
        .iter()
        .map(|record| {
            let mut line = record.id.map_or(0, |id| id.as_u128()).to_string();
            for value in record.attributes.values() {
                line.push_str(&format!(" {value}"));
            }
            line
        })
        .collect();
    assert_eq!(lines, expected, "{query:?}");
}

fn accounts() -> Query {
    Query::new("account").select([] as [&str; 0])
}

pub(super) async fn inner_and_outer_joins(database: Database) {
    let store = business(&database).await;
    let query = |link: Link| accounts().link(link.select(["subject"]));
    let call = || Filter::eq("subject", "CALL");
    check(&store, query(tasks(Join::Inner)), &["1 \"call\"", "1 \"mail\"", "2 \"call\""]).await;
    check(&store, query(tasks(Join::Outer)), &["1 \"call\"", "1 \"mail\"", "2 \"call\"", "3 null"]).await;
    // A link's filter says what is a match; for an outer join it takes no record away.
    check(&store, query(tasks(Join::Inner).filter(call())), &["1 \"call\"", "2 \"call\""]).await;
    check(&store, query(tasks(Join::Outer).filter(call())), &["1 \"call\"", "2 \"call\"", "3 null"]).await;
    let none = Filter::eq("subject", "nothing");
    check(&store, query(tasks(Join::Inner).filter(none.clone())), &[]).await;
    check(&store, query(tasks(Join::Outer).filter(none)), &["1 null", "2 null", "3 null"]).await;
    // From the other side, and several at once.
    let customer = || Link::outer("account", "accountid", "accountid", "a").select(["name"]);
    let query = Query::new("task").select(["subject"]).link(customer());
    let expected =
        ["11 \"Alpha\" \"call\"", "12 \"Alpha\" \"mail\"", "13 \"beta\" \"call\"", "14 null \"rest\""];
    check(&store, query.clone(), &expected).await;
    let again = Link::inner("account", "accountid", "accountid", "b").select(["name"]);
    let expected = [
        "11 \"Alpha\" \"Alpha\" \"call\"",
        "12 \"Alpha\" \"Alpha\" \"mail\"",
        "13 \"beta\" \"beta\" \"call\"",
    ];
    check(&store, query.link(again), &expected).await;
}

pub(super) async fn links_that_ask_whether_there_is_a_match(database: Database) {
    let store = business(&database).await;
    let mail = || Filter::eq("subject", "mail");
    check(&store, accounts().link(tasks(Join::Exists)), &["1", "2"]).await;
    check(&store, accounts().link(tasks(Join::NotExists)), &["3"]).await;
    check(&store, accounts().link(tasks(Join::Exists).filter(mail())), &["1"]).await;
    check(&store, accounts().link(tasks(Join::NotExists).filter(mail())), &["2", "3"]).await;
    let named = Filter::begins_with("name", "b");
    check(&store, accounts().filter(named).link(tasks(Join::NotExists).filter(mail())), &["2"]).await;
    let second = Link { alias: "u".into(), ..tasks(Join::NotExists) };
    check(&store, accounts().link(tasks(Join::Exists)).link(second.filter(mail())), &["2"]).await;
}

pub(super) async fn links_in_links(database: Database) {
    let store = business(&database).await;
    let siblings = |join| Link {
        join,
        ..Link::inner("task", "accountid", "accountid", "s").filter(Filter::eq("subject", "mail"))
    };
    let query = |link: Link| Query::new("task").select([] as [&str; 0]).link(link);
    let customer = |join| Link { join, ..Link::inner("account", "accountid", "accountid", "a") };
    let named = |join| customer(join).select(["name"]);
    // What takes records away inside of an outer join takes away its matches, and no record.
    let inside = named(Join::Outer).link(siblings(Join::Inner).select(["subject"]));
    let expected = ["11 \"Alpha\" \"mail\"", "12 \"Alpha\" \"mail\"", "13 null null", "14 null null"];
    check(&store, query(inside), &expected).await;
    let inside = named(Join::Outer).link(siblings(Join::Exists));
    check(&store, query(inside), &["11 \"Alpha\"", "12 \"Alpha\"", "13 null", "14 null"]).await;
    let inside = named(Join::Outer).link(siblings(Join::NotExists));
    check(&store, query(inside), &["11 null", "12 null", "13 \"beta\"", "14 null"]).await;
    let inside = named(Join::Inner).link(siblings(Join::Outer).select(["subject"]));
    let expected = ["11 \"Alpha\" \"mail\"", "12 \"Alpha\" \"mail\"", "13 \"beta\" null"];
    check(&store, query(inside), &expected).await;
    let inside = named(Join::Outer).link(siblings(Join::Outer).select(["subject"]));
    let expected = ["11 \"Alpha\" \"mail\"", "12 \"Alpha\" \"mail\"", "13 \"beta\" null", "14 null null"];
    check(&store, query(inside), &expected).await;
    check(&store, query(customer(Join::Exists).link(siblings(Join::Inner))), &["11", "12"]).await;
    check(&store, query(customer(Join::Exists).link(siblings(Join::NotExists))), &["13"]).await;
    check(&store, query(customer(Join::NotExists).link(siblings(Join::Exists))), &["13", "14"]).await;
    let deep = customer(Join::Outer).link(
        siblings(Join::Inner).link(
            Link::inner("account", "accountid", "accountid", "b")
                .select(["name"])
                .filter(Filter::not_null("name")),
        ),
    );
    check(&store, query(deep), &["11 \"Alpha\"", "12 \"Alpha\"", "13 null", "14 null"]).await;
}

/// Two records of different entities with the same identifier are two records.
pub(super) async fn lookups_to_several_entities_join_the_one_they_point_to(database: Database) {
    let store = business(&database).await;
    for (number, entity, target) in [(1, "account", 1), (2, "task", 1), (3, "task", 11), (4, "task", 2)] {
        let task = attributes([("regarding", reference(entity, id(target)))]);
        insert(&store, "task", id(number), task).await;
    }
    let link = |entity: &str| Link::inner(entity, format!("{entity}id"), "regarding", "r");
    let query = || Query::new("task").select([] as [&str; 0]);
    check(&store, query().link(link("account").select(["name"])), &["1 \"Alpha\""]).await;
    check(
        &store,
        query().link(link("task").select(["taskid"])),
        &[&format!("2 {}", id(1)), &format!("3 {}", id(11)), &format!("4 {}", id(2))],
    )
    .await;
    // From the entity that is pointed to, between two such lookups, and between one and a lookup with one target.
    let pointed = Link::exists("task", "regarding", "accountid", "t");
    check(&store, accounts().link(pointed), &["1"]).await;
    let same = Link::inner("task", "regarding", "regarding", "t").select(["taskid"]);
    let second = format!("2 {}", id(2));
    check(&store, query().filter(Filter::eq("taskid", id(2))).link(same), &[&second]).await;
    let owner = Link::exists("task", "accountid", "regarding", "t");
    check(&store, query().link(owner), &["1"]).await;
}

pub(super) async fn conditions_and_orders_on_links(database: Database) {
    let store = business(&database).await;
    let subject = |value: &str| Filter::eq("subject", value).on_link("t");
    let joined = |join| accounts().link(tasks(join));
    check(&store, joined(Join::Outer).filter(Filter::null("taskid").on_link("t")), &["3"]).await;
    check(&store, joined(Join::Outer).filter(subject("mail")), &["1"]).await;
    let either = Filter::any([subject("mail"), Filter::eq("name", "gamma")]);
    check(&store, joined(Join::Outer).filter(either), &["1", "3"]).await;
    let own = tasks(Join::Inner).filter(subject("mail"));
    check(&store, accounts().link(own), &["1"]).await;
    let order = |descending| Order { link: Some("t".into()), attribute: "subject".into(), descending };
    let query = |descending| accounts().link(tasks(Join::Outer).select(["subject"])).order(order(descending));
    check(&store, query(false), &["3 null", "1 \"call\"", "2 \"call\"", "1 \"mail\""]).await;
    check(&store, query(true), &["1 \"mail\"", "1 \"call\"", "2 \"call\"", "3 null"]).await;
    let both = accounts().link(tasks(Join::Inner)).order(order(false)).order_by_descending("name");
    check(&store, both, &["2", "1", "1"]).await;
}

pub(super) async fn joins_over_other_types(database: Database) {
    let store = business(&database).await;
    // Texts without regard to ASCII case, and null equals nothing.
    for (number, text) in [(1, string("ALPHA")), (2, Value::Null)] {
        insert(&store, "sample", id(number), attributes([("select", text)])).await;
    }
    let query = Query::new("sample").select([] as [&str; 0]);
    check(
        &store,
        query.link(Link::inner("account", "name", "select", "a").select(["name"])),
        &["1 \"Alpha\""],
    )
    .await;
    let precise = EntityDefinition::new("precise")
        .with("amount", AttributeType::Money { precision: 2 })
        .with("same", AttributeType::Money { precision: 4 });
    store.define(vec![precise].into()).await.expect("it is valid");
    insert(&store, "precise", id(1), attributes([("amount", money("1")), ("same", money("1"))])).await;
    insert(&store, "sample", id(3), attributes([("money", money("1"))])).await;
    let query = |from: &str| Query::new("sample").link(Link::exists("precise", from, "money", "p"));
    assert_eq!(ask(&store, query("same")).await.expect("the query runs").entities.len(), 1);
    let error = expect_error(ask(&store, query("amount")).await, ErrorKind::InvalidRequest);
    assert!(error.message().contains("must be of one type"), "{error}");
}

pub(super) async fn columns_of_links(database: Database) {
    let store = business(&database).await;
    let mut link = tasks(Join::Outer).filter(Filter::eq("subject", "mail"));
    link.columns = ColumnSet::All;
    let query = Query::new("account").select(["name"]).link(link);
    let found = ask(&store, query).await.expect("the query runs").entities;
    let names: Vec<&str> = found[0].attributes.keys().map(String::as_str).collect();
    let own = ["t.accountid", "t.regarding", "t.subject"];
    let system = ["t.createdby", "t.createdon", "t.modifiedby", "t.modifiedon", "t.versionnumber"];
    let mut expected = [&["name"], own.as_slice(), system.as_slice()].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(found[0].get("t.accountid"), Some(&reference("account", id(1))));
    assert_eq!(found[2].get("t.accountid"), Some(&Value::Null));
}

pub(super) async fn links_that_make_no_sense_are_refused(database: Database) {
    let store = database.with_samples().await;
    let t = || tasks(Join::Inner);
    let on = |alias: &str| Filter::null("subject").on_link(alias);
    let alias = |alias: &str| Link { alias: alias.into(), ..tasks(Join::Inner) };
    let order =
        |alias: &str| Order { link: Some(alias.into()), attribute: "subject".into(), descending: false };
    for (query, expected) in [
        (accounts().link(Link::inner("nothing", "a", "b", "t")), "`nothing` is not defined"),
        (accounts().link(Link::inner("task", "nothing", "accountid", "t")), "no attribute `nothing`"),
        (accounts().link(Link::inner("task", "accountid", "nothing", "t")), "no attribute `nothing`"),
        (accounts().link(t().select(["nothing"])), "no attribute `nothing`"),
        (accounts().link(t().filter(Filter::null("nothing"))), "no attribute `nothing`"),
        (accounts().link(t().filter(Filter::eq("subject", 7))), "needs a value of type string"),
        (accounts().link(t()).filter(Filter::null("nothing").on_link("t")), "no attribute `nothing`"),
        (accounts().link(t()).filter(on("u")), "the link `u`, which it does not have; did you mean `t`?"),
        (accounts().filter(on("t")), "the link `t`, which it does not have"),
        (accounts().link(t()).order(order("u")), "the link `u`, which it does not have"),
        (accounts().link(t()).link(t()), "an alias that is there already"),
        (accounts().link(t().link(Link::outer("account", "accountid", "accountid", "t"))), "there already"),
        (accounts().link(alias("")), "needs an alias"),
        (accounts().link(alias("a.b")), "needs an alias"),
        (accounts().link(alias("a; --")), "needs an alias"),
        (accounts().link(tasks(Join::Exists).select(["subject"])), "has no columns"),
        (accounts().link(tasks(Join::Exists).link(alias("u").select(["subject"]))), "has no columns"),
        (accounts().link(tasks(Join::Exists)).filter(on("t")), "only asks whether there is a match"),
        (accounts().link(tasks(Join::NotExists)).order(order("t")), "only asks whether there is a match"),
        (accounts().link(t()).link(alias("u").filter(on("t"))), "a link's filter is on its own attributes"),
        (accounts().link(Link::inner("task", "subject", "accountid", "t")), "must be of one type"),
        (
            Query::new("task").link(Link::inner("task", "taskid", "accountid", "t")),
            "compares `taskid`, which is of task, with `accountid`, which is of account",
        ),
        (accounts().link(Link::inner("task", "regarding", "createdon", "t")), "must be of one type"),
        (
            accounts().link(Link::inner("task", "taskid", "createdby", "t")),
            "with `createdby`, which is of systemuser",
        ),
    ] {
        let error = expect_error(ask(&store, query.clone()).await, ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}\n{query:?}");
    }
}

/// What the limits allow, the database takes; one more is refused.
pub(super) async fn the_most_links(database: Database) {
    let store = business(&database).await;
    let link = |number: usize| {
        let join = if number.is_multiple_of(2) { Join::Outer } else { Join::Inner };
        Link { alias: format!("l{number}"), join, ..Link::inner("account", "accountid", "accountid", "") }
    };
    let beside = |count: usize| Query { links: (0..count).map(link).collect(), ..accounts() };
    let inside = |count: usize| {
        let chain = (1..count).rev().fold(link(0), |inner, number| link(number).link(inner));
        accounts().link(chain)
    };
    let all = |count: usize, outermost: Join, join: Join| {
        let link = |number: usize| Link { join: if number == 0 { outermost } else { join }, ..link(number) };
        let many = Filter::one_of("accountid", (1..=10_000 / count as u128).map(id));
        let last = Link { filter: Some(many), ..link(count - 1) };
        accounts().link((0..count - 1).rev().fold(last, |inner, number| link(number).link(inner)))
    };
    let asked = (0..15).map(|number| Link { join: Join::Exists, ..link(number) }).collect();
    for query in [
        beside(15),
        inside(15),
        all(15, Join::Outer, Join::Inner),
        all(15, Join::Inner, Join::Inner),
        all(15, Join::Exists, Join::Inner),
        all(15, Join::Exists, Join::Exists),
        Query { links: asked, ..accounts() },
    ] {
        check(&store, query, &["1", "2", "3"]).await;
    }
    for query in [beside(16), inside(16)] {
        let error = expect_error(ask(&store, query).await, ErrorKind::InvalidRequest);
        assert!(error.message().contains("15 is the most"), "{error}");
    }
    let conditions = Filter::all((0..500).map(|_| Filter::test("name", Operator::NotNull, []).on_link("l0")));
    check(&store, beside(15).filter(conditions.clone()), &["1", "2", "3"]).await;
    let more = Link { filter: Some(conditions), ..link(0) };
    expect_error(
        ask(&store, accounts().filter(Filter::null("name")).link(more)).await,
        ErrorKind::InvalidRequest,
    );
}
