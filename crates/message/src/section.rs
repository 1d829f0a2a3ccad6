//! A header section that arrives in pieces, collected up to a limit.

use memchr::memchr_iter;

/// A header section longer than its collector takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header section is too large")]
pub struct SectionTooLarge;

/// Collects the header section of a message (RFC 5322 section 2.2) whose bytes arrive in pieces of any size: everything
/// up to the first empty line, which ends it.
#[derive(Debug)]
pub struct SectionCollector {
    section: Vec<u8>,
    limit: usize,
    line: Line,
}

/// The current line, as far as it has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    /// A CR alone.
    Cr,
    Text,
    /// It was the empty line.
    Past,
}

impl SectionCollector {
    /// A collector of a section of at most `limit` bytes, the empty line included.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { section: Vec::new(), limit, line: Line::Nothing }
    }

    /// Takes bytes up to the end of the section and returns those behind it: the body's.
    ///
    /// # Errors
    ///
    /// When the section would grow over the limit. What was collected before stays.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], SectionTooLarge> {
        if self.is_complete() {
            return Ok(bytes);
        }
        let (own, body) = bytes.split_at_checked(self.read(bytes)).unwrap_or((bytes, &[]));
        if self.section.len().saturating_add(own.len()) > self.limit {
            return Err(SectionTooLarge);
        }
        self.section.extend_from_slice(own);
        Ok(body)
    }

    /// Whether the empty line has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.line == Line::Past
    }

    /// The section, with its empty line if that has arrived: a message may end with its header section.
    #[must_use]
    pub fn section(&self) -> &[u8] {
        &self.section
    }

    /// The section, as [`SectionCollector::section`] has it.
    #[must_use]
    pub fn into_section(self) -> Vec<u8> {
        self.section
    }

    /// The number of bytes that belong to the section.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            if matches!(self.line.with(bytes.get(start..end)), Line::Nothing | Line::Cr) {
                self.line = Line::Past;
                return end + 1;
            }
            self.line = Line::Nothing;
            start = end + 1;
        }
        self.line = self.line.with(bytes.get(start..));
        bytes.len()
    }
}

impl Line {
    /// The line with further text of it.
    fn with(self, text: Option<&[u8]>) -> Self {
        match (self, text) {
            (_, None | Some([])) => self,
            (Self::Nothing, Some(b"\r")) => Self::Cr,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SectionCollector, SectionTooLarge};
    use crate::section_length;

    #[test]
    fn a_section_is_the_same_however_it_is_split() {
        for message in [
            &b"A: b\r\nC: d\r\n e\r\n\r\nbody\r\n\r\nbody"[..],
            b"A: b\n\nbody",
            b"\r\nbody",
            b"\nbody",
            b"A: b\r\n \r\n\r\n\r\n",
            b"A: b\r\n\r\r\n\r\nbody",
            b"A: b\r\nC",
            b"",
        ] {
            for size in 1..=message.len().max(1) {
                let (mut collector, mut body) = (SectionCollector::new(100), Vec::new());
                for piece in message.chunks(size) {
                    body.extend_from_slice(collector.push(piece).unwrap());
                }
                let length = section_length(message);
                assert_eq!(collector.is_complete(), length.is_some(), "{message:?}");
                assert_eq!(collector.section(), &message[..length.unwrap_or(message.len())]);
                assert_eq!([collector.into_section(), body].concat(), message, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn the_limit_counts_the_empty_line() {
        assert_eq!(SectionCollector::new(8).push(b"A: b\r\n\r\nbody"), Ok(&b"body"[..]));
        assert_eq!(SectionCollector::new(7).push(b"A: b\r\n\r\nbody"), Err(SectionTooLarge));
        let mut collector = SectionCollector::new(7);
        assert_eq!(collector.push(b"A: b\r\n\r"), Ok(&b""[..]));
        assert_eq!(collector.push(b"\n"), Err(SectionTooLarge));
    }
}
