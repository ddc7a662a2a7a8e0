//! Alternatives that take turns, and the table of what came out.

use std::fmt;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// How long a batch of one alternative takes: short against the scheduler's slices, so that most batches run undisturbed,
/// and long against the clock.
const BATCH: Duration = Duration::from_millis(2);
/// The same for what waits for a database: its process finds its caches cold after another alternative's turn, and a batch
/// is to be long against that.
pub(crate) const DATABASE_BATCH: Duration = Duration::from_millis(20);

/// How much to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Enough for stable medians.
    Full,
    /// One round: that it runs.
    Smoke,
}

impl Effort {
    pub(crate) fn rounds(self, full: usize) -> usize {
        if self == Self::Full { full } else { 1 }
    }
}

/// One of the things that are compared: runs an operation that many times.
pub(crate) type Alternative<'a> = Box<dyn FnMut(u32) + 'a>;

/// Nanoseconds, or a ratio, for each round.
#[derive(Clone)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, |one, other| one + other)
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.with(other, |one, other| one - other)
    }

    pub(crate) fn over(&self, other: &Self) -> Self {
        self.with(other, |one, other| one / other)
    }

    pub(crate) fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|sample| sample * factor).collect())
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) * percent / 100]
    }

    fn with(&self, other: &Self, combine: fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| combine(*one, *other)).collect())
    }
}

/// What one operation of an alternative took, in nanoseconds, round by round.
#[derive(Clone)]
pub(crate) struct Took {
    /// By the clock on the wall.
    pub(crate) wall: Samples,
    /// Of all threads of the process: what others do on the machine is not in it, and neither is the disk.
    pub(crate) cpu: Samples,
}

/// Runs the alternatives in turns, and returns what one operation of each took.
pub(crate) fn interleave<const N: usize>(rounds: usize, alternatives: [Alternative<'_>; N]) -> [Took; N] {
    interleave_by(BATCH, rounds, alternatives)
}

/// As [`interleave`], in batches that take about so long.
pub(crate) fn interleave_by<const N: usize>(
    batch: Duration,
    rounds: usize,
    mut alternatives: [Alternative<'_>; N],
) -> [Took; N] {
    let counts = alternatives.each_mut().map(|alternative| {
        // Twice: the first run pays for what is made on first use.
        let mut count = 1;
        for _ in 0..2 {
            count = 1;
            while time(alternative, count) < batch {
                count *= 2;
            }
        }
        count
    });
    let mut index = 0;
    take_turns(
        rounds,
        alternatives.map(|mut alternative| -> Prepared<'_> {
            let count = counts[index];
            index += 1;
            Box::new(move || Lap::of(count, || alternative(count)))
        }),
    )
}

/// One of the things that are compared, where each run needs something made for it that does not count: prepares, and
/// times what it runs.
pub(crate) type Prepared<'a> = Box<dyn FnMut() -> Lap + 'a>;

/// What one operation of one run took, in nanoseconds.
pub(crate) struct Lap {
    wall: f64,
    cpu: f64,
}

impl Lap {
    /// Times `run`, which does that many operations.
    pub(crate) fn of(count: u32, run: impl FnOnce()) -> Self {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        run();
        let (wall, cpu) = (wall.elapsed(), cpu.elapsed());
        let one = |took: Duration| took.as_secs_f64() * 1e9 / f64::from(count);
        Self { wall: one(wall), cpu: one(cpu) }
    }
}

/// Runs the alternatives in turns, as they are.
pub(crate) fn take_turns<const N: usize>(rounds: usize, mut alternatives: [Prepared<'_>; N]) -> [Took; N] {
    let mut all = [(); N].map(|()| Took { wall: Samples(Vec::new()), cpu: Samples(Vec::new()) });
    for round in 0..rounds {
        for place in 0..N {
            let index = (round + place) % N;
            let lap = alternatives[index]();
            all[index].wall.0.push(lap.wall);
            all[index].cpu.0.push(lap.cpu);
        }
    }
    all
}

fn time(alternative: &mut Alternative<'_>, count: u32) -> Duration {
    let wall = Instant::now();
    alternative(count);
    wall.elapsed()
}

/// What a ratio, or a time in nanoseconds, is to be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is there to explain another one.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::None => true,
        }
    }
}

/// The table.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<[String; 5]>,
    missed: usize,
}

impl Report {
    pub(crate) fn section(&mut self, name: &str) {
        eprintln!("measuring: {name}");
        self.lines.push([String::new(), String::new(), String::new(), String::new(), String::new()]);
        self.lines.push([format!("-- {name}"), String::new(), String::new(), String::new(), String::new()]);
    }

    /// What is not measured, and why.
    pub(crate) fn note(&mut self, text: &str) {
        self.lines.push([text.to_owned(), String::new(), String::new(), String::new(), String::new()]);
    }

    /// A time against another of the same round.
    pub(crate) fn ratio(&mut self, name: &str, measured: &Samples, against: &Samples, goal: Goal) {
        let ratio = measured.over(against);
        self.row(name, &time_of(measured.median()), &time_of(against.median()), &ratio, goal);
    }

    /// A ratio of any two things, shown as `measured` and `against`.
    pub(crate) fn row(&mut self, name: &str, measured: &str, against: &str, ratio: &Samples, goal: Goal) {
        let spread =
            format!("{:5.2}  ({:.2}..{:.2})", ratio.median(), ratio.percentile(10), ratio.percentile(90));
        let verdict = self.verdict(ratio.median(), goal, |value| format!("{value:.2}"));
        self.lines.push([name.into(), measured.into(), against.into(), spread, verdict]);
    }

    /// A time by itself: its median, and the sample that the goal is about.
    pub(crate) fn time(&mut self, name: &str, measured: &Samples, percent: usize, goal: Goal) {
        let judged = measured.percentile(percent);
        let spread =
            format!("p10 {}, max {}", time_of(measured.percentile(10)), time_of(measured.percentile(100)));
        let verdict = self.verdict(judged, goal, time_of);
        self.lines.push([name.into(), time_of(measured.median()), String::new(), spread, verdict]);
    }

    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    fn verdict(&mut self, value: f64, goal: Goal, show: impl Fn(f64) -> String) -> String {
        let bound = match goal {
            Goal::AtMost(most) => format!("<= {}", show(most)),
            Goal::AtLeast(least) => format!(">= {}", show(least)),
            Goal::None => return String::new(),
        };
        let met = goal.is_met(value);
        self.missed += usize::from(!met);
        format!("{bound} {}", if met { "✓" } else { "✗ MISSED" })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "measured", "against", "ratio (p10..p90)", "goal"].map(String::from);
        for [name, measured, against, ratio, goal] in std::iter::once(&head).chain(&self.lines) {
            let line = format!("{name:<52} {measured:>10} {against:>10}  {ratio:<26} {goal}");
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(f, "\n{} goals missed", self.missed)
    }
}

/// A time in nanoseconds, in a unit in which it has few digits.
pub(crate) fn time_of(nanoseconds: f64) -> String {
    if nanoseconds.abs() >= 1e6 {
        format!("{:.2} ms", nanoseconds / 1e6)
    } else {
        format!("{:.2} µs", nanoseconds / 1e3)
    }
}
