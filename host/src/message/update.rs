//! Update: writes the attributes that the target carries.

use async_trait::async_trait;

use super::{CoreOperation, Operation, Subject, Traits, entity_target, internal, not_found};
use crate::model::definition::MODIFIED_ON;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Message, Parameters, Schema, Value};

pub(super) struct Update;

#[async_trait]
impl CoreOperation for Update {
    fn name(&self) -> &'static str {
        Message::UPDATE
    }

    fn traits(&self) -> Traits {
        Traits {
            writes: true,
            creates: false,
            pre_image: true,
            post_image: true,
            filtering: true,
            target_is_written: true,
            parent_hop: true,
        }
    }

    fn check(&self, schema: &Schema, input: &Parameters) -> Result<Subject> {
        let target = entity_target(self.name(), input)?;
        let definition = schema.entity(&target.logical_name)?;
        if target.id.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the target of an Update of `{}` needs an identifier", target.logical_name),
            ));
        }
        definition.check_values(&target.attributes)?;
        Ok(Subject { definition: definition.clone(), id: target.id })
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Parameters> {
        let target = entity_target(self.name(), input)?;
        let definition = &subject.definition;
        let id = subject.id.ok_or_else(|| internal(self.name()))?;
        cx.check_references(definition, target).await?;

        let mut attributes = target.attributes.clone();
        attributes.insert(MODIFIED_ON.into(), Value::DateTime(cx.now));
        if cx.transaction.update(definition, id, &attributes).await? {
            Ok(Parameters::new())
        } else {
            Err(not_found("update", definition, id))
        }
    }
}
