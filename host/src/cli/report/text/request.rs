//! A request as a tree of stages and steps.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;

use super::jobs;
use super::style::{BAD, CHANGE, DIM, GOOD, NAME, Page, WARNING, clean, duration, short};
use crate::cli::fact::{self, Fact};
use crate::cli::label::Labels;
use crate::cli::report::{JobReport, RequestReport, Verdict};
use crate::cli::requests::Expect;
use crate::model::request::parameter;
use crate::model::step::StepKey;
use crate::model::trace::{Change, Event, OperationRun, StepRun};
use crate::model::{Cause, Entity, Error, Job, Message, Response, Stage, Trace, Value};

/// Lines of a guest's backtrace at most: its own frames are first.
const BACKTRACE_LINES_MAX: usize = 24;
/// Records of a RetrieveMultiple that are shown.
const RECORDS_SHOWN_MAX: usize = 10;

/// One request, from its headline to its error.
pub(super) fn render(page: &mut Page, request: &RequestReport) {
    headline(page, request);
    if let Some(trace) = &request.trace {
        let indent = Indent { level: 1, jobs: &request.jobs };
        events(page, indent, trace);
        jobs_of_request(page, indent);
    }
    match &request.result {
        Ok(response) => {
            for entity in response.entity().into_iter().chain(response.entities()).take(RECORDS_SHOWN_MAX) {
                record(page, entity);
            }
            outputs(page, response);
            if let Some(more) = response.entities().len().checked_sub(RECORDS_SHOWN_MAX + 1) {
                page.line(1, &format!("{DIM}← and {} more records{DIM:#}", more + 1));
            }
        }
        Err(failure) => {
            error(page, failure, request.verdict());
            not_as_expected(page, request, failure);
        }
    }
    if request.verdict() == Verdict::NotRefused {
        page.line(1, &format!("{BAD}✗{BAD:#} it should have failed (`\"expect\"`), and it succeeded"));
    }
    page.blank();
}

/// The output parameters that are no records and not the identifier of a Create, which the headline has.
fn outputs(page: &mut Page, response: &Response) {
    let shown = [parameter::ID, parameter::BUSINESS_ENTITY, parameter::BUSINESS_ENTITY_COLLECTION];
    let Fact::Object(parameters) = fact::parameters(&response.parameters) else { return };
    for (name, value) in parameters.iter().filter(|(name, _)| !shown.contains(&name.as_str())) {
        let value = value.to_json(&Labels::default()).to_string();
        page.line(1, &format!("{DIM}← {}{DIM:#} {}", clean(name), clean(&value)));
    }
}

/// In which way a request failed that should have failed in another.
fn not_as_expected(page: &mut Page, request: &RequestReport, error: &Error) {
    let Expect::Fault(fault) = &request.expect else { return };
    for difference in fault.differences(error) {
        page.line(1, &format!("{BAD}✗{BAD:#} the request expects {}", clean(&difference)));
    }
}

fn headline(page: &mut Page, request: &RequestReport) {
    let verdict = request.verdict();
    let (style, text) = match verdict {
        Verdict::Succeeded => (GOOD, ended(request.trace.as_ref(), "succeeded")),
        Verdict::Refused => {
            (GOOD, ended(request.trace.as_ref(), "refused").replacen("refused", "refused as expected", 1))
        }
        Verdict::Failed => (BAD, ended(request.trace.as_ref(), "failed")),
        Verdict::NotRefused => {
            (BAD, format!("{}, not as expected", ended(request.trace.as_ref(), "succeeded")))
        }
    };
    let text = match (verdict, &request.expect) {
        (Verdict::Refused, Expect::Any) => ended(request.trace.as_ref(), "refused"),
        _ => text,
    };
    let mut left = format!("{DIM}{:>2}{DIM:#} {NAME}{}{NAME:#}", request.number, clean(&request.message));
    if let Some(entity) = request.trace.as_ref().and_then(|trace| trace.entity.as_deref()) {
        let _ = write!(left, " {NAME}{}{NAME:#}", clean(entity));
    }
    // Whole, since it is what the next request or query needs.
    if let Some(id) = request.record() {
        let _ = write!(left, " {DIM}{id}{DIM:#}");
    }
    let _ = write!(left, "  {style}{text}{style:#}");
    let took = request.trace.as_ref().map(|trace| duration(trace.duration)).unwrap_or_default();
    page.row(0, &left, &took);
    if let Some(note) = &request.note {
        page.paragraph(1, &clean(note));
    }
}

/// What became of the transaction, or `else` where there was none.
fn ended(trace: Option<&Trace>, otherwise: &str) -> String {
    let mut events = trace.into_iter().flat_map(|trace| &trace.events).rev();
    let reads = trace.is_some_and(is_read);
    let end = events.find_map(|event| match event {
        Event::Committed { .. } if !reads => Some("committed"),
        Event::RolledBack { .. } => Some("rolled back"),
        _ => None,
    });
    match (end, otherwise) {
        (Some("rolled back"), "refused") => "refused, rolled back".to_owned(),
        (Some(end), _) => end.to_owned(),
        (None, _) => otherwise.to_owned(),
    }
}

fn is_read(trace: &Trace) -> bool {
    matches!(trace.message.as_str(), Message::RETRIEVE | Message::RETRIEVE_MULTIPLE)
}

/// Where a tree stands on the page, with the jobs that its request led to.
#[derive(Clone, Copy)]
struct Indent<'a> {
    level: usize,
    jobs: &'a [JobReport],
}

impl Indent<'_> {
    fn deeper(self, levels: usize) -> Self {
        Self { level: self.level + levels, ..self }
    }
}

/// The events of a request, under the stages at which they happened.
fn events(page: &mut Page, indent: Indent<'_>, trace: &Trace) {
    let level = indent.level;
    let mut current = None;
    for event in &trace.events {
        if let Some(stage) = stage(event)
            && current.replace(stage) != Some(stage)
        {
            page.line(level, &format!("{DIM}{} {stage}{DIM:#}", stage.number()));
        }
        match event {
            Event::Admitted { waited } => waiting(page, level, "waited for admission", *waited),
            Event::Began { waited } => waiting(page, level, "waited for the database", *waited),
            Event::Skipped { step, reason, .. } => {
                page.line(level + 1, &format!("{DIM}· {}  skipped: {}{DIM:#}", name(step), clean(reason)));
            }
            Event::Unlinked { entity, attribute, records } => {
                let (entity, attribute) = (clean(entity), clean(attribute));
                let noun = if *records == 1 { "record" } else { "records" };
                page.line(level + 1, &format!("~ cleared {attribute} in {records} {entity} {noun}"));
            }
            Event::Step(run) => step(page, indent.deeper(1), run),
            Event::Operation(run) => operation(page, level + 1, trace, run),
            Event::Request(inner) => nested(page, indent.deeper(1), inner),
            Event::Queued { job, step } => queued(page, indent.deeper(1), *job, step),
            // Of a read there is nothing to keep.
            Event::Committed { .. } if is_read(trace) => {}
            Event::Committed { took } => page.row(level, &format!("{DIM}commit{DIM:#}"), &duration(*took)),
            Event::Repeated { runs, waited, reason } => {
                current = None;
                let left = format!("{WARNING}undone by contention, runs again ({runs}){WARNING:#}");
                page.row(level, &left, &duration(*waited));
                trace_line(page, level + 1, reason);
            }
            Event::RolledBack { took } => {
                page.row(level, &format!("{WARNING}rollback{WARNING:#}"), &duration(*took));
            }
        }
    }
}

/// A wait that is worth a line; most are not.
fn waiting(page: &mut Page, level: usize, what: &str, waited: Duration) {
    if waited >= Duration::from_millis(1) {
        page.row(level, &format!("{WARNING}{what}{WARNING:#}"), &duration(waited));
    }
}

fn stage(event: &Event) -> Option<Stage> {
    match event {
        Event::Skipped { stage, .. } => Some(*stage),
        Event::Step(run) => Some(run.stage),
        Event::Operation(_) => Some(Stage::MainOperation),
        Event::Queued { .. } => Some(Stage::PostOperation),
        Event::Admitted { .. }
        | Event::Began { .. }
        | Event::Unlinked { .. }
        | Event::Request(_)
        | Event::Committed { .. }
        | Event::Repeated { .. }
        | Event::RolledBack { .. } => None,
    }
}

fn step(page: &mut Page, indent: Indent<'_>, run: &StepRun) {
    let left = format!("{} {}", mark(run.error.as_ref()), name(&run.step));
    page.row(indent.level, &left, &duration(run.duration));
    step_parts(page, indent.deeper(1), run);
}

/// What a run of a step said, asked for and changed.
fn step_parts(page: &mut Page, indent: Indent<'_>, run: &StepRun) {
    for line in &run.lines {
        trace_line(page, indent.level, line);
    }
    for request in &run.requests {
        nested(page, indent, request);
    }
    for change in &run.changes {
        changed(page, indent.level, change);
    }
}

/// A request that a step issued.
fn nested(page: &mut Page, indent: Indent<'_>, trace: &Trace) {
    let mut left = format!("{} ↳ {}", mark(trace.error.as_ref()), clean(&trace.message));
    if let Some(entity) = &trace.entity {
        let _ = write!(left, " {}", clean(entity));
    }
    if let Some(id) = trace.record {
        let _ = write!(left, " {DIM}{}{DIM:#}", short(id));
    }
    page.row(indent.level, &left, &duration(trace.duration));
    // A nested request without steps and changes says no more than its own line.
    let is_plain = trace.events.iter().all(|event| match event {
        Event::Operation(run) => run.changes.is_empty() && run.error.is_none(),
        Event::Admitted { .. } | Event::Began { .. } | Event::Committed { .. } => true,
        Event::RolledBack { .. }
        | Event::Repeated { .. }
        | Event::Unlinked { .. }
        | Event::Request(_)
        | Event::Skipped { .. }
        | Event::Step(_)
        | Event::Queued { .. } => false,
    });
    if !is_plain {
        events(page, indent.deeper(1), trace);
    }
    // An error of a step or of the core operation is shown there already.
    let shown = trace.events.iter().any(|event| match event {
        Event::Step(run) => run.error.is_some(),
        Event::Operation(run) => run.error.is_some(),
        _ => false,
    });
    if let (Some(error), false) = (&trace.error, shown) {
        page.line(indent.level + 1, &format!("{BAD}{}{BAD:#}", clean(error.message())));
    }
}

fn operation(page: &mut Page, level: usize, trace: &Trace, run: &OperationRun) {
    let what = match trace.message.as_str() {
        Message::CREATE => "insert",
        Message::UPDATE => "write",
        Message::DELETE => "delete",
        _ => "read",
    };
    let entity = trace.entity.as_deref().unwrap_or_default();
    let left = format!("{} {what} {}", mark(run.error.as_ref()), clean(entity));
    page.row(level, &left, &duration(run.duration));
    for change in &run.changes {
        changed(page, level + 1, change);
    }
    if let Some(error) = &run.error {
        page.line(level + 1, &format!("{BAD}{}{BAD:#}", clean(error.message())));
    }
}

fn queued(page: &mut Page, indent: Indent<'_>, id: uuid::Uuid, step: &StepKey) {
    let left = format!("{CHANGE}»{CHANGE:#} queued job {DIM}{}{DIM:#}  {}", short(id), name(step));
    match indent.jobs.iter().map(|report| &report.job).find(|job| job.id == id) {
        Some(job) => page.line(indent.level, &format!("{left} → {}", jobs::standing(job))),
        None => page.line(indent.level, &left),
    }
}

/// What the jobs did, once the request was over.
fn jobs_of_request(page: &mut Page, indent: Indent<'_>) {
    if indent.jobs.is_empty() {
        return;
    }
    page.line(indent.level, &format!("{DIM}after the commit{DIM:#}"));
    for report in indent.jobs {
        job(page, indent.deeper(1), report);
    }
}

fn job(page: &mut Page, indent: Indent<'_>, JobReport { job, runs }: &JobReport) {
    let mark = jobs::mark(job.status);
    let mut left =
        format!("{mark} {}  job {DIM}{}{DIM:#} {}", name(&job.step), short(job.id), jobs::standing(job));
    if job.attempt > 1 {
        let _ = write!(left, " at attempt {}", job.attempt);
    }
    if let Some(waited) = waited(job) {
        let _ = write!(left, "  {DIM}waited {waited} ms{DIM:#}");
    }
    let took = runs.last().map(|run| duration(run.duration)).unwrap_or_default();
    page.row(indent.level, &left, &took);
    match runs.last() {
        Some(run) => step_parts(page, indent.deeper(1), run),
        // A run of another program on the database: its lines are what is left of it.
        None => job.trace.iter().for_each(|line| trace_line(page, indent.level + 1, line)),
    }
    if let Some(failure) = runs.last().and_then(|run| run.error.as_ref()) {
        error_head(page, indent.level + 1, failure, BAD);
        // Its trace lines are those above.
        diagnostic(page, indent.level + 1, failure);
    } else if let Some(error) = &job.error {
        let code = hex(error.code);
        let message = clean(&error.message);
        page.line(indent.level + 1, &format!("{BAD}{message}{BAD:#}  {DIM}{code}{DIM:#}"));
    }
}

/// How long a job waited for its first attempt, in milliseconds: to which the host's clock counts. None after further
/// attempts, since only the start of the last is known.
fn waited(job: &Job) -> Option<i64> {
    let started = job.started_on.filter(|_| job.attempt == 1)?;
    Some(started.0.saturating_sub(job.created_on.0).max(0))
}

fn record(page: &mut Page, entity: &Entity) {
    let id = entity.id.map(|id| id.to_string()).unwrap_or_default();
    page.line(1, &format!("{CHANGE}←{CHANGE:#} {} {DIM}{id}{DIM:#}", clean(&entity.logical_name)));
    for (name, value) in &entity.attributes {
        page.line(3, &format!("{}: {}", clean(name), shown(value)));
    }
}

/// What failed, where, and all that is known about it.
fn error(page: &mut Page, error: &Error, verdict: Verdict) {
    error_head(page, 1, error, if verdict == Verdict::Refused { WARNING } else { BAD });
    if !error.trace().is_empty() {
        page.line(3, &format!("{DIM}trace{DIM:#}"));
        for line in error.trace() {
            trace_line(page, 4, line);
        }
    }
    diagnostic(page, 1, error);
}

fn error_head(page: &mut Page, level: usize, error: &Error, style: Style) {
    let mut message = error.message().lines();
    let first = clean(message.next().unwrap_or_default());
    page.line(level, &format!("{style}✗ {}{style:#}  {first}", error.kind().name()));
    for line in message {
        page.line(level + 2, &clean(line));
    }
    let mut fact = |name: &str, text: &str| page.line(level + 2, &format!("{DIM}{name:<8}{DIM:#} {text}"));
    for (index, location) in error.path().iter().enumerate() {
        fact(if index == 0 { "in" } else { "called by" }, &clean(&location.to_string()));
    }
    fact("code", &hex(error.code()));
    if let Some(Cause::Trap(trap)) = error.cause() {
        fact("trap", &clean(trap.name()));
    }
    if let Some(wait) = error.retry_after() {
        fact("retry", &format!("in {}", duration(wait)));
    }
    if let Some(path) = error.core_dump() {
        fact("dump", &clean(&path.display().to_string()));
    }
    for (name, text) in error.details() {
        fact(&clean(name), &clean(text));
    }
}

/// What the guest wrote to stderr, and where it was.
fn diagnostic(page: &mut Page, level: usize, error: &Error) {
    let Some(diagnostic) = error.diagnostic() else { return };
    let heading = if error.last_words().is_none() { "backtrace" } else { "the guest's last words" };
    page.line(level + 2, &format!("{DIM}{heading}{DIM:#}"));
    let lines: Vec<&str> = diagnostic.trim_end().lines().collect();
    for line in lines.iter().take(BACKTRACE_LINES_MAX) {
        page.line(level + 3, &clean(line));
    }
    if let Some(more) = lines.len().checked_sub(BACKTRACE_LINES_MAX + 1) {
        page.line(level + 3, &format!("{DIM}and {} more lines{DIM:#}", more + 1));
    }
}

pub(super) fn hex(code: i32) -> String {
    format!("0x{code:08x} ({code})")
}

fn mark(error: Option<&Error>) -> String {
    match error {
        None => format!("{GOOD}✓{GOOD:#}"),
        Some(_) => format!("{BAD}✗{BAD:#}"),
    }
}

fn name(step: &StepKey) -> String {
    format!("{}  {DIM}{}{DIM:#}", clean(&step.step), clean(&step.plugin))
}

fn trace_line(page: &mut Page, level: usize, line: &str) {
    for line in line.lines() {
        page.line(level, &format!("{DIM}│{DIM:#} {}", clean(line)));
    }
}

/// An attribute that was added, changed or taken out, as a diff shows lines.
fn changed(page: &mut Page, level: usize, change: &Change) {
    let name = clean(&change.attribute);
    let text = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("  {CHANGE}{name}{CHANGE:#}: {} -> {}", shown(old), shown(new)),
        (None, Some(new)) => format!("{GOOD}+{GOOD:#} {CHANGE}{name}{CHANGE:#}: {}", shown(new)),
        (Some(old), None) => format!("{BAD}-{BAD:#} {CHANGE}{name}{CHANGE:#}: {}", shown(old)),
        (None, None) => return,
    };
    page.line(level, &text);
}

/// A value. Its text is escaped by its own display, and cut if it is long.
fn shown(value: &Value) -> String {
    clean(&value.to_string())
}
