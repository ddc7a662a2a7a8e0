//! The statements as each database gets them.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod query;

use uuid::Uuid;

use super::column::Column;
use super::parameter::{Kind, Parameter};
use super::{Dialect, Sql, key, statement, table};
use crate::model::{AttributeType, Attributes, DateTime, EntityDefinition, EntityReference, Schema, Value};
use crate::store::Lock;

const BOTH: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

fn definition() -> EntityDefinition {
    let lookup = |targets: &[&str]| AttributeType::Lookup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
    };
    EntityDefinition::new("deal")
        .with("name", AttributeType::String { max_length: 100 })
        .with("size", AttributeType::Integer)
        .with("worth", AttributeType::Money { precision: 4 })
        .with("open", AttributeType::Boolean)
        .with("due", AttributeType::DateTime)
        .with("tags", AttributeType::Choices { options: Vec::new() })
        .with("parent", lookup(&["deal"]))
        .with("customer", lookup(&["deal", "person"]))
        .with_key("code", ["name", "customer", "size"])
}

fn schema() -> Schema {
    let person = EntityDefinition::new("person").with("name", AttributeType::String { max_length: 100 });
    Schema::default().extended(&vec![definition(), person].into()).unwrap()
}

fn text(text: &str) -> Parameter<'_> {
    Parameter::text(text).unwrap()
}

fn money(number: &str) -> Value {
    Value::Money(number.parse().unwrap())
}

fn reference(entity: &str, id: u128) -> Value {
    Value::EntityReference(EntityReference::new(entity, Uuid::from_u128(id)))
}

fn all_kinds() -> Attributes {
    [
        ("customer", reference("person", 9)),
        ("due", Value::DateTime(DateTime(7))),
        ("name", Value::String("Big Ä".into())),
        ("open", Value::Boolean(true)),
        ("parent", Value::Null),
        ("tags", Value::Choices(vec![3, 1])),
        ("worth", money("1.5")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[track_caller]
fn check(sql: &Sql<'_>, expected: &str) {
    assert_eq!(sql.text, expected);
}

#[test]
fn an_insert_gives_every_value_its_type() {
    let (definition, attributes) = (definition(), all_kinds());
    let insert = |dialect| statement::insert(dialect, &definition, Uuid::nil(), &attributes).unwrap();
    let names = "INSERT INTO e_deal (id,c_customer,t_customer,c_due,c_name,c_open,c_parent,c_tags,c_worth)";
    check(&insert(Dialect::Sqlite), &format!("{names} VALUES (?,?,?,?,?,?,?,?,?)"));
    check(&insert(Dialect::Postgres), &format!("{names} VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)"));
    for dialect in BOTH {
        let expected = [
            Parameter::Id(Uuid::nil()),
            Parameter::Id(Uuid::from_u128(9)),
            text("person"),
            Parameter::Moment(DateTime(7)),
            // What is written keeps its case.
            text("Big Ä"),
            Parameter::Boolean(true),
            Parameter::Null(Kind::Id),
            text("[1,3]"),
            Parameter::Decimal { number: "1.5".parse().unwrap(), scaled: 15_000 },
        ];
        assert_eq!(insert(dialect).parameters, expected);
    }
}

#[test]
fn statements_on_a_record() {
    let definition = definition();
    let id = Uuid::from_u128(1);
    let update = |dialect, attributes| statement::update(dialect, &definition, id, attributes).unwrap().text;
    let values: Attributes =
        [("customer".into(), Value::Null), ("size".into(), Value::Integer(2))].into_iter().collect();
    assert_eq!(
        update(Dialect::Sqlite, &values),
        "UPDATE e_deal SET c_customer=?,t_customer=?,c_size=?,versionnumber=versionnumber+1 WHERE id=?"
    );
    assert_eq!(
        update(Dialect::Postgres, &values),
        "UPDATE e_deal SET c_customer=$1,t_customer=$2,c_size=$3,versionnumber=versionnumber+1 WHERE id=$4"
    );
    let version = Attributes::from([("versionnumber".into(), Value::BigInteger(3))]);
    assert_eq!(update(Dialect::Postgres, &version), "UPDATE e_deal SET versionnumber=$1 WHERE id=$2");
    check(&statement::delete(Dialect::Postgres, &definition, id), "DELETE FROM e_deal WHERE id=$1");
    let columns = [Column::of(&definition, "name").unwrap(), Column::of(&definition, "customer").unwrap()];
    let find = |dialect, lock| statement::find(dialect, &definition, &columns, id, lock).text;
    let select = "SELECT c_name,c_customer,t_customer,id FROM e_deal WHERE id=";
    assert_eq!(find(Dialect::Sqlite, Lock::Delete), format!("{select}?"));
    let cases = [
        (Lock::None, ""),
        (Lock::Keep, " FOR KEY SHARE"),
        (Lock::Update, " FOR NO KEY UPDATE"),
        (Lock::Delete, " FOR UPDATE"),
    ];
    for (lock, ending) in cases {
        assert_eq!(find(Dialect::Postgres, lock), format!("{select}$1{ending}"));
    }
    let target = EntityReference::new("person", id);
    check(
        &statement::is_referenced(Dialect::Postgres, &definition, "customer", &target).unwrap(),
        "SELECT EXISTS (SELECT 1 FROM e_deal WHERE c_customer=$1 AND t_customer=$2)",
    );
}

#[test]
fn what_no_store_keeps_is_refused() {
    let definition = definition();
    let cases = [
        ("name", Value::String("a\0b".into())),
        ("worth", money("0.00001")),
        ("parent", reference("person", 1)),
        ("size", Value::BigInteger(1)),
        ("dealid", Value::UniqueIdentifier(Uuid::nil())),
    ];
    for (name, value) in cases {
        let attributes = Attributes::from([(name.to_owned(), value)]);
        for dialect in BOTH {
            statement::insert(dialect, &definition, Uuid::nil(), &attributes).expect_err(name);
            statement::update(dialect, &definition, Uuid::nil(), &attributes).expect_err(name);
        }
    }
}

#[test]
fn tables_and_keys_have_the_types_of_their_database() {
    let definition = definition();
    assert_eq!(
        table::create(Dialect::Postgres, &definition).unwrap(),
        "CREATE TABLE e_deal (id uuid CONSTRAINT p_deal PRIMARY KEY,createdby uuid,createdon timestamptz,modifiedby \
         uuid,modifiedon timestamptz,versionnumber int8 NOT NULL DEFAULT 1,c_name text COLLATE \"C\",c_size int4,\
         c_worth numeric(19, 4),c_open boolean,c_due timestamptz,c_tags text COLLATE \"C\",c_parent uuid,c_customer \
         uuid,t_customer text COLLATE \"C\");CREATE INDEX i_deal_6 ON e_deal (c_parent) WHERE c_parent IS NOT NULL;\
         CREATE INDEX i_deal_7 ON e_deal (c_customer) WHERE c_customer IS NOT NULL;"
    );
    let smaller = EntityDefinition {
        attributes: definition.attributes.iter().take(7).cloned().collect(),
        ..definition.clone()
    };
    let added = table::extend(Dialect::Postgres, &smaller, &definition).unwrap();
    assert_eq!(
        added,
        "ALTER TABLE e_deal ADD COLUMN c_customer uuid;ALTER TABLE e_deal ADD COLUMN t_customer text COLLATE \"C\";\
         CREATE INDEX i_deal_7 ON e_deal (c_customer) WHERE c_customer IS NOT NULL;"
    );
    let code = definition.keys.first().unwrap();
    let complete = "c_name IS NOT NULL AND c_customer IS NOT NULL AND c_size IS NOT NULL";
    for (dialect, names) in [
        (Dialect::Sqlite, "c_name,c_customer,t_customer,c_size"),
        (Dialect::Postgres, "lower(c_name),c_customer,t_customer,c_size"),
    ] {
        assert_eq!(
            key::index(dialect, &definition, 0, code).unwrap(),
            format!("CREATE UNIQUE INDEX k_deal_0 ON e_deal ({names}) WHERE {complete}")
        );
        let select = key::same_values(dialect, &definition, code).unwrap();
        let rest = format!(" FROM e_deal WHERE {complete} GROUP BY {names} HAVING count(*) > 1 LIMIT 1");
        assert!(select.ends_with(&rest), "{select}");
    }
}
