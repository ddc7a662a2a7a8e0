//! Queries in Rust, without naming what is not wanted.

use crate::model::query::{Filter, Join, Link, Operator, Order, Page, Query};
use crate::model::{ColumnSet, Value};

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

    /// Returns these attributes alone.
    #[must_use]
    pub fn select<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.columns = ColumnSet::named(columns);
        self
    }

    /// Leaves the records for which `filter` holds, besides the filter that is there.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(Filter::both(self.filter, filter));
        self
    }

    /// Adds a join.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }

    /// Sorts by an attribute, after the orders that are there.
    #[must_use]
    pub fn order_by(self, attribute: impl Into<String>) -> Self {
        self.order(Order { link: None, attribute: attribute.into(), descending: false })
    }

    /// Sorts by an attribute, largest first.
    #[must_use]
    pub fn order_by_descending(self, attribute: impl Into<String>) -> Self {
        self.order(Order { link: None, attribute: attribute.into(), descending: true })
    }

    /// Sorts by an attribute of a join, say.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.orders.push(order);
        self
    }

    /// Returns at most so many records.
    #[must_use]
    pub fn top(mut self, records: u32) -> Self {
        self.top = Some(records);
        self
    }

    /// Returns the first page, of so many records.
    #[must_use]
    pub fn page(mut self, size: u32) -> Self {
        self.page = Some(Page { size, cookie: None });
        self
    }

    /// Returns the page after the one that came with `cookie`.
    #[must_use]
    pub fn page_after(mut self, size: u32, cookie: impl Into<String>) -> Self {
        self.page = Some(Page { size, cookie: Some(cookie.into()) });
        self
    }

    /// Returns each combination of the columns once.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    /// Counts what the query selects over all pages.
    #[must_use]
    pub fn count(mut self) -> Self {
        self.count = true;
        self
    }
}

impl Link {
    /// Joins the records of `entity` whose attribute `from` equals `to` of what it is joined to: those with a match, once
    /// for each.
    pub fn inner(
        entity: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        alias: impl Into<String>,
    ) -> Self {
        Self {
            entity: entity.into(),
            from: from.into(),
            to: to.into(),
            alias: alias.into(),
            join: Join::Inner,
            columns: ColumnSet::Named(Vec::new()),
            filter: None,
            links: Vec::new(),
        }
    }

    /// Joins as [`Link::inner`], and leaves those without a match too.
    pub fn outer(
        entity: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        alias: impl Into<String>,
    ) -> Self {
        Self { join: Join::Outer, ..Self::inner(entity, from, to, alias) }
    }

    /// Leaves what has a match, once.
    pub fn exists(
        entity: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        alias: impl Into<String>,
    ) -> Self {
        Self { join: Join::Exists, ..Self::inner(entity, from, to, alias) }
    }

    /// Leaves what has no match.
    pub fn not_exists(
        entity: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        alias: impl Into<String>,
    ) -> Self {
        Self { join: Join::NotExists, ..Self::inner(entity, from, to, alias) }
    }

    /// Returns these attributes of the joined records, as `alias.attribute`.
    #[must_use]
    pub fn select<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.columns = ColumnSet::named(columns);
        self
    }

    /// Joins only the records for which `filter` holds, besides the filter that is there.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(Filter::both(self.filter, filter));
        self
    }

    /// Adds a join to this one.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }
}

/// Conditions with one value.
macro_rules! comparisons {
    ($($(#[$doc:meta])* $function:ident = $operator:ident,)*) => {
        impl Filter {
            $(
                $(#[$doc])*
                pub fn $function(attribute: impl Into<String>, value: impl Into<Value>) -> Self {
                    Self::test(attribute, Operator::$operator, [value.into()])
                }
            )*
        }
    };
}

comparisons! {
    /// Equal.
    eq = Eq,
    /// Not equal, or null.
    ne = Ne,
    /// Greater.
    gt = Gt,
    /// Greater or equal.
    ge = Ge,
    /// Less.
    lt = Lt,
    /// Less or equal.
    le = Le,
    /// Matches a pattern: `%` any text, `_` any character.
    like = Like,
    /// Begins with the text.
    begins_with = BeginsWith,
    /// Ends with the text.
    ends_with = EndsWith,
}

impl Filter {
    /// Every part holds.
    pub fn all(parts: impl IntoIterator<Item = Filter>) -> Self {
        Self::All(parts.into_iter().collect())
    }

    /// At least one part holds.
    pub fn any(parts: impl IntoIterator<Item = Filter>) -> Self {
        Self::Any(parts.into_iter().collect())
    }

    /// A condition with any operator: `Filter::test("createdon", Operator::Today, [])`.
    pub fn test(
        attribute: impl Into<String>,
        operator: Operator,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        let values = values.into_iter().collect();
        Self::Condition { link: None, attribute: attribute.into(), operator, values }
    }

    /// The condition `attribute operator value`.
    pub fn condition(attribute: impl Into<String>, operator: Operator, value: Value) -> Self {
        Self::test(attribute, operator, [value])
    }

    /// One of the values.
    pub fn one_of<V: Into<Value>>(attribute: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::test(attribute, Operator::In, values.into_iter().map(Into::into))
    }

    /// None of the values, or null.
    pub fn none_of<V: Into<Value>>(
        attribute: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::test(attribute, Operator::NotIn, values.into_iter().map(Into::into))
    }

    /// From one value to another, both included.
    pub fn between(attribute: impl Into<String>, from: impl Into<Value>, to: impl Into<Value>) -> Self {
        Self::test(attribute, Operator::Between, [from.into(), to.into()])
    }

    /// Has no value.
    pub fn null(attribute: impl Into<String>) -> Self {
        Self::test(attribute, Operator::Null, [])
    }

    /// Has a value.
    pub fn not_null(attribute: impl Into<String>) -> Self {
        Self::test(attribute, Operator::NotNull, [])
    }

    /// Makes its conditions ones on the join of that alias.
    #[must_use]
    pub fn on_link(self, alias: &str) -> Self {
        match self {
            Self::All(parts) => Self::all(parts.into_iter().map(|part| part.on_link(alias))),
            Self::Any(parts) => Self::any(parts.into_iter().map(|part| part.on_link(alias))),
            Self::Condition { attribute, operator, values, .. } => {
                Self::Condition { link: Some(alias.to_owned()), attribute, operator, values }
            }
        }
    }

    fn both(first: Option<Self>, second: Self) -> Self {
        match first {
            None => second,
            Some(Self::All(mut parts)) => {
                parts.push(second);
                Self::All(parts)
            }
            Some(first) => Self::All(vec![first, second]),
        }
    }
}
