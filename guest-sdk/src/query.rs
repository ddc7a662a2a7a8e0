//! Queries: which records to read.

use std::marker::PhantomData;

use crate::entity::{Column, Entity, Shape};
use crate::record::{ColumnSet, Record};
use crate::value::{AttributeType, Value};

/// Which records of an entity to read, for
/// [`retrieve_multiple`](crate::Organization::retrieve_multiple).
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// #[derive(Entity, Default)]
/// #[entity("incident")]
/// struct Incident {
///     title: Field<String>,
///     severity: Field<i32>,
/// }
///
/// let worst = Query::<Incident>::new()
///     .filter(Incident::COLUMNS.severity.ge(3))
///     .filter(ne("title", "test"))
///     .order_by_descending(Incident::COLUMNS.severity)
///     .top(10);
/// # drop(worst);
/// ```
#[derive(Clone, Debug)]
pub struct Query<D> {
    inner: RecordQuery,
    shape: PhantomData<fn() -> D>,
}

/// A query without its Rust type.
#[derive(Clone, Debug)]
pub(crate) struct RecordQuery {
    pub(crate) entity: String,
    pub(crate) columns: ColumnSet,
    pub(crate) filter: Option<Filter>,
    pub(crate) orders: Vec<Order>,
    pub(crate) top: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) attribute: String,
    pub(crate) descending: bool,
}

impl<E: Entity> Query<E> {
    /// Every record of the entity, with the columns of its struct.
    pub fn new() -> Self {
        Self::over(E::LOGICAL_NAME.to_owned(), E::columns())
    }
}

impl<E: Entity> Default for Query<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl Query<Record> {
    /// Every record of the named entity, with all of its attributes.
    pub fn of(entity: impl Into<String>) -> Self {
        Self::over(entity.into(), ColumnSet::All)
    }

    /// Reads only these attributes.
    #[must_use]
    pub fn columns(mut self, columns: impl Into<ColumnSet>) -> Self {
        self.inner.columns = columns.into();
        self
    }
}

impl<D: Shape> Query<D> {
    fn over(entity: String, columns: ColumnSet) -> Self {
        let inner = RecordQuery { entity, columns, filter: None, orders: Vec::new(), top: None };
        Self { inner, shape: PhantomData }
    }

    /// Only records for which the filter holds, along with those given before.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.inner.filter = Some(match self.inner.filter.take() {
            None => filter,
            Some(Filter::All(mut filters)) => {
                filters.push(filter);
                Filter::All(filters)
            }
            Some(earlier) => Filter::All(vec![earlier, filter]),
        });
        self
    }

    /// Smallest first, nulls before everything; after the orders given before. The attribute is a [`Column`] or a name.
    #[must_use]
    pub fn order_by(self, attribute: impl Into<String>) -> Self {
        self.order(attribute.into(), false)
    }

    /// Largest first, nulls after everything; after the orders given before. The attribute is a [`Column`] or a name.
    #[must_use]
    pub fn order_by_descending(self, attribute: impl Into<String>) -> Self {
        self.order(attribute.into(), true)
    }

    /// At most so many records. A host caps it at 5000.
    #[must_use]
    pub fn top(mut self, count: u32) -> Self {
        self.inner.top = Some(count);
        self
    }

    fn order(mut self, attribute: String, descending: bool) -> Self {
        self.inner.orders.push(Order { attribute, descending });
        self
    }

    pub(crate) fn into_inner(self) -> RecordQuery {
        self.inner
    }
}

/// A test of a record's attributes.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Compares one attribute.
    Condition {
        /// The attribute's logical name.
        attribute: String,
        /// The operator's name, as in the contract: `eq`, `begins-with`, ...
        operator: &'static str,
        /// What to compare with.
        values: Vec<Value>,
    },
    /// Holds if every filter does.
    All(Vec<Filter>),
    /// Holds if at least one filter does.
    Any(Vec<Filter>),
}

fn condition(attribute: impl Into<String>, operator: &'static str, values: Vec<Value>) -> Filter {
    Filter::Condition { attribute: attribute.into(), operator, values }
}

/// Holds if every filter does.
pub fn all_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::All(filters.into_iter().collect())
}

/// Holds if at least one filter does.
pub fn any_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::Any(filters.into_iter().collect())
}

/// Holds if the attribute is null.
pub fn is_null(attribute: impl Into<String>) -> Filter {
    condition(attribute, "null", Vec::new())
}

/// Holds if the attribute has a value.
pub fn is_not_null(attribute: impl Into<String>) -> Filter {
    condition(attribute, "not-null", Vec::new())
}

/// Holds if the attribute is one of the values.
pub fn is_in<V: Into<Value>>(attribute: impl Into<String>, values: impl IntoIterator<Item = V>) -> Filter {
    condition(attribute, "in", values.into_iter().map(Into::into).collect())
}

/// Holds if the attribute is none of the values. A null never is.
pub fn is_not_in<V: Into<Value>>(
    attribute: impl Into<String>,
    values: impl IntoIterator<Item = V>,
) -> Filter {
    condition(attribute, "not-in", values.into_iter().map(Into::into).collect())
}

/// Conditions whose values have the column's type.
impl<T: AttributeType> Column<T> {
    /// Holds if the column is null.
    pub fn is_null(self) -> Filter {
        is_null(self)
    }

    /// Holds if the column has a value.
    pub fn is_not_null(self) -> Filter {
        is_not_null(self)
    }

    /// Holds if the column is one of the values.
    pub fn is_in<V: Into<T>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        is_in(self, values.into_iter().map(Into::into))
    }

    /// Holds if the column is none of the values. A null never is.
    pub fn is_not_in<V: Into<T>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        is_not_in(self, values.into_iter().map(Into::into))
    }
}

/// Each comparison twice: of an attribute by its name, and of a column of the type.
macro_rules! comparisons {
    (of $type:ty $(where $parameter:ident)?: $($name:ident, $operator:literal, $meaning:literal;)+) => {
        $(
            #[doc = concat!("Holds if the attribute ", $meaning, ". A null never does.")]
            pub fn $name(attribute: impl Into<String>, value: impl Into<Value>) -> Filter {
                condition(attribute, $operator, vec![value.into()])
            }
        )+

        impl$(<$parameter: AttributeType>)? Column<$type> {
            $(
                #[doc = concat!("Holds if the column ", $meaning, ". A null never does.")]
                pub fn $name(self, value: impl Into<$type>) -> Filter {
                    $name(self, value.into())
                }
            )+
        }
    };
}

comparisons! { of T where T:
    eq, "eq", "equals the value";
    ne, "ne", "differs from the value";
    gt, "gt", "is larger than the value";
    ge, "ge", "is the value or larger";
    lt, "lt", "is smaller than the value";
    le, "le", "is the value or smaller";
}

comparisons! { of String:
    like, "like", "is text like the pattern, with `%` for any text and `_` for one character";
    not_like, "not-like", "is text unlike the pattern";
    begins_with, "begins-with", "is text that begins with the value";
}
