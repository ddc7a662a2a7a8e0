//! The crash-loop breaker of a step, as a pure state machine.
//!
//! A step whose guest breaks down again and again, without a run that works in between, is disabled for a while. Then one
//! run is tried: if it works, all is as before; if not, the pause grows.

use std::time::Duration;

use crate::model::step::StepKey;
use crate::model::{DateTime, Error};

/// When a step is disabled, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// Failures in a row after which the step is disabled: 5. A run that works, or that refuses with a fault, ends the row: a step
    /// that breaks down on some records and works on others is left to its callers.
    pub failures: u32,
    /// The longest from the end of a failure to the beginning of the next one of its row: 60 s. Failures that come so
    /// rarely hold nobody up.
    pub window: Duration,
    /// The first pause: 10 s. Short enough that a trouble that passes, a peer that restarts for one, costs little, and long
    /// enough that what a crash takes, a sandbox or the whole time limit, is spent on others meanwhile.
    pub pause: Duration,
    /// The pause after each trial that failed is so many times as long as the one before: 2.
    pub growth: u32,
    /// The longest pause: 10 minutes. So late at most is noticed that the step works again.
    pub pause_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(60),
            pause: Duration::from_secs(10),
            growth: 2,
            pause_max: Duration::from_secs(600),
        }
    }
}

impl BreakerSettings {
    /// Disables a step after so many failures in a row, at least 1.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// The longest from the end of a failure to the beginning of the next one of its row.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How long the step is disabled at first, how many times as long after each trial that failed, and how long at most.
    #[must_use]
    pub fn pause(mut self, first: Duration, growth: u32, longest: Duration) -> Self {
        (self.pause, self.growth, self.pause_max) = (first, growth.max(1), longest);
        self
    }

    /// The pause after so many trials that failed.
    fn pause_after(&self, trials: u32) -> Duration {
        let times = self.growth.max(1).checked_pow(trials).unwrap_or(u32::MAX);
        self.pause.saturating_mul(times).min(self.pause_max)
    }
}

/// A step that is disabled for a while.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenBreaker {
    /// Which.
    pub step: StepKey,
    /// Since when.
    pub since: DateTime,
    /// When a run is tried; none while one is under way.
    pub until: Option<DateTime>,
    /// The failures in a row that disabled it, trials among them.
    pub failures: u32,
    /// The last of them.
    pub last: Error,
}

/// The breaker of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    /// Failures in a row.
    row: u32,
    last_failed: Option<DateTime>,
    /// Trials in a row that failed.
    trials: u32,
    /// Raised whenever it opens or closes: what was let in before says nothing about what comes after.
    era: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        since: DateTime,
        paused: DateTime,
        until: DateTime,
    },
    Trial {
        since: DateTime,
    },
}

/// What the breaker says to a run that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It may begin.
    Goes(Pass),
    /// It may not: until that moment, or while a trial is under way.
    Disabled { until: Option<DateTime> },
}

/// A run that was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    era: u32,
    trial: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The guest did what it was to do, or refused.
    Worked,
    /// The guest broke down.
    Broke,
    /// What came of it says nothing about the guest, or nothing came of it.
    Unknown,
}

/// What an end has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Stays,
    /// The step is disabled from now on, for that long.
    Opened(Duration),
    /// The step is as before it was disabled.
    Closed,
}

impl Breaker {
    /// Whether it has nothing to remember.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Closed && self.row == 0
    }

    /// A run wants to begin.
    pub(crate) fn enter(&mut self, now: DateTime) -> Entry {
        match self.state {
            State::Closed => Entry::Goes(Pass { era: self.era, trial: false }),
            State::Trial { .. } => Entry::Disabled { until: None },
            State::Open { until, .. } if self.pauses(now) => Entry::Disabled { until: Some(until) },
            State::Open { since, .. } => {
                self.state = State::Trial { since };
                Entry::Goes(Pass { era: self.era, trial: true })
            }
        }
    }

    /// A run that was let in has ended.
    pub(crate) fn end(
        &mut self,
        settings: &BreakerSettings,
        pass: Pass,
        end: End,
        began: DateTime,
        now: DateTime,
    ) -> Turn {
        if pass.era != self.era {
            return Turn::Stays;
        }
        match (self.state, end) {
            (State::Trial { .. }, End::Worked) if pass.trial => self.close(),
            (State::Trial { since }, End::Broke) if pass.trial => {
                self.trials = self.trials.saturating_add(1);
                self.row = self.row.saturating_add(1);
                self.open(settings, since, now)
            }
            // The next one may try at once.
            (State::Trial { since }, End::Unknown) if pass.trial => {
                self.state = State::Open { since, paused: now, until: now };
                Turn::Stays
            }
            (State::Closed, End::Worked) => {
                self.row = 0;
                Turn::Stays
            }
            (State::Closed, End::Broke) => {
                let apart = self.last_failed.is_some_and(|last| after(last, settings.window) < began);
                self.row = if apart { 1 } else { self.row.saturating_add(1) };
                self.last_failed = Some(now);
                if self.row < settings.failures { Turn::Stays } else { self.open(settings, now, now) }
            }
            _ => Turn::Stays,
        }
    }

    /// Lets everybody in again.
    pub(crate) fn close(&mut self) -> Turn {
        let was_open = self.state != State::Closed;
        *self = Self { era: self.era.wrapping_add(1), ..Self::default() };
        if was_open { Turn::Closed } else { Turn::Stays }
    }

    /// How many runs it would let in now; none for as many as like.
    pub(crate) fn room(&self, now: DateTime) -> Option<u32> {
        match self.state {
            State::Closed => None,
            State::Trial { .. } => Some(0),
            State::Open { .. } => Some(u32::from(!self.pauses(now))),
        }
    }

    /// Since when it is open, until when, and after how many failures in a row.
    pub(crate) fn opened(&self) -> Option<(DateTime, Option<DateTime>, u32)> {
        match self.state {
            State::Closed => None,
            State::Open { since, until, .. } => Some((since, Some(until), self.row)),
            State::Trial { since } => Some((since, None, self.row)),
        }
    }

    fn open(&mut self, settings: &BreakerSettings, since: DateTime, now: DateTime) -> Turn {
        let pause = settings.pause_after(self.trials);
        self.era = self.era.wrapping_add(1);
        self.state = State::Open { since, paused: now, until: after(now, pause) };
        Turn::Opened(pause)
    }

    /// Whether its pause goes on. A clock that was set back ends it: nobody knows how long it would be.
    fn pauses(&self, now: DateTime) -> bool {
        matches!(self.state, State::Open { paused, until, .. } if (paused..until).contains(&now))
    }
}

fn after(moment: DateTime, time: Duration) -> DateTime {
    DateTime(moment.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests;
