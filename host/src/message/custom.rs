//! Custom messages: checked by their definition; what they do is a step at MainOperation, or nothing.

use async_trait::async_trait;

use super::{CoreOperation, Course, Steps, Subject, Traits, invalid, list, missing, reference_target};
use crate::model::custom_message::{Binding, MessageDefinition};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{Parameter, Parameters, Schema, Value};

pub(super) struct Custom;

#[async_trait]
impl CoreOperation for Custom {
    fn name(&self) -> &'static str {
        ""
    }

    /// The platform has no images of custom messages: their record may be any, or none.
    fn traits(&self) -> Traits {
        Traits { writes: true, steps: Steps::AsDefined, course: Course::Custom, ..Traits::READ }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        let definition = definition(schema, message)?;
        let subject = match &definition.binding {
            Binding::Global => Subject::default(),
            Binding::Entity(entity) => {
                let target = reference_target(message, input)?;
                if target.entity != *entity {
                    return Err(invalid(format!(
                        "{message} is bound to `{entity}` and cannot be called on a `{}`",
                        target.entity
                    )));
                }
                Subject::new(schema.entity(entity)?, Some(target.id))
            }
            Binding::EntityCollection(entity) => Subject::new(schema.entity(entity)?, None),
        };
        let bound = matches!(definition.binding, Binding::Entity(_));
        for (name, given) in input.iter().filter(|(name, _)| !(bound && *name == parameter::TARGET)) {
            let Some(parameter) = definition.parameters.iter().find(|parameter| parameter.name == *name)
            else {
                let known: Vec<&str> =
                    definition.parameters.iter().map(|known| known.name.as_str()).collect();
                return Err(invalid(format!(
                    "{message} has no parameter `{name}`; there are {}",
                    list(&known)
                )));
            };
            // Null is how a caller spells out that it leaves an optional parameter out.
            if parameter.optional && *given == Parameter::Value(Value::Null) {
                continue;
            }
            if let Some(reason) = parameter.refusal(given) {
                return Err(invalid(format!("the parameter `{name}` of {message} {reason}")));
            }
        }
        let lacking = definition.parameters.iter();
        match lacking.filter(|parameter| !parameter.optional).find(|known| !input.contains_key(&known.name)) {
            None => Ok(subject),
            Some(lacking) => {
                let article = format!("of type {}", lacking.parameter_type.name());
                Err(missing(message, &lacking.name, &article, None))
            }
        }
    }

    fn check_output(
        &self,
        schema: &Schema,
        message: &str,
        _output: &Parameters,
        name: &str,
        parameter: &Parameter,
    ) -> Result<()> {
        let definition = definition(schema, message)?;
        let Some(property) = definition.properties.iter().find(|property| property.name == name) else {
            let known: Vec<&str> = definition.properties.iter().map(|known| known.name.as_str()).collect();
            return Err(invalid(format!(
                "{message} has no response property `{name}`; there are {}",
                list(&known)
            )));
        };
        match property.refusal(parameter) {
            None => Ok(()),
            Some(reason) => Err(invalid(format!("the response property `{name}` of {message} {reason}"))),
        }
    }
}

fn definition<'s>(schema: &'s Schema, message: &str) -> Result<&'s MessageDefinition> {
    let found = schema.messages.get(message).map(AsRef::as_ref);
    found.ok_or_else(|| Error::new(ErrorKind::Internal, format!("the message `{message}` is not defined")))
}
