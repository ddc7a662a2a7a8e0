//! `stagegate worker`: the asynchronous service alone. It takes no requests; it runs the jobs that hosts on the database
//! queue, until it is interrupted.

use std::time::{Duration, Instant};

use super::args::{Format, WorkerArguments};
use super::failure::Failure;
use super::report::worker::WorkerReport;
use super::run::{log, shut_down};
use super::surroundings::Surroundings;
use super::{Exit, described, load};
use crate::host::Host;
use crate::jobs::GRACE_DEFAULT;
use crate::model::Mode;

/// Builds a host without requests and waits for the interrupts.
pub(super) async fn run(
    arguments: &WorkerArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    // It says without being asked when it starts and stops.
    log(arguments.verbose.saturating_add(1), surroundings);
    let database = arguments.database.read(surroundings)?;
    let grace = arguments.grace.unwrap_or(GRACE_DEFAULT);
    // A job holds a place like a request, and there are no others.
    let concurrency = arguments.workers.saturating_add(arguments.background_workers);
    let limits = load::Options { concurrency: Some(concurrency), ..load::Options::of(&arguments.limits) };
    let builder = described::host(&arguments.described, limits, surroundings).await?;
    let host = described::limited(database.host(builder), &arguments.limits)
        .workers(arguments.workers)
        .background_workers(arguments.background_workers)
        .shutdown_grace(grace)
        .build()
        .await?;
    let steps = host.plan().iter().filter(|step| step.definition.mode == Mode::Asynchronous).count();
    let (workers, background_workers) = (arguments.workers, arguments.background_workers);
    tracing::info!(%database, workers, background_workers, steps, "runs the system jobs of the database");

    surroundings.interrupt.as_mut().await;
    let exit = drain(&host, grace, surroundings).await;
    let report = WorkerReport { database, totals: host.job_totals(), took: started.elapsed(), exit };
    let text = match arguments.described.format {
        Format::Text => report.text(),
        Format::Json => report
            .json()
            .map_err(|error| Failure::new(format!("the totals cannot be written as JSON: {error}")))?,
    };
    surroundings.output.write(&text);
    Ok(exit)
}

/// Lets the jobs that run end within the grace, unless the user cannot wait for that.
async fn drain(host: &Host, grace: Duration, surroundings: &mut Surroundings) -> Exit {
    tracing::info!(?grace, "claims no more jobs and lets those that run end; a second interrupt stops them");
    tokio::select! {
        // A host that has drained is not interrupted any more.
        biased;
        () = host.shutdown() => {
            tracing::info!("stopped");
            Exit::Done
        }
        () = surroundings.second_interrupt.as_mut() => {
            tracing::warn!("stops at once");
            shut_down(host, true).await;
            Exit::Interrupted
        }
    }
}
