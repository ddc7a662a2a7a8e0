//! Where the time went: every moment of every request, counted once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RequestReport;
use crate::model::step::StepKey;
use crate::model::trace::{Event, StepRun, Trace};

/// The time of requests by who had it, and the largest memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Totals {
    /// Until the host gave the requests a place.
    pub(in crate::cli) admission: Duration,
    /// Until the database let their transactions in.
    pub(in crate::cli) database_wait: Duration,
    /// In guests, without their calls to the host.
    pub(in crate::cli) guests: Duration,
    /// In calls of guests to the host, without the requests that they issue: those are counted themselves.
    pub(in crate::cli) host_calls: Duration,
    /// In native steps, likewise.
    pub(in crate::cli) native_steps: Duration,
    /// In core operations.
    pub(in crate::cli) operations: Duration,
    /// In COMMIT and ROLLBACK.
    pub(in crate::cli) transaction_ends: Duration,
    /// In the pipeline between all these.
    pub(in crate::cli) pipeline: Duration,
    /// From the arrival of each request from outside to its end: the sum of the above.
    pub(in crate::cli) total: Duration,
    /// In runs of asynchronous steps. They are on their own time, so this is no part of the total.
    pub(in crate::cli) asynchronous_steps: Duration,
    /// A guest's memory at its largest, in bytes.
    pub(in crate::cli) memory_peak_bytes: u64,
}

impl Totals {
    /// The totals of requests from outside and of their jobs; `native` are the steps that are no guests.
    pub(in crate::cli) fn of(requests: &[RequestReport], native: &BTreeSet<String>) -> Self {
        let mut totals = Self::default();
        for request in requests {
            if let Some(trace) = &request.trace {
                totals.total += trace.duration;
                totals.add(trace, native);
            }
            for run in request.jobs.iter().flat_map(|job| &job.runs) {
                totals.asynchronous_steps += run.duration;
                totals.memory_peak_bytes = totals.memory_peak_bytes.max(memory_peak(run));
            }
        }
        totals
    }

    fn add(&mut self, trace: &Trace, native: &BTreeSet<String>) {
        let mut spent = Duration::ZERO;
        for event in &trace.events {
            let (share, time) = match event {
                // Before the request's own clock starts.
                Event::Admitted { waited } => {
                    self.admission += *waited;
                    self.total += *waited;
                    continue;
                }
                Event::Began { waited } => (&mut self.database_wait, *waited),
                Event::Operation(run) => (&mut self.operations, run.duration),
                Event::Committed { took } | Event::RolledBack { took } => (&mut self.transaction_ends, *took),
                Event::Step(run) => {
                    spent += run.duration;
                    continue;
                }
                Event::Request(inner) => {
                    spent += inner.duration;
                    continue;
                }
                Event::Unlinked { .. } | Event::Skipped { .. } | Event::Queued { .. } => continue,
            };
            *share += time;
            spent += time;
        }
        self.pipeline += trace.duration.saturating_sub(spent);
        for event in &trace.events {
            match event {
                Event::Step(run) => self.add_step(run, native),
                Event::Request(inner) => self.add(inner, native),
                _ => {}
            }
        }
    }

    fn add_step(&mut self, run: &StepRun, native: &BTreeSet<String>) {
        let nested: Duration = run.requests.iter().map(|request| request.duration).sum();
        let own = run.duration.saturating_sub(nested);
        if native.contains(&key(&run.step)) {
            self.native_steps += own;
        } else {
            let host_calls = run.host_calls.saturating_sub(nested).min(own);
            self.host_calls += host_calls;
            self.guests += own - host_calls;
        }
        self.memory_peak_bytes = self.memory_peak_bytes.max(run.memory_bytes);
        for request in &run.requests {
            self.add(request, native);
        }
    }

    /// The shares in the order of a request's life, with their names for people.
    pub(in crate::cli) fn shares(&self) -> [(&'static str, Duration); 8] {
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
}

/// The largest memory of a run and of those that it led to.
fn memory_peak(run: &StepRun) -> u64 {
    let events = run.requests.iter().flat_map(|request| &request.events);
    let nested = events.map(|event| match event {
        Event::Step(run) => memory_peak(run),
        _ => 0,
    });
    nested.fold(run.memory_bytes, u64::max)
}

/// The key of a step in a set of steps.
pub(in crate::cli) fn key(step: &StepKey) -> String {
    step.to_string()
}
