//! RetrieveMultiple.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::images::{apply, is_after, is_before};
use super::{Message, without_parameter};
use crate::context::Context;
use crate::entity::Shape;
use crate::parameters::{Parameter, parameter};
use crate::query::QueryExpression;
use crate::record::{EntityCollection, Record};
use crate::{Result, Step};

/// Records are read by a query.
///
/// What the step changes in `query` before the core operation decides what is read; what it changes in `output` after it
/// reaches the reader, and the database stays as it is.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// #[derive(Entity, Default)]
/// #[entity("account")]
/// struct Account {
///     name: Field<String>,
///     creditlimit: Field<Money>,
/// }
///
/// #[step(PreOperation)]
/// fn only_customers(ctx: &mut RetrieveMultiple<Account>) -> Result {
///     ctx.query.restrict(Account::COLUMNS.name.is_not_null());
///     Ok(())
/// }
///
/// #[step(PostOperation)]
/// fn hide_limits(ctx: &mut RetrieveMultiple<Account>) -> Result {
///     ctx.output.retain(|account| !account.name.is("Secret"));
///     for account in &mut ctx.output {
///         account.creditlimit.clear();
///     }
///     Ok(())
/// }
///
/// plugin!(only_customers, hide_limits);
/// # fn main() {}
/// ```
pub struct RetrieveMultiple<D: Shape> {
    pub(super) context: Context,
    read: Option<Parameter>,
    /// Which records, in PreValidation and PreOperation; empty after them, where
    /// [`Context::input_parameter`] has it.
    pub query: QueryExpression,
    /// The records that the reader gets, in PostOperation: in the order of the query, which a step may change, and less
    /// those that it takes out.
    pub output: Vec<Returned<D>>,
}

/// A record that a RetrieveMultiple returns: a [`Row`](crate::Row) for a struct, or a [`Record`].
///
/// What the struct has no column for stays with it.
pub struct Returned<D: Shape> {
    /// Its place in what was read.
    at: usize,
    found: D::Found,
}

impl<D: Shape> Message for RetrieveMultiple<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "RetrieveMultiple";

    fn load<S: Step>(context: Context) -> Result<Self> {
        if const { is_before::<S>() } {
            let Some(Parameter::Query(query)) = context.input_parameter(parameter::QUERY) else {
                return Err(without_parameter(&context, parameter::QUERY));
            };
            let read = Some(Parameter::Query(query.clone()));
            return Ok(Self { read, query, output: Vec::new(), context });
        }
        let read = context.output_parameter(parameter::BUSINESS_ENTITY_COLLECTION);
        let records = match &read {
            Some(Parameter::Entities(found)) => found.records.clone(),
            _ => Vec::new(),
        };
        let returned = |(at, record)| Ok(Returned { at, found: D::found(record)? });
        let output = records.into_iter().enumerate().map(returned).collect::<Result<_>>()?;
        Ok(Self { read, query: QueryExpression::default(), output, context })
    }

    fn store<S: Step>(self) -> Result {
        match self.read {
            Some(Parameter::Query(read)) if const { is_before::<S>() } && read != self.query => {
                self.context.set_input_parameter(parameter::QUERY, self.query)
            }
            Some(Parameter::Entities(read)) if const { is_after::<S>() } => {
                match changed::<D>(read, &self.output)? {
                    Some(now) => {
                        self.context.set_output_parameter(parameter::BUSINESS_ENTITY_COLLECTION, now)
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// What the reader gets; none if it is what was read.
fn changed<D: Shape>(read: EntityCollection, output: &[Returned<D>]) -> Result<Option<EntityCollection>> {
    let places = output.iter().map(|returned| returned.at);
    let mut changed = !places.eq(0..read.records.len());
    let mut records = Vec::with_capacity(output.len());
    for returned in output {
        let Some(whole) = read.records.get(returned.at) else { continue };
        let (mut whole, before) = (whole.clone(), D::found(whole.clone())?);
        changed |= apply(&mut whole, &part::<D>(&before), &part::<D>(&returned.found));
        records.push(whole);
    }
    Ok(changed.then_some(EntityCollection { records, ..read }))
}

fn part<D: Shape>(found: &D::Found) -> Record {
    D::found_record(found)
}

impl<D: Shape> Deref for Returned<D> {
    type Target = D::Found;

    fn deref(&self) -> &D::Found {
        &self.found
    }
}

impl<D: Shape> DerefMut for Returned<D> {
    fn deref_mut(&mut self) -> &mut D::Found {
        &mut self.found
    }
}

impl<D: Shape<Found: fmt::Debug>> fmt::Debug for Returned<D> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found.fmt(out)
    }
}
