//! `stagegate jobs retry`, `cancel`, `pause`, `resume`, `postpone` and `delete`.

use std::fmt;

use uuid::Uuid;

use super::args::ActArguments;
use super::{find, now, show};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::report::jobs::Acted;
use crate::cli::surroundings::Surroundings;
use crate::model::JobStatus;
use crate::model::error::Result;
use crate::model::job::{Control, Controlled};
use crate::store::{Access, Begin, Store, attempt};

/// Jobs that are changed in one transaction: the host waits for it a few milliseconds.
const BATCH: usize = 1000;

/// What is done to jobs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Control(Control),
    Delete,
}

impl Action {
    /// The statuses in which it makes sense to do it to every job of a step. Those that run are left to themselves.
    fn statuses(self) -> &'static [JobStatus] {
        use JobStatus::{Canceled, Failed, Succeeded, Waiting, WaitingForResources};
        match self {
            Self::Control(Control::Retry) => &[Failed],
            Self::Control(Control::Resume) => &[Waiting],
            Self::Control(Control::Cancel | Control::Pause | Control::Postpone(_)) => {
                &[WaitingForResources, Waiting]
            }
            Self::Delete => &[Succeeded, Failed, Canceled],
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(control) => control.fmt(f),
            Self::Delete => f.write_str("delete"),
        }
    }
}

/// Does it to the jobs that are named, or to all that a filter selects, and shows what became of them.
pub(super) async fn run(
    store: &dyn Store,
    action: Action,
    arguments: &ActArguments,
    surroundings: &mut Surroundings,
) -> std::result::Result<Exit, Failure> {
    let named = !arguments.ids.is_empty();
    let ids = if named {
        // All of them before the first change: one that is mistyped changes nothing.
        let mut ids = Vec::new();
        for prefix in &arguments.ids {
            let id = find(store, prefix).await?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    } else {
        store.job_ids(arguments.filter.filter(u32::MAX, action.statuses())).await?
    };
    let mut acted = Acted { action: action.to_string(), named, done: 0, jobs: Vec::new() };
    for batch in ids.chunks(BATCH) {
        let changed = change(store, action, batch.to_vec()).await.map_err(|error| match acted.done {
            0 => Failure::from(error),
            done => Failure::new(format!("{error}; {done} of {} jobs were done before", ids.len())),
        })?;
        acted.done += changed.iter().filter(|job| job.result.is_ok()).count();
        acted.jobs.extend(changed.into_iter().filter(|job| named || job.result.is_err()));
    }
    show(arguments.format, surroundings, |width| acted.text(width), || acted.json())?;
    Ok(acted.exit())
}

/// One transaction.
async fn change(store: &dyn Store, action: Action, ids: Vec<Uuid>) -> Result<Vec<Controlled>> {
    let begin = Begin { access: Access::Write, deadline: None, label: format!("{action} system jobs") };
    let now = now();
    attempt(store, begin, move |transaction| {
        Box::pin(async move {
            match action {
                Action::Control(control) => transaction.control_jobs(&ids, control, now).await,
                Action::Delete => transaction.delete_jobs(&ids).await,
            }
        })
    })
    .await
}
