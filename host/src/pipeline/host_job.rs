//! The host's own jobs: message requests that were scheduled, and cascades that are too long for one transaction.

use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::message::{self, Rest};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{JobKind, Progress, Schedule};
use crate::model::trace::Event;
use crate::model::{EntityReference, Job, Message, Request};
use crate::pipeline::Pipeline;
use crate::pipeline::asynchronous::depth_now;
use crate::pipeline::execution::{Deadline, Execution, Origin};
use crate::pipeline::runner::SystemJob;
use crate::pipeline::scope::Scope;
use crate::store::{Access, Begin, BoxFuture, Transaction};

/// Children of a cascade that are worked through between two looks at whether the job is to stop.
const BATCH: usize = 100;

/// From how many children on a cascade goes on as a job, in place of the transaction that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CascadeThresholds {
    /// A Delete with more children than that.
    pub delete: u64,
    /// A new owner of a record with more children than that.
    pub assign: u64,
}

/// Those of the platform.
impl Default for CascadeThresholds {
    fn default() -> Self {
        Self { delete: 10_000, assign: 1_000 }
    }
}

impl Pipeline {
    /// Queues a request as a job, in the transaction of its origin or in one of its own.
    pub(super) async fn queue_request(
        self: &Arc<Self>,
        origin: Origin,
        mut request: Request,
        schedule: &Schedule,
    ) -> Result<Uuid> {
        if let Some(scope) = &origin.scope {
            scope.check()?;
        }
        let mut resolved = request.clone();
        match self.resolve_keys(&origin, Deadline::after(self.time_limit), &mut resolved).await {
            Ok(()) => {
                let (schema, message) = (&origin.schema, &resolved.message);
                message::find(schema, message)?.check(schema, message, &resolved.parameters)?;
            }
            // It may be there when the request runs.
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                // A database that failed leaves a transaction that can only be rolled back.
                if let Some(scope) =
                    origin.scope.as_ref().filter(|_| error.kind() != ErrorKind::InvalidRequest)
                {
                    scope.doom(&error);
                }
                return Err(error);
            }
        }
        request.user.get_or_insert(origin.user);
        let mut job = Job::for_request(&request, schedule, self.clock.now())?;
        job.depth = origin.depth;
        if let Some((id, _)) = origin.correlation {
            job.correlation_id = id;
        }
        let id = job.id;
        match &origin.scope {
            Some(scope) => scope.queue(job)?,
            None => self.enqueue(job).await?,
        }
        Ok(id)
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        let label = format!("schedule {}", job.message);
        self.write(label, move |transaction| Box::pin(async move { transaction.enqueue(&[job]).await }))
            .await?;
        self.doorbell.queued.notify_one();
        Ok(())
    }

    /// Runs `work` in a transaction of no message.
    pub(crate) async fn write<T, F>(&self, label: String, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn Transaction>) -> BoxFuture<'static, Result<T>> + Clone + Send + 'static,
    {
        let deadline = Instant::now().checked_add(self.time_limit);
        self.attempt(Begin { access: Access::Write, deadline, label }, work).await
    }

    pub(super) async fn run_host_job(
        self: &Arc<Self>,
        job: &Job,
        system_job: Arc<dyn SystemJob>,
    ) -> Result<()> {
        match job.kind {
            JobKind::Request => self.dispatch(self.origin_of(job), work(job)?).await.map(drop),
            _ => self.run_cascade(job, &work(job)?, system_job).await,
        }
    }

    fn origin_of(&self, job: &Job) -> Origin {
        let (depth, since) = depth_now(job.depth, job.created_on, self.clock.now());
        let correlation = Some((job.correlation_id, since));
        Origin { user: job.owner, depth, correlation, ..self.outside() }
    }

    /// Queues a cascade as a job, if it is one of the first level and long enough; the job's identifier then.
    pub(super) fn defer(
        &self,
        scope: &Scope,
        execution: &Execution,
        rest: &Rest,
        children: usize,
    ) -> Result<Option<Uuid>> {
        let Some(thresholds) = self.asynchronous_cascades.filter(|_| execution.defers) else {
            return Ok(None);
        };
        let (kind, threshold) = match rest {
            Rest::Delete { .. } => (JobKind::CascadeDelete, thresholds.delete),
            Rest::Assign { .. } => (JobKind::CascadeAssign, thresholds.assign),
        };
        if children as u64 <= threshold {
            return Ok(None);
        }
        let context = &execution.context;
        let mut job = Job::of_host(kind, rest, self.clock.now())?;
        job.message.clone_from(&context.message);
        job.regarding = Some(rest.parent().clone());
        job.owner = context.user;
        job.correlation_id = context.correlation_id;
        job.depth = context.depth;
        // One at a time for a record, and none twice.
        let key = format!("{} {}", job.step, rest.parent());
        job.order_key = Some(key.clone());
        job.unique_key = Some(key);
        let (id, step) = (job.id, job.step.clone());
        scope.queue(job)?;
        if let Some(record) = &execution.record {
            record.event(Event::Queued { job: id, step });
        }
        Ok(Some(id))
    }

    /// The cascade of the Delete that runs.
    pub(super) fn delete_cascade(execution: &Execution) -> Option<Rest> {
        let context = &execution.context;
        let is_delete = context.message == Message::DELETE;
        let parent = context.entity.as_ref().zip(context.record).filter(|_| is_delete);
        parent.map(|(entity, id)| Rest::Delete { parent: EntityReference::new(entity, id) })
    }

    /// Works through a cascade, each child in a transaction of its own. A child that is refused keeps none of the others
    /// from it: the job fails at the end, with the first refusal, and run again goes on with what is left.
    async fn run_cascade(
        self: &Arc<Self>,
        job: &Job,
        rest: &Rest,
        system_job: Arc<dyn SystemJob>,
    ) -> Result<()> {
        let origin = Origin { cascade: 1, defers: false, ..self.origin_of(job) };
        let (mut done, mut before) = (0_usize, usize::MAX);
        loop {
            let requests = self.left_of(rest, job.owner).await?;
            if requests.is_empty() {
                break;
            }
            if requests.len() >= before {
                return Err(unchanged(rest, requests.len()));
            }
            before = requests.len();
            let total = done + requests.len();
            let mut refused = None;
            for request in requests {
                match self.dispatch(origin.clone(), request).await {
                    Ok(_) => {}
                    // Somebody else saw to it, or an earlier one of the cascade.
                    Err(error) if error.is_not_found() => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
                done += 1;
                if done.is_multiple_of(BATCH) {
                    let percent = u8::try_from(done * 100 / total).ok();
                    let note = format!("{done} of {total} children of {}", rest.parent());
                    Arc::clone(&system_job).report_progress(Progress { percent, note }).await?;
                    // Nothing needs to be saved: it is where a job that is to stop stops.
                    Arc::clone(&system_job).save_checkpoint(Vec::new()).await?;
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
        match rest {
            Rest::Assign { .. } => Ok(()),
            Rest::Delete { parent } => match self.dispatch(origin, Request::delete(parent.clone())).await {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            },
        }
    }

    async fn left_of(self: &Arc<Self>, rest: &Rest, user: Uuid) -> Result<Vec<Request>> {
        let begin = Begin {
            access: Access::Read,
            deadline: None,
            label: format!("the cascade of {}", rest.parent()),
        };
        let (pipeline, rest) = (Arc::clone(self), rest.clone());
        self.attempt(begin, move |transaction| {
            Box::pin(async move {
                let cx = message::Operation {
                    transaction: &*transaction,
                    schema: &pipeline.store.schema(),
                    now: pipeline.clock.now(),
                    user,
                };
                rest.requests(cx).await
            })
        })
        .await
    }
}

/// Every request was answered, and as many children are left: their steps undo what the cascade does, or hide that they
/// refuse it.
fn unchanged(rest: &Rest, left: usize) -> Error {
    let parent = rest.parent();
    let message = format!(
        "the cascade of {parent} comes to no end: {left} children are left after all of them were worked through; look at \
         the steps on them, then retry the job"
    );
    Error::new(ErrorKind::Restricted, message)
}

fn work<T: DeserializeOwned>(job: &Job) -> Result<T> {
    rmp_serde::from_slice(&job.context).map_err(|error| {
        let problem = format!("what the system job {} ({}) works with is not readable", job.id, job.step);
        Error::new(ErrorKind::Internal, problem).with_source(error)
    })
}
