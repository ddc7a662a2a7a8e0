//! Dry runs: everything runs, nothing stays, and what would have changed is told.

use std::sync::Arc;

use crate::model::error::{Error, Result};
use crate::model::trace::Trace;
use crate::model::{Job, Request, Response};
use crate::pipeline::execution::{Execution, Origin};
use crate::pipeline::recorder::Record;
use crate::pipeline::scope::{Fate, Scope};
use crate::pipeline::{Pipeline, describe, lost};
use crate::store::watch::{RecordChange, Watching};
use crate::store::{Access, Begin, BoxFuture, Transaction, transact};

/// What a run leaves that was undone: the response, what differed, the jobs.
type Undone = (Response, Vec<RecordChange>, Vec<Job>);

/// What a request would have done.
#[derive(Debug)]
#[non_exhaustive]
pub struct DryRun {
    /// What would have come of it.
    pub result: Result<Response>,
    /// What happened in it; none if it was refused before it began.
    pub trace: Option<Trace>,
    /// The records that it would have created, changed or deleted, by entity and identifier. Empty if it failed.
    pub changes: Vec<RecordChange>,
    /// The system jobs that it would have queued. Their steps did not run.
    pub jobs: Vec<Job>,
}

impl DryRun {
    /// Of a request that did not begin.
    pub(crate) fn refused(error: Error) -> Self {
        Self { result: Err(error), trace: None, changes: Vec::new(), jobs: Vec::new() }
    }
}

impl Pipeline {
    /// Runs a request from outside in a transaction that is rolled back in any case. PreValidation is inside of it too,
    /// so that what its steps write does not stay either.
    pub async fn dry_run(self: &Arc<Self>, request: Request) -> DryRun {
        let record = Record::new();
        let origin = Origin { record: Some(record.clone()), ..self.outside() };
        let outcome = match self.begin(origin, request).await {
            Err(error) => Err(error),
            Ok(execution) => {
                let deadline = execution.deadline.map(|deadline| deadline.at);
                let place = execution.record.clone();
                let run = |execution, fate| self.run_and_undo(execution, fate);
                self.repeat(deadline, place.as_ref(), execution, run).await
            }
        };
        let trace = record.finish();
        match outcome {
            Ok((response, changes, jobs)) => DryRun { result: Ok(response), trace, changes, jobs },
            Err(error) => DryRun { result: Err(error), trace, changes: Vec::new(), jobs: Vec::new() },
        }
    }

    /// Runs a message in a transaction that is rolled back.
    async fn run_and_undo(self: &Arc<Self>, execution: Execution, fate: Arc<Fate>) -> Result<Undone> {
        fate.note_dry();
        let begin = Begin {
            access: Access::Write,
            deadline: execution.deadline.map(|deadline| deadline.at),
            label: format!("the dry run of {}", describe(&execution.context)),
        };
        let pipeline = Arc::clone(self);
        let schema = Arc::clone(&execution.schema);
        let work = move |transaction| -> BoxFuture<'static, Result<Undone>> {
            Box::pin(async move {
                let mut execution = execution;
                let counted = pipeline.transactions.enter();
                let watching = Arc::new(Watching::new(transaction, schema));
                let scope =
                    Arc::new(Scope::new(Arc::clone(&watching) as Arc<dyn Transaction>, fate, counted));
                execution.scope = Some(Arc::clone(&scope));
                execution.context.is_in_transaction = true;
                let response = pipeline.run(execution).await?;
                scope.check()?;
                Ok((response, watching.changes().await?, scope.take_jobs()))
            })
        };
        let (outcome, timing) = transact(&*self.store, begin, |_| false, work).await;
        outcome.unwrap_or_else(|| Err(timing.err().unwrap_or_else(lost)))
    }
}
