//! Contention: a transaction that the database undid, since requests got in each other's way, is run again where nothing of
//! it has left the host.
//!
//! What sandboxed plugins did is gone with their sandboxes and the transaction, but for calls by HTTP. A native step may have
//! done anything. So after one of these nothing is run again.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::backoff;
use crate::model::trace::Event;
use crate::pipeline::Pipeline;
use crate::pipeline::recorder::Record;
use crate::pipeline::scope::{Fate, Left};
use crate::store::{Begin, BoxFuture, Transaction, attempt};

/// Runs of a transaction at most: requests that still get in each other's way after so many have more in common than
/// luck will part.
const RUNS_MAX: u32 = 5;
/// The pause after the first run, twice as long after each later one: about what a transaction takes, so that the
/// one that won is over.
const PAUSE: Duration = Duration::from_millis(10);

impl Pipeline {
    /// Runs a transaction with `state`, and again with the same after contention, at most [`RUNS_MAX`] times and within the
    /// deadline. Copies the state only where the store may contend.
    pub(super) async fn repeat<S, T, F, R>(
        &self,
        deadline: Option<Instant>,
        record: Option<&Record>,
        mut state: S,
        run: F,
    ) -> Result<T>
    where
        S: Clone,
        F: Fn(S, Arc<Fate>) -> R,
        R: Future<Output = Result<T>>,
    {
        let may_contend = self.store.may_contend();
        let mut runs = 0;
        loop {
            let kept = may_contend.then(|| state.clone());
            let fate = Arc::new(Fate::default());
            let error = match run(state, Arc::clone(&fate)).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(kept) = kept else { return Err(error) };
            let Some(contention) = contention(&error, &fate) else { return Err(error) };
            runs += 1;
            let pause = backoff(PAUSE, runs - 1, Uuid::new_v4().as_u64_pair().0);
            if let Some(reason) = refusal(&fate, runs, deadline, pause) {
                return Err(contention.explained(&reason));
            }
            let asked = Instant::now();
            tokio::time::sleep(pause).await;
            if let Some(record) = record {
                let reason = contention.to_string();
                record.event(Event::Repeated { runs, waited: asked.elapsed(), reason });
            }
            state = kept;
        }
    }

    /// Runs `work`, which does nothing but with the store, in a transaction that commits if it succeeds; again after
    /// contention.
    pub(super) async fn attempt<T, F>(&self, begin: Begin, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn Transaction>) -> BoxFuture<'static, Result<T>> + Clone + Send + 'static,
    {
        let run = |(begin, work), _| attempt(&*self.store, begin, work);
        self.repeat(begin.deadline, None, (begin, work), run).await
    }
}

/// The contention that a transaction failed with, whatever a plugin made of it. A request that is out of time
/// meanwhile says that instead.
fn contention(error: &Error, fate: &Fate) -> Option<Error> {
    match (error.kind(), fate.doom()) {
        (ErrorKind::Contention, _) => Some(error.clone()),
        (ErrorKind::Timeout, _) => None,
        (_, Some(doom)) if doom.kind() == ErrorKind::Contention => Some(doom.clone().within(error)),
        _ => None,
    }
}

/// Why a transaction is not run again; none if it is.
fn refusal(fate: &Fate, runs: u32, deadline: Option<Instant>, pause: Duration) -> Option<String> {
    let times = if runs == 1 { "once".to_owned() } else { format!("{runs} times") };
    if let Some(left) = fate.left() {
        let what = match left {
            Left::Native(step) => {
                format!("what its native step {step} did outside of the database would be done")
            }
            Left::Call(step) => format!("the calls by HTTP of its step {step} would be made"),
        };
        return Some(format!("; the transaction ran {times} and is not run again, since {what} twice"));
    }
    if runs >= RUNS_MAX {
        return Some(format!("; the transaction ran {times}, which is the most"));
    }
    let late = deadline.is_some_and(|deadline| Instant::now() + pause >= deadline);
    late.then(|| format!("; the transaction ran {times}, and the time limit leaves no room for another run"))
}
