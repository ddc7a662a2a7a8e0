//! Queries: which records to read.

mod filter;
mod link;
mod page;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

pub use filter::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use link::primary_id;
pub use link::{Join, Link, LinkEntity, LookupTo};
pub use page::{Page, Pages, Rows};

use crate::entity::{Entity, Shape};
use crate::record::{ColumnSet, Record};

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
///     customerid: Field<Ref<Account>>,
///     opened: Field<DateTime>,
/// }
///
/// #[derive(Entity, Default)]
/// #[entity("account")]
/// struct Account {
///     name: Field<String>,
/// }
///
/// let worst = Query::<Incident>::new()
///     .filter(Incident::COLUMNS.severity.ge(3))
///     .filter(Incident::COLUMNS.opened.last_x_days(7))
///     .filter(ne("title", "test"))
///     .link(Link::to(Incident::COLUMNS.customerid).filter(Account::COLUMNS.name.begins_with("A")))
///     .order_by_descending(Incident::COLUMNS.severity)
///     .top(10);
/// # drop(worst);
/// ```
///
/// It dereferences to its [`QueryExpression`].
pub struct Query<D> {
    expression: QueryExpression,
    shape: PhantomData<fn() -> D>,
}

/// A query as data, without its Rust type: what a step on a RetrieveMultiple reads and changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryExpression {
    /// The logical name of the entity.
    pub entity: String,
    /// The attributes to return.
    pub columns: ColumnSet,
    /// Which records; none selects all.
    pub filter: Option<Filter>,
    /// Joins to other entities.
    pub links: Vec<LinkEntity>,
    /// Sorting, most significant first. Records that compare equal follow in the order of their identifiers.
    pub orders: Vec<Order>,
    /// At most so many records. A host caps it at 5000. Not together with a page.
    pub top: Option<u32>,
    /// Which page of the records.
    pub page: Option<Page>,
    /// Each combination of the columns once.
    pub distinct: bool,
    /// Whether to count what the query selects over all pages.
    pub count: bool,
}

impl QueryExpression {
    /// Leaves only records for which the filter holds too: `ctx.query.restrict(Case::COLUMNS.secret.ne(true))`.
    pub fn restrict(&mut self, filter: Filter) {
        self.filter = Some(and(self.filter.take(), filter));
    }
}

/// Sorts by one attribute; nulls are smaller than any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The alias of the link whose attribute it is; none for the query's own entity.
    pub link: Option<String>,
    /// The attribute's logical name.
    pub attribute: String,
    /// Largest first.
    pub descending: bool,
}

impl Order {
    /// Smallest first. The attribute is a [`Column`](crate::Column) or a name.
    pub fn by(attribute: impl Into<String>) -> Self {
        Self { link: None, attribute: attribute.into(), descending: false }
    }

    /// Largest first.
    #[must_use]
    pub fn descending(self) -> Self {
        Self { descending: true, ..self }
    }

    /// By an attribute of the link with that alias.
    #[must_use]
    pub fn of(self, alias: impl Into<String>) -> Self {
        Self { link: Some(alias.into()), ..self }
    }
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
        self.expression.columns = columns.into();
        self
    }
}

impl<D: Shape> Query<D> {
    fn over(entity: String, columns: ColumnSet) -> Self {
        let expression = QueryExpression { entity, columns, ..QueryExpression::default() };
        Self { expression, shape: PhantomData }
    }

    /// Only records for which the filter holds, along with those given before.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.expression.restrict(filter);
        self
    }

    /// Joined to another entity.
    #[must_use]
    pub fn link(mut self, link: impl Into<LinkEntity>) -> Self {
        self.expression.links.push(link.into());
        self
    }

    /// Smallest first, nulls before everything; after the orders given before. The attribute is a
    /// [`Column`](crate::Column) or a name.
    #[must_use]
    pub fn order_by(self, attribute: impl Into<String>) -> Self {
        self.order(Order::by(attribute))
    }

    /// Largest first, nulls after everything; after the orders given before. The attribute is a
    /// [`Column`](crate::Column) or a name.
    #[must_use]
    pub fn order_by_descending(self, attribute: impl Into<String>) -> Self {
        self.order(Order::by(attribute).descending())
    }

    /// Sorted; after the orders given before. `Order::by(Account::COLUMNS.name).of("account")` sorts by a link's
    /// attribute.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.expression.orders.push(order);
        self
    }

    /// At most so many records. A host caps it at 5000.
    #[must_use]
    pub fn top(mut self, count: u32) -> Self {
        self.expression.top = Some(count);
        self
    }

    /// In pages of so many records, 1 to 5000, this one the first.
    /// [`Organization::pages`](crate::Organization::pages) goes through all of them.
    #[must_use]
    pub fn page(mut self, size: u32) -> Self {
        self.expression.page = Some(Page { size, cookie: None });
        self
    }

    /// The page that begins where another one's [`paging_cookie`](Rows::paging_cookie) says.
    #[must_use]
    pub fn page_after(mut self, size: u32, cookie: impl Into<String>) -> Self {
        self.expression.page = Some(Page { size, cookie: Some(cookie.into()) });
        self
    }

    /// Each combination of the columns once.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.expression.distinct = true;
        self
    }

    /// Counts what the query selects over all pages: [`Rows::total_record_count`].
    #[must_use]
    pub fn with_count(mut self) -> Self {
        self.expression.count = true;
        self
    }

    pub(crate) fn into_expression(self) -> QueryExpression {
        self.expression
    }
}

impl<D> Deref for Query<D> {
    type Target = QueryExpression;

    fn deref(&self) -> &QueryExpression {
        &self.expression
    }
}

impl<D> DerefMut for Query<D> {
    fn deref_mut(&mut self) -> &mut QueryExpression {
        &mut self.expression
    }
}

impl<D> Clone for Query<D> {
    fn clone(&self) -> Self {
        Self { expression: self.expression.clone(), shape: PhantomData }
    }
}

impl<D> fmt::Debug for Query<D> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(out)
    }
}

impl<D> From<Query<D>> for QueryExpression {
    fn from(query: Query<D>) -> Self {
        query.expression
    }
}
