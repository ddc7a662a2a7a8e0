//! Custom messages: the service's own operations, with typed parameters, in the same pipeline.

use serde::{Deserialize, Serialize};

use crate::model::{Parameter, Value};

/// A custom message (a custom API, on the platform).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageDefinition {
    /// Its name, unique among all messages: letters, digits and `_`, beginning with a letter.
    pub name: String,
    /// What it is called on.
    #[serde(default)]
    pub binding: Binding,
    /// Which steps plugins may register on it, besides the one that is its main operation.
    #[serde(default)]
    pub steps: StepsAllowed,
    /// The request parameters. One with a binding has `Target` or nothing more by itself.
    #[serde(default)]
    pub parameters: Vec<ParameterDefinition>,
    /// The response properties.
    #[serde(default)]
    pub properties: Vec<ParameterDefinition>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a custom message is called on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// On nothing.
    #[default]
    Global,
    /// On a record of that entity: the parameter `Target` refers to it.
    Entity(String),
    /// On the records of that entity.
    EntityCollection(String),
}

/// Which steps may be registered on a custom message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepsAllowed {
    /// None.
    None,
    /// Asynchronous ones.
    AsyncOnly,
    /// All.
    #[default]
    SyncAndAsync,
}

/// A request parameter or a response property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParameterDefinition {
    /// Its name, unique in the message.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub parameter_type: ParameterType,
    /// Whether a request may leave it out. Without meaning for a response property: each may be left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// For an entity, an entity collection or an entity reference: of which entity; any if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

/// The types of parameters, named as on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// True or false.
    Boolean,
    /// A moment.
    DateTime,
    /// An exact decimal number.
    Decimal,
    /// A record.
    Entity,
    /// Records.
    EntityCollection,
    /// A reference to a record.
    EntityReference,
    /// A floating point number.
    Float,
    /// A whole number of 32 bits.
    Integer,
    /// An exact amount of money.
    Money,
    /// An option of a choice.
    Picklist,
    /// Text.
    String,
    /// Texts.
    StringArray,
    /// A unique identifier.
    Guid,
}

impl MessageDefinition {
    /// A global message without parameters, on which all steps may be registered.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            binding: Binding::Global,
            steps: StepsAllowed::SyncAndAsync,
            parameters: Vec::new(),
            properties: Vec::new(),
            description: None,
        }
    }

    /// Binds it.
    #[must_use]
    pub fn bound(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// Sets which steps may be registered.
    #[must_use]
    pub fn allow(mut self, steps: StepsAllowed) -> Self {
        self.steps = steps;
        self
    }

    /// Adds a request parameter that must be there.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, parameter_type: ParameterType) -> Self {
        self.parameters.push(ParameterDefinition::new(name, parameter_type));
        self
    }

    /// Adds a request parameter that may be left out.
    #[must_use]
    pub fn optional_parameter(mut self, name: impl Into<String>, parameter_type: ParameterType) -> Self {
        let parameter =
            ParameterDefinition { optional: true, ..ParameterDefinition::new(name, parameter_type) };
        self.parameters.push(parameter);
        self
    }

    /// Adds a response property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, parameter_type: ParameterType) -> Self {
        self.properties.push(ParameterDefinition::new(name, parameter_type));
        self
    }
}

impl ParameterDefinition {
    fn new(name: impl Into<String>, parameter_type: ParameterType) -> Self {
        Self { name: name.into(), parameter_type, optional: false, entity: None }
    }

    /// Why a parameter does not fit the definition; none if it does.
    #[must_use]
    pub fn refusal(&self, parameter: &Parameter) -> Option<String> {
        let wanted = self.parameter_type;
        if !wanted.fits(parameter) {
            return Some(format!("must be of type {}, not {}", wanted.name(), parameter.type_name()));
        }
        let entity = match parameter {
            Parameter::Entity(entity) => &entity.logical_name,
            Parameter::Entities(entities) => &entities.entity,
            Parameter::Value(Value::EntityReference(reference)) => &reference.entity,
            _ => return None,
        };
        let wanted = self.entity.as_ref().filter(|wanted| *wanted != entity)?;
        Some(format!("must be of the entity `{wanted}`, not `{entity}`"))
    }
}

impl ParameterType {
    /// The name, as definitions and errors spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::DateTime => "date-time",
            Self::Decimal => "decimal",
            Self::Entity => "entity",
            Self::EntityCollection => "entity-collection",
            Self::EntityReference => "entity-reference",
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Money => "money",
            Self::Picklist => "picklist",
            Self::String => "string",
            Self::StringArray => "string-array",
            Self::Guid => "guid",
        }
    }

    fn fits(self, parameter: &Parameter) -> bool {
        matches!(
            (self, parameter),
            (Self::Boolean, Parameter::Value(Value::Boolean(_)))
                | (Self::DateTime, Parameter::Value(Value::DateTime(_)))
                | (Self::Decimal, Parameter::Value(Value::Decimal(_)))
                | (Self::Entity, Parameter::Entity(_))
                | (Self::EntityCollection, Parameter::Entities(_))
                | (Self::EntityReference, Parameter::Value(Value::EntityReference(_)))
                | (Self::Float, Parameter::Value(Value::Double(_)))
                | (Self::Integer, Parameter::Value(Value::Integer(_)))
                | (Self::Money, Parameter::Value(Value::Money(_)))
                | (Self::Picklist, Parameter::Value(Value::Choice(_)))
                | (Self::String, Parameter::Value(Value::String(_)))
                | (Self::StringArray, Parameter::Strings(_))
                | (Self::Guid, Parameter::Value(Value::UniqueIdentifier(_)))
        )
    }
}
