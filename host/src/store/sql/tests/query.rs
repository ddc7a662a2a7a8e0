//! Queries as each database gets them, and the positions of their pages.

use uuid::Uuid;

use super::{definition, money, reference, schema, text};
use crate::model::{DateTime, Filter, Join, Link, Operator, Order, Query, Value};
use crate::store::sql::Dialect;
use crate::store::sql::column::Column;
use crate::store::sql::parameter::{Kind, Parameter};
use crate::store::sql::query::position::{Part, Position};
use crate::store::sql::query::selection::Selection;

fn condition(attribute: &str, operator: Operator, values: Vec<Value>) -> Filter {
    Filter::Condition { link: None, attribute: attribute.into(), operator, values }
}

/// A filter as each database gets it, and what PostgreSQL gets with it.
#[track_caller]
fn check_filter(filter: Filter, sqlite: &str, postgres: &str, parameters: &[Parameter<'_>]) {
    let schema = schema();
    let query = Query::new("deal").select(["size"]).filter(filter);
    for (dialect, expected) in [(Dialect::Sqlite, sqlite), (Dialect::Postgres, postgres)] {
        let sql = Selection::of(dialect, &schema, &query).unwrap().count().unwrap();
        assert_eq!(sql.text, format!("SELECT count(*) FROM e_deal AS q0 WHERE {expected}"));
        if dialect == Dialect::Postgres {
            assert_eq!(sql.parameters, parameters);
        }
    }
}

#[test]
fn conditions_on_text_are_of_its_lower_case() {
    use Operator::{BeginsWith, Eq, Gt, In, Like, NotLike, Null};
    let values = |texts: &[&str]| texts.iter().map(|text| Value::String((*text).to_owned())).collect();
    let name = |operator, texts: &[&str]| condition("name", operator, values(texts));
    check_filter(name(Eq, &["AÄ"]), "(q0.c_name=?)", "(lower(q0.c_name)=$1)", &[text("aÄ")]);
    check_filter(
        name(In, &["A", "b"]),
        "(q0.c_name IN (?,?))",
        "(lower(q0.c_name) IN ($1,$2))",
        &[text("a"), text("b")],
    );
    check_filter(name(Gt, &["A"]), "q0.c_name>?", "lower(q0.c_name)>$1", &[text("a")]);
    check_filter(name(Null, &[]), "q0.c_name IS NULL", "q0.c_name IS NULL", &[]);
    check_filter(
        name(Like, &["A\\%"]),
        "q0.c_name LIKE ?",
        "lower(q0.c_name) LIKE $1 ESCAPE ''",
        &[text("a\\%")],
    );
    check_filter(
        name(NotLike, &["A"]),
        "(q0.c_name IS NULL OR NOT q0.c_name LIKE ?)",
        "(q0.c_name IS NULL OR NOT lower(q0.c_name) LIKE $1 ESCAPE '')",
        &[text("a")],
    );
    check_filter(
        name(BeginsWith, &["A_"]),
        "q0.c_name LIKE ? ESCAPE '\\'",
        "lower(q0.c_name) LIKE $1 ESCAPE '\\'",
        &[text("a\\_%")],
    );
}

#[test]
fn conditions_on_other_values() {
    use Operator::{Between, ContainValues, Eq, In, Le};
    let (id, person) = (Uuid::from_u128(1), Uuid::from_u128(2));
    check_filter(Filter::All(Vec::new()), "(TRUE)", "(TRUE)", &[]);
    check_filter(Filter::Any(Vec::new()), "(FALSE)", "(FALSE)", &[]);
    // No record has a number with more decimals than the attribute.
    check_filter(condition("worth", Eq, vec![money("0.00001")]), "(FALSE)", "(FALSE)", &[]);
    let line = Parameter::Decimal { number: "-0.0001".parse().unwrap(), scaled: -1 };
    check_filter(condition("worth", Le, vec![money("-0.00001")]), "q0.c_worth<=?", "q0.c_worth<=$1", &[line]);
    check_filter(
        condition("size", Between, vec![Value::Integer(1), Value::Integer(2)]),
        "(q0.c_size>=? AND q0.c_size<=?)",
        "(q0.c_size>=$1 AND q0.c_size<=$2)",
        &[Parameter::Integer(1), Parameter::Integer(2)],
    );
    check_filter(
        condition("customer", In, vec![reference("person", 2), Value::UniqueIdentifier(id)]),
        "(q0.c_customer=? OR (q0.c_customer,q0.t_customer) IN (VALUES (?,?)))",
        "(q0.c_customer=$1 OR (q0.c_customer,q0.t_customer) IN (VALUES ($2,$3)))",
        &[Parameter::Id(id), Parameter::Id(person), text("person")],
    );
    check_filter(
        condition("tags", ContainValues, vec![Value::Choice(1), Value::Choice(2)]),
        "EXISTS (SELECT 1 FROM json_each(q0.c_tags) WHERE value IN (?,?))",
        "EXISTS (SELECT 1 FROM jsonb_array_elements_text(q0.c_tags::jsonb) AS e (value) WHERE e.value IN ($1,$2))",
        &[text("1"), text("2")],
    );
}

/// What follows the tables in the statement of the page behind `parts`, or of the first page.
#[track_caller]
fn check_page(query: &Query, parts: &[Part], sqlite: &str, postgres: &str) -> Vec<Parameter<'static>> {
    let schema = schema();
    let mut parameters = Vec::new();
    for (dialect, expected) in [(Dialect::Sqlite, sqlite), (Dialect::Postgres, postgres)] {
        let selection = Selection::of(dialect, &schema, query).unwrap();
        let position = (!parts.is_empty())
            .then(|| Position::of(dialect, &selection.keys, parts.to_vec()).expect("the keys can have it"));
        let sql = selection.records(position.as_ref()).unwrap();
        let (_, rest) = sql.text.split_once(" AS q0").unwrap();
        assert_eq!(rest, expected);
        parameters = sql.parameters.iter().map(owned).collect();
    }
    parameters
}

fn owned(parameter: &Parameter<'_>) -> Parameter<'static> {
    match parameter {
        Parameter::Text(text) => Parameter::Text(text.clone().into_owned().into()),
        Parameter::Null(kind) => Parameter::Null(*kind),
        Parameter::Boolean(flag) => Parameter::Boolean(*flag),
        Parameter::Integer(number) => Parameter::Integer(*number),
        Parameter::Real(number) => Parameter::Real(*number),
        Parameter::Decimal { number, scaled } => Parameter::Decimal { number: *number, scaled: *scaled },
        Parameter::Id(id) => Parameter::Id(*id),
        Parameter::Moment(moment) => Parameter::Moment(*moment),
    }
}

#[test]
fn a_page_has_nulls_first_in_both_directions() {
    let query = Query::new("deal").select(["size"]).order_by("name").order_by_descending("size").page(10);
    check_page(
        &query,
        &[],
        " ORDER BY q0.c_name,q0.c_size DESC,q0.id LIMIT ?",
        " ORDER BY lower(q0.c_name) NULLS FIRST,q0.c_size DESC NULLS LAST,q0.id LIMIT $1",
    );
    let id = Uuid::from_u128(5);
    let parts = [Part::Text("Ab".into()), Part::Integer(3), Part::Id(id)];
    let parameters = check_page(
        &query,
        &parts,
        " WHERE (q0.c_name>=? AND (+q0.c_name>? OR (+q0.c_name=? AND ((+q0.c_size<? OR +q0.c_size IS NULL) OR \
         (+q0.c_size=? AND (+q0.id>?)))))) ORDER BY q0.c_name,q0.c_size DESC,q0.id LIMIT ?",
        " WHERE (lower(q0.c_name)>=$1 AND (lower(q0.c_name)>$2 OR (lower(q0.c_name)=$3 AND ((q0.c_size<$4 OR \
         q0.c_size IS NULL) OR (q0.c_size=$5 AND (q0.id>$6)))))) ORDER BY lower(q0.c_name) NULLS FIRST,\
         q0.c_size DESC NULLS LAST,q0.id LIMIT $7",
    );
    let name = || Parameter::text("ab").unwrap();
    let size = || Parameter::Integer(3);
    let limit = Parameter::Integer(11);
    assert_eq!(parameters, [name(), name(), name(), size(), size(), Parameter::Id(id), limit]);
}

#[test]
fn a_page_by_identifier_says_nothing_of_nulls() {
    let query = Query::new("deal").select(["size"]).top(3);
    check_page(&query, &[], " ORDER BY q0.id LIMIT ?", " ORDER BY q0.id LIMIT $1");
    let position = [Part::Id(Uuid::nil())];
    let parameters = check_page(
        &query,
        &position,
        " WHERE (q0.id>?) ORDER BY q0.id LIMIT ?",
        " WHERE (q0.id>$1) ORDER BY q0.id LIMIT $2",
    );
    assert_eq!(parameters, [Parameter::Id(Uuid::nil()), Parameter::Integer(4)]);
}

#[test]
fn parts_of_a_position_get_the_types_of_their_columns() {
    let (schema, moment) = (schema(), DateTime(1_000));
    let cases = [
        ("open", Part::Integer(1), Some(Parameter::Boolean(true))),
        ("open", Part::Integer(2), None),
        ("open", Part::Null, Some(Parameter::Null(Kind::Boolean))),
        ("worth", Part::Integer(-15_000), Parameter::scaled(-15_000, 4)),
        ("due", Part::Integer(1_000), Some(Parameter::Moment(moment))),
        ("tags", Part::Text("[1,3]".into()), Some(text("[1,3]"))),
        ("name", Part::Text("Ab".into()), Some(text("ab"))),
        ("name", Part::Text("a\0b".into()), None),
        ("name", Part::Integer(1), None),
        ("customer", Part::Id(Uuid::nil()), Some(Parameter::Id(Uuid::nil()))),
    ];
    for (name, part, expected) in cases {
        let query = Query::new("deal").select(["size"]).order_by(name);
        let selection = Selection::of(Dialect::Postgres, &schema, &query).unwrap();
        let parts = vec![part.clone(), Part::Id(Uuid::nil())];
        let position = Position::of(Dialect::Postgres, &selection.keys, parts);
        let first = position.and_then(|position| position.0.into_iter().next());
        assert_eq!(first, expected, "{name} {part:?}");
        let kinds = first.map(|parameter| (parameter.kind(), selection.keys.first().unwrap().field.kind()));
        assert!(kinds.is_none_or(|(kind, wanted)| kind == wanted), "{name} {part:?}: {kinds:?}");
    }
}

#[test]
fn a_value_is_the_same_in_every_cookie() {
    let definition = definition();
    let cases = [
        ("open", Value::Boolean(true), Some(Part::Integer(1))),
        ("worth", money("1.50"), Some(Part::Integer(15_000))),
        ("worth", money("0.00001"), None),
        ("due", Value::DateTime(DateTime(7)), Some(Part::Integer(7))),
        ("tags", Value::Choices(vec![1, 3]), Some(Part::Text("[1,3]".into()))),
        ("customer", reference("person", 4), Some(Part::Id(Uuid::from_u128(4)))),
        ("name", Value::String("Ab".into()), Some(Part::Text("Ab".into()))),
        ("name", Value::Null, Some(Part::Null)),
    ];
    for (name, value, part) in cases {
        assert_eq!(Part::of(&Column::of(&definition, name).unwrap(), value), part, "{name}");
    }
}

#[test]
fn distinct_records_differ_in_more_than_case() {
    let schema = schema();
    let query = Query::new("deal").select(["name", "customer"]).distinct().order_by_descending("customer");
    let text = |dialect| {
        let selection = Selection::of(dialect, &schema, &query).unwrap();
        (selection.records(None).unwrap().text, selection.count().unwrap().text)
    };
    let (records, count) = text(Dialect::Sqlite);
    assert_eq!(
        records,
        "SELECT DISTINCT q0.c_name,q0.c_customer,q0.t_customer FROM e_deal AS q0 ORDER BY q0.c_customer DESC,q0.c_name,\
         q0.t_customer LIMIT ?"
    );
    let fields = "q0.c_name,q0.c_customer,q0.t_customer";
    assert_eq!(count, format!("SELECT count(*) FROM (SELECT DISTINCT {fields} FROM e_deal AS q0) AS d"));
    let (records, count) = text(Dialect::Postgres);
    assert_eq!(
        records,
        "SELECT DISTINCT ON (q0.c_customer,lower(q0.c_name),q0.t_customer) q0.c_name,q0.c_customer,q0.t_customer FROM \
         e_deal AS q0 ORDER BY q0.c_customer DESC NULLS LAST,lower(q0.c_name) NULLS FIRST,q0.t_customer NULLS FIRST \
         LIMIT $1"
    );
    let fields = "lower(q0.c_name),q0.c_customer,q0.t_customer";
    assert_eq!(count, format!("SELECT count(*) FROM (SELECT DISTINCT {fields} FROM e_deal AS q0) AS d"));
}

#[test]
fn joins_compare_text_by_its_lower_case() {
    let by_name = Link::outer("person", "name", "name", "p").select(["name"]);
    let by_name = Link { filter: Some(Filter::eq("name", "X")), ..by_name };
    let by_customer = Link { join: Join::NotExists, ..Link::inner("person", "personid", "customer", "c") };
    let order = Order { link: Some("p".into()), attribute: "personid".into(), descending: false };
    let query = Query::new("deal").select(["size"]).link(by_name).link(by_customer).order(order);
    check_page(
        &query,
        &[],
        " LEFT JOIN e_person AS q1 ON q1.c_name=q0.c_name AND (q1.c_name=?) WHERE NOT EXISTS (SELECT 1 FROM e_person \
         AS q2 WHERE q2.id=q0.c_customer AND q0.t_customer='person') ORDER BY q1.id,q0.id LIMIT ?",
        " LEFT JOIN e_person AS q1 ON lower(q1.c_name)=lower(q0.c_name) AND (lower(q1.c_name)=$1) WHERE NOT EXISTS \
         (SELECT 1 FROM e_person AS q2 WHERE q2.id=q0.c_customer AND q0.t_customer='person') ORDER BY q1.id NULLS \
         FIRST,q0.id LIMIT $2",
    );
}
