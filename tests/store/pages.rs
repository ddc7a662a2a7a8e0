//! Pages: every record once and in order, whatever happens between two of them; and the cookies.

use std::sync::Arc;

use stagegate::model::error::ErrorKind;
use stagegate::model::{
    AttributeType, ColumnSet, Entity, EntityDefinition, Filter, Join, Link, Order, Query, Value,
};
use stagegate::store::Store;

use super::joins::business;
use super::queries::{ask, numbers};
use super::support::*;

/// Records with ties and nulls in every column.
async fn samples(database: &Database) -> Arc<dyn Store> {
    let store = database.with_samples().await;
    fill(&store).await;
    store
}

async fn fill(store: &Arc<dyn Store>) {
    let sample = definition(store, "sample");
    write(store, move |tx| async move {
        for number in 0..23_i32 {
            let or_null = |value: Value, null: bool| if null { Value::Null } else { value };
            let texts = ["a", "A", "b", "", "Z"];
            let text = texts[number.unsigned_abs() as usize % texts.len()];
            let target = reference(if number % 2 == 0 { "task" } else { "account" }, id(1));
            let record = attributes([
                ("integer", or_null(Value::Integer(number % 3), number % 4 == 0)),
                ("select", or_null(string(text), number % 7 == 0)),
                ("money", or_null(money(&format!("{}.5", number % 2)), number % 5 == 0)),
                ("double", or_null(Value::Double(0.1 * f64::from(number % 4)), number % 6 == 0)),
                ("order", or_null(target, number % 3 == 0)),
            ]);
            // Backwards, so that the order of insertion is not the order of the identifiers.
            tx.insert(&sample, id(100 - number as u128), &with_system(record)).await?;
        }
        Ok(())
    })
    .await;
}

/// The pages of a query, one after the other, each of `size`.
async fn all_pages(store: &Arc<dyn Store>, query: &Query, size: u32) -> Vec<Entity> {
    let mut records = Vec::new();
    let mut page = ask(store, query.clone().page(size)).await.expect("the first page");
    loop {
        assert_eq!(page.more_records, page.paging_cookie.is_some());
        assert!(page.entities.len() <= size as usize);
        records.append(&mut page.entities);
        let Some(cookie) = page.paging_cookie else { return records };
        assert_eq!(records.len() % size as usize, 0, "only the last page is short");
        page = ask(store, query.clone().page_after(size, cookie)).await.expect("the next page");
    }
}

async fn check(store: &Arc<dyn Store>, query: Query, count: usize) {
    let whole = ask(store, query.clone()).await.expect("the query runs").entities;
    assert_eq!(whole.len(), count, "{query:?}");
    for size in [1, 2, 5, 22, 23, 24] {
        assert_eq!(all_pages(store, &query, size).await, whole, "pages of {size}: {query:?}");
    }
}

pub(super) async fn pages_in_every_order_are_the_whole(database: Database) {
    let store = samples(&database).await;
    let columns = ["integer", "select", "money", "double", "order", "createdon", "sampleid"];
    let query = || Query::new("sample").select(["integer", "select"]);
    check(&store, query(), 23).await;
    for column in columns {
        check(&store, query().order_by(column), 23).await;
        check(&store, query().order_by_descending(column), 23).await;
    }
    let order = |attribute: &str, descending| Order { link: None, attribute: attribute.into(), descending };
    for directions in 0..8 {
        let query = query()
            .order(order("integer", directions & 1 > 0))
            .order(order("select", directions & 2 > 0))
            .order(order("money", directions & 4 > 0));
        check(&store, query, 23).await;
    }
    let filter = Filter::any([Filter::eq("integer", 1), Filter::null("select")]);
    check(&store, query().filter(filter).order_by("select"), 9).await;
}

pub(super) async fn pages_of_joins_and_distinct_queries_are_the_whole(database: Database) {
    let store = business(&database).await;
    let link = |join| Link { join, ..Link::inner("task", "accountid", "accountid", "t").select(["subject"]) };
    let subject = |descending| Order { link: Some("t".into()), attribute: "subject".into(), descending };
    let query = |join| Query::new("account").select(["name"]).link(link(join));
    for (join, count) in [(Join::Inner, 3), (Join::Outer, 4)] {
        check(&store, query(join), count).await;
        check(&store, query(join).order(subject(false)), count).await;
        check(&store, query(join).order(subject(true)).order_by("name"), count).await;
        check(&store, query(join).distinct(), count).await;
        check(&store, query(join).distinct().order(subject(true)), count).await;
    }
    let two = query(Join::Outer).link(Link::outer("task", "accountid", "accountid", "u"));
    check(&store, two, 6).await;
    fill(&store).await;
    check(&store, Query::new("sample").select(["integer"]).distinct().order_by_descending("integer"), 4)
        .await;
    check(&store, Query::new("sample").select(["order", "double"]).distinct(), 7).await;
}

pub(super) async fn records_that_come_and_go_neither_repeat_nor_hide_others(database: Database) {
    let store = database.with_samples().await;
    let account = |number: i32| attributes([("number", Value::Integer(number))]);
    for number in [10, 20, 30, 40] {
        insert(&store, "account", id(number as u128), account(number)).await;
    }
    let query = Query::new("account").select([] as [&str; 0]).order_by("number");
    let first = ask(&store, query.clone().page(2)).await.expect("the first page");
    assert_eq!(numbers(&first.entities), [10, 20]);
    // One before the next page, one in it; the last of the first page goes, and one of the next.
    insert(&store, "account", id(5), account(5)).await;
    insert(&store, "account", id(25), account(25)).await;
    let definition = definition(&store, "account");
    write(&store, move |tx| async move {
        tx.delete(&definition, id(20)).await?;
        tx.delete(&definition, id(30)).await
    })
    .await;
    let cookie = first.paging_cookie.expect("there is more");
    let next = ask(&store, query.page_after(2, cookie)).await.expect("the next page");
    assert_eq!(numbers(&next.entities), [25, 40]);
    assert!(!next.more_records);
}

pub(super) async fn more_records_is_exact(database: Database) {
    let store = samples(&database).await;
    for (size, more) in [(22, true), (23, false), (24, false)] {
        let page = ask(&store, Query::new("sample").page(size)).await.expect("a page");
        assert_eq!(page.more_records, more, "{size}");
    }
    let none = Query::new("sample").filter(Filter::eq("integer", 99)).page(1);
    let page = ask(&store, none).await.expect("a page");
    assert_eq!((page.entities.len(), page.more_records, page.paging_cookie), (0, false, None));
    assert_eq!(page.entity, "sample");
}

pub(super) async fn counts_are_over_all_pages(database: Database) {
    let store = business(&database).await;
    let link = |join| Link { join, ..Link::inner("task", "accountid", "accountid", "t") };
    let subjects = Link::inner("task", "accountid", "accountid", "t").select(["subject"]);
    let query = || Query::new("account").select(["name"]);
    for (query, count) in [
        (query(), 3),
        (query().filter(Filter::ne("name", "beta")), 2),
        (query().filter(Filter::eq("name", "nobody")), 0),
        (query().link(link(Join::Inner)), 3),
        (query().link(link(Join::Outer)), 4),
        (query().link(link(Join::Exists)), 2),
        (query().link(link(Join::Inner)).distinct(), 2),
        (Query::new("account").select([] as [&str; 0]).link(subjects).distinct(), 2),
    ] {
        let first = ask(&store, query.clone().count().page(1)).await.expect("a page");
        assert_eq!(first.total_record_count, Some(count), "{query:?}");
        if let Some(cookie) = first.paging_cookie {
            let next = ask(&store, query.clone().count().page_after(1, cookie)).await.expect("a page");
            assert_eq!(next.total_record_count, Some(count), "{query:?}");
        }
        let top = ask(&store, query.clone().count().top(1)).await.expect("records");
        assert_eq!(top.total_record_count, Some(count), "{query:?}");
        assert_eq!(ask(&store, query).await.expect("records").total_record_count, None);
    }
}

pub(super) async fn distinct_queries(database: Database) {
    let store = samples(&database).await;
    let texts = Query::new("sample").select(["select"]).distinct().order_by("select");
    let found = ask(&store, texts).await.expect("the query runs").entities;
    // Texts that differ in ASCII case alone are one, and no record has an identifier.
    let shown: Vec<String> =
        found.iter().map(|record| record.attributes["select"].to_string().to_lowercase()).collect();
    assert_eq!(shown, ["null", "\"\"", "\"a\"", "\"b\"", "\"z\""]);
    assert!(found.iter().all(|record| record.id.is_none()));
    let by_id = Query::new("sample").select(["sampleid", "integer"]).distinct();
    let found = ask(&store, by_id).await.expect("the query runs").entities;
    assert_eq!(found.len(), 23);
    assert_eq!(
        found[0].attributes["sampleid"],
        Value::UniqueIdentifier(found[0].id.expect("it is a column"))
    );
    for (query, expected) in [
        (Query::new("sample").select(["select"]).distinct().order_by("integer"), "not one of its columns"),
        (Query::new("sample").distinct().order_by("sampleid"), "not one of its columns"),
        (Query::new("sample").select([] as [&str; 0]).distinct(), "distinct over 0 columns"),
        (Query::new("sample").select(vec!["integer"; 101]).distinct(), "distinct over 101 columns"),
    ] {
        let error = expect_error(ask(&store, query).await, ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
    assert_eq!(ask(&store, Query::new("sample").distinct()).await.expect("it runs").entities.len(), 23);
}

pub(super) async fn a_cookie_belongs_to_its_query(database: Database) {
    let store = samples(&database).await;
    let query = || Query::new("sample").filter(Filter::gt("integer", 0)).order_by("select");
    let page = ask(&store, query().page(3)).await.expect("a page");
    let cookie = page.paging_cookie.expect("there is more");
    // The size of the page may change, and the count may be asked for.
    for same in [query().page_after(3, &cookie), query().page_after(1, &cookie).count()] {
        ask(&store, same).await.expect("the next page");
    }
    let mut edited = cookie.clone();
    edited.replace_range(50..51, if cookie[50..].starts_with('A') { "B" } else { "A" });
    let changed = "was changed or cut off";
    let other = "belongs to another query";
    for (query, expected) in [
        (query().page_after(3, edited), changed),
        (query().page_after(3, &cookie[..cookie.len() - 4]), changed),
        (query().page_after(3, format!("{cookie}AAAA")), changed),
        (query().page_after(3, ""), changed),
        (query().page_after(3, "<cookie page=\"1\"/>"), changed),
        (query().order_by("integer").page_after(3, &cookie), other),
        (query().filter(Filter::not_null("select")).page_after(3, &cookie), other),
        (query().select(["integer"]).page_after(3, &cookie), other),
        (
            Query::new("sample").filter(Filter::gt("integer", 1)).order_by("select").page_after(3, &cookie),
            other,
        ),
        (Query::new("account").page_after(3, &cookie), other),
    ] {
        let error = expect_error(ask(&store, query).await, ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
        assert!(error.message().contains("begin with the first page"), "{error}");
    }
    // It outlives the store that made it.
    store.close().await;
    let store = database.open();
    assert_eq!(ask(&store, query().page_after(3, cookie)).await.expect("the next page").entities.len(), 3);
}

pub(super) async fn pages_that_make_no_sense_are_refused(database: Database) {
    let store = database.with_samples().await;
    for (query, expected) in [
        (Query::new("account").page(0), "pages of 0 records"),
        (Query::new("account").page(5001), "pages of 5001 records; 1 to 5000"),
        (Query::new("account").page(5).top(5), "both a `top` and a page"),
    ] {
        let error = expect_error(ask(&store, query).await, ErrorKind::InvalidRequest);
        assert!(error.message().contains(expected), "{error}");
    }
}

/// What the limits allow, the database takes.
pub(super) async fn pages_at_the_limits(database: Database) {
    let store = database.open();
    let wide = |name: &str| {
        let attributes = (0..1000).map(|number| format!("a{number}"));
        attributes.fold(EntityDefinition::new(name), |wide, name| wide.with(name, AttributeType::Integer))
    };
    store.define(vec![wide("wide"), wide("other")].into()).await.expect("they are valid");
    for number in 1..=3_u32 {
        let record = (0..1000).filter(|attribute| (attribute + number) % 3 > 0);
        let record = record.map(|attribute| (format!("a{attribute}"), Value::Integer(7))).collect();
        insert(&store, "wide", id(u128::from(number)), record).await;
    }
    let names = || (0..100).map(|number| format!("a{number}"));
    let order = |query: Query, descending| {
        names().fold(query, |query, attribute| query.order(Order { link: None, attribute, descending }))
    };
    for descending in [false, true] {
        check(&store, order(Query::new("wide"), descending), 3).await;
        check(&store, order(Query::new("wide").select(names()).distinct(), descending), 3).await;
    }
    check(&store, Query::new("wide").select(names()).distinct(), 3).await;
    let mut link = Link::outer("other", "otherid", "wideid", "o");
    link.columns = ColumnSet::All;
    let error = expect_error(ask(&store, Query::new("wide").link(link)).await, ErrorKind::InvalidRequest);
    assert!(error.message().contains("reads 2011 columns; name fewer"), "{error}");
}
