//! Replies of another server (RFC 5321 section 4.2), read line by line with limits.

use crate::reply::Reply;

/// The longest line of a reply, in bytes. RFC 5321 section 4.5.3.1.5 has 512; some servers write more.
const LINE_LIMIT: usize = 4096;
/// The most lines of one reply; those to EHLO have a few dozen.
const LINE_COUNT_LIMIT: usize = 128;

/// The bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoReply;

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerReply {
    pub(super) code: u16,
    /// The text of each line.
    pub(super) lines: Vec<String>,
}

impl ServerReply {
    pub(super) fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// The reply on one line, for bounces and logs.
    pub(super) fn reply(&self) -> Reply {
        Reply::new(self.code, &self.lines.join(" "))
    }
}

/// Collects replies from bytes.
#[derive(Debug, Default)]
pub(super) struct Replies {
    bytes: Vec<u8>,
    lines: Vec<String>,
    code: Option<u16>,
}

impl Replies {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops everything: what came in clear text does not count under TLS.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.lines.is_empty()
    }

    /// The next whole reply.
    ///
    /// Quirk: lines may end in LF alone; nothing is decided by where a reply's line ends.
    pub(super) fn next(&mut self) -> Result<Option<ServerReply>, NoReply> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            if line.len() > LINE_LIMIT || self.lines.len() >= LINE_COUNT_LIMIT {
                return Err(NoReply);
            }
            if let Some(heard) = self.take_line(line.trim_ascii_end())? {
                return Ok(Some(heard));
            }
        }
        if self.bytes.len() > LINE_LIMIT { Err(NoReply) } else { Ok(None) }
    }

    /// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`
    fn take_line(&mut self, line: &[u8]) -> Result<Option<ServerReply>, NoReply> {
        let (code, rest) = line.split_at_checked(3).ok_or(NoReply)?;
        let digits = code.iter().all(u8::is_ascii_digit);
        let code = str::from_utf8(code).ok().filter(|_| digits).and_then(|code| code.parse().ok());
        let code = code.filter(|code| (200..600).contains(code)).ok_or(NoReply)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(NoReply);
        }
        let (more, text) = match rest.split_first() {
            None => (false, rest),
            Some((b' ', text)) => (false, text),
            Some((b'-', text)) => (true, text),
            Some(_) => return Err(NoReply),
        };
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        self.code = more.then_some(code);
        Ok((!more).then(|| ServerReply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_LIMIT, NoReply, Replies, ServerReply};

    fn read(text: &str, chunk: usize) -> Result<Vec<(u16, String)>, NoReply> {
        let (mut replies, mut read) = (Replies::default(), Vec::new());
        for bytes in text.as_bytes().chunks(chunk) {
            replies.push(bytes);
            while let Some(ServerReply { code, lines }) = replies.next()? {
                read.push((code, lines.join("|")));
            }
        }
        Ok(read)
    }

    #[test]
    fn replies_have_one_line_or_many() {
        let text = "220 box ESMTP\r\n250-box\r\n250-SIZE 5\r\n250 \r\n354\n550 5.1.1 no\r\n";
        let expected: Vec<(u16, String)> =
            [(220, "box ESMTP"), (250, "box|SIZE 5|"), (354, ""), (550, "5.1.1 no")]
                .map(|(code, text)| (code, text.to_owned()))
                .to_vec();
        for chunk in [1, 2, 7, 1000] {
            assert_eq!(read(text, chunk), Ok(expected.clone()));
        }
    }

    #[test]
    fn what_is_no_reply_is_told_apart() {
        for text in [
            "HTTP/1.1 400 Bad\r\n",
            "\r\n",
            "25\r\n",
            "250_x\r\n",
            "250-a\r\n251 b\r\n",
            "199 x\r\n",
            "999 x\r\n",
        ] {
            assert_eq!(read(text, 100), Err(NoReply), "{text:?}");
        }
        assert_eq!(read(&"x".repeat(LINE_LIMIT + 2), 100), Err(NoReply));
        assert_eq!(read(&"250-x\r\n".repeat(200), 100), Err(NoReply));
    }
}
