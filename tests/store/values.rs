//! Every value comes back as it was, at its limits too.

use stagegate::model::error::ErrorKind;
use stagegate::model::{Attributes, ColumnSet, DateTime, Value};
use stagegate::store::{Access, Begin};

use super::support::*;

/// Values of every type of `sample`, with their extremes.
fn limits() -> Vec<(&'static str, Value)> {
    let far = || id(u128::MAX);
    let mut values = vec![
        ("boolean", Value::Boolean(true)),
        ("boolean", Value::Boolean(false)),
        ("select", string("")),
        ("select", string("Straße 日本語 👩‍👩‍👧 \u{10FFFF} ' \" % _ \\ ; -- \r\n\t")),
        ("select", string("e\u{301} is not \u{e9}")),
        ("select", Value::String("ä".repeat(1_048_576))),
        ("uniqueidentifier", Value::UniqueIdentifier(id(0))),
        ("uniqueidentifier", Value::UniqueIdentifier(far())),
        ("choices", Value::Choices(vec![])),
        ("choices", Value::Choices(vec![i32::MIN, -1, 0, 7, i32::MAX])),
        ("where", reference("account", id(5))),
        ("order", reference("account", far())),
        ("order", reference("task", far())),
        ("order", reference("sample", id(0))),
    ];
    values.extend([0, 1, -1, i32::MAX, i32::MIN].map(|number| ("integer", Value::Integer(number))));
    values.extend([1, 2, -3].map(|number| ("choice", Value::Choice(number))));
    values.extend([0, 1, -1, i64::MAX, i64::MIN].map(|number| ("biginteger", Value::BigInteger(number))));
    values.extend(
        [0, 1, -1, DateTime::MAX.0, DateTime::MIN.0].map(|number| ("datetime", Value::DateTime(at(number)))),
    );
    let doubles =
        [0.0, 0.1, -1.0, 1e15, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 9_007_199_254_740_993.0];
    values.extend(doubles.map(|number| ("double", Value::Double(number))));
    let decimals = ["0", "0.0000000001", "-0.0000000001", "1.10", "922337203", "-922337203"];
    values.extend(decimals.map(|number| ("decimal", decimal(number))));
    values.extend(["100000000000", "-100000000000"].map(|number| ("decimal0", decimal(number))));
    let amounts = ["0", "0.0001", "-0.0001", "12.5", "922337203685477", "-922337203685477"];
    values.extend(amounts.map(|number| ("money", money(number))));
    values
}

pub(super) async fn every_type_round_trips(database: Database) {
    let store = database.with_samples().await;
    for (number, (attribute, expected)) in limits().into_iter().enumerate() {
        let record = id(number as u128 + 1);
        let one = attributes([(attribute, expected.clone())]);
        definition(&store, "sample").check_values(&one).expect("the value is allowed");
        insert(&store, "sample", record, one).await;
        assert_eq!(value(&store, "sample", record, attribute).await, expected, "inserted {attribute}");
        // The same through an update, from null.
        let record = id(number as u128 + 1001);
        insert(&store, "sample", record, Attributes::new()).await;
        let change = attributes([(attribute, expected.clone())]);
        let sample = definition(&store, "sample");
        assert!(write(&store, move |tx| async move { tx.update(&sample, record, &change).await }).await);
        assert_eq!(value(&store, "sample", record, attribute).await, expected, "updated {attribute}");
    }
}

pub(super) async fn numbers_have_the_scale_of_their_definition(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "sample", id(1), attributes([("decimal", decimal("1.5")), ("money", money("2"))])).await;
    assert_eq!(value(&store, "sample", id(1), "decimal").await.to_string(), "1.5000000000");
    assert_eq!(value(&store, "sample", id(1), "money").await.to_string(), "2.0000");
}

pub(super) async fn null_is_kept_and_clears(database: Database) {
    let store = database.with_samples().await;
    let full: Attributes = limits().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let nulls: Attributes = full.keys().map(|name| (name.clone(), Value::Null)).collect();
    insert(&store, "sample", id(1), nulls.clone()).await;
    insert(&store, "sample", id(2), Attributes::new()).await;
    insert(&store, "sample", id(3), full.clone()).await;
    let sample = definition(&store, "sample");
    let change = nulls.clone();
    write(&store, move |tx| async move { tx.update(&sample, id(3), &change).await }).await;
    for record in [id(1), id(2), id(3)] {
        let read = retrieve(&store, "sample", record).await.expect("it exists");
        for name in full.keys() {
            assert_eq!(read.get(name), Some(&Value::Null), "{name} of {record}");
        }
    }
}

pub(super) async fn choices_are_a_set(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "sample", id(1), attributes([("choices", Value::Choices(vec![3, -1, 3, 2]))])).await;
    assert_eq!(value(&store, "sample", id(1), "choices").await, Value::Choices(vec![-1, 2, 3]));
}

pub(super) async fn values_that_do_not_fit_are_refused(database: Database) {
    let store = database.with_samples().await;
    let refused = [
        ("boolean", Value::Integer(1)),
        ("integer", Value::BigInteger(1)),
        ("double", Value::Double(f64::NAN)),
        ("double", Value::Double(f64::INFINITY)),
        ("decimal", decimal("0.00000000001")),
        ("decimal", decimal("922337204")),
        ("decimal", money("1")),
        ("money", money("79228162514264337593543950335")),
        ("select", string("a\0b")),
        ("where", reference("task", id(1))),
        ("order", reference("contact", id(1))),
        ("sampleid", Value::UniqueIdentifier(id(1))),
        ("unknown", Value::Null),
    ];
    for (attribute, value) in refused {
        let sample = definition(&store, "sample");
        let one = attributes([(attribute, value)]);
        let begin = Begin { access: Access::Write, deadline: None, label: "a write".into() };
        let result =
            attempt(&store, begin, move |tx| async move { tx.insert(&sample, id(9), &one).await }).await;
        let error = expect_error(result, ErrorKind::InvalidRequest);
        assert!(error.message().contains(attribute), "{error}");
        assert_eq!(retrieve(&store, "sample", id(9)).await, None);
    }
    let schema = store.schema();
    let count = read(&store, move |tx| async move {
        let all = stagegate::model::Query::new("sample");
        let named = stagegate::model::Query { columns: ColumnSet::named(["boolean"]), ..all };
        Ok(tx.query(&schema, &named).await?.entities.len())
    });
    assert_eq!(count.await, 0);
}
