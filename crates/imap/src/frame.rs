//! Framing: bytes in, whole commands out, with lines and literals (RFC 3501 section 4.3, RFC 7888), their limits, and
//! resynchronisation after oversize input. No command is known here; that is `parse`.
//!
//! ```text
//!            LF, no literal announced
//!   Line ────────────────────────────► Frame::Command
//!    │ `{n}` or `{n+}` at the end
//!    ▼                      accept: into the command ──► Line
//!   Frame::Literal ──────── stream: Frame::Chunk ... ──► Line
//!                           refuse: `{n}` ► Line, `{n+}` ► skip the literal and the rest of the command
//! ```

use std::mem;

use crate::length::length;

/// The longest announcement of a literal, in bytes: `~{18446744073709551615+}`.
const ANNOUNCEMENT_LENGTH: usize = 24;
/// Bytes kept of an oversize command, in which its tag can be found.
const HEAD_LENGTH: usize = 64;

/// A unit of input that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A command with its literals in place (`{n}` CRLF and n bytes), ending in CRLF however the client ended it.
    Command(Vec<u8>),
    /// The command so far announces a literal; `accept`, `stream` or `refuse` decides.
    Literal(Announcement),
    /// Bytes of a literal that is streamed.
    Chunk(Vec<u8>),
    /// A command over the limit, with its first bytes; the rest of it is skipped.
    TooLong(Vec<u8>),
}

/// A literal's announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The length of the literal in bytes.
    pub(crate) size: u64,
    pub(crate) kind: LiteralKind,
}

/// The two kinds of literals (RFC 7888).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiteralKind {
    /// `{n}`: the client waits for a continuation request.
    Synchronising,
    /// `{n+}`: the bytes come at once.
    NonSynchronising,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub(crate) struct Framer {
    input: Vec<u8>,
    /// Bytes of `input` that were consumed.
    start: usize,
    /// Bytes of `input` known to hold no line end, so that a long line is not searched again with every read.
    scanned: usize,
    /// The command so far, its literals included.
    command: Vec<u8>,
    /// The longest command in bytes.
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Inside a line of a command.
    Line,
    /// A literal is announced; `accept`, `stream` or `refuse` has not been called yet.
    AwaitDecision(Announcement),
    /// Inside a literal that belongs to the command.
    Literal { left: u64 },
    /// Inside a literal that is streamed.
    Stream { left: u64 },
    /// Inside a line of a command that is skipped, with its latest bytes, which may announce another literal.
    SkipLine { tail: Vec<u8> },
    /// Inside a literal of a command that is skipped.
    SkipLiteral { left: u64 },
}

impl Framer {
    /// A framer for commands of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { input: Vec::new(), start: 0, scanned: 0, command: Vec::new(), limit, state: State::Line }
    }

    /// Changes the limit for the commands that follow.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds bytes from the client.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.start.min(self.input.len()));
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Bytes that wait to be framed.
    pub(crate) fn waiting(&self) -> usize {
        self.input.len().saturating_sub(self.start)
    }

    /// Discards all input: nothing received in clear text counts after `STARTTLS` (RFC 3501 section 6.2.1).
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// The command so far, while a literal awaits its decision.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.command
    }

    /// Takes the announced literal into the command, if the command stays within its limit.
    pub(crate) fn accept(&mut self) -> Result<(), OverLimit> {
        if let State::AwaitDecision(Announcement { size, .. }) = self.state {
            let room = u64::try_from(self.limit.saturating_sub(self.command.len())).unwrap_or(u64::MAX);
            if size > room {
                return Err(OverLimit);
            }
            self.state = State::Literal { left: size };
        }
        Ok(())
    }

    /// Streams the announced literal in chunks, and drops the command before it.
    pub(crate) fn stream(&mut self) {
        if let State::AwaitDecision(Announcement { size, .. }) = self.state {
            self.command.clear();
            self.state = State::Stream { left: size };
        }
    }

    /// Drops the command whose literal was announced.
    pub(crate) fn refuse(&mut self) {
        if let State::AwaitDecision(announcement) = self.state {
            self.command.clear();
            self.state = match announcement.kind {
                // Without a continuation request the client does not send it, but its next command.
                LiteralKind::Synchronising => State::Line,
                LiteralKind::NonSynchronising => State::SkipLiteral { left: announcement.size },
            };
        }
    }

    /// Skips the rest of a streamed literal, and of the command that it belongs to.
    pub(crate) fn skip_stream(&mut self) {
        if let State::Stream { left } = self.state {
            self.state = State::SkipLiteral { left };
        }
    }

    /// The next frame, if the input holds it whole.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Line => return self.next_line(),
                State::AwaitDecision(_) => return None,
                // Behind a literal the line of its command goes on.
                State::Literal { left: 0 } | State::Stream { left: 0 } => self.state = State::Line,
                State::SkipLiteral { left: 0 } => self.state = State::SkipLine { tail: Vec::new() },
                State::Literal { left } => {
                    let bytes = self.take_up_to(left)?;
                    self.command.extend_from_slice(&bytes);
                    self.state = State::Literal { left: left - length(&bytes) };
                }
                State::Stream { left } => {
                    let bytes = self.take_up_to(left)?;
                    self.state = State::Stream { left: left - length(&bytes) };
                    return Some(Frame::Chunk(bytes));
                }
                State::SkipLine { .. } => self.skip_line()?,
                State::SkipLiteral { left } => {
                    let bytes = self.take_up_to(left)?;
                    self.state = State::SkipLiteral { left: left - length(&bytes) };
                }
            }
        }
    }

    /// In `State::Line`: the frame that the next line completes, or `TooLong`.
    fn next_line(&mut self) -> Option<Frame> {
        let Some(end) = self.find_line_end() else {
            // The limit holds without a line end too: a line that never ends must not fill the memory.
            if self.command.len() + self.waiting() > self.limit {
                return Some(self.give_up());
            }
            return None;
        };
        if self.command.len() + (end - self.start) > self.limit {
            return Some(self.give_up());
        }
        let line = self.take(end + 1 - self.start);
        let line = strip_line_end(&line);
        self.command.extend_from_slice(line);
        self.command.extend_from_slice(b"\r\n");
        match announcement(line) {
            Some(announcement) => {
                self.state = State::AwaitDecision(announcement);
                Some(Frame::Literal(announcement))
            }
            None => Some(Frame::Command(mem::take(&mut self.command))),
        }
    }

    /// Drops a command over the limit but for its head, and skips the rest of its line.
    fn give_up(&mut self) -> Frame {
        let mut head = mem::take(&mut self.command);
        head.extend(self.input.iter().skip(self.start).take(HEAD_LENGTH));
        head.truncate(HEAD_LENGTH);
        self.state = State::SkipLine { tail: Vec::new() };
        Frame::TooLong(head)
    }

    /// In `State::SkipLine`: skips to the end of the line, and on over non-synchronising literals, which come unasked.
    fn skip_line(&mut self) -> Option<()> {
        let end = self.find_line_end();
        let bytes = match end {
            Some(end) => self.take(end + 1 - self.start),
            None => self.take(self.waiting()),
        };
        let State::SkipLine { tail } = &mut self.state else {
            return None;
        };
        tail.extend_from_slice(&bytes);
        // The line may come in pieces: its last bytes are kept, in which an announcement and CRLF fit.
        let excess = tail.len().saturating_sub(ANNOUNCEMENT_LENGTH + 2);
        tail.drain(..excess);
        end?;
        self.state = match announcement(strip_line_end(tail)) {
            Some(Announcement { size, kind: LiteralKind::NonSynchronising }) => {
                State::SkipLiteral { left: size }
            }
            _ => State::Line,
        };
        Some(())
    }

    /// The index of the next LF in `input`. As a quirk a bare LF ends a line: relay's own tests send such commands.
    fn find_line_end(&mut self) -> Option<usize> {
        let from = self.scanned.max(self.start);
        let found = self.input.iter().skip(from).position(|&byte| byte == b'\n').map(|offset| from + offset);
        self.scanned = found.unwrap_or(self.input.len());
        found
    }

    fn take_up_to(&mut self, wanted: u64) -> Option<Vec<u8>> {
        let count = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.waiting());
        if count == 0 { None } else { Some(self.take(count)) }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let end = self.start.saturating_add(count).min(self.input.len());
        let bytes = self.input.get(self.start..end).unwrap_or(&[]).to_vec();
        self.start = end;
        if self.start == self.input.len() {
            // An idle connection keeps no buffer.
            self.input = Vec::new();
            self.start = 0;
            self.scanned = 0;
        }
        bytes
    }
}

/// The error of a literal that does not fit into the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit;

fn strip_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 3501: literal = "{" number "}" CRLF *CHAR8; RFC 7888 adds `+` after the number.
fn announcement(line: &[u8]) -> Option<Announcement> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|&byte| byte == b'{')?;
    let number = inner.get(open + 1..)?;
    let (number, kind) = match number.strip_suffix(b"+") {
        Some(number) => (number, LiteralKind::NonSynchronising),
        None => (number, LiteralKind::Synchronising),
    };
    if number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(Announcement { size, kind })
}

#[cfg(test)]
mod tests {
    use super::{Announcement, Frame, Framer, LiteralKind};

    fn literal(size: u64, kind: LiteralKind) -> Frame {
        Frame::Literal(Announcement { size, kind })
    }

    #[test]
    fn lines_end_with_crlf_or_lf() {
        let mut framer = Framer::new(100);
        framer.push(b"a NOOP\r\nb NOOP\nc");
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"a NOOP\r\n".to_vec())));
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"b NOOP\r\n".to_vec())));
        assert_eq!(framer.next_frame(), None);
        framer.push(b" NOOP\r\n");
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"c NOOP\r\n".to_vec())));
    }

    #[test]
    fn an_accepted_literal_becomes_part_of_the_command() {
        let mut framer = Framer::new(100);
        framer.push(b"a LOGIN {3}\r\n");
        assert_eq!(framer.next_frame(), Some(literal(3, LiteralKind::Synchronising)));
        assert_eq!(framer.next_frame(), None);
        framer.accept().unwrap();
        framer.push(b"x\nz {2+}\r\nab\r\n");
        assert_eq!(framer.next_frame(), Some(literal(2, LiteralKind::NonSynchronising)));
        framer.accept().unwrap();
        let whole = b"a LOGIN {3}\r\nx\nz {2+}\r\nab\r\n".to_vec();
        assert_eq!(framer.next_frame(), Some(Frame::Command(whole)));
    }

    #[test]
    fn a_refused_literal_is_skipped_if_it_comes_anyway() {
        let mut framer = Framer::new(20);
        framer.push(b"a X {30+}\r\n012345678901234567890123456789 {2+}\r\nzz\r\nb NOOP\r\n");
        assert_eq!(framer.next_frame(), Some(literal(30, LiteralKind::NonSynchronising)));
        assert!(framer.accept().is_err());
        framer.refuse();
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"b NOOP\r\n".to_vec())));
        framer.push(b"c X {30}\r\nd NOOP\r\n");
        assert_eq!(framer.next_frame(), Some(literal(30, LiteralKind::Synchronising)));
        framer.refuse();
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"d NOOP\r\n".to_vec())));
    }

    #[test]
    fn an_oversize_line_is_reported_once_and_skipped() {
        let mut framer = Framer::new(20);
        framer.push(b"a SEARCH 1234567890 1234567890");
        assert!(matches!(framer.next_frame(), Some(Frame::TooLong(head)) if head.starts_with(b"a SEARCH")));
        framer.push(b"1234567890 1234567890 {4");
        assert_eq!(framer.next_frame(), None);
        framer.push(b"+}\r\nabcd\r\nb NOOP\r\n");
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"b NOOP\r\n".to_vec())));
    }

    #[test]
    fn a_streamed_literal_comes_in_chunks() {
        let mut framer = Framer::new(20);
        framer.push(b"a APPEND x {5}\r\n");
        assert_eq!(framer.next_frame(), Some(literal(5, LiteralKind::Synchronising)));
        framer.stream();
        framer.push(b"ab");
        assert_eq!(framer.next_frame(), Some(Frame::Chunk(b"ab".to_vec())));
        framer.push(b"cde\r\n");
        assert_eq!(framer.next_frame(), Some(Frame::Chunk(b"cde".to_vec())));
        assert_eq!(framer.next_frame(), Some(Frame::Command(b"\r\n".to_vec())));
    }
}
