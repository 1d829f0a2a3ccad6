//! The screen of a display whose size is known: name, state and address always in sight, the code beside or below them
//! and whole, everything in the middle.
//!
//! ```text
//!   80×25 up to 240×67                          taller than wide
//!  ┌────────────────────────────────────────┐  ┌───────────────────┐
//!  │                         █████████████  │  │ hearth-1a2b.local │
//!  │  hearth-1a2b.local      ██ ▄▄▄ █▄▀███  │  │ State: ...        │
//!  │  State: pairing: ...    ██ █ █ ██▀███  │  │   █████████████   │
//!  │  Address: 192.168.1.7   █████████████  │  │   ██ ▄▄▄ █▄▀███   │
//!  └────────────────────────────────────────┘  └───────────────────┘
//! ```
//!
//! A code that is cut cannot be scanned, so one that does not fit is replaced by the address of the page that shows it.

use std::net::IpAddr;

use crate::qr::Modules;
use crate::wrap::{Lines, Rank};
use crate::{DisplayStatus, PairingCode};

/// The widest column of text.
const TEXT_WIDTH: usize = 60;
/// The narrowest column of text beside a code.
const NARROW_TEXT: usize = 24;
/// Empty columns at the left edge and before a code, which has a border of its own.
const GAP: usize = 1;
/// Lines of a paragraph.
const PARAGRAPH: usize = 4;

/// The size of a display, in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenSize {
    columns: usize,
    lines: usize,
}

impl ScreenSize {
    /// The size of a display that does not tell its own.
    pub const DEFAULT: Self = Self { columns: 80, lines: 25 };
    /// Twice a display of 3840×2160 pixels with the smallest usual font: a screen's text has a bound.
    const LARGEST: Self = Self { columns: 960, lines: 540 };

    /// The size that a terminal tells (`TIOCGWINSZ`); zero says that it does not know.
    #[must_use]
    pub fn of_terminal(columns: u16, lines: u16) -> Self {
        if columns == 0 || lines == 0 {
            return Self::DEFAULT;
        }
        Self {
            columns: usize::from(columns).min(Self::LARGEST.columns),
            lines: usize::from(lines).min(Self::LARGEST.lines),
        }
    }

    fn text_width(self) -> usize {
        self.columns.min(TEXT_WIDTH)
    }
}

/// The status, laid out: no more lines than the size has, and none wider. Characters that do not take one cell are
/// replaced.
#[must_use]
pub fn status_lines(status: &DisplayStatus, size: ScreenSize) -> Vec<String> {
    let modules = status.code.as_ref().and_then(|code| Modules::new(&code.link).ok());
    with_code(status, modules.as_ref(), size)
}

fn with_code(status: &DisplayStatus, code: Option<&Modules>, size: ScreenSize) -> Vec<String> {
    let narrowed = |code: &Modules| beside_or_below(status, &code.narrowed(), size);
    let lines = code.and_then(|code| beside_or_below(status, code, size).or_else(|| narrowed(code)));
    lines.unwrap_or_else(|| in_the_middle(text(status, size.text_width(), Place::Elsewhere), size))
}

/// Some other text, laid out in the same way.
#[must_use]
pub fn text_lines(text: &str, size: ScreenSize) -> Vec<String> {
    let mut lines = Lines::new(size.text_width());
    for line in text.trim_end().lines() {
        if line.trim().is_empty() {
            lines.blank();
        } else {
            lines.paragraph(Rank::Essential, line, PARAGRAPH);
        }
    }
    in_the_middle(lines, size)
}

/// The place that shows the code of an open window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here,
    Elsewhere,
}

fn text(status: &DisplayStatus, width: usize, place: Place) -> Lines {
    let (first, others) = addresses(&status.addresses);
    let mut lines = Lines::new(width);
    lines.paragraph(Rank::Essential, &status.name, 2);
    lines.paragraph(Rank::Essential, &format!("State: {}", status.led.words()), PARAGRAPH);
    let address = first.map_or_else(|| "none yet".to_owned(), |first| first.to_string());
    lines.paragraph(Rank::Essential, &format!("Address: {address}"), 3);
    for trouble in &status.troubles {
        lines.blank();
        lines.paragraph(Rank::Trouble, &format!("Attention: {trouble}"), PARAGRAPH);
    }
    lines.blank();
    lines.paragraph(Rank::Hint, &hint(status, first, place), PARAGRAPH + 1);
    lines.blank();
    if !others.is_empty() {
        lines.paragraph(Rank::Detail, &format!("Other addresses: {}", others.join(", ")), PARAGRAPH);
    }
    lines.paragraph(Rank::Detail, &format!("Accounts: {}", status.accounts), 1);
    lines.paragraph(Rank::Detail, &format!("Hearth {}", status.version), 1);
    lines
}

/// The address to type in, which is also the one that links name, and the others.
fn addresses(addresses: &[IpAddr]) -> (Option<IpAddr>, Vec<String>) {
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied();
    let others = addresses.iter().filter(|address| Some(**address) != first);
    (first, others.map(ToString::to_string).collect())
}

fn hint(status: &DisplayStatus, address: Option<IpAddr>, place: Place) -> String {
    match (&status.code, place) {
        (Some(PairingCode { closes, .. }), Place::Here) => {
            format!("Scan the code with Delta Chat; the window closes {closes}.")
        }
        (Some(PairingCode { closes, .. }), Place::Elsewhere) => {
            let host = match address {
                Some(IpAddr::V4(address)) => address.to_string(),
                Some(IpAddr::V6(address)) => format!("[{address}]"),
                None => status.name.clone(),
            };
            format!(
                "The code is too large for this screen. Open http://{host}/ in the home network: it is there. The \
                 window closes {closes}."
            )
        }
        (None, _) => "Press the button to add a person or a device.".to_owned(),
    }
}

/// A code and the text beside or below which it is drawn.
struct Arrangement {
    direction: Direction,
    text: Lines,
    /// The lines that there are for the text.
    text_height: usize,
    scale: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Beside,
    Below,
}

/// The largest code that leaves room for all text; then the smallest one that leaves room for the essential text.
fn beside_or_below(status: &DisplayStatus, code: &Modules, size: ScreenSize) -> Option<Vec<String>> {
    // A line has two rows of modules.
    let largest = size.columns.min(2 * size.lines) / code.width();
    let choices = (1..=largest)
        .rev()
        .flat_map(|scale| [Direction::Beside, Direction::Below].map(|direction| (scale, direction)));
    let possible: Vec<Arrangement> = choices
        .filter_map(|(scale, direction)| arrangement(status, code.width(), scale, direction, size))
        .collect();
    let fits = |rank| move |choice: &&Arrangement| choice.text.count(rank) <= choice.text_height;
    let chosen = possible
        .iter()
        .find(fits(Rank::Detail))
        .or_else(|| possible.iter().rfind(|choice| fits(Rank::Hint)(choice)))
        .or_else(|| possible.iter().rfind(|choice| fits(Rank::Essential)(choice)))?;
    let text = chosen.text.clone().fit(chosen.text_height);
    let picture = code.half_blocks(chosen.scale);
    Some(match chosen.direction {
        Direction::Beside => centre(&beside(&text, &picture), size),
        Direction::Below => centre(&below(&text, &picture), size),
    })
}

/// None if the code, which fits on the display, leaves no room for text in this direction.
fn arrangement(
    status: &DisplayStatus,
    modules: usize,
    scale: usize,
    direction: Direction,
    size: ScreenSize,
) -> Option<Arrangement> {
    let (width, height) = (modules * scale, (modules * scale).div_ceil(2));
    let (text_width, text_height) = match direction {
        Direction::Beside => (size.columns.checked_sub(width + 2 * GAP)?.min(TEXT_WIDTH), size.lines),
        Direction::Below => (size.text_width(), size.lines.checked_sub(height)?),
    };
    (text_width >= NARROW_TEXT).then(|| Arrangement {
        direction,
        text: text(status, text_width, Place::Here),
        text_height,
        scale,
    })
}

fn width(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count()).max().unwrap_or_default()
}

fn beside(text: &[String], picture: &[String]) -> Vec<String> {
    let height = text.len().max(picture.len());
    let (text_top, picture_top) = ((height - text.len()) / 2, (height - picture.len()) / 2);
    let line = |lines: &[String], top: usize, row: usize| {
        row.checked_sub(top).and_then(|row| lines.get(row)).cloned().unwrap_or_default()
    };
    let column = width(text) + GAP;
    (0..height)
        .map(|row| format!("{:column$}{}", line(text, text_top, row), line(picture, picture_top, row)))
        .collect()
}

fn below(text: &[String], picture: &[String]) -> Vec<String> {
    let whole = width(text).max(width(picture));
    let indent = |lines: &[String]| (whole - width(lines)) / 2;
    let shift = |lines: &[String]| {
        let indent = indent(lines);
        lines.iter().map(|line| format!("{:indent$}{line}", "")).collect::<Vec<_>>()
    };
    [shift(text), shift(picture)].concat()
}

fn in_the_middle(lines: Lines, size: ScreenSize) -> Vec<String> {
    centre(&lines.fit(size.lines), size)
}

/// Moves a block to the middle of the display.
fn centre(block: &[String], size: ScreenSize) -> Vec<String> {
    // A column that is left over is better at the edge of the text than at that of the code, which has a border.
    let left = size.columns.saturating_sub(width(block)).div_ceil(2);
    let top = size.lines.saturating_sub(block.len()) / 2;
    let empty = std::iter::repeat_n(String::new(), top);
    let moved = block.iter().map(|line| format!("{:left$}{line}", "").trim_end().to_owned());
    empty.chain(moved).collect()
}

#[cfg(test)]
mod tests;
