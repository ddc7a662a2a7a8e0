//! Queries: what they select, the statements for it, and the page that their rows make.
//!
//! A page begins behind a position, the values by which the records are sorted, and not behind a number of records: see
//! [`keyset`]. So records that come and go between two pages neither repeat others nor hide them.
//!
//! A store runs [`Selection::records`](selection::Selection::records) and hands the rows to a [`Page`].

mod condition;
mod keyset;
pub(in crate::store) mod position;
pub(in crate::store) mod selection;
mod tables;

use crate::model::EntityCollection;
use crate::model::error::Result;

use super::Row;
use position::Part;
use selection::Selection;

/// A page of a query's records, as they are read.
pub(in crate::store) struct Page<'s, 'q> {
    selection: &'s Selection<'q>,
    limit: usize,
    records: EntityCollection,
    /// The position of the last record, once the page is full.
    last: Vec<Part>,
    /// Whether another record follows.
    more: bool,
}

impl<'s, 'q> Page<'s, 'q> {
    /// An empty one.
    pub(in crate::store) fn new(selection: &'s Selection<'q>) -> Self {
        Self {
            selection,
            limit: usize::try_from(selection.limit()).unwrap_or(usize::MAX),
            records: EntityCollection::new(&selection.query.entity, Vec::new()),
            last: Vec::new(),
            more: false,
        }
    }

    /// Takes the next row, and says whether it would take another.
    pub(in crate::store) fn take(&mut self, row: &impl Row) -> Result<bool> {
        let records = &mut self.records.entities;
        if records.len() == self.limit {
            self.more = true;
            return Ok(false);
        }
        records.push(self.selection.record(row)?);
        if records.len() == self.limit {
            self.last = self.selection.parts(row)?;
        }
        Ok(true)
    }

    /// What the query returns. `count` is what [`Selection::count`] found, where the query asks for it.
    pub(in crate::store) fn finish(mut self, count: Option<u64>) -> Result<EntityCollection> {
        let query = self.selection.query;
        self.records.total_record_count = count;
        // What `top` leaves out, the query does not select.
        self.records.more_records = self.more && query.top.is_none_or(|top| top > self.selection.limit());
        if self.more && query.top.is_none() {
            self.records.paging_cookie = Some(position::seal(query, &self.last)?);
        }
        Ok(self.records)
    }
}
