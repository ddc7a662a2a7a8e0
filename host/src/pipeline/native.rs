//! Native steps: Rust closures of the embedding service, with its full trust.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::model::cause::{Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::Progress;
use crate::model::job::Schedule;
use crate::model::step::StepKey;
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityReference, Fault, Message, Mode, Parameter, Parameters,
    Query, Request, Response, Stage, Value,
};
use crate::pipeline::context::{Context, Side};
use crate::pipeline::execution::Execution;
use crate::pipeline::registry::Step;
use crate::pipeline::runner::{Organization, Ran, Runner};
use crate::pipeline::{rejection, timed_out};
use crate::store::BoxFuture;

type Closure = dyn Fn(StepContext) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync;

/// A Rust async closure as a step.
///
/// It runs in the service's own process: no sandbox and, as full trust has it on the platform, no time limit unless it
/// asks for one with [`NativeStep::bounded`]; the message's clock stands still while it runs. Only a sandboxed step that
/// waits for it, as the issuer of a nested request, still ends it at its own deadline. In PreOperation and PostOperation
/// it may run on the thread that owns the database connection, which may block.
///
/// ```
/// use stagegate::{Fault, NativeStep, Value};
///
/// let shout = NativeStep::new(|cx| async move {
///     let Some(target) = cx.target()? else { return Ok(()) };
///     match target.get("name") {
///         Some(Value::String(name)) if name.is_empty() => Err(Fault::new("an account needs a name")),
///         Some(Value::String(name)) => Ok(cx.set_target([("name", Value::String(name.to_uppercase()))])?),
///         _ => Ok(()),
///     }
/// });
/// # let _ = shout;
/// ```
#[derive(Clone)]
pub struct NativeStep {
    closure: Arc<Closure>,
    bounded: bool,
}

impl NativeStep {
    /// A step that runs `closure`. A fault cancels the message and rolls its transaction back.
    pub fn new<F, T>(closure: F) -> Self
    where
        F: Fn(StepContext) -> T + Send + Sync + 'static,
        T: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        Self { closure: Arc::new(move |cx| Box::pin(closure(cx))), bounded: false }
    }

    /// Asks for the message's time limit: past it the closure's future is dropped at its next await.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.bounded = true;
        self
    }
}

impl Runner for NativeStep {
    fn run<'a>(
        &'a self,
        step: &'a Arc<Step>,
        mut execution: Execution,
        organization: Arc<dyn Organization>,
    ) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            let deadline = execution.deadline;
            let exempt = !self.bounded && !execution.inherited;
            let scope = execution.scope.clone().filter(|_| exempt);
            if exempt {
                execution.deadline = None;
            }
            if let Some(scope) = &scope {
                scope.transaction.set_deadline(None);
            }
            let started = Instant::now();
            let cell = Arc::new(Cell {
                step: Arc::clone(step),
                organization,
                execution: Mutex::new(Some(execution)),
                lines: Mutex::default(),
                last_refusal: Mutex::default(),
            });
            let work = catch_panic((self.closure)(StepContext { cell: Arc::clone(&cell) }));
            let outcome = match deadline.filter(|_| self.bounded) {
                None => work.await,
                Some(deadline) => {
                    let bounded = tokio::time::timeout_at(deadline.at.into(), work).await;
                    let timeout = || Timeout::new(Phase::Native, started.elapsed());
                    bounded.unwrap_or_else(|_elapsed| Err(timed_out(deadline, timeout())))
                }
            };
            let last_refusal = cell.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
            let outcome = outcome.and_then(|outcome| outcome.map_err(|fault| rejection(fault, last_refusal)));
            // Taking the execution back ends the context: a clone that the closure left somewhere answers with an error.
            let execution = cell.lock().take();
            let lines = std::mem::take(&mut *cell.lines.lock().unwrap_or_else(PoisonError::into_inner));
            let deadline = deadline.map(|mut deadline| {
                if exempt {
                    deadline.at += started.elapsed();
                }
                deadline
            });
            if let Some(scope) = &scope {
                scope.transaction.set_deadline(deadline.map(|deadline| deadline.at));
            }
            let result = outcome.and_then(|()| {
                let mut execution = execution.ok_or_else(ended)?;
                execution.deadline = deadline;
                Ok(execution)
            });
            Ran { result, lines, host_calls: Duration::ZERO, last_call: Duration::ZERO, memory_bytes: 0 }
        })
    }

    fn is_native(&self) -> bool {
        true
    }
}

/// Turns a panic of the closure into an error that names the step, like that of a guest: it fails its message, not the
/// thread that it runs on.
async fn catch_panic<T>(mut work: BoxFuture<'static, T>) -> Result<T> {
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "no message".into());
            Poll::Ready(Err(Error::new(ErrorKind::Panicked, format!("the native step panicked: {text}"))))
        }
    })
    .await
}

/// What a native step works with: the message's context, the organization service and the tracing service.
///
/// Every method fails once the step has ended.
#[derive(Clone)]
pub struct StepContext {
    cell: Arc<Cell>,
}

struct Cell {
    step: Arc<Step>,
    organization: Arc<dyn Organization>,
    execution: Mutex<Option<Execution>>,
    lines: Mutex<Vec<String>>,
    last_refusal: Mutex<Option<Error>>,
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, Option<Execution>> {
        self.execution.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StepContext {
    /// The message's name.
    pub fn message(&self) -> Result<String> {
        self.context(|context| context.message.clone())
    }

    /// The stage.
    pub fn stage(&self) -> Result<Stage> {
        self.context(|context| context.stage)
    }

    /// How the step runs.
    pub fn mode(&self) -> Result<Mode> {
        self.context(|context| context.mode)
    }

    /// 1 for a request from outside, one more for each request that a step issued.
    pub fn depth(&self) -> Result<u32> {
        self.context(|context| context.depth)
    }

    /// Who started the work.
    pub fn initiating_user(&self) -> Result<Uuid> {
        self.context(|context| context.initiating_user)
    }

    /// Who the step acts as.
    pub fn user(&self) -> Result<Uuid> {
        self.context(|context| context.user)
    }

    /// The same for everything that one request leads to.
    pub fn correlation_id(&self) -> Result<Uuid> {
        self.context(|context| context.correlation_id)
    }

    /// This message execution.
    pub fn request_id(&self) -> Result<Uuid> {
        self.context(|context| context.request_id)
    }

    /// The system job that runs the step, for an asynchronous one; with a retry it stays the same.
    pub fn operation_id(&self) -> Result<Option<Uuid>> {
        self.context(|context| context.operation.as_ref().map(|operation| operation.id))
    }

    /// Whether the step's own writes are part of a transaction that a fault rolls back.
    pub fn is_in_transaction(&self) -> Result<bool> {
        self.context(|context| context.is_in_transaction)
    }

    /// The step that runs (`OwningExtension` on the platform).
    #[must_use]
    pub fn step(&self) -> &StepKey {
        &self.cell.step.key
    }

    /// The message, the stage and the depth of the context `level` steps up; none above the first.
    pub fn parent(&self, level: u32) -> Result<Option<(String, Stage, u32)>> {
        let facts = |context: &Context| (context.message.clone(), context.stage, context.depth);
        self.context(|context| context.ancestor(level).map(facts))
    }

    /// The message's record; none in a Create before PostOperation.
    pub fn record(&self) -> Result<Option<EntityReference>> {
        self.context(|context| {
            context.entity.as_ref().zip(context.record).map(|(entity, id)| EntityReference::new(entity, id))
        })
    }

    /// The entity on the other side of an Associate or a Disassociate.
    pub fn secondary_entity(&self) -> Result<Option<String>> {
        self.context(|context| context.secondary_entity.clone())
    }

    /// The target with the attributes that it carries; a bare reference for Retrieve and Delete.
    pub fn target(&self) -> Result<Option<Entity>> {
        self.context(|context| context.target_entity(&ColumnSet::All))
    }

    /// The input parameters.
    pub fn input(&self) -> Result<Parameters> {
        self.context(|context| context.input.clone())
    }

    /// The output parameters, in PostOperation.
    pub fn output(&self) -> Result<Parameters> {
        self.context(|context| context.output.clone())
    }

    /// Sets attributes of the target; before the core operation, it writes them with no second update.
    pub fn set_target<N: Into<String>>(
        &self,
        attributes: impl IntoIterator<Item = (N, Value)>,
    ) -> Result<()> {
        let attributes: Attributes =
            attributes.into_iter().map(|(name, value)| (name.into(), value)).collect();
        self.change(|execution| execution.set_target(attributes))
    }

    /// Takes attributes out of the target.
    pub fn unset_target(&self, names: &[String]) -> Result<()> {
        self.change(|execution| execution.unset_target(names))
    }

    /// The record before the core operation, under the alias of a registered image.
    pub fn pre_image(&self, alias: &str) -> Result<Option<Entity>> {
        self.context(|context| context.image(&self.cell.step, Side::Pre, alias, &ColumnSet::All))
    }

    /// The record after the core operation, in PostOperation.
    pub fn post_image(&self, alias: &str) -> Result<Option<Entity>> {
        self.context(|context| context.image(&self.cell.step, Side::Post, alias, &ColumnSet::All))
    }

    /// A shared variable of the message.
    pub fn shared_variable(&self, name: &str) -> Result<Option<Value>> {
        self.context(|context| context.shared.get(name).cloned())
    }

    /// A shared variable of the context `level` steps up; in the later stages of Create, Update and Delete, level 1 has
    /// what PreValidation shared.
    pub fn parent_shared_variable(&self, level: u32, name: &str) -> Result<Option<Value>> {
        self.context(|context| context.ancestor(level).and_then(|context| context.shared.get(name).cloned()))
    }

    /// Sets a shared variable, for the steps after this one.
    pub fn set_shared_variable(&self, name: impl Into<String>, value: Value) -> Result<()> {
        self.change(|execution| execution.set_shared(name.into(), value))
    }

    /// The step's unsecure configuration.
    #[must_use]
    pub fn configuration(&self) -> Option<&str> {
        self.cell.step.definition.configuration.as_deref()
    }

    /// The step's secure configuration: not to be shown or traced.
    #[must_use]
    pub fn secure_configuration(&self) -> Option<&str> {
        self.cell.step.secure_configuration.as_deref()
    }

    /// Keeps a line with the run: it survives a rollback and reaches the error if the step fails.
    pub fn trace(&self, line: impl Into<String>) {
        self.cell.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    /// The records of a bulk message before the core operation, one for each target; empty without such an image.
    pub fn pre_images(&self, alias: &str) -> Result<Vec<Option<Entity>>> {
        self.context(|context| context.images(&self.cell.step, Side::Pre, alias, &ColumnSet::All))
    }

    /// The records of a bulk message after the core operation, one for each target; empty without such an image.
    pub fn post_images(&self, alias: &str) -> Result<Vec<Option<Entity>>> {
        self.context(|context| context.images(&self.cell.step, Side::Post, alias, &ColumnSet::All))
    }

    /// The children of a record that is being deleted, as they were before the cascade, for an image that names their
    /// relationship.
    pub fn children_image(&self, alias: &str) -> Result<Vec<Entity>> {
        self.context(|context| context.children_image(&self.cell.step, alias, &ColumnSet::All))
    }

    /// Changes an input parameter, in PreValidation and PreOperation.
    pub fn set_input(&self, name: &str, parameter: impl Into<Parameter>) -> Result<()> {
        self.change(|execution| execution.set_input(name, parameter.into()))
    }

    /// Changes an output parameter, in PostOperation, or sets it at MainOperation.
    pub fn set_output(&self, name: &str, parameter: impl Into<Parameter>) -> Result<()> {
        self.change(|execution| execution.set_output(name, parameter.into()))
    }

    /// How often the step's system job was started, this run included; 0 in a synchronous step.
    pub fn attempt(&self) -> Result<u32> {
        self.execution(|execution| Ok(execution.attempt()))
    }

    /// What the step saved last, in this run or an earlier one of the same system job.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        self.execution(|execution| Ok(execution.checkpoint()))
    }

    /// Saves where an asynchronous step is: when it returns, that is on the disk, in a commit of its own. A job that is
    /// paused, canceled or whose host stops is stopped here, and a later run goes on from this checkpoint. Fails if it
    /// has more than [`CHECKPOINT_BYTES_MAX`](crate::model::job::CHECKPOINT_BYTES_MAX) bytes.
    pub async fn save_checkpoint(&self, data: impl Into<Vec<u8>>) -> Result<()> {
        let data = data.into();
        self.finish(self.execution(|execution| execution.save_checkpoint(data))).await
    }

    /// Shows operators how far an asynchronous step is: from 0 to 100 percent, or none where it cannot tell, and a note
    /// of at most [`NOTE_BYTES_MAX`](crate::model::job::NOTE_BYTES_MAX) bytes.
    pub async fn report_progress(
        &self,
        percent: impl Into<Option<u8>>,
        note: impl Into<String>,
    ) -> Result<()> {
        let progress = Progress { percent: percent.into(), note: note.into() };
        self.finish(self.execution(|execution| execution.report_progress(progress))).await
    }

    /// Has the job of an asynchronous step run again at that moment, with the last checkpoint, if the step succeeds; at the
    /// soonest after [`POSTPONE_MIN`](crate::model::job::POSTPONE_MIN).
    pub fn postpone_until(&self, moment: DateTime) -> Result<()> {
        self.remember(self.execution(|execution| execution.postpone_until(moment)))
    }

    /// Issues a request: the organization service. In a transaction it is part of it, and a failure dooms it.
    pub async fn execute(&self, request: Request) -> Result<Response> {
        let origin = self.cell.lock().as_ref().map(Execution::nested).ok_or_else(ended)?;
        self.remember(Arc::clone(&self.cell.organization).execute(origin, request).await)
    }

    /// Queues a request to be run by the asynchronous service, and returns the identifier of its system job. In a
    /// transaction the job is part of it: there is none if it is rolled back.
    pub async fn schedule(&self, request: Request, schedule: Schedule) -> Result<Uuid> {
        let origin = self.cell.lock().as_ref().map(Execution::nested).ok_or_else(ended)?;
        Arc::clone(&self.cell.organization).schedule(origin, request, schedule).await
    }

    /// Creates a record and returns its identifier.
    pub async fn create(&self, entity: Entity) -> Result<Uuid> {
        let response = self.execute(Request::create(entity)).await?;
        response
            .id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{} returned no id", Message::CREATE)))
    }

    /// Reads a record.
    pub async fn retrieve(&self, target: EntityReference, columns: ColumnSet) -> Result<Entity> {
        let response = self.execute(Request::retrieve(target, columns)).await?;
        response.entity().cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("{} returned no record", Message::RETRIEVE))
        })
    }

    /// Reads the records that a query selects.
    pub async fn retrieve_multiple(&self, query: Query) -> Result<Vec<Entity>> {
        Ok(self.execute(Request::retrieve_multiple(query)).await?.entities().to_vec())
    }

    /// Writes the attributes that are present.
    pub async fn update(&self, entity: Entity) -> Result<()> {
        self.execute(Request::update(entity)).await.map(drop)
    }

    /// Deletes a record.
    pub async fn delete(&self, target: EntityReference) -> Result<()> {
        self.execute(Request::delete(target)).await.map(drop)
    }

    async fn finish(&self, begun: Result<BoxFuture<'static, Result<()>>>) -> Result<()> {
        let result = match begun {
            Ok(call) => call.await,
            Err(error) => Err(error),
        };
        self.remember(result)
    }

    /// Remembers an error that the closure is told: if it passes the error on as a fault, the error's own place counts.
    fn remember<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            *self.cell.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        result
    }

    fn execution<T>(&self, ask: impl FnOnce(&Execution) -> Result<T>) -> Result<T> {
        self.cell.lock().as_ref().ok_or_else(ended).and_then(ask)
    }

    fn context<T>(&self, read: impl FnOnce(&Context) -> T) -> Result<T> {
        self.execution(|execution| Ok(read(&execution.context)))
    }

    fn change(&self, change: impl FnOnce(&mut Execution) -> Result<()>) -> Result<()> {
        self.cell.lock().as_mut().ok_or_else(ended).and_then(change)
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the step's context was used after the step had ended")
}
