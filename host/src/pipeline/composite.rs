//! Messages that run as other requests: Upsert, UpsertMultiple, ExecuteTransaction, ExecuteMultiple.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::message::{Composite, TARGET_INDEX};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{
    ColumnSet, Entity, EntityCollection, EntityReference, ItemResponse, Parameter, Request, UpsertResult,
    Value,
};
use crate::pipeline::Pipeline;
use crate::pipeline::execution::Execution;
use crate::store::{Access, Begin, BoxFuture, Lock, Transaction};

/// How often an Upsert decides anew, when somebody else creates or deletes its record in between.
const UPSERT_ATTEMPTS_MAX: u32 = 3;

impl Pipeline {
    pub(super) async fn run_composite(
        self: &Arc<Self>,
        composite: Composite,
        execution: Execution,
    ) -> Result<Execution> {
        match composite {
            Composite::Upsert => self.upsert(execution).await,
            Composite::UpsertMultiple => self.upsert_multiple(execution).await,
            Composite::ExecuteTransaction => self.execute_transaction(execution).await,
            Composite::ExecuteMultiple => self.execute_multiple(execution).await,
        }
    }

    /// A Create where there is no such record, else an Update. In a transaction nobody comes in between; outside of one,
    /// the loser of a race decides anew, with nothing of its first attempt left.
    async fn upsert(self: &Arc<Self>, mut execution: Execution) -> Result<Execution> {
        let target = match execution.context.input.get(parameter::TARGET) {
            Some(Parameter::Entity(target)) => Arc::clone(target),
            _ => return Err(Error::new(ErrorKind::Internal, "an Upsert without its target")),
        };
        let mut attempt = 1;
        loop {
            let found = self.find_target(&execution, &target).await?;
            let request = match &found {
                Some(found) => Request::update(as_update(&target, found.id)),
                None => Request::create(as_create(&target)),
            };
            match self.dispatch(execution.sibling(), request).await {
                Ok(response) => {
                    let created = found.is_none();
                    let id = found.map(|found| found.id).or_else(|| response.id()).unwrap_or_default();
                    let reference = EntityReference::new(&target.logical_name, id);
                    execution.context.record = Some(id);
                    execution.context.output.insert(parameter::TARGET.into(), reference.into());
                    let created = Value::Boolean(created);
                    execution.context.output.insert(parameter::RECORD_CREATED.into(), created.into());
                    return Ok(execution);
                }
                Err(error) => {
                    let raced = if found.is_some() { ErrorKind::NotFound } else { ErrorKind::Duplicate };
                    let may_retry = execution.scope.is_none() && error.path().is_empty();
                    if error.kind() != raced || !may_retry || attempt >= UPSERT_ATTEMPTS_MAX {
                        return Err(error);
                    }
                    attempt += 1;
                }
            }
        }
    }

    /// The existing record of an Upsert's target, by its identifier or its key.
    async fn find_target(&self, execution: &Execution, target: &Entity) -> Result<Option<EntityReference>> {
        let Some(id) = target.id else {
            return self.find_by_key(&execution.sibling(), execution.deadline, target).await;
        };
        let definition = Arc::clone(execution.subject.definition()?);
        let reference = EntityReference::new(&target.logical_name, id);
        let look = async move |transaction: Arc<dyn Transaction>| {
            let found =
                transaction.retrieve(&definition, id, &ColumnSet::Named(Vec::new()), Lock::Update).await?;
            Ok(found.map(|_| reference))
        };
        if let Some(scope) = &execution.scope {
            return look(Arc::clone(&scope.transaction)).await;
        }
        let begin = Begin {
            access: Access::Read,
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: format!("Upsert {}", target.logical_name),
        };
        self.attempt(begin, move |transaction| Box::pin(look(transaction))).await
    }

    /// A CreateMultiple of the targets that there are not and an UpdateMultiple of the others, in one transaction.
    async fn upsert_multiple(self: &Arc<Self>, execution: Execution) -> Result<Execution> {
        self.together(execution, |pipeline, mut execution| {
            Box::pin(async move {
                let targets = match execution.context.input.get(parameter::TARGETS) {
                    Some(Parameter::Entities(targets)) => Arc::clone(targets),
                    _ => {
                        return Err(Error::new(ErrorKind::Internal, "an UpsertMultiple without its targets"));
                    }
                };
                let (mut create, mut update) = (Part::default(), Part::default());
                let mut results: Vec<UpsertResult> = Vec::with_capacity(targets.entities.len());
                let mut seen = BTreeSet::new();
                for (index, target) in targets.entities.iter().enumerate() {
                    let found = pipeline.find_target(&execution, target).await?;
                    if found.as_ref().is_some_and(|found| !seen.insert(found.clone())) {
                        let problem = "two targets of UpsertMultiple are the same record; merge them";
                        let error = Error::new(ErrorKind::InvalidRequest, problem);
                        return Err(error.with_detail(TARGET_INDEX, index.to_string()));
                    }
                    let record_created = found.is_none();
                    let id = match found {
                        Some(found) => {
                            update.push(index, as_update(target, found.id));
                            found.id
                        }
                        None => {
                            let id = target.id.unwrap_or_else(Uuid::now_v7);
                            create.push(index, as_create(target).with_id(id));
                            id
                        }
                    };
                    let target = EntityReference::new(&targets.entity, id);
                    results.push(UpsertResult { target, record_created });
                }
                let requests = [
                    (create, Request::create_multiple as fn(EntityCollection) -> Request),
                    (update, Request::update_multiple),
                ];
                for (part, request) in requests {
                    if !part.entities.is_empty() {
                        let request = request(EntityCollection::new(&targets.entity, part.entities));
                        let run = pipeline.dispatch(execution.sibling(), request).await;
                        run.map_err(|error| error.map_index(TARGET_INDEX, &part.indexes))?;
                    }
                }
                execution.context.output.insert(parameter::RESULTS.into(), Parameter::Upserts(results));
                Ok(execution)
            })
        })
        .await
    }

    /// Requests in one transaction, all or none.
    async fn execute_transaction(self: &Arc<Self>, execution: Execution) -> Result<Execution> {
        self.together(execution, |pipeline, mut execution| {
            Box::pin(async move {
                let requests = requests(&execution)?;
                let mut responses = Vec::new();
                for (index, request) in (0..).zip(requests.iter()) {
                    let run = pipeline.dispatch(execution.sibling(), request.clone());
                    let response = run
                        .await
                        .map_err(|error| error.with_detail("FaultedRequestIndex", index.to_string()))?;
                    responses.push(ItemResponse { index, result: Ok(response) });
                }
                if flag(&execution, parameter::RETURN_RESPONSES) {
                    let responses = Parameter::Responses(Arc::new(responses));
                    execution.context.output.insert(parameter::RESPONSES.into(), responses);
                }
                Ok(execution)
            })
        })
        .await
    }

    /// Requests one after another. Each is a request of its own, with its own transaction and its own time, unless all of
    /// it is in the transaction of a step, or was given less time.
    async fn execute_multiple(self: &Arc<Self>, mut execution: Execution) -> Result<Execution> {
        let goes_on = flag(&execution, parameter::CONTINUE_ON_ERROR);
        let returns = flag(&execution, parameter::RETURN_RESPONSES);
        let mut responses = Vec::new();
        let mut is_faulted = false;
        for (index, request) in (0..).zip(requests(&execution)?.iter()) {
            let mut origin = execution.sibling();
            let is_limited = execution.deadline.is_some_and(|deadline| deadline.limit < self.time_limit);
            if !execution.inherited && !is_limited && execution.scope.is_none() {
                origin.deadline = None;
            }
            match self.dispatch(origin, request.clone()).await {
                Ok(response) if returns => responses.push(ItemResponse { index, result: Ok(response) }),
                Ok(_) => {}
                // Past its time a step is stopped, and is not told what became of its requests.
                Err(error) if error.is_timeout() && execution.inherited => return Err(error),
                Err(error) => {
                    is_faulted = true;
                    responses.push(ItemResponse { index, result: Err(error.to_fault()) });
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        let output = &mut execution.context.output;
        output.insert(parameter::RESPONSES.into(), Parameter::Responses(Arc::new(responses)));
        output.insert(parameter::IS_FAULTED.into(), Value::Boolean(is_faulted).into());
        Ok(execution)
    }

    /// Runs `work` in the caller's transaction or, where there is none, in one of its own.
    async fn together<F>(self: &Arc<Self>, execution: Execution, work: F) -> Result<Execution>
    where
        F: FnOnce(Arc<Self>, Execution) -> BoxFuture<'static, Result<Execution>> + Clone + Send + 'static,
    {
        if execution.scope.is_some() {
            return work(Arc::clone(self), execution).await;
        }
        self.run_transaction(execution, Access::Write, work).await
    }
}

/// The targets of an UpsertMultiple that go one way, with their places among all.
#[derive(Default)]
struct Part {
    indexes: Vec<usize>,
    entities: Vec<Entity>,
}

impl Part {
    fn push(&mut self, index: usize, entity: Entity) {
        self.indexes.push(index);
        self.entities.push(entity);
    }
}

fn as_update(target: &Entity, id: Uuid) -> Entity {
    Entity { attributes: target.attributes.clone(), ..Entity::new(&target.logical_name).with_id(id) }
}

fn as_create(target: &Entity) -> Entity {
    let mut attributes = target.attributes.clone();
    for (name, value) in &target.key_attributes {
        attributes.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Entity { attributes, id: target.id, ..Entity::new(&target.logical_name) }
}

fn requests(execution: &Execution) -> Result<Arc<Vec<Request>>> {
    match execution.context.input.get(parameter::REQUESTS) {
        Some(Parameter::Requests(requests)) => Ok(Arc::clone(requests)),
        _ => {
            let message = &execution.context.message;
            Err(Error::new(ErrorKind::Internal, format!("{message} without its requests")))
        }
    }
}

fn flag(execution: &Execution, name: &str) -> bool {
    matches!(execution.context.input.get(name), Some(Parameter::Value(Value::Boolean(true))))
}
