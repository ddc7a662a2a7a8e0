//! The time ledger of a request: who had the two minutes. Every moment is counted once.

use std::time::Duration;

use crate::model::step::StepKey;
use crate::model::trace::{Event, StepRun, Trace};

/// The time of a request by who had it, with everything that it led to while its caller waited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Until the host gave the request a place.
    pub admission: Duration,
    /// Until the database let its transactions in, and before they ran again.
    pub database_wait: Duration,
    /// In guests, without their calls to the host.
    pub guests: Duration,
    /// In calls of guests to the host, those by HTTP included, without the requests that they issue: those are counted
    /// themselves.
    pub host_calls: Duration,
    /// In native steps, likewise.
    pub native_steps: Duration,
    /// In core operations.
    pub operations: Duration,
    /// In COMMIT and ROLLBACK.
    pub transaction_ends: Duration,
    /// In the pipeline between all these.
    pub pipeline: Duration,
    /// From the arrival of the request from outside to its end: the sum of the above.
    pub total: Duration,
    /// The time of each step itself, host calls included and requests that it issued not, the longest first.
    pub steps: Vec<StepTime>,
    /// A guest's memory at its largest, in bytes.
    pub memory_peak_bytes: u64,
}

/// The time that a step had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepTime {
    /// Which.
    pub step: StepKey,
    /// How often it ran.
    pub runs: u32,
    /// In all of its runs.
    pub own: Duration,
}

impl Trace {
    /// Who had the time of this request.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger { total: self.duration, ..Ledger::default() };
        ledger.add(self);
        ledger.sort();
        ledger
    }
}

/// The time of several requests, together.
impl std::ops::AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.admission += other.admission;
        self.database_wait += other.database_wait;
        self.guests += other.guests;
        self.host_calls += other.host_calls;
        self.native_steps += other.native_steps;
        self.operations += other.operations;
        self.transaction_ends += other.transaction_ends;
        self.pipeline += other.pipeline;
        self.total += other.total;
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        for step in other.steps {
            self.add_time(&step.step, step.runs, step.own);
        }
        self.sort();
    }
}

impl Ledger {
    /// The shares in the order of a request's life, with their names for people.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, Duration); 8] {
        [
            ("waiting for admission", self.admission),
            ("waiting for the database", self.database_wait),
            ("guests", self.guests),
            ("host calls", self.host_calls),
            ("native steps", self.native_steps),
            ("core operations", self.operations),
            ("commit and rollback", self.transaction_ends),
            ("pipeline", self.pipeline),
        ]
    }

    fn add(&mut self, trace: &Trace) {
        let mut spent = Duration::ZERO;
        for event in &trace.events {
            let (share, time) = match event {
                // Before the request's own clock starts.
                Event::Admitted { waited } => {
                    self.admission += *waited;
                    self.total += *waited;
                    continue;
                }
                Event::Began { waited } | Event::Repeated { waited, .. } => {
                    (&mut self.database_wait, *waited)
                }
                Event::Operation(run) => (&mut self.operations, run.duration),
                Event::Committed { took } | Event::RolledBack { took } => (&mut self.transaction_ends, *took),
                Event::Step(run) => {
                    self.add_step(run);
                    spent += run.duration;
                    continue;
                }
                Event::Request(inner) => {
                    self.add(inner);
                    spent += inner.duration;
                    continue;
                }
                Event::Unlinked { .. } | Event::Skipped { .. } | Event::Queued { .. } => continue,
            };
            *share += time;
            spent += time;
        }
        self.pipeline += trace.duration.saturating_sub(spent);
    }

    fn add_step(&mut self, run: &StepRun) {
        let nested: Duration = run.requests.iter().map(|request| request.duration).sum();
        let own = run.duration.saturating_sub(nested);
        if run.native {
            self.native_steps += own;
        } else {
            let host_calls = run.host_calls.saturating_sub(nested).min(own);
            self.host_calls += host_calls;
            self.guests += own - host_calls;
        }
        self.add_time(&run.step, 1, own);
        self.memory_peak_bytes = self.memory_peak_bytes.max(run.memory_bytes);
        for request in &run.requests {
            self.add(request);
        }
    }

    fn add_time(&mut self, step: &StepKey, runs: u32, own: Duration) {
        match self.steps.iter_mut().find(|known| known.step == *step) {
            Some(known) => {
                known.runs += runs;
                known.own += own;
            }
            None => self.steps.push(StepTime { step: step.clone(), runs, own }),
        }
    }

    fn sort(&mut self) {
        self.steps.sort_by_key(|step| std::cmp::Reverse(step.own));
    }
}
