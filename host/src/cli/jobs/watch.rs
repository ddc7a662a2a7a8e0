//! `stagegate jobs watch`: the counts and the jobs that run, or one job until it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::args::WatchArguments;
use super::{find, now, unwritable};
use crate::cli::Exit;
use crate::cli::args::Format;
use crate::cli::failure::Failure;
use crate::cli::report::jobs::{Counted, Look};
use crate::cli::surroundings::{Output, Surroundings};
use crate::model::{Job, JobState, JobStatus};
use crate::store::{JobFilter, JobSelect, Store};

/// Jobs that run and are shown at most: more do not fit a screen.
const RUNNING_MAX: u32 = 40;
/// Puts the cursor at the top and clears the screen below.
const REDRAW: &str = "\u{1b}[H\u{1b}[J";

/// Looks again and again until it is interrupted, or the job is over.
pub(super) async fn run(
    store: &dyn Store,
    arguments: &WatchArguments,
    surroundings: &mut Surroundings,
) -> Result<Exit, Failure> {
    let Surroundings { interrupt, output, .. } = surroundings;
    let id = match &arguments.id {
        Some(prefix) => Some(find(store, prefix).await?),
        None => None,
    };
    let mut watch =
        Watch { store, format: arguments.format, output, seen: BTreeMap::new(), deletes_itself: false };
    loop {
        // Each look is whole: an interrupt is heard between two.
        let exit = match id {
            Some(id) => watch.job(id).await?,
            None => watch.all().await?,
        };
        if let Some(exit) = exit {
            return Ok(exit);
        }
        tokio::select! {
            () = &mut *interrupt => return Ok(Exit::Interrupted),
            () = tokio::time::sleep(arguments.interval.max(Duration::from_millis(1))) => {}
        }
    }
}

struct Watch<'a> {
    store: &'a dyn Store,
    format: Format,
    output: &'a mut Output,
    /// What was said last, by what it was about.
    seen: BTreeMap<String, String>,
    /// Whether the job that is watched is deleted when it has succeeded.
    deletes_itself: bool,
}

impl Watch<'_> {
    /// Shows the counts and the jobs that run: all of them where they can be drawn anew, elsewhere what has changed.
    async fn all(&mut self) -> Result<Option<Exit>, Failure> {
        let (counts, paused) = (self.store.job_counts().await?, self.store.paused_steps().await?);
        let locked = JobStatus::ALL.into_iter().filter(|status| status.state() == JobState::Locked);
        let running = JobFilter::newest(RUNNING_MAX).in_status(locked);
        let running = self.store.jobs(JobSelect::Filter(running)).await?;
        let counted = Counted { counts: &counts, paused: &paused, running: &running, now: now() };
        match self.format {
            Format::Json => self.output.line(counted.json_line().map_err(|error| unwritable(&error))?),
            Format::Text if self.output.redraws() => {
                let text = format!("{REDRAW}{}", counted.text(self.output.width()));
                self.output.write(&text);
            }
            Format::Text => self.append(counted.lines()),
        }
        Ok(None)
    }

    /// Says what has changed of one job; ends when it is over.
    async fn job(&mut self, id: Uuid) -> Result<Option<Exit>, Failure> {
        let Some(job) = self.store.jobs(JobSelect::Ids(vec![id])).await?.pop() else {
            return self.gone(id).map(Some);
        };
        self.deletes_itself = job.auto_delete;
        let look = Look { job: &job };
        match self.format {
            Format::Text => self.append(look.lines()),
            Format::Json => {
                let line = look.json_job().map_err(|error| unwritable(&error))?;
                if self.seen.insert(id.to_string(), line.clone()).as_ref() != Some(&line) {
                    self.output.line(line);
                }
            }
        }
        Ok(ended(&job))
    }

    /// One that is deleted when it has succeeded has succeeded. Of another nobody knows.
    fn gone(&mut self, id: Uuid) -> Result<Exit, Failure> {
        if !self.deletes_itself {
            return Err(Failure::new(format!("the system job {id} was deleted while it was watched")));
        }
        if self.format == Format::Text {
            self.append(BTreeMap::from([(
                format!("job {id}"),
                "succeeded, and so it was deleted".to_owned(),
            )]));
        }
        Ok(Exit::Done)
    }

    /// Writes those entries that are new or changed, and those that went.
    fn append(&mut self, entries: BTreeMap<String, String>) {
        let now = now();
        let mut text = String::new();
        for (what, said) in &entries {
            if self.seen.get(what) != Some(said) {
                text.push_str(&format!("{now} {what}: {said}\n"));
            }
        }
        for what in self.seen.keys().filter(|what| !entries.contains_key(*what)) {
            text.push_str(&format!("{now} {what}: no more\n"));
        }
        self.seen = entries;
        if !text.is_empty() {
            self.output.write(&text);
        }
    }
}

fn ended(job: &Job) -> Option<Exit> {
    match job.status {
        JobStatus::Failed => Some(Exit::RequestFailed),
        status if status.state() == JobState::Completed => Some(Exit::Done),
        _ => None,
    }
}
