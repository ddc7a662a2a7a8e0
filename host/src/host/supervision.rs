//! What the host says of the steps that it watches over: breakers, quotas, and what plugins use.

use crate::host::{Host, HostBuilder};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::model::{BreakerSettings, JobState, OpenBreaker, PluginUsage, Quota};

impl Host {
    /// The steps that this host has disabled for a while, since they broke down again and again; the longest first.
    #[must_use]
    pub fn open_breakers(&self) -> Vec<OpenBreaker> {
        self.inner.pipeline.supervisor.open()
    }

    /// Enables a step again that is disabled for a while, as if it had never broken down. False if it was not.
    pub fn close_breaker(&self, step: &StepKey) -> bool {
        let closed = self.inner.pipeline.supervisor.close(step);
        if closed {
            self.inner.pipeline.doorbell.queued.notify_one();
        }
        closed
    }

    /// What each plugin has used on this host since it started, by the plugins' names: those that have run, or have a quota.
    /// Read from counters, so it may be asked as often as one likes.
    #[must_use]
    pub fn plugin_usage(&self) -> Vec<PluginUsage> {
        self.inner.pipeline.supervisor.usage()
    }

    /// Whether all jobs that wait to be run are those of steps that are disabled, and none runs.
    pub(super) async fn only_disabled_are_left(&self) -> Result<bool> {
        let now = self.inner.pipeline.clock.now();
        let mut open = self.open_breakers();
        // Of one whose pause is over, a job runs in a moment.
        open.retain(|breaker| breaker.until.is_none_or(|until| until > now));
        if open.is_empty() {
            return Ok(false);
        }
        let counts = self.inner.pipeline.store.job_counts().await?;
        let is_open = |step: &StepKey| open.iter().any(|breaker| breaker.step == *step);
        Ok(counts.iter().all(|count| match count.status.state() {
            JobState::Ready => is_open(&count.step),
            JobState::Locked => false,
            JobState::Suspended | JobState::Completed => true,
        }))
    }
}

impl HostBuilder {
    /// When a step of a plugin is disabled for a while that breaks down again and again, and for how long; never if none.
    /// Unless set, as [`BreakerSettings`] says. A synchronous step that is disabled fails its request at once, with
    /// [`ErrorKind::Disabled`]; the jobs of an asynchronous one wait.
    pub fn breaker(mut self, settings: Option<BreakerSettings>) -> Self {
        self.breaker = settings;
        self
    }

    /// What the plugin of that name may use on this host, all of its steps together; none unless set, here or in an
    /// operator's [manifest](Self::manifest), which counts more. A request over it fails with [`ErrorKind::Saturated`] and
    /// says when to try again; jobs wait.
    pub fn quota(mut self, plugin: impl Into<String>, quota: Quota) -> Self {
        self.quotas.push((plugin.into(), quota));
        self
    }

    /// The quota of each plugin that has one: the builder's, as manifests change it. Fails if one is for a plugin that
    /// there is not.
    pub(super) fn quotas(&self) -> Result<Vec<(String, Quota)>> {
        let mut quotas = self.quotas.clone();
        for manifest in &self.sources.manifests {
            let only = || self.sources.plugins.first().map(|plugin| plugin.name().to_owned());
            if let Some(quota) = manifest.quota
                && let Some(plugin) = manifest.plugin.clone().or_else(only)
            {
                quotas.push((plugin, quota));
            }
        }
        let mut all: Vec<(String, Quota)> = Vec::new();
        for (plugin, quota) in quotas {
            if !self.sources.plugins.iter().any(|known| known.name() == plugin) {
                let message = format!(
                    "there is a quota for the plugin `{plugin}`, which the host does not have; correct its name"
                );
                return Err(Error::new(ErrorKind::InvalidRegistration, message));
            }
            match all.iter_mut().find(|(known, _)| *known == plugin) {
                Some((_, known)) => *known = known.overridden(quota),
                None => all.push((plugin, quota)),
            }
        }
        Ok(all)
    }
}
