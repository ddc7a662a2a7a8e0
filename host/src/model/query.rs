//! Which records to read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ColumnSet, Value};

/// The most records that one RetrieveMultiple returns, as on the platform: a caller that wants more pages.
pub const RECORDS_MAX: u32 = 5000;

/// A query over one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The entity's logical name.
    pub entity: String,
    /// The attributes to return.
    pub columns: ColumnSet,
    /// Which records; none selects all.
    pub filter: Option<Filter>,
    /// Sorting, most significant first. Records that compare equal follow in the order of their identifiers.
    pub orders: Vec<Order>,
    /// At most this many records, [`RECORDS_MAX`] where it is none or larger.
    pub top: Option<u32>,
}

impl Query {
    /// All records of an entity, with all attributes.
    pub fn new(entity: impl Into<String>) -> Self {
        Self { entity: entity.into(), columns: ColumnSet::All, filter: None, orders: Vec::new(), top: None }
    }
}

/// A test on a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Every part holds.
    All(Vec<Filter>),
    /// At least one part holds.
    Any(Vec<Filter>),
    /// A test on one attribute.
    Condition {
        /// The attribute's logical name, or the entity's identifier attribute.
        attribute: String,
        /// The comparison.
        operator: Operator,
        /// None for the null tests, any number for `In` and `NotIn`, else one.
        values: Vec<Value>,
    },
}

impl Filter {
    /// The condition `attribute operator value`.
    pub fn condition(attribute: impl Into<String>, operator: Operator, value: Value) -> Self {
        Self::Condition { attribute: attribute.into(), operator, values: vec![value] }
    }
}

/// Comparisons, named as FetchXML names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// Equal. Strings compare without regard to ASCII case, as everywhere in queries.
    Eq,
    /// Not equal, or null.
    Ne,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// One of the values.
    In,
    /// None of the values, or null.
    NotIn,
    /// Matches a pattern: `%` any text, `_` any character.
    Like,
    /// Does not match the pattern, or null.
    NotLike,
    /// Begins with the text, taken literally.
    BeginsWith,
    /// Has no value.
    Null,
    /// Has a value.
    NotNull,
}

impl Operator {
    /// Every operator, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::Eq,
        Self::Ne,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::In,
        Self::NotIn,
        Self::Like,
        Self::NotLike,
        Self::BeginsWith,
        Self::Null,
        Self::NotNull,
    ];

    /// The operator's name in FetchXML, in the contract and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::In => "in",
            Self::NotIn => "not-in",
            Self::Like => "like",
            Self::NotLike => "not-like",
            Self::BeginsWith => "begins-with",
            Self::Null => "null",
            Self::NotNull => "not-null",
        }
    }

    /// The operator of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sorts by one attribute; nulls are smaller than any value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The attribute's logical name.
    pub attribute: String,
    /// Largest first.
    #[serde(default)]
    pub descending: bool,
}
