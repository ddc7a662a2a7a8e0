//! The messages: what a step takes as its argument.

use std::ops::Deref;

use crate::context::{Context, Stage};
use crate::declaration::{ImageDeclaration, ImageType};
use crate::entity::Shape;
use crate::record::{Record, Side};
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::Value;
use crate::{Fault, Result, Step};

/// A message as the argument of a step: [`Create`], [`Update`], [`Delete`], [`Retrieve`] or [`AnyMessage`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message",
    note = "a step takes one argument: `&mut Create<E>`, `&mut Update<E>`, `&mut Delete<E>`, `&mut Retrieve<E>` or \
            `&mut AnyMessage<E>`, where `E` is an entity's struct or `Record`"
)]
pub trait Message: Sized {
    /// What it carries.
    type Data: Shape;

    /// The message's name; empty for [`AnyMessage`], whose step names it.
    const NAME: &'static str;

    #[doc(hidden)]
    fn load<S: Step>(context: Context) -> Result<Self>;

    #[doc(hidden)]
    fn store(self) -> Result;
}

/// A record is to be created.
///
/// What the step changes in `target` before the core operation is created with it.
pub struct Create<D: Shape> {
    context: Context,
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
    context: Context,
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
    context: Context,
    id: D::Reference,
    /// The pre-image: the columns of `before(..)`.
    pub before: D,
}

impl<D: Shape> Delete<D> {
    /// The record.
    pub fn id(&self) -> D::Reference {
        self.id.clone()
    }
}

/// A record is read.
///
/// What the step changes in `output` reaches the reader; the database stays as it is.
pub struct Retrieve<D: Shape> {
    context: Context,
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
    context: Context,
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

macro_rules! dereference {
    ($($message:ident)+) => {$(
        impl<D: Shape> Deref for $message<D> {
            type Target = Context;

            fn deref(&self) -> &Context {
                &self.context
            }
        }
    )+};
}

dereference! { Create Update Delete Retrieve AnyMessage }

impl<D: Shape> Message for Create<D> {
    type Data = D;
    const NAME: &'static str = "Create";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, after, context })
    }

    fn store(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

impl<D: Shape> Message for Update<D> {
    type Data = D;
    const NAME: &'static str = "Update";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let id = id.ok_or_else(|| without_record(&context))?;
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, before, after, context })
    }

    fn store(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

impl<D: Shape> Message for Delete<D> {
    type Data = D;
    const NAME: &'static str = "Delete";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let id = primary::<D>(&context).ok_or_else(|| without_record(&context))?;
        let before = before::<S, D>(&context)?;
        Ok(Self { id, before, context })
    }

    fn store(self) -> Result {
        Ok(())
    }
}

impl<D: Shape> Message for Retrieve<D> {
    type Data = D;
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

    fn store(self) -> Result {
        let (set, unset) = changes(&self.read, &self.output.to_record());
        // The contract takes nothing out of what a reader gets: null hides a value just as well.
        let hidden = unset.into_iter().map(|name| (name, Value::Null));
        let set: Vec<_> = set.into_iter().chain(hidden).collect();
        if set.is_empty() { Ok(()) } else { self.context.services().set_output_entity(set) }
    }
}

impl<D: Shape> Message for AnyMessage<D> {
    type Data = D;
    const NAME: &'static str = "";

    fn load<S: Step>(context: Context) -> Result<Self> {
        let (id, target) = target::<D>(&context)?;
        let before = before::<S, D>(&context)?;
        let after = after::<S, D>(&context)?;
        Ok(Self { id, read: target.to_record(), target, before, after, context })
    }

    fn store(self) -> Result {
        store_target(self.context.services(), &self.read, &self.target.to_record())
    }
}

/// Which record the message is about.
fn primary<D: Shape>(context: &Context) -> Option<D::Reference> {
    context.record().map(D::refer)
}

/// The target's columns in one call, and which record it is.
fn target<D: Shape>(context: &Context) -> Result<(Option<D::Reference>, D)> {
    let record =
        context.services().target(&D::columns()).unwrap_or_else(|| Record::new(context.entity_name()));
    let id = primary::<D>(context).or_else(|| record.reference().map(D::refer));
    Ok((id, D::from_record(record, Side::Target)?))
}

/// The pre-image, if the step asked for one: all of it in one call. The compiler knows whether it did, so a component
/// imports no function for an image that none of its steps has.
fn before<S: Step, D: Shape>(context: &Context) -> Result<D> {
    let image = const { image::<S>(ImageType::PreImage) };
    let record = image.and_then(|image| context.services().pre_image(image.alias, &image.columns()));
    let asked = image.map_or(&[] as _, |image| image.attributes);
    D::from_record(record.unwrap_or_else(|| Record::new(context.entity_name())), Side::Before(asked))
}

/// The post-image, if the step asked for one.
fn after<S: Step, D: Shape>(context: &Context) -> Result<D> {
    let image = const { image::<S>(ImageType::PostImage) };
    let record = image.and_then(|image| context.services().post_image(image.alias, &image.columns()));
    let asked = image.map_or(&[] as _, |image| image.attributes);
    D::from_record(record.unwrap_or_else(|| Record::new(context.entity_name())), Side::After(asked))
}

#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
const fn image<S: Step>(side: ImageType) -> Option<&'static ImageDeclaration> {
    let images = S::DECLARATION.images;
    let mut index = 0;
    while index < images.len() {
        if images[index].image_type as u8 == side as u8 {
            return Some(&images[index]);
        }
        index += 1;
    }
    None
}

fn store_target(services: &Handle, read: &Record, now: &Record) -> Result {
    let (set, unset) = changes(read, now);
    if !set.is_empty() {
        services.set_target(set)?;
    }
    if !unset.is_empty() {
        services.unset_target(unset)?;
    }
    Ok(())
}

/// The attributes that are new or different, and the names of those that are gone.
fn changes(read: &Record, now: &Record) -> (Vec<(String, Value)>, Vec<String>) {
    let set = now.attributes.iter().filter(|(name, value)| read.attributes.get(*name) != Some(value));
    let gone = read.attributes.keys().filter(|name| !now.attributes.contains_key(*name));
    (set.map(|(name, value)| (name.clone(), value.clone())).collect(), gone.cloned().collect())
}

fn without_record(context: &Context) -> Fault {
    Fault::defect(format!("The message {} came without the record that it is about.", context.message()))
}
