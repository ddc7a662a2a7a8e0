//! Every operator with nulls, orders and their ties, the limit. Each filter is judged in memory too: both must agree.

use std::sync::Arc;

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::query::RECORDS_MAX;
use stagegate::model::{ColumnSet, Entity, EntityCollection, Filter, Operator, Order, Query, Value};
use stagegate::store::{Access, Store};
use uuid::Uuid;

use super::support::*;

/// The moment and the user of relative conditions: a Wednesday.
pub(super) const NOW: &str = "2026-11-25T13:30:00Z";
pub(super) const USER: u128 = 7;

pub(super) async fn ask(store: &Arc<dyn Store>, query: Query) -> Result<EntityCollection, Error> {
    let schema = store.schema();
    let query = query.resolved(NOW.parse().expect("a moment"), id(USER));
    attempt(store, begin(Access::Read, "a query"), move |tx| async move { tx.query(&schema, &query).await })
        .await
}

async fn run(store: &Arc<dyn Store>, query: Query) -> Result<Vec<Entity>, Error> {
    Ok(ask(store, query).await?.entities)
}

/// The low bits of the identifiers of the records that a filter selects, in order.
async fn select(store: &Arc<dyn Store>, entity: &str, filter: Filter) -> Vec<u128> {
    let query = Query::new(entity).select([] as [&str; 0]).filter(filter.clone());
    let found = numbers(&run(store, query).await.expect("the query runs"));
    let everything = run(store, Query::new(entity)).await.expect("the query runs");
    let resolved = filter.resolved(NOW.parse().expect("a moment"), id(USER));
    let judged: Vec<Entity> = everything
        .into_iter()
        .filter(|record| {
            let identifier = record.id.map(Value::UniqueIdentifier);
            let primary_id = format!("{entity}id");
            resolved.matches(&|name| if name == primary_id { identifier.as_ref() } else { record.get(name) })
        })
        .collect();
    assert_eq!(numbers(&judged), found, "in memory: {resolved:?}");
    found
}

pub(super) fn numbers(records: &[Entity]) -> Vec<u128> {
    records.iter().map(|record| record.id.map_or(0, |id: Uuid| id.as_u128())).collect()
}

fn condition(attribute: &str, operator: Operator, values: Vec<Value>) -> Filter {
    Filter::Condition { link: None, attribute: attribute.into(), operator, values }
}

/// Inserts the values of one attribute as records 1, 2, 3, ...
async fn fill<const N: usize>(store: &Arc<dyn Store>, attribute: &str, values: [Value; N]) {
    for (number, value) in values.into_iter().enumerate() {
        insert(store, "sample", id(number as u128 + 1), attributes([(attribute, value)])).await;
    }
}

async fn check(store: &Arc<dyn Store>, attribute: &str, expected: &[(Operator, Vec<Value>, &[u128])]) {
    for (operator, values, found) in expected {
        let filter = condition(attribute, *operator, values.clone());
        assert_eq!(&select(store, "sample", filter).await, found, "{attribute} {operator} {values:?}");
    }
}

pub(super) async fn operators_on_numbers(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let number = Value::Integer;
    fill(&store, "integer", [number(-5), number(0), number(7), Value::Null, number(7)]).await;
    check(
        &store,
        "integer",
        &[
            (Eq, vec![number(7)], &[3, 5]),
            (Ne, vec![number(7)], &[1, 2, 4]),
            (Gt, vec![number(0)], &[3, 5]),
            (Ge, vec![number(0)], &[2, 3, 5]),
            (Lt, vec![number(0)], &[1]),
            (Le, vec![number(0)], &[1, 2]),
            (Between, vec![number(0), number(7)], &[2, 3, 5]),
            (Between, vec![number(7), number(0)], &[]),
            (NotBetween, vec![number(0), number(6)], &[1, 3, 4, 5]),
            (In, vec![number(0), number(-5), number(99)], &[1, 2]),
            (In, vec![], &[]),
            (NotIn, vec![number(0), number(-5)], &[3, 4, 5]),
            (NotIn, vec![], &[1, 2, 3, 4, 5]),
            (Null, vec![], &[4]),
            (NotNull, vec![], &[1, 2, 3, 5]),
        ],
    )
    .await;
}

pub(super) async fn operators_on_strings_ignore_ascii_case(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let texts = ["Apple", "apple", "BANANA", "Äpfel", "äpfel", "50%_a\\b"].map(string);
    let [a, b, c, d, e, f] = texts;
    fill(&store, "select", [a, b, c, d, e, f, Value::Null]).await;
    check(
        &store,
        "select",
        &[
            (Eq, vec![string("APPLE")], &[1, 2]),
            (Eq, vec![string("ÄPFEL")], &[4]),
            (Ne, vec![string("aPPLE")], &[3, 4, 5, 6, 7]),
            (Gt, vec![string("APPLE")], &[3, 4, 5]),
            (Ge, vec![string("APPLE")], &[1, 2, 3, 4, 5]),
            (Lt, vec![string("Banana")], &[1, 2, 6]),
            (Le, vec![string("Banana")], &[1, 2, 3, 6]),
            (In, vec![string("banana"), string("x")], &[3]),
            (NotIn, vec![string("banana"), string("x")], &[1, 2, 4, 5, 6, 7]),
            (Like, vec![string("%AN%")], &[3]),
            (Like, vec![string("_pple")], &[1, 2]),
            (Like, vec![string("_pfel")], &[4, 5]),
            (Like, vec![string("%\\b")], &[6]),
            (Like, vec![string("apple%%%")], &[1, 2]),
            (NotLike, vec![string("%p%")], &[3, 6, 7]),
            (BeginsWith, vec![string("AP")], &[1, 2]),
            (BeginsWith, vec![string("50%_A\\")], &[6]),
            (BeginsWith, vec![string("5%")], &[]),
            (BeginsWith, vec![string("_")], &[]),
            (BeginsWith, vec![string("")], &[1, 2, 3, 4, 5, 6]),
            (NotBeginWith, vec![string("AP")], &[3, 4, 5, 6, 7]),
            (EndsWith, vec![string("FEL")], &[4, 5]),
            (EndsWith, vec![string("_A\\b")], &[6]),
            (EndsWith, vec![string("%")], &[]),
            (NotEndWith, vec![string("e")], &[3, 4, 5, 6, 7]),
            (Between, vec![string("apple"), string("BANANA")], &[1, 2, 3]),
            (Like, vec![string("")], &[]),
            (Like, vec![string("%P%L%")], &[1, 2, 4, 5]),
            (Like, vec![string("______")], &[3]),
            (Null, vec![], &[7]),
        ],
    )
    .await;
}

pub(super) async fn operators_on_exact_numbers(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let far = "922337203685477";
    fill(&store, "money", [money("-0.0001"), money("0"), money("1.5"), money(far), Value::Null]).await;
    check(
        &store,
        "money",
        &[
            (Eq, vec![money("1.5000")], &[3]),
            (Eq, vec![money("1.50001")], &[]),
            (Ne, vec![money("1.50001")], &[1, 2, 3, 4, 5]),
            (In, vec![money("1.50001"), money("0.000000")], &[2]),
            // Between two amounts that can be stored, and beyond them all.
            (Gt, vec![money("1.49999")], &[3, 4]),
            (Ge, vec![money("1.50001")], &[4]),
            (Lt, vec![money("1.50001")], &[1, 2, 3]),
            (Le, vec![money("1.49999")], &[1, 2]),
            (Gt, vec![money("-0.00005")], &[2, 3, 4]),
            (Lt, vec![money("-0.00005")], &[1]),
            (Le, vec![money("79228162514264337593543950335")], &[1, 2, 3, 4]),
            (Gt, vec![money("79228162514264337593543950335")], &[]),
            (Between, vec![money("-0.00005"), money("1.50001")], &[2, 3]),
            (NotBetween, vec![money("-0.00015"), money("1.49999")], &[3, 4, 5]),
            (Ge, vec![money("-79228162514264337593543950335")], &[1, 2, 3, 4]),
            (Lt, vec![money("-79228162514264337593543950335")], &[]),
        ],
    )
    .await;
}

pub(super) async fn operators_on_other_types(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let moment = |number| Value::DateTime(at(number));
    fill(&store, "datetime", [moment(-1), moment(10), Value::Null]).await;
    check(&store, "datetime", &[(Ge, vec![moment(-1)], &[1, 2]), (Lt, vec![moment(0)], &[1])]).await;
    for (number, one) in [
        (11, attributes([("boolean", Value::Boolean(true)), ("choices", Value::Choices(vec![2, 1]))])),
        (12, attributes([("boolean", Value::Boolean(false)), ("double", Value::Double(0.5))])),
        (13, attributes([("order", reference("account", id(1))), ("where", reference("account", id(1)))])),
        (14, attributes([("order", reference("task", id(1))), ("choice", Value::Choice(2))])),
    ] {
        insert(&store, "sample", id(number), one).await;
    }
    check(
        &store,
        "boolean",
        &[(Eq, vec![Value::Boolean(true)], &[11]), (Ne, vec![Value::Boolean(true)], &[1, 2, 3, 12, 13, 14])],
    )
    .await;
    let option = Value::Choice;
    check(
        &store,
        "choices",
        &[
            (Eq, vec![Value::Choices(vec![1, 2])], &[11]),
            (Eq, vec![Value::Choices(vec![1])], &[]),
            (ContainValues, vec![option(2), option(5)], &[11]),
            (ContainValues, vec![option(12)], &[]),
            (ContainValues, vec![], &[]),
            (NotContainValues, vec![option(2)], &[1, 2, 3, 12, 13, 14]),
            (NotContainValues, vec![option(3)], &[1, 2, 3, 11, 12, 13, 14]),
        ],
    )
    .await;
    check(&store, "choice", &[(In, vec![Value::Choice(2), Value::Choice(3)], &[14])]).await;
    check(&store, "double", &[(Gt, vec![Value::Double(-0.0)], &[12])]).await;
    check(
        &store,
        "sampleid",
        &[
            (In, vec![Value::UniqueIdentifier(id(12)), Value::UniqueIdentifier(id(2))], &[2, 12]),
            (Gt, vec![Value::UniqueIdentifier(id(12))], &[13, 14]),
            (Null, vec![], &[]),
        ],
    )
    .await;
    check(
        &store,
        "where",
        &[
            (Eq, vec![reference("account", id(1))], &[13]),
            (Eq, vec![Value::UniqueIdentifier(id(1))], &[13]),
            (NotNull, vec![], &[13]),
        ],
    )
    .await;
    let both = || vec![reference("account", id(1)), reference("task", id(1))];
    check(
        &store,
        "order",
        &[
            (Eq, vec![reference("task", id(1))], &[14]),
            (Ne, vec![reference("task", id(1))], &[1, 2, 3, 11, 12, 13]),
            (In, both(), &[13, 14]),
            (NotIn, both(), &[1, 2, 3, 11, 12]),
            (Eq, vec![Value::UniqueIdentifier(id(1))], &[13, 14]),
            (In, vec![Value::UniqueIdentifier(id(9)), reference("account", id(1))], &[13]),
            (
                NotIn,
                vec![Value::UniqueIdentifier(id(9)), reference("account", id(1))],
                &[1, 2, 3, 11, 12, 14],
            ),
        ],
    )
    .await;
    check(&store, "versionnumber", &[(Eq, vec![Value::BigInteger(1)], &[1, 2, 3, 11, 12, 13, 14])]).await;
}

pub(super) async fn operators_on_moments(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let moment = |text: &str| Value::DateTime(text.parse().expect("a moment"));
    let moments = [
        "2025-11-25T13:29:59Z",
        "2026-11-22T00:00:00Z",
        "2026-11-24T23:59:59.999Z",
        "2026-11-25T00:00:00Z",
        NOW,
        "2026-11-25T13:30:00.001Z",
        "2026-11-26T00:00:00Z",
    ];
    for (number, text) in moments.into_iter().enumerate() {
        insert(&store, "sample", id(number as u128 + 1), attributes([("datetime", moment(text))])).await;
    }
    insert(&store, "sample", id(8), attributes([("datetime", Value::Null)])).await;
    let count = |number| vec![Value::Integer(number)];
    check(
        &store,
        "datetime",
        &[
            (On, vec![moment("2026-11-25T22:00:00Z")], &[4, 5, 6]),
            (OnOrBefore, vec![moment("2026-11-24T00:00:00Z")], &[1, 2, 3]),
            (OnOrAfter, vec![moment("2026-11-25T22:00:00Z")], &[4, 5, 6, 7]),
            (Today, vec![], &[4, 5, 6]),
            (Yesterday, vec![], &[3]),
            (Tomorrow, vec![], &[7]),
            (ThisWeek, vec![], &[2, 3, 4, 5, 6, 7]),
            (LastYear, vec![], &[1]),
            (LastXHours, count(1), &[5]),
            (NextXHours, count(1), &[6]),
            (LastXDays, count(1), &[3, 4, 5]),
            (NextXDays, count(1), &[6, 7]),
            (LastSevenDays, vec![], &[2, 3, 4, 5]),
            (OlderThanXHours, count(13), &[1, 2, 3, 4]),
            (OlderThanXYears, count(1), &[1]),
            (Between, vec![moment("2026-11-25T00:00:00Z"), moment(NOW)], &[4, 5]),
        ],
    )
    .await;
}

pub(super) async fn operators_on_the_user(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let identifier = |number| Value::UniqueIdentifier(id(number));
    fill(&store, "uniqueidentifier", [identifier(USER), identifier(1), Value::Null]).await;
    check(&store, "uniqueidentifier", &[(EqUserId, vec![], &[1]), (NeUserId, vec![], &[2, 3])]).await;
    for (number, one) in [(11, id(USER)), (12, id(1))] {
        insert(&store, "sample", id(number), attributes([("order", reference("task", one))])).await;
    }
    check(&store, "order", &[(EqUserId, vec![], &[11]), (NeUserId, vec![], &[1, 2, 3, 12])]).await;
}

pub(super) async fn a_store_takes_no_relative_condition(database: Database) {
    let store = database.with_samples().await;
    let schema = store.schema();
    let query = Query::new("account").filter(Filter::test("createdon", Operator::Today, []));
    let asked =
        attempt(
            &store,
            begin(Access::Read, "a query"),
            move |tx| async move { tx.query(&schema, &query).await },
        );
    expect_error(asked.await, ErrorKind::Internal);
}

pub(super) async fn groups_of_conditions(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    for number in 1..=4 {
        let one = attributes([
            ("integer", Value::Integer(number % 2)),
            ("select", string(if number > 2 { "x" } else { "y" })),
        ]);
        insert(&store, "sample", id(number as u128), one).await;
    }
    let odd = || condition("integer", Eq, vec![Value::Integer(1)]);
    let late = || condition("select", Eq, vec![string("x")]);
    for (filter, expected) in [
        (Filter::All(vec![odd(), late()]), vec![3]),
        (Filter::Any(vec![odd(), late()]), vec![1, 3, 4]),
        (Filter::All(vec![]), vec![1, 2, 3, 4]),
        (Filter::Any(vec![]), vec![]),
        (
            Filter::All(vec![Filter::Any(vec![odd(), late()]), condition("select", Ne, vec![string("x")])]),
            vec![1],
        ),
        (Filter::Any(vec![Filter::All(vec![odd(), late()]), Filter::Any(vec![])]), vec![3]),
    ] {
        assert_eq!(select(&store, "sample", filter.clone()).await, expected, "{filter:?}");
    }
}

pub(super) async fn text_is_never_code(database: Database) {
    let store = database.with_samples().await;
    let texts = ["'; DROP TABLE e_sample; --", "\" OR 1=1", "?1", ":a", "%", "x' OR 'x'='x"];
    for (number, text) in texts.into_iter().enumerate() {
        insert(&store, "sample", id(number as u128 + 1), attributes([("select", string(text))])).await;
    }
    for (number, text) in texts.into_iter().enumerate() {
        let filter = Filter::condition("select", Operator::Eq, string(text));
        assert_eq!(select(&store, "sample", filter).await, [number as u128 + 1], "{text}");
    }
}

pub(super) async fn orders_put_nulls_first_and_break_ties_by_identifier(database: Database) {
    let store = database.with_samples().await;
    let rows = [("b", 2), ("A", 1), ("a", 2), ("B", 1)];
    // Inserted backwards, so that the order of insertion is not the order of the identifiers.
    insert(&store, "sample", id(9), attributes([("integer", Value::Integer(2))])).await;
    insert(&store, "sample", id(5), attributes([("integer", Value::Integer(1))])).await;
    for (number, (text, integer)) in rows.into_iter().enumerate().rev() {
        let one = attributes([("select", string(text)), ("integer", Value::Integer(integer))]);
        insert(&store, "sample", id(number as u128 + 1), one).await;
    }
    let order = |attribute: &str, descending| Order { link: None, attribute: attribute.into(), descending };
    for (orders, expected) in [
        (vec![], [1, 2, 3, 4, 5, 9]),
        (vec![order("select", false)], [5, 9, 2, 3, 1, 4]),
        (vec![order("select", true)], [1, 4, 2, 3, 5, 9]),
        (vec![order("integer", true), order("select", false)], [9, 3, 1, 5, 2, 4]),
        (vec![order("integer", false), order("select", true)], [4, 2, 5, 1, 3, 9]),
        (vec![order("sampleid", true)], [9, 5, 4, 3, 2, 1]),
        (vec![order("createdon", true), order("createdon", true)], [1, 2, 3, 4, 5, 9]),
    ] {
        let query = Query { orders: orders.clone(), ..Query::new("sample") };
        let found = run(&store, query).await.expect("the query runs");
        assert_eq!(numbers(&found), expected, "{orders:?}");
    }
}

pub(super) async fn top_limits_and_is_limited(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    write(&store, move |tx| async move {
        for number in 1..=u128::from(RECORDS_MAX) + 1 {
            tx.insert(&account, id(number), &with_system(Default::default())).await?;
        }
        Ok(())
    })
    .await;
    for (top, expected) in [(None, RECORDS_MAX), (Some(u32::MAX), RECORDS_MAX), (Some(0), 0), (Some(3), 3)] {
        let query = Query { top, columns: ColumnSet::Named(vec![]), ..Query::new("account") };
        let found = ask(&store, query.clone()).await.expect("the query runs");
        assert_eq!(numbers(&found.entities), (1..=u128::from(expected)).collect::<Vec<_>>(), "{top:?}");
        // What `top` leaves out is not asked for; what the store's own limit leaves out is.
        assert_eq!(found.more_records, expected == RECORDS_MAX, "{top:?}");
        assert_eq!(found.paging_cookie.is_some(), top.is_none(), "{top:?}");
        if let Some(cookie) = found.paging_cookie {
            let rest = ask(&store, query.page_after(RECORDS_MAX, cookie)).await.expect("the query runs");
            assert_eq!(numbers(&rest.entities), [u128::from(RECORDS_MAX) + 1]);
            assert!(!rest.more_records);
        }
    }
}

pub(super) async fn a_query_returns_the_columns_asked_for(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("a"))])).await;
    let query = Query { columns: ColumnSet::named(["accountid", "number"]), ..Query::new("account") };
    let found = run(&store, query).await.expect("the query runs");
    let expected = Entity::new("account")
        .with_id(id(1))
        .with("accountid", Value::UniqueIdentifier(id(1)))
        .with("number", Value::Null);
    assert_eq!(found, [expected]);
    let all = run(&store, Query::new("account")).await.expect("the query runs");
    assert_eq!(all, [retrieve(&store, "account", id(1)).await.expect("it exists")]);
}

pub(super) async fn queries_that_make_no_sense_are_refused(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    let many = |count: usize| (0..count).map(|_| condition("integer", Null, vec![])).collect::<Vec<_>>();
    let deep = (0..100).fold(Filter::All(vec![]), |inner, _| Filter::All(vec![inner]));
    for filter in [
        condition("unknown", Null, vec![]),
        condition("integer", Eq, vec![string("7")]),
        condition("integer", Eq, vec![Value::Null]),
        condition("integer", Eq, vec![]),
        condition("integer", Gt, vec![Value::Integer(1), Value::Integer(2)]),
        condition("integer", Null, vec![Value::Integer(1)]),
        condition("integer", Like, vec![string("%")]),
        condition("boolean", Gt, vec![Value::Boolean(false)]),
        condition("double", Gt, vec![Value::Double(f64::NAN)]),
        condition("money", Eq, vec![decimal("1")]),
        condition("where", Eq, vec![reference("task", id(1))]),
        condition("where", Gt, vec![reference("account", id(1))]),
        condition("select", Like, vec![string(&"%a".repeat(600))]),
        condition("select", Eq, vec![string("a\0b")]),
        condition("select", BeginsWith, vec![string("a\0b")]),
        condition("integer", Between, vec![Value::Integer(1)]),
        condition("boolean", Between, vec![Value::Boolean(false), Value::Boolean(true)]),
        condition("integer", EndsWith, vec![string("1")]),
        condition("choices", ContainValues, vec![Value::Choices(vec![1])]),
        condition("choice", ContainValues, vec![Value::Choice(1)]),
        condition("integer", EqUserId, vec![]),
        condition("order", EqUserId, vec![Value::UniqueIdentifier(id(1))]),
        condition("select", Today, vec![]),
        condition("datetime", On, vec![string("2026-01-01")]),
        condition("datetime", LastXDays, vec![]),
        condition("datetime", LastXDays, vec![Value::Integer(0)]),
        condition("datetime", LastXDays, vec![Value::BigInteger(1)]),
        Filter::Any(many(501)),
        condition("integer", In, (0..10_001).map(Value::Integer).collect()),
        deep,
    ] {
        let query = Query { filter: Some(filter), ..Query::new("sample") };
        expect_error(run(&store, query).await, ErrorKind::InvalidRequest);
    }
    let unknown = Order { link: None, attribute: "unknown".into(), descending: false };
    let query = Query { orders: vec![unknown], ..Query::new("sample") };
    expect_error(run(&store, query).await, ErrorKind::InvalidRequest);
    let query = Query { columns: ColumnSet::named(["unknown"]), ..Query::new("sample") };
    expect_error(run(&store, query).await, ErrorKind::InvalidRequest);
}

/// What the limits allow, the database takes.
pub(super) async fn queries_at_the_limits_run(database: Database) {
    use Operator::*;
    let store = database.with_samples().await;
    insert(&store, "sample", id(1), attributes([("order", reference("task", id(7)))])).await;
    let targets = || (0..10_000).map(|number| reference("task", id(number)));
    let found = select(&store, "sample", condition("order", In, targets().collect())).await;
    assert_eq!(found, [1]);
    let targets = targets().map(|target| condition("order", Ne, vec![target]));
    let mut filter = Filter::All(targets.take(500).collect());
    for _ in 0..30 {
        filter = Filter::Any(vec![filter]);
    }
    assert_eq!(select(&store, "sample", filter).await, [] as [u128; 0]);
    let pattern = string(&"%a".repeat(500));
    assert_eq!(select(&store, "sample", condition("select", Like, vec![pattern])).await, [] as [u128; 0]);
}
