//! Create and CreateMultiple: insert records.

use async_trait::async_trait;
use uuid::Uuid;

use super::targets::{self, Targets};
use super::{CoreOperation, Done, Operation, Subject, Traits, check_names, entity_target};
use crate::model::definition::{
    CREATED_BY, CREATED_ON, MODIFIED_BY, MODIFIED_ON, OWNER_ID, Ownership, VERSION_NUMBER,
};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{Entity, EntityDefinition, Message, Parameter, Parameters, Schema, Value};

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
            counterpart: Some(Message::CREATE_MULTIPLE),
            ..Traits::READ
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGET])?;
        let target = entity_target(message, input)?;
        let definition = targets::writable(schema, message, &target.logical_name)?;
        definition.check_values(&target.attributes)?;
        Ok(Subject::new(definition, target.id))
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let id = insert(cx, subject.definition()?, entity_target(self.name(), input)?).await?;
        Ok(Parameters::from([(parameter::ID.into(), Value::UniqueIdentifier(id).into())]).into())
    }
}

pub(super) struct CreateMultiple;

#[async_trait]
impl CoreOperation for CreateMultiple {
    fn name(&self) -> &'static str {
        Message::CREATE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits {
            image_property: parameter::TARGETS,
            target_is_written: false,
            counterpart: Some(Message::CREATE),
            ..Create.traits()
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGETS])?;
        let targets = Targets::of(message, input)?;
        let definition = targets::writable(schema, message, targets.entity)?;
        targets.check_values(definition)?;
        Ok(Subject::new(definition, None))
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let definition = subject.definition()?;
        let mut ids = Vec::new();
        for (index, target) in Targets::of(self.name(), input)?.entities.iter().enumerate() {
            ids.push(insert(cx, definition, target).await.map_err(|error| targets::at(error, index))?);
        }
        Ok(Parameters::from([(parameter::IDS.into(), Parameter::Ids(ids))]).into())
    }
}

/// Inserts a record with what the host adds: the owner, the state, the system attributes.
async fn insert(cx: Operation<'_>, definition: &EntityDefinition, target: &Entity) -> Result<Uuid> {
    let id = target.id.ok_or_else(|| Error::new(ErrorKind::Internal, "a Create without an identifier"))?;
    let mut record = target.clone();
    if definition.ownership == Ownership::User {
        record.attributes.entry(OWNER_ID.into()).or_insert_with(|| cx.user());
    }
    definition.resolve_state(None, &mut record.attributes)?;
    definition.check_required(&record)?;
    // The owner that the host put in is who asks, and that one's record is the service's affair.
    cx.check_references(definition, target).await?;

    let attributes = &mut record.attributes;
    attributes.insert(CREATED_ON.into(), Value::DateTime(cx.now));
    attributes.insert(CREATED_BY.into(), cx.user());
    attributes.insert(MODIFIED_ON.into(), Value::DateTime(cx.now));
    attributes.insert(MODIFIED_BY.into(), cx.user());
    attributes.insert(VERSION_NUMBER.into(), Value::BigInteger(1));
    cx.transaction.insert(definition, id, attributes).await?;
    Ok(id)
}
