//! Which records to read.
//!
//! A [`Query`] is plain data. `builder` writes one in Rust and [`fetch_xml`] reads one from FetchXML; [`check`] says whether
//! it fits the definitions, `relative` turns what depends on the time and the user into plain comparisons, and `matches`
//! judges a filter without a store.

mod builder;
pub mod check;
pub(crate) mod cookie;
pub mod fetch_xml;
mod matches;
mod operator;
mod relative;

use serde::{Deserialize, Serialize};

pub use operator::{Arity, Operator};

use crate::model::{ColumnSet, Value};

/// The most records that one RetrieveMultiple returns, as on the platform: a caller that wants more pages.
pub const RECORDS_MAX: u32 = 5000;

/// A query over one entity.
///
/// ```
/// use stagegate::{Filter, Link, Query};
///
/// let customers = Query::new("account")
///     .select(["name", "creditlimit"])
///     .filter(Filter::eq("name", "Acme"))
///     .link(Link::outer("contact", "contactid", "primarycontactid", "contact").select(["fullname"]))
///     .order_by_descending("createdon")
///     .page(50);
/// assert_eq!(customers.links.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The entity's logical name.
    pub entity: String,
    /// The attributes to return.
    pub columns: ColumnSet,
    /// Which records; none selects all. A condition of it may be on a link.
    pub filter: Option<Filter>,
    /// Sorting, most significant first. Records that compare equal follow in the order of their identifiers.
    pub orders: Vec<Order>,
    /// At most this many records, [`RECORDS_MAX`] where it is larger. Not together with `page`; without either the answer
    /// is the first page of [`RECORDS_MAX`] records.
    pub top: Option<u32>,
    /// Which page of the records.
    #[serde(default)]
    pub page: Option<Page>,
    /// Each combination of the columns once. A record of the answer then stands for all that have it, so it has no
    /// identifier, unless the identifier is one of the columns.
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
    /// Which of its records are joined: conditions on its own attributes, as part of what makes a match.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// Joins to this one. Those that take records away take matches of this one away.
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
        /// The alias of the join whose attribute it is; none for the entity that the filter is of: the query's own, or
        /// that of the link whose filter it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
        /// The attribute's logical name, or the entity's identifier attribute.
        attribute: String,
        /// The comparison.
        operator: Operator,
        /// As many as [`Operator::arity`] says.
        values: Vec<Value>,
    },
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
