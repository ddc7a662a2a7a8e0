//! RetrieveMultiple: reads the records that a query selects.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CoreOperation, Done, Operation, Subject, Traits, check_names, missing};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{EntityDefinition, Filter, Message, Parameter, Parameters, Query, Schema};

pub(super) struct RetrieveMultiple;

#[async_trait]
impl CoreOperation for RetrieveMultiple {
    fn name(&self) -> &'static str {
        Message::RETRIEVE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits::READ
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::QUERY])?;
        let query = query(input)?;
        let definition = schema.entity(&query.entity)?;
        definition.check_columns(&query.columns)?;
        query.filter.iter().try_for_each(|filter| check_filter(definition, filter))?;
        for order in &query.orders {
            definition.readable_type(&order.attribute)?;
        }
        Ok(Subject::new(definition, None))
    }

    async fn perform(&self, cx: Operation<'_>, _subject: &Subject, input: &Parameters) -> Result<Done> {
        let entities = cx.transaction.query(cx.schema, query(input)?).await?;
        let entities = Parameter::Entities(Arc::new(entities));
        Ok(Parameters::from([(parameter::BUSINESS_ENTITY_COLLECTION.into(), entities)]).into())
    }
}

fn query(input: &Parameters) -> Result<&Query> {
    match input.get(parameter::QUERY) {
        Some(Parameter::Query(query)) => Ok(query),
        other => Err(missing(Message::RETRIEVE_MULTIPLE, parameter::QUERY, "a query", other)),
    }
}

fn check_filter(definition: &EntityDefinition, filter: &Filter) -> Result<()> {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().try_for_each(|part| check_filter(definition, part))
        }
        Filter::Condition { attribute, .. } => definition.readable_type(attribute).map(|_| ()),
    }
}
