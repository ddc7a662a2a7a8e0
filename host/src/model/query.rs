//! Which records to read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{ColumnSet, Schema, Value};

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
    /// At most this many records, [`RECORDS_MAX`] where it is none or larger. Not together with `page`.
    pub top: Option<u32>,
    /// Which page of the records.
    #[serde(default)]
    pub page: Option<Page>,
    /// Each combination of the columns once.
    #[serde(default)]
    pub distinct: bool,
    /// Whether to count what the query selects over all pages.
    #[serde(default)]
    pub count: bool,
    /// Joins to other entities.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A page of a query's records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Page {
    /// Records in a page, 1 to [`RECORDS_MAX`].
    pub size: u32,
    /// What the page before came with; none for the first page.
    #[serde(default)]
    pub cookie: Option<String>,
}

/// A join: FetchXML's `link-entity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The entity that is joined.
    pub entity: String,
    /// Its attribute that must equal `to`.
    pub from: String,
    /// The attribute of the entity that it is joined to.
    pub to: String,
    /// What conditions, orders and the names of its columns (`alias.attribute`) call it; unique in the query.
    pub alias: String,
    /// Which records remain.
    #[serde(default)]
    pub join: Join,
    /// The attributes to return, none unless named.
    pub columns: ColumnSet,
    /// Which of its records are joined.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// Joins to this one.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// Which records a join leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// Those with a match, once for each.
    #[default]
    Inner,
    /// All; the columns of the join are null where there is no match.
    Outer,
    /// Those with at least one match, once each. The join has no columns.
    Exists,
    /// Those without a match. The join has no columns.
    NotExists,
}

impl Query {
    /// All records of an entity, with all attributes.
    pub fn new(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            columns: ColumnSet::All,
            filter: None,
            orders: Vec::new(),
            top: None,
            page: None,
            distinct: false,
            count: false,
            links: Vec::new(),
        }
    }

    /// The query that FetchXML writes. Its values get their types from `schema`.
    pub fn from_fetch_xml(_text: &str, _schema: &Schema) -> Result<Self> {
        Err(Error::new(ErrorKind::InvalidRequest, "this host does not read FetchXML"))
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
        /// The alias of the join whose attribute it is; none for the query's own entity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
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
        Self::Condition { link: None, attribute: attribute.into(), operator, values: vec![value] }
    }
}

/// Comparisons, named as FetchXML names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Order {
    /// The alias of the join whose attribute it is; none for the query's own entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The attribute's logical name.
    pub attribute: String,
    /// Largest first.
    #[serde(default)]
    pub descending: bool,
}
