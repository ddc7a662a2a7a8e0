//! What a plugin says about itself: built by the macros as constants, so that the host can read it from the component
//! without running it.

mod asks;
mod check;
mod jobs;
mod message;

pub use asks::{Asks, HttpRule};
pub(crate) use check::checked;
pub use jobs::JobOptions;
pub use message::{Binding, MessageDeclaration, ParameterDeclaration, StepsAllowed};

use crate::context::{Mode, Stage};
use crate::custom::Declared;
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
    /// For Update: run only if one of the filtering attributes, or of all where there are none, has another value than
    /// before.
    pub changed_only: bool,
    /// How the step's system jobs are run. Only an asynchronous step has others than the default.
    pub jobs: JobOptions,
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
    /// On Delete: the children by this relationship, instead of the record.
    pub relationship: Option<&'static str>,
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
    /// Entities and custom messages beyond those of the steps.
    pub uses: &'static [Declared],
    /// What it asks of its host.
    pub asks: Asks,
}

impl Declaration {
    /// A declaration, if the names of its steps are unique; evaluated by the compiler:
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
    ///
    /// And if its structs for one custom message say the same of it:
    ///
    /// ```compile_fail,E0080
    /// # use stagegate_sdk::prelude::*;
    /// #[derive(CustomMessage)]
    /// #[message("sg_Approve")]
    /// struct Approve {
    ///     amount: Money,
    /// }
    ///
    /// #[derive(CustomMessage)]
    /// #[message("sg_Approve")]
    /// struct ApproveAgain {
    ///     amount: Decimal,
    /// }
    ///
    /// #[step(MainOperation)]
    /// fn approve(_: &mut Call<Approve>) -> Result {
    ///     Ok(())
    /// }
    ///
    /// plugin!(approve, uses(ApproveAgain));
    /// # fn main() {}
    /// ```
    #[expect(clippy::indexing_slicing, reason = "the indexes are below the length; `get` is not const here")]
    pub const fn new(
        [name, version, description]: [&'static str; 3],
        steps: &'static [Entry],
        uses: &'static [Declared],
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
        let declaration = Self { name, version, description, steps, uses, asks: Asks::NOTHING };
        declaration.check_messages();
        declaration
    }

    /// The declaration of a plugin that asks for that.
    #[must_use]
    pub const fn asking(mut self, asks: Asks) -> Self {
        self.asks = asks;
        self
    }

    /// Two structs for one custom message must say the same.
    const fn check_messages(&self) {
        let mut index = 0;
        while index < self.count() {
            if let Some(message) = self.message(index) {
                let mut earlier = 0;
                while earlier < index {
                    if let Some(other) = self.message(earlier) {
                        assert!(
                            !same(message.name, other.name) || message::alike(message, other),
                            "two structs of the plugin are for one custom message and say different things of it; \
                             use one of them for both"
                        );
                    }
                    earlier += 1;
                }
            }
            index += 1;
        }
    }

    /// The number of steps and of entries of `uses(..)`, each of which may declare an entity and a message.
    pub(crate) const fn count(&self) -> usize {
        self.steps.len() + self.uses.len()
    }

    /// An entity declaration; none for a step on every entity, and for a message's entry.
    #[expect(clippy::indexing_slicing, reason = "both lengths were compared; `get` is not const here")]
    pub(crate) const fn entity(&self, index: usize) -> Option<&'static EntityDeclaration> {
        if index < self.steps.len() {
            self.steps[index].entity
        } else if index < self.count()
            && let Declared::Entity(entity) = self.uses[index - self.steps.len()]
        {
            Some(entity)
        } else {
            None
        }
    }

    /// A message declaration; none for a step on a message of the platform, and for an entity's entry.
    #[expect(clippy::indexing_slicing, reason = "both lengths were compared; `get` is not const here")]
    pub(crate) const fn message(&self, index: usize) -> Option<&'static MessageDeclaration> {
        if index < self.steps.len() {
            self.steps[index].message
        } else if index < self.count()
            && let Declared::Message(message) = self.uses[index - self.steps.len()]
        {
            Some(message)
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
        for entity in (0..self.count()).filter_map(|index| self.entity(index)) {
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

    /// Every custom message once.
    pub(crate) fn messages(&self) -> Vec<&'static MessageDeclaration> {
        let mut messages: Vec<&'static MessageDeclaration> = Vec::new();
        for message in (0..self.count()).filter_map(|index| self.message(index)) {
            if !messages.iter().any(|known| known.name == message.name) {
                messages.push(message);
            }
        }
        messages
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
