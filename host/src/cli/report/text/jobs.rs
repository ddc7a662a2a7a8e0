//! System jobs for people: a line for each, or all that is known of one and what to do about it.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::count;
use super::request::hex;
use super::style::{BAD, DIM, GOOD, NAME, Page, WARNING, Width, bytes, clean, duration};
use crate::cli::report::jobs::{Acted, Counted, Listed, Look, Shown, StepActed, holding, written};
use crate::model::job::{Controlled, JobError, Progress, Suspension};
use crate::model::{DateTime, Job, JobState, JobStatus};
use crate::store::PausedStep;

/// Characters of an error in a list at most: `show` has all of it.
const ERROR_MAX: usize = 160;

/// A job's status with its reason: `waiting: retry at 2026-11-25T13:20:00Z`.
pub(super) fn standing(job: &Job) -> String {
    let style = match job.status {
        JobStatus::Succeeded => GOOD,
        JobStatus::Failed | JobStatus::Canceled => BAD,
        _ => WARNING,
    };
    let blocked = if job.blocked && job.status.state() != JobState::Completed { ", blocked" } else { "" };
    format!("{style}{}{blocked}{style:#}", reason(job))
}

fn reason(job: &Job) -> String {
    let status = job.status;
    match (job.suspension, job.postpone_until) {
        (Some(Suspension::Retry), Some(at)) => format!("{status}: retry at {at}"),
        (Some(Suspension::Postponed), Some(until)) => format!("{status}: postponed until {until}"),
        (Some(suspension), _) => format!("{status}: {suspension}"),
        (None, Some(until)) if status == JobStatus::Pausing => {
            format!("{status}: to be postponed until {until}")
        }
        (None, _) => status.to_string(),
    }
}

/// How a job ended, in one character.
pub(super) fn mark(status: JobStatus) -> String {
    match status {
        JobStatus::Succeeded => format!("{GOOD}✓{GOOD:#}"),
        JobStatus::Failed | JobStatus::Canceled => format!("{BAD}✗{BAD:#}"),
        _ => "·".to_owned(),
    }
}

impl Listed<'_> {
    /// The list for people.
    pub(in crate::cli) fn text(&self, width: Width) -> String {
        let mut page = Page::new(width);
        if self.jobs.is_empty() {
            page.line(0, "no such system jobs");
            return page.finish();
        }
        let header = ["id", "step", "status", "attempts", "age", "record", "error"];
        let rows = self.jobs.iter().map(|job| {
            [
                job.id.to_string(),
                clean(&job.step.to_string()),
                reason(job) + if job.blocked { ", blocked" } else { "" },
                job.attempt.to_string(),
                age(job.created_on, self.now),
                job.regarding.as_ref().map(|record| clean(&record.to_string())).unwrap_or_default(),
                job.error.as_ref().map(|error| first_line(&error.message)).unwrap_or_default(),
            ]
        });
        rows_on(&mut page, header, rows, &[3, 4]);
        if self.more {
            page.line(0, &format!("{DIM}there are older ones; `--limit` shows more{DIM:#}"));
        }
        page.finish()
    }
}

impl Shown<'_> {
    /// The job for people.
    pub(in crate::cli) fn text(&self, width: Width) -> String {
        let mut page = Page::new(width);
        let job = self.job;
        let step = clean(&job.step.to_string());
        page.line(0, &format!("{} {NAME}{step}{NAME:#}  {}", mark(job.status), standing(job)));
        for (name, value) in self.facts() {
            page.line(1, &format!("{DIM}{name:<12}{DIM:#}{value}"));
        }
        if let Some(error) = &job.error {
            page.line(1, &format!("{DIM}{:<12}{DIM:#}{}", "error", failure(error)));
        }
        if !job.trace.is_empty() {
            page.line(1, &format!("{DIM}what it traced{DIM:#}"));
            for line in &job.trace {
                page.line(2, &clean(line));
            }
        }
        page.line(1, &format!("{DIM}{:<12}{DIM:#}{}", "what to do", clean(&hint(self))));
        page.finish()
    }

    /// What there is to say of it, by name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let Self { job, now, .. } = self;
        let mut facts = vec![("id", job.id.to_string()), ("message", clean(&job.message))];
        let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
        add("record", job.regarding.as_ref().map(|record| clean(&record.to_string())));
        add("plugin", job.plugin_hash.as_ref().map(|hash| format!("sha256 {}", clean(hash))));
        add("owner", Some(job.owner.to_string()));
        add("correlation", Some(format!("{} at depth {}", job.correlation_id, job.depth)));
        add("queued", Some(since(job.created_on, *now)));
        add("started", job.started_on.map(|started| since(started, *now)));
        add("completed", job.completed_on.map(|completed| since(completed, *now)));
        add("ran for", (job.attempt > 0).then(|| duration(job.execution_time)));
        add("memory", (job.memory_bytes > 0).then(|| bytes(job.memory_bytes)));
        add("attempts", Some(attempts(job)));
        add("host", job.host.as_ref().map(|host| clean(host)));
        add("progress", job.progress.as_ref().map(progress));
        add("checkpoint", job.checkpoint.as_ref().map(|checkpoint| bytes(checkpoint.len() as u64)));
        add("priority", (job.priority != 0).then(|| job.priority.to_string()));
        add("order key", job.order_key.as_ref().map(|key| clean(key)));
        add("unique key", job.unique_key.as_ref().map(|key| clean(key)));
        add("auto-delete", job.auto_delete.then(|| "it is deleted when it has succeeded".to_owned()));
        facts
    }
}

/// What an operator may do about a job.
pub(in crate::cli) fn hint(shown: &Shown<'_>) -> String {
    let Shown { job, paused, .. } = shown;
    let id = job.id;
    match (job.status, job.suspension) {
        (JobStatus::WaitingForResources, _) => match holding(paused, &job.step) {
            Some(step) => {
                format!("its step is paused: `stagegate jobs resume-step {}` lets it go", written(step))
            }
            None if job.blocked => {
                "it waits for an earlier job with the same order key: look at that one".to_owned()
            }
            None => "nothing: it runs when a host on the database has a free worker".to_owned(),
        },
        (JobStatus::Waiting, Some(Suspension::Retry | Suspension::Postponed)) => {
            format!(
                "nothing: it runs at that moment; `stagegate jobs resume {id}` lets it run now, `cancel` calls it off"
            )
        }
        (JobStatus::Waiting, Some(Suspension::Crashed)) => {
            format!("look why its host died; then `stagegate jobs resume {id}`, or `cancel`")
        }
        (JobStatus::Waiting, _) => format!("`stagegate jobs resume {id}` lets it run, `cancel` calls it off"),
        (JobStatus::InProgress, _) => {
            format!("nothing: `stagegate jobs watch {id}` follows it; `cancel` stops it")
        }
        (JobStatus::Pausing, _) => {
            format!(
                "nothing: it waits after its next checkpoint; `stagegate jobs cancel {id}` stops it at once"
            )
        }
        (JobStatus::Canceling, _) => "nothing: its host stops it, or the next one that starts".to_owned(),
        (JobStatus::Succeeded, _) => "nothing".to_owned(),
        (JobStatus::Failed, _) => {
            format!("mend what the error says, then `stagegate jobs retry {id}`; or `delete` it")
        }
        (JobStatus::Canceled, _) => {
            format!("nothing, or `stagegate jobs retry {id}`; it is deleted after a while")
        }
    }
}

impl Counted<'_> {
    /// The counts, and the jobs that run where one watches, for people.
    pub(in crate::cli) fn text(&self, width: Width) -> String {
        let mut page = Page::new(width);
        if self.counts.is_empty() {
            page.line(0, "no system jobs");
        } else {
            let rows = self.counts.iter().map(|count| {
                let paused = if holding(self.paused, &count.step).is_some() { "paused" } else { "" };
                [
                    clean(&count.step.to_string()),
                    group(count.status, count.suspension),
                    count.count.to_string(),
                    age(count.oldest, self.now),
                    paused.to_owned(),
                ]
            });
            rows_on(&mut page, ["step", "status", "jobs", "oldest", ""], rows, &[2, 3]);
        }
        if !self.paused.is_empty() {
            page.line(0, &format!("paused: {}", names(self.paused)));
        }
        if !self.running.is_empty() {
            page.heading("Running");
            for job in self.running {
                let (step, shown) = (clean(&job.step.to_string()), running(job));
                page.line(1, &format!("{} {NAME}{step}{NAME:#}  {shown}", job.id));
            }
        }
        page.finish()
    }

    /// The same without what changes with time alone, each by what it is about.
    pub(in crate::cli) fn lines(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        for count in self.counts {
            let what =
                format!("{} {}", clean(&count.step.to_string()), group(count.status, count.suspension));
            lines.insert(what, count.count.to_string());
        }
        for step in self.paused {
            lines.insert(clean(&written(step)), "paused".to_owned());
        }
        for job in self.running {
            lines.insert(format!("job {} of {}", job.id, clean(&job.step.to_string())), running(job));
        }
        lines
    }
}

impl Look<'_> {
    /// Where a job stands, by its name.
    pub(in crate::cli) fn lines(&self) -> BTreeMap<String, String> {
        let job = self.job;
        let mut said = running(job);
        if let Some(error) = job.error.as_ref().filter(|_| job.status != JobStatus::InProgress) {
            said.push_str(&format!(": {}", failure(error)));
        }
        BTreeMap::from([(format!("job {} of {}", job.id, clean(&job.step.to_string())), said)])
    }
}

impl Acted {
    /// What became of the jobs, for people.
    pub(in crate::cli) fn text(&self, width: Width) -> String {
        let mut page = Page::new(width);
        for Controlled { id, result } in &self.jobs {
            match result {
                Ok(_) if self.action == "delete" => page.line(0, &format!("{id} {GOOD}deleted{GOOD:#}")),
                Ok(status) => page.line(0, &format!("{id} {GOOD}{status}{GOOD:#}")),
                Err(error) => {
                    let (message, code) = (clean(error.message()), hex(error.code()));
                    page.line(0, &format!("{id} {BAD}refused{BAD:#}: {message}  {DIM}{code}{DIM:#}"));
                }
            }
        }
        let jobs = count(self.done, "system job");
        let refused = match self.refused() {
            0 => String::new(),
            refused => format!(", {BAD}{refused} refused{BAD:#}"),
        };
        if !self.named || self.refused() > 0 {
            page.line(0, &format!("{}: {jobs}{refused}", self.action));
        }
        page.finish()
    }
}

impl StepActed<'_> {
    /// What is paused now, for people.
    pub(in crate::cli) fn text(&self) -> String {
        let step = clean(&written(self.step));
        let what = match (self.paused, self.changed) {
            (true, true) => "is paused: its jobs are not started until it is resumed; those that run go on",
            (true, false) => "was paused already",
            (false, true) => "is resumed",
            (false, false) => "was not paused",
        };
        // A step stays paused with its plugin, and a plugin's step by itself.
        let rest: Vec<PausedStep> = self
            .all
            .iter()
            .filter(|other| other.plugin == self.step.plugin && *other != self.step)
            .cloned()
            .collect();
        let rest = match self.paused {
            false if !rest.is_empty() => format!("; still paused: {}", names(&rest)),
            _ => String::new(),
        };
        format!("{step} {what}{rest}\n")
    }
}

/// Rows in columns, each row in one line.
fn rows_on<const N: usize>(
    page: &mut Page,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    right: &[usize],
) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (index, row) in table.lines().enumerate() {
        // The first column has no gap before it.
        let row = row.trim_end();
        let row = row.strip_prefix(' ').unwrap_or(row);
        if index == 0 {
            page.line(0, &format!("{DIM}{row}{DIM:#}"));
        } else {
            page.line(0, row);
        }
    }
}

/// Where a job stands, its attempt and how far it is.
fn running(job: &Job) -> String {
    let mut text = standing(job);
    if job.attempt > 1 {
        text.push_str(&format!(", attempt {}", job.attempt));
    }
    if let Some(shown) = job.progress.as_ref().filter(|_| job.status.state() == JobState::Locked) {
        text.push_str(&format!(", {}", progress(shown)));
    }
    text
}

fn progress(progress: &Progress) -> String {
    let note = clean(&progress.note);
    match progress.percent {
        Some(percent) if note.is_empty() => format!("{percent} %"),
        Some(percent) => format!("{percent} %, {note}"),
        None => note,
    }
}

/// How often it was started, and what of that was not its first try.
fn attempts(job: &Job) -> String {
    let mut text = job.attempt.to_string();
    if job.retries > 0 {
        text.push_str(&format!(", failed and to be retried {}", times(job.retries)));
    }
    if job.crash_count > 0 {
        text.push_str(&format!(", its host died under it {}", times(job.crash_count)));
    }
    text
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn group(status: JobStatus, suspension: Option<Suspension>) -> String {
    suspension.map_or_else(|| status.to_string(), |suspension| format!("{status}: {suspension}"))
}

fn failure(error: &JobError) -> String {
    format!("{BAD}{}{BAD:#}  {DIM}{}{DIM:#}", clean(&error.message), hex(error.code))
}

fn names(paused: &[PausedStep]) -> String {
    let name = |step: &PausedStep| match step.step {
        Some(_) => written(step),
        None => format!("{} with all its steps", written(step)),
    };
    clean(&paused.iter().map(name).collect::<Vec<_>>().join(", "))
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(ERROR_MAX) {
        Some((end, _)) => format!("{}…", clean(line.get(..end).unwrap_or_default())),
        None => clean(line),
    }
}

fn since(moment: DateTime, now: DateTime) -> String {
    format!("{moment}, {} ago", age(moment, now))
}

/// The time since a moment, to two of its units.
fn age(moment: DateTime, now: DateTime) -> String {
    let seconds = now.0.saturating_sub(moment.0).max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::step::StepKey;
    use uuid::Uuid;

    #[test]
    fn ages_have_two_units_at_most() {
        let seconds = [0, 59, 60, 3599, 3600, 90_000, 400_000];
        let shown = seconds.map(|seconds| age(DateTime(0), DateTime(seconds * 1000)));
        assert_eq!(shown, ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "1 d 1 h", "4 d 15 h"]);
        assert_eq!(age(DateTime(5000), DateTime(0)), "0 s", "the clock went back");
    }

    /// Every status, and what it is for an operator.
    #[test]
    fn every_status_has_its_reason_and_a_hint() {
        let key = StepKey { plugin: "p".into(), step: "s".into() };
        let job = |status, suspension, until: Option<i64>| {
            let mut job = Job::new(Uuid::nil(), key.clone(), DateTime(0));
            (job.status, job.suspension, job.postpone_until) = (status, suspension, until.map(DateTime));
            job
        };
        let paused = [PausedStep { plugin: "p".into(), step: None }];
        use JobStatus::*;
        for (job, paused, said, to_do) in [
            (job(WaitingForResources, None, None), &[][..], "waiting for resources", "free worker"),
            (job(WaitingForResources, None, None), &paused[..], "waiting for resources", "resume-step p`"),
            (
                job(Waiting, Some(Suspension::Retry), Some(0)),
                &[],
                "waiting: retry at 1970-01-01T00:00:00Z",
                "resume",
            ),
            (
                job(Waiting, Some(Suspension::Postponed), Some(0)),
                &[],
                "waiting: postponed until 1970-01-01T00:00:00Z",
                "cancel",
            ),
            (job(Waiting, Some(Suspension::Paused), None), &[], "waiting: paused", "resume"),
            (job(Waiting, Some(Suspension::Crashed), None), &[], "waiting: crashed", "why its host died"),
            (job(InProgress, None, None), &[], "in progress", "watch"),
            (job(Pausing, None, None), &[], "pausing", "checkpoint"),
            (
                job(Pausing, None, Some(0)),
                &[],
                "pausing: to be postponed until 1970-01-01T00:00:00Z",
                "checkpoint",
            ),
            (job(Canceling, None, None), &[], "canceling", "stops it"),
            (job(Succeeded, None, None), &[], "succeeded", "nothing"),
            (job(Failed, None, None), &[], "failed", "retry"),
            (job(Canceled, None, None), &[], "canceled", "retry"),
        ] {
            assert_eq!(reason(&job), said);
            let hint = hint(&Shown { job: &job, paused, now: DateTime(0) });
            assert!(hint.contains(to_do), "{said}: {hint}");
        }
    }
}
