//! Images: the records of a message before and after its core operation, read once for all steps and with the attributes
//! that some step asked for.

use std::sync::Arc;

use uuid::Uuid;

use crate::model::error::Result;
use crate::model::query::RECORDS_MAX;
use crate::model::{
    ColumnSet, Entity, EntityReference, Filter, Operator, Query, RelationshipKind, Stage, Value,
};
use crate::pipeline::context::Side;
use crate::pipeline::execution::Execution;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Pipeline, describe, open_scope};
use crate::store::{Access, Begin, Lock, Transaction};

impl Pipeline {
    /// The records as PreValidation needs them: read before there is a transaction, or in the caller's.
    pub(super) async fn read_images_early(&self, plan: &Plan, mut execution: Execution) -> Result<Execution> {
        let Some(columns) = plan.image_columns(Side::Pre, &[Stage::PreValidation], &execution.context) else {
            return Ok(execution);
        };
        if let Some(scope) = execution.scope.clone() {
            execution.context.pre_images =
                read(&*scope.transaction, &execution, &columns, Lock::None).await?;
            return Ok(execution);
        }
        let begin = Begin {
            access: Access::Read,
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: describe(&execution.context),
        };
        self.attempt(begin, move |transaction| {
            Box::pin(async move {
                execution.context.pre_images = read(&*transaction, &execution, &columns, Lock::None).await?;
                Ok(execution)
            })
        })
        .await
    }

    /// The records before the core operation, for the stages inside the transaction.
    pub(super) async fn read_pre_images(&self, plan: &Plan, execution: &mut Execution) -> Result<()> {
        let in_transaction = [Stage::PreOperation, Stage::PostOperation];
        let mut columns = plan.image_columns(Side::Pre, &in_transaction, &execution.context);
        if execution.record.is_some() && execution.operation.traits().pre_image {
            // A trace shows what the core operation changes, so it needs the old values: of all attributes, since steps
            // may add to the target.
            columns = Some(ColumnSet::All);
        }
        let lock = execution.operation.traits().lock();
        let scope = open_scope(execution)?;
        if let Some(columns) = columns {
            execution.context.pre_images = read(&*scope.transaction, execution, &columns, lock).await?;
        } else if let (true, Some(definition)) = (plan.has_steps_before_write(), &execution.subject.entity) {
            // What a step reads of the record itself is to be so until the write.
            let ids: Vec<Uuid> = execution.context.subjects().into_iter().flatten().collect();
            if lock != Lock::None {
                scope.transaction.lock(definition, &ids, lock).await?;
            }
        }
        Ok(())
    }

    /// The records after the core operation.
    pub(super) async fn read_post_images(&self, plan: &Plan, execution: &mut Execution) -> Result<()> {
        let columns = plan.image_columns(Side::Post, &[Stage::PostOperation], &execution.context);
        if let Some(columns) = columns {
            let scope = open_scope(execution)?;
            execution.context.post_images =
                read(&*scope.transaction, execution, &columns, Lock::None).await?;
        }
        Ok(())
    }

    /// The children of the records that are to be deleted, before the cascade takes them.
    pub(super) async fn read_children(&self, plan: &Plan, execution: &mut Execution) -> Result<()> {
        for (name, columns) in plan.children_columns() {
            let RelationshipKind::OneToMany { referenced, referencing, attribute, .. } =
                &execution.schema.relationship(&name)?.kind
            else {
                continue;
            };
            let Some(entity) = execution.context.entity.as_ref().filter(|entity| *entity == referenced)
            else {
                continue;
            };
            let scope = open_scope(execution)?;
            let mut children = Vec::new();
            for id in execution.context.subjects().into_iter().flatten() {
                let parent = Value::EntityReference(EntityReference::new(entity, id));
                let query = Query {
                    columns: columns.clone(),
                    filter: Some(Filter::condition(attribute, Operator::Eq, parent)),
                    top: Some(RECORDS_MAX),
                    ..Query::new(referencing)
                };
                let found = scope.transaction.query(&execution.schema, &query).await?;
                children.push(Arc::new(found.entities));
            }
            execution.context.children.insert(name, children);
        }
        Ok(())
    }
}

async fn read(
    transaction: &dyn Transaction,
    execution: &Execution,
    columns: &ColumnSet,
    lock: Lock,
) -> Result<Vec<Option<Arc<Entity>>>> {
    let Some(definition) = &execution.subject.entity else { return Ok(Vec::new()) };
    let mut images = Vec::new();
    for id in execution.context.subjects() {
        images.push(match id {
            Some(id) => transaction.retrieve(definition, id, columns, lock).await?.map(Arc::new),
            None => None,
        });
    }
    Ok(images)
}
