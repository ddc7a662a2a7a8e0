//! The report for people. Colour is written always, and taken out by the stream where it is not welcome.

mod jobs;
mod request;
mod style;

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::jobs::Listed;
use super::totals::Totals;
use super::{PluginReport, Report, RequestReport, Verdict, plan};
use crate::cli::database::Database;
use crate::model::{DateTime, JobStatus, Mode};
pub(in crate::cli) use jobs::hint;
use style::{BAD, CHANGE, DIM, GOOD, HEADING, NAME, WARNING, columns, short_path};
pub(in crate::cli) use style::{Page, Width, bytes, clean, duration};

/// Where there are no requests.
const NONE: &str =
    "none: write some to a `requests.json` beside the plugin, or name a file with `--requests`";
/// Where none was over before an interrupt.
const NONE_YET: &str = "none was over when the program was interrupted";

/// What is known before the first request: the plugins and the plan.
pub(in crate::cli) fn beginning(report: &Report, width: Width) -> String {
    let mut page = Page::new(width);
    header(&mut page, report);
    plan_table(&mut page, &report.plan);
    page.heading(if report.made_up {
        "The requests, made up from what the plugins declare"
    } else {
        "The requests"
    });
    page.finish()
}

/// One request that is over.
pub(in crate::cli) fn request(request: &RequestReport, width: Width) -> String {
    let mut page = Page::new(width);
    request::render(&mut page, request);
    page.finish()
}

/// What is known after the last request: the jobs of earlier runs, where the time went, and the outcome.
pub(in crate::cli) fn ending(report: &Report, totals: &Totals, now: DateTime, width: Width) -> String {
    let mut page = Page::new(width);
    if report.requests.is_empty() {
        page.line(1, if report.interrupted { NONE_YET } else { NONE });
    } else {
        where_the_time_went(&mut page, totals);
    }
    let mut text = page.finish();
    if !report.earlier_jobs.is_empty() {
        text.push_str(&format!("\n{HEADING}Jobs that were in the database before, and ran now{HEADING:#}\n"));
        text.push_str(&Listed { jobs: &report.earlier_jobs, more: false, now }.text(width));
    }
    text.push('\n');
    let mut page = Page::new(width);
    disabled(&mut page, report);
    footer(&mut page, report, totals);
    text + &page.finish()
}

/// The steps that are disabled at the end: whoever asks next is refused at once.
fn disabled(page: &mut Page, report: &Report) {
    for breaker in report.usage.iter().flat_map(|usage| &usage.open_breakers) {
        let (step, failures, last) = (&breaker.step, breaker.failures, breaker.last.kind().name());
        let step = clean(&step.to_string());
        let why = format!("it broke down {failures} times in a row, the last time so: {last}");
        page.line(1, &format!("{WARNING}disabled{WARNING:#} for a while: {NAME}{step}{NAME:#}, since {why}"));
    }
}

fn header(page: &mut Page, report: &Report) {
    let database = match &report.database {
        None => "temporary database".to_owned(),
        Some(Database::File(path)) => format!("database {}", short_path(path, page.room(15))),
        Some(server) => format!("database {}", clean(&server.to_string())),
    };
    page.line(0, &format!("{HEADING}Stagegate {}{HEADING:#}, {database}", env!("CARGO_PKG_VERSION")));
    for plugin in &report.plugins {
        let PluginReport { name, path, cached, load, component_bytes, steps, warnings, .. } = plugin;
        let how = if *cached { "compiled code from the cache" } else { "compiled" };
        let (steps, size, load) = (count(*steps, "step"), bytes(*component_bytes), duration(*load));
        let text = format!("{NAME}{}{NAME:#}  {steps}, {size}, {how}", clean(name));
        let room = page.room(1).saturating_sub(columns(&text) + columns(&load) + 4);
        let shown = short_path(path, room);
        if columns(&shown) <= room {
            page.row(1, &format!("{text}  {DIM}{shown}{DIM:#}"), &load);
        } else {
            page.row(1, &text, &load);
            page.line(2, &format!("{DIM}{}{DIM:#}", short_path(path, page.room(2))));
        }
        for warning in warnings {
            page.line(2, &format!("{WARNING}note{WARNING:#}: {}", clean(warning)));
        }
    }
}

/// The plan: a table whose rows stand under the message and entity that they belong to.
pub(super) fn plan_table(page: &mut Page, lines: &[plan::Line]) {
    page.heading("The plan: which steps run on which message, in this order");
    if lines.is_empty() {
        page.line(1, "no steps are registered, so requests run their core operation alone");
        return;
    }
    // Where the reasons do not fit beside the steps, they stand below them.
    let reasons_beside = plan_rows(lines, true).iter().all(|row| columns(row) <= page.room(0));
    let mut rows = plan_rows(lines, reasons_beside).into_iter();
    if let Some(header) = rows.next() {
        page.line(0, &format!("{DIM}{header}{DIM:#}"));
    }
    let mut previous = None;
    for (line, row) in lines.iter().zip(rows) {
        let subject = (&line.message, &line.entity);
        if previous.replace(subject) != Some(subject) {
            let is_other = lines.iter().any(|other| other.message == line.message && other.entity.is_some());
            let any = if is_other { "of any other entity" } else { "of any entity" };
            let entity = line.entity.as_deref().unwrap_or(any);
            page.line(1, &format!("{NAME}{} {}{NAME:#}", clean(&line.message), clean(entity)));
        }
        page.line(0, &row);
        if !reasons_beside {
            page.paragraph(3, &clean(&line.why));
        }
        let conditions = plan::conditions(&line.step.definition);
        if !conditions.is_empty() {
            page.line(3, &format!("{DIM}{}{DIM:#}", clean(&conditions)));
        }
        let mut overrides: Vec<String> = line.step.overrides.iter().map(ToString::to_string).collect();
        if line.step.has_secure_configuration {
            overrides.push("secure_configuration set".to_owned());
        }
        if !overrides.is_empty() {
            page.line(3, &format!("{CHANGE}{}{CHANGE:#}", clean(&overrides.join("; "))));
        }
    }
}

/// The header and a row for each line, aligned; with the reasons or without.
fn plan_rows(lines: &[plan::Line], with_reasons: bool) -> Vec<String> {
    let mut table = Table::new();
    // Not wrapped: each row is one line, for the headings between them.
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let cells = if with_reasons { 7 } else { 6 };
    table.set_header(["", "stage", "rank", "mode", "step", "plugin", "why here"].into_iter().take(cells));
    for line in lines {
        table.add_row(plan_row(line).into_iter().take(cells));
    }
    for right in [0, 2] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|row| row.trim_end().to_owned()).collect()
}

fn plan_row(line: &plan::Line) -> [String; 7] {
    let definition = &line.step.definition;
    let mode = match definition.mode {
        Mode::Synchronous => "sync",
        Mode::Asynchronous => "async",
    };
    let plugin = clean(&line.step.key.plugin);
    [
        line.order.map_or_else(|| "-".to_owned(), |order| order.to_string()),
        format!("{} {}", definition.stage.number(), definition.stage),
        definition.rank.to_string(),
        mode.to_owned(),
        clean(&line.step.key.step),
        if line.step.native { format!("{plugin} (native)") } else { plugin },
        line.why.clone(),
    ]
}

fn where_the_time_went(page: &mut Page, totals: &Totals) {
    page.heading("Where the time went");
    let total = totals.ledger.total.as_secs_f64();
    for (name, share) in totals.ledger.shares() {
        if share.is_zero() {
            continue;
        }
        let percent = if total > 0.0 { share.as_secs_f64() / total * 100.0 } else { 0.0 };
        let bar = "▪".repeat((percent / 4.0).round() as usize);
        let bar = if bar.is_empty() { bar } else { format!("  {DIM}{bar}{DIM:#}") };
        page.line(1, &format!("{name:<24}{:>10} {percent:>4.0} %{bar}", duration(share)));
    }
    page.line(1, &format!("{:<24}{:>10}", "all requests", duration(totals.ledger.total)));
    if !totals.asynchronous_steps.is_zero() {
        let steps = duration(totals.asynchronous_steps);
        let note = format!("{DIM}on their own, after the commits{DIM:#}");
        page.line(1, &format!("{:<24}{steps:>10}  {note}", "asynchronous steps"));
    }
}

fn footer(page: &mut Page, report: &Report, totals: &Totals) {
    let compiled = report.plugins.iter().filter(|plugin| !plugin.cached).count();
    let cached = report.plugins.len() - compiled;
    let load = report.plugins.iter().map(|plugin| plugin.load).sum();
    let mut loaded = Vec::new();
    if compiled > 0 {
        loaded.push(format!("{compiled} compiled"));
    }
    if cached > 0 {
        loaded.push(format!("{cached} cached"));
    }
    // 0 where no guest ran.
    let memory = match totals.memory_peak_bytes {
        0 => String::new(),
        peak => format!("peak memory of a guest {} of {}, ", bytes(peak), bytes(report.memory_limit)),
    };
    let (load, loaded, took) = (duration(load), loaded.join(", "), duration(report.took));
    page.line(0, &format!("load time {load} ({loaded}), {memory}all in all {took}"));
    page.line(0, &outcome(&report.requests));
}

/// How many requests and jobs ended how.
fn outcome(requests: &[RequestReport]) -> String {
    let of =
        |verdict: fn(Verdict) -> bool| requests.iter().filter(|request| verdict(request.verdict())).count();
    let mut parts = vec![count(requests.len(), "request")];
    let mut part = |number: usize, what: &str, style: Style| {
        if number > 0 {
            parts.push(format!("{style}{number} {what}{style:#}"));
        }
    };
    part(of(|verdict| verdict == Verdict::Succeeded), "succeeded", GOOD);
    part(of(|verdict| verdict == Verdict::Refused), "refused as expected or allowed", GOOD);
    part(of(|verdict| verdict == Verdict::Failed), "failed", BAD);
    part(of(|verdict| verdict == Verdict::NotRefused), "succeeded though a fault was expected", BAD);
    let jobs: Vec<JobStatus> =
        requests.iter().flat_map(|request| &request.jobs).map(|report| report.job.status).collect();
    if !jobs.is_empty() {
        let with = |status| jobs.iter().filter(|other| **other == status).count();
        let (done, failed) = (with(JobStatus::Succeeded), with(JobStatus::Failed));
        let canceled = with(JobStatus::Canceled);
        part(done, &format!("{} succeeded", plural(done, "job")), GOOD);
        part(failed, &format!("{} failed", plural(failed, "job")), BAD);
        part(canceled, &format!("{} canceled", plural(canceled, "job")), BAD);
        let rest = jobs.len() - done - failed - canceled;
        part(rest, &format!("{} not over yet", plural(rest, "job")), WARNING);
    }
    parts.join(", ")
}

/// A line of a difference, in the colour of its sign.
pub(super) fn signed(sign: char, text: &str) -> String {
    let style = match sign {
        '+' => GOOD,
        '-' => BAD,
        _ => CHANGE,
    };
    format!("{style}{sign}{style:#} {text}")
}

/// A warning, with the name of its rule.
pub(super) fn warning(rule: &str, text: &str) -> String {
    format!("{WARNING}{rule}{WARNING:#}: {}", clean(text))
}

/// A number with its noun.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {}", plural(number, noun))
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}
