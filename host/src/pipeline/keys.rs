//! Alternate keys: a request may name its record by the values of one, which become the identifier before anything else.

use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{
    ColumnSet, Entity, EntityReference, Filter, Message, Operator, Parameter, Query, Request, Schema, code,
};
use crate::pipeline::Pipeline;
use crate::pipeline::execution::{Deadline, Origin};
use crate::store::{Access, Begin, Transaction};

impl Pipeline {
    /// Puts identifiers in the place of key values: an entity that a message reads or deletes becomes a reference. A
    /// Create writes its key values like any other, and an Upsert finds its record by itself.
    pub(super) async fn resolve_keys(
        &self,
        origin: &Origin,
        deadline: Option<Deadline>,
        request: &mut Request,
    ) -> Result<()> {
        match request.message.as_str() {
            Message::CREATE => {
                if let Some(Parameter::Entity(target)) = request.parameters.get_mut(parameter::TARGET)
                    && !target.key_attributes.is_empty()
                {
                    let target = Arc::make_mut(target);
                    target.attributes.append(&mut target.key_attributes);
                }
                return Ok(());
            }
            Message::CREATE_MULTIPLE => {
                if let Some(Parameter::Entities(targets)) = request.parameters.get_mut(parameter::TARGETS)
                    && targets.entities.iter().any(|target| !target.key_attributes.is_empty())
                {
                    for target in &mut Arc::make_mut(targets).entities {
                        target.attributes.append(&mut target.key_attributes);
                    }
                }
                return Ok(());
            }
            Message::UPSERT | Message::UPSERT_MULTIPLE => return Ok(()),
            Message::UPDATE_MULTIPLE => {
                if let Some(Parameter::Entities(targets)) = request.parameters.get_mut(parameter::TARGETS)
                    && targets.entities.iter().any(is_keyed)
                {
                    for target in Arc::make_mut(targets).entities.iter_mut().filter(|target| is_keyed(target))
                    {
                        target.id = Some(self.require(origin, deadline, target).await?.id);
                        target.key_attributes.clear();
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        let name = match request.message.as_str() {
            Message::SET_STATE => parameter::ENTITY_MONIKER,
            _ => parameter::TARGET,
        };
        let Some(Parameter::Entity(target)) = request.parameters.get_mut(name) else { return Ok(()) };
        if is_keyed(target) {
            let found = self.require(origin, deadline, target).await?;
            let target = Arc::make_mut(target);
            target.id = Some(found.id);
            target.key_attributes.clear();
        }
        // All but an Update take a reference; they may be given the record.
        if let (Some(reference), true) = (target.reference(), request.message != Message::UPDATE) {
            request.parameters.insert(name.into(), reference.into());
        }
        Ok(())
    }

    /// The record with the key values of `target`, or an error that says that there is none.
    async fn require(
        &self,
        origin: &Origin,
        deadline: Option<Deadline>,
        target: &Entity,
    ) -> Result<EntityReference> {
        let found = self.find_by_key(origin, deadline, target).await?;
        found.ok_or_else(|| {
            let values = target.key_attributes.iter().map(|(name, value)| format!("{name} = {value}"));
            let values = values.collect::<Vec<_>>().join(", ");
            let problem = format!("no record of `{}` has the alternate key {values}", target.logical_name);
            Error::new(ErrorKind::NotFound, problem).with_code(code::RECORD_NOT_FOUND_BY_KEY)
        })
    }

    /// The record with the key values of `target`: looked for in the open transaction, or in one of its own.
    pub(super) async fn find_by_key(
        &self,
        origin: &Origin,
        deadline: Option<Deadline>,
        target: &Entity,
    ) -> Result<Option<EntityReference>> {
        let definition = origin.schema.entity(&target.logical_name)?;
        definition.check_values(&target.key_attributes)?;
        definition.key_of(&target.key_attributes)?;
        let equal = |(name, value): (&String, &crate::model::Value)| {
            Filter::condition(name, Operator::Eq, value.clone())
        };
        let query = Query {
            columns: ColumnSet::Named(Vec::new()),
            filter: Some(Filter::All(target.key_attributes.iter().map(equal).collect())),
            top: Some(1),
            ..Query::new(&target.logical_name)
        };
        let schema = Arc::clone(&origin.schema);
        if let Some(scope) = &origin.scope {
            return first(&*scope.transaction, &schema, &query).await;
        }
        let begin = Begin {
            access: Access::Read,
            deadline: deadline.map(|deadline| deadline.at),
            label: format!("the alternate key of `{}`", target.logical_name),
        };
        self.attempt(begin, move |transaction| {
            Box::pin(async move { first(&*transaction, &schema, &query).await })
        })
        .await
    }
}

async fn first(
    transaction: &dyn Transaction,
    schema: &Schema,
    query: &Query,
) -> Result<Option<EntityReference>> {
    Ok(transaction.query(schema, query).await?.entities.first().and_then(Entity::reference))
}

fn is_keyed(target: &Entity) -> bool {
    target.id.is_none() && !target.key_attributes.is_empty()
}
