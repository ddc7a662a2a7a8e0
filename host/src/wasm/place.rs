//! Where a run of a guest is: for the error of one that runs out of time, and for the time ledger.

use std::time::{Duration, Instant};

use crate::model::cause::{Phase, Timeout};

/// Where a run is, and how it came there.
pub(super) struct Place {
    started: Instant,
    /// When its step was called; none while it starts.
    called: Option<Instant>,
    /// The call to the host that it waits for.
    call: Option<(&'static str, Instant)>,
    /// How long the last call took that is over.
    last_call: Duration,
    /// The first call that was answered when the time was up already: a guest that blocked its host's thread is not
    /// interrupted before.
    overran: Option<Timeout>,
    /// What its calls to the host have taken together.
    pub(super) host_calls: Duration,
}

impl Place {
    /// A run that began at that moment.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            started: began,
            called: None,
            call: None,
            last_call: Duration::ZERO,
            overran: None,
            host_calls: Duration::ZERO,
        }
    }

    /// When the run began.
    pub(super) fn began(&self) -> Instant {
        self.started
    }

    /// It has started, and its step is called.
    pub(super) fn started(&mut self) {
        self.called = Some(Instant::now());
    }

    /// It calls the host.
    pub(super) fn calls(&mut self, name: &'static str) {
        self.call = Some((name, Instant::now()));
    }

    /// The host has answered, or the guest will not be asked any more. `late` is whether the time was up by then.
    pub(super) fn answered(&mut self, late: bool) {
        let Some((name, since)) = self.call.take() else { return };
        let spent = since.elapsed();
        self.host_calls += spent;
        self.last_call = spent;
        if late {
            let timeout = Timeout { host_call: Some(name), ..Timeout::new(Phase::HostCall, spent) };
            self.overran.get_or_insert(timeout);
        }
    }

    /// How long the last call to the host took, or has taken so far.
    pub(super) fn last_call(&self) -> Duration {
        self.call.map_or(self.last_call, |(_, since)| since.elapsed())
    }

    /// What went on when the time was up, as far as the epoch tells: the guest computes, unless a call was too long.
    pub(super) fn computing(&self) -> Timeout {
        self.timeout(Phase::Computing)
    }

    /// What went on when the time was up and no epoch came: the guest waits.
    pub(super) fn waiting(&self) -> Timeout {
        self.timeout(Phase::Wasi)
    }

    fn timeout(&self, own: Phase) -> Timeout {
        if let Some((name, since)) = self.call {
            return Timeout { host_call: Some(name), ..Timeout::new(Phase::HostCall, since.elapsed()) };
        }
        if let Some(overran) = self.overran {
            return overran;
        }
        match self.called {
            None => Timeout::new(Phase::Starting, self.started.elapsed()),
            Some(called) => Timeout::new(own, called.elapsed().saturating_sub(self.host_calls)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_tells_what_has_the_time() {
        let mut place = Place::new(Instant::now());
        assert_eq!((place.computing().phase, place.waiting().phase), (Phase::Starting, Phase::Starting));
        place.started();
        assert_eq!((place.computing().phase, place.waiting().phase), (Phase::Computing, Phase::Wasi));
        place.calls("a.first");
        assert_eq!(
            (place.computing().phase, place.computing().host_call),
            (Phase::HostCall, Some("a.first"))
        );
        place.answered(false);
        assert_eq!(place.computing().phase, Phase::Computing, "a call in time is forgotten");
        for call in ["a.second", "a.third"] {
            place.calls(call);
            place.answered(true);
        }
        let found = place.computing();
        assert_eq!(
            (found.phase, found.host_call),
            (Phase::HostCall, Some("a.second")),
            "the first that was late"
        );
    }
}
