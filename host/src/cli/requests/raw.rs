//! The form of a requests file. What needs the schema or a place of its own is kept as the text that it is.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Expect;
use crate::model::Order;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDocument<'s> {
    #[serde(borrow, default)]
    pub(super) entities: Option<Vec<&'s RawValue>>,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequest<'s> {
    #[serde(default)]
    pub(super) note: Option<String>,
    #[serde(borrow)]
    pub(super) message: &'s RawValue,
    #[serde(default)]
    pub(super) user: Option<Uuid>,
    #[serde(borrow, default)]
    pub(super) target: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) columns: Option<&'s RawValue>,
    #[serde(borrow, default)]
    pub(super) query: Option<&'s RawValue>,
    #[serde(default)]
    pub(super) expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget<'s> {
    #[serde(borrow)]
    pub(super) entity: &'s RawValue,
    #[serde(default)]
    pub(super) id: Option<Uuid>,
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
    #[serde(default)]
    pub(super) orders: Vec<Order>,
    #[serde(default)]
    pub(super) top: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFilter<'s> {
    #[serde(borrow, default)]
    pub(super) all: Option<Vec<&'s RawValue>>,
    #[serde(borrow, default)]
    pub(super) any: Option<Vec<&'s RawValue>>,
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
pub(super) struct Pairs<'s>(pub(super) Vec<(String, &'s RawValue)>);

impl<'de: 's, 's> Deserialize<'de> for Pairs<'s> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a value for each attribute")
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
