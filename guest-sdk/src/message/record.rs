//! The messages about one record.

use super::images::{after, before, changes, store_target};
use super::{Message, primary, without_record};
use crate::context::{Context, Stage};
use crate::declaration::ImageDeclaration;
use crate::entity::Shape;
use crate::record::{ColumnSet, Record, Side};
// A trait object's methods need no import.
#[cfg(target_arch = "wasm32")]
use crate::services::Services;
use crate::value::Value;
use crate::{Result, Step};

/// A record is to be created.
///
/// What the step changes in `target` before the core operation is created with it.
pub struct Create<D: Shape> {
    pub(super) context: Context,
    id: Option<D::Reference>,
    read: Record,
    /// The new record's columns.
    pub target: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> Create<D> {
    /// The new record. None before the core operation, unless the request chose an identifier.
    pub fn id(&self) -> Option<D::Reference> {
        self.id.clone()
    }
}

/// A record is to be changed.
///
/// What the step changes in `target` before the core operation is written with it, with no second update; after it,
/// the later steps see the change and the database does not.
pub struct Update<D: Shape> {
    pub(super) context: Context,
    id: D::Reference,
    read: Record,
    /// The columns that the request changes; the others are absent.
    pub target: D,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> Update<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

/// A record is to be deleted.
pub struct Delete<D: Shape> {
    pub(super) context: Context,
    id: D::Reference,
    images: &'static [ImageDeclaration],
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
}

impl<D: Shape> Delete<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }

    /// The record's children by a relationship of `children(..)`, as they were before the cascade, at most 5000: a
    /// [`Row`](crate::Row) each for a struct, or a [`Record`].
    ///
    /// # Errors
    /// If a column is not of the struct's type.
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub fn children<C: Shape>(&self, relationship: &str) -> Result<Vec<C::Found>> {
        if !self.images.iter().any(|image| image.relationship == Some(relationship)) {
            crate::trace::mistake(&format!(
                "The children by `{relationship}` were not asked for: add children(\"{relationship}\", ..) to the \
                 step's #[step] attribute."
            ));
            return Ok(Vec::new());
        }
        // The macro makes the relationship's name the image's alias.
        let children = self.context.services().children_image(relationship, &ColumnSet::All);
        children.into_iter().map(C::found).collect()
    }
}

/// A record is read.
///
/// What the step changes in `output` reaches the reader; the database stays as it is.
pub struct Retrieve<D: Shape> {
    pub(super) context: Context,
    id: D::Reference,
    read: Record,
    /// The record that the reader gets, in PostOperation; before it, every column is absent.
    pub output: D,
}

impl<D: Shape> Retrieve<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

/// A message of any name, which the step gives: `#[step(PostOperation, message = "Assign")]`.
pub struct AnyMessage<D: Shape> {
    pub(super) context: Context,
    id: Option<D::Reference>,
    read: Record,
    /// The message's target; every column is absent if it has none.
    pub target: D,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
    /// The post-image: the columns of `after(..)`, in PostOperation.
    pub after: D,
}

impl<D: Shape> AnyMessage<D> {
    /// The record, if the message has one.
    pub fn id(&self) -> Option<D::Reference> {
        self.id.clone()
    }
}

impl<D: Shape> Message for Create<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "Create";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, after, context })
    }

    fn store<S: Step>(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

impl<D: Shape> Message for Update<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "Update";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let id = id.ok_or_else(|| without_record(&context))?;
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, before, after, context })
    }

    fn store<S: Step>(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

impl<D: Shape> Message for Delete<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "Delete";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
        let before = before::<S, D>(&context)?;
        Ok(Self { id, before, images: S::DECLARATION.images, context })
    }

    fn store<S: Step>(self) -> Result {
        Ok(())
    }
}

impl<D: Shape> Message for Retrieve<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "Retrieve";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
        let read = match context.stage() {
            Stage::PostOperation => context.services().output_entity(&D::columns()),
            _ => None,
        };
        let output =
            D::from_record(read.unwrap_or_else(|| Record::new(context.entity_name())), Side::Output)?;
        Ok(Self { id, read: output.to_record(), output, context })
    }

    fn store<S: Step>(self) -> Result {
        let (set, unset) = changes(&self.read, &self.output.to_record());
        // The contract takes nothing out of what a reader gets: null hides a value just as well.
        let hidden = unset.into_iter().map(|name| (name, Value::Null));
        let set: Vec<_> = set.into_iter().chain(hidden).collect();
        if set.is_empty() { Ok(()) } else { self.context.services().set_output_entity(set) }
    }
}

impl<D: Shape> Message for AnyMessage<D> {
    type Data = D;
    type Answer = ();
    const NAME: &'static str = "";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, before, after, context })
    }

    fn store<S: Step>(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

/// The target's columns in one call, and which record it is.
fn target<D: Shape>(context: &Context) -> Result<(Option<D::Reference>, D)> {
    let record =
        context.services().target(&D::columns()).unwrap_or_else(|| Record::new(context.entity_name()));
    let id = primary::<D>(context).or_else(|| record.reference().map(D::refer));
    Ok((id, D::from_record(record, Side::Target)?))
}
