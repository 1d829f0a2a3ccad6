//! Message content on its way in (RFC 5321 section 4.5.2): takes the escaping dots away, finds the end, and lets
//! nothing pass that two programs could read differently.
//!
//! A message whose lines do not all end in CR LF is refused, and so is one with a NUL: message smuggling lives on
//! bare line ends. Memory does not grow with the message.

use memchr::memchr3;

use crate::reply::{Reply, table};

/// An unacceptable message content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A CR or LF alone, a NUL, a last line without its end, or no content at all.
    #[error("the message has a line that does not end in CR LF, a NUL byte, or is empty")]
    Invalid,
    /// More bytes than the limit.
    #[error("the message is larger than the limit")]
    TooLarge,
}

impl From<ContentError> for Reply {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Invalid => table::INVALID_DATA,
            ContentError::TooLarge => table::TOO_LARGE,
        }
    }
}

/// The progress of a [`Content`] after a `push`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All bytes were taken; more must come.
    More,
    /// The lone dot was read; this many of the bytes were taken.
    End(usize),
}

/// Reads one message. After an error it goes on reading, quietly, so that the connection stays in step.
#[derive(Debug)]
pub struct Content {
    limit: u64,
    size: u64,
    at: At,
    error: Option<ContentError>,
}

/// The position of the next byte in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    /// After the dot that opened a line.
    Dot,
    /// After that dot and a CR.
    DotCr,
    Text,
    /// After a CR in the text.
    Cr,
    /// After the lone dot.
    End,
}

impl Content {
    /// A reader for a message of at most `limit` bytes, counted without the escaping dots.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, size: 0, at: At::LineStart, error: None }
    }

    /// Reads bytes, and appends to `plain` what belongs to the message; nothing more once an error is known.
    pub fn push(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Progress {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.at == At::Text {
                let run = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                if let Some((text, after)) = rest.split_at_checked(run).filter(|(text, _)| !text.is_empty()) {
                    self.keep(text, plain);
                    rest = after;
                    continue;
                }
            }
            self.step(byte, plain);
            rest = after;
            if self.at == At::End {
                return Progress::End(bytes.len().saturating_sub(rest.len()));
            }
        }
        Progress::More
    }

    /// The size of the whole message in bytes, after [`Progress::End`].
    pub fn finish(&self) -> Result<u64, ContentError> {
        match self.error {
            Some(error) => Err(error),
            None if self.at == At::End && self.size > 0 => Ok(self.size),
            None => Err(ContentError::Invalid),
        }
    }

    /// The same for content that has an end of its own and no lone dot, as in HTTPS delivery: a lone dot is an error.
    pub fn finish_without_dot(&self) -> Result<u64, ContentError> {
        match self.error {
            Some(error) => Err(error),
            None if self.at == At::LineStart && self.size > 0 => Ok(self.size),
            None => Err(ContentError::Invalid),
        }
    }

    /// The error found so far, if any.
    #[must_use]
    pub fn error(&self) -> Option<ContentError> {
        self.error
    }

    fn step(&mut self, byte: u8, plain: &mut Vec<u8>) {
        self.at = match (self.at, byte) {
            (At::End, _) => At::End,
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::DotCr, b'\n') => At::End,
            (At::Cr, b'\n') => {
                self.keep(b"\r\n", plain);
                At::LineStart
            }
            (At::LineStart | At::Text, b'\r') => At::Cr,
            (At::Cr | At::DotCr, b'\r') => {
                self.fail(ContentError::Invalid);
                At::Cr
            }
            (_, b'\n') | (At::Cr | At::DotCr, _) | (_, 0) => {
                self.fail(ContentError::Invalid);
                At::Text
            }
            (At::LineStart | At::Dot | At::Text, _) => {
                self.keep(&[byte], plain);
                At::Text
            }
        };
    }

    fn keep(&mut self, bytes: &[u8], plain: &mut Vec<u8>) {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.size > self.limit {
            self.fail(ContentError::TooLarge);
        }
        if self.error.is_none() {
            plain.extend_from_slice(bytes);
        }
    }

    /// Keeps the first error: it is the one the client is told.
    fn fail(&mut self, error: ContentError) {
        self.error.get_or_insert(error);
    }

    /// The bytes received so far without the escaping dots, also after an error.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, ContentError, Progress};

    /// Reads `wire` whole and byte by byte; both must say the same.
    fn read(wire: &[u8], limit: u64) -> (Result<Vec<u8>, ContentError>, Vec<u8>) {
        let run = |chunk: usize| {
            let (mut content, mut plain, mut taken) = (Content::new(limit), Vec::new(), 0);
            for bytes in wire.chunks(chunk) {
                match content.push(bytes, &mut plain) {
                    Progress::More => taken += bytes.len(),
                    Progress::End(count) => {
                        taken += count;
                        break;
                    }
                }
            }
            (content.finish().map(|_| plain), wire[taken..].to_vec())
        };
        let whole = run(wire.len());
        for chunk in 1..4 {
            assert_eq!(run(chunk), whole, "in chunks of {chunk}");
        }
        whole
    }

    #[track_caller]
    fn check(wire: &[u8], expected: Result<&[u8], ContentError>, rest: &[u8]) {
        assert_eq!(read(wire, 100), (expected.map(<[u8]>::to_vec), rest.to_vec()));
    }

    #[test]
    fn dots_are_unescaped_and_the_lone_dot_ends() {
        check(b"a\r\n.\r\nQUIT\r\n", Ok(b"a\r\n"), b"QUIT\r\n");
        check(b"..\r\n...x\r\n.y\r\na.b\r\n.\r\n", Ok(b".\r\n..x\r\ny\r\na.b\r\n"), b"");
        check(b"\r\n\r\n.\r\n", Ok(b"\r\n\r\n"), b"");
    }

    #[test]
    fn bare_line_ends_never_pass_and_never_end_a_message() {
        for wire in [
            &b"a\n.\n.\r\n"[..],
            b"a\n.\r\nb\r\n.\r\n",
            b"a\r\n.\nb\r\n.\r\n",
            b"a\r\n.\rb\r\n.\r\n",
            b"a\r.\r\n.\r\n",
            b"a\r\r\n.\r\n",
            b"a\r\n.\r\r\n.\r\n",
            b"a\0b\r\n.\r\n",
            b".\nx\r\n.\r\n",
        ] {
            check(wire, Err(ContentError::Invalid), b"");
        }
    }

    #[test]
    fn an_empty_message_is_none() {
        check(b".\r\nQUIT\r\n", Err(ContentError::Invalid), b"QUIT\r\n");
    }

    #[test]
    fn too_large_is_told_at_the_end_and_keeps_no_byte_over_the_limit() {
        let wire = [&[b'x'; 98][..], b"\r\n.\r\n"].concat();
        assert!(read(&wire, 100).0.is_ok());
        assert_eq!(read(&wire, 99), (Err(ContentError::TooLarge), vec![]));
        let mut plain = Vec::new();
        Content::new(99).push(&wire, &mut plain);
        assert!(plain.len() <= 99);
    }

    #[test]
    fn content_with_an_end_of_its_own_may_not_hold_a_lone_dot() {
        let finish = |wire: &[u8]| {
            let mut content = Content::new(100);
            let _ = content.push(wire, &mut Vec::new());
            content.finish_without_dot()
        };
        assert_eq!(finish(b"a\r\n..\r\n"), Ok(6));
        for wire in [&b"a\r\n.\r\n"[..], b"a\r\n.\r\nb\r\n", b"a", b"a\r", b"", b"a\r\n."] {
            assert_eq!(finish(wire), Err(ContentError::Invalid), "{wire:?}");
        }
    }
}
