//! Alternate keys.

use std::marker::PhantomData;

use crate::entity::{Column, Entity};
use crate::record::Record;
use crate::value::{AttributeType, Value};

/// Names a record by the values of an alternate key, in place of its identifier.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// # #[derive(Entity, Default)]
/// # #[entity("account")]
/// # struct Account {
/// #     accountnumber: Field<String>,
/// #     country: Field<String>,
/// #     name: Field<String>,
/// # }
/// # fn example(org: &Organization) -> Result {
/// let key = Key::<Account>::new(Account::COLUMNS.accountnumber, "A-17").and(Account::COLUMNS.country, "DE");
/// let done = org.upsert_by_key(key, Account { name: "Acme".into(), ..default() })?;
/// trace!("{}, {}", done.target, if done.record_created { "new" } else { "changed" });
///
/// let note = org.retrieve_by_key(Key::of("note").with("number", 5))?;
/// # drop(note);
/// # Ok(())
/// # }
/// ```
pub struct Key<D> {
    /// Without attributes.
    record: Record,
    shape: PhantomData<fn() -> D>,
}

impl<E: Entity> Key<E> {
    /// A key of this column, with the value.
    pub fn new<T: AttributeType>(column: Column<T>, value: impl Into<T>) -> Self {
        Self { record: Record::new(E::LOGICAL_NAME), shape: PhantomData }.and(column, value)
    }

    /// And of this one.
    #[must_use]
    pub fn and<T: AttributeType>(mut self, column: Column<T>, value: impl Into<T>) -> Self {
        self.insert(column.into(), value.into().into_value());
        self
    }
}

impl Key<Record> {
    /// A key of the named entity, without attributes yet.
    pub fn of(entity: impl Into<String>) -> Self {
        Self { record: Record::new(entity), shape: PhantomData }
    }

    /// With one more attribute.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.insert(attribute.into(), value.into());
        self
    }
}

impl<D> Key<D> {
    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// The record, as the one that the key names.
    pub(crate) fn name(self, record: Record) -> Record {
        Record { id: None, key_attributes: self.record.key_attributes, ..record }
    }

    fn insert(&mut self, attribute: String, value: Value) {
        self.record.key_attributes.insert(attribute, value);
    }
}
