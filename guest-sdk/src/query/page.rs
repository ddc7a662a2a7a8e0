//! Pages of records.

use std::marker::PhantomData;

use super::QueryExpression;
use crate::Result;
use crate::entity::Shape;
use crate::organization::{Organization, Route};

/// A page of a query's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records in a page, 1 to 5000.
    pub size: u32,
    /// What the page before came with; none for the first page.
    pub cookie: Option<String>,
}

/// What a query found: its records, or a page of them.
pub struct Rows<D: Shape> {
    /// The records: a [`Row`](crate::Row) each for a struct, or a [`Record`](crate::Record).
    pub rows: Vec<D::Found>,
    /// Whether the query selects more than these.
    pub more_records: bool,
    /// Where the next page begins: see [`Query::page_after`](super::Query::page_after).
    pub paging_cookie: Option<String>,
    /// How many records the query selects over all pages, if it asked.
    pub total_record_count: Option<u64>,
}

/// Goes through a query's pages: see [`Organization::pages`].
///
/// Each page is a request of its own, made when it is asked for. It ends with the last page, or with a fault.
pub struct Pages<D, R> {
    organization: Organization<R>,
    /// The query of the next page; none after the last.
    next: Option<QueryExpression>,
    shape: PhantomData<fn() -> D>,
}

impl<D, R> Pages<D, R> {
    pub(crate) fn new(organization: Organization<R>, mut query: QueryExpression, size: u32) -> Self {
        query.page = Some(Page { size, cookie: None });
        Self { organization, next: Some(query), shape: PhantomData }
    }
}

impl<D: Shape, R: Route> Iterator for Pages<D, R> {
    type Item = Result<Vec<D::Found>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut query = self.next.take()?;
        match self.organization.rows::<D>(query.clone()) {
            Ok(found) => {
                if let (true, Some(page)) = (found.more_records, &mut query.page) {
                    page.cookie = found.paging_cookie;
                    self.next = Some(query);
                }
                Some(Ok(found.rows))
            }
            Err(fault) => Some(Err(fault)),
        }
    }
}
