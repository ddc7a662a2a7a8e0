//! The form of a requests file. What needs the schema or a place of its own is kept as the text that it is.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cli::label::Id;
use crate::model::{Join, Page};

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

/// A request of any message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct RawRequest<'s> {
    #[serde(default)]
    pub(in crate::cli) note: Option<String>,
    #[serde(borrow)]
    pub(super) message: &'s RawValue,
    #[serde(default)]
    pub(super) user: Option<Id>,
    #[serde(borrow, default)]
    pub(super) target: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) targets: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) query: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) fetch: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) relationship: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) related: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) assignee: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) state: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) status: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) row_version: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) requests: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) return_responses: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) continue_on_error: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) tag: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) parameters: Option<Pairs<'s>>,
    #[serde(borrow, default)]
    pub(in crate::cli) expect: Option<&'s RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget<'s> {
    #[serde(borrow)]
    pub(super) entity: &'s RawValue,
    #[serde(default)]
    pub(super) id: Option<Id>,
    #[serde(borrow, default)]
    pub(super) key: Option<Pairs<'s>>,
    #[serde(borrow, default)]
    pub(super) attributes: Option<Pairs<'s>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuery<'s> {
    #[serde(borrow)]
    pub(super) entity: &'s RawValue,
    #[serde(borrow, default)]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) filter: Option<&'s RawValue>,
    #[serde(borrow, default)]
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
    pub(super) links: Vec<&'s RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink<'s> {
    #[serde(borrow)]
    pub(super) entity: &'s RawValue,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) alias: String,
    #[serde(default)]
    pub(super) join: Join,
    #[serde(borrow, default)]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) filter: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) links: Vec<&'s RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFilter<'s> {
    #[serde(borrow, default)]
    pub(super) all: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) any: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) link: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) attribute: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) operator: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) value: Option<&'s RawValue>,
    #[serde(borrow, default)]
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
