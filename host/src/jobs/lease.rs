//! The worker's lease: how often it is renewed, and from when on nothing may run under it.
//!
//! The database judges leases by its own clock. This side measures with the monotonic clock, from the moment before the last
//! exchange that succeeded was sent: so the lease ends here before it ends there, whatever the network took.

use std::time::Duration;

use tokio::time::Instant;

/// The longest that a job waits to be seen when nobody rang for it, and that an operator's wish waits to be heard which
/// another process has written.
const POLL: Duration = Duration::from_secs(1);
/// The pause after the store failed.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Of a lease, the part before its end that nothing runs in any more: room for clocks that do not run alike, and for runs
/// that take a moment to stop, a guest until its next tick.
const MARGIN: u32 = 5;
/// Exchanges in the time of a lease at least, so that one or two may fail.
const RENEWALS: u32 = 3;

/// The lease of a worker; without one, nobody else takes its jobs over while it lives.
pub(super) struct Lease {
    length: Option<Duration>,
    /// Before the last exchange was sent that succeeded.
    renewed: Option<Instant>,
    /// When to make the next exchange at the latest.
    next: Instant,
    /// Whether it has run out since.
    over: bool,
}

impl Lease {
    pub(super) fn new(length: Option<Duration>) -> Self {
        Self { length, renewed: None, next: Instant::now(), over: false }
    }

    /// The longest between two exchanges.
    pub(super) fn beat(&self) -> Duration {
        self.length.map_or(POLL, |length| POLL.min(length / RENEWALS))
    }

    /// The pause after an exchange that failed.
    pub(super) fn back_off(&self) -> Duration {
        BACK_OFF.min(self.beat())
    }

    /// An exchange that was sent then has succeeded.
    pub(super) fn renew(&mut self, sent: Instant) {
        self.renewed = Some(sent);
        self.over = false;
        // Without a lease a slow store is given its pause.
        let from = if self.length.is_some() { sent } else { Instant::now() };
        self.next = from + self.beat();
    }

    /// When to make the next exchange at the latest.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// When it runs out; none if it has, or if there is none.
    pub(super) fn ends(&self) -> Option<Instant> {
        let (length, renewed) = self.length.zip(self.renewed).filter(|_| !self.over)?;
        Some(renewed + (length - length / MARGIN))
    }

    /// Whether it has run out just now: true once, until it is renewed.
    pub(super) fn runs_out(&mut self, now: Instant) -> bool {
        let out = self.ends().is_some_and(|ends| ends <= now);
        self.over |= out;
        out
    }

    /// Whether it has run out.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_a_margin_early_and_once() {
        let mut lease = Lease::new(Some(Duration::from_secs(10)));
        let sent = Instant::now();
        assert_eq!(lease.ends(), None, "nothing was claimed yet");
        lease.renew(sent);
        assert_eq!(lease.next(), sent + Duration::from_secs(1));
        assert_eq!(lease.ends(), Some(sent + Duration::from_secs(8)));
        assert!(!lease.runs_out(sent + Duration::from_millis(7_999)) && !lease.is_over());
        assert!(lease.runs_out(sent + Duration::from_secs(8)) && lease.is_over());
        assert!(!lease.runs_out(sent + Duration::from_secs(9)) && lease.is_over(), "it is said once");
        lease.renew(sent + Duration::from_secs(9));
        assert!(!lease.is_over());
    }

    #[test]
    fn a_short_lease_is_renewed_more_often() {
        let lease = Lease::new(Some(Duration::from_millis(600)));
        assert_eq!(
            (lease.beat(), lease.back_off()),
            (Duration::from_millis(200), Duration::from_millis(200))
        );
    }

    #[test]
    fn without_other_hosts_nothing_runs_out() {
        let mut lease = Lease::new(None);
        let sent = Instant::now();
        lease.renew(sent);
        assert_eq!((lease.ends(), lease.beat()), (None, POLL));
        assert!(!lease.runs_out(sent + Duration::from_hours(1)));
    }
}
