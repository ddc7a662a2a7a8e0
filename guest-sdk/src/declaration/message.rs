//! Declarations of custom messages.

use super::same;
use crate::parameters::{ParameterField, ParameterType};

/// A custom message that the plugin is the main operation of, has steps on, or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageDeclaration {
    /// Its name.
    pub name: &'static str,
    /// What it is called on.
    pub binding: Binding,
    /// Which steps may be registered on it, besides the one that is its main operation.
    pub steps: StepsAllowed,
    /// The request parameters.
    pub parameters: &'static [ParameterDeclaration],
    /// The response properties.
    pub properties: &'static [ParameterDeclaration],
    /// What it is for.
    pub description: Option<&'static str>,
}

/// What a custom message is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// On nothing.
    Global,
    /// On a record of that entity: the parameter `Target` refers to it.
    Entity(&'static str),
    /// On the records of that entity.
    EntityCollection(&'static str),
}

/// Which steps may be registered on a custom message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepsAllowed {
    /// None.
    None,
    /// Asynchronous ones.
    AsyncOnly,
    /// All.
    SyncAndAsync,
}

impl StepsAllowed {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::AsyncOnly => "async-only",
            Self::SyncAndAsync => "sync-and-async",
        }
    }
}

/// A request parameter or a response property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterDeclaration {
    /// Its name.
    pub name: &'static str,
    /// The type's name, for example `picklist`.
    pub parameter_type: &'static str,
    /// Whether a request may leave it out.
    pub optional: bool,
    /// For records and references to them: of which entity; any if none.
    pub entity: Option<&'static str>,
}

impl ParameterDeclaration {
    /// The declaration of a field of that type, if a parameter can have it; evaluated by the compiler.
    ///
    /// ```compile_fail,E0080
    /// # use stagegate_sdk::prelude::*;
    /// #[derive(CustomMessage)]
    /// #[message("sg_Count")]
    /// struct Count {
    ///     most: i64,
    /// }
    ///
    /// #[step(MainOperation)]
    /// fn count(_: &mut Call<Count>) -> Result {
    ///     Ok(())
    /// }
    ///
    /// plugin!(count);
    /// # fn main() {}
    /// ```
    pub const fn of<F: ParameterField>(name: &'static str) -> Self {
        Self {
            name,
            parameter_type: <F::Type as ParameterType>::TYPE,
            optional: F::OPTIONAL,
            entity: <F::Type as ParameterType>::ENTITY,
        }
    }
}

/// Whether two declarations of one name say the same, but for the description.
pub(super) const fn alike(one: &MessageDeclaration, other: &MessageDeclaration) -> bool {
    let bound = match (one.binding, other.binding) {
        (Binding::Global, Binding::Global) => true,
        (Binding::Entity(one), Binding::Entity(other))
        | (Binding::EntityCollection(one), Binding::EntityCollection(other)) => same(one, other),
        _ => false,
    };
    bound
        && one.steps as u8 == other.steps as u8
        && parameters_alike(one.parameters, other.parameters)
        && parameters_alike(one.properties, other.properties)
}

const fn parameters_alike(mut one: &[ParameterDeclaration], mut other: &[ParameterDeclaration]) -> bool {
    while let ([first, rest @ ..], [other_first, other_rest @ ..]) = (one, other) {
        let entities = match (first.entity, other_first.entity) {
            (None, None) => true,
            (Some(one), Some(other)) => same(one, other),
            _ => false,
        };
        let alike = entities
            && same(first.name, other_first.name)
            && same(first.parameter_type, other_first.parameter_type)
            && first.optional == other_first.optional;
        if !alike {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}
