//! Where the time of all requests went.

use std::time::Duration;

use super::RequestReport;
use crate::model::Ledger;
use crate::model::trace::{Event, StepRun};

/// The ledgers of all requests, together, and the time of the jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Totals {
    /// Of the requests.
    pub(in crate::cli) ledger: Ledger,
    /// In runs of asynchronous steps. They are on their own time, so this is no part of the total.
    pub(in crate::cli) asynchronous_steps: Duration,
    /// A guest's memory at its largest, in bytes.
    pub(in crate::cli) memory_peak_bytes: u64,
}

impl Totals {
    /// The totals of requests from outside and of their jobs.
    pub(in crate::cli) fn of(requests: &[RequestReport]) -> Self {
        let mut totals = Self::default();
        for request in requests {
            if let Some(trace) = &request.trace {
                totals.ledger += trace.ledger();
            }
            for run in request.jobs.iter().flat_map(|job| &job.runs) {
                totals.asynchronous_steps += run.duration;
                totals.memory_peak_bytes = totals.memory_peak_bytes.max(memory_peak(run));
            }
        }
        totals.memory_peak_bytes = totals.memory_peak_bytes.max(totals.ledger.memory_peak_bytes);
        totals
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
