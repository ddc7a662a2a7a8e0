//! The table as Markdown.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use stagegate::{Clock, SystemClock};
use stagegate_tests::hostile::{Attack, Must, SHORT};

use crate::load::{Latencies, RATE};

/// What stands above the table in the document stays as people wrote it.
const MARK: &str = "<!-- From here on it is generated: TMPDIR=/dev/shm cargo run --release -p stagegate-tests --example hostile-table -->";
/// The goal: a neighbour's slowest hundredth takes at most so many times as long as without the attack.
const GOAL: f64 = 2.0;

/// What was measured of an attack.
pub(crate) struct Row<'a> {
    pub(crate) attack: &'a Attack,
    /// How long it took to end, each time; sorted.
    pub(crate) ends: Vec<Duration>,
    pub(crate) during: Latencies,
    /// What was not as it must be.
    pub(crate) problem: Option<String>,
}

impl Row<'_> {
    fn outcome(&self) -> String {
        let outcome = match self.attack.must {
            Must::BeRefused(_) => "refused when loaded".to_owned(),
            Must::BeStopped => "stopped at the deadline".to_owned(),
            Must::Fail(kind) => format!("fails: {}", kind.name()),
            Must::HaveNoEffect => "no effect".to_owned(),
            Must::Wait => "waits, as long as it must".to_owned(),
        };
        match &self.problem {
            None => outcome,
            Some(problem) => format!("**not as it must**: {}", problem.replace(['|', '\n'], " ")),
        }
    }

    fn end(&self, percent: usize) -> String {
        let index = (self.ends.len() * percent).div_ceil(100).saturating_sub(1);
        self.ends.get(index).map_or_else(|| "?".to_owned(), |end| ms(*end))
    }

    /// Takes another measurement in.
    pub(crate) fn add(&mut self, other: Self) {
        self.ends.extend(other.ends);
        self.ends.sort();
        self.during.add(other.during);
        self.problem = self.problem.take().or(other.problem);
    }

    /// Whether the goal was missed.
    pub(crate) fn misses(&self, before: &Latencies) -> bool {
        self.ratio(before) > GOAL
    }

    /// How many times as long as before the slowest hundredth of the neighbour's requests took.
    fn ratio(&self, before: &Latencies) -> f64 {
        self.during.percentile(99).as_secs_f64() / before.percentile(99).as_secs_f64()
    }
}

/// One row for people.
pub(crate) fn line(row: &Row<'_>, before: &Latencies) -> String {
    let during = &row.during;
    format!(
        "{:32} {:26} {:>4} x {:>6} ms, at most {:>6}; p50 {} -> {}, p99 {} -> {} ms, {:.1}",
        row.attack.name,
        row.outcome(),
        row.ends.len(),
        row.end(50),
        row.end(100),
        ms(before.percentile(50)),
        ms(during.percentile(50)),
        ms(before.percentile(99)),
        ms(during.percentile(99)),
        row.ratio(before)
    )
}

/// Writes the document's generated part.
pub(crate) fn write(families: &[(&str, Vec<Row<'_>>)], before: &Latencies, busy: &Latencies) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hostile-guests.md");
    let document = fs::read_to_string(&path).expect("docs/hostile-guests.md");
    let (head, _) = document.split_once(MARK).expect("the mark in docs/hostile-guests.md");
    let mut text = format!("{head}{MARK}\n\n{}", circumstances(families, before, busy));
    for (family, rows) in families {
        let _ = write!(
            text,
            "\n### {family}\n\n| attack | what it tries | outcome | ends after, ms (most) | neighbour's p50, ms | its p99, ms | |\n\
             | --- | --- | --- | ---: | ---: | ---: | ---: |\n"
        );
        for row in rows {
            let _ = writeln!(text, "{}", cells(row, before));
        }
    }
    fs::write(&path, text).expect("docs/hostile-guests.md");
}

fn cells(row: &Row<'_>, before: &Latencies) -> String {
    let pair =
        |percent| format!("{} → {}", ms(before.percentile(percent)), ms(row.during.percentile(percent)));
    let ratio = row.ratio(before);
    let mark = if row.misses(before) { format!("**{ratio:.1}×**") } else { format!("{ratio:.1}×") };
    format!(
        "| `{}` | {} | {} | {} ({}) | {} | {} | {mark} |",
        row.attack.name,
        row.attack.tries,
        row.outcome(),
        row.end(50),
        row.end(100),
        pair(50),
        pair(99),
    )
}

fn circumstances(families: &[(&str, Vec<Row<'_>>)], before: &Latencies, busy: &Latencies) -> String {
    let rows = || families.iter().flat_map(|(_, rows)| rows);
    let missed = rows().filter(|row| row.misses(before)).count();
    let fewest = rows().map(|row| row.during.count()).min().unwrap_or(0);
    let quiet = before.count();
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} attacks, measured {} with stagegate {}, wasmtime {} and {}, on {cpus} CPUs ({}). The neighbour: {RATE} requests \
         a second, {quiet} of them without an attack, at \
         least {fewest} beside each. Deadline of what must be stopped: {} ms. Goal of the last column: \
         at most {GOAL:.0}×; {missed} miss it, in bold. Beside {cpus} threads outside of any host that only compute, with no attack: \
         p50 {}, p99 {} ms, {:.1}×.\n",
        rows().count(),
        SystemClock.now().to_string().get(..10).unwrap_or_default(),
        env!("CARGO_PKG_VERSION"),
        wasmtime(),
        rustc(),
        cpu(),
        SHORT.as_millis(),
        ms(busy.percentile(50)),
        ms(busy.percentile(99)),
        busy.percentile(99).as_secs_f64() / before.percentile(99).as_secs_f64(),
    )
}

/// The version in the lock file.
fn wasmtime() -> String {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap_or_default();
    let (_, after) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap_or_default();
    after.split('"').next().unwrap_or_default().to_owned()
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    version.unwrap_or_else(|_| "rustc".to_owned())
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
