//! Words to lines of bounded width, for displays: every character takes one cell, and lines are dropped by their rank
//! where there is no room for all.

/// The end of a line that was cut.
const CUT: &str = "...";
/// Later lines of a paragraph stand this far from the left edge.
const INDENT: &str = "  ";

/// The weight of a line. Where there is no room, later ranks are dropped before earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Name, state and address.
    Essential,
    /// The next step of a person.
    Hint,
    /// Something that is wrong.
    Trouble,
    /// Anything else.
    Detail,
    /// An empty line.
    Blank,
}

/// Lines with their ranks, none wider than `width`.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    width: usize,
    lines: Vec<(Rank, String)>,
}

impl Lines {
    /// No lines yet; a width of zero counts as one.
    pub(crate) fn new(width: usize) -> Self {
        Self { width: width.max(1), lines: Vec::new() }
    }

    /// Adds a paragraph of at most `limit` lines.
    pub(crate) fn paragraph(&mut self, rank: Rank, text: &str, limit: usize) {
        let mut lines = wrap(text, self.width);
        if lines.len() > limit {
            lines.truncate(limit);
            if let Some(last) = lines.last_mut() {
                mark_cut(last, self.width);
            }
        }
        self.lines.extend(lines.into_iter().map(|line| (rank, line)));
    }

    /// Adds an empty line.
    pub(crate) fn blank(&mut self) {
        self.lines.push((Rank::Blank, String::new()));
    }

    /// The number of lines up to this rank.
    pub(crate) fn count(&self, rank: Rank) -> usize {
        self.lines.iter().filter(|(other, _)| *other <= rank).count()
    }

    /// The text in at most `height` lines.
    pub(crate) fn fit(mut self, height: usize) -> Vec<String> {
        while self.lines.len() > height {
            // Among lines of the same rank the last one goes: `max_by_key` gives the last of equal ones.
            let dropped = self.lines.iter().enumerate().max_by_key(|(_, (rank, _))| *rank);
            let Some((at, rank)) = dropped.map(|(at, (rank, _))| (at, *rank)) else { break };
            self.lines.remove(at);
            if rank != Rank::Blank
                && let Some((_, line)) = self.lines.iter_mut().rev().find(|(other, _)| *other == rank)
            {
                mark_cut(line, self.width);
            }
        }
        self.lines.into_iter().map(|(_, line)| line).collect()
    }
}

fn mark_cut(line: &mut String, width: usize) {
    if line.ends_with(CUT) {
        return;
    }
    let kept: String = line.chars().take(width.saturating_sub(CUT.len())).collect();
    *line = kept.trim_end().chars().chain(CUT.chars()).take(width).collect();
}

/// Lines of at most `width` characters, broken between words, or within a word that is wider than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    // In a column that is hardly wider than it there is no room for an indent.
    let indent = if width > 4 * INDENT.len() { INDENT } else { "" };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().map(single_cell).collect();
        if !line.trim().is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if !line.trim().is_empty() {
            line.push(' ');
        }
        while line.len() + word.len() > width {
            let rest = word.split_off(width.saturating_sub(line.len()).min(word.len()));
            line.extend(word);
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
            word = rest;
        }
        line.extend(word);
    }
    if !line.trim().is_empty() {
        lines.push(line);
    }
    lines
}

/// A character that every console font has and that takes one cell: control characters would move the cursor, and others
/// may be wider than a cell, or none at all.
fn single_cell(c: char) -> char {
    if c.is_ascii_graphic() { c } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrap("State: pairing: scan the code", 29), ["State: pairing: scan the code"]);
        assert_eq!(wrap("State: pairing: scan the code", 28), ["State: pairing: scan the", "  code"]);
        assert_eq!(wrap("a fd00:1234:5678 b", 10), ["a", "  fd00:123", "  4:5678 b"]);
        assert_eq!(wrap("abc", 1), ["a", "b", "c"]);
        assert!(wrap(" \n ", 10).is_empty());
    }

    #[test]
    fn every_character_takes_one_cell() {
        assert_eq!(wrap("a\u{1b}[2J\u{9b}é漢\u{202e}", 80), ["a?[2J????"]);
    }

    #[test]
    fn what_matters_least_goes_first() {
        let mut lines = Lines::new(12);
        lines.paragraph(Rank::Essential, "name", 1);
        lines.blank();
        lines.paragraph(Rank::Trouble, "the disk is nearly full", 9);
        lines.paragraph(Rank::Detail, "version", 1);
        assert_eq!(lines.count(Rank::Trouble), 4);
        let fit = |height| lines.clone().fit(height);
        assert_eq!(fit(9), ["name", "", "the disk is", "  nearly", "  full", "version"]);
        assert_eq!(fit(4), ["name", "the disk is", "  nearly", "  full"]);
        assert_eq!(fit(3), ["name", "the disk is", "  nearly..."]);
        assert_eq!(fit(2), ["name", "the disk..."]);
        assert_eq!(fit(1), ["name"]);
        assert!(fit(0).is_empty());
    }

    #[test]
    fn a_paragraph_that_is_cut_says_so() {
        let mut lines = Lines::new(8);
        lines.paragraph(Rank::Hint, "one two three four five six", 2);
        assert_eq!(lines.fit(9), ["one two", "three..."]);
    }
}
