//! The pipeline: the stages of a message, in order, around one transaction.
//!
//! [`Pipeline`] reads as the specification. Steps run through the [`Runner`](runner::Runner) trait and reach back through
//! [`Organization`], so that nothing here knows what a step is made of.

pub mod asynchronous;
mod bulk;
mod cascade;
mod composite;
mod contention;
pub mod context;
pub mod current;
pub mod dry_run;
pub mod execution;
pub mod gauge;
pub mod host_job;
mod images;
mod keys;
pub mod native;
pub(crate) mod options;
pub mod plan;
pub mod recorder;
pub mod registry;
pub mod runner;
pub mod scope;
pub mod supervision;
mod system_job;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::Instrument;
use uuid::Uuid;

use crate::message::{self, Course, Operation};
use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Location, Result};
use crate::model::job::Schedule;
use crate::model::request::parameter;
use crate::model::trace::{Event, OperationRun, Trace};
use crate::model::{Clock, Fault, Mode, Parameter, Request, Response, Stage, Value};
use crate::pipeline::context::Context;
use crate::pipeline::current::Current;
use crate::pipeline::execution::{Deadline, Execution, Origin};
use crate::pipeline::gauge::Gauge;
use crate::pipeline::host_job::CascadeThresholds;
use crate::pipeline::options::Options;
use crate::pipeline::plan::{Choice, Part, Plan};
use crate::pipeline::recorder::{Record, StepEnd, operation_changes, step_changes};
use crate::pipeline::registry::{Registry, Step};
use crate::pipeline::runner::{Organization, Ran};
use crate::pipeline::scope::{Fate, Scope};
use crate::pipeline::supervision::Supervisor;
use crate::store::{Access, Begin, BoxFuture, Lock, Store, transact};

/// Requests nest at most this deep, as on the platform.
pub const DEPTH_LIMIT_DEFAULT: u32 = 8;
/// Levels of a cascade at most: each is a pipeline inside of another, on one stack.
pub const CASCADE_LEVELS_MAX: u32 = 32;
/// The time of a message request, nested work included, as on the platform.
pub const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(120);
/// When a request that found no room is to try again. It has waited for its whole time limit, or asked for a sandbox that
/// should have been there: a second is long enough that a crowd of those who try again is no load of its own.
pub(crate) const SATURATED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs messages.
pub struct Pipeline {
    /// Where records and jobs are.
    pub store: Arc<dyn Store>,
    /// The steps as registered now. A request keeps to those that there were when it came.
    pub registry: Current<Registry>,
    /// The host's time.
    pub clock: Arc<dyn Clock>,
    /// How deep requests may nest.
    pub depth_limit: u32,
    /// The time of a message request.
    pub time_limit: Duration,
    /// From how many children on a cascade goes on as a job; never if none.
    pub asynchronous_cascades: Option<CascadeThresholds>,
    /// Rung after a commit that left something for the asynchronous service.
    pub doorbell: Doorbell,
    /// Watches over the steps of plugins.
    pub supervisor: Supervisor,
    /// The transactions that are open.
    pub transactions: Gauge,
}

/// Wakes the asynchronous service.
#[derive(Default)]
pub struct Doorbell {
    /// There are new jobs.
    pub queued: Notify,
    /// An operator wants something of a job that may be running.
    pub controlled: Notify,
}

impl Pipeline {
    /// Runs a request from outside.
    pub async fn execute(self: &Arc<Self>, request: Request) -> Result<Response> {
        self.dispatch(self.outside(), request).await
    }

    /// Runs a request from outside and returns its trace too, whether it succeeds or fails. None if the request did
    /// not even begin.
    pub async fn trace(
        self: &Arc<Self>,
        request: Request,
        admitted: Option<Duration>,
    ) -> (Result<Response>, Option<Trace>) {
        let record = Record::new();
        let origin = Origin { record: Some(record.clone()), ..self.outside() };
        let result = match self.begin(origin, request).await {
            Err(error) => Err(error),
            Ok(execution) => {
                if let (Some(record), Some(waited)) = (&execution.record, admitted) {
                    record.event(Event::Admitted { waited });
                }
                self.run(execution).await
            }
        };
        (result, record.finish())
    }

    /// Queues a request from outside as a job.
    pub async fn schedule(self: &Arc<Self>, request: Request, schedule: &Schedule) -> Result<Uuid> {
        self.queue_request(self.outside(), request, schedule).await
    }

    /// The origin of a request from outside, with the definitions and the steps that there are now.
    fn outside(&self) -> Origin {
        Origin::outside(self.store.schema(), self.registry.get())
    }

    /// Runs a request from anywhere: in a transaction that can still go on, where there is one.
    fn dispatch(self: &Arc<Self>, origin: Origin, request: Request) -> BoxFuture<'static, Result<Response>> {
        let pipeline = Arc::clone(self);
        Box::pin(async move {
            let scope = origin.scope.clone();
            if let Some(scope) = &scope {
                scope.check()?;
            }
            match pipeline.begin(origin, request).await {
                Ok(execution) => pipeline.run(execution).await,
                Err(error) => {
                    if let Some(scope) = scope {
                        scope.doom(&error);
                    }
                    Err(error)
                }
            }
        })
    }

    /// The whole of a message.
    async fn run(self: &Arc<Self>, execution: Execution) -> Result<Response> {
        let record = execution.record.clone();
        let scope = execution.scope.clone();
        let span = tracing::debug_span!(
            "request",
            message = execution.context.message,
            entity = execution.context.entity,
            depth = execution.context.depth,
            correlation_id = %execution.context.correlation_id,
        );
        let result = match execution.operation.traits().course {
            Course::Requests(composite) => self.run_composite(composite, execution).instrument(span).await,
            Course::Stages | Course::Custom => self.run_stages(execution).instrument(span).await,
        };
        if let (Some(scope), Err(error)) = (scope, &result) {
            scope.doom(error);
        }
        if let Some(record) = record {
            let id = result.as_ref().ok().and_then(|execution| execution.context.record);
            record.end_request(id, result.as_ref().err());
        }
        result.map(|execution| Response { parameters: execution.context.output })
    }

    /// A message, stage by stage.
    async fn run_stages(self: &Arc<Self>, execution: Execution) -> Result<Execution> {
        let context = &execution.context;
        let (message, entity) = (&context.message, context.entity.as_deref());
        let plan = Plan::new(&execution.registry, execution.operation, message, entity);
        let execution = self.read_images_early(&plan, execution).await?;
        let execution = self.run_stage(&plan, execution, Stage::PreValidation).await?;
        if execution.scope.is_some() {
            return self.run_in_transaction(&plan, execution).await;
        }
        let writes = execution.operation.traits().writes || plan.has_steps_in_transaction();
        let access = if writes { Access::Write } else { Access::Read };
        self.run_transaction(execution, access, move |pipeline, execution| {
            Box::pin(async move { pipeline.run_in_transaction(&plan, execution).await })
        })
        .await
    }

    /// Runs `work` in a transaction, again where contention undid it, and rings for what it leaves behind.
    async fn run_transaction<F>(
        self: &Arc<Self>,
        execution: Execution,
        access: Access,
        work: F,
    ) -> Result<Execution>
    where
        F: FnOnce(Arc<Self>, Execution) -> BoxFuture<'static, Result<Execution>> + Clone + Send + 'static,
    {
        let deadline = execution.deadline.map(|deadline| deadline.at);
        let record = execution.record.clone();
        let run = |(execution, work), fate| self.commit(execution, access, work, fate);
        let (execution, effects) = self.repeat(deadline, record.as_ref(), (execution, work), run).await?;
        if effects.queued {
            self.doorbell.queued.notify_one();
        }
        if effects.controlled {
            self.doorbell.controlled.notify_one();
        }
        Ok(execution)
    }

    /// Opens the transaction, runs `work` in it, writes the effects, commits.
    async fn commit<F>(
        self: &Arc<Self>,
        mut execution: Execution,
        access: Access,
        work: F,
        fate: Arc<Fate>,
    ) -> Result<(Execution, Effects)>
    where
        F: FnOnce(Arc<Self>, Execution) -> BoxFuture<'static, Result<Execution>> + Send + 'static,
    {
        let writes = access == Access::Write;
        let record = execution.record.clone();
        let begin = Begin {
            access,
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: describe(&execution.context),
        };
        let asked = Instant::now();
        let pipeline = Arc::clone(self);
        let (outcome, timing) = transact(&*self.store, begin, Result::is_ok, move |transaction| {
            if let Some(record) = execution.record.as_ref().filter(|_| writes) {
                record.event(Event::Began { waited: asked.elapsed() });
            }
            let scope = Arc::new(Scope::new(transaction, fate, pipeline.transactions.enter()));
            execution.scope = Some(Arc::clone(&scope));
            let work = async move {
                let mut execution = work(pipeline, execution).await?;
                execution.scope = None;
                Ok((execution, write_effects(&scope).await?))
            };
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
        match outcome {
            // What the work says counts more than what became of the rollback.
            Some(Err(error)) => Err(error),
            Some(Ok(done)) => timing.map(|_| done),
            None => Err(timing.err().unwrap_or_else(lost)),
        }
    }

    /// The stages inside the transaction, of an initial request or a nested one.
    async fn run_in_transaction(self: &Arc<Self>, plan: &Plan, execution: Execution) -> Result<Execution> {
        let mut execution = self.enter_transaction(plan, execution).await?;
        if let Some(job) = execution.deferred {
            // The record goes when its children have gone: the rest of the message runs then.
            let job = Parameter::Value(Value::UniqueIdentifier(job));
            execution.context.output.insert(parameter::ASYNC_JOB_ID.into(), job);
            return Ok(execution);
        }
        let execution = self.run_stage(plan, execution, Stage::PreOperation).await?;
        let execution = self.run_main_operation(plan, execution).await?;
        let execution = self.run_stage(plan, execution, Stage::PostOperation).await?;
        past(execution.deadline)?;
        self.queue_asynchronous_steps(plan, execution)
    }

    /// Checks a request and makes an execution of it.
    async fn begin(&self, origin: Origin, mut request: Request) -> Result<Execution> {
        let limit = request.time_limit.map_or(self.time_limit, |limit| limit.min(self.time_limit));
        let deadline = match (Deadline::after(limit), origin.deadline) {
            (Some(own), Some(inherited)) if own.at < inherited.at => Some(own),
            (own, inherited) => inherited.or(own),
        };
        let own = Options::take(&request.message, &mut request.parameters, origin.trusted)?;
        let options = own.or(origin.options.clone());
        self.resolve_keys(&origin, deadline, &mut request).await?;

        let operation = message::find(&origin.schema, &request.message)?;
        let subject = operation.check(&origin.schema, &request.message, &request.parameters)?;
        let request_id = Uuid::now_v7();
        let (correlation_id, correlated_since) =
            origin.correlation.unwrap_or_else(|| (request_id, self.clock.now()));
        let user = request.user.unwrap_or(origin.user);
        let context = Context {
            message: request.message,
            stage: Stage::PreValidation,
            mode: Mode::Synchronous,
            depth: origin.depth,
            entity: subject.entity.as_ref().map(|entity| entity.logical_name.clone()),
            // A Create that brings its identifier along still has no record before the core operation.
            record: subject.id.filter(|_| !operation.traits().creates),
            secondary_entity: subject.secondary.clone(),
            user,
            initiating_user: origin.initiating_user.unwrap_or(user),
            correlation_id,
            correlated_since,
            cascade: origin.cascade,
            request_id,
            operation: None,
            is_in_transaction: origin.scope.is_some(),
            input: request.parameters,
            output: Default::default(),
            shared: options
                .tag
                .map(|tag| [(parameter::TAG.to_owned(), tag)].into())
                .map(Arc::new)
                .unwrap_or_default(),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: Default::default(),
            parent: origin.parent,
        };
        if context.cascade > CASCADE_LEVELS_MAX {
            return Err(too_long(&context));
        }
        if context.depth > self.depth_limit && context.cascade == 0 {
            return Err(too_deep(&context, self.depth_limit));
        }
        Ok(Execution {
            record: origin.record.map(|record| record.request(&context)),
            context: Box::new(context),
            schema: origin.schema,
            registry: origin.registry,
            operation,
            subject,
            deadline,
            inherited: origin.inherited,
            scope: origin.scope,
            bypass: options.bypass,
            trusted: origin.trusted,
            defers: origin.defers,
            deferred: None,
            job: None,
            memory: None,
        })
    }

    /// Turns PreValidation's context into the one of the later stages, prepares the core operation and reads images.
    async fn enter_transaction(self: &Arc<Self>, plan: &Plan, mut execution: Execution) -> Result<Execution> {
        let scope = open_scope(&execution)?;
        execution.context.is_in_transaction = true;
        if execution.operation.traits().parent_hop {
            // On the platform these messages run their later stages in a child context, so that what PreValidation
            // shares is found in the parent's shared variables. The request's tag is everywhere.
            execution.context.parent = Some(Arc::new(execution.context.to_parent()));
            let tag = execution.context.shared.get_key_value(parameter::TAG);
            let tag = tag.map(|(name, value)| (name.clone(), value.clone()));
            execution.context.shared = Arc::new(tag.into_iter().collect());
        }
        self.lock_targets(&scope, &execution).await?;
        self.read_children(plan, &mut execution).await?;
        self.note_deletes(&scope, &execution);
        let prepared = {
            let cx = self.operation(&scope, &execution);
            execution.operation.prepare(cx, &execution.subject, &execution.context.input).await?
        };
        if let Some(record) = &execution.record {
            prepared.events.into_iter().for_each(|event| record.event(event));
        }
        if let Some(rest) = Self::delete_cascade(&execution) {
            execution.deferred = self.defer(&scope, &execution, &rest, prepared.cascade.len())?;
        }
        if execution.deferred.is_some() {
            return Ok(execution);
        }
        self.cascade(&execution, prepared.cascade).await?;
        self.read_pre_images(plan, &mut execution).await?;
        Ok(execution)
    }

    /// Locks the records of a bulk message, in the order of their identifiers, so that two that share some never wait for
    /// each other; and those of a Delete before anybody looks for children, so that none comes afterwards. Any other
    /// record is locked with its pre-image.
    async fn lock_targets(&self, scope: &Scope, execution: &Execution) -> Result<()> {
        let lock = execution.operation.traits().lock();
        let Some(definition) = execution.subject.entity.as_ref().filter(|_| lock != Lock::None) else {
            return Ok(());
        };
        let mut ids: Vec<Uuid> = execution.context.subjects().into_iter().flatten().collect();
        let has_children = || execution.schema.children_of(&definition.logical_name).next().is_some();
        if ids.len() < 2 && !(lock == Lock::Delete && has_children()) {
            return Ok(());
        }
        ids.sort_unstable();
        scope.transaction.lock(definition, &ids, lock).await
    }

    /// The steps of a stage: those of the message, then those of its counterpart.
    async fn run_stage(
        self: &Arc<Self>,
        plan: &Plan,
        mut execution: Execution,
        stage: Stage,
    ) -> Result<Execution> {
        execution.context.stage = stage;
        let mut execution = self.run_steps(plan, Part::Own, execution, stage).await?;
        let counterpart = execution.operation.traits().counterpart;
        if let Some(counterpart) = counterpart
            && plan.has_counterpart(stage, Mode::Synchronous)
        {
            for index in 0..bulk::views(&execution) {
                let whole = bulk::enter(&mut execution, counterpart, index)?;
                execution = self.run_steps(plan, Part::Counterpart, execution, stage).await?;
                bulk::restore(&mut execution, whole, index);
            }
        }
        Ok(execution)
    }

    async fn run_steps(
        self: &Arc<Self>,
        plan: &Plan,
        part: Part,
        mut execution: Execution,
        stage: Stage,
    ) -> Result<Execution> {
        for choice in plan.choose(part, stage, Mode::Synchronous, &execution, self.clock.now())? {
            match choice {
                Choice::Run(step) => execution = self.run_step(&step, execution).await.result?,
                Choice::Skip(step, reason) => {
                    if let Some(record) = &execution.record {
                        record.event(Event::Skipped { step: step.key.clone(), stage, reason });
                    }
                }
            }
        }
        Ok(execution)
    }

    /// Runs one step, as the user that it acts as, and puts its place and its trace into the error if it fails.
    async fn run_step(self: &Arc<Self>, step: &Arc<Step>, mut execution: Execution) -> StepRan {
        // The execution moves into the step and is gone if that fails, so what names the place is kept; a step that
        // succeeds has no use for it, so as little as possible is copied yet.
        let entity = execution.subject.entity.clone();
        let outer = execution.record.clone();
        let record = outer.as_ref().map(|record| record.step(step));
        let before = record.as_ref().map(|_| execution.context.clone());
        let scope = execution.scope.clone();
        let caller = execution.context.user;
        execution.record.clone_from(&record);
        execution.context.user = step.definition.run_as.unwrap_or(caller);

        let span = tracing::debug_span!("step", plugin = step.key.plugin, step = step.key.step, stage = %step.definition.stage);
        let began = Instant::now();
        let entered = past_at(execution.deadline, began).and_then(|()| self.supervisor.enter(step, began));
        let ran = match entered {
            Err(error) => Ran {
                result: Err(error),
                lines: Vec::new(),
                host_calls: Duration::ZERO,
                last_call: Duration::ZERO,
                memory_bytes: 0,
            },
            Ok(watched) => {
                if let Some(scope) = scope.as_ref().filter(|_| step.runner.is_native()) {
                    scope.note_native(&step.key);
                }
                let organization = Arc::clone(self) as Arc<dyn Organization>;
                execution.memory = watched.memory();
                let ran = step.runner.run(step, execution, organization).instrument(span).await;
                if watched.end(&ran) {
                    self.doorbell.queued.notify_one();
                }
                ran
            }
        };
        let result = ran.result.and_then(|mut execution| {
            execution.record = outer;
            execution.context.user = caller;
            scope.map_or(Ok(()), |scope| scope.check())?;
            Ok(execution)
        });
        let result = result.map_err(|error| {
            let entity = entity.map(|entity| entity.logical_name.clone());
            let (message, stage) = (step.definition.message.clone(), step.definition.stage);
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
        StepRan { result, lines: ran.lines, memory_bytes: ran.memory_bytes }
    }

    async fn run_main_operation(
        self: &Arc<Self>,
        plan: &Plan,
        mut execution: Execution,
    ) -> Result<Execution> {
        past(execution.deadline)?;
        execution.context.stage = Stage::MainOperation;
        if execution.operation.traits().course == Course::Custom {
            return match plan.main_operation() {
                Some(step) => self.run_step(step, execution).await.result,
                None => Ok(execution),
            };
        }
        let scope = open_scope(&execution)?;
        // What steps changed was checked as they changed it.
        if execution.operation.traits().creates {
            identify(&mut execution);
        }
        if execution.operation.traits().deletes {
            self.refuse_newcomers(&scope, &execution).await?;
        }
        if execution.subject.entity.as_ref().is_some_and(|entity| entity.is_system_job()) {
            scope.note_control();
        }
        let started = Instant::now();
        let result = {
            let cx = self.operation(&scope, &execution);
            execution.operation.perform(cx, &execution.subject, &execution.context.input).await
        };
        if let Some(record) = &execution.record {
            record.event(Event::Operation(OperationRun {
                duration: started.elapsed(),
                changes: if result.is_ok() { operation_changes(&execution.context) } else { Vec::new() },
                error: result.as_ref().err().cloned(),
            }));
        }
        let done = result?;
        execution.context.output = done.output;
        let deferred = match &done.rest {
            Some(rest) => self.defer(&scope, &execution, rest, done.cascade.len())?,
            None => None,
        };
        if deferred.is_none() {
            self.cascade(&execution, done.cascade).await?;
        }
        self.read_post_images(plan, &mut execution).await?;
        Ok(execution)
    }

    pub(super) fn operation<'a>(&self, scope: &'a Scope, execution: &'a Execution) -> Operation<'a> {
        Operation {
            transaction: &*scope.transaction,
            schema: &execution.schema,
            now: self.clock.now(),
            user: execution.context.user,
        }
    }
}

/// How a run of a step ended, with its place in the error.
struct StepRan {
    result: Result<Execution>,
    lines: Vec<String>,
    memory_bytes: u64,
}

impl Organization for Pipeline {
    fn execute(self: Arc<Self>, origin: Origin, request: Request) -> BoxFuture<'static, Result<Response>> {
        self.dispatch(origin, request)
    }

    fn schedule(
        self: Arc<Self>,
        origin: Origin,
        request: Request,
        schedule: Schedule,
    ) -> BoxFuture<'static, Result<Uuid>> {
        Box::pin(async move { self.queue_request(origin, request, &schedule).await })
    }
}

/// What a transaction leaves behind for the asynchronous service.
struct Effects {
    /// Jobs, or jobs that may go on.
    queued: bool,
    /// What an operator asks of a job.
    controlled: bool,
}

/// Writes what the transaction leaves behind, at its end.
async fn write_effects(scope: &Scope) -> Result<Effects> {
    scope.check()?;
    let jobs = scope.take_jobs();
    if !jobs.is_empty() {
        scope.transaction.enqueue(&jobs).await?;
    }
    let controlled = scope.has_control();
    Ok(Effects { queued: controlled || !jobs.is_empty(), controlled })
}

/// Gives the records that are about to be created their identifiers.
fn identify(execution: &mut Execution) {
    let input = &mut execution.context.input;
    if let Some(Parameter::Entity(target)) = input.get_mut(parameter::TARGET) {
        let id = target.id.unwrap_or_else(Uuid::now_v7);
        Arc::make_mut(target).id = Some(id);
        execution.subject.id = Some(id);
        execution.context.record = Some(id);
    }
    if let Some(Parameter::Entities(targets)) = input.get_mut(parameter::TARGETS) {
        for target in &mut Arc::make_mut(targets).entities {
            target.id.get_or_insert_with(Uuid::now_v7);
        }
    }
}

fn open_scope(execution: &Execution) -> Result<Arc<Scope>> {
    execution
        .scope
        .clone()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a stage ran without its transaction"))
}

/// An error if the deadline has passed.
fn past(deadline: Option<Deadline>) -> Result<()> {
    past_at(deadline, Instant::now())
}

/// The same at that moment.
fn past_at(deadline: Option<Deadline>, now: Instant) -> Result<()> {
    match deadline {
        Some(deadline) if now >= deadline.at => {
            Err(timed_out(deadline, Timeout::new(Phase::Pipeline, Duration::ZERO)))
        }
        _ => Ok(()),
    }
}

/// The error of a message request whose deadline has passed, and what went on then.
pub(crate) fn timed_out(deadline: Deadline, timeout: Timeout) -> Error {
    let late = Instant::now().saturating_duration_since(deadline.at);
    let message = format!(
        "the message request ran past its time limit of {:?} {timeout} (stopped {:.1} ms after it); do less in it, or \
         move longer work to an asynchronous step or a background process",
        deadline.limit,
        late.as_secs_f64() * 1e3
    );
    let cause = Cause::Timeout(Timeout { limit: Some(deadline.limit), ..timeout });
    Error::new(ErrorKind::Timeout, message).with_cause(cause)
}

/// A step's refusal. If it only passes on what one of its own requests was told, that error's place counts.
pub(crate) fn rejection(fault: Fault, last_refusal: Option<Error>) -> Error {
    match last_refusal {
        Some(error) if error.code() == fault.code && error.message() == fault.message => error,
        _ => Error::rejected(fault),
    }
}

fn too_long(context: &Context) -> Error {
    let message = format!(
        "the cascade that reached {} goes more than {CASCADE_LEVELS_MAX} levels down; begin it further down, level by \
         level",
        describe(context)
    );
    Error::new(ErrorKind::DepthExceeded, message)
}

fn too_deep(context: &Context, limit: u32) -> Error {
    let mut path = vec![describe(context)];
    let mut last = context.request_id;
    let mut ancestor = context.parent.as_ref();
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
