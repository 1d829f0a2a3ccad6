//! Cuts a stream into lines in bounded memory. A bare CR or LF is an error: two programs would cut differently.

use memchr::memchr;

/// The longest line that arrives whole, in bytes; a longer one comes in pieces.
pub(crate) const WHOLE_LINE_LIMIT: usize = 4096;

/// A piece of a line, without its CR LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a [u8],
    /// Whether the line starts with this piece.
    pub(crate) starts: bool,
    /// Whether it ends with this piece.
    pub(crate) ends: bool,
}

impl Piece<'_> {
    /// Whether this is a line of its own with exactly this text.
    pub(crate) fn is_line(&self, text: &[u8]) -> bool {
        self.starts && self.ends && self.text == text
    }
}

/// A CR or LF alone: the text can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BareLineEnd;

/// The cutter.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The start of a line that has not ended yet.
    held: Vec<u8>,
    /// Whether earlier pieces of that line have been passed on.
    within: bool,
}

impl Lines {
    /// Passes every line that ends in `bytes`, and pieces of one that grows too long, to `take`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> Result<(), BareLineEnd> {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after.split_first().map_or(&[][..], |(_, rest)| rest);
            if self.held.is_empty() {
                Self::give(line, !std::mem::take(&mut self.within), &mut take)?;
            } else {
                self.held.extend_from_slice(line);
                let given = Self::give(&self.held, !std::mem::take(&mut self.within), &mut take);
                self.held.clear();
                given?;
            }
        }
        self.held.extend_from_slice(rest);
        if self.held.len() > WHOLE_LINE_LIMIT {
            let held = std::mem::take(&mut self.held);
            // The CR may belong to the line's end.
            let text = held.strip_suffix(b"\r").unwrap_or(&held);
            if text.contains(&b'\r') {
                return Err(BareLineEnd);
            }
            take(Piece { text, starts: !self.within, ends: false });
            self.within = true;
            if text.len() < held.len() {
                self.held.push(b'\r');
            }
        }
        Ok(())
    }

    /// Passes the last line, if it has no end of its own, to `take`.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) -> Result<(), BareLineEnd> {
        let text = std::mem::take(&mut self.held);
        let starts = !std::mem::take(&mut self.within);
        if text.contains(&b'\r') {
            return Err(BareLineEnd);
        }
        if !text.is_empty() || !starts {
            take(Piece { text: &text, starts, ends: true });
        }
        Ok(())
    }

    fn give(line: &[u8], starts: bool, take: &mut impl FnMut(Piece<'_>)) -> Result<(), BareLineEnd> {
        match line.strip_suffix(b"\r") {
            Some(text) if memchr(b'\r', text).is_none() => {
                take(Piece { text, starts, ends: true });
                Ok(())
            }
            _ => Err(BareLineEnd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BareLineEnd, Lines, WHOLE_LINE_LIMIT};

    fn read(text: &[u8], chunk: usize) -> Result<Vec<Vec<u8>>, BareLineEnd> {
        let (mut lines, mut read) = (Lines::default(), Vec::new());
        let mut take = |piece: super::Piece<'_>| {
            assert!(piece.text.len() <= WHOLE_LINE_LIMIT + chunk);
            if piece.starts {
                read.push(Vec::new());
            }
            read.last_mut().unwrap().extend_from_slice(piece.text);
        };
        for bytes in text.chunks(chunk) {
            lines.push(bytes, &mut take)?;
        }
        lines.finish(&mut take)?;
        Ok(read)
    }

    #[test]
    fn lines_are_the_same_however_the_text_is_split() {
        let long = vec![b'x'; 3 * WHOLE_LINE_LIMIT];
        let text = [b"a\r\n\r\n", &long[..], b"\r\nb"].concat();
        let expected = vec![b"a".to_vec(), vec![], long, b"b".to_vec()];
        for chunk in [1, 2, 3, 7, 1000, WHOLE_LINE_LIMIT - 1, WHOLE_LINE_LIMIT, text.len()] {
            assert_eq!(read(&text, chunk), Ok(expected.clone()), "in chunks of {chunk}");
        }
        assert_eq!(read(b"a\r\n", 1), Ok(vec![b"a".to_vec()]));
    }

    #[test]
    fn bare_line_ends_are_an_error() {
        for text in [&b"a\nb\r\n"[..], b"a\rb\r\n", b"a\r\r\n", b"a\r"] {
            for chunk in 1..5 {
                assert_eq!(read(text, chunk), Err(BareLineEnd), "{text:?}");
            }
        }
    }
}
