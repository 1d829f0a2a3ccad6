//! Message content on its way out (RFC 5321 section 4.5.2): the mirror of [`crate::Content`].

use memchr::memchr3;

use crate::content::ContentError;

/// Escapes the dots that open lines. Content with a bare CR or LF or a NUL never leaves: another program could read it
/// as two messages. Serves DATA and HTTPS delivery alike.
#[derive(Debug, Default)]
pub struct Stuffing {
    at: At,
}

/// The position after the last byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Text,
    Cr,
    Broken,
}

impl Stuffing {
    /// Content from its start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the escaped form of these bytes.
    pub fn push(&mut self, bytes: &[u8], escaped: &mut Vec<u8>) -> Result<(), ContentError> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            self.at = match (self.at, byte) {
                (At::Cr, b'\n') => At::LineStart,
                (At::LineStart | At::Text, b'\r') => At::Cr,
                (At::Cr | At::Broken, _) | (_, b'\n' | 0) => {
                    self.at = At::Broken;
                    return Err(ContentError::Invalid);
                }
                (At::LineStart | At::Text, _) => {
                    if self.at == At::LineStart && byte == b'.' {
                        escaped.push(b'.');
                    }
                    let run = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    let (text, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
                    escaped.extend_from_slice(text);
                    rest = after;
                    self.at = At::Text;
                    continue;
                }
            };
            escaped.push(byte);
            rest = after;
        }
        Ok(())
    }

    /// Whether the content may end here: behind a whole line.
    pub fn finish(&self) -> Result<(), ContentError> {
        if self.at == At::LineStart { Ok(()) } else { Err(ContentError::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::Stuffing;
    use crate::content::{Content, Progress};

    fn stuff(content: &[u8], chunk: usize) -> Option<Vec<u8>> {
        let (mut stuffing, mut escaped) = (Stuffing::new(), Vec::new());
        for bytes in content.chunks(chunk) {
            stuffing.push(bytes, &mut escaped).ok()?;
        }
        stuffing.finish().ok()?;
        Some(escaped)
    }

    #[test]
    fn dots_are_escaped_where_a_line_opens_and_come_back_as_they_were() {
        for (content, expected) in [
            (&b"a\r\n"[..], &b"a\r\n"[..]),
            (b".\r\n", b"..\r\n"),
            (b"..a.\r\n.b\r\n\r\n.\r\n", b"...a.\r\n..b\r\n\r\n..\r\n"),
            (b".", b""),
        ] {
            for chunk in 1..5 {
                let escaped = stuff(content, chunk);
                assert_eq!(escaped.as_deref(), Some(expected).filter(|text| !text.is_empty()), "{content:?}");
                let Some(mut escaped) = escaped else { continue };
                escaped.extend_from_slice(b".\r\n");
                let (mut reader, mut plain) = (Content::new(100), Vec::new());
                assert_eq!(reader.push(&escaped, &mut plain), Progress::End(escaped.len()));
                assert_eq!(plain, content);
            }
        }
    }

    #[test]
    fn what_could_be_read_as_two_messages_does_not_leave() {
        for content in [&b"a\n.\r\nb\r\n"[..], b"a\r.\r\n", b"a\r\r\n", b"a\0\r\n", b"a\r\nb", b"\n"] {
            for chunk in 1..5 {
                assert_eq!(stuff(content, chunk), None, "{content:?}");
            }
        }
    }
}
