//! Retrieve: reads a record.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CoreOperation, Operation, Subject, Traits, internal, missing, not_found, reference_target};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{ColumnSet, Message, Parameter, Parameters, Schema};

pub(super) struct Retrieve;

#[async_trait]
impl CoreOperation for Retrieve {
    fn name(&self) -> &'static str {
        Message::RETRIEVE
    }

    fn traits(&self) -> Traits {
        Traits::READ
    }

    fn check(&self, schema: &Schema, input: &Parameters) -> Result<Subject> {
        let target = reference_target(self.name(), input)?;
        let definition = schema.entity(&target.entity)?;
        definition.check_columns(columns(input)?)?;
        Ok(Subject { definition: definition.clone(), id: Some(target.id) })
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Parameters> {
        let id = subject.id.ok_or_else(|| internal(self.name()))?;
        let entity = cx
            .transaction
            .retrieve(&subject.definition, id, columns(input)?)
            .await?
            .ok_or_else(|| not_found("retrieve", &subject.definition, id))?;
        Ok(Parameters::from([(parameter::BUSINESS_ENTITY.into(), Parameter::Entity(Arc::new(entity)))]))
    }
}

fn columns(input: &Parameters) -> Result<&ColumnSet> {
    match input.get(parameter::COLUMN_SET) {
        Some(Parameter::Columns(columns)) => Ok(columns),
        other => Err(missing(Message::RETRIEVE, parameter::COLUMN_SET, "a column set", other)),
    }
}
