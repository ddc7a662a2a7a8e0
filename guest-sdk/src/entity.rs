//! Entities as structs, and what they have in common with records.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::Result;
use crate::declaration::EntityDeclaration;
use crate::record::{ColumnSet, Record, Side};
use crate::value::{EntityReference, Ref, Value};

/// A struct that stands for some columns of an entity.
///
/// `#[derive(Entity)]` with `#[entity("logicalname")]` implements it. The fields *are* the list of columns: whatever
/// reads the entity asks for these and no others. `#[column("logicalname")]` gives a field another name than its
/// column's.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// #[derive(Entity, Default)]
/// #[entity("account")]
/// struct Account {
///     name: Field<String>,
///     #[column("creditlimit")]
///     credit_limit: Field<Money>,
/// }
///
/// assert_eq!(Account::LOGICAL_NAME, "account");
/// assert_eq!(Account::COLUMNS.credit_limit.name(), "creditlimit");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct for an entity",
    label = "add `#[derive(Entity, Default)]` and `#[entity(\"logicalname\")]` to this type",
    note = "columns of a `Record` are written as strings, for example `changed(\"name\")`, or as `all` in an image"
)]
pub trait Entity: Sized {
    /// The entity's logical name.
    const LOGICAL_NAME: &'static str;

    /// One [`Column`] for each field, under the field's name.
    type Columns: 'static;

    /// The columns, for filters: `Account::COLUMNS.creditlimit.gt(Money::new(10))`.
    const COLUMNS: Self::Columns;

    #[doc(hidden)]
    const NAMES: &'static [&'static str];

    #[doc(hidden)]
    const DECLARATION: EntityDeclaration;

    #[doc(hidden)]
    fn take(record: &mut Record, side: Side) -> Result<Self>;

    #[doc(hidden)]
    fn put(&self, record: &mut Record);
}

/// A column of an entity, whose values are of type `T`.
pub struct Column<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Column<T> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The logical name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> From<Column<T>> for String {
    fn from(column: Column<T>) -> Self {
        column.name.to_owned()
    }
}

/// A record that a query found: the struct's columns, and the identifier.
pub struct Row<E> {
    /// Which record it is; nil for a row of a distinct query.
    pub id: Ref<E>,
    /// Its columns.
    pub entity: E,
    /// What was read beyond them: the columns of links.
    linked: BTreeMap<String, Value>,
}

impl<E: Entity> Row<E> {
    /// The columns of a record.
    pub fn new(id: impl Into<Ref<E>>, entity: E) -> Self {
        Self { id: id.into(), entity, linked: BTreeMap::new() }
    }

    /// The columns of a [`Link`](crate::query::Link) to `L`, which asks for them with
    /// [`with_columns`](crate::query::Link::with_columns). All are null where an outer join had no match.
    ///
    /// # Errors
    /// If a column is not of the struct's type.
    pub fn linked<L: Entity>(&self) -> Result<L> {
        self.linked_as(L::LOGICAL_NAME)
    }

    /// The columns of a link with that alias.
    ///
    /// # Errors
    /// If a column is not of the struct's type.
    pub fn linked_as<L: Entity>(&self, alias: &str) -> Result<L> {
        let mut record = Record::new(L::LOGICAL_NAME);
        for name in L::NAMES {
            if let Some(value) = self.linked.get(&[alias, ".", name].concat()) {
                record.insert((*name).to_owned(), value.clone());
            }
        }
        L::take(&mut record, Side::Output)
    }
}

impl<E> Deref for Row<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.entity
    }
}

impl<E> DerefMut for Row<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.entity
    }
}

impl<E: Entity + fmt::Debug> fmt::Debug for Row<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Row").field("id", &self.id).field("entity", &self.entity).finish()
    }
}

/// What a message can carry: a struct with `#[derive(Entity)]`, or a [`Record`].
#[diagnostic::on_unimplemented(
    message = "a message cannot carry a `{Self}`",
    label = "neither an entity's struct nor `Record`",
    note = "add `#[derive(Entity, Default)]` and `#[entity(\"logicalname\")]` to the struct, or use `Record`"
)]
pub trait Shape: Sized {
    /// How it is referred to: [`Ref`] or [`EntityReference`].
    type Reference: Clone + Into<EntityReference>;

    /// How a query returns it: [`Row`] or [`Record`].
    type Found;

    /// The entity's logical name; none for any.
    const ENTITY: Option<&'static str>;

    #[doc(hidden)]
    const COLUMN_NAMES: &'static [&'static str];

    #[doc(hidden)]
    const DECLARED: Option<&'static EntityDeclaration>;

    #[doc(hidden)]
    fn columns() -> ColumnSet;

    #[doc(hidden)]
    fn from_record(record: Record, side: Side) -> Result<Self>;

    #[doc(hidden)]
    fn to_record(&self) -> Record;

    #[doc(hidden)]
    fn into_record(self) -> Record {
        self.to_record()
    }

    #[doc(hidden)]
    fn refer(reference: EntityReference) -> Self::Reference;

    #[doc(hidden)]
    fn found(record: Record) -> Result<Self::Found>;

    #[doc(hidden)]
    fn found_record(found: &Self::Found) -> Record;
}

impl<E: Entity> Shape for E {
    type Reference = Ref<E>;
    type Found = Row<E>;
    const ENTITY: Option<&'static str> = Some(E::LOGICAL_NAME);
    const COLUMN_NAMES: &'static [&'static str] = E::NAMES;
    const DECLARED: Option<&'static EntityDeclaration> = Some(&E::DECLARATION);

    fn columns() -> ColumnSet {
        ColumnSet::named(E::NAMES.iter().copied())
    }

    fn from_record(mut record: Record, side: Side) -> Result<Self> {
        E::take(&mut record, side)
    }

    fn to_record(&self) -> Record {
        let mut record = Record::new(E::LOGICAL_NAME);
        self.put(&mut record);
        record
    }

    fn refer(reference: EntityReference) -> Ref<E> {
        Ref::new(reference.id)
    }

    fn found(mut record: Record) -> Result<Row<E>> {
        let id = Ref::new(record.id.unwrap_or_default());
        Ok(Row { id, entity: E::take(&mut record, Side::Output)?, linked: record.attributes })
    }

    fn found_record(found: &Row<E>) -> Record {
        found.entity.to_record()
    }
}

impl Shape for Record {
    type Reference = EntityReference;
    type Found = Self;
    const ENTITY: Option<&'static str> = None;
    const COLUMN_NAMES: &'static [&'static str] = &[];
    const DECLARED: Option<&'static EntityDeclaration> = None;

    fn columns() -> ColumnSet {
        ColumnSet::All
    }

    fn from_record(record: Record, _: Side) -> Result<Self> {
        Ok(record)
    }

    fn to_record(&self) -> Record {
        self.clone()
    }

    fn into_record(self) -> Record {
        self
    }

    fn refer(reference: EntityReference) -> EntityReference {
        reference
    }

    fn found(record: Record) -> Result<Self> {
        Ok(record)
    }

    fn found_record(found: &Self) -> Record {
        found.clone()
    }
}
