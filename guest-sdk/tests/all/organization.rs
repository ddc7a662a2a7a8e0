//! The organization service over the fake's records.

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("incident")]
struct Incident {
    title: Field<String>,
    severity: Field<i32>,
    cost: Field<Decimal>,
    parentid: Field<Ref<Incident>>,
}

fn incident(title: &str, severity: i32) -> Incident {
    Incident { title: title.into(), severity: severity.into(), ..default() }
}

fn titles(org: &Fake, query: Query<Incident>) -> Vec<String> {
    org.org().retrieve_multiple(query).unwrap().iter().map(|row| row.title.or_default()).collect()
}

#[test]
fn queries_filter_sort_and_cut() {
    let org = Fake::new();
    let root = org.add(incident("Root", 1));
    for (title, severity) in [("b", 3), ("a", 2), ("C", 3)] {
        org.add(Incident { parentid: root.into(), ..incident(title, severity) });
    }
    let all = Query::<Incident>::new;
    assert_eq!(titles(&org, all().filter(eq("parentid", root)).order_by("title")), ["a", "b", "C"]);
    assert_eq!(titles(&org, all().filter(Incident::COLUMNS.parentid.is_null())), ["Root"]);
    assert_eq!(titles(&org, all().order_by_descending("severity").order_by("title").top(2)), ["b", "C"]);
    assert_eq!(titles(&org, all().filter(begins_with("title", "ro"))), ["Root"]);
    assert_eq!(titles(&org, all().filter(like("title", "%OO%"))), ["Root"]);
    assert_eq!(titles(&org, all().filter(is_in("severity", [1, 2])).order_by("severity")), ["Root", "a"]);
    let either = any_of([eq("title", "A"), all_of([eq("severity", 3), ne("title", "b")])]);
    assert_eq!(titles(&org, all().filter(either).order_by("title")), ["a", "C"]);
    let both = all().filter(Incident::COLUMNS.severity.ge(2)).filter(Incident::COLUMNS.severity.lt(3));
    assert_eq!(titles(&org, both), ["a"]);
    let severe = all().filter(Incident::COLUMNS.severity.is_in([2, 3]));
    let sorted = severe.order_by_descending(Incident::COLUMNS.severity).order_by(Incident::COLUMNS.title);
    assert_eq!(titles(&org, sorted), ["b", "C", "a"]);
    let other = all().filter(Incident::COLUMNS.title.is_not_in(["a", "root"]));
    assert_eq!(titles(&org, other.filter(Incident::COLUMNS.title.like("_"))), ["b", "C"]);
    // The column's order, and no value: nothing compares with a null.
    assert!(titles(&org, all().filter(gt("cost", Decimal::ZERO))).is_empty());
}

#[test]
fn records_without_a_struct_go_the_same_way() {
    let org = Fake::new().org();
    let first = org.create(Record::new("note").with("text", "one").with("pages", 1_i32)).unwrap();
    org.update_record(Record::new("note").with_id(first.clone()).with("text", Value::Null)).unwrap();
    let read = org.retrieve_record(first.clone(), ["text", "pages"]).unwrap();
    assert_eq!(read.get("text"), Some(&Value::Null));
    assert_eq!(read.value::<i32>("pages"), Some(1));

    let found = org.retrieve_multiple(Query::of("note").columns(["pages"]).filter(eq("pages", 1))).unwrap();
    assert_eq!(found[0].reference(), Some(first.clone()));
    org.delete(first.clone()).unwrap();
    let fault = org.retrieve_record(first, ColumnSet::All).unwrap_err();
    assert_eq!(fault.code(), code::OBJECT_DOES_NOT_EXIST);
    assert!(fault.is_not_found() && !fault.is_duplicate());
    let fault = org.update_record(Record::new("note")).unwrap_err();
    assert!(fault.message().contains("Record::with_id"), "{fault}");
}

#[test]
fn a_chosen_identifier_is_there_once() {
    let org = Fake::new().org();
    let id = UniqueIdentifier::from_u128(5);
    let created = org.create_with_id(id, incident("one", 1)).unwrap();
    assert_eq!(created.id(), id);
    let again = org.create_with_id(id, incident("two", 1)).unwrap_err();
    assert_eq!(again.code(), code::DUPLICATE_RECORD);
    assert!(again.is_duplicate() && !again.is_not_found());
    assert_eq!(org.retrieve::<Incident>(id).unwrap().title, "one".into());
}

#[test]
fn the_first_record_is_the_first_of_the_order() {
    let org = Fake::new();
    for (title, severity) in [("b", 2), ("a", 2), ("c", 1)] {
        org.add(incident(title, severity));
    }
    let first =
        |query| org.org().retrieve_first(query).unwrap().map(|row: Row<Incident>| row.title.or_default());
    let severe = || Query::<Incident>::new().filter(ge("severity", 2));
    assert_eq!(first(severe().order_by("title")).as_deref(), Some("a"));
    assert_eq!(first(severe().order_by_descending("title")).as_deref(), Some("b"));
    assert_eq!(first(severe().filter(ge("severity", 3))), None);
}

#[test]
fn a_column_of_another_type_says_so() {
    let org = Fake::new();
    let odd = org.add(Record::new("incident").with("severity", "high"));
    let fault = org.get::<Incident>(odd.to::<Incident>().unwrap()).unwrap_err();
    assert_eq!(
        fault.message(),
        "`severity` of `incident` is of the type string, and the plugin's struct says integer: change the field's type."
    );
}

#[test]
fn identifiers_and_money_read_and_write() {
    let text = "01234567-89ab-cdef-0123-456789abcdef";
    let id: UniqueIdentifier = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(text.replace('-', "").to_uppercase().parse(), Ok(id));
    assert!("01234567-89ab-cdef-0123-456789abcde".parse::<UniqueIdentifier>().is_err());
    assert!("+1234567-89ab-cdef-0123-456789abcdef".parse::<UniqueIdentifier>().is_err());

    assert_eq!(Money::new(5_000).to_string(), "5000.00");
    assert_eq!("12.345".parse::<Money>().unwrap().to_string(), "12.345");
    assert_eq!(Money::cents(150) * 3 - Money::new(1), Money::cents(350));
    assert_eq!([Money::new(1), Money::cents(25)].into_iter().sum::<Money>(), Money::cents(125));
}
