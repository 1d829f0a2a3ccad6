//! The framing: one message a line, in JSON, with a limit on the line's length.
//!
//! A longer line is read to its end, kept nowhere, and reported as [`Line::TooLong`]; the line after it is read as usual,
//! so a peer that writes nonsense stops nothing but its own message.

use std::io::{self, BufRead, BufReader, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One line of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The line without its end.
    Whole(Vec<u8>),
    /// The line was longer than the limit, and its bytes are gone.
    TooLong,
}

/// A line that is not the message it should be.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Longer than the limit.
    #[error("it is longer than the limit")]
    TooLong,
    /// Not the JSON of such a message.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl Line {
    /// The message on the line.
    ///
    /// # Errors
    ///
    /// [`LineError::TooLong`] for a line beyond the limit, [`LineError::Json`] for one that is no such message.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, LineError> {
        match self {
            Self::Whole(bytes) => Ok(serde_json::from_slice(bytes)?),
            Self::TooLong => Err(LineError::TooLong),
        }
    }
}

/// A message as a line, its end included.
///
/// # Errors
///
/// For a message that has no form in JSON; each message of this crate has one.
pub fn encode<T: Serialize>(message: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Splits a stream of bytes into lines of at most `limit` bytes, holding no more than one of them.
#[derive(Debug)]
pub struct LineSplitter {
    limit: usize,
    line: Vec<u8>,
    too_long: bool,
}

impl LineSplitter {
    /// A splitter at the beginning of a stream.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), too_long: false }
    }

    /// Takes bytes up to the first line end among them; returns how many were taken, and the line if it is complete.
    /// Call it again with the rest.
    pub fn push(&mut self, bytes: &[u8]) -> (usize, Option<Line>) {
        let (part, taken, complete) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => (bytes.get(..at).unwrap_or_default(), at + 1, true),
            None => (bytes, bytes.len(), false),
        };
        self.too_long |= self.line.len() + part.len() > self.limit;
        if self.too_long {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(part);
        }
        (taken, complete.then(|| self.take()))
    }

    /// Ends the stream: its last line, if it has no end of its own.
    pub fn finish(&mut self) -> Option<Line> {
        let unfinished = self.take();
        (unfinished != Line::Whole(Vec::new())).then_some(unfinished)
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) { Line::TooLong } else { Line::Whole(line) }
    }
}

/// The lines of a blocking reader, up to its end or its first error.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    splitter: LineSplitter,
    error: Option<io::Error>,
}

impl<R: Read> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::new(reader), splitter: LineSplitter::new(limit), error: None }
    }

    /// The error that ended the lines, if it was not the stream's end.
    pub fn into_error(self) -> Option<io::Error> {
        self.error
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            let available = match self.reader.fill_buf() {
                Ok([]) => return self.splitter.finish(),
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.error = Some(error);
                    return None;
                }
            };
            let (taken, line) = self.splitter.push(available);
            self.reader.consume(taken);
            if line.is_some() {
                return line;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, LineSplitter, Lines, encode};

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[test]
    fn lines_have_a_limit_and_reading_goes_on_behind_a_long_one() {
        let text = b"one\n\ntoo long a line\ntwo\nrest";
        let lines: Vec<_> = Lines::new(&text[..], 4).collect();
        assert_eq!(lines, [whole("one"), whole(""), Line::TooLong, whole("two"), whole("rest")]);
    }

    #[test]
    fn a_stream_in_single_bytes_gives_the_same_lines_and_holds_no_long_one() {
        let mut splitter = LineSplitter::new(4);
        let mut lines = Vec::new();
        for byte in b"one\n12345\n\n1234\ntoo long" {
            let (taken, line) = splitter.push(&[*byte]);
            assert_eq!(taken, 1);
            lines.extend(line);
            assert!(splitter.line.len() <= 4);
        }
        assert_eq!(lines, [whole("one"), Line::TooLong, whole(""), whole("1234")]);
        assert_eq!(splitter.finish(), Some(Line::TooLong));
    }

    #[test]
    fn a_message_is_its_line() {
        let line = encode(&crate::appliance::ToServe::Stop).unwrap();
        assert_eq!(line, b"\"stop\"\n");
        let read: Vec<crate::appliance::ToServe> =
            Lines::new(&line[..], 100).map(|line| line.decode().unwrap()).collect();
        assert_eq!(read, [crate::appliance::ToServe::Stop]);
    }
}
