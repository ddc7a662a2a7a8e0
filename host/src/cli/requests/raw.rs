//! The form of a requests file. What needs the schema or a place of its own is kept as the text that it is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cli::label::Id;
use crate::model::{Join, Operator, Order, Page};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDocument<'s> {
    #[serde(borrow, default)]
    pub(super) entities: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) relationships: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) messages: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) requests: Option<Vec<&'s RawValue>>,
}

/// An entity whose form was checked, for the places of its attributes.
#[derive(Deserialize)]
pub(super) struct RawEntity<'s> {
    #[serde(borrow, default)]
    pub(super) attributes: Vec<&'s RawValue>,
}

/// An attribute of it.
#[derive(Deserialize)]
pub(super) struct RawName<'s> {
    #[serde(borrow)]
    pub(super) name: &'s RawValue,
}

/// A request of any message. docs/requests.md says which keys belong to which message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Request")]
pub(in crate::cli) struct RawRequest<'s> {
    /// For the reader.
    #[serde(default)]
    pub(in crate::cli) note: Option<String>,
    /// The name of a core message, or of a custom one.
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) message: &'s RawValue,
    /// Who asks.
    #[serde(default)]
    pub(super) user: Option<Id>,
    /// The record.
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawTarget<'static>>")]
    pub(super) target: Option<&'s RawValue>,
    /// The records of a bulk message.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<RawTarget<'static>>>")]
    pub(super) targets: Option<&'s RawValue>,
    /// The attributes that a Retrieve reads: "all" unless named.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Columns>")]
    pub(super) columns: Option<&'s RawValue>,
    /// What a RetrieveMultiple selects.
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawQuery<'static>>")]
    pub(super) query: Option<&'s RawValue>,
    /// The same as FetchXML.
    #[serde(borrow, default)]
    #[schemars(with = "Option<String>")]
    pub(super) fetch: Option<&'s RawValue>,
    /// The relationship of an Associate or a Disassociate.
    #[serde(borrow, default)]
    #[schemars(with = "Option<String>")]
    pub(super) relationship: Option<&'s RawValue>,
    /// The records on its other side.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<RawTarget<'static>>>")]
    pub(super) related: Option<&'s RawValue>,
    /// The new owner of an Assign.
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawReference>")]
    pub(super) assignee: Option<&'s RawValue>,
    /// The new state of a SetState.
    #[serde(borrow, default)]
    #[schemars(with = "Option<i32>")]
    pub(super) state: Option<&'s RawValue>,
    /// Its new status; the default one of the state if there is none.
    #[serde(borrow, default)]
    #[schemars(with = "Option<i32>")]
    pub(super) status: Option<&'s RawValue>,
    /// The version that the record must have for an Update or a Delete of it.
    #[serde(borrow, default)]
    #[schemars(with = "Option<i64>")]
    pub(super) row_version: Option<&'s RawValue>,
    /// The requests of an ExecuteTransaction or an ExecuteMultiple.
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<RawRequest<'static>>>")]
    pub(super) requests: Option<&'s RawValue>,
    /// Whether those return their responses: true unless it says no.
    #[serde(borrow, default)]
    #[schemars(with = "Option<bool>")]
    pub(super) return_responses: Option<&'s RawValue>,
    /// Whether an ExecuteMultiple goes on after a request that failed: true unless it says no.
    #[serde(borrow, default)]
    #[schemars(with = "Option<bool>")]
    pub(super) continue_on_error: Option<&'s RawValue>,
    /// A value that every step finds as the shared variable `tag`.
    #[serde(borrow, default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) tag: Option<&'s RawValue>,
    /// The parameters of a custom message, and those that any request can have, by their names.
    #[serde(borrow, default)]
    pub(super) parameters: Option<Pairs<'s>>,
    /// What is to come of it.
    #[serde(borrow, default)]
    #[schemars(with = "Option<crate::cli::test::Expectation>")]
    pub(in crate::cli) expect: Option<&'s RawValue>,
}

/// A record: which one, and its attributes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub(super) struct RawTarget<'s> {
    /// The logical name of its entity.
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) entity: &'s RawValue,
    #[serde(default)]
    pub(super) id: Option<Id>,
    #[serde(borrow, default)]
    pub(super) key: Option<Pairs<'s>>,
    #[serde(borrow, default)]
    pub(super) attributes: Option<Pairs<'s>>,
}

/// A query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Query")]
pub(super) struct RawQuery<'s> {
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) entity: &'s RawValue,
    #[serde(borrow, default)]
    #[schemars(with = "Option<Columns>")]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawFilter<'static>>")]
    pub(super) filter: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Vec<Order>")]
    pub(super) orders: Vec<&'s RawValue>,
    #[serde(default)]
    pub(super) top: Option<u32>,
    #[serde(default)]
    pub(super) page: Option<Page>,
    #[serde(default)]
    pub(super) distinct: bool,
    #[serde(default)]
    pub(super) count: bool,
    #[serde(borrow, default)]
    #[schemars(with = "Vec<RawLink<'static>>")]
    pub(super) links: Vec<&'s RawValue>,
}

/// A join.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Link")]
pub(super) struct RawLink<'s> {
    #[serde(borrow)]
    #[schemars(with = "String")]
    pub(super) entity: &'s RawValue,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) alias: String,
    #[serde(default)]
    pub(super) join: Join,
    #[serde(borrow, default)]
    #[schemars(with = "Option<Columns>")]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<RawFilter<'static>>")]
    pub(super) filter: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Vec<RawLink<'static>>")]
    pub(super) links: Vec<&'s RawValue>,
}

/// A filter: `all`, `any`, or a condition on one attribute.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Filter")]
pub(super) struct RawFilter<'s> {
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<RawFilter<'static>>>")]
    pub(super) all: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<RawFilter<'static>>>")]
    pub(super) any: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<String>")]
    pub(super) link: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<String>")]
    pub(super) attribute: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<Operator>")]
    pub(super) operator: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) value: Option<&'s RawValue>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub(super) values: Option<Vec<&'s RawValue>>,
}

/// The members of an object in their order, so that one that is there twice is noticed.
#[derive(Debug)]
pub(in crate::cli) struct Pairs<'s>(pub(in crate::cli) Vec<(String, &'s RawValue)>);

impl<'de: 's, 's> Deserialize<'de> for Pairs<'s> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a value for each name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs: Self::Value = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if pairs.iter().any(|(other, _)| *other == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` is there twice; remove one")));
                    }
                    pairs.push((name, value));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Members).map(Pairs)
    }
}

impl JsonSchema for Pairs<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Values by name, as docs/requests.md writes them."
        })
    }
}

/// Attributes to read, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
enum Columns {
    /// Those named; "all" for every one.
    Named(Vec<String>),
    /// "all"
    All(String),
}

/// A reference to a record, for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "Reference", deny_unknown_fields)]
#[allow(dead_code, reason = "a description of what is read elsewhere")]
struct RawReference {
    entity: String,
    id: Id,
}
