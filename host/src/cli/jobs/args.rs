//! The arguments of `stagegate jobs`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::cli::args::{Format, positive_duration};
use crate::cli::database::DatabaseArguments;
use crate::cli::report::json::job_status;
use crate::model::step::StepKey;
use crate::model::{DateTime, EntityReference, JobStatus};
use crate::store::{JobFilter, PausedStep};

#[derive(Debug, Args)]
#[command(
    after_help = "Each works beside a host that runs on the database, which hears of a change within about a second, and \
                  also when none does.\n\nExit codes: 0 done; 1 a job was refused what was asked, or one that was watched \
                  failed; 2 wrong usage, an unknown job, or a database that cannot be used; 130 interrupted."
)]
pub(in crate::cli) struct JobsArguments {
    #[command(subcommand)]
    pub(super) command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List system jobs, the newest last.
    List(ListArguments),
    /// Show all that is known of a job, and what to do about it.
    Show(ShowArguments),
    /// Count the jobs by step and status, with the age of the oldest.
    Counts(CountsArguments),
    /// Watch the counts and the jobs that run, or one job until it is over.
    Watch(WatchArguments),
    /// Run jobs again that failed or were canceled. By a filter: those that failed.
    Retry(ActArguments),
    /// Call jobs off; one that runs is stopped. By a filter: those that are ready or wait.
    Cancel(ActArguments),
    /// Let jobs wait until they are resumed; one that runs goes on to its next checkpoint, or to its end. By a filter:
    /// those that are ready or wait.
    Pause(ActArguments),
    /// Let jobs run now that wait, whatever they wait for. By a filter: those that wait.
    Resume(ActArguments),
    /// Put jobs off to a moment. By a filter: those that are ready or wait.
    Postpone(PostponeArguments),
    /// Delete jobs that are over. By a filter: those that are over, also those that failed.
    Delete(ActArguments),
    /// Keep the jobs of a step, or of a whole plugin, from being started. Those that run go on.
    PauseStep(StepArguments),
    /// Let the jobs of a step, or of a whole plugin, go again.
    ResumeStep(StepArguments),
    /// Queue message requests to be run by the host on the database: at once, at a moment, or again and again.
    Schedule(ScheduleArguments),
}

#[derive(Debug, Args)]
pub(super) struct ScheduleArguments {
    /// The requests, as JSON; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) requests: PathBuf,

    /// Not before this moment, with an offset: `2027-01-31T06:00:00+01:00`. Default: at once, or as the rule says.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(super) at: Option<DateTime>,

    /// Again and again, by a rule of RFC 5545 in UTC: `FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0`. Default: once.
    #[arg(long, value_name = "RULE")]
    pub(super) recurrence: Option<String>,

    /// Takes the place of what was scheduled with this name before. For one request. Default: none.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Jobs with a smaller number run first.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true)]
    pub(super) priority: i32,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    pub(super) filter: FilterArguments,

    /// Only those about this record, for example `account:0000000a-0000-4000-8000-000000000001`.
    #[arg(long, value_name = "ENTITY:UUID", value_parser = record)]
    pub(super) regarding: Option<EntityReference>,

    /// The newest, at most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    pub(super) limit: u32,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The job's identifier, or its beginning.
    #[arg(value_name = "ID", value_parser = IdPrefix::parse)]
    pub(super) id: IdPrefix,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct CountsArguments {
    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = CountsFormat::Text)]
    pub(super) format: CountsFormat,
}

#[derive(Debug, Args)]
pub(super) struct WatchArguments {
    /// The job's identifier, or its beginning. Default: the counts, and all jobs that run.
    #[arg(value_name = "ID", value_parser = IdPrefix::parse)]
    pub(super) id: Option<IdPrefix>,

    /// How often to look, with a unit.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = positive_duration)]
    pub(super) interval: Duration,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like; as JSON each look is a line of its own.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ActArguments {
    /// The jobs' identifiers, or their beginnings.
    #[arg(value_name = "ID", value_parser = IdPrefix::parse, required_unless_present_any = ["step", "plugin"],
          conflicts_with_all = ["step", "plugin", "statuses"])]
    pub(super) ids: Vec<IdPrefix>,

    #[command(flatten)]
    pub(super) filter: FilterArguments,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct PostponeArguments {
    /// To this moment, with an offset: `2027-01-31T06:00:00+01:00`.
    #[arg(long, value_name = "MOMENT", value_parser = moment, required_unless_present = "for_duration")]
    pub(super) until: Option<DateTime>,

    /// By this long from now, with a unit: `90s`, `2h`.
    #[arg(long = "for", value_name = "DURATION", value_parser = positive_duration, conflicts_with = "until")]
    pub(super) for_duration: Option<Duration>,

    #[command(flatten)]
    pub(super) act: ActArguments,
}

#[derive(Debug, Args)]
pub(super) struct StepArguments {
    /// The step, or the plugin with all its steps.
    #[arg(value_name = "PLUGIN[/STEP]", value_parser = paused_step)]
    pub(super) step: PausedStep,

    #[command(flatten)]
    pub(super) database: DatabaseArguments,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    /// Only those of this step.
    #[arg(long, value_name = "PLUGIN/STEP", value_parser = step)]
    pub(super) step: Option<StepKey>,

    /// Only those of this plugin.
    #[arg(long, value_name = "PLUGIN", conflicts_with = "step")]
    pub(super) plugin: Option<String>,

    /// Only those with this status, for example `failed`. May be repeated.
    #[arg(long = "status", value_name = "STATUS", value_parser = status)]
    pub(super) statuses: Vec<JobStatus>,
}

/// What counts look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CountsFormat {
    /// For people.
    Text,
    /// For machines: docs/jobs-cli.md has the shape.
    Json,
    /// For a scraper: OpenMetrics text.
    #[value(name = "openmetrics")]
    OpenMetrics,
}

/// An identifier or its beginning, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdPrefix {
    text: String,
    /// The identifiers that begin so.
    pub(super) range: RangeInclusive<Uuid>,
}

impl JobsArguments {
    /// The format of the report: that of an error in it too.
    pub(in crate::cli) fn format(&self) -> Format {
        match &self.command {
            JobsCommand::List(list) => list.format,
            JobsCommand::Show(show) => show.format,
            JobsCommand::Counts(counts) if counts.format == CountsFormat::Json => Format::Json,
            JobsCommand::Counts(_) => Format::Text,
            JobsCommand::Watch(watch) => watch.format,
            JobsCommand::Postpone(postpone) => postpone.act.format,
            JobsCommand::Retry(act)
            | JobsCommand::Cancel(act)
            | JobsCommand::Pause(act)
            | JobsCommand::Resume(act)
            | JobsCommand::Delete(act) => act.format,
            JobsCommand::PauseStep(step) | JobsCommand::ResumeStep(step) => step.format,
            JobsCommand::Schedule(schedule) => schedule.format,
        }
    }

    /// The database.
    pub(super) fn database(&self) -> &DatabaseArguments {
        match &self.command {
            JobsCommand::List(list) => &list.database,
            JobsCommand::Show(show) => &show.database,
            JobsCommand::Counts(counts) => &counts.database,
            JobsCommand::Watch(watch) => &watch.database,
            JobsCommand::Postpone(postpone) => &postpone.act.database,
            JobsCommand::Retry(act)
            | JobsCommand::Cancel(act)
            | JobsCommand::Pause(act)
            | JobsCommand::Resume(act)
            | JobsCommand::Delete(act) => &act.database,
            JobsCommand::PauseStep(step) | JobsCommand::ResumeStep(step) => &step.database,
            JobsCommand::Schedule(schedule) => &schedule.database,
        }
    }
}

impl FilterArguments {
    /// The newest jobs that meet it, at most `limit`; where no status is asked for, those in one of `statuses`.
    pub(super) fn filter(&self, limit: u32, statuses: &[JobStatus]) -> JobFilter {
        let mut filter = JobFilter::newest(limit);
        if let Some(step) = &self.step {
            filter = filter.of(step);
        } else {
            filter.plugin.clone_from(&self.plugin);
        }
        let asked = if self.statuses.is_empty() { statuses } else { &self.statuses };
        filter.in_status(asked.iter().copied())
    }
}

impl IdPrefix {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        // Padding puts the beginning where it belongs; more than an identifier's 32 digits do not fit.
        let bound = |pad: char| {
            let padded =
                digits.chars().chain(std::iter::repeat(pad)).take(32.max(digits.len())).collect::<String>();
            Uuid::try_parse(&padded).ok()
        };
        match (bound('0'), bound('f')) {
            (Some(first), Some(last)) if !digits.is_empty() => {
                Ok(Self { text: text.to_owned(), range: first..=last })
            }
            _ => Err(
                "a job is named by its identifier or the beginning of it, hexadecimal digits and hyphens; \
                      `stagegate jobs list` shows them"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn step(text: &str) -> Result<StepKey, String> {
    match text.split_once('/') {
        Some((plugin, step)) if !plugin.is_empty() && !step.is_empty() => {
            Ok(StepKey { plugin: plugin.to_owned(), step: step.to_owned() })
        }
        _ => Err("write the plugin and the step, as in `credit-guard/follow_up`; `--plugin` is for all steps of one"
            .to_owned()),
    }
}

fn paused_step(text: &str) -> Result<PausedStep, String> {
    if !text.is_empty() && !text.contains('/') {
        return Ok(PausedStep { plugin: text.to_owned(), step: None });
    }
    match step(text) {
        Ok(StepKey { plugin, step }) => Ok(PausedStep { plugin, step: Some(step) }),
        Err(_) => {
            Err("write a plugin, as in `credit-guard`, or one of its steps, as in `credit-guard/follow_up`"
                .to_owned())
        }
    }
}

fn status(text: &str) -> Result<JobStatus, String> {
    let name = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    JobStatus::ALL.into_iter().find(|status| job_status(*status) == name).ok_or_else(|| {
        let names: Vec<String> =
            JobStatus::ALL.iter().map(|status| job_status(*status).replace('_', "-")).collect();
        format!("there is no such status; write one of {}", names.join(", "))
    })
}

fn record(text: &str) -> Result<EntityReference, String> {
    let parsed = text.split_once(':').and_then(|(entity, id)| {
        let id = id.trim().parse().ok()?;
        (!entity.is_empty()).then(|| EntityReference::new(entity, id))
    });
    parsed.ok_or_else(|| {
        "write the entity and the record, as in `account:0000000a-0000-4000-8000-000000000001`".to_owned()
    })
}

fn moment(text: &str) -> Result<DateTime, String> {
    text.trim().parse().map_err(|_| {
        "write a moment with its offset as RFC 3339 has it, as in `2027-01-31T06:00:00+01:00` or `2027-01-31T05:00:00Z`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_of_an_identifier_means_all_that_begin_so() {
        let check = |text: &str, first: &str, last: &str| {
            let range = first.parse().unwrap()..=last.parse().unwrap();
            assert_eq!(IdPrefix::parse(text).map(|prefix| prefix.range), Ok(range), "{text}");
        };
        let whole = "0199c0de-0000-7000-8000-00000000000a";
        check(whole, whole, whole);
        check("0199C0DE-0", "0199c0de-0000-0000-0000-000000000000", "0199c0de-0fff-ffff-ffff-ffffffffffff");
        check("a", "a0000000-0000-0000-0000-000000000000", "afffffff-ffff-ffff-ffff-ffffffffffff");
        for wrong in ["", "-", "job", "0199g", &format!("{whole}0"), "ä"] {
            assert!(IdPrefix::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_named_with_their_plugin() {
        let key = |plugin: &str, step: Option<&str>| PausedStep {
            plugin: plugin.to_owned(),
            step: step.map(ToOwned::to_owned),
        };
        assert_eq!(paused_step("p"), Ok(key("p", None)));
        assert_eq!(paused_step("p/s"), Ok(key("p", Some("s"))));
        assert_eq!(step("p/s"), Ok(StepKey { plugin: "p".into(), step: "s".into() }));
        for wrong in ["", "/", "p/", "/s"] {
            assert!(paused_step(wrong).is_err() && step(wrong).is_err(), "{wrong}");
        }
        assert!(step("p").is_err());
    }

    #[test]
    fn statuses_are_named_as_reports_name_them() {
        for status_of in JobStatus::ALL {
            for name in [status_of.to_string(), job_status(status_of).to_owned()] {
                assert_eq!(status(&name), Ok(status_of));
            }
        }
        assert!(status("done").unwrap_err().contains("waiting-for-resources"));
    }
}
