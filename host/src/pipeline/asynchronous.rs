//! Asynchronous steps: from the message that queues them to a run of their own.

use std::sync::Arc;

use uuid::Uuid;

use crate::message;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::JobKind;
use crate::model::trace::{Event, StepRun};
use crate::model::{DateTime, EntityReference, Job, Mode, Stage};
use crate::pipeline::context::{Context, OperationContext};
use crate::pipeline::execution::{Deadline, Execution};
use crate::pipeline::options::Bypass;
use crate::pipeline::plan::{Choice, Part, Plan};
use crate::pipeline::recorder::Record;
use crate::pipeline::registry::Step;
use crate::pipeline::runner::SystemJob;
use crate::pipeline::{Pipeline, StepRan, bulk, open_scope};

/// How long the depth of a correlation counts, as on the platform: a chain of jobs that goes on for longer is a process and
/// no loop.
const DEPTH_WINDOW_MS: i64 = 3_600_000;

/// How a run of an asynchronous step ended.
pub struct JobRun {
    /// What came of it.
    pub result: Result<()>,
    /// What the step traced.
    pub lines: Vec<String>,
    /// What happened in it, if that was asked for and it began.
    pub trace: Option<StepRun>,
    /// The guest's memory at its largest.
    pub memory_bytes: u64,
}

impl Pipeline {
    /// Runs the asynchronous step of a claimed job.
    pub async fn run_job(
        self: &Arc<Self>,
        job: &Job,
        traced: bool,
        system_job: Arc<dyn SystemJob>,
    ) -> JobRun {
        if job.kind != JobKind::Step {
            let result = self.run_host_job(job, system_job).await;
            return JobRun { result, lines: Vec::new(), trace: None, memory_bytes: 0 };
        }
        let (step, mut execution) = match self.execution_of(job) {
            Ok(found) => found,
            Err(error) => {
                return JobRun { result: Err(error), lines: Vec::new(), trace: None, memory_bytes: 0 };
            }
        };
        execution.job = Some(system_job);
        let record = traced.then(|| Record::new().request(&execution.context));
        execution.record.clone_from(&record);
        let StepRan { result, lines, memory_bytes } = self.run_step(&step, execution).await;
        let events = record.and_then(|record| record.finish()).into_iter().flat_map(|trace| trace.events);
        let trace = events.into_iter().find_map(|event| match event {
            Event::Step(run) => Some(run),
            _ => None,
        });
        JobRun { result: result.map(drop), lines, trace, memory_bytes }
    }

    /// Asynchronous steps become jobs in the effects of the transaction, each with a snapshot of the context.
    pub(super) fn queue_asynchronous_steps(
        &self,
        plan: &Plan,
        mut execution: Execution,
    ) -> Result<Execution> {
        self.queue(plan, Part::Own, &execution)?;
        let counterpart = execution.operation.traits().counterpart;
        if let Some(counterpart) = counterpart
            && plan.has_counterpart(Stage::PostOperation, Mode::Asynchronous)
        {
            for index in 0..bulk::views(&execution) {
                let whole = bulk::enter(&mut execution, counterpart, index)?;
                self.queue(plan, Part::Counterpart, &execution)?;
                bulk::restore(&mut execution, whole, index);
            }
        }
        Ok(execution)
    }

    fn queue(&self, plan: &Plan, part: Part, execution: &Execution) -> Result<()> {
        let scope = open_scope(execution)?;
        for choice in
            plan.choose(part, Stage::PostOperation, Mode::Asynchronous, execution, self.clock.now())?
        {
            match choice {
                Choice::Skip(step, reason) => {
                    if let Some(record) = &execution.record {
                        let stage = Stage::PostOperation;
                        record.event(Event::Skipped { step: step.key.clone(), stage, reason });
                    }
                }
                Choice::Run(step) => {
                    let job = self.job_of(&step, &execution.context)?;
                    let id = job.id;
                    scope.queue(job)?;
                    if let Some(record) = &execution.record {
                        record.event(Event::Queued { job: id, step: step.key.clone() });
                    }
                }
            }
        }
        Ok(())
    }

    fn job_of(&self, step: &Step, context: &Context) -> Result<Job> {
        let mut job = Job::new(Uuid::now_v7(), step.key.clone(), self.clock.now());
        job.plugin_hash = step.runner.content_hash().map(ToString::to_string);
        job.message.clone_from(&context.message);
        job.regarding =
            context.entity.as_ref().zip(context.record).map(|(entity, id)| EntityReference::new(entity, id));
        job.owner = step.definition.run_as.unwrap_or(context.user);
        job.correlation_id = context.correlation_id;
        job.depth = context.depth;
        let policy = &step.definition.jobs;
        let key = || match &job.regarding {
            Some(record) => format!("{} {record}", step.key),
            None => step.key.to_string(),
        };
        job.order_key = policy.ordered.then(key);
        job.unique_key = policy.unique.then(key);
        job.priority = policy.priority;
        job.auto_delete = policy.auto_delete;
        job.context = rmp_serde::to_vec_named(&context.to_snapshot()).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot write the context of a job of step {}", step.key))
                .with_source(error)
        })?;
        Ok(job)
    }

    /// The execution that a job was queued with.
    fn execution_of(&self, job: &Job) -> Result<(Arc<Step>, Execution)> {
        let registry = self.registry.get();
        let step = registry.find(&job.step).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRegistration,
                format!(
                    "the step {} of system job {} is not registered; load its plugin and retry",
                    job.step, job.id
                ),
            )
        })?;
        let snapshot = rmp_serde::from_slice(&job.context).map_err(|error| {
            let problem = format!("the context of system job {} (step {}) is not readable", job.id, job.step);
            Error::new(ErrorKind::Internal, problem).with_source(error)
        })?;
        let mut context = Context::of_snapshot(snapshot);
        context.operation = Some(OperationContext { id: job.id, created_on: job.created_on });
        let schema = self.store.schema();
        let operation = message::find(&schema, &context.message)?;
        let subject = operation.check(&schema, &context.message, &context.input)?;
        (context.depth, context.correlated_since) =
            depth_now(context.depth, context.correlated_since, self.clock.now());
        // A background step has no more time than any other unless an operator grants it: in its registration, or on this
        // host, where the shorter time counts.
        let (budget, granted) = (step.definition.jobs.budget, step.runner.background());
        let budget = budget.map(|budget| granted.map_or(budget, |granted| granted.min(budget))).or(granted);
        let budget = budget.filter(|_| step.definition.jobs.background);
        let deadline = Deadline::after(budget.unwrap_or(self.time_limit));
        let execution = Execution {
            context: Box::new(context),
            schema,
            registry,
            operation,
            subject,
            deadline,
            inherited: false,
            scope: None,
            record: None,
            bypass: Bypass::default(),
            trusted: false,
            defers: true,
            deferred: None,
            job: None,
            memory: None,
        };
        Ok((step, execution))
    }
}

/// The depth that still counts, and since when.
pub(super) fn depth_now(depth: u32, since: DateTime, now: DateTime) -> (u32, DateTime) {
    if now.0.saturating_sub(since.0) >= DEPTH_WINDOW_MS { (1, now) } else { (depth, since) }
}
