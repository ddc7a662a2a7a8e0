//! The records of a fake organization, and what happened in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::query::RecordQuery;
use crate::record::{ColumnSet, Record};
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};
use crate::{Fault, Result, code};

/// 2026-01-01T00:00:00Z
const START: DateTime = DateTime::from_millis(1_767_225_600_000);

/// The fake's identifiers count up from here: recognizable, and the same in every run.
const FIRST_ID: u128 = 0xfa4e_0000_0000_4000_8000_0000_0000_0000;

#[derive(Clone)]
pub(super) struct World {
    records: BTreeMap<EntityReference, BTreeMap<String, Value>>,
    created: Vec<EntityReference>,
    pub(super) shared: BTreeMap<String, Value>,
    pub(super) traces: Vec<String>,
    pub(super) now: DateTime,
    last_id: u128,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            created: Vec::new(),
            shared: BTreeMap::new(),
            traces: Vec::new(),
            now: START,
            last_id: FIRST_ID,
        }
    }

    pub(super) fn new_id(&mut self) -> UniqueIdentifier {
        self.last_id += 1;
        UniqueIdentifier::from_u128(self.last_id)
    }

    /// Undoes everything but the traces.
    pub(super) fn roll_back_to(&mut self, earlier: Self) {
        let traces = std::mem::take(&mut self.traces);
        *self = Self { traces, last_id: self.last_id, ..earlier };
    }

    /// Puts a record in, in place of one that is there.
    pub(super) fn insert(&mut self, record: Record) -> EntityReference {
        let id = record.id.unwrap_or_else(|| self.new_id());
        let reference = EntityReference { entity: record.logical_name, id };
        self.records.insert(reference.clone(), without_nulls(record.attributes));
        reference
    }

    /// What a step's request does: a record that exists is a fault.
    pub(super) fn create(&mut self, record: Record) -> Result<UniqueIdentifier> {
        if let Some(reference) = record.reference()
            && self.records.contains_key(&reference)
        {
            let text = format!("`{reference}` cannot be created: it exists already.");
            return Err(Fault::new(text).with_code(code::DUPLICATE_RECORD));
        }
        let reference = self.insert(record);
        self.created.push(reference.clone());
        Ok(reference.id)
    }

    pub(super) fn retrieve(&self, reference: &EntityReference, columns: &ColumnSet) -> Result<Record> {
        let attributes = self.records.get(reference).ok_or_else(|| missing(reference))?;
        Ok(record(reference, attributes, columns))
    }

    pub(super) fn update(&mut self, reference: &EntityReference, changes: BTreeMap<String, Value>) -> Result {
        let attributes = self.records.get_mut(reference).ok_or_else(|| missing(reference))?;
        attributes.extend(changes);
        attributes.retain(|_, value| !value.is_null());
        Ok(())
    }

    pub(super) fn delete(&mut self, reference: &EntityReference) -> Result {
        self.records.remove(reference).map(drop).ok_or_else(|| missing(reference))
    }

    pub(super) fn retrieve_multiple(&self, query: &RecordQuery) -> Result<Vec<Record>> {
        let mut found = Vec::new();
        for (reference, attributes) in self.records.iter().filter(|(known, _)| known.entity == query.entity) {
            let holds = match &query.filter {
                Some(filter) => super::filter::holds(filter, attributes)?,
                None => true,
            };
            if holds {
                found.push((reference, attributes));
            }
        }
        // The map's order, by identifier, decides what the orders leave equal.
        found.sort_by(|(_, one), (_, other)| super::filter::order(&query.orders, one, other));
        let top = query.top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX));
        Ok(found
            .into_iter()
            .take(top)
            .map(|(at, attributes)| record(at, attributes, &query.columns))
            .collect())
    }

    pub(super) fn created(&self) -> Vec<Record> {
        let still_there = self.created.iter().filter_map(|reference| self.records.get_key_value(reference));
        still_there.map(|(reference, attributes)| record(reference, attributes, &ColumnSet::All)).collect()
    }
}

/// A named attribute that the record lacks is null; `All` gives those with a value.
fn record(reference: &EntityReference, attributes: &BTreeMap<String, Value>, columns: &ColumnSet) -> Record {
    let attributes = match columns {
        ColumnSet::All => attributes.clone(),
        ColumnSet::Named(names) => {
            let value = |name: &String| attributes.get(name).cloned().unwrap_or_default();
            names.iter().map(|name| (name.clone(), value(name))).collect()
        }
    };
    Record { logical_name: reference.entity.clone(), id: Some(reference.id), attributes }
}

fn without_nulls(mut attributes: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    attributes.retain(|_, value| !value.is_null());
    attributes
}

fn missing(reference: &EntityReference) -> Fault {
    Fault::new(format!("`{reference}` does not exist.")).with_code(code::OBJECT_DOES_NOT_EXIST)
}

thread_local! {
    /// The organizations whose steps run on this thread, the innermost last: `trace!` has no context to go by.
    static CURRENT: RefCell<Vec<Rc<RefCell<World>>>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, `trace!` writes to the organization.
pub(super) struct Entered(());

pub(super) fn enter(world: &Rc<RefCell<World>>) -> Entered {
    CURRENT.with_borrow_mut(|current| current.push(Rc::clone(world)));
    Entered(())
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| drop(current.pop()));
    }
}

pub(crate) fn trace(line: &str) {
    match CURRENT.with_borrow(|current| current.last().cloned()) {
        Some(world) => world.borrow_mut().traces.push(line.to_owned()),
        None => eprintln!("{line}"),
    }
}

/// Stops a step whose source has a mistake that a host would only trace.
#[expect(clippy::panic, reason = "it is how a test fails, and only a panic says where")]
#[cold]
#[track_caller]
pub(crate) fn fail(mistake: &str) -> ! {
    panic!("{mistake}");
}
