//! Cuts the client's bytes into command lines, with a limit, and stays in step after a line that is too long.
//!
//! Message content does not pass through here: [`crate::Content`] takes the same bytes with [`Lines::pending`].

/// RFC 4954 section 4 lets an AUTH line have 12 288 bytes; no other line needs as many.
pub(crate) const LINE_LIMIT: usize = 12_288;

/// The buffer of pending input.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// The length of the consumed front of `bytes`.
    start: usize,
    /// The length of the pending front without LF, so that a slow line is not searched again and again.
    searched: usize,
    /// Whether the line that is arriving is already too long and only its end is of interest.
    skipping: bool,
}

/// A line of the command stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line, without its CR LF.
    Whole(Vec<u8>),
    /// A line over the limit; it is gone.
    TooLong,
    /// A line that does not end in CR LF, or holds another CR.
    Bare,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The number of pending bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// The pending bytes, for message content; [`Lines::consume`] takes them.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Drops the first pending bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        self.searched = 0;
        if self.start == self.bytes.len() {
            // A thousand idle connections must not each keep the buffer of their last attachment.
            if self.bytes.capacity() > LINE_LIMIT {
                self.bytes = Vec::new()
            } else {
                self.bytes.clear()
            }
            self.start = 0;
        } else if self.start > LINE_LIMIT {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line, or none until more bytes come.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        let pending = self.pending();
        let unsearched = pending.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = pending.len();
            if self.searched > LINE_LIMIT {
                self.consume(self.searched);
                self.skipping = true;
            }
            return None;
        };
        let end = self.searched.saturating_add(found);
        let line = pending.get(..end).unwrap_or_default();
        let line = if self.skipping || end > LINE_LIMIT {
            Line::TooLong
        } else {
            match line.split_last() {
                Some((b'\r', line)) if !line.contains(&b'\r') => Line::Whole(line.to_vec()),
                _ => Line::Bare,
            }
        };
        self.skipping = false;
        self.consume(end.saturating_add(1));
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_LIMIT, Line, Lines};

    fn read(chunks: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            read.extend(std::iter::from_fn(|| lines.next_line()));
        }
        read
    }

    #[test]
    fn lines_end_in_cr_lf_wherever_the_bytes_are_split() {
        assert_eq!(
            read(&[b"NO", b"OP\r", b"\nQUIT\r\nEH"]),
            [Line::Whole(b"NOOP".into()), Line::Whole(b"QUIT".into())]
        );
        assert_eq!(read(&[b"NOOP\nQ\rT\r\n\r\n"]), [Line::Bare, Line::Bare, Line::Whole(vec![])]);
    }

    #[test]
    fn an_empty_buffer_is_a_small_one() {
        let mut lines = Lines::default();
        lines.push(&[b'x'; 100_000]);
        lines.consume(100_000);
        assert!(lines.bytes.capacity() <= LINE_LIMIT);
    }

    #[test]
    fn a_line_over_the_limit_is_dropped_and_the_next_one_read() {
        let long = vec![b'x'; LINE_LIMIT * 3];
        assert_eq!(read(&[&long, &long, b"\r\nNOOP\r\n"]), [Line::TooLong, Line::Whole(b"NOOP".into())]);
        assert_eq!(
            read(&[&[&long[..], b"\r\nNOOP\r\n"].concat()]),
            [Line::TooLong, Line::Whole(b"NOOP".into())]
        );
    }
}
