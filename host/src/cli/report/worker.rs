//! What `stagegate worker` says when it has stopped.

use std::time::Duration;

use serde::Serialize;

use super::json::{FORMAT, us};
use super::text::{clean, duration};
use crate::cli::Exit;
use crate::cli::database::Database;
use crate::jobs::JobTotals;

/// What a worker has done.
#[derive(Debug)]
pub(in crate::cli) struct WorkerReport {
    pub(in crate::cli) database: Database,
    pub(in crate::cli) totals: JobTotals,
    /// From the program's start to its end.
    pub(in crate::cli) took: Duration,
    pub(in crate::cli) exit: Exit,
}

impl WorkerReport {
    /// For people: the counts that are not zero.
    pub(in crate::cli) fn text(&self) -> String {
        let JobTotals { succeeded, failed, retried, set_aside, handed_back, .. } = self.totals;
        let counts = [
            (succeeded, "succeeded"),
            (failed, "failed"),
            (retried, "to be tried again"),
            (set_aside, "set aside by their step"),
            (handed_back, "stopped and handed back"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let counts = if counts.is_empty() { "none was run".to_owned() } else { counts.join(", ") };
        format!("system jobs of {} in {}: {counts}\n", clean(&self.database.to_string()), duration(self.took))
    }

    /// For machines; docs/jobs-cli.md has the shape.
    pub(in crate::cli) fn json(&self) -> Result<String, serde_json::Error> {
        let JobTotals { succeeded, failed, retried, set_aside, handed_back, .. } = self.totals;
        let document = WorkerJson {
            format: FORMAT,
            exit_code: self.exit.code(),
            database: self.database.to_string(),
            jobs: TotalsJson { succeeded, failed, retried, set_aside, handed_back },
            took_us: us(self.took),
        };
        serde_json::to_string_pretty(&document).map(|text| text + "\n")
    }
}

#[derive(Serialize)]
struct WorkerJson {
    format: u32,
    exit_code: u8,
    database: String,
    jobs: TotalsJson,
    took_us: u64,
}

#[derive(Serialize)]
struct TotalsJson {
    succeeded: u64,
    failed: u64,
    retried: u64,
    set_aside: u64,
    handed_back: u64,
}
