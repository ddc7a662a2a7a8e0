//! The messages about many records of one entity.

use super::images::{all_after, all_before, apply, is_after};
use super::{Message, without_parameter};
use crate::context::Context;
use crate::entity::Shape;
use crate::parameters::{Parameter, parameter};
use crate::record::{EntityCollection, Record, Side};
use crate::value::UniqueIdentifier;
use crate::{Result, Step};

/// Records are to be created.
///
/// What the step changes in a `target` before the core operation is created with it.
pub struct CreateMultiple<D: Shape> {
    pub(super) context: Context,
    read: EntityCollection,
    /// The new records. There is no taking one out: a fault refuses them all.
    pub targets: Box<[CreateTarget<D>]>,
}

/// One of the records of a [`CreateMultiple`].
pub struct CreateTarget<D: Shape> {
    id: Option<D::Reference>,
    read: Record,
    /// Its columns.
    pub target: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> CreateTarget<D> {
    /// The record. None before the core operation, unless the request chose an identifier.
    pub fn id(&self) -> Option<D::Reference> {
        self.id.clone()
    }
}

/// Records are to be changed.
///
/// What the step changes in a `target` before the core operation is written with it, with no second update.
///
/// ```
/// use stagegate_sdk::prelude::*;
///
/// #[derive(Entity, Default)]
/// #[entity("account")]
/// struct Account {
///     creditlimit: Field<Money>,
/// }
///
/// #[step(PreOperation, changed(creditlimit), before(creditlimit))]
/// fn no_cuts(ctx: &mut UpdateMultiple<Account>) -> Result {
///     for account in &mut ctx.targets {
///         let (from, to) = (account.before.creditlimit.or_default(), account.target.creditlimit.or_default());
///         if to < from {
///             account.target.creditlimit.unset();
///         }
///     }
///     Ok(())
/// }
///
/// plugin!(no_cuts);
/// # fn main() {}
/// ```
pub struct UpdateMultiple<D: Shape> {
    pub(super) context: Context,
    read: EntityCollection,
    /// The records. There is no taking one out: a fault refuses them all.
    pub targets: Box<[UpdateTarget<D>]>,
}

/// One of the records of an [`UpdateMultiple`].
pub struct UpdateTarget<D: Shape> {
    id: D::Reference,
    read: Record,
    /// The columns that the request changes; the others are absent.
    pub target: D,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> UpdateTarget<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

/// Records are to be deleted.
pub struct DeleteMultiple<D: Shape> {
    pub(super) context: Context,
    /// The records.
    pub targets: Box<[DeleteTarget<D>]>,
}

/// One of the records of a [`DeleteMultiple`].
pub struct DeleteTarget<D: Shape> {
    id: D::Reference,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
}

impl<D: Shape> DeleteTarget<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

impl<D: Shape> Message for CreateMultiple<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "CreateMultiple";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let read = targets(&context)?;
        let created = if const { is_after::<S>() } { created(&context) } else { Vec::new() };
        let after = all_after::<S, D>(&context, read.records.len())?;
        let mut created = created.into_iter();
        let targets = read.records.iter().zip(after).map(|(record, after)| {
            let mut record = record.clone();
            record.id = created.next().or(record.id);
            let id = record.reference().map(D::refer);
            let target = D::from_record(record, Side::Target)?;
            Ok(CreateTarget { id, read: target.to_record(), target, after })
        });
        let targets = targets.collect::<Result<_>>()?;
        Ok(Self { targets, read, context })
    }

    fn store<S: Step>(self) -> Result {
        let now = self.targets.iter().map(|one| (&one.read, one.target.to_record()));
        store_targets(&self.context, self.read, now)
    }
}

impl<D: Shape> Message for UpdateMultiple<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "UpdateMultiple";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let read = targets(&context)?;
        let before = all_before::<S, D>(&context, read.records.len())?;
        let after = all_after::<S, D>(&context, read.records.len())?;
        let targets = read.records.iter().zip(before).zip(after).map(|((record, before), after)| {
            let reference = record.reference().ok_or_else(|| super::without_record(&context))?;
            let target = D::from_record(record.clone(), Side::Target)?;
            Ok(UpdateTarget { id: D::refer(reference), read: target.to_record(), target, before, after })
        });
        let targets = targets.collect::<Result<_>>()?;
        Ok(Self { targets, read, context })
    }

    fn store<S: Step>(self) -> Result {
        let now = self.targets.iter().map(|one| (&one.read, one.target.to_record()));
        store_targets(&self.context, self.read, now)
    }
}

impl<D: Shape> Message for DeleteMultiple<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "DeleteMultiple";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let Some(Parameter::References(records)) = context.input_parameter(parameter::TARGETS) else {
            return Err(without_parameter(&context, parameter::TARGETS));
        };
        let before = all_before::<S, D>(&context, records.len())?.into_iter();
        let targets = records.into_iter().zip(before);
        let targets = targets.map(|(record, before)| DeleteTarget { id: D::refer(record), before }).collect();
        Ok(Self { targets, context })
    }

    fn store<S: Step>(self) -> Result {
        Ok(())
    }
}

fn targets(context: &Context) -> Result<EntityCollection> {
    match context.input_parameter(parameter::TARGETS) {
        Some(Parameter::Entities(targets)) => Ok(targets),
        _ => Err(without_parameter(context, parameter::TARGETS)),
    }
}

/// The identifiers of the records that a CreateMultiple made.
fn created(context: &Context) -> Vec<UniqueIdentifier> {
    match context.output_parameter(parameter::IDS) {
        Some(Parameter::Ids(ids)) => ids,
        _ => Vec::new(),
    }
}

/// Sends the targets back, if one was changed, each with what the step's struct has no column for.
fn store_targets<'a>(
    context: &Context,
    mut targets: EntityCollection,
    now: impl Iterator<Item = (&'a Record, Record)>,
) -> Result {
    let mut changed = false;
    for (whole, (read, now)) in targets.records.iter_mut().zip(now) {
        changed |= apply(whole, read, &now);
    }
    if changed { context.set_input_parameter(parameter::TARGETS, targets) } else { Ok(()) }
}
