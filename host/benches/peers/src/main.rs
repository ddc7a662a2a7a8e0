//! Jobs per second of the peer that is written in Rust, and of the bare statements that all are held against. `run.sh`
//! runs this once for each peer and round; it prints one number.
//!
//! ```text
//! stagegate-peers raw-update|raw-delete|graphile-worker|stagegate-keep|stagegate-delete URL
//! ```

mod graphile;
mod ours;
mod raw;

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

/// Jobs in the table when the clock starts.
const JOBS: usize = 100_000;
/// Workers that share them.
const WORKERS: usize = 2;
/// Bytes of text in a job's payload: 200 bytes of JSON.
const TEXT: usize = 189;

/// What the workers of one run have done: the time of the first job, and how many have run.
#[derive(Clone, Debug, Default)]
struct Runs(Arc<(OnceLock<Instant>, AtomicUsize)>);

impl Runs {
    /// Counts jobs that run now.
    fn add(&self, jobs: usize) {
        self.0.0.get_or_init(Instant::now);
        self.0.1.fetch_add(jobs, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    /// Jobs per second from the first job's start until now, when the last end is in the database.
    ///
    /// # Errors
    ///
    /// If not every job has run exactly once.
    fn per_second(&self) -> Result<f64> {
        let start = self.0.0.get().context("no job has run")?;
        ensure!(self.count() == JOBS, "{} runs of {JOBS} jobs", self.count());
        Ok(JOBS as f64 / start.elapsed().as_secs_f64())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [peer, url] = arguments.as_slice() else { bail!("usage: stagegate-peers PEER URL") };
    let rate = match peer.as_str() {
        "raw-update" => raw::measure(url, raw::UPDATE).await?,
        "raw-delete" => raw::measure(url, raw::DELETE).await?,
        "graphile-worker" => graphile::measure(url).await?,
        "stagegate-keep" => ours::measure(url, ours::End::Kept).await?,
        "stagegate-delete" => ours::measure(url, ours::End::Deleted).await?,
        other => {
            bail!(
                "no peer {other}: raw-update, raw-delete, graphile-worker, stagegate-keep, stagegate-delete"
            )
        }
    };
    println!("{rate:.0}");
    Ok(())
}
