//! What the parts of the text report share: the page, and how times, sizes, names and foreign text are written.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use uuid::Uuid;

/// How wide a page may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Width {
    columns: usize,
    /// Whether long lines are broken. Not in a file, where one searches for what they say.
    breaks: bool,
}

impl Width {
    /// Of a file, a log or a pipe.
    pub(in crate::cli) const FILE: Self = Self { columns: 100, breaks: false };

    /// Of a stream: its terminal's, as far as a report can still be read with it.
    pub(in crate::cli) fn of(stream: &impl IsTerminal) -> Self {
        match stream.is_terminal().then(terminal_size::terminal_size).flatten() {
            Some((terminal_size::Width(columns), _)) => Self::terminal(columns),
            None => Self::FILE,
        }
    }

    /// Of a terminal with that many columns.
    pub(in crate::cli) fn terminal(columns: u16) -> Self {
        Self { columns: usize::from(columns).clamp(60, 120), breaks: true }
    }
}

/// Levels by which the further lines of a broken line are indented more than its first.
const HANGING: usize = 2;
/// Characters of foreign text in one line at most.
const TEXT_MAX: usize = 400;

pub(super) const HEADING: Style = Style::new().bold();
pub(super) const NAME: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = coloured(AnsiColor::Green);
pub(super) const BAD: Style = coloured(AnsiColor::Red).bold();
pub(super) const CHANGE: Style = coloured(AnsiColor::Cyan);
pub(super) const WARNING: Style = coloured(AnsiColor::Yellow);

const fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

/// A text that grows line by line.
#[derive(Debug)]
pub(in crate::cli) struct Page {
    width: Width,
    text: String,
}

impl Page {
    /// An empty page.
    pub(in crate::cli) fn new(width: Width) -> Self {
        Self { width, text: String::new() }
    }

    /// The columns from a level's indentation to the edge.
    pub(in crate::cli) fn room(&self, level: usize) -> usize {
        self.width.columns.saturating_sub(level * 2)
    }

    /// A line, each level indented by two columns.
    pub(in crate::cli) fn line(&mut self, level: usize, text: &str) {
        if self.width.breaks {
            self.broken(level, text, self.room(level));
        } else {
            self.put(level, text);
        }
    }

    fn put(&mut self, level: usize, text: &str) {
        let _ = writeln!(self.text, "{}{text}", "  ".repeat(level));
    }

    /// A text in lines of at most that many columns, further ones below the first and indented more.
    fn broken(&mut self, level: usize, text: &str, most: usize) {
        for (index, line) in wrap(text, most, most.saturating_sub(2 * HANGING)).iter().enumerate() {
            self.put(if index == 0 { level } else { level + HANGING }, line);
        }
    }

    /// A line with something at the page's right edge.
    pub(in crate::cli) fn row(&mut self, level: usize, left: &str, right: &str) {
        let most = self.room(level).saturating_sub(columns(right) + 2);
        let mut lines = wrap(left, most, most.saturating_sub(2 * HANGING));
        let last = lines.pop().unwrap_or_default();
        let indent = |index| if index == 0 { level } else { level + HANGING };
        for (index, line) in lines.iter().enumerate() {
            self.put(indent(index), line);
        }
        let level = indent(lines.len());
        let gap = self.room(level).saturating_sub(columns(&last) + columns(right)).max(2);
        self.put(level, &format!("{last}{}{DIM}{right}{DIM:#}", " ".repeat(gap)));
    }

    /// A text in the lines that it needs, quietly.
    pub(in crate::cli) fn paragraph(&mut self, level: usize, text: &str) {
        let most = self.room(level);
        for line in wrap(&text.split_whitespace().collect::<Vec<_>>().join(" "), most, most) {
            self.put(level, &format!("{DIM}{line}{DIM:#}"));
        }
    }

    /// The heading of a part.
    pub(in crate::cli) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(0, &format!("{HEADING}{text}{HEADING:#}"));
    }

    /// An empty line, unless there is one already or the page begins.
    pub(in crate::cli) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The text.
    pub(in crate::cli) fn finish(self) -> String {
        self.text
    }
}

/// A text in lines: the first of at most `first` columns, the others of `rest`. A word that is longer has a line of its
/// own.
fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for (index, word) in text.split(' ').enumerate() {
        let most = if lines.is_empty() { first } else { rest };
        let more = columns(word);
        if used + 1 + more > most && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            (line, used) = (word.to_owned(), more);
        } else if index == 0 || (line.is_empty() && !lines.is_empty()) {
            (line, used) = (word.to_owned(), more);
        } else {
            line.push(' ');
            line.push_str(word);
            used += 1 + more;
        }
    }
    lines.push(line);
    lines
}

/// A path in at most that many columns, cut from the left: its end is what tells it from others.
pub(in crate::cli) fn short_path(path: &Path, most: usize) -> String {
    let mut shown = clean(&path.display().to_string());
    if columns(&shown) <= most {
        return shown;
    }
    let names: Vec<String> =
        path.components().map(|part| clean(&part.as_os_str().to_string_lossy())).collect();
    for cut in 1..names.len() {
        shown = format!("…/{}", names.get(cut..).unwrap_or_default().join("/"));
        if columns(&shown) <= most {
            break;
        }
    }
    shown
}

/// The columns that a text takes, escape sequences aside. Counts characters: good enough for an edge.
pub(super) fn columns(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().chars().count()
}

/// A duration to three digits or so.
pub(in crate::cli) fn duration(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ if ms < 60_000.0 => format!("{:.2} s", ms / 1000.0),
        _ => format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// A number of bytes.
pub(in crate::cli) fn bytes(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let number = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", number / KIB),
        _ => format!("{:.1} MiB", number / KIB / KIB),
    }
}

/// The beginning of an identifier, enough to tell it from its neighbours. Identifiers of version 7 begin with the time,
/// so it is their end that differs.
pub(super) fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    match (text.get(..4), text.get(26..)) {
        (Some(head), Some(tail)) => format!("{head}…{tail}"),
        _ => text,
    }
}

/// Text from a plugin or a file, made harmless: control characters, which could move a terminal's cursor or forge
/// lines, are shown as escapes, and a long text is cut.
pub(in crate::cli) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(TEXT_MAX));
    for (index, character) in text.chars().enumerate() {
        if index == TEXT_MAX {
            let _ = write!(shown, "… ({} characters)", text.chars().count());
            break;
        }
        if character.is_control() || is_invisible(character) {
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Characters that reorder or hide the text around them.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\u{202e}d"), "a\\u{1b}[2Jb\\u{d}c\\u{202e}d");
        assert_eq!(clean("Grüße, 世界"), "Grüße, 世界");
        assert!(clean(&"x".repeat(500)).ends_with("x… (500 characters)"));
    }

    #[test]
    fn times_and_sizes_keep_about_three_digits() {
        let times = [420, 12_300, 999_000, 2_500_000, 125_000_000];
        let shown = times.map(|us| duration(Duration::from_micros(us)));
        assert_eq!(shown, ["0.42 ms", "12 ms", "999 ms", "2.50 s", "2 min 05 s"]);
        assert_eq!([bytes(512), bytes(65_536), bytes(134_217_728)], ["512 B", "64 KiB", "128.0 MiB"]);
    }

    #[test]
    fn a_row_ends_at_the_edge_of_the_page_in_as_many_lines_as_it_needs() {
        for width in [Width::FILE, Width::terminal(80), Width::terminal(20)] {
            let mut page = Page::new(width);
            page.row(2, &format!("{BAD}x{BAD:#}"), "1 ms");
            page.row(2, &format!("{BAD}✗{BAD:#} {}", "some words ".repeat(12)), "1 ms");
            let text = page.finish();
            let rows: Vec<&str> = text.lines().filter(|line| line.contains("ms")).collect();
            assert_eq!(rows.iter().map(|row| columns(row)).collect::<Vec<_>>(), [width.columns; 2], "{text}");
            assert!(text.lines().all(|line| columns(line) <= width.columns), "{text}");
            assert_eq!(text.matches("words").count(), 12);
        }
    }

    #[test]
    fn a_line_is_broken_on_a_terminal_and_whole_in_a_file() {
        let lines = |width| {
            let mut page = Page::new(width);
            page.line(1, &format!("  {}", "x y ".repeat(40)));
            page.finish().lines().map(columns).collect::<Vec<_>>()
        };
        assert_eq!(lines(Width::FILE).len(), 1);
        let broken = lines(Width::terminal(60));
        assert!(broken.len() > 2 && broken.iter().all(|columns| *columns <= 60), "{broken:?}");
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let path = Path::new("home/ada/plugins/target/guard.wasm");
        assert_eq!(short_path(path, 80), "home/ada/plugins/target/guard.wasm");
        assert_eq!(short_path(path, 24), "…/target/guard.wasm");
        assert_eq!(short_path(path, 5), "…/guard.wasm");
    }
}
