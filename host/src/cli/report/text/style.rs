//! What the parts of the text report share: the page, and how times, sizes, names and foreign text are written.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use uuid::Uuid;

/// Columns of the page. Fixed, so that a report reads the same in a file, a log and a terminal.
pub(super) const WIDTH: u16 = 110;
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
#[derive(Debug, Default)]
pub(in crate::cli) struct Page {
    text: String,
}

impl Page {
    /// A line, each level indented by two columns.
    pub(in crate::cli) fn line(&mut self, level: usize, text: &str) {
        let _ = writeln!(self.text, "{}{text}", "  ".repeat(level));
    }

    /// A line with something at the page's right edge.
    pub(in crate::cli) fn row(&mut self, level: usize, left: &str, right: &str) {
        let used = level * 2 + width(left) + width(right);
        let gap = usize::from(WIDTH).saturating_sub(used).max(2);
        self.line(level, &format!("{left}{}{DIM}{right}{DIM:#}", " ".repeat(gap)));
    }

    /// A text in the lines that it needs, quietly.
    pub(in crate::cli) fn paragraph(&mut self, level: usize, text: &str) {
        let most = usize::from(WIDTH).saturating_sub(level * 2);
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > most {
                self.line(level, &format!("{DIM}{line}{DIM:#}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(level, &format!("{DIM}{line}{DIM:#}"));
    }

    /// The heading of a part.
    pub(in crate::cli) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(0, &format!("{HEADING}{text}{HEADING:#}"));
    }

    /// An empty line, unless there is one already.
    pub(in crate::cli) fn blank(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The text.
    pub(in crate::cli) fn finish(self) -> String {
        self.text
    }
}

/// The columns that a text takes, escape sequences aside. Counts characters: good enough for an edge.
fn width(text: &str) -> usize {
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
    fn a_row_ends_at_the_edge_of_the_page() {
        let mut page = Page::default();
        page.row(2, &format!("{BAD}x{BAD:#}"), "1 ms");
        let text = page.finish();
        assert_eq!(width(text.trim_end_matches('\n')), usize::from(WIDTH));
    }
}
