//! The records of a fake organization, and what happened in it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Fake;
use super::jobs::Jobs;
use crate::parameters::Parameters;
use crate::query::primary_id;
use crate::record::{ColumnSet, Record};
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};
use crate::{Fault, Result, code};

/// 2026-01-01T00:00:00Z
const START: DateTime = DateTime::from_millis(1_767_225_600_000);

/// The fake's identifiers count up from here: recognizable, and the same in every run.
const FIRST_ID: u128 = 0xfa4e_0000_0000_4000_8000_0000_0000_0000;

/// An attribute that asks for the record's version, as on a host; the fake has it only for those who name it.
const VERSION: &str = "versionnumber";

pub(super) type Attributes = BTreeMap<String, Value>;

/// The main operation of a custom message.
pub(super) type Implementation = Rc<dyn Fn(&Fake, Parameters) -> Result<Parameters>>;

#[derive(Clone)]
pub(super) struct World {
    records: BTreeMap<EntityReference, Stored>,
    pub(super) relationships: BTreeMap<String, Relationship>,
    /// The pairs of many-to-many relationships, by name, both ways round.
    pub(super) pairs: BTreeSet<(String, EntityReference, EntityReference)>,
    pub(super) implementations: BTreeMap<String, Implementation>,
    #[cfg(feature = "http")]
    pub(super) responder: Option<super::http::Responder>,
    created: Vec<EntityReference>,
    pub(super) shared: BTreeMap<String, Value>,
    pub(super) traces: Vec<String>,
    pub(super) jobs: Jobs,
    pub(super) now: DateTime,
    last_id: u128,
    last_version: i64,
}

#[derive(Clone)]
struct Stored {
    attributes: Attributes,
    version: i64,
}

/// How records are related.
#[derive(Clone)]
pub(super) enum Relationship {
    /// The children have a lookup.
    OneToMany {
        child: String,
        lookup: String,
    },
    ManyToMany,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            records: BTreeMap::new(),
            relationships: BTreeMap::new(),
            pairs: BTreeSet::new(),
            implementations: BTreeMap::new(),
            #[cfg(feature = "http")]
            responder: None,
            created: Vec::new(),
            shared: BTreeMap::new(),
            traces: Vec::new(),
            jobs: Jobs::default(),
            now: START,
            last_id: FIRST_ID,
            last_version: 0,
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
        let version = self.new_version();
        let attributes = without_nulls(record.attributes);
        self.records.insert(reference.clone(), Stored { attributes, version });
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

    pub(super) fn exists(&self, reference: &EntityReference) -> bool {
        self.records.contains_key(reference)
    }

    pub(super) fn retrieve(&self, reference: &EntityReference, columns: &ColumnSet) -> Result<Record> {
        let stored = self.records.get(reference).ok_or_else(|| missing(reference))?;
        Ok(record(reference, stored, columns))
    }

    pub(super) fn update(&mut self, reference: &EntityReference, changes: Attributes) -> Result {
        let version = self.new_version();
        let stored = self.records.get_mut(reference).ok_or_else(|| missing(reference))?;
        stored.attributes.extend(changes);
        stored.attributes.retain(|_, value| !value.is_null());
        stored.version = version;
        Ok(())
    }

    pub(super) fn delete(&mut self, reference: &EntityReference) -> Result {
        self.records.remove(reference).map(drop).ok_or_else(|| missing(reference))
    }

    /// Refuses a request for another version of the record.
    pub(super) fn check_version(&self, reference: &EntityReference, version: i64) -> Result {
        let stored = self.records.get(reference).ok_or_else(|| missing(reference))?;
        if stored.version == version {
            return Ok(());
        }
        let text =
            format!("`{reference}` has the version {}, and not {version}: read it again.", stored.version);
        Err(Fault::new(text).with_code(code::CONCURRENCY_VERSION_MISMATCH))
    }

    /// Which record a request is about: by its identifier, or by the attributes of an alternate key. The fake knows no
    /// keys, so any attributes can be one.
    pub(super) fn resolve(&self, record: &Record) -> Result<EntityReference> {
        if let Some(reference) = record.reference() {
            return Ok(reference);
        }
        let entity = &record.logical_name;
        let keys = &record.key_attributes;
        if keys.is_empty() {
            let text =
                format!("A request about `{entity}` needs the record's identifier or an alternate key.");
            return Err(Fault::new(text).with_code(code::INVALID_ARGUMENT));
        }
        let has_key = |stored: &Stored| {
            keys.iter().all(|(name, value)| {
                let own = stored.attributes.get(name).unwrap_or(&Value::Null);
                super::filter::compare(own, value) == Some(std::cmp::Ordering::Equal)
            })
        };
        let mut found =
            self.records.iter().filter(|(known, stored)| known.entity == *entity && has_key(stored));
        match (found.next(), found.next()) {
            (Some((reference, _)), None) => Ok(reference.clone()),
            (None, _) => {
                let text = format!("There is no `{entity}` with this alternate key.");
                Err(Fault::new(text).with_code(code::RECORD_NOT_FOUND_BY_KEY))
            }
            (Some(_), Some(_)) => {
                let text =
                    format!("There are several `{entity}` with these values: they are no alternate key.");
                Err(Fault::new(text).with_code(code::INVALID_KEY_OPERATION))
            }
        }
    }

    /// The records of an entity, with their identifiers and versions as attributes.
    pub(super) fn records_of(&self, entity: &str) -> impl Iterator<Item = (EntityReference, Attributes)> {
        self.records.iter().filter(move |(known, _)| known.entity == entity).map(|(reference, stored)| {
            let mut attributes = stored.attributes.clone();
            attributes.insert(primary_id(&reference.entity), reference.id.into());
            attributes.insert(VERSION.to_owned(), stored.version.into());
            (reference.clone(), attributes)
        })
    }

    /// The children of a record by a one-to-many relationship.
    pub(super) fn children(&self, parent: &EntityReference, relationship: &str) -> Result<Vec<Record>> {
        let Some(Relationship::OneToMany { child, lookup }) = self.relationships.get(relationship) else {
            return Err(unknown_relationship(relationship));
        };
        let parent = Value::EntityReference(parent.clone());
        let children = self.records.iter().filter(|(reference, stored)| {
            reference.entity == *child && stored.attributes.get(lookup) == Some(&parent)
        });
        Ok(children.map(|(reference, stored)| record(reference, stored, &ColumnSet::All)).collect())
    }

    pub(super) fn created(&self) -> Vec<Record> {
        let still_there = self.created.iter().filter_map(|reference| self.records.get_key_value(reference));
        still_there.map(|(reference, stored)| record(reference, stored, &ColumnSet::All)).collect()
    }

    pub(super) fn created_count(&self) -> usize {
        self.created.len()
    }

    /// What a message creates itself is not among what steps created.
    pub(super) fn forget_created(&mut self, count: usize) {
        self.created.truncate(count);
    }

    fn new_version(&mut self) -> i64 {
        self.last_version += 1;
        self.last_version
    }
}

pub(super) fn unknown_relationship(name: &str) -> Fault {
    Fault::defect(format!(
        "The fake does not know the relationship `{name}`: add it with `Fake::one_to_many` or `Fake::many_to_many`."
    ))
}

/// Takes out of all attributes of a record those that a fake has only for who names them.
pub(super) fn hide_system_attributes(entity: &str, attributes: &mut Attributes) {
    attributes.remove(&primary_id(entity));
    attributes.remove(VERSION);
}

/// A named attribute that the record lacks is null; `All` gives those with a value.
fn record(reference: &EntityReference, stored: &Stored, columns: &ColumnSet) -> Record {
    let attributes = match columns {
        ColumnSet::All => stored.attributes.clone(),
        ColumnSet::Named(names) => {
            let value = |name: &String| match name.as_str() {
                VERSION => stored.version.into(),
                _ => stored.attributes.get(name).cloned().unwrap_or_default(),
            };
            names.iter().map(|name| (name.clone(), value(name))).collect()
        }
    };
    Record { id: Some(reference.id), attributes, ..Record::new(reference.entity.clone()) }
}

fn without_nulls(mut attributes: Attributes) -> Attributes {
    attributes.retain(|_, value| !value.is_null());
    attributes
}

fn missing(reference: &EntityReference) -> Fault {
    Fault::new(format!("`{reference}` does not exist.")).with_code(code::OBJECT_DOES_NOT_EXIST)
}
