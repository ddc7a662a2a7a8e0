//! Create: inserts a record.

use async_trait::async_trait;

use super::{CoreOperation, Operation, Subject, Traits, entity_target, internal};
use crate::model::definition::{CREATED_ON, MODIFIED_ON, VERSION_NUMBER};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{Message, Parameter, Parameters, Schema, Value};

pub(super) struct Create;

#[async_trait]
impl CoreOperation for Create {
    fn name(&self) -> &'static str {
        Message::CREATE
    }

    fn traits(&self) -> Traits {
        Traits {
            writes: true,
            creates: true,
            post_image: true,
            target_is_written: true,
            parent_hop: true,
            ..Traits::READ
        }
    }

    fn check(&self, schema: &Schema, input: &Parameters) -> Result<Subject> {
        let target = entity_target(self.name(), input)?;
        let definition = schema.entity(&target.logical_name)?;
        definition.check_values(&target.attributes)?;
        Ok(Subject { definition: definition.clone(), id: target.id })
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Parameters> {
        let target = entity_target(self.name(), input)?;
        let definition = &subject.definition;
        let id = subject.id.ok_or_else(|| internal(self.name()))?;
        definition.check_required(target)?;
        cx.check_references(definition, target).await?;

        let mut attributes = target.attributes.clone();
        attributes.insert(CREATED_ON.into(), Value::DateTime(cx.now));
        attributes.insert(MODIFIED_ON.into(), Value::DateTime(cx.now));
        attributes.insert(VERSION_NUMBER.into(), Value::BigInteger(1));
        cx.transaction.insert(definition, id, &attributes).await?;
        Ok(Parameters::from([(parameter::ID.into(), Parameter::Value(Value::UniqueIdentifier(id)))]))
    }
}
