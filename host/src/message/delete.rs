//! Delete: removes a record, and the links to it before.

use async_trait::async_trait;

use super::{CoreOperation, Operation, Subject, Traits, internal, not_found, reference_target};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::trace::Event;
use crate::model::{EntityReference, Message, Parameters, Schema};

pub(super) struct Delete;

#[async_trait]
impl CoreOperation for Delete {
    fn name(&self) -> &'static str {
        Message::DELETE
    }

    fn traits(&self) -> Traits {
        Traits { writes: true, pre_image: true, parent_hop: true, ..Traits::READ }
    }

    fn check(&self, schema: &Schema, input: &Parameters) -> Result<Subject> {
        let target = reference_target(self.name(), input)?;
        Ok(Subject { definition: schema.entity(&target.entity)?.clone(), id: Some(target.id) })
    }

    /// Before PreOperation, so that only PreValidation still sees the links. A required lookup restricts the Delete;
    /// any other loses its value (RemoveLink, the platform's default for a referential relationship).
    async fn prepare(&self, cx: Operation<'_>, subject: &Subject) -> Result<Vec<Event>> {
        let id = subject.id.ok_or_else(|| internal(self.name()))?;
        let target = EntityReference::new(&subject.definition.logical_name, id);
        for (definition, lookup) in cx.schema.lookups_to(&target.entity) {
            if lookup.required && cx.transaction.is_referenced(definition, &lookup.name, &target).await? {
                return Err(Error::new(
                    ErrorKind::Restricted,
                    format!(
                        "cannot delete {target}: records of `{}` require it as their `{}`; delete them or let them \
                         point elsewhere first",
                        definition.logical_name, lookup.name
                    ),
                ));
            }
        }
        let mut done = Vec::new();
        for (definition, lookup) in
            cx.schema.lookups_to(&target.entity).filter(|(_, lookup)| !lookup.required)
        {
            let records = cx.transaction.unlink(definition, &lookup.name, &target).await?;
            if records > 0 {
                let (entity, attribute) = (definition.logical_name.clone(), lookup.name.clone());
                done.push(Event::Unlinked { entity, attribute, records });
            }
        }
        Ok(done)
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, _input: &Parameters) -> Result<Parameters> {
        let id = subject.id.ok_or_else(|| internal(self.name()))?;
        if cx.transaction.delete(&subject.definition, id).await? {
            Ok(Parameters::new())
        } else {
            Err(not_found("delete", &subject.definition, id))
        }
    }
}
