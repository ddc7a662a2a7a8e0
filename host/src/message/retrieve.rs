//! Retrieve: reads a record.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CoreOperation, Done, Operation, Subject, Traits, check_names, missing, not_found, reference_target,
};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{ColumnSet, Message, Parameter, Parameters, Schema};
use crate::store::Lock;

pub(super) struct Retrieve;

#[async_trait]
impl CoreOperation for Retrieve {
    fn name(&self) -> &'static str {
        Message::RETRIEVE
    }

    fn traits(&self) -> Traits {
        Traits::READ
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGET, parameter::COLUMN_SET])?;
        let target = reference_target(message, input)?;
        let definition = schema.entity(&target.entity)?;
        definition.check_columns(columns(input)?)?;
        Ok(Subject::new(definition, Some(target.id)))
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let (definition, id) = subject.record()?;
        let entity = cx.transaction.retrieve(definition, id, columns(input)?, Lock::None).await?;
        let entity = entity.ok_or_else(|| not_found(self.name(), definition, id))?;
        Ok(Parameters::from([(parameter::BUSINESS_ENTITY.into(), Parameter::Entity(Arc::new(entity)))])
            .into())
    }
}

fn columns(input: &Parameters) -> Result<&ColumnSet> {
    match input.get(parameter::COLUMN_SET) {
        Some(Parameter::Columns(columns)) => Ok(columns),
        other => Err(missing(Message::RETRIEVE, parameter::COLUMN_SET, "a column set", other)),
    }
}
