//! What the host costs, as ratios between alternatives that are measured in one run.
//!
//! ```text
//! cargo bench                     everything, a minute and a half
//! cargo bench -- steps threads    these sections
//! cargo bench -- --check          fails if a goal is missed
//! ```
//!
//! Times on a machine that does other work too are worth little; ratios between alternatives that take turns are worth
//! much. A round runs every alternative once, in an order that moves on by one each time; a ratio is taken in each round
//! and the median of the rounds is printed, with the tenth and the ninetieth percentile. That is why this is a harness
//! of its own: criterion measures one alternative after the other, minutes apart, and relates none to another.
//!
//! What computes alone is compared by the processor time of the process, from which other work on the machine is absent;
//! what waits, for a disk, a thread or a deadline, by the clock on the wall. Those rows want an idle machine, and rows in
//! processor time stand beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on ends"
)]

mod bare;
mod database;
mod deadline;
mod harness;
mod jobs;
mod jobs_claim;
mod jobs_floor;
mod jobs_queue;
mod no_store;
mod place;
mod postgres;
mod postgres_jobs;
mod start;
mod steps;
mod threads;
mod world;

use harness::{Effort, Report};

/// A part of the table: measures and adds its rows.
type Section = fn(Effort, &mut Report);

/// The sections in the order in which they run.
const SECTIONS: [(&str, Section); 7] = [
    ("steps", steps::measure),
    ("threads", threads::measure),
    ("database", database::measure),
    ("jobs", jobs::measure),
    ("postgres", postgres::measure),
    ("start", start::measure),
    ("deadline", deadline::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == start::CHILD) {
        return start::child(&arguments[1..]);
    }
    // Cargo passes this for `cargo bench`; anything else only wants to know that it runs.
    let effort =
        if arguments.iter().any(|argument| argument == "--bench") { Effort::Full } else { Effort::Smoke };
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();

    let mut report = Report::default();
    for (name, measure) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            report.section(name);
            measure(effort, &mut report);
        }
    }
    println!("{report}");
    if report.missed() > 0 && arguments.iter().any(|argument| argument == "--check") {
        std::process::exit(1);
    }
}
