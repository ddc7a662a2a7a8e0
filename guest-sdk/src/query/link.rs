//! Joins.

use std::marker::PhantomData;

use super::{Filter, and};
use crate::entity::{Column, Entity, Shape};
use crate::record::{ColumnSet, Record};
use crate::value::{EntityReference, Ref};

/// A join to another entity, for [`Query::link`](super::Query::link): FetchXML's `link-entity`.
///
/// ```
/// # use stagegate_sdk::prelude::*;
/// # #[derive(Entity, Default)]
/// # #[entity("account")]
/// # struct Account {
/// #     name: Field<String>,
/// # }
/// # #[derive(Entity, Default)]
/// # #[entity("task")]
/// # struct Task {
/// #     regardingobjectid: Field<Ref<Account>>,
/// #     done: Field<bool>,
/// # }
/// // Along a lookup: tasks, with the name of the account that each is about.
/// let tasks = Query::<Task>::new().link(Link::to(Task::COLUMNS.regardingobjectid).with_columns());
///
/// // Against a lookup: accounts without an open task.
/// let open = Link::<Task>::by(Task::COLUMNS.regardingobjectid).filter(Task::COLUMNS.done.eq(false));
/// let idle = Query::<Account>::new().link(open.not_exists());
/// # drop((tasks, idle));
/// ```
///
/// A record that a query found has a link's columns in [`Row::linked`](crate::Row::linked).
pub struct Link<D> {
    entity: LinkEntity,
    shape: PhantomData<fn() -> D>,
}

/// A join as data.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkEntity {
    /// The entity that is joined.
    pub entity: String,
    /// Its attribute that must equal `to`.
    pub from: String,
    /// The attribute of what it is joined to.
    pub to: String,
    /// What conditions, orders and the names of its columns (`alias.attribute`) call it; unique in the query.
    pub alias: String,
    /// Which records remain.
    pub join: Join,
    /// The attributes to return.
    pub columns: ColumnSet,
    /// Which of its records are joined.
    pub filter: Option<Filter>,
    /// Joins to this one.
    pub links: Vec<LinkEntity>,
}

/// Which records a join leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

impl<E: Entity> Link<E> {
    /// To the record that a lookup points to. Of a lookup that may point to several entities, `Link::<Account>::to(..)`
    /// says which one is meant.
    pub fn to<L: LookupTo<E>>(lookup: Column<L>) -> Self {
        Self::over(E::LOGICAL_NAME, primary_id(E::LOGICAL_NAME), lookup.into())
    }

    /// To the records of `E` whose lookup points here.
    pub fn by<P: Entity>(lookup: Column<Ref<P>>) -> Self {
        Self::over(E::LOGICAL_NAME, lookup.into(), primary_id(P::LOGICAL_NAME))
    }

    /// Returns the columns of the struct with each record.
    #[must_use]
    pub fn with_columns(mut self) -> Self {
        self.entity.columns = E::columns();
        self
    }
}

impl Link<Record> {
    /// To the records of the named entity whose attribute `from` equals the attribute `to` of what it is joined to.
    pub fn of(entity: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> Self {
        Self::over(&entity.into(), from.into(), to.into())
    }

    /// Returns these attributes with each record.
    #[must_use]
    pub fn columns(mut self, columns: impl Into<ColumnSet>) -> Self {
        self.entity.columns = columns.into();
        self
    }
}

impl<D: Shape> Link<D> {
    fn over(entity: &str, from: String, to: String) -> Self {
        let entity = LinkEntity {
            entity: entity.to_owned(),
            from,
            to,
            alias: entity.to_owned(),
            join: Join::Inner,
            columns: ColumnSet::default(),
            filter: None,
            links: Vec::new(),
        };
        Self { entity, shape: PhantomData }
    }

    /// Under another alias than the entity's name. A query that joins an entity twice needs one.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.entity.alias = alias.into();
        self
    }

    /// Only to records for which the filter holds, along with those given before.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.entity.filter = Some(and(self.entity.filter.take(), filter));
        self
    }

    /// Joined to another entity in turn.
    #[must_use]
    pub fn link(mut self, link: impl Into<LinkEntity>) -> Self {
        self.entity.links.push(link.into());
        self
    }

    /// Keeps records without a match: [`Join::Outer`].
    #[must_use]
    pub fn outer(self) -> Self {
        self.join(Join::Outer)
    }

    /// Only asks whether there is a match: [`Join::Exists`].
    #[must_use]
    pub fn exists(self) -> Self {
        self.join(Join::Exists)
    }

    /// Leaves the records without a match: [`Join::NotExists`].
    #[must_use]
    pub fn not_exists(self) -> Self {
        self.join(Join::NotExists)
    }

    fn join(mut self, join: Join) -> Self {
        self.entity.join = join;
        self
    }
}

impl<D> From<Link<D>> for LinkEntity {
    fn from(link: Link<D>) -> Self {
        link.entity
    }
}

/// The type of a lookup that may point to `E`: [`Ref<E>`], or [`EntityReference`].
#[diagnostic::on_unimplemented(
    message = "a column of the type `{Self}` is no lookup to `{E}`",
    label = "not a lookup",
    note = "a link follows a column of the type `Ref<E>` or `EntityReference`; `Link::of` joins on any attributes"
)]
pub trait LookupTo<E> {}

impl<E: Entity> LookupTo<E> for Ref<E> {}

impl<E: Entity> LookupTo<E> for EntityReference {}

/// The attribute that holds a record's identifier.
pub(crate) fn primary_id(entity: &str) -> String {
    [entity, "id"].concat()
}
