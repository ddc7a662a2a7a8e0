//! Follows what other hosts on the database change: new jobs, an operator's wishes, registrations.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::registration::sources::{Registered, Sources};
use crate::model::error::Result;
use crate::model::registration::drift;
use crate::pipeline::Pipeline;
use crate::pipeline::current::Current;
use crate::store::Change;

/// The pause after the database could not say what is registered.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What a host has to register, and what it runs.
pub(super) struct Registrations {
    pub(super) sources: Sources,
    pub(super) current: Current<Registered>,
}

/// The task that follows. It ends with the host, and keeps nothing of it alive.
pub(super) struct Following(JoinHandle<()>);

impl Following {
    /// Starts the task, unless there are no other hosts.
    pub(super) fn start(pipeline: &Arc<Pipeline>, registrations: &Arc<Registrations>) -> Option<Self> {
        pipeline.store.lease()?;
        Some(Self(tokio::spawn(follow(Arc::clone(pipeline), Arc::clone(registrations)))))
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        // Its end is all that is waited for: it was aborted.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(pipeline: Arc<Pipeline>, registrations: Arc<Registrations>) {
    // Somebody may have registered something between the host's own look and this.
    registrations.follow(&pipeline).await;
    loop {
        match pipeline.store.changed().await {
            Change::Jobs => pipeline.doorbell.queued.notify_one(),
            Change::Control => pipeline.doorbell.controlled.notify_one(),
            Change::Registrations => registrations.follow(&pipeline).await,
        }
    }
}

impl Registrations {
    /// Runs what the database keeps, as soon as it says what that is.
    async fn follow(&self, pipeline: &Pipeline) {
        while let Err(error) = self.reload(pipeline).await {
            tracing::error!(%error, "cannot read what is registered in the database; it is tried again");
            tokio::time::sleep(BACK_OFF).await;
        }
    }

    /// Takes over what the database keeps, as a whole. What cannot be run here changes nothing but what the host says of
    /// itself. Fails if the database does.
    async fn reload(&self, pipeline: &Pipeline) -> Result<()> {
        let stored = pipeline.store.registrations().await?;
        let before = self.current.get();
        if before.stored == stored && before.outdated.is_none() {
            return Ok(());
        }
        let registered = match self.sources.registered(stored.clone(), &pipeline.store.schema()) {
            Ok(registered) => {
                tracing::info!(steps = registered.registry.iter().count(), "runs what was registered anew");
                registered
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "what was registered in the database cannot be run here, so this host goes on with what was \
                     registered before; load the plugins that it is for, or apply what those of this host have"
                );
                let described = self.sources.describe().unwrap_or_default();
                let drift = drift(described, &stored);
                Registered { drift, outdated: Some(error), ..(*before).clone() }
            }
        };
        pipeline.registry.set(Arc::clone(&registered.registry));
        self.current.set(Arc::new(registered));
        // Places, limits and lanes of the asynchronous service go by the steps.
        pipeline.doorbell.queued.notify_one();
        Ok(())
    }
}
