//! Checks that every line of a stream ends with CR LF and that neither stands alone.

use memchr::memchr_iter;

/// A CR or an LF alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BareLineEnd;

/// The check, between two pieces of the stream.
#[derive(Debug, Default)]
pub(crate) struct LineEnds {
    /// Whether the last piece ended with a CR, whose LF is due.
    after_cr: bool,
}

impl LineEnds {
    /// Looks at the next bytes.
    ///
    /// If an LF stands behind each CR that is counted and there are as many of one as of the other, none stands alone.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), BareLineEnd> {
        let Some(last) = bytes.last() else { return Ok(()) };
        let mut line_feeds = 0_usize;
        for at in memchr_iter(b'\n', bytes) {
            let behind_cr = match at.checked_sub(1) {
                None => self.after_cr,
                Some(before) => bytes.get(before) == Some(&b'\r'),
            };
            if !behind_cr {
                return Err(BareLineEnd);
            }
            line_feeds += 1;
        }
        let returns = memchr_iter(b'\r', bytes).count() + usize::from(self.after_cr);
        self.after_cr = *last == b'\r';
        if returns == line_feeds + usize::from(self.after_cr) { Ok(()) } else { Err(BareLineEnd) }
    }

    /// Looks at the end of the stream.
    pub(crate) fn finish(&self) -> Result<(), BareLineEnd> {
        if self.after_cr { Err(BareLineEnd) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::LineEnds;

    fn check(text: &[u8], expected: bool) {
        for size in 1..=text.len().max(1) {
            let mut ends = LineEnds::default();
            let accepted = text.chunks(size).all(|piece| ends.push(piece).is_ok()) && ends.finish().is_ok();
            assert_eq!(accepted, expected, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn only_pairs_are_line_ends() {
        for text in [&b""[..], b"a", b"\r\n", b"a\r\n\r\nb", b"\r\n\r\n\r\n"] {
            check(text, true);
        }
        for text in
            [&b"\r"[..], b"\n", b"\n\r", b"a\r\r\n", b"a\r\n\n", b"a\rb", b"a\nb\r\n", b"\r\r\n\n", b"\r\n\r"]
        {
            check(text, false);
        }
    }
}
