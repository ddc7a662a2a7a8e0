//! The pipeline: the stages of a message, in order, around one transaction.
//!
//! [`Pipeline`] reads as the specification. Steps run through the [`Runner`](runner::Runner) trait and reach back through
//! [`Organization`], so that nothing here knows what a step is made of.

pub mod asynchronous;
pub mod execution;
pub mod native;
pub mod plan;
pub mod recorder;
pub mod registry;
pub mod runner;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::Instrument;
use uuid::Uuid;

use crate::message::{self, Operation};
use crate::model::error::{Error, ErrorKind, Location, Result};
use crate::model::request::parameter;
use crate::model::step::SYSTEM_USER;
use crate::model::trace::{Event, OperationRun, Trace};
use crate::model::{Clock, ColumnSet, Fault, Mode, Parameter, Request, Response, Stage};
use crate::pipeline::execution::{Context, Deadline, Execution, Nested, Scope, Side};
use crate::pipeline::plan::{Choice, Plan};
use crate::pipeline::recorder::{Record, StepEnd, operation_changes, step_changes};
use crate::pipeline::registry::{Registry, Step};
use crate::pipeline::runner::{Organization, Ran};
use crate::store::{Access, Begin, BoxFuture, Store, Transaction, transact};

/// Requests nest at most this deep, as on the platform.
pub const DEPTH_LIMIT_DEFAULT: u32 = 8;
/// The time of a message request, nested work included, as on the platform.
pub const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(120);

/// Runs messages.
pub struct Pipeline {
    /// Where records and jobs are.
    pub store: Arc<dyn Store>,
    /// The steps.
    pub registry: Registry,
    /// The host's time.
    pub clock: Arc<dyn Clock>,
    /// How deep requests may nest.
    pub depth_limit: u32,
    /// The time of a message request.
    pub time_limit: Duration,
    /// Rung after a commit that left jobs behind.
    pub doorbell: Arc<Notify>,
}

impl Pipeline {
    /// Runs a request from outside.
    pub async fn execute(self: &Arc<Self>, request: Request) -> Result<Response> {
        let execution = self.begin(request, None)?;
        self.run(execution).await
    }

    /// Runs a request from outside and returns its trace too, whether it succeeds or fails. None if the request did
    /// not even begin.
    pub async fn trace(
        self: &Arc<Self>,
        request: Request,
        admitted: Option<Duration>,
    ) -> (Result<Response>, Option<Trace>) {
        let mut execution = match self.begin(request, None) {
            Ok(execution) => execution,
            Err(error) => return (Err(error), None),
        };
        let record = Record::root(&execution.context);
        if let Some(waited) = admitted {
            record.event(Event::Admitted { waited });
        }
        execution.record = Some(record.clone());
        let result = self.run(execution).await;
        (result, record.finish())
    }

    /// The whole of a message, stage by stage.
    async fn run(self: &Arc<Self>, execution: Execution) -> Result<Response> {
        let plan = Plan::new(&self.registry, &execution.context.message, execution.context.entity.as_deref());
        let record = execution.record.clone();
        let scope = execution.scope.clone();
        let span = tracing::debug_span!(
            "request",
            message = execution.context.message,
            entity = execution.context.entity,
            depth = execution.context.depth,
            correlation_id = %execution.context.correlation_id,
        );
        let result = async {
            let execution = self.read_images_early(&plan, execution).await?;
            let execution = self.run_stage(&plan, execution, Stage::PreValidation).await?;
            match execution.scope {
                Some(_) => self.run_in_transaction(&plan, execution).await,
                None => self.run_transaction(plan, execution).await,
            }
        }
        .instrument(span)
        .await;

        if let (Some(scope), Err(error)) = (scope, &result) {
            scope.doom(error);
        }
        if let Some(record) = record {
            let id = result.as_ref().ok().and_then(|execution| execution.context.record);
            record.end_request(id, result.as_ref().err());
        }
        result.map(|execution| Response { parameters: execution.context.output })
    }

    /// Opens the transaction, runs the rest in it, writes the effects, commits.
    async fn run_transaction(self: &Arc<Self>, plan: Plan, execution: Execution) -> Result<Execution> {
        let record = execution.record.clone();
        let writes = execution.operation.traits().writes || plan.has_steps_in_transaction();
        let begin = Begin {
            access: if writes { Access::Write } else { Access::Read },
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: describe(&execution.context),
        };
        let asked = Instant::now();
        let pipeline = Arc::clone(self);
        let (outcome, timing) = transact(&*self.store, begin, Result::is_ok, move |transaction| {
            if let Some(record) = execution.record.as_ref().filter(|_| writes) {
                record.event(Event::Began { waited: asked.elapsed() });
            }
            let work = async move { pipeline.run_scope(plan, execution, transaction).await };
            Box::pin(work.in_current_span())
        })
        .await;

        let committed = matches!((&outcome, &timing), (Some(Ok(_)), Ok(_)));
        if let (Some(record), Ok(timing), true) = (record, &timing, writes) {
            record.event(if committed {
                Event::Committed { took: timing.ended }
            } else {
                Event::RolledBack { took: timing.ended }
            });
        }
        let (execution, has_jobs) = match outcome {
            // What the work says counts more than what became of the rollback.
            Some(Err(error)) => return Err(error),
            Some(Ok(done)) => timing.map(|_| done)?,
            None => return Err(timing.err().unwrap_or_else(lost)),
        };
        if has_jobs {
            self.doorbell.notify_one();
        }
        Ok(execution)
    }

    /// What happens between BEGIN and COMMIT of the outermost request.
    async fn run_scope(
        self: &Arc<Self>,
        plan: Plan,
        mut execution: Execution,
        transaction: Arc<dyn Transaction>,
    ) -> Result<(Execution, bool)> {
        let scope = Arc::new(Scope::new(transaction));
        execution.scope = Some(Arc::clone(&scope));
        let mut execution = self.run_in_transaction(&plan, execution).await?;
        scope.check()?;
        let jobs = scope.take_jobs();
        if !jobs.is_empty() {
            scope.transaction.enqueue(&jobs).await?;
        }
        execution.scope = None;
        Ok((execution, !jobs.is_empty()))
    }

    /// The stages inside the transaction, of an initial request or a nested one.
    async fn run_in_transaction(self: &Arc<Self>, plan: &Plan, execution: Execution) -> Result<Execution> {
        let execution = self.enter_transaction(plan, execution).await?;
        let execution = self.run_stage(plan, execution, Stage::PreOperation).await?;
        let execution = self.run_main_operation(plan, execution).await?;
        let execution = self.run_stage(plan, execution, Stage::PostOperation).await?;
        past(execution.deadline)?;
        self.queue_asynchronous_steps(plan, execution)
    }

    fn begin(&self, request: Request, nested: Option<Nested>) -> Result<Execution> {
        let schema = nested.as_ref().map_or_else(|| self.store.schema(), |nested| Arc::clone(&nested.schema));
        let operation = message::find(&request.message)?;
        let subject = operation.check(&schema, &request.parameters)?;
        let limit = request.time_limit.map_or(self.time_limit, |limit| limit.min(self.time_limit));
        let request_id = Uuid::now_v7();
        let user = request.user.unwrap_or(SYSTEM_USER);
        let mut context = Context {
            message: request.message,
            stage: Stage::PreValidation,
            mode: Mode::Synchronous,
            depth: 1,
            entity: Some(subject.definition.logical_name.clone()),
            record: subject.id,
            secondary_entity: None,
            user,
            initiating_user: user,
            correlation_id: request_id,
            request_id,
            operation: None,
            is_in_transaction: false,
            input: request.parameters,
            output: Default::default(),
            shared: Arc::default(),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: Default::default(),
            parent: None,
        };
        // A Create that brings its identifier along still has no record before the core operation.
        if operation.traits().creates {
            context.record = None;
        }
        let mut execution = Execution {
            context,
            schema,
            operation,
            subject,
            deadline: Deadline::after(limit),
            inherited: false,
            scope: None,
            record: None,
        };
        if let Some(nested) = nested {
            self.descend(&mut execution, nested)?;
        }
        Ok(execution)
    }

    /// Makes an execution the child of the step that issued it.
    fn descend(&self, execution: &mut Execution, nested: Nested) -> Result<()> {
        let parent = nested.parent;
        let context = &mut execution.context;
        context.depth = parent.depth.saturating_add(1);
        if context.depth > self.depth_limit {
            return Err(too_deep(context, &parent, self.depth_limit));
        }
        context.user = parent.user;
        context.initiating_user = parent.initiating_user;
        context.correlation_id = parent.correlation_id;
        context.is_in_transaction = nested.scope.is_some();
        context.parent = Some(parent);
        if let Some(deadline) = nested.deadline {
            let own = execution.deadline.filter(|own| own.at < deadline.at);
            execution.deadline = Some(own.unwrap_or(deadline));
            execution.inherited = true;
        }
        execution.scope = nested.scope;
        execution.record = nested.record.map(|record| record.request(&execution.context));
        Ok(())
    }

    /// The record as PreValidation's images need it: read before there is a transaction, or in the caller's.
    async fn read_images_early(&self, plan: &Plan, mut execution: Execution) -> Result<Execution> {
        let Some(columns) = plan.image_columns(Side::Pre, &[Stage::PreValidation], &execution.context) else {
            return Ok(execution);
        };
        if let Some(scope) = execution.scope.clone() {
            execution.context.pre_images =
                vec![read_image(&*scope.transaction, &execution, &columns).await?.map(Arc::new)];
            return Ok(execution);
        }
        let begin = Begin {
            access: Access::Read,
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: describe(&execution.context),
        };
        let (outcome, timing) = transact(&*self.store, begin, Result::is_ok, move |transaction| {
            Box::pin(async move {
                let image = read_image(&*transaction, &execution, &columns).await?;
                execution.context.pre_images = vec![image.map(Arc::new)];
                Ok(execution)
            })
        })
        .await;
        outcome.unwrap_or_else(|| Err(timing.err().unwrap_or_else(lost)))
    }

    /// Turns PreValidation's context into the one of the later stages, prepares the core operation and reads images.
    async fn enter_transaction(&self, plan: &Plan, mut execution: Execution) -> Result<Execution> {
        let scope = open_scope(&execution)?;
        let traits = execution.operation.traits();
        execution.context.is_in_transaction = true;
        if traits.parent_hop {
            // On the platform these messages run their later stages in a child context, so that what PreValidation
            // shares is found in the parent's shared variables.
            execution.context.parent = Some(Arc::new(execution.context.to_parent()));
            execution.context.shared = Arc::default();
        }
        let cx = Operation {
            transaction: &*scope.transaction,
            schema: &execution.schema,
            now: self.clock.now(),
            user: execution.context.user,
        };
        let prepared = execution.operation.prepare(cx, &execution.subject).await?;
        if let Some(record) = &execution.record {
            prepared.into_iter().for_each(|event| record.event(event));
        }

        let in_transaction = [Stage::PreOperation, Stage::PostOperation];
        let mut columns = plan.image_columns(Side::Pre, &in_transaction, &execution.context);
        if execution.record.is_some() && traits.pre_image {
            // A trace shows what the core operation changes, so it needs the old values: of all attributes, since steps
            // may add to the target.
            columns = Some(ColumnSet::All);
        }
        if let Some(columns) = columns {
            let image = read_image(&*scope.transaction, &execution, &columns).await?;
            execution.context.pre_images = vec![image.map(Arc::new)];
        }
        Ok(execution)
    }

    async fn run_stage(
        self: &Arc<Self>,
        plan: &Plan,
        mut execution: Execution,
        stage: Stage,
    ) -> Result<Execution> {
        execution.context.stage = stage;
        let target = execution.context.target().map(|target| &target.attributes);
        let choices: Vec<Choice<'_>> = plan.choose(stage, Mode::Synchronous, target).collect();
        for choice in choices {
            match choice {
                Choice::Run(step) => execution = self.run_step(step, execution).await.0?,
                Choice::Skip(step, reason) => {
                    if let Some(record) = &execution.record {
                        record.event(Event::Skipped { step: step.key.clone(), stage, reason });
                    }
                }
            }
        }
        Ok(execution)
    }

    /// Runs one step, and puts its place and its trace into the error if it fails.
    async fn run_step(
        self: &Arc<Self>,
        step: &Arc<Step>,
        mut execution: Execution,
    ) -> (Result<Execution>, Vec<String>) {
        // The execution moves into the step and is gone if that fails, so what names the place is kept; a step that
        // succeeds has no use for it, so nothing is copied yet.
        let (operation, definition) = (execution.operation, Arc::clone(&execution.subject.definition));
        let outer = execution.record.clone();
        let record = outer.as_ref().map(|record| record.step(step));
        let before = record.as_ref().map(|_| execution.context.clone());
        let scope = execution.scope.clone();
        execution.record.clone_from(&record);

        let span = tracing::debug_span!("step", plugin = step.key.plugin, step = step.key.step, stage = %step.definition.stage);
        let ran = match past(execution.deadline) {
            Err(error) => {
                Ran { result: Err(error), lines: Vec::new(), host_calls: Duration::ZERO, memory_bytes: 0 }
            }
            Ok(()) => {
                let organization = Arc::clone(self) as Arc<dyn Organization>;
                step.runner.run(step, execution, organization).instrument(span).await
            }
        };
        let result = ran.result.and_then(|mut execution| {
            execution.record = outer;
            scope.map_or(Ok(()), |scope| scope.check())?;
            Ok(execution)
        });
        let result = result.map_err(|error| {
            let entity = Some(definition.logical_name.clone());
            let (message, stage) = (operation.name().to_owned(), step.definition.stage);
            error.with_trace(&ran.lines).at(Location { step: step.key.clone(), stage, message, entity })
        });
        if let (Some(record), Some(before)) = (record, before) {
            let after = result.as_ref().ok().map(|execution| &execution.context);
            record.end_step(StepEnd {
                host_calls: ran.host_calls,
                memory_bytes: ran.memory_bytes,
                changes: after.map(|after| step_changes(&before, after)).unwrap_or_default(),
                lines: ran.lines.clone(),
                error: result.as_ref().err().cloned(),
            });
        }
        (result, ran.lines)
    }

    async fn run_main_operation(&self, plan: &Plan, mut execution: Execution) -> Result<Execution> {
        let scope = open_scope(&execution)?;
        past(execution.deadline)?;
        execution.context.stage = Stage::MainOperation;
        // What steps changed was checked as they changed it.
        if execution.operation.traits().creates {
            let id = execution.subject.id.unwrap_or_else(Uuid::now_v7);
            execution.subject.id = Some(id);
            execution.context.record = Some(id);
            if let Some(Parameter::Entity(target)) = execution.context.input.get_mut(parameter::TARGET) {
                Arc::make_mut(target).id = Some(id);
            }
        }
        let started = Instant::now();
        let cx = Operation {
            transaction: &*scope.transaction,
            schema: &execution.schema,
            now: self.clock.now(),
            user: execution.context.user,
        };
        let result = execution.operation.perform(cx, &execution.subject, &execution.context.input).await;
        if let Some(record) = &execution.record {
            record.event(Event::Operation(OperationRun {
                duration: started.elapsed(),
                changes: if result.is_ok() { operation_changes(&execution.context) } else { Vec::new() },
                error: result.as_ref().err().cloned(),
            }));
        }
        execution.context.output = result?;

        let columns = plan.image_columns(Side::Post, &[Stage::PostOperation], &execution.context);
        if let Some(columns) = columns {
            let image = read_image(&*scope.transaction, &execution, &columns).await?;
            execution.context.post_images = vec![image.map(Arc::new)];
        }
        Ok(execution)
    }
}

impl Organization for Pipeline {
    fn execute(self: Arc<Self>, nested: Nested, request: Request) -> BoxFuture<'static, Result<Response>> {
        Box::pin(async move {
            let scope = nested.scope.clone();
            if let Some(scope) = &scope {
                scope.check()?;
            }
            match self.begin(request, Some(nested)) {
                Ok(execution) => self.run(execution).await,
                Err(error) => {
                    if let Some(scope) = scope {
                        scope.doom(&error);
                    }
                    Err(error)
                }
            }
        })
    }
}

async fn read_image(
    transaction: &dyn Transaction,
    execution: &Execution,
    columns: &ColumnSet,
) -> Result<Option<crate::model::Entity>> {
    let Some(id) = execution.subject.id.or(execution.context.record) else { return Ok(None) };
    transaction.retrieve(&execution.subject.definition, id, columns).await
}

fn open_scope(execution: &Execution) -> Result<Arc<Scope>> {
    execution
        .scope
        .clone()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a stage ran without its transaction"))
}

/// An error if the deadline has passed.
fn past(deadline: Option<Deadline>) -> Result<()> {
    match deadline {
        Some(deadline) if deadline.is_past() => Err(timed_out(deadline)),
        _ => Ok(()),
    }
}

/// The error of a message request whose deadline has passed.
pub(crate) fn timed_out(deadline: Deadline) -> Error {
    let late = Instant::now().saturating_duration_since(deadline.at);
    Error::new(
        ErrorKind::Timeout,
        format!(
            "the message request ran past its time limit of {:?} (stopped {:.1} ms after it); do less in it, or move \
             longer work to an asynchronous step or a background process",
            deadline.limit,
            late.as_secs_f64() * 1e3
        ),
    )
}

/// A step's refusal. If it only passes on what one of its own requests was told, that error's place counts.
pub(crate) fn rejection(fault: Fault, last_refusal: Option<Error>) -> Error {
    match last_refusal {
        Some(error) if error.code() == fault.code && error.message() == fault.message => error,
        _ => Error::rejected(fault),
    }
}

fn too_deep(context: &Context, parent: &Arc<Context>, limit: u32) -> Error {
    let mut path = vec![describe(context)];
    let mut last = context.request_id;
    let mut ancestor = Some(parent);
    while let Some(context) = ancestor {
        // The hop from PreValidation is the same request, and named once.
        if context.request_id != last {
            path.push(describe(context));
        }
        last = context.request_id;
        ancestor = context.parent.as_ref();
    }
    path.reverse();
    Error::new(
        ErrorKind::DepthExceeded,
        format!(
            "requests nest more than {limit} deep: {}; a step probably triggers itself, so give it filtering \
             attributes or a condition that ends the loop",
            path.join(" -> ")
        ),
    )
}

fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the transaction ended without a result")
}

fn describe(context: &Context) -> String {
    match &context.entity {
        Some(entity) => format!("{} {entity}", context.message),
        None => context.message.clone(),
    }
}
