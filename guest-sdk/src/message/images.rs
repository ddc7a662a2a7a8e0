//! Images, and what a step changed.

use crate::context::{Context, Stage};
use crate::declaration::{ImageDeclaration, ImageType};
use crate::entity::Shape;
use crate::record::{Record, Side};
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::Value;
use crate::{Result, Step};

/// The pre-image, if the step asked for one: all of it in one call. The compiler knows whether it did, so a component
/// imports no function for an image that none of its steps has.
pub(super) fn before<S: Step, D: Shape>(context: &Context) -> Result<D> {
    let image = const { image::<S>(ImageType::PreImage) };
    let record = image.and_then(|image| context.services().pre_image(image.alias, &image.columns()));
    shown(context, record, Side::Before(asked(image)))
}

/// The post-image, if the step asked for one.
pub(super) fn after<S: Step, D: Shape>(context: &Context) -> Result<D> {
    let image = const { image::<S>(ImageType::PostImage) };
    let record = image.and_then(|image| context.services().post_image(image.alias, &image.columns()));
    shown(context, record, Side::After(asked(image)))
}

/// The pre-images of a bulk message's records, `count` of them.
pub(super) fn all_before<S: Step, D: Shape>(context: &Context, count: usize) -> Result<Vec<D>> {
    let image = const { image::<S>(ImageType::PreImage) };
    let records = image.map(|image| context.services().pre_images(image.alias, &image.columns()));
    all_shown(context, records.unwrap_or_default(), count, Side::Before(asked(image)))
}

/// The post-images of a bulk message's records.
pub(super) fn all_after<S: Step, D: Shape>(context: &Context, count: usize) -> Result<Vec<D>> {
    let image = const { image::<S>(ImageType::PostImage) };
    let records = image.map(|image| context.services().post_images(image.alias, &image.columns()));
    all_shown(context, records.unwrap_or_default(), count, Side::After(asked(image)))
}

fn asked(image: Option<&'static ImageDeclaration>) -> &'static [&'static str] {
    image.map_or(&[] as _, |image| image.attributes)
}

fn shown<D: Shape>(context: &Context, record: Option<Record>, side: Side) -> Result<D> {
    D::from_record(record.unwrap_or_else(|| Record::new(context.entity_name())), side)
}

fn all_shown<D: Shape>(
    context: &Context,
    records: Vec<Option<Record>>,
    count: usize,
    side: Side,
) -> Result<Vec<D>> {
    let missing = std::iter::repeat_with(|| None);
    records.into_iter().chain(missing).take(count).map(|record| shown(context, record, side)).collect()
}

/// The image of the record on that side: not one of its children.
#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
const fn image<S: Step>(side: ImageType) -> Option<&'static ImageDeclaration> {
    let images = S::DECLARATION.images;
    let mut index = 0;
    while index < images.len() {
        if images[index].image_type as u8 == side as u8 && images[index].relationship.is_none() {
            return Some(&images[index]);
        }
        index += 1;
    }
    None
}

/// Whether the step runs before the core operation, where it may change what the message was called with.
pub(super) const fn is_before<S: Step>() -> bool {
    matches!(S::DECLARATION.stage, Stage::PreValidation | Stage::PreOperation)
}

/// Whether it runs after it, where there is an output.
pub(super) const fn is_after<S: Step>() -> bool {
    matches!(S::DECLARATION.stage, Stage::PostOperation)
}

pub(super) fn store_target(services: &Handle, read: &Record, now: &Record) -> Result {
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
pub(super) fn changes(read: &Record, now: &Record) -> (Vec<(String, Value)>, Vec<String>) {
    let set = now.attributes.iter().filter(|(name, value)| read.attributes.get(*name) != Some(value));
    let gone = read.attributes.keys().filter(|name| !now.attributes.contains_key(*name));
    (set.map(|(name, value)| (name.clone(), value.clone())).collect(), gone.cloned().collect())
}

/// Makes what was changed of a part of the record a change of the whole. Answers whether there was any.
pub(super) fn apply(whole: &mut Record, read: &Record, now: &Record) -> bool {
    let (set, unset) = changes(read, now);
    let changed = !set.is_empty() || !unset.is_empty();
    for (name, value) in set {
        whole.insert(name, value);
    }
    for name in unset {
        whole.attributes.remove(&name);
    }
    changed
}
