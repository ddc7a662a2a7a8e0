//! What a plugin says about itself: built by the macros as constants, so that the host can read it from the component
//! without running it.

use crate::Step;
use crate::context::{Mode, Stage};
use crate::message::Message;
use crate::record::ColumnSet;
use crate::step::Entry;

/// The version of the contract that this SDK is written for.
pub const CONTRACT: &str = "0.1.0";

/// This SDK's name and version.
pub const SDK: &str = concat!("stagegate-sdk ", env!("CARGO_PKG_VERSION"));

/// Where a step joins the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepDeclaration {
    /// Unique in the plugin.
    pub name: &'static str,
    /// The message's name.
    pub message: &'static str,
    /// The entity's logical name; none for every entity.
    pub entity: Option<&'static str>,
    /// The stage.
    pub stage: Stage,
    /// The mode.
    pub mode: Mode,
    /// The order in the stage, ascending.
    pub rank: i32,
    /// For Update: run only if the target carries one of these. Empty: always.
    pub filtering_attributes: &'static [&'static str],
    /// The images to take.
    pub images: &'static [ImageDeclaration],
    /// The unsecure configuration, unless an operator sets another.
    pub configuration: Option<&'static str>,
    /// What the step is for.
    pub description: Option<&'static str>,
}

/// A snapshot of the record that the host takes for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageDeclaration {
    /// The key under which the step finds it.
    pub alias: &'static str,
    /// Which side.
    pub image_type: ImageType,
    /// The attributes to read; empty for all.
    pub attributes: &'static [&'static str],
}

impl ImageDeclaration {
    pub(crate) fn columns(&self) -> ColumnSet {
        match self.attributes {
            [] => ColumnSet::All,
            names => ColumnSet::named(names.iter().copied()),
        }
    }
}

/// Which side of the core operation an image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageType {
    /// Before it.
    PreImage,
    /// After it.
    PostImage,
    /// Both.
    Both,
}

/// An entity that the plugin works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityDeclaration {
    /// The logical name.
    pub logical_name: &'static str,
    /// The attributes that the plugin touches.
    pub attributes: &'static [AttributeDeclaration],
}

/// An attribute that the plugin reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeDeclaration {
    /// The logical name.
    pub name: &'static str,
    /// The type's name, for example `money`.
    pub attribute_type: &'static str,
    /// For a lookup, the entities that it may point to; empty for any.
    pub targets: &'static [&'static str],
}

/// All that a plugin says about itself.
#[derive(Clone, Copy)]
pub struct Declaration {
    /// The plugin's name: its package's.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its steps, in the order of registration.
    pub steps: &'static [Entry],
    /// Entities beyond those of the steps' messages.
    pub uses: &'static [&'static EntityDeclaration],
}

impl Declaration {
    /// A declaration, if the names of its steps are unique; evaluated by the compiler.
    ///
    /// ```compile_fail,E0080
    /// # use stagegate_sdk::prelude::*;
    /// #[step(PreOperation)]
    /// fn on(_: &mut Create<Record>) -> Result {
    ///     Ok(())
    /// }
    ///
    /// #[step(PreOperation, name = "on")]
    /// fn again(_: &mut Update<Record>) -> Result {
    ///     Ok(())
    /// }
    ///
    /// plugin!(on, again);
    /// # fn main() {}
    /// ```
    #[expect(clippy::indexing_slicing, reason = "the indexes are below the length; `get` is not const here")]
    pub const fn new(
        [name, version, description]: [&'static str; 3],
        steps: &'static [Entry],
        uses: &'static [&'static EntityDeclaration],
    ) -> Self {
        let mut index = 0;
        while index < steps.len() {
            let mut earlier = 0;
            while earlier < index {
                assert!(
                    !same(steps[index].declaration.name, steps[earlier].declaration.name),
                    "two steps of the plugin have the same name; give one another: #[step(.., name = \"..\")]"
                );
                earlier += 1;
            }
            index += 1;
        }
        Self { name, version, description, steps, uses }
    }

    /// The number of entity declarations, repeated ones included.
    pub(crate) const fn entity_count(&self) -> usize {
        self.steps.len() + self.uses.len()
    }

    /// An entity declaration; none for a step on every entity.
    #[expect(clippy::indexing_slicing, reason = "both lengths were compared; `get` is not const here")]
    pub(crate) const fn entity(&self, index: usize) -> Option<&'static EntityDeclaration> {
        if index < self.steps.len() {
            self.steps[index].entity()
        } else if index < self.entity_count() {
            Some(self.uses[index - self.steps.len()])
        } else {
            None
        }
    }

    /// The further facts, name and text.
    pub(crate) const fn properties(&self) -> [(&'static str, &'static str); 5] {
        [
            ("name", self.name),
            ("version", self.version),
            ("description", self.description),
            ("sdk", SDK),
            ("contract", CONTRACT),
        ]
    }

    /// Every entity once, with the attributes of all structs that describe it.
    pub(crate) fn entities(&self) -> Vec<(&'static str, Vec<AttributeDeclaration>)> {
        let mut merged: Vec<(&'static str, Vec<AttributeDeclaration>)> = Vec::new();
        for entity in (0..self.entity_count()).filter_map(|index| self.entity(index)) {
            let position = merged.iter().position(|(name, _)| *name == entity.logical_name);
            if position.is_none() {
                merged.push((entity.logical_name, Vec::new()));
            }
            let at = position.unwrap_or(merged.len() - 1);
            let Some((_, attributes)) = merged.get_mut(at) else { continue };
            for attribute in entity.attributes {
                if !attributes.iter().any(|known| known.name == attribute.name) {
                    attributes.push(*attribute);
                }
            }
        }
        merged
    }
}

/// Whether two texts are equal, in a constant.
#[expect(clippy::indexing_slicing, reason = "the lengths were compared; `get` is not const here")]
pub(crate) const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Refuses, when the plugin is compiled, what a host would refuse when it is registered. The macros say it better
/// where they can; they cannot see through a type alias.
///
/// ```compile_fail,E0080
/// # use stagegate_sdk::prelude::*;
/// type Every = Create<Record>;
///
/// #[step(PreOperation, changed("name"))]
/// fn on(_: &mut Every) -> Result {
///     Ok(())
/// }
///
/// plugin!(on);
/// # fn main() {}
/// ```
#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
pub(crate) const fn checked<S: Step>() -> StepDeclaration {
    let step = S::DECLARATION;
    let own = <S::Message as Message>::NAME;
    let update = same(step.message, "Update");
    let post = matches!(step.stage, Stage::PostOperation);
    assert!(
        !step.message.is_empty(),
        "a step on AnyMessage names its message: #[step(.., message = \"Assign\")]"
    );
    assert!(
        own.is_empty() || same(step.message, own),
        "the argument's type already says which message it is; use AnyMessage with `message = ..`"
    );
    assert!(
        step.filtering_attributes.is_empty() || update,
        "changed(..) filters an Update; no other message changes columns"
    );
    assert!(
        matches!(step.mode, Mode::Synchronous) || post,
        "an asynchronous step runs after the commit: its stage is PostOperation"
    );
    let mut index = 0;
    while index < step.images.len() {
        let before = matches!(step.images[index].image_type, ImageType::PreImage);
        assert!(
            !(before && same(step.message, "Create")),
            "there is no record before a Create, so before(..) has nothing to show"
        );
        assert!(
            before || !same(step.message, "Delete"),
            "there is no record after a Delete, so after(..) has nothing to show"
        );
        assert!(before || post, "after(..) needs the stage PostOperation");
        index += 1;
    }
    step
}
