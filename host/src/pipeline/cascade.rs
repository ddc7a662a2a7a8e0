//! Cascades: the requests that a core operation has other records go through, each with its own pipeline.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::message::Cascaded;
use crate::model::definition::{MODIFIED_BY, MODIFIED_ON, USER_ENTITY};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, ColumnSet, Entity, EntityReference, Message, Request, Response, Value};
use crate::pipeline::execution::Execution;
use crate::pipeline::scope::Scope;
use crate::pipeline::{Pipeline, open_scope, past};
use crate::store::{BoxFuture, Lock};

/// Levels of a cascade that are polled on one stack: each takes about 100 KB of it in a debug build, and the threads of a
/// runtime have 2 MB.
const LEVELS_ON_A_STACK: u32 = 6;

impl Pipeline {
    /// Notes the records of a Delete, so that a cascade that comes back to them ends.
    pub(super) fn note_deletes(&self, scope: &Scope, execution: &Execution) {
        if !execution.operation.traits().deletes {
            return;
        }
        let context = &execution.context;
        let Some(entity) = &context.entity else { return };
        for id in context.subjects().into_iter().flatten() {
            scope.begin_delete(EntityReference::new(entity, id));
        }
    }

    /// Refuses a Delete of which steps, since its cascade, made records that point to what goes: these would be left
    /// pointing to nothing. Those whose own Delete has begun do not count.
    pub(super) async fn refuse_newcomers(&self, scope: &Scope, execution: &Execution) -> Result<()> {
        let (operation, context) = (self.operation(scope, execution), &execution.context);
        let prepared = execution.operation.prepare(operation, &execution.subject, &context.input).await?;
        for item in prepared.cascade {
            let Cascaded::Child { definition, id, attribute, parent, .. } = item else { continue };
            let child = EntityReference::new(&definition.logical_name, id);
            if !scope.is_deleting(&child) {
                return Err(Error::new(
                    ErrorKind::Restricted,
                    format!(
                        "cannot delete {parent}: a step let {child} point to it as its `{attribute}` while it was being \
                         deleted; let the step do that before, or not at all"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Runs what a core operation asked for, in order. The first failure ends the message.
    pub(super) async fn cascade(
        self: &Arc<Self>,
        execution: &Execution,
        cascade: Vec<Cascaded>,
    ) -> Result<()> {
        if cascade.is_empty() {
            return Ok(());
        }
        let scope = open_scope(execution)?;
        let origin = execution.cascading();
        for item in cascade {
            past(execution.deadline)?;
            let request = match item {
                Cascaded::Request(request) => request,
                Cascaded::Child { definition, id, attribute, parent, deleted } => {
                    let child = EntityReference::new(&definition.logical_name, id);
                    let columns = ColumnSet::named([&attribute]);
                    let lock = if deleted { Lock::Delete } else { Lock::Update };
                    let found = scope.transaction.retrieve(&definition, id, &columns, lock).await?;
                    let link = found.as_ref().and_then(|found| found.get(&attribute));
                    if link != Some(&Value::EntityReference(parent)) || (deleted && scope.is_deleting(&child))
                    {
                        // Steps of those before it saw to it, or its own Delete has begun.
                        continue;
                    }
                    if deleted {
                        Request::delete(child)
                    } else {
                        let unlinked = Entity::new(child.entity).with_id(id).with(attribute, Value::Null);
                        let watched = [Message::UPDATE, Message::UPDATE_MULTIPLE];
                        let entity = &definition.logical_name;
                        if !watched.iter().any(|message| execution.registry.has_steps(message, entity)) {
                            // Nobody looks on, so the write alone is the same.
                            let attributes = self.stamped(execution, unlinked.attributes);
                            scope.transaction.update(&definition, id, &attributes).await?;
                            continue;
                        }
                        Request::update(unlinked)
                    }
                }
            };
            let level = self.dispatch(origin.clone(), request);
            if origin.cascade.is_multiple_of(LEVELS_ON_A_STACK) {
                on_own_stack(level).await?;
            } else {
                level.await?;
            }
        }
        Ok(())
    }

    fn stamped(&self, execution: &Execution, mut attributes: Attributes) -> Attributes {
        let user = EntityReference::new(USER_ENTITY, execution.context.user);
        attributes.insert(MODIFIED_ON.into(), Value::DateTime(self.clock.now()));
        attributes.insert(MODIFIED_BY.into(), Value::EntityReference(user));
        attributes
    }
}

/// Awaits what goes on in a task of its own, which ends if this is dropped.
async fn on_own_stack(level: BoxFuture<'static, Result<Response>>) -> Result<Response> {
    let mut tasks = JoinSet::new();
    tasks.spawn(level.in_current_span());
    match tasks.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => {
                let message = "a level of a cascade was stopped from outside";
                Err(Error::new(ErrorKind::ShuttingDown, message).with_source(error))
            }
        },
        None => Err(Error::new(ErrorKind::Internal, "a level of a cascade did not begin")),
    }
}
