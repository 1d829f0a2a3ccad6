//! The picture of a display's pixels against the text that should be on it.
//!
//! No font is known here. The text is on the picture if the same character always has the same glyph, different
//! characters have different ones, and blocks are what they should be: a text with other words, or in another place,
//! breaks that at once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::Line;
use pairing::{DisplayStatus, LedState, PAIRING_LINK_LABEL, PairingCode};

/// Pixels of a character cell in the kernel's usual console font.
const CELL: (usize, usize) = (8, 16);
/// Rows of pixels in the upper one of two half blocks.
const UPPER_HALF: usize = 7;
/// Brightness from 0 to 255 from which a pixel is of the text and not of the background.
const BRIGHT: u8 = 100;

/// A picture of a console.
pub struct Picture {
    width: usize,
    height: usize,
    bright: Vec<bool>,
}

impl Picture {
    /// Reads a binary PPM (ppm(5)), as QEMU writes it.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < 4 {
            let rest = bytes.get(at..).context("a head of four words")?;
            let end = rest.iter().position(u8::is_ascii_whitespace).context("a head of four words")?;
            words.push(std::str::from_utf8(&rest[..end])?.to_owned());
            at += end + 1;
        }
        ensure!(words[0] == "P6" && words[3] == "255", "a PPM of {words:?}");
        let (width, height) = (words[1].parse()?, words[2].parse()?);
        let bright: Vec<bool> =
            bytes[at..].chunks_exact(3).map(|pixel| pixel.iter().all(|&part| part >= BRIGHT)).collect();
        ensure!(bright.len() == width * height, "{} pixels of {width}x{height}", bright.len());
        Ok(Self { width, height, bright })
    }

    /// Columns and lines of text.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width / CELL.0, self.height / CELL.1)
    }

    /// Succeeds if the picture shows these lines and nothing else.
    pub fn shows(&self, lines: &[String]) -> Result<()> {
        let (columns, rows) = self.size();
        ensure!(lines.len() <= rows, "{} lines on {rows}", lines.len());
        let (mut glyphs, mut characters) = (BTreeMap::new(), BTreeMap::new());
        for row in 0..rows {
            let line = lines.get(row).map(String::as_str).unwrap_or_default();
            ensure!(line.chars().count() <= columns, "{line:?} on {columns} columns");
            for (column, expected) in line.chars().chain(std::iter::repeat(' ')).take(columns).enumerate() {
                let seen = self.glyph(column, row);
                let place = format!("{expected:?} in column {column} of line {row}, {line:?}");
                ensure!(has_its_form(&seen, expected), "no {place}");
                let glyph = glyphs.entry(expected).or_insert_with(|| seen.clone());
                ensure!(*glyph == seen, "not the same glyph as elsewhere: {place}");
                let character = *characters.entry(seen).or_insert(expected);
                ensure!(character == expected, "the same glyph as {character:?}: {place}");
            }
        }
        Ok(())
    }

    fn glyph(&self, column: usize, row: usize) -> Vec<bool> {
        let (left, top) = (column * CELL.0, row * CELL.1);
        let line = |y: usize| &self.bright[y * self.width + left..][..CELL.0];
        (top..top + CELL.1).flat_map(line).copied().collect()
    }
}

/// Whether a glyph has the form of its character, as far as that is known. In the kernel's font the upper half of a cell
/// has seven rows and the lower half nine.
fn has_its_form(glyph: &[bool], character: char) -> bool {
    let halves = glyph.split_at(UPPER_HALF * CELL.0);
    let lit = |half: &[bool]| half.iter().all(|&pixel| pixel);
    let dark = |half: &[bool]| !half.contains(&true);
    match character {
        ' ' => dark(glyph),
        '▀' => lit(halves.0) && dark(halves.1),
        '▄' => dark(halves.0) && lit(halves.1),
        '█' => lit(glyph),
        _ => true,
    }
}

/// The status with a code that a serial line has shown last.
pub fn status_on_line(lines: &[Line]) -> Result<DisplayStatus> {
    let lines: Vec<&str> = lines.iter().map(|line| line.text.trim_end()).collect();
    let end = lines.iter().rposition(|line| line.starts_with(PAIRING_LINK_LABEL)).context("no link")?;
    let start = lines[..end].iter().rposition(|line| line.starts_with("  Hearth ")).context("no head")?;
    let block = &lines[start..=end];
    let after = |label: &str| {
        let found = block.iter().find_map(|line| line.split_once(label).map(|(_, value)| value.trim()));
        found.with_context(|| format!("no {label:?} in {block:#?}"))
    };
    let (version, name) = after("  Hearth ")?.split_once(' ').context("version and name")?;
    let state = after("  State:")?;
    let addresses = after("  Address:")?;
    let troubles = block.iter().filter_map(|line| line.strip_prefix("  Attention: "));
    Ok(DisplayStatus {
        name: name.trim().to_owned(),
        addresses: addresses.split(", ").map(str::parse).collect::<Result<_, _>>()?,
        led: LedState::ALL.into_iter().find(|led| led.words() == state).context("a state")?,
        accounts: after("  Accounts:")?.parse()?,
        version: version.to_owned(),
        troubles: troubles.map(str::to_owned).collect(),
        code: Some(PairingCode {
            link: after(PAIRING_LINK_LABEL)?.to_owned(),
            closes: after("the window closes ")?.trim_end_matches('.').to_owned(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::{CELL, Picture, UPPER_HALF};

    /// A picture of this text in a font of its own: a letter's bits are its number's.
    fn picture(lines: &[&str], columns: usize) -> Picture {
        let (width, height) = (columns * CELL.0, lines.len() * CELL.1);
        let mut bright = vec![false; width * height];
        for (row, line) in lines.iter().enumerate() {
            for (column, character) in line.chars().enumerate() {
                let pixel = |at: usize| match character {
                    '▀' => at / CELL.0 < UPPER_HALF,
                    '▄' => at / CELL.0 >= UPPER_HALF,
                    '█' => true,
                    ' ' => false,
                    letter => at % 2 == 1 && u32::from(letter) >> (at % 8) & 1 == 1,
                };
                let glyph = (0..CELL.0 * CELL.1).map(pixel);
                for (at, pixel) in glyph.enumerate() {
                    let (x, y) = (column * CELL.0 + at % CELL.0, row * CELL.1 + at / CELL.0);
                    bright[y * width + x] = pixel;
                }
            }
        }
        Picture { width, height, bright }
    }

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_text_is_found_in_its_place_only() {
        let picture = picture(&["cac", " █▀▄"], 5);
        assert_eq!(picture.size(), (5, 2));
        picture.shows(&lines(&["cac", " █▀▄"])).unwrap();
        // The letters of another text could be the ones that are seen, if each is always the same.
        picture.shows(&lines(&["xyx", " █▀▄"])).unwrap();
        for other in [
            &["cac"][..],
            &["cab", " █▀▄"],
            &["ccc", " █▀▄"],
            &[" cac", " █▀▄"],
            &["cac", " █▄▀"],
            &["cac", " █▀▄c"],
            &["cac", "", " █▀▄"],
        ] {
            assert!(picture.shows(&lines(other)).is_err(), "{other:?}");
        }
    }
}
